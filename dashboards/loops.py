"""What a run says of feedback loops: its alarms, the row that speaks for a metric, the rounds."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from audit.measurement import Measurement, Slice
from audit.publishing.redaction import hidden_slices, redacted
from audit.result import Alarm, Result
from dashboards.alarm_words import is_withheld, read_key
from dashboards.tables import limit_text
from monitors.feedback.catalog import BY_NAME, CATALOG
from monitors.feedback.metric import LoopMetric

GAIN, GAP, TREND = "loop_gain", "self_agreement_gap", "self_agreement_trend"

_QUALITIES = ("brier_skill_score", "r2_score", "accuracy")
_OF_ALL = frozenset({"arm", "k", "feature"})
"""Points of rows that speak of the whole log: of no round, no bin of scores."""
_ARMS = ("model", "manual", "explore", "holdout")
_CONDITIONS = frozenset({"usage", "outcome_coverage"})
"""Say that a loop could close unseen, not that one has."""
_GROWING = frozenset({GAIN, TREND, "group_retention_trend"})
_NO_TIME = datetime(1971, 1, 1, tzinfo=UTC)
"""An alarm of a log without times has the first day of 1970."""


class LoopAlarm(NamedTuple):
    """An alarm of a feedback loop: its metric, and the row that it is about where the run holds it.

    Examples
    --------
    >>> LoopAlarm._fields[1]
    'metric'
    """

    alarm: Alarm
    metric: LoopMetric
    slice: Slice
    row: Measurement | None

    @property
    def is_named(self) -> bool:
        """Whether it may be told of whom it speaks: of everyone, or of a group whose row was published."""
        return not self.slice or self.row is not None

    @property
    def since(self) -> str:
        """The day since which it rings; empty in a log without times."""
        return f"{self.alarm.since:%Y-%m-%d}" if self.alarm.since > _NO_TIME else ""


class Rounds(NamedTuple):
    """The rows of the retraining rounds, and the names of those that an alarm of the gap is about.

    Examples
    --------
    >>> Rounds((), (), (), frozenset()).drawable
    False
    """

    closed: tuple[Measurement, ...]
    held_out: tuple[Measurement, ...]
    gap: tuple[Measurement, ...]
    rang: frozenset[str]

    @property
    def drawable(self) -> bool:
        """Whether both sides are known in some round."""
        return all(any(row.value is not None for row in rows) for rows in (self.closed, self.held_out))


def is_loops(result: Result) -> bool:
    """Whether feedback loops were measured in a run.

    Examples
    --------
    >>> is_loops(Result(measurements=()))
    False
    """
    return "loops" in result.provenance.given


def settings_of(result: Result) -> Mapping[str, Any]:
    """Return the settings that the loops of a run were measured with; a run of monitors too keeps them apart.

    Examples
    --------
    >>> settings_of(Result(measurements=()))
    {}
    """
    source = result.provenance
    return {**source.defaulted, **source.given, **(source.given.get("loop_settings") or {})}


def shows_a_loop(metric: LoopMetric) -> bool:
    """Whether an alarm of a metric says that there is a loop; others say what makes one, or whom it would harm.

    Examples
    --------
    >>> [shows_a_loop(BY_NAME[name]) for name in ("loop_gain", "self_agreement_gap", "usage", "heavy_user_share")]
    [True, True, False, False]
    """
    asks = metric.question == "is there a loop" and metric.name not in _CONDITIONS
    return metric.limit is not None and (asks or metric.name in _GROWING)


def published(result: Result, *, min_cell: int) -> Result:
    """Return a run without the rows of feedback loops that speak of small groups; its alarms are kept, to be counted.

    A group is away with all its numbers where one of them rests on fewer rows than may be published, or where it keeps
    such a group from being found by subtraction (`audit.publishing.redaction`).

    Examples
    --------
    >>> rows = [Measurement(metric="uplift", slice=(("g", name),), value=0.1, n=n, method="x")
    ...         for name, n in (("a", 90), ("b", 80), ("c", 3))]
    >>> [row.slice[0][1] for row in published(Result(measurements=rows), min_cell=10).measurements]
    ['a']
    """
    return replace(redacted(result, hidden_groups(result, min_cell=min_cell)), alarms=result.alarms)


def hidden_groups(result: Result, *, min_cell: int) -> frozenset[Slice]:
    """Return the groups whose numbers on feedback loops may not be published; see `published`.

    Examples
    --------
    >>> row = Measurement(metric="uplift", slice=(("g", "a"),), value=0.1, n=3, method="x")
    >>> hidden_groups(Result(measurements=[row]), min_cell=10)
    frozenset({(('g', 'a'),)})
    """
    rows = tuple(row for row in result.measurements if row.metric in BY_NAME and row.value is not None)
    names = {row.metric for row in rows if row.slice}
    return hidden_slices(replace(result, measurements=rows, alarms=()), metrics=names, min_cell=min_cell)


def loop_alarms(result: Result) -> tuple[LoopAlarm, ...]:
    """Return the alarms of feedback loops: what shows a loop first, then in the order of the catalog.

    Examples
    --------
    >>> loop_alarms(Result(measurements=()))
    ()
    """
    rows = {row.key(): row for row in result.measurements}
    order = {metric.name: place for place, metric in enumerate(CATALOG)}
    found = []
    for alarm in result.alarms:
        name, slice_, _ = read_key(alarm.key)
        if name in BY_NAME:
            found.append(LoopAlarm(alarm, BY_NAME[name], slice_, rows.get(alarm.key)))
    return tuple(
        sorted(found, key=lambda each: (not shows_a_loop(each.metric), order[each.metric.name], each.alarm.key))
    )


def known_rows(result: Result, name: str) -> tuple[Measurement, ...]:
    """Return the measured rows of a metric about the whole log: everyone's first, then the groups'.

    Examples
    --------
    >>> rows = [Measurement(metric="usage", at=at, value=0.5, n=9, method="x") for at in ((("round", "1"),), ())]
    >>> [row.at for row in known_rows(Result(measurements=rows), "usage")]
    [()]
    """
    found = [
        row
        for row in result.measurements
        if row.metric == name and row.value is not None and row.window is None and set(dict(row.at)) <= _OF_ALL
    ]
    return tuple(sorted(found, key=lambda row: (len(row.slice), _arm_order(row))))


def headline(result: Result, name: str) -> Measurement | None:
    """Return the row that speaks for a metric: everyone's, where the model decides; one without value if none is known.

    Examples
    --------
    >>> row = Measurement(metric="usage", value=None, n=9, method="none", reason="cannot be measured, because of x")
    >>> headline(Result(measurements=[row]), "usage").reason
    'cannot be measured, because of x'
    """
    known = [row for row in known_rows(result, name) if not row.slice]
    unknown = [row for row in result.measurements if row.metric == name and row.value is None]
    return next(iter((*known, *sorted(unknown, key=lambda row: (len(row.slice), len(row.at))))), None)


def limit_words(result: Result, metric: LoopMetric) -> str:
    """Return at what value a metric rings; "describes only" where it has no limit.

    Examples
    --------
    >>> limit_words(Result(measurements=()), BY_NAME["loop_gain"])
    'rings above 0.7'
    >>> limit_words(Result(measurements=()), BY_NAME["outcome_coverage"])
    'rings below 50 %'
    """
    limit = limit_of(result, metric)
    if limit is None:
        return "describes only"
    text = limit_text(metric.name, low=None, high=limit).removeprefix("at most ").replace("-", "−")
    return f"rings {metric.side} {text}"


def limit_of(result: Result, metric: LoopMetric) -> float | None:
    """Return the limit that a metric had in a run.

    Examples
    --------
    >>> limit_of(Result(measurements=()), BY_NAME["loop_gain"])
    0.7
    """
    own = (settings_of(result).get("limits") or {}).get(metric.name)
    return metric.limit if own is None else float(own)


def rounds_of(result: Result, *, min_cell: int = 0) -> Rounds:
    """Return what is known of each retraining round, on data that the model influenced and on the hold-out.

    Examples
    --------
    >>> row = Measurement(metric="self_agreement_gap", at=(("round", "1"),), value=0.2, n=90, method="delta_method")
    >>> rounds_of(Result(measurements=[row])).gap[0].value
    0.2
    """
    sides: dict[str, list[Measurement]] = {"closed": [], "holdout": []}
    shown = [row for row in result.measurements if "round" in dict(row.at) and not is_withheld(row, min_cell=min_cell)]
    for row in shown:
        arm = str(dict(row.at).get("arm", ""))
        if row.metric in _QUALITIES and arm in sides:
            sides[arm].append(row)
    gap = tuple(row for row in shown if row.metric == GAP)
    keys = {alarm.key for alarm in result.alarms}
    rang = frozenset(str(dict(row.at)["round"]) for row in gap if row.key() in keys)
    return Rounds(tuple(sides["closed"]), tuple(sides["holdout"]), gap, rang)


def _arm_order(row: Measurement) -> int:
    arm = str(dict(row.at).get("arm", "model"))
    return _ARMS.index(arm) if arm in _ARMS else len(_ARMS)
