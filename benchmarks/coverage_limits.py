"""False PASS and false FAIL of every kind of verdict for models exactly at the limit, and tiny beside huge groups.

PASS is put to the hardest world for it: one group (pair) at the limit, all others well within. FAIL likewise: as many
groups (pairs) at the limit as can be. The bounds are those of `audit.largest`, for many samples at once.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from coverage import Row
from scipy.stats import binom

from audit.counting import count
from audit.estimates import estimate, interval
from audit.inference.gap_intervals import agresti_caffo, gap_of_rates
from audit.inference.intervals import FloatArray, Interval, quantile, rate
from audit.inference.paired_intervals import paired_rates
from audit.inference.ratio_intervals import koopman
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import TN, TP, Cells, Partition, cells_of, partition

LEVEL = 0.95
SIZES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("2 groups of 300", (300,) * 2),
    ("6 groups of 300", (300,) * 6),
    ("12 groups of 300", (300,) * 12),
    ("30 beside 5 of 2,000", (30, *(2000,) * 5)),
)


class Drawn(NamedTuple):
    """(Effective) successes and trials of samples with a rate per group, shape (runs, groups), and their df."""

    x: FloatArray
    n: FloatArray
    df: FloatArray | None = None


class Judged(NamedTuple):
    """Shares of samples: estimate within the limit, PASS, and FAIL."""

    naive: float
    passed: float
    failed: float


def largest(estimated: FloatArray, plain: Interval, adjusted: Interval, limit: float) -> Judged:
    """Judge the largest of comparisons, shape (runs, comparisons), by an upper limit."""
    high, low = plain.high.max(axis=1), adjusted.low.max(axis=1)
    return Judged(float((estimated.max(axis=1) <= limit).mean()), float((high <= limit).mean()),
                  float((low > limit).mean()))  # fmt: skip


def mirrored(bounds: Interval) -> Interval:
    """Return the intervals of minus what these are of."""
    return Interval(low=-bounds.high, high=-bounds.low)


def both(one: Interval, two: Interval) -> Interval:
    """Return intervals side by side."""
    return Interval(*(np.concatenate(ends, axis=1) for ends in zip(one, two, strict=True)))


def values(drawn: Drawn, limit: float, lower: float | None = None) -> Judged:
    """Judge the worst value by an upper limit, and by a lower one where it is given."""
    groups = drawn.x.shape[1]
    plain, adjusted = (rate(drawn.x, drawn.n, level=LEVEL, df=drawn.df, comparisons=m) for m in (1, groups))
    found = largest(drawn.x / drawn.n, plain, adjusted, limit)
    if lower is None:
        return found
    other = largest(-drawn.x / drawn.n, mirrored(plain), mirrored(adjusted), -lower)
    inside = ((plain.high <= limit) & (plain.low >= lower)).all(axis=1)
    return Judged(min(found.naive, other.naive), float(inside.mean()), found.failed + other.failed)


def differences(drawn: Sequence[Drawn], limit: float, *, reference: bool = False) -> Judged:
    """Judge the largest gap of any pair (or to the last group) over one or more metrics at once."""
    groups = drawn[0].x.shape[1]
    first, second = np.triu_indices(groups, k=1)
    if reference:
        first, second = np.arange(groups - 1), np.full(groups - 1, groups - 1)
    parts = []
    for one in drawn:
        df = None if one.df is None else np.minimum(one.df[:, first], one.df[:, second])
        sides = one.x[:, first], one.n[:, first], one.x[:, second], one.n[:, second]
        gap = sides[0] / sides[1] - sides[2] / sides[3]
        bounds = [gap_of_rates(*sides, level=LEVEL, df=df, comparisons=m) for m in (1, len(first) * len(drawn))]
        parts.append((gap, *bounds))
        if not reference:
            parts.append((-gap, *map(mirrored, bounds)))
    joined = [Interval(*(np.concatenate(ends, axis=1) for ends in zip(*column, strict=True)))
              for column in ([part[1] for part in parts], [part[2] for part in parts])]  # fmt: skip
    return largest(np.concatenate([part[0] for part in parts], axis=1), joined[0], joined[1], limit)


def ratios(drawn: Drawn, limit: float) -> Judged:
    """Judge the smallest ratio of any pair by a lower limit."""
    first, second = (np.concatenate(ends) for ends in zip(np.triu_indices(drawn.x.shape[1], 1),
                     np.triu_indices(drawn.x.shape[1], 1)[::-1], strict=True))  # fmt: skip
    df = None if drawn.df is None else np.minimum(drawn.df[:, first], drawn.df[:, second])
    sides = drawn.x[:, first], drawn.n[:, first], drawn.x[:, second], drawn.n[:, second]
    plain, adjusted = (koopman(*sides, critical=quantile(LEVEL, df=df, comparisons=m)) for m in (1, len(first) // 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (sides[0] / sides[1]) / (sides[2] / sides[3])
    return largest(-value, mirrored(plain), mirrored(adjusted), -limit)


def changes(now: Drawn, then: Drawn, limit: float) -> Judged:
    """Judge the largest rise of a rate over that of other rows (an earlier run)."""
    sides = now.x, now.n, then.x, then.n
    plain, adjusted = (gap_of_rates(*sides, level=LEVEL, comparisons=m) for m in (1, now.x.shape[1]))
    return largest(now.x / now.n - then.x / then.n, plain, adjusted, limit)


def paired(shares: tuple[FloatArray, FloatArray], sizes: Sequence[int], limit: float, runs: int) -> Judged:
    """Judge the largest rise of a rate on the same rows, of which shares (per group) were gained and lost."""
    rng, n = np.random.default_rng(3), np.asarray(sizes)
    counts = np.stack([rng.multinomial(size, [gained, lost, 1 - gained - lost], runs)
                       for size, gained, lost in zip(sizes, *shares, strict=True)], axis=1)  # fmt: skip
    b, c = counts[..., 0], counts[..., 1]
    plain, adjusted = (paired_rates(b, c, n, critical=quantile(LEVEL, comparisons=m)) for m in (1, len(sizes)))
    return largest((b - c) / n, plain, adjusted, limit)


def calibrations(groups: int, n: int, shares: Sequence[float], limit: float, runs: int) -> Judged:
    """Judge the largest calibration error of groups whose rates lie off the score by a constant in every range."""
    rng = np.random.default_rng(4)
    score = np.arange(10) / 10 + 0.05
    each = rng.multinomial(n, [0.1] * 10, (runs, groups))
    up = rng.binomial(each, score * (1 - 2 * np.asarray(shares)[:, None]) + np.asarray(shares)[:, None])
    rows = np.stack([up, each - up]).reshape(2, -1)
    member = np.tile(np.repeat(np.arange(runs * groups), 10), 2)
    place, scores = np.tile(np.arange(10), 2 * runs * groups), np.tile(score, 2 * runs * groups)
    labels, total = np.repeat([TP, TN], rows.shape[1]), rows.ravel()
    kept = total > 0
    w = total[kept].astype(np.float64)
    bins = place[kept] * 25 + 12
    cells = Cells(quadrant=labels[kept], n=total[kept], w=w, w2=w, bins=bins, n_bins=250, exact_scores=True,
                  features={}, weighted=False, pairs=None,
                  score=w * scores[kept], score2=w * scores[kept] ** 2)  # fmt: skip
    metric = METRICS["expected_calibration_error"]
    found = estimate(metric, cells, Partition((), ((),) * (runs * groups), member[kept]))
    plain, adjusted = (
        Interval(*(end.reshape(runs, groups) for end in interval(metric, found, level=LEVEL, comparisons=m)))
        for m in (1, groups)
    )
    return largest(found.value.reshape(runs, groups), plain, adjusted, limit)


def drawn(rates: npt.ArrayLike, sizes: Sequence[int], runs: int, seed: int) -> Drawn:
    """Return samples of independent rows."""
    n = np.broadcast_to(np.asarray(sizes, dtype=np.float64), (runs, len(sizes)))
    return Drawn(np.random.default_rng(seed).binomial(n.astype(np.int64), rates).astype(np.float64), n)


def designed(rates: Sequence[float], size: int, runs: int, how: str) -> Drawn:
    """Return samples of weighted rows, or of clusters of rows that are alike, as their effective counts."""
    rng, groups = np.random.default_rng(5), len(rates)
    total = runs * groups * size
    part = np.repeat(np.arange(runs * groups), size)
    p = np.tile(rates, runs)[part]
    columns: dict[str, Any] = {"rep": part // groups, "g": part % groups}
    if how == "weights":
        columns |= {"y": rng.random(total) < p, "w": rng.lognormal(0, 0.7, total)}
    else:
        cluster = np.arange(total) // 8
        spread = 1 / 0.15 - 1
        own = rng.beta(p[::8] * spread, (1 - p[::8]) * spread)
        columns |= {"y": rng.random(total) < own[cluster], "k": cluster}
    for name in ("rep", "g"):
        texts = pa.array([f"r{place:04d}" for place in range(int(columns[name].max()) + 1)])
        columns[name] = texts.take(pa.array(columns[name]))
    roles = {"sample_weight": "w"} if how == "weights" else {"cluster": "k"}
    table = pa.table({**columns, "p": columns["y"]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g", "rep"], **roles)
    cells = cells_of(count(log))
    found = estimate(METRICS["selection_rate"], cells, partition(cells, ["rep", "g"]))
    x, n, df = (np.asarray(column).reshape(runs, groups) for column in (found.successes, found.trials, found.df))
    return Drawn(x, n, df)


def worlds(groups: int, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Return rates for PASS (one pair at the limit, the rest between) and for FAIL (every second group high)."""
    one = np.full(groups, (low + high) / 2)
    one[0], one[-1] = high, low
    return one, np.where(np.arange(groups) % 2 == 0, high, low)


