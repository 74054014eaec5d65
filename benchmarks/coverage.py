"""Coverage of the intervals, the usual way beside ours: ``python benchmarks/coverage.py`` prints the tables.

``--write docs/statistics.md`` puts them into the document; ``--full`` repeats more often. Every function below
measures one setting and returns both figures, so that the tables and the tests show the same thing. One rate and the
ratio of two are enumerated exactly; the rest is simulated from fixed seeds. Other families: ``coverage_*`` beside this.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrc
from scipy.stats import binom

from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import FloatArray, Interval, quantile, rate, wilson
from audit.inference.ratio_intervals import koopman

Z = quantile(0.95)


class Row(NamedTuple):
    """One line of a table: the setting, the usual way and its figure, our figure, and what else is to be said."""

    setting: str
    usual: str
    wrong: float
    right: float
    note: str = ""


class Comparison(NamedTuple):
    """One figure measured in one setting for the common way and for ours."""

    wrong: float
    right: float


class StandardErrors(NamedTuple):
    """Mean estimated standard errors beside the true one, and the coverage of `rate` built on the right one."""

    true: float
    wrong: float
    right: float
    coverage: float


def one_rate(n: int, p: float) -> Comparison:
    """Return the exact coverage of one rate: percentile bootstrap, and Wilson."""
    x = np.arange(n + 1)
    weight = binom.pmf(x, n, p)
    # The bootstrap distribution of x / n is binomial(n, x / n) / n: its percentiles need no resampling.
    bootstrap = Interval(low=binom.ppf(0.025, n, x / n) / n, high=binom.ppf(0.975, n, x / n) / n)
    return Comparison(
        wrong=float(weight @ _covers(bootstrap, p)), right=float(weight @ _covers(wilson(x, n, critical=Z), p))
    )


def rate_grid(sizes: npt.ArrayLike, rates: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the exact coverage of Wilson alone and of `rate`, two arrays of shape (sizes, rates)."""
    sizes, rates = np.atleast_1d(sizes), np.atleast_1d(np.asarray(rates, dtype=np.float64))
    alone, ours = np.empty((len(sizes), len(rates))), np.empty((len(sizes), len(rates)))
    for row, n in enumerate(sizes):
        x = np.arange(n + 1)
        alone[row] = _exact_coverage(wilson(x, n, critical=Z), rates)
        ours[row] = _exact_coverage(rate(x, n), rates)
    return alone, ours


def ratio(n1: int, p1: float, n2: int, p2: float) -> Comparison:
    """Return the exact coverage of the ratio p1 / p2: log (Katz) interval, and Koopman."""
    x1, x2 = _likely(n1, p1)[:, None], _likely(n2, p2)
    weight = binom.pmf(x1, n1, p1) * binom.pmf(x2, n2, p2)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.log((x1 / n1) / (x2 / n2))
        half = Z * np.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2)
        low, high = np.exp(estimate - half), np.exp(estimate + half)
    # Without an event the log interval is undefined; in its favour that counts as unbounded.
    log_interval = Interval(low=np.where(np.isinf(half), 0.0, low), high=np.where(np.isinf(half), np.inf, high))
    score_interval = koopman(x1, n1, x2, n2, critical=Z)
    return Comparison(
        wrong=float(np.sum(weight * _covers(log_interval, p1 / p2))),
        right=float(np.sum(weight * _covers(score_interval, p1 / p2))),
    )


