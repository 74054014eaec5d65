"""Whether a measure that became a target is gamed: scores pushed over a threshold, a proxy that leaves its purpose."""

from math import floor
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.blocks import (
    Label,
    Limit,
    evidence,
    first_time,
    limit_of,
    measured,
    one_where,
    refused,
    window_place,
)
from monitors.feedback.decisions import decisions
from monitors.feedback.gaming_density import ZONE, Bunching, threshold_bunching
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.feedback.trends import FEWEST, trend
from monitors.feedback.whole_sums import cut, ranges_of
from monitors.timestamps import collected
from monitors.windows import parse_windows, resolve

Floats = npt.NDArray[np.float64]

EXCESS = 1.25
DIVERGENCE = 0.01
CORRELATION_TREND = -0.01

_BUNCHING, _DIVERGENCE, _TIE = "threshold_bunching", "proxy_divergence", "proxy_correlation_trend"
_WIDTH = 0.005
_COARSE = 0.01
_BINS = 20
_FEWEST_BINS = 8
_FEWEST_ROWS = 400
_FEWEST_PAIRS = 30
_DIGITS = 6
_ALL = 0.99
_EXACT = 1e-6


class _Grid(NamedTuple):
    """Width of the bins, and how many on each side are left out of the curve."""

    width: float
    zone: int