def limit_rows(*, full: bool) -> Iterator[Row]:
    """Yield PASS and FAIL at the limit of each kind of verdict: the estimate within it, PASS, and FAIL."""
    runs = 20_000 if full else 4000
    for text, sizes in SIZES:
        groups = len(sizes)
        pair, many = worlds(groups, 0.3, 0.4)
        one = np.where(np.arange(groups) == 0, 0.3, 0.2)
        draws = {name: [drawn(rates, sizes, runs, seed) for rates in couple] for name, couple, seed in (
            ("value", (one, np.full(groups, 0.3)), 11), ("pair", (pair, many), 12), ("same", (pair * 0 + 0.3,) * 2, 13),
            ("risen", (np.where(np.arange(groups) == 0, 0.4, 0.3), np.full(groups, 0.4)), 14),
            ("twice", (pair * 0 + 0.35, many), 15), ("ratio", worlds(groups, 0.4, 0.5), 16),
            ("referred", (np.append(pair[:-1], 0.3), np.append(np.full(groups - 1, 0.4), 0.3)), 17),
        )}  # fmt: skip
        kinds = {
            "value": [values(side, 0.3) for side in draws["value"]],
            "value, both limits": [values(side, 0.4, 0.3) for side in (draws["referred"][0], draws["pair"][1])],
            "difference": [differences([side], 0.1) for side in draws["pair"]],
            "difference to a reference": [differences([side], 0.1, reference=True) for side in draws["referred"]],
            "ratio": [ratios(side, 0.8) for side in draws["ratio"]],
            "equalized odds": [differences(sides, 0.1) for sides in zip(draws["pair"], draws["twice"], strict=True)],
            "baseline, other rows": [changes(*sides, 0.1) for sides in zip(draws["risen"], draws["same"], strict=True)],
            "baseline, same rows": [
                paired((np.asarray(gained), np.full(groups, 0.02)), sizes, 0.05, runs)
                for gained in (np.where(np.arange(groups) == 0, 0.07, 0.02), np.full(groups, 0.07))
            ],
        }
        for kind, (of_pass, of_fail) in kinds.items():
            yield Row(f"{kind}, {text}", f"{of_pass.naive:.3f}", of_pass.passed, of_fail.failed)
    for groups in (1, 6):
        shares = [[0.1, *[0.0] * (groups - 1)], [0.1] * groups]
        found = [calibrations(groups, 1000, each, 0.05, runs // 10) for each in shares]
        text = f"calibration error, {groups} group{'s' if groups > 1 else ''} of 1,000"
        yield Row(text, f"{found[0].naive:.3f}", found[0].passed, found[1].failed)


def design_limit_rows(*, full: bool) -> Iterator[Row]:
    """Yield the same under sampling weights and clusters."""
    runs = 2000 if full else 500
    for how, groups in (("weights", 2), ("weights", 6), ("clusters", 2), ("clusters", 6)):
        for kind, judge, low, high in (("value", values, 0.2, 0.3), ("difference", _one, 0.3, 0.4),
                                       ("ratio", ratios, 0.4, 0.5)):  # fmt: skip
            rates = list(worlds(groups, low, high))
            if kind == "value":
                rates = [np.where(np.arange(groups) == 0, high, low), np.full(groups, high)]
            limit = {"value": 0.3, "difference": 0.1, "ratio": 0.8}[kind]
            found = [judge(designed(list(each), 400, runs, how), limit) for each in rates]
            text = f"{kind}, {groups} groups of 400, {'lognormal weights' if how == 'weights' else 'clusters of 8'}"
            yield Row(text, f"{found[0].naive:.3f}", found[0].passed, found[1].failed)


def _one(side: Drawn, limit: float) -> Judged:
    return differences([side], limit)


def tiny_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often twenty tiny groups with the rate of a huge one seem to differ from it, at the worst of rates."""
    runs = 40_000 if full else 4000
    for n in (8, 12, 20, 30, 50, 100, 300):
        for m in (1, 6, 20):
            found = [tiny(n, p, m, runs) for p in (0.6, 0.7, 0.8, 0.9)]
            share = max(one_tiny(n, p, m) for p in (0.6, 0.7, 0.8, 0.9))
            text = f"{m} group{'s' if m > 1 else ''} of {n} beside one of 2,000"
            yield Row(text, f"{share:.1f}", *(max(way) for way in zip(*found, strict=True)))


def one_tiny(n: int, p: float, m: int, huge: int = 2000) -> float:
    """Return how many times its share .05 / m one interval of Agresti and Caffo errs at equal rates, exactly."""
    x, y = np.arange(n + 1)[:, None], np.arange(binom.ppf(1e-12, huge, p), binom.isf(1e-12, huge, p) + 1)
    bounds = agresti_caffo(x, n, y, huge, critical=quantile(LEVEL, comparisons=m))
    missed = (bounds.low > 0) | (bounds.high < 0)
    return float(binom.pmf(x, n, p)[:, 0] @ missed @ binom.pmf(y, huge, p)) * m / (1 - LEVEL)


def tiny(n: int, p: float, m: int, runs: int, huge: int = 2000) -> tuple[float, float]:
    """Return how often any of m tiny groups seems to differ: by Agresti and Caffo's intervals alone, and by ours."""
    rng = np.random.default_rng([n, m])
    x, y = rng.binomial(n, p, (runs, m)), rng.binomial(huge, p, (runs, 1))
    ways = (agresti_caffo(x, n, y, huge, critical=quantile(LEVEL, comparisons=m)),
            gap_of_rates(x, n, y, huge, level=LEVEL, comparisons=m))  # fmt: skip
    alone, ours = (float(((way.low > 0) | (way.high < 0)).any(axis=1).mean()) for way in ways)
    return alone, ours
