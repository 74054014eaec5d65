"""Whether those who were accepted are better off later: by group, and against the manual process."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy.typing as npt

from audit.measurement import Measurement, Slice
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.blocks import first_time, one_where
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, difference, estimate, evidence_of, of_estimate
from monitors.feedback.moment_sums import Moments, group_moments, unit_of
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.timestamps import collected

IMPACT, RELATIVE = "delayed_impact", "relative_impact"

FEWEST_ROWS = 20
"""Accepted people of a group, or members of it under either process, below which nothing is said of it."""

_MANY_LOST = 0.05
_METHOD = "linearised"
_MOMENTS = ("one", "change")


def measure_delayed_impact(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return the mean change of state of those acted on, and what the model changes against the manual process.

    The outcome is the change of a state after the decision, such as points of a credit score, larger being better. Of
    a log with arms, the first is told of the arms "model" and "manual"; those not accepted count with the change that
    is logged of them, and with 0 where none is.
    """
    armed = "arm" in log.columns
    facts = _facts(log)
    if facts.fault:
        names = (IMPACT, RELATIVE) if armed else (IMPACT,)
        return LoopRows(tuple(_refused(name, facts.fault, facts.accepted) for name in names))
    rows = _rows(log)
    by = ["arm"] if armed else []
    accepted = rows.filter(nw.col("accepted") == 1.0)
    impacts = _impact_rows(group_moments(log, accepted, _MOMENTS, by=by), settings, facts.caveat)
    found = [*impacts, *(_relative_rows(group_moments(log, rows, _MOMENTS, by=by), settings) if armed else [])]
    since = first_time(log)
    limits = {name: settings.limits.get(name, 0.0) for name in (IMPACT, RELATIVE)}
    evidence = [
        Evidence(row.key(), evidence_of(each, limit=limits[row.metric], side="below"), since)
        for row, each in found
        if each is not None and (not armed or row.metric == RELATIVE or dict(row.at).get("arm") == "model")
    ]
    return LoopRows(tuple(row for row, _ in found), tuple(evidence))


_Told = tuple[Measurement, Estimate | None]
_Groups = Sequence[tuple[Slice, tuple[Any, ...], Moments]]


class _Facts(NamedTuple):
    accepted: int
    fault: str | None
    caveat: str | None


def _facts(log: PredictionLog) -> _Facts:
    if "outcome" not in log.columns:
        return _Facts(0, f"{CANNOT} the log names no outcome. {_OBTAIN}", None)
    change, accepted = nw.col("outcome"), nw.col("action") == 1.0
    known = ~change.is_null()
    flags = decisions(log).with_columns(
        accepted=one_where(accepted),
        lost=one_where(accepted & ~known),
        other=one_where(known & (change != 0.0) & (change != 1.0)),
    )
    sums = {name: nw.col(name).sum() for name in ("accepted", "lost", "other")}
    counts = {name: int(n or 0) for name, n in collected(log, flags.select(**sums)).to_pylist()[0].items()}
    accepted_rows, lost = counts["accepted"], counts["lost"]
    if accepted_rows == lost:
        fault = f"{CANNOT} of {accepted_rows:,} rows with action = 1 none has an outcome. {_OBTAIN}"
        return _Facts(accepted_rows, fault, None)
    if not counts["other"]:
        fault = f"{CANNOT} all outcomes are 0 or 1: they are events, not changes of a state. {_OBTAIN}"
        return _Facts(accepted_rows, fault, None)
    said = f"{lost:,} of {accepted_rows:,} accepted have no change logged: who is lost may be who fared worst"
    return _Facts(accepted_rows, None, said if lost > _MANY_LOST * accepted_rows else None)


def _rows(log: PredictionLog) -> nw.LazyFrame[Any]:
    """Return everyone's change: 0 of those not accepted where none is logged; accepted ones without are left out."""
    rows = decisions(log).filter(~nw.col("action").is_null())
    if "arm" in log.columns:
        rows = rows.filter(nw.col("arm").is_in(["model", "manual"]))
    known = ~nw.col("outcome").is_null()
    unit = unit_of(log)
    kept = [f"feature_{place}" for place in range(len(log.sensitive_features))]
    kept += [*(["arm"] if "arm" in log.columns else []), *([unit] if unit else [])]
    return rows.filter(known | (nw.col("action") == 0.0)).select(
        *kept,
        one=nw.lit(1.0),
        change=nw.when(known).then(nw.col("outcome")).otherwise(nw.lit(0.0)),
        accepted=one_where(nw.col("action") == 1.0),
    )


