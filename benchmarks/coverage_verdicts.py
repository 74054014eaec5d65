"""What verdicts promise: false PASS and false FAIL at the limit, looks, rows needed; gaps of two, weights, clusters."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from coverage import Row, Z, clustered, weekly_gates, weighted
from scipy.special import ndtr
from scipy.stats import binom, norm

from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import FloatArray, Interval, quantile
from audit.inference.multiplicity import benjamini_hochberg
from audit.inference.paired_intervals import paired_rates
from audit.inference.sample_size import detectable_gap, rows_for_change, rows_for_gap


def gap_verdicts(rates: npt.ArrayLike, sizes: npt.ArrayLike, limit: float, runs: int) -> tuple[float, float, float]:
    """Return how often the largest gap is judged PASS and FAIL by its bounds, and PASS by its estimate."""
    rng = np.random.default_rng(1)
    p, n = np.broadcast_arrays(np.asarray(rates, dtype=np.float64), np.asarray(sizes))
    x = rng.binomial(n, p, (runs, len(p)))
    first, second = np.triu_indices(len(p), k=1)
    plain, adjusted = (
        agresti_caffo(x[:, first], n[first], x[:, second], n[second], critical=quantile(0.95, comparisons=m))
        for m in (1, len(first))
    )
    high = np.maximum(plain.high, -plain.low).max(axis=1)
    low = np.maximum(adjusted.low, -adjusted.high).max(axis=1)
    estimated = np.ptp(x / n, axis=1)
    return float((high <= limit).mean()), float((low > limit).mean()), float((estimated <= limit).mean())


def paired_verdicts(groups: int, n: int, lost: float, runs: int) -> tuple[float, float, float]:
    """Return the same for the largest change of a rate whose true change is the limit in every group."""
    rng = np.random.default_rng(2)
    gained = lost / 4
    counts = rng.multinomial(n, [gained, lost, 1 - gained - lost], (runs, groups))
    b, c, limit = counts[..., 1], counts[..., 0], lost - gained
    plain, adjusted = (paired_rates(b, c, n, critical=quantile(0.95, comparisons=m)) for m in (1, groups))
    high, low = plain.high.max(axis=1), adjusted.low.max(axis=1)
    return (
        float((high <= limit).mean()),
        float((low > limit).mean()),
        float((((b - c) / n).max(axis=1) <= limit).mean()),
    )


def verdict_rows(*, full: bool) -> Iterator[Row]:
    """Yield false verdicts of a model that is exactly at the limit; the usual way compares the estimate with it."""
    runs = 20_000 if full else 4000
    for text, rates, sizes in (
        ("two groups of 300", (0.3, 0.4), 300),
        ("two groups, 2,000 and 100", (0.3, 0.4), (2000, 100)),
        ("six groups of 400, one apart", (0.3, 0.3, 0.3, 0.3, 0.3, 0.4), 400),
    ):
        passed, failed, naive = gap_verdicts(rates, sizes, 0.1, runs)
        yield Row(f"gap at the limit .1, {text}: PASS", "estimate <= limit", naive, passed)
        yield Row(f"gap at the limit .1, {text}: FAIL", "estimate > limit", 1 - naive, failed)
    for groups, n, lost in ((1, 400, 0.06), (2, 200, 0.04), (6, 150, 0.08)):
        passed, failed, naive = paired_verdicts(groups, n, lost, runs)
        text = f"{groups} group{'s' if groups > 1 else ''} of {n}"
        yield Row(f"paired change at the limit, {text}: PASS", "estimate <= limit", naive, passed)
        yield Row(f"paired change at the limit, {text}: FAIL", "estimate > limit", 1 - naive, failed)


def look_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often one of many weekly looks passes a model at the limit."""
    for limit, weeks in ((0.1, 26), (0.3, 26), (0.1, 104)):
        found = weekly_gates(limit, weeks=weeks, runs=10_000 if full else 3000)
        yield Row(f"{weeks} weekly looks, limit {limit}: ever PASS", "fixed 95 %", found.wrong, found.right)


