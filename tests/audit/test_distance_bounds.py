"""A distance that cannot be negative, such as a calibration error, has no percentile bootstrap interval.

The published comparison (1,000 rows of a calibrated model): the percentile bootstrap covers the truth, 0, in 0
of 60 runs; a bound from simultaneous bins covers it. The bins' intervals are those of `audit.intervals`.
"""

import numpy as np

from audit.intervals import rate

ROWS, BINS, RUNS = 1000, 10, 60


def calibrated(rng, *, shift=0.0):
    score = rng.random(ROWS)
    return score, rng.random(ROWS) < np.clip(score + shift, 0, 1)


def by_bin(score, label):
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    n = np.bincount(place, minlength=BINS)
    return n, np.bincount(place, weights=label, minlength=BINS), np.bincount(place, weights=score, minlength=BINS)


def calibration_error(score, label):
    n, positives, scores = by_bin(score, label)
    return np.abs(positives - scores).sum() / n.sum()


def bootstrap_low(rng, score, label, replicates=300):
    drawn = rng.integers(0, ROWS, (replicates, ROWS))
    return np.quantile([calibration_error(score[rows], label[rows]) for rows in drawn], 0.025)


def simultaneous_low(score, label):
    """Least calibration error that is compatible with every bin's interval, all bins at once (Bonferroni)."""
    n, positives, scores = by_bin(score, label)
    bounds, mean = rate(positives, n, level=0.95, comparisons=BINS), scores / n
    outside = np.maximum(np.maximum(bounds.low - mean, mean - bounds.high), 0)
    return float((n * outside).sum() / n.sum())


def test_the_percentile_bootstrap_never_covers_a_calibration_error_of_0():
    rng = np.random.default_rng(7)
    runs = [calibrated(rng) for _ in range(RUNS)]
    assert sum(bootstrap_low(rng, *run) <= 0 for run in runs) == 0


def test_a_bound_from_simultaneous_bins_covers_0_and_still_finds_a_fault():
    rng = np.random.default_rng(8)
    assert sum(simultaneous_low(*calibrated(rng)) <= 0 for _ in range(1000)) >= 935
    assert sum(simultaneous_low(*calibrated(rng, shift=0.15)) > 0 for _ in range(200)) >= 190