def measure_bunching(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure how many times more scores lie just above the threshold than the other scores lead one to expect.

    Parameters
    ----------
    log
        With scores, and a threshold: that of the log, or the one that its predictions show.
    settings
        Limit and level.

    Examples
    --------
    >>> table = pa.table({"s": [0.1, 0.9]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_score="s", threshold=0.5)
    >>> measure_bunching(log, LoopSettings()).rows[0].reason[:58]
    'cannot be measured, because 0 scores lie within 0.1 of the'
    """
    threshold = _threshold(log)
    if threshold is None:
        why = "no threshold is known, and the predictions show none; name the threshold that scores are cut at"
        return LoopRows((refused(_BUNCHING, 0, why),))
    at = (("threshold", threshold),)
    reach = min(_BINS * _WIDTH, threshold, 1.0 - threshold)
    grid = _grid(log, threshold, reach)
    if isinstance(grid, str):
        return LoopRows((refused(_BUNCHING, 0, grid, at=at),))
    bins = min(_BINS, floor(min(threshold, 1.0 - threshold) / grid.width + _EXACT))
    if bins < _FEWEST_BINS:
        why = (
            f"the threshold {threshold:g} lies so near to the end of the scale that no curve can be fitted on one side"
        )
        return LoopRows((refused(_BUNCHING, 0, f"{why}; look at the scores themselves", at=at),))
    counts = _counts(log, threshold, grid, bins)
    n, near = int(counts.sum()), int(counts[bins - grid.zone : bins + grid.zone].sum())
    if n < _FEWEST_ROWS or near < _FEWEST_PAIRS:
        why = (
            f"{n:,} scores lie within {bins * grid.width:g} of the threshold, {near:,} of them at it, and "
            f"{_FEWEST_ROWS} and {_FEWEST_PAIRS} are needed; wait for more"
        )
        return LoopRows((refused(_BUNCHING, near, why, at=at),))
    found = threshold_bunching(counts, level=settings.level, zone=grid.zone)
    row = _bunching_row(found, threshold, settings)
    limit = limit_of(settings.limits, _BUNCHING, EXCESS)
    log_limit = Limit(float(np.log(max(limit.value, 1e-9))))
    return LoopRows((row,), evidence(row, found.log_ratio, log_limit, first_time(log)))


def _bunching_row(found: Bunching, threshold: float, settings: LoopSettings) -> Measurement:
    return Measurement(
        metric=_BUNCHING,
        at=(("threshold", threshold),),
        value=float(np.exp(found.log_ratio.value)),
        low=found.low,
        high=found.high,
        n=found.n,
        level=settings.level,
        method="clopper_pearson_and_poisson_curve",
        reason="an excess of scores says that they were pushed, or that people were sorted so, not by whom",
    )


def _threshold(log: PredictionLog) -> float | None:
    """Return the threshold on the scale of `decisions`: given, or the roundest number that parts the predictions."""
    if log.reading.threshold is not None:
        return float(log.reading.threshold)
    if "y_pred" not in log.columns:
        return None
    score = nw.col("y_score")
    parts = decisions(log).select(
        yes=nw.when(nw.col("y_pred") == 1.0).then(score).min(), no=nw.when(nw.col("y_pred") == 0.0).then(score).max()
    )
    found = collected(log, parts).to_pylist()[0]
    if found["yes"] is None or found["no"] is None or found["no"] >= found["yes"]:
        return None
    for digits in range(_DIGITS + 1):
        rounded = floor(found["yes"] * 10**digits + _EXACT) / 10**digits
        if rounded > found["no"]:
            return float(rounded)
    return float(found["yes"])


def _grid(log: PredictionLog, threshold: float, reach: float) -> _Grid | str:
    """Return the bins that the scores allow, or why none: deciles, or heaps at round numbers."""
    score = nw.col("y_score")
    steps = {"tenths": 0.1, "twentieths": 0.05, "hundredths": _COARSE, "fine": 0.001}
    shares = {
        name: one_where(((score / step).round() - score / step).abs() < _EXACT).mean() for name, step in steps.items()
    }
    inside = decisions(log).filter((score >= threshold - reach) & (score < threshold + reach))
    row = collected(log, inside.select(**shares, n=nw.len())).to_pylist()[0]
    if not row["n"]:
        return f"0 scores lie within {reach:g} of the threshold {threshold:g}; log scores as they are"
    if row["tenths"] >= _ALL or row["twentieths"] >= _ALL:
        return "scores come in steps of a tenth or a twentieth, as deciles do; log the score before it is rounded"
    on_hundredths = row["hundredths"] >= _ALL
    expected, heaped = (
        (0.2, row["twentieths"]) if on_hundredths else (0.1 if row["fine"] >= _ALL else 0.0, row["hundredths"])
    )
    if heaped > 2.0 * expected + 0.05:
        return (
            f"{100 * heaped:.0f} per cent of the scores near the threshold are round numbers, and heaps look like "
            "scores pushed over a threshold; log the score before it is rounded"
        )
    return _Grid(_COARSE, 1) if on_hundredths else _Grid(_WIDTH, ZONE)


def _counts(log: PredictionLog, threshold: float, grid: _Grid, bins: int) -> Floats:
    place = ((nw.col("y_score") - threshold) / grid.width + _EXACT).floor()
    rows = decisions(log).filter(~nw.col("y_score").is_null()).select(place=place)
    inside = rows.filter((nw.col("place") >= -bins) & (nw.col("place") < bins))
    found = collected(log, inside.group_by("place").agg(n=nw.len()))
    counts = np.zeros(2 * bins)
    counts[found["place"].cast(pa.float64()).to_numpy().astype(np.int64) + bins] = found["n"].to_numpy()
    return counts


def measure_proxy(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure whether the number that is optimised rises over the windows while the true outcome does not.

    Parameters
    ----------
    log
        With proxy, outcome (or y_true) and times; rows with both count.
    settings
        Window, limits and level.

    Examples
    --------
    >>> table = pa.table({"p": [1], "clicks": [3.0], "came_back": [1], "t": ["2026-01-05T00:00Z"]})
    >>> roles = {"y_pred": "p", "proxy": "clicks", "outcome": "came_back", "timestamp": "t"}
    >>> log = PredictionLog.from_frame(table, task="watch", **roles)
    >>> measure_proxy(log, LoopSettings()).rows[0].reason[:59]
    'cannot be measured, because 0 windows that are over have 30'
    """
    sums, start = _window_sums(log, settings)
    kept = sums["n"] >= _FEWEST_PAIRS
    n = int(sums["n"][kept].sum())
    known = int(kept.sum())
    total = {name: float(values.sum()) for name, values in sums.items()}
    spread = [_deviation(total["n"], total[name], total[name * 2]) for name in ("p", "o")]
    if known < FEWEST or min(spread) <= 0:
        why = (
            f"{known} windows that are over have {_FEWEST_PAIRS} rows with proxy and outcome, and a trend needs "
            f"{FEWEST}; wait, take shorter windows, or log outcomes of more rows"
        )
        same = "the proxy, or the outcome, is the same in all rows; log numbers that vary"
        refusals = (refused(name, n, why if known < FEWEST else same) for name in (_DIVERGENCE, _TIE))
        return LoopRows(tuple(refusals))
    count = np.where(kept, sums["n"], np.nan)
    means = [sums[name] / count / each for name, each in zip(("p", "o"), spread, strict=True)]
    divergence = _divergence(means[0], means[1], n, start, settings)
    tie = _tie(sums, count, n, start, settings)
    return LoopRows((*divergence.rows, *tie.rows), (*divergence.evidence, *tie.evidence))


def _window_sums(log: PredictionLog, settings: LoopSettings) -> tuple[dict[str, Floats], Evidence]:
    """Return the sums of proxy (p), outcome (o) and their products by window, and a blank evidence with the start."""
    windows = resolve(parse_windows(settings.window), log)
    p, o = nw.col("proxy"), nw.col("outcome" if "outcome" in log.columns else "y_true")
    rows = decisions(log).filter(~p.is_null() & ~o.is_null()).select(window=window_place(windows), p=p, o=o)
    ranges = ranges_of(log, rows, {"p": nw.col("p"), "o": nw.col("o")})
    scales = {name: ranges.scale(*name) for name in ("p", "o", "pp", "oo", "po")}
    products = rows.select("window", "p", "o", pp=_product("p", "p"), oo=_product("o", "o"), po=_product("p", "o"))
    whole = {name: cut(nw.col(name), scale) for name, scale in scales.items()}
    table = products.with_columns(**whole).group_by("window")
    found = collected(log, table.agg(nw.col(*scales).sum(), n=nw.len()))
    place = found["window"].cast(pa.int64()).to_numpy()
    sums = {name: np.zeros(windows.complete) for name in ("p", "o", "pp", "oo", "po", "n")}
    over = (place >= 0) & (place < windows.complete)
    for name, values in sums.items():
        values[place[over]] = found[name].cast(pa.float64()).to_numpy()[over] / scales.get(name, 1.0)
    return sums, Evidence("", 0.0, windows.edges[0])


def _product(one: str, two: str) -> nw.Expr:
    return nw.col(one) * nw.col(two)


def _deviation(n: float, total: float, squares: float) -> float:
    return float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0))) if n else 0.0


