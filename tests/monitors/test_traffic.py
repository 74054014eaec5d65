"""Traffic: false alarms over all looks under overdispersion, cycles and dependence, and how soon a change is found."""

import numpy as np
import pytest

from monitors.traffic import MOST_BLOCKS, comparisons, expected, log_evidence
from monitors.window_evidence import rings

LOOKS = 26
WEEK = np.array([1.0, 1.1, 1.1, 1.1, 1.0, 0.5, 0.4])


def overdispersed(rng, mean, dispersion, size):
    if dispersion == 1:
        return rng.poisson(mean, size)
    return rng.negative_binomial(np.broadcast_to(mean, size) / (dispersion - 1), 1 / dispersion)


def autoregressive(rng, size, carried=0.7):
    noise = np.zeros(size)
    for place in range(1, size):
        noise[place] = carried * noise[place - 1] + rng.normal(0, 0.15)
    return rng.poisson(1000 * np.exp(noise))


def weekly(rng, size):
    return rng.poisson(1000 * np.resize(np.roll(WEEK, rng.integers(7)), size) * rng.gamma(50, 1 / 50, size))


SCENES = {
    "20 a window": lambda rng, size: overdispersed(rng, 20, 1, size),
    "dispersion 6": lambda rng, size: overdispersed(rng, 100, 6, size),
    "dispersion 50": lambda rng, size: overdispersed(rng, 1000, 50, size),
    "dispersion 200": lambda rng, size: overdispersed(rng, 1000, 200, size),
    "weekly cycle": weekly,
    "AR(1)": autoregressive,
    "none": lambda _, size: np.zeros(size, dtype=int),
}


def first_ring(counts, period):
    log_e = log_evidence(counts, np.ones(len(counts)), period=period, tolerance=1.25)
    found = rings(log_e[8:, None], alpha=0.05)
    return found[0].window + 8 if found else None


def share_of_false_alarms(scene, period, runs):
    rng = np.random.default_rng(11)
    return np.mean([first_ring(SCENES[scene](rng, 8 + LOOKS), period) is not None for _ in range(runs)])


@pytest.mark.parametrize("scene", SCENES)
def test_false_alarms_over_26_looks(scene):
    assert share_of_false_alarms(scene, 7 if scene == "weekly cycle" else 1, 25) <= 0.08  # two of 25


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("period", [1, 7])
def test_false_alarms_over_26_looks_stay_below_alpha(scene, period):
    assert share_of_false_alarms(scene, period, 600) <= 0.05


def test_a_detector_that_tests_each_window_at_5_percent_fails_where_ours_holds():
    rng = np.random.default_rng(12)
    naive = []
    for _ in range(60):
        counts = overdispersed(rng, 100, 6, 8 + LOOKS)
        mean = counts[:8].mean()
        naive.append((abs(counts[8:] - mean) > 1.96 * np.sqrt(mean)).any())
    assert np.mean(naive) > 0.9


@pytest.mark.parametrize("factor", [2.0, 0.5])
@pytest.mark.parametrize("period", [1, 7])
def test_doubling_and_halving_is_found_in_its_first_window(factor, period):
    rng = np.random.default_rng(13)
    cycle = np.resize(WEEK, 90) if period == 7 else np.ones(90)
    for _ in range(10):
        mean = 1000 * cycle * np.where(np.arange(90) < 70, 1.0, factor)
        assert first_ring(rng.poisson(mean), period) == 70


def test_changes_within_the_tolerance_never_ring():
    rng = np.random.default_rng(14)
    for _ in range(20):
        assert first_ring(rng.poisson(np.where(np.arange(40) < 20, 10_000, 12_000)), 1) is None


def test_growth_that_is_slow_is_no_change():
    rng = np.random.default_rng(15)
    assert first_ring(rng.poisson(1000 * 1.005 ** np.arange(100)), 1) is None


def test_windows_of_other_lengths_are_compared_by_rate():
    lengths = np.where(np.arange(20) % 2, 3.0, 1.0)
    found = expected(100 * lengths, lengths, period=1, limits=np.full(20, 20.0))
    assert found[9].rows == pytest.approx(300)
    assert found[9].ratio == pytest.approx(1)
    assert found[9].dispersion == 1


def test_at_most_26_earlier_windows_count():
    counts = np.concatenate([np.full(50, 1000), np.full(MOST_BLOCKS, 10), [10]])
    last = expected(counts, np.ones(len(counts)), period=1, limits=np.full(len(counts), 20.0))[-1]
    assert (last.rows, last.blocks) == (10, MOST_BLOCKS)


def test_the_interval_of_prediction_holds_the_next_window():
    rng = np.random.default_rng(16)
    inside = []
    for _ in range(600):
        counts = overdispersed(rng, 500, 20, 21)
        last = expected(counts, np.ones(21), period=1, limits=np.full(21, 20.0))[-1]
        inside.append(last.low <= counts[-1] <= last.high)
    assert np.mean(inside) > 0.93


def test_the_comparisons_of_a_cycle():
    assert len(comparisons(1)) == 3
    assert len(comparisons(4)) == 4
    assert (1, 24) in comparisons(24)
    assert comparisons(2)[1] == (2, 2)
    assert len(set(comparisons(2))) == len(comparisons(2))


def test_a_feed_that_ends_rings():
    assert first_ring(np.concatenate([np.full(20, 200), np.zeros(6)]).astype(int), 1) == 20


def test_clusters_divide_counts_by_no_less_than_their_design_effect():
    """Ten rows come at once: three clusters after one a week are no change, though 30 rows after 10 would be."""
    rows = [10.0] * 12 + [30.0]
    alone = log_evidence(rows, np.ones(13), period=1, tolerance=1.25)
    clustered = log_evidence(rows, np.ones(13), period=1, tolerance=1.25, clusters=10.0)
    ones = log_evidence(np.array(rows) / 10, np.ones(13), period=1, tolerance=1.25)
    assert clustered[-1] == pytest.approx(ones[-1])
    assert clustered[-1] < 1 < alone[-1]
    limits = np.full(13, 20.0)
    assert expected(rows, np.ones(13), period=1, limits=limits, clusters=10.0)[-1].dispersion == 10.0
