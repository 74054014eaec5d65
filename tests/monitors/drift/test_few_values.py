"""Numbers that are rather categories: scarce flags ring by their factor, and no more often falsely than declared."""

from datetime import timedelta

import numpy as np
import pytest

from monitors.counts.binning import Binning
from monitors.drift.bins import few_values
from monitors.drift.bounds import ks_radius
from monitors.drift.rejections import Pair, bound_since
from monitors.drift.run import drift
from monitors.drift.settings import DriftSettings


def flag(share):
    return lambda rng, rows: (rng.random(rows) < share).astype(float)


def mostly_none(share):
    return lambda rng, rows: np.where(rng.random(rows) < share, rng.exponential(1, rows), 0.0)


def alarm_days(compared, before, since, *, seed=0, days=12, change=4, rows=500, reference=5000, alpha=0.05):
    rng = np.random.default_rng(seed)
    windows = [{None: {"z": (before if day < change else since)(rng, rows)}} for day in range(days)]
    held, current = compared({None: {"z": before(rng, reference)}}, windows)
    found = drift(held, current, settings=DriftSettings(alpha=alpha))
    start = current.windows[0][0]
    return [(alarm.since - start) // timedelta(days=1) for alarm in found.alarms]


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (flag(0.01), flag(0.04)),
        (flag(0.99), flag(0.96)),
        (flag(0.04), flag(0.01)),
        (mostly_none(0.02), mostly_none(0.06)),
        (lambda rng, rows: rng.poisson(0.05, rows) * 1.0, lambda rng, rows: rng.poisson(0.12, rows) * 1.0),
    ],
)
def test_scarce_values_that_change_by_a_factor_ring_within_days_at_the_default_limits(compared, before, since):
    for seed in range(3):
        (day,) = alarm_days(compared, before, since, seed=seed)
        assert 4 <= day <= 9


@pytest.mark.parametrize("same", [flag(0.01), flag(0.3), mostly_none(0.05), lambda rng, n: rng.poisson(1, n) * 1.0])
def test_what_does_not_change_is_quiet(compared, same):
    """Each at alpha .2 with a reference that is small: at most 8 of 30 by chance with probability .87, 12 with .999."""
    rang = sum(
        bool(alarm_days(compared, same, same, seed=seed, days=20, rows=100, reference=400, alpha=0.2))
        for seed in range(30)
    )
    assert rang <= 12


def test_a_factor_below_the_limit_does_not_ring_however_many_rows_there_are(compared):
    assert alarm_days(compared, flag(0.1), flag(0.115), rows=40_000, reference=400_000) == []


def test_the_bound_of_the_factor_fails_as_rarely_as_declared():
    """The bound lies above the true factor, 2, in at most 5 % of samples."""
    rng, missed, runs = np.random.default_rng(0), 0, 400
    bins = Binning(feature="z", kind="numeric", edges=(0.0, float(np.nextafter(0.0, 1.0))), tied=True)
    at = np.array([0])
    for _ in range(runs):
        m, n = rng.binomial(3000, 0.02), rng.binomial(3000, 0.04)
        pair = Pair(bins, np.array([[0, 3000.0 - m, m, 0]]), np.array([[[0, 3000.0 - n, n, 0]]]), 1.0)
        missed += bool(bound_since(pair, at, at, at, error=np.array([0.05]), min_share=0.005).factor[0] > 2.0)
    assert missed <= 31  # P(X > 31) of Binomial(400, .05) is 0.6 %


def test_other_numbers_have_no_factor_and_all_the_error_for_their_distance():
    bins = Binning(feature="z", kind="numeric", edges=(40.0,))
    at = np.array([0])
    pair = Pair(bins, np.array([[2000.0, 2000, 0]]), np.array([[[1000.0, 100, 0]]]), 1.0)
    found = bound_since(pair, at, at, at, error=np.array([0.05]), min_share=0.005)
    assert found.factor.tolist() == [1.0]
    assert float(found.value[0] - found.low[0]) == pytest.approx(float(ks_radius(4000, 1100, alpha=0.05, edges=2)))


def after(value):
    return float(np.nextafter(value, np.inf))


@pytest.mark.parametrize(
    ("edges", "counts", "expected"),
    [
        ((0.0, after(0.0)), [0, 990, 10, 0], True),
        ((0.0, after(0.0), 1.0, after(1.0)), [0, 300, 0, 700, 0, 0], True),
        ((0.0, after(0.0), 3.0), [0, 600, 200, 200, 0], True),
        ((0.0, after(0.0), 3.0), [0, 400, 300, 300, 0], False),
        ((40.0,), [500, 500, 0], False),
        ((0.0, after(0.0)), [0, 0, 0, 90], False),
    ],
)
def test_which_numbers_are_rather_categories(edges, counts, expected):
    assert few_values(Binning(feature="z", kind="numeric", edges=edges, tied=True), counts) is expected
    assert few_values(Binning(feature="z", kind="categorical", categories=("a",)), [5, 0, 0]) is False


def test_rounded_numbers_are_no_categories():
    rng = np.random.default_rng(0)
    values, counts = np.unique(np.round(rng.normal(size=5000), 1), return_counts=True)
    edges = np.unique(np.concatenate([values, np.nextafter(values, np.inf)]))
    binned = np.zeros(len(edges) + 2)
    binned[1:-1:2] = counts
    assert not few_values(Binning(feature="z", kind="numeric", edges=tuple(edges), tied=True), binned)