def _divergence(proxy: Floats, outcome: Floats, n: int, start: Evidence, settings: LoopSettings) -> LoopRows:
    found, rising, true = trend(proxy - outcome), trend(proxy), trend(outcome)
    said = (
        f"the proxy moves by {rising.value:+.3f}, the outcome by {true.value:+.3f} standard deviations of single rows "
        "a window"
    )
    row = measured(Label(_DIVERGENCE, n, settings.level), found, method="residual", caveat=said)
    limit = limit_of(settings.limits, _DIVERGENCE, DIVERGENCE)
    both = [evidence(row, each, at, start.since) for each, at in ((found, limit), (rising, Limit(0.0)))]
    if not all(both):
        return LoopRows((row,))
    # The smaller of two e-values: the proxy must rise, and leave the outcome behind.
    return LoopRows((row,), (min((each[0] for each in both), key=lambda one: one.e_value),))


def _tie(sums: dict[str, Floats], count: Floats, n: int, start: Evidence, settings: LoopSettings) -> LoopRows:
    mean = {name: sums[name] / count for name in ("p", "o", "pp", "oo", "po")}
    room = np.maximum((mean["pp"] - mean["p"] ** 2) * (mean["oo"] - mean["o"] ** 2), 0.0)
    correlation = (mean["po"] - mean["p"] * mean["o"]) / np.sqrt(np.where(room > 0, room, np.nan))
    found = trend(np.arctanh(np.clip(correlation, -0.9999, 0.9999)))
    if not np.isfinite(found.standard_error):
        why = "proxy or outcome are the same in all rows of most windows; take longer windows"
        return LoopRows((refused(_TIE, n, why),))
    row = measured(Label(_TIE, n, settings.level), found, method="residual")
    limit = limit_of(settings.limits, _TIE, CORRELATION_TREND, "below")
    return LoopRows((row,), evidence(row, found, limit, start.since))


_SOURCE = "Goodhart (1975); Thomas & Uminsky (2022), Reliance on metrics is a fundamental challenge for AI."

FAMILY: tuple[LoopMetric, ...] = (
    LoopMetric(
        name=_BUNCHING,
        title="Scores pushed just over the threshold",
        question="is there a loop",
        needs=("y_score",),
        helps=("y_pred",),
        meaning="How many times more cases lie just above the threshold than one would expect; 1: none too many.",
        limit=EXCESS,
        why=(
            "Those who know the threshold change what is measured until they pass it; the next model learns from that. "
            "Look at what the cases just above it have in common, and who enters their data."
        ),
        not_when="Not with scores in steps or heaps (deciles, round numbers), which look the same; such are refused.",
        obtain="Log the score as the model gave it, before any rounding, and the threshold.",
        source="McCrary (2008), doi:10.1016/j.jeconom.2007.05.005; Kleven (2016).",
        measure=measure_bunching,
    ),
    LoopMetric(
        name=_DIVERGENCE,
        title="The number that is optimised leaves its purpose",
        question="is there a loop",
        needs=("proxy", "outcome", "timestamp"),
        meaning="How much faster the optimised number rises than what it stands for, in standard deviations a window.",
        limit=DIVERGENCE,
        why=(
            "Clicks may rise while satisfaction does not: the model then serves the number, not the people. Look at "
            "what the newest clicks are made of."
        ),
        not_when="Not while outcomes of the last windows are still coming in: rows without outcome do not count.",
        obtain="Log the number that is optimised as proxy, and beside it the outcome that it stands for, by row.",
        source=_SOURCE,
        measure=measure_proxy,
    ),
    LoopMetric(
        name=_TIE,
        title="The optimised number tells less and less of the outcome",
        question="how strong",
        needs=("proxy", "outcome", "timestamp"),
        meaning="The change, each window, of the correlation between the optimised number and the true outcome.",
        limit=CORRELATION_TREND,
        side="below",
        why="What is gamed loses its meaning: the short-run number no longer says how the long run will be.",
        not_when="Not where the range of either number changed for another reason, such as new kinds of cases.",
        obtain="As for proxy_divergence: proxy and outcome of the same rows, for eight windows or more.",
        source=_SOURCE,
        measure=measure_proxy,
    ),
)
"""Gaming, as the catalog lists it."""