def planning_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often the planned number of rows decides; 80 % is promised."""
    runs = 20_000 if full else 5000
    rng = np.random.default_rng(5)
    plug_in = (norm.ppf(0.975) / (norm.ppf(0.975) + norm.ppf(0.8))) ** 2
    for gap, p in ((0.08, 0.3), (0.05, 0.5)):
        shares = []
        for factor in (plug_in, 1.0):
            n = round(rows_for_gap(gap, rate=p)[0] * factor)
            x1, x2 = rng.binomial(n, p, (2, runs))
            shares.append(float((agresti_caffo(x1, n, x2, n, critical=Z).high <= gap).mean()))
        yield Row(f"equal groups at {p} keep the limit {gap}", "plug-in rows", shares[0], shares[1])
    for change, discordant in ((0.04, 0.06), (0.02, 0.03)):
        shares = []
        for factor in (plug_in, 1.0):
            n = round(rows_for_change(change, discordant=discordant) * factor)
            counts = rng.multinomial(n, [discordant / 2, discordant / 2, 1 - discordant], runs)
            shares.append(float((paired_rates(counts[:, 0], counts[:, 1], n, critical=Z).high <= change).mean()))
        yield Row(f"equal models, {discordant:.0%} discordant, keep {change}", "plug-in rows", shares[0], shares[1])
    limit = detectable_gap(400, 400, rate=0.3)
    x1, x2 = rng.binomial(400, 0.3, (2, runs))
    kept = float((agresti_caffo(x1, 400, x2, 400, critical=Z).high <= limit).mean())
    yield Row(f"smallest limit for 2 x 400 rows at .3 ({limit:.3f})", "", np.nan, kept)


def multiplicity_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often anything is found where there is nothing: twenty to a thousand tests of true null hypotheses."""
    runs = 4000 if full else 1000
    rng = np.random.default_rng(6)
    for tests in (20, 100, 1000):
        p = rng.random((runs, tests))
        usual = float((p < 0.05).any(axis=1).mean())
        ours = float(np.mean([benjamini_hochberg(row).rejected.any() for row in p]))
        yield Row(f"{tests} tests, nothing true: any found", "p < .05", usual, ours)


def design_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of a rate under weights and clusters, beside rows taken for independent and equal."""
    runs = 2000 if full else 600
    for name, errors in (
        ("lognormal weights, 20,000 rows", weighted(runs=runs)),
        ("800 clusters of 24 rows", clustered(runs=runs)),
        ("60 clusters of 24 rows", clustered(clusters=60, runs=runs)),
    ):
        z = float(Z) * errors.wrong / errors.true
        yield Row(name, "independent rows", float(2 * ndtr(z) - 1), errors.coverage)


def gap_rows(*, full: bool) -> Iterator[Row]:
    """Yield the exact least and mean coverage of the gap of two groups."""
    shares = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
    for n1, n2 in ((30, 30), (30, 300), (100, 100), (100, 1000), *(((1000, 1000),) if full else ())):
        pairs = [(p, q) for p in shares for q in shares]
        usual, ours = (np.array([_gap_coverage(way, n1, n2, p, q) for p, q in pairs]) for way in (_wald, agresti_caffo))
        yield Row(f"gap, {n1} and {n2} rows, least", "textbook (Wald)", float(usual.min()), float(ours.min()))
        yield Row(f"gap, {n1} and {n2} rows, mean", "textbook (Wald)", float(usual.mean()), float(ours.mean()))


def _wald(x1: Any, n1: Any, x2: Any, n2: Any, *, critical: Any) -> Interval:  # noqa: ANN401 - arrays or numbers
    p, q = x1 / n1, x2 / n2
    half = critical * np.sqrt(p * (1 - p) / n1 + q * (1 - q) / n2)
    return Interval(low=p - q - half, high=p - q + half)


def _gap_coverage(way: Any, n1: int, n2: int, p: float, q: float) -> float:  # noqa: ANN401 - a function
    one, two = (_binomial(n, share) for n, share in ((n1, p), (n2, q)))
    bounds = way(one[0][:, None], n1, two[0], n2, critical=Z)
    held = (bounds.low <= p - q + 1e-12) & (bounds.high >= p - q - 1e-12)
    return float(one[1] @ held @ two[1])


def _binomial(n: int, p: float) -> tuple[FloatArray, FloatArray]:
    x = np.arange(binom.ppf(1e-9, n, p), binom.isf(1e-9, n, p) + 1)
    return x, binom.pmf(x, n, p)