def mean_change(total: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - a number, complex where it is differentiated
    """Return the mean of totals (n, sum).

    Examples
    --------
    >>> import numpy as np
    >>> float(mean_change(np.array([4.0, -10.0])))
    -2.5
    """
    return total[1] / total[0]


def _impact_rows(groups: _Groups, settings: LoopSettings, caveat: str | None) -> list[_Told]:
    found: list[_Told] = []
    for of, cell, moments in groups:
        at = (("arm", str(cell[0])),) if cell else ()
        if moments.n < FEWEST_ROWS:
            why = f"{CANNOT} {moments.n} accepted with a known change are fewer than {FEWEST_ROWS}. Follow up more."
            row = Measurement(metric=IMPACT, slice=of, at=at, value=None, n=moments.n, method="none", reason=why)
            found.append((row, None))
            continue
        each = estimate(moments, mean_change)
        row = of_estimate(IMPACT, each, level=settings.level, method=_METHOD, of=of, at=at, reason=caveat)
        found.append((row, each))
    return found


def _relative_rows(groups: _Groups, settings: LoopSettings) -> list[_Told]:
    """Return the mean change per member under the model less that under the manual process."""
    cells = {(of, cell[0]): moments for of, cell, moments in groups}
    found: list[_Told] = []
    for of in dict.fromkeys(of for of, _, _ in groups):
        sides = [cells.get((of, arm)) for arm in ("model", "manual")]
        model, manual = sides
        n = min(0 if side is None else side.n for side in sides)
        if model is None or manual is None or n < FEWEST_ROWS:
            sizes = [0 if side is None else side.n for side in sides]
            why = (
                f"{CANNOT} {sizes[0]:,} rows of the arm 'model' and {sizes[1]:,} of the arm 'manual' are too few; "
                f"{FEWEST_ROWS} of each are needed. Log the decisions of the process before the model too."
            )
            found.append((_refused(RELATIVE, why, n, of), None))
            continue
        each = difference(estimate(model, mean_change), estimate(manual, mean_change))
        found.append((of_estimate(RELATIVE, each, level=settings.level, method=_METHOD, of=of), each))
    return found


def _refused(name: str, reason: str, n: int, of: Slice = ()) -> Measurement:
    return Measurement(metric=name, slice=of, value=None, n=n, method="none", reason=reason)


_HELPS: tuple[Role, ...] = ("user", "cluster", "timestamp")
_OBTAIN = (
    "Follow people up after the decision and log as outcome by how much their state has changed since (after less "
    "before, such as points of a credit score or of a test), larger being better."
)
_SOURCE = "L. T. Liu and others (2018), Delayed impact of fair machine learning, arXiv:1803.04383."

FAMILY: Family = (
    LoopMetric(
        name=IMPACT,
        title="Whether those who were accepted are better off later",
        question="for whom",
        needs=("action", "outcome"),
        helps=("arm", *_HELPS),
        meaning="How much the state of people changed, on average, after they were accepted.",
        limit=0.0,
        side="below",
        why=(
            "Below 0 accepting them harmed them: a loan that cannot be repaid lowers the score that the next decision "
            "is made by. Where one group is below 0 and another above, look at the threshold of that group."
        ),
        not_when=(
            "Many cannot be followed up, and who is lost fared differently; the state would have changed anyway (a "
            "season, a course that all take): then compare with the manual process."
        ),
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_delayed_impact,
    ),
    LoopMetric(
        name=RELATIVE,
        title="Whether a group fares better under the model than before",
        question="for whom",
        needs=("action", "outcome", "arm"),
        helps=_HELPS,
        meaning=(
            "The change of state per member of a group under the model, less that under the process before it; those "
            "not accepted count as unchanged."
        ),
        limit=0.0,
        side="below",
        why="Below 0 the group fares worse with the model than without it, whatever the model's error rates say.",
        not_when="The two processes decided about different people: then chance must say who decides about whom.",
        obtain=f"{_OBTAIN} Log the arm: 'model', or 'manual' for the process before it.",
        source=_SOURCE,
        measure=measure_delayed_impact,
    ),
)
