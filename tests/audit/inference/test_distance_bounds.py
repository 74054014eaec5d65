"""A distance that cannot be negative, such as a calibration error, has no percentile bootstrap interval.

The published comparison (1,000 rows of a calibrated model): the percentile bootstrap covers the truth, 0, in 0
of 60 runs; a bound from simultaneous bins covers it.
"""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.counting import count
from audit.gaps import comparisons, group_values
from audit.inference.distance_bounds import absolute_difference, difference_bounds, distance_bounds, term_bounds
from audit.inference.intervals import Interval, rate
from audit.predictions import PredictionLog

ROWS, BINS, RUNS = 1000, 10, 60
ECE, MCE = "expected_calibration_error", "maximum_calibration_error"


def calibrated(rng, *, shift=0.0, rows=ROWS):
    score = rng.random(rows)
    return score, rng.random(rows) < np.clip(score + shift, 0, 1)


def calibration_error(score, label):
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, weights=label - score, minlength=BINS)
    return np.abs(gaps).sum() / len(score)


def bootstrap_low(rng, score, label, replicates=300):
    drawn = rng.integers(0, ROWS, (replicates, ROWS))
    return np.quantile([calibration_error(score[rows], label[rows]) for rows in drawn], 0.025)


def measured(many, metric, level=0.95):
    """Return the rows of many runs, each a group of one tally."""
    groups = [f"r{place:04}" for place, (score, _) in enumerate(many) for _ in score]
    table = pa.table(
        {"s": np.concatenate([score for score, _ in many]), "y": np.concatenate([y for _, y in many]), "g": groups}
    )
    log = PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    tally = count(log)
    return tally, group_values(tally, metric, features=["g"], level=level)


def test_the_percentile_bootstrap_never_covers_a_calibration_error_of_0():
    rng = np.random.default_rng(7)
    runs = [calibrated(rng) for _ in range(RUNS)]
    assert sum(bootstrap_low(rng, *run) <= 0 for run in runs) == 0
    _, rows = measured(runs, ECE)
    assert sum(row.low <= 0 for row in rows) >= 57
    for row, run in zip(rows, runs, strict=True):
        assert row.value == pytest.approx(calibration_error(*run), abs=1e-8)  # one number, two intervals


@pytest.mark.parametrize("metric", [ECE, MCE])
def test_simultaneous_bins_cover_0_and_still_find_a_fault(metric):
    rng = np.random.default_rng(8)
    _, rows = measured([calibrated(rng) for _ in range(1000)], metric)
    assert sum(row.low <= 0 for row in rows) >= 945
    _, rows = measured([calibrated(rng, shift=0.15) for _ in range(200)], metric)
    assert sum(row.low > 0 for row in rows) >= 190


def between(many, size, metric, compare):
    """Return the comparisons within each `size` groups in turn, all counted into one tally."""
    tally, rows = measured(many, metric)
    groups = [tuple(value for _, value in row.slice) for row in rows]
    for start in range(0, len(groups), size):
        among = groups[start : start + size]
        yield comparisons(tally, metric, features=["g"], compare=compare, level=0.95, among=among)[0]


def test_many_groups_hold_at_once():
    # The largest of twelve groups' errors: all of them 0, so its lower bound is to be 0 in 95 % of runs.
    rng = np.random.default_rng(9)
    runs = [calibrated(rng, rows=300) for _ in range(12 * 30)]
    found = list(between(runs, 12, ECE, "value"))
    assert np.mean([part.adjusted.low.max() <= 0 for part in found]) >= 0.9
    assert {part.together for part in found} == {12}


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_difference_of_two_distances(shift):
    rng = np.random.default_rng(10)
    truth = -calibration_error(*calibrated(rng, shift=shift, rows=400_000)) if shift else 0.0
    # Unequal sizes: the smaller group's estimate lies farther above its true distance.
    runs = [pair for _ in range(60) for pair in (calibrated(rng, rows=200), calibrated(rng, shift=shift, rows=3000))]
    found = list(between(runs, 2, ECE, "difference"))
    assert np.mean([part.plain.low[0] <= truth <= part.plain.high[0] for part in found]) >= 0.95
    assert np.mean([part.value[0] for part in found]) > truth + 0.03


def psi(first, second):
    return (first - second) * np.log(first / second)


SHARES = st.floats(0.01, 0.99)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.tuples(SHARES, SHARES), st.tuples(SHARES, SHARES), st.sampled_from([absolute_difference, psi]))
def test_terms_lie_within_their_bounds_and_reach_them(first, second, term):
    one, two = (Interval(np.array([min(pair)]), np.array([max(pair)])) for pair in (first, second))
    bounds = term_bounds(one, two, term=term)
    grid = [np.linspace(side.low[0], side.high[0], 41) for side in (one, two)]
    values = term(*np.meshgrid(*grid))
    assert values.max() == pytest.approx(bounds.high[0], abs=1e-9)
    assert values.min() >= bounds.low[0] - 1e-9
    overlap = min(one.high[0], two.high[0]) >= max(one.low[0], two.low[0])
    assert bounds.low[0] == (0.0 if overlap else pytest.approx(values.min(), abs=1e-9))


def test_what_is_undefined_stays_so():
    nothing = Interval(np.array([np.nan]), np.array([np.nan]))
    exact = Interval(np.array([0.5]), np.array([0.5]))
    for bounds in (term_bounds(nothing, exact), difference_bounds(exact, nothing)):
        assert np.isnan([*bounds.low, *bounds.high]).all()


def test_total_variation_of_equal_samples_covers_0_where_a_bootstrap_does_not():
    rng = np.random.default_rng(11)
    shares, covered, bootstrapped = np.array([0.4, 0.3, 0.2, 0.1]), 0, 0
    for _ in range(200):
        one, two = rng.multinomial(500, shares, 2)
        sides = [rate(x, 500, level=0.95, comparisons=8) for x in (one, two)]
        bounds = distance_bounds(term_bounds(*sides), lambda terms: terms.sum(axis=-1) / 2)
        covered += bounds.low <= 0
        drawn = rng.multinomial(500, one / 500, 200) - rng.multinomial(500, two / 500, 200)
        bootstrapped += np.quantile(np.abs(drawn).sum(axis=1) / 1000, 0.025) <= 0
    assert covered >= 190
    assert bootstrapped == 0