def largest_gap(
    rates: npt.ArrayLike, n: npt.ArrayLike, *, runs: int = 2000, replicates: int = 400, seed: int = 0
) -> Comparison:
    """Return the coverage of the largest gap over groups: percentile bootstrap of max - min, and the two-sided rule.

    The rule: high = largest unadjusted upper bound of a pair; low = largest Bonferroni-adjusted lower bound, at least
    0.
    """
    rng = np.random.default_rng(seed)
    p, sizes = np.broadcast_arrays(np.asarray(rates, dtype=np.float64), np.asarray(n))
    truth = np.ptp(p)
    x = rng.binomial(sizes, p, (runs, len(p)))
    copies = rng.binomial(sizes, x / sizes, (replicates, runs, len(p))) / sizes
    low, high = np.quantile(np.ptp(copies, axis=2), [0.025, 0.975], axis=0)
    plain, adjusted = _pairs(x, sizes, comparisons=1), _pairs(x, sizes, comparisons=len(p) * (len(p) - 1) // 2)
    rule = Interval(
        low=np.maximum(np.maximum(adjusted.low, -adjusted.high).max(axis=1), 0.0),
        high=np.maximum(plain.high, -plain.low).max(axis=1),
    )
    bootstrap = Interval(low=low, high=high)
    return Comparison(wrong=float(np.mean(_covers(bootstrap, truth))), right=float(np.mean(_covers(rule, truth))))


def all_pairs(rates: npt.ArrayLike, n: npt.ArrayLike, *, runs: int = 4000, seed: int = 0) -> Comparison:
    """Return how often the intervals of all pairs hold together: Agresti-Caffo without and with Bonferroni."""
    rng = np.random.default_rng(seed)
    p, sizes = np.broadcast_arrays(np.asarray(rates, dtype=np.float64), np.asarray(n))
    x = rng.binomial(sizes, p, (runs, len(p)))
    first, second = np.triu_indices(len(p), k=1)
    truth = p[first] - p[second]
    plain, adjusted = _pairs(x, sizes, comparisons=1), _pairs(x, sizes, comparisons=len(first))
    return Comparison(
        wrong=float(np.mean(_covers(plain, truth).all(axis=1))),
        right=float(np.mean(_covers(adjusted, truth).all(axis=1))),
    )


def weekly_gates(
    limit: float = 0.1, *, per_week: int = 200, weeks: int = 26, runs: int = 4000, seed: int = 0
) -> Comparison:
    """Return how often a model exactly at the limit ever passes: fixed level 95 %, and 1 - .05 / (k (k + 1)) at look k.

    Each week adds rows; a look passes when the upper bound of all rows so far is at most the limit.
    """
    rng = np.random.default_rng(seed)
    look = np.arange(1, weeks + 1)
    x = rng.binomial(per_week, limit, (runs, weeks)).cumsum(axis=1)
    fixed = rate(x, per_week * look).high <= limit
    spending = rate(x, per_week * look, level=1 - 0.05 / (look * (look + 1))).high <= limit
    return Comparison(wrong=float(fixed.any(axis=1).mean()), right=float(spending.any(axis=1).mean()))


def weighted(p: float = 0.4, *, n: int = 20_000, sigma: float = 1.0, runs: int = 1000, seed: int = 0) -> StandardErrors:
    """Return standard errors of a rate under lognormal weights: multinomial on weight sums, and linearised."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(runs):
        w, y = rng.lognormal(0.0, sigma, n), rng.random(n) < p
        estimate = w @ y / w.sum()
        linearised = np.sqrt(np.sum((w * (y - estimate)) ** 2)) / w.sum()
        # Weights scaled to sum to n, then read as counts.
        rows.append((estimate, np.sqrt(estimate * (1 - estimate) / n), linearised))
    return _standard_errors(np.array(rows), p, df=None)


def clustered(
    p: float = 0.3, *, clusters: int = 800, size: int = 24, correlation: float = 0.35, runs: int = 1000, seed: int = 0
) -> StandardErrors:
    """Return standard errors of a rate over clusters of rows: rows taken as independent, and cluster-robust.

    Each cluster has its own rate from a beta distribution with mean p and the given intracluster correlation.
    """
    rng = np.random.default_rng(seed)
    spread = 1 / correlation - 1
    own = rng.beta(p * spread, (1 - p) * spread, (runs, clusters))
    x = rng.binomial(size, own)
    n = clusters * size
    estimate = x.sum(axis=1) / n
    residual = x - size * estimate[:, None]
    robust = np.sqrt(clusters / (clusters - 1) * np.sum(residual**2, axis=1)) / n
    rows = np.column_stack([estimate, np.sqrt(estimate * (1 - estimate) / n), robust])
    return _standard_errors(rows, p, df=clusters - 1)


def _covers(interval: Interval, truth: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell where the interval holds the truth; an undefined interval does not; rounding is forgiven."""
    return np.asarray((interval.low <= np.add(truth, 1e-12)) & (interval.high >= np.subtract(truth, 1e-12)))


def _exact_coverage(interval: Interval, rates: FloatArray) -> FloatArray:
    """Return the binomial probability that the interval holds each rate, for bounds over x = 0 ... n."""
    n = len(interval.low) - 1
    if np.any(np.diff(interval.low) < 0) or np.any(np.diff(interval.high) < 0):
        msg = f"expected bounds that rise with x; found a fall at n = {n}; sum over x one by one instead"
        raise ValueError(msg)
    last = np.searchsorted(interval.low, rates, side="right") - 1
    first = np.searchsorted(interval.high, rates, side="left")
    below = np.where(first > 0, bdtr(np.maximum(first - 1, 0), n, rates), 0.0)
    return np.asarray(1.0 - below - bdtrc(last, n, rates))


def _likely(n: int, p: float) -> npt.NDArray[np.int64]:
    """Return the counts that hold all but 1e-10 of a binomial distribution."""
    return np.arange(binom.ppf(5e-11, n, p), binom.isf(5e-11, n, p) + 1).astype(np.int64)


def _pairs(x: npt.NDArray[np.int64], n: npt.NDArray[np.int64], *, comparisons: int) -> Interval:
    """Return the Agresti-Caffo intervals of all unordered pairs, shape (runs, pairs)."""
    first, second = np.triu_indices(x.shape[1], k=1)
    critical = quantile(0.95, comparisons=comparisons)
    return agresti_caffo(x[:, first], n[first], x[:, second], n[second], critical=critical)


def _standard_errors(rows: FloatArray, p: float, *, df: int | None) -> StandardErrors:
    """Reduce rows of (estimate, wrong SE, right SE); the coverage is that of `rate` at the right effective size."""
    estimate, wrong, right = rows.T
    effective = estimate * (1 - estimate) / right**2
    covered = _covers(rate(estimate * effective, effective, df=df), p)
    return StandardErrors(
        true=float(estimate.std(ddof=1)),
        wrong=float(wrong.mean()),
        right=float(right.mean()),
        coverage=float(covered.mean()),
    )


def rate_rows(*, full: bool) -> Iterator[Row]:
    """Yield the exact coverage of one rate."""
    for n, p in ((30, 0.05), (100, 0.02), (1000, 0.05)):
        yield Row(f"one rate, n={n}, p={p}, Wilson", "percentile bootstrap", *one_rate(n, p))
    for n in (55, 100):
        alone, ours = rate_grid(n, 0.01)
        yield Row(f"one rate, n={n}, p=.01", "Wilson alone", float(alone.min()), float(ours.min()))
    sizes = np.arange(30, 3001) if full else np.unique(np.geomspace(30, 3000, 120).astype(int))
    alone, ours = rate_grid(sizes, np.arange(0.01, 0.501, 0.002))
    yield Row("one rate, n 30-3000, p .01-.5, least", "Wilson alone", float(alone.min()), float(ours.min()))
    yield Row("one rate, n 30-3000, p .01-.5, mean", "Wilson alone", float(alone.mean()), float(ours.mean()))


def ratio_rows(*, full: bool) -> Iterator[Row]:
    """Yield the exact coverage of the ratio of two rates."""
    del full
    for (n1, n2), (p1, p2) in product(
        ((30, 30), (30, 3000), (3000, 30), (300, 300), (3000, 3000)), ((0.95, 0.95), (0.95, 0.9), (0.3, 0.2))
    ):
        yield Row(f"ratio, n={n1}/{n2}, p={p1}/{p2}", "log interval", *ratio(n1, p1, n2, p2))


def largest_rows(*, full: bool) -> Iterator[Row]:
    """Yield the coverage of all pairs together and of the largest gap, over 2-12 equal and unequal groups."""
    runs = 4000 if full else 1000
    for p in (0.05, 0.3, 0.5):
        yield Row(f"all pairs of 3 x 100 rows, p={p}", "unadjusted", *all_pairs([p] * 3, 100, runs=runs))
    for groups, n, p in product((2, 3, 6, 12), (100, 1000), (0.05, 0.3)):
        measured = largest_gap([p] * groups, n, runs=runs)
        yield Row(f"largest gap, {groups} equal groups of {n}, p={p}", "percentile bootstrap", *measured)
    for p in ((0.2, 0.3), (0.2, 0.2, 0.3), (0.2, 0.22, 0.25, 0.28, 0.3, 0.3)):
        measured = largest_gap(p, 300, runs=runs)
        yield Row(f"largest gap, n=300, p={', '.join(map(str, p))}", "percentile bootstrap", *measured)
    for sizes in ((2000, 60), (1000, 300, 100, 50), (2000, 1000, 500, 200, 100, 60, 40, 40)):
        measured = largest_gap([0.2] * len(sizes), sizes, runs=runs)
        text = ", ".join(f"{n:,}" for n in sizes)
        yield Row(f"largest gap, equal rates .2, groups of {text}", "percentile bootstrap", *measured)


if __name__ == "__main__":
    from coverage_report import main

    main()
