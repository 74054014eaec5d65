"""All that a decision log can say of feedback loops, and why it cannot say the rest."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.multiplicity import e_benjamini_hochberg
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.reading import Role
from audit.result import Alarm, Result
from monitors.feedback.catalog import BY_NAME, CATALOG
from monitors.feedback.cleaned import cleaned
from monitors.feedback.decisions import DecisionFacts, decision_facts
from monitors.feedback.metric import LoopMetric, Measure
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.kinds import Wanted, wrong_kind
from monitors.timestamps import with_times
from monitors.windows import parse_windows

_NOT_MEASURED = "cannot be measured, because"
_DEFAULTS = LoopSettings()


def run_loops(log: PredictionLog, *, settings: LoopSettings | None = None) -> Result:
    """Measure the feedback loops of a decision log: every metric that its columns allow, and why not the others.

    Parameters
    ----------
    log
        Decisions with any of the roles of a decision log (`audit.reading.Role`); each metric says which it needs
        (`monitors.feedback.catalog`).
    settings
        Limits, windows and the promise; None = the defaults.

    Returns
    -------
    Result
        At least one row for every metric of the catalog; one that cannot be measured has no value, and a reason that
        says what to log. Alarms where a metric passes its limit.

    Raises
    ------
    InputError
        If settings are wrong, or the log has none of the roles: all at once.

    Notes
    -----
    The promise: while no metric passes its limit, a run rings with probability at most `alpha` (weighted e-BH over all
    rows that have a limit, each metric with the same share, half of it its headline's, under any dependence of them:
    R. Wang & A. Ramdas (2022), False discovery rate control with e-values, doi:10.1111/rssb.12489). It is a promise of
    one run: of a log that is looked at again and again, give each look a level of its own (`audit.inference.looks`).

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0], "seen": [1, 0]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", exposed="seen")
    >>> result = run_loops(log)
    >>> next(row.reason for row in result.measurements if row.metric == "loop_gain")[:44]
    'cannot be measured, because the log names no'
    """
    raise_violations(_wrong_kinds(log, settings))
    chosen = settings or _DEFAULTS
    raise_violations(_violations(chosen, log))
    if "timestamp" in log.columns:
        log = with_times(log)
    facts = decision_facts(log)
    with cleaned(log) as clean:
        measured = [_answer(clean, facts, metrics, chosen) for metrics in _families()]
    rows = tuple(row for found in measured for row in found.rows)
    evidence = tuple(each for found in measured for each in found.evidence)
    used = sorted({row.metric for row in rows if row.value is not None})
    return Result(measurements=rows, alarms=_alarms(evidence, chosen.alpha), provenance=_provenance(log, chosen, used))


def _families() -> list[tuple[LoopMetric, ...]]:
    """Return the metrics of the catalog that share a function, in its order."""
    found: dict[Measure, list[LoopMetric]] = {}
    for metric in CATALOG:
        if metric.measure is not None and metric.of_a_log:
            found.setdefault(metric.measure, []).append(metric)
    return [tuple(metrics) for metrics in found.values()]


def _answer(
    log: PredictionLog, facts: DecisionFacts, metrics: Sequence[LoopMetric], settings: LoopSettings
) -> LoopRows:
    """Return what a family says, and the reason for each of its metrics that the log has not the columns for."""
    why = {metric.name: _why_not(metric, log, facts) for metric in metrics}
    refused = tuple(_refused(metric, reason, facts.rows) for metric in metrics if (reason := why[metric.name]))
    possible = [metric for metric in metrics if not why[metric.name]]
    if not possible or possible[0].measure is None:
        return LoopRows(refused)
    found = possible[0].measure(log, settings)
    names = {metric.name for metric in metrics if why[metric.name]}
    kept = tuple(row for row in found.rows if row.metric not in names)
    told, keys = {row.metric for row in kept}, {row.key() for row in kept}
    silent = (metric for metric in possible if metric.name not in told)
    refused += tuple(_refused(metric, _nothing(metric, log), facts.rows) for metric in silent)
    return LoopRows((*kept, *refused), tuple(each for each in found.evidence if each.key in keys))


def _nothing(metric: LoopMetric, log: PredictionLog) -> str:
    """Return why a family had nothing to say of one of its metrics."""
    groups = "" if log.sensitive_features else " (it names no groups)"
    return f"{_NOT_MEASURED} the log holds nothing to count it from{groups}. {metric.obtain}"


def _why_not(metric: LoopMetric, log: PredictionLog, facts: DecisionFacts) -> str | None:
    lacking = [role for role in metric.needs if role not in log.columns and not _stands_in(role, log)]
    if lacking:
        return f"{_NOT_MEASURED} the log names no {' and no '.join(lacking)}. {metric.obtain}"
    faults = facts.of(_used(metric, log))
    return f"{_NOT_MEASURED} {'; '.join(faults)}. Mend the column, or leave it out." if faults else None


def _stands_in(role: Role, log: PredictionLog) -> bool:
    """Whether another column answers for a role: the label for the outcome, the version for the round."""
    others: dict[Role, tuple[Role, ...]] = {
        "outcome": ("y_true",),
        "round": ("model_version",),
        "outcome_observed": ("outcome", "y_true"),
    }
    if role == "y_pred" and "y_score" in log.columns and log.reading.threshold is not None:
        return True
    return any(other in log.columns for other in others.get(role, ()))


def _used(metric: LoopMetric, log: PredictionLog) -> Iterable[Role]:
    return [role for role in (*metric.needs, *metric.helps) if role in log.columns]


def _refused(metric: LoopMetric, reason: str, rows: int) -> Measurement:
    return Measurement(metric=metric.name, value=None, n=rows, method="none", reason=reason)


def _alarms(evidence: Sequence[Evidence], alpha: float) -> tuple[Alarm, ...]:
    """Return the rows that weighted e-BH names; the limit of each is the e-value that would just have been enough."""
    if not evidence:
        return ()
    weights = _weights([json.loads(each.key) for each in evidence])
    values = np.array([each.e_value for each in evidence]) * weights
    named = e_benjamini_hochberg(values, alpha=alpha).rejected
    limits = len(evidence) / (alpha * max(int(named.sum()), 1) * weights)
    return tuple(
        Alarm(key=each.key, e_value=float(each.e_value), limit=float(limit), since=each.since)
        for each, limit, rang in zip(evidence, limits, named, strict=True)
        if rang
    )


def _weights(keys: Sequence[Sequence[Any]]) -> npt.NDArray[np.float64]:
    """Return the share of the promise that each row has, 1 on average: every metric as much as any other.

    Half of it is its headline's: the first row about everyone, or else the first; the rest is shared alike. A metric
    of fifty groups would otherwise make all others deaf.
    """
    by_metric: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        by_metric.setdefault(str(key[0]), []).append(place)
    weights = np.empty(len(keys))
    for places in by_metric.values():
        first = next((place for place in places if not keys[place][1] and not keys[place][2]), places[0])
        weights[places] = 0.5 / max(len(places) - 1, 1)
        weights[first] = 0.5 if len(places) > 1 else 1.0
    return weights * len(keys) / len(by_metric)


def _wrong_kinds(log: object, settings: object) -> list[str]:
    """Return what is neither a log nor settings: told in a sentence, not by an error within."""
    kind = Wanted("a log of decisions", (PredictionLog,))
    found = wrong_kind("log", log, kind, then="make one by PredictionLog.from_frame(...) or from_file(...)")
    return found + wrong_kind("settings", settings, Wanted("LoopSettings", (LoopSettings,)), optional=True)


def _violations(settings: LoopSettings, log: PredictionLog) -> list[str]:
    limited = sorted(metric.name for metric in CATALOG if metric.limit is not None and metric.of_a_log)
    found = [
        f"limits names {name!r}; expected one of {', '.join(limited)}"
        for name in settings.limits
        if name not in limited
    ]
    parse_windows(settings.window)
    needed = {role for metric in BY_NAME.values() for role in (*metric.needs, *metric.helps)}
    if not needed & set(log.columns):
        found.append(
            "the log names none of the columns that feedback loops are measured by; name at least one of "
            f"{', '.join(sorted(needed))}"
        )
    return found


class _Chosen(NamedTuple):
    given: dict[str, Any]
    defaulted: dict[str, Any]


def _settings(settings: LoopSettings) -> _Chosen:
    values = {each.name: getattr(settings, each.name) for each in fields(settings) if each.name != "seed"}
    values["limits"] = dict(settings.limits)
    given = {name: value for name, value in values.items() if value != getattr(_DEFAULTS, name)}
    return _Chosen(given, {name: value for name, value in values.items() if name not in given})


def _provenance(log: PredictionLog, settings: LoopSettings, used: list[str]) -> Provenance:
    chosen = _settings(settings)
    return Provenance(
        data=file_digests(log.source),
        versions=recorded_versions(),
        seed=settings.seed,
        given={"loops": used, "columns": dict(log.columns), **_read_as(log), **chosen.given},
        defaulted=chosen.defaulted,
    )


def _read_as(log: PredictionLog) -> dict[str, Any]:
    """Return how the columns were read, where that is not how they are read by default."""
    reading = log.reading
    said: dict[str, Any] = {"positive": reading.positive, "threshold": reading.threshold}
    said["task"] = None if reading.task == "watch" else reading.task
    said["score_max"] = None if reading.score_max == 1.0 else reading.score_max
    said["sensitive_features"] = list(log.sensitive_features) or None
    return {name: value for name, value in said.items() if value is not None}
