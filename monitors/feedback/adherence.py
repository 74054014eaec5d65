"""How often people follow the model, how much of that is its doing, and how much of the world it touches."""

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from audit.inference.gap_intervals import gap_of_rates
from audit.measurement import EVERYONE, Measurement, Slice
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.agreement_rounds import CANNOT, hold_out, round_column, round_role, rounds_of
from monitors.feedback.blocks import first_time
from monitors.feedback.coverage_counts import Mark, Share, share_evidence, share_of, share_row
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_sums import group_moments, moment_sums
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings

ADHERENCE, DIFFERENCE, USAGE = "adherence", "adherence_difference", "usage"
MOST_USAGE = 0.5
"""From here on more than half of what is learned next has been touched by the model."""

_AGREES = ("one", "agrees")


def measure_adherence(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return adherence, the part of it that is the model's influence, and usage, as far as a log has the columns."""
    rows: tuple[Measurement, ...] = ()
    has_prediction = "y_pred" in log.columns or log.reading.threshold is not None
    if has_prediction and "human_decision" in log.columns:
        rows = _adherence(log, settings.level)
    usage = _usage(log, settings) if "exposed" in log.columns else LoopRows()
    return LoopRows((*rows, *usage.rows), usage.evidence)


def influence(exposed: Share | None, unexposed: Share | None, *, level: float, mark: Mark) -> Measurement:
    """Return by how much more often people decide as the model does where they see it.

    In [-1, 1]; 0 means that they would have decided so anyway.

    Parameters
    ----------
    exposed, unexposed
        Share of equal decisions where the model was seen, and where it was not.
    level
        Confidence level.
    mark
        Whose it is.

    Examples
    --------
    >>> seen, unseen = (Share(p, 400, 400 * p, 400.0, 399.0, clustered=False) for p in (0.9, 0.7))
    >>> row = influence(seen, unseen, level=0.95, mark=Mark())
    >>> round(row.value, 3), round(row.low, 3), round(row.high, 3)
    (0.2, 0.145, 0.253)
    """
    n = min(exposed.n if exposed else 0, unexposed.n if unexposed else 0)
    where: dict[str, Any] = {"metric": DIFFERENCE, "slice": mark.slice, "against": {"kind": "rest"}, "n": n}
    if exposed is None or unexposed is None:
        missing = "saw the model" if exposed is None else "did not see the model"
        reason = (
            f"{CANNOT} no decision here {missing}, so that following it cannot be told from agreeing with it. Let "
            "people decide a random share of cases before they see it, and log exposed or the arm holdout."
        )
        return Measurement(**where, value=None, method="none", reason=reason)
    clustered = exposed.clustered or unexposed.clustered
    df = min(exposed.df, unexposed.df) if clustered else np.inf
    ends = gap_of_rates(exposed.x, exposed.size, unexposed.x, unexposed.size, level=level, df=df)
    value, low, high = exposed.value - unexposed.value, float(ends.low), float(ends.high)
    if not np.isfinite([low, high]).all():
        said = "; ".join(filter(None, [mark.reason, "no interval: too few clusters"]))
        return Measurement(**where, value=value, method="none", reason=said)
    method = "agresti_caffo, cluster_robust" if clustered else "agresti_caffo"
    return Measurement(**where, value=value, low=low, high=high, level=level, method=method, reason=mark.reason)


def _adherence(log: PredictionLog, level: float) -> tuple[Measurement, ...]:
    if log.reading.task in {"regression", "ranking"}:
        said = "predictions are numbers, and a decision never equals a number. Log the decision that the model proposed"
        reason = f"{CANNOT} {said}."
        return tuple(
            Measurement(metric=name, value=None, n=0, method="none", reason=reason) for name in (ADHERENCE, DIFFERENCE)
        )
    side, caveat = _side(log)
    decided = decisions(log).filter(~nw.col("y_pred").is_null() & ~nw.col("human_decision").is_null())
    same = nw.when(nw.col("y_pred") == nw.col("human_decision")).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    rows = decided.with_columns(one=nw.lit(1.0), agrees=same, side=side)
    cells = {
        (of, cell[0]): share_of(moments, 1)
        for of, cell, moments in group_moments(log, rows, _AGREES, by=["side"], flags=True)
    }
    slices: dict[Slice, None] = dict.fromkeys([EVERYONE, *(of for of, _ in cells)])
    found: list[Measurement] = []
    for of in slices:
        exposed, unexposed = cells.get((of, "exposed")), cells.get((of, "unexposed"))
        none = f"{CANNOT} no decision was made by a person who saw the model. Log human_decision, y_pred and exposed."
        found.append(share_row(ADHERENCE, exposed, level=level, mark=Mark(slice=of, reason=None if exposed else none)))
        found.append(influence(exposed, unexposed, level=level, mark=Mark(slice=of, reason=caveat)))
    return tuple(found)


def _side(log: PredictionLog) -> tuple[nw.Expr, str | None]:
    """Return who saw the model, who did not, and what the comparison takes for granted."""
    exposed, unexposed = nw.lit("exposed"), nw.lit("unexposed")
    chance = "people who did not see the model are taken to decide about the same kind of cases: no arm says so"
    if "arm" in log.columns:
        outside = nw.col("arm").is_in(["holdout", "manual"])
        if "exposed" in log.columns:
            seen = nw.when(nw.col("exposed") == 1).then(exposed)
            return seen.otherwise(nw.when((nw.col("exposed") == 0) & outside).then(unexposed)), None
        return nw.when(outside).then(unexposed).otherwise(nw.when(nw.col("arm") == "model").then(exposed)), None
    if "exposed" in log.columns:
        seen = nw.when(nw.col("exposed") == 1).then(exposed)
        return seen.otherwise(nw.when(nw.col("exposed") == 0).then(unexposed)), chance
    return exposed, None


def _usage(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    flag = ~nw.col("exposed").is_null()
    rows = decisions(log).filter(flag).with_columns(round_column(log), one=nw.lit(1.0))
    columns = ("one", "exposed")
    everyone = moment_sums(log, rows, columns, by=[], flags=True)
    share = share_of(everyone[()], 1) if everyone else None
    none = f"{CANNOT} no row says whether the model was seen. Log exposed as 1 or 0."
    held = _held_out(log)
    mark = Mark(reason=held if share else none)
    row = share_row(USAGE, share, level=settings.level, mark=mark)
    found, last, since = [row], (row, share), first_time(log)
    order = rounds_of(log) if round_role(log) is not None else None
    if order is not None and not order.fault:
        cells = moment_sums(log, rows, columns, by=["round_name"], flags=True)
        for place in order.rounds:
            moments = cells.get((place.name or "",))
            if moments is None:
                continue
            share = share_of(moments, 1)
            mark = Mark(at=place.at, window=place.window, reason=held)
            row = share_row(USAGE, share, level=settings.level, mark=mark)
            found.append(row)
            last, since = (row, share), place.since
    if held or last[1] is None:
        return LoopRows(tuple(found))
    value = share_evidence(last[1], limit=settings.limits.get(USAGE, MOST_USAGE), above=True)
    return LoopRows(tuple(found), (Evidence(last[0].key(), value, since),))


def _held_out(log: PredictionLog) -> str | None:
    """Return what is said of a hold-out that nobody touched; None where there is none."""
    if "arm" not in log.columns:
        return None
    held = hold_out(log)
    if held.fault or not held.rows:
        return None
    return f"not held against a limit: {held.rows:,} hold-out rows show what happens without the model"


_ADHERENCE_HELPS: tuple[Role, ...] = ("exposed", "arm", "cluster", "user")
_ADHERENCE_OBTAIN = (
    "Log what the model proposed (y_pred), what the person decided (human_decision), and whether the person had seen "
    "the proposal (exposed); let a random share of cases be decided without it (arm holdout)."
)
_SOURCE = "Khritankov 2021, Hidden feedback loops in machine learning systems, arXiv:2101.05673 (adherence and usage)."

FAMILY: Family = (
    LoopMetric(
        name=ADHERENCE,
        title="How often people follow the model",
        question="how strong",
        needs=("y_pred", "human_decision"),
        helps=_ADHERENCE_HELPS,
        meaning="The share of decisions by people who saw the model's proposal that are what it proposed.",
        why=(
            "It only describes and has no limit: a good model is rightly followed often. Near 1, a person's check "
            "removes no mistake, and the model's output becomes the label that the next model learns from."
        ),
        not_when="Not as a measure of influence: people may agree without having been persuaded. See the next row.",
        obtain=_ADHERENCE_OBTAIN,
        source=_SOURCE,
        measure=measure_adherence,
    ),
    LoopMetric(
        name=DIFFERENCE,
        title="How much more often they decide so because they saw it",
        question="how strong",
        needs=("y_pred", "human_decision"),
        helps=_ADHERENCE_HELPS,
        meaning=(
            "How much more often people decide what the model proposes where they see the proposal than where they do "
            "not: 0 means that it changes nothing, 1 that it decides alone."
        ),
        why=(
            "It only describes and has no limit. The larger it is, the more the labels of the next training are the "
            "model's own words."
        ),
        not_when=(
            "Not where those who did not see the model decided about other kinds of cases; chance should choose who "
            "sees it."
        ),
        obtain=_ADHERENCE_OBTAIN,
        source=_SOURCE,
        measure=measure_adherence,
    ),
    LoopMetric(
        name=USAGE,
        title="How much of the world the model touches",
        question="is there a loop",
        needs=("exposed",),
        helps=("arm", "action", "round", "model_version", "cluster", "user", "timestamp"),
        meaning="The share of rows in which the model's output was seen or used, altogether and by retraining round.",
        limit=MOST_USAGE,
        why=(
            "Above one half without a hold-out, most of what the next model learns has been touched by this one, and "
            "nothing is left to compare it with. An alarm asks to set aside a random share that it never touches."
        ),
        not_when="Not as a measure of harm: a model may be used everywhere if a hold-out shows what it does.",
        obtain="Log for each row whether the model's output was seen or used (exposed), and hold out a random share.",
        source=_SOURCE,
        measure=measure_adherence,
    ),
)
