"""What acting on people changes, told from those whom chance decided about; whether a score finds the right ones."""

from itertools import pairwise
from math import isfinite, sqrt
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import Interval, quantile, rate
from audit.measurement import At, Measurement, Slice
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.blocks import first_time, one_where
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, estimate, evidence_of, of_estimate
from monitors.feedback.moment_sums import Floats, Moments, group_moments, moment_sums
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.feedback.uplift_counts import MOMENTS, cuts, if_acted, if_spared, qini, qini_influence, uplift
from monitors.feedback.uplift_trial import COUNTS, FEWEST_ROWS, OBTAIN, Trial, trial_of
from monitors.timestamps import collected

UPLIFT, ACTED, SPARED, QINI = "uplift", "outcome_if_acted", "outcome_if_not_acted", "qini_coefficient"

BINS, QINI_BINS = 5, 20
"""Parts of about equally many rows that the score is cut into, for uplift by score and for the Qini coefficient."""

_FINE = 1000
_ROUNDING = 1e-6
_METHOD = "linearised"


def measure_uplift(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return uplift for everyone, by group and by bin of the score, and the Qini coefficient of the score.

    Rows of the arm "explore" are used; where a log has none, those whose action was drawn with a known chance below 1.
    They are weighted by one over that chance where it is logged.
    """
    trial = trial_of(log)
    scored = "y_score" in log.columns
    if trial.fault or trial.rows is None:
        why = trial.fault or CANNOT
        names = (UPLIFT, QINI) if scored else (UPLIFT,)
        return LoopRows(tuple(_refused(name, why, trial.n) for name in names))
    found = group_moments(log, trial.rows, COUNTS)
    rows = [row for of, _, moments in found for row in _uplift_rows(moments, settings, of=of, reason=trial.caveat)]
    if not scored:
        return LoopRows(tuple(rows))
    edges = _edges(log, trial.rows)
    rows += _by_bin(log, trial, edges, settings)
    curve = _qini(log, trial, edges, settings)
    return LoopRows((*rows, *curve.rows), curve.evidence)


def _uplift_rows(
    moments: Moments, settings: LoopSettings, *, of: Slice = (), at: At = (), reason: str | None = None
) -> list[Measurement]:
    """Return uplift and its two parts; of plain counts of a flag with the intervals of rates."""
    sides = [round(float(rows)) for rows in moments.total[4:6]]
    n = min(sides)
    if n < FEWEST_ROWS:
        why = f"{CANNOT} {sides[0]} rows acted on and {sides[1]} not are too few; {FEWEST_ROWS} of each are needed."
        return [Measurement(metric=UPLIFT, slice=of, at=at, value=None, n=n, method="none", reason=why)]
    plain = _plain(moments)
    rows = []
    for name, function, size in ((UPLIFT, uplift, n), (ACTED, if_acted, sides[0]), (SPARED, if_spared, sides[1])):
        found = estimate(moments, function, n=size)
        if plain:
            rows.append(_rate_row(name, found, moments.total, settings.level, of=of, at=at, reason=reason))
        else:
            rows.append(of_estimate(name, found, level=settings.level, method=_METHOD, of=of, at=at, reason=reason))
    return rows


def _plain(moments: Moments) -> bool:
    """Return whether rows stand for themselves, with weight 1 and outcomes of 0 and 1."""
    products = np.diag(moments.products)[: len(MOMENTS)]
    return not moments.clustered and bool(np.all(np.abs(products - moments.total[: len(MOMENTS)]) < _ROUNDING))


def _rate_row(
    name: str, found: Estimate, total: Floats, level: float, *, of: Slice, at: At, reason: str | None
) -> Measurement:
    n1, x1, n0, x0 = (float(value) for value in total[: len(MOMENTS)])
    if name == UPLIFT:
        ends: Interval = agresti_caffo(x1, n1, x0, n0, critical=quantile(level))
        method = "agresti_caffo"
    else:
        ends = rate(*((x1, n1) if name == ACTED else (x0, n0)), level=level)
        method = "score_or_exact"
    return Measurement(
        metric=name, slice=of, at=at, value=found.value, low=float(ends.low), high=float(ends.high), n=found.n,
        level=level, method=method, reason=reason,
    )  # fmt: skip


def _edges(log: PredictionLog, rows: nw.LazyFrame[Any]) -> list[float]:
    """Return increasing scores that cut the rows into up to `QINI_BINS` parts; empty where all scores are alike."""
    score = nw.col("y_score")
    ends = collected(log, rows.select(low=score.min(), high=score.max())).to_pylist()[0]
    low, high = ends["low"], ends["high"]
    if low is None or not isfinite(high - low) or high <= low:
        return []
    place = ((score - low) * (_FINE / (high - low))).floor()
    counts = np.zeros(_FINE)
    for row in collected(log, rows.select(place=place).group_by("place").agg(n=nw.len())).to_pylist():
        if row["place"] is not None:
            counts[min(int(row["place"]), _FINE - 1)] += row["n"]
    return [low + cut * (high - low) / _FINE for cut in cuts(counts, QINI_BINS)]


def _binned(rows: nw.LazyFrame[Any], edges: list[float]) -> nw.LazyFrame[Any]:
    place = nw.lit(0.0)
    for edge in edges:
        place = place + one_where(nw.col("y_score") >= edge)
    return rows.filter(~nw.col("y_score").is_null()).with_columns(bin=place)


def _by_bin(log: PredictionLog, trial: Trial, edges: list[float], settings: LoopSettings) -> list[Measurement]:
    if not edges or trial.rows is None:
        return []
    few = [edges[cut - 1] for cut in cuts(np.ones(len(edges) + 1), BINS)]
    names = [f"<{few[0]:.4g}", *(f"{low:.4g}-{high:.4g}" for low, high in pairwise(few)), f">={few[-1]:.4g}"]
    cells = moment_sums(log, _binned(trial.rows, few), COUNTS, by=["bin"])
    return [
        row
        for (place,), moments in sorted(cells.items())
        for row in _uplift_rows(moments, settings, at=(("bin", names[int(place)]),), reason=trial.caveat)
    ]


def _qini(log: PredictionLog, trial: Trial, edges: list[float], settings: LoopSettings) -> LoopRows:
    if not edges or trial.rows is None:
        why = f"{CANNOT} all scores are alike: they put nobody before anybody. Log the score that people are chosen by."
        return LoopRows((_refused(QINI, why, trial.n),))
    rows = _binned(trial.rows, edges)
    cells = moment_sums(log, rows, MOMENTS, by=["bin"])
    total = np.zeros((len(edges) + 1, len(MOMENTS)))
    for (place,), moments in cells.items():
        total[int(place)] = moments.total
    found = _qini_estimate(log, rows, total, sum(moments.n for moments in cells.values()))
    row = of_estimate(QINI, found, level=settings.level, method=_METHOD, reason=trial.caveat)
    limit = settings.limits.get(QINI, 0.0)
    return LoopRows((row,), (Evidence(row.key(), evidence_of(found, limit=limit, side="below"), first_time(log)),))


def _qini_estimate(log: PredictionLog, rows: nw.LazyFrame[Any], total: Floats, n: int) -> Estimate:
    """Return the coefficient with its linearised error: the influences of rows, added up within their units."""
    influence = qini_influence(total)
    moved = nw.lit(0.0)
    for place, terms in enumerate(influence):
        inside = sum((nw.col(name) * float(term) for name, term in zip(MOMENTS, terms, strict=True)), nw.lit(0.0))
        moved = moved + one_where(nw.col("bin") == float(place)) * inside
    found = moment_sums(log, rows.with_columns(moved=moved), ["moved"], by=[])[()]
    df = found.units - 1.0
    error = sqrt(float(found.products[0, 0]) * found.units / df) if df > 0 else float("nan")
    return Estimate(float(qini(total)), error, n, df, found.clustered)


def _refused(name: str, reason: str, n: int) -> Measurement:
    return Measurement(metric=name, value=None, n=n, method="none", reason=reason)


_HELPS: tuple[Role, ...] = ("y_true", "arm", "propensity", "y_score", "user", "cluster", "timestamp")
_SOURCE = (
    "N. J. Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal 1, "
    "14-21; two models of a purchase, with and without a recommendation: J. Howard, M. Zwemer & M. Loukides (2012), "
    "Designing great data products."
)

FAMILY: Family = (
    LoopMetric(
        name=UPLIFT,
        title="What acting on people changes",
        question="for whom",
        needs=("action", "outcome"),
        helps=_HELPS,
        meaning="The average outcome of people who were acted on, less that of people who, by chance, were not.",
        why=(
            "A recommendation of what people would have bought anyway changes nothing, however often they buy. Look at "
            "groups and scores where it is near 0, or of the wrong sign."
        ),
        not_when="Not chance but a person or a model decided who was acted on; the people acted on affect the others.",
        obtain=OBTAIN,
        source=_SOURCE,
        measure=measure_uplift,
    ),
    LoopMetric(
        name=QINI,
        title="Whether the score finds those whom the action helps",
        question="what do we do",
        needs=("action", "outcome", "y_score"),
        helps=_HELPS,
        meaning=(
            "How much more is won per person by acting on the highest scores first than by acting on people drawn by "
            "chance."
        ),
        limit=0.0,
        side="below",
        why=(
            "Below 0 the score puts those first whom the action helps least: it finds who would have come anyway. "
            "Train it on the difference that the action makes, not on the outcome."
        ),
        not_when=(
            "A large outcome is what the action is to prevent (then turn its sign round, or the score's); chance did "
            "not decide who was acted on."
        ),
        obtain=OBTAIN,
        source=_SOURCE,
        measure=measure_uplift,
    ),
)
