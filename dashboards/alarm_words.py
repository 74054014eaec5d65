"""What one alarm is about, of whom, how sure it is and what to do; and which groups are too small to be named."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from audit.measurement import Measurement, Slice, as_slice
from audit.result import Alarm, Result
from dashboards.labels import safe_label, slice_label
from dashboards.words import metric_title
from monitors.feedback.catalog import BY_NAME

_ENDINGS = ("_gap_e_value", "_e_value", "_e_detector")
_ROLES: Mapping[str, str] = {"y_pred": "the predictions", "y_score": "the scores", "y_true": "the labels"}
_TITLES: Mapping[str, str] = {
    "drift": "Drift",
    "drift_within_context": "Drift within values of the known context",
    "rectifier": "Predictions right less often than scores promise",
    "outcome_rectifier": "Outcomes that are not those that scores promise",
}
"""Of evidence that is about no number of its own."""
_OF_COLUMNS = frozenset(
    {"drift", "drift_within_context", "missing_share", "new_category_share", "vanished_categories", "unit_factor"}
)
_RATIOS = frozenset({"traffic_ratio", "action_ratio"})
_LARGE = 1e6
LATE = "alert (a rate)"
"""Said of detectors, which ring once in so many windows by chance, in place of odds."""
TOGETHER = "all windows so far together"
"""Said of evidence that added up though the window's own interval does not show the change."""


def numbered(number: int, noun: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> numbered(1, "alarm"), numbered(2, "alarm")
    ('1 alarm', '2 alarms')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def alarms_of(alarms: Iterable[Alarm]) -> int:
    """Return how many alarms `evenhanded alarms list` shows for some: one for each subject, whatever the windows.

    Examples
    --------
    >>> alarms_of([])
    0
    """
    return len({_subject_key(alarm.key) for alarm in alarms})


def base_of(metric: str) -> str:
    """Return the metric that evidence is about; of any other metric its own name.

    Examples
    --------
    >>> base_of("accuracy_e_detector"), base_of("traffic_ratio")
    ('accuracy', 'traffic_ratio')
    """
    if metric == "drift_e_value_within_context":
        return "drift_within_context"
    return next((metric.removesuffix(ending) for ending in _ENDINGS if metric.endswith(ending)), metric)


def read_key(key: str) -> tuple[str, Slice, dict[str, Any]]:
    """Return metric, slice and point of the key of a measurement.

    Examples
    --------
    >>> read_key('["accuracy_e_value",{"sex":"F"},{},null,null]')
    ('accuracy_e_value', (('sex', 'F'),), {})
    """
    metric, slice_, at = json.loads(key)[:3]
    return metric, as_slice(slice_), dict(at)


def subject_of(base: str, at: Mapping[str, object]) -> str:
    """Return what changed, in words.

    Examples
    --------
    >>> subject_of("drift", {"feature": "age"}), subject_of("traffic_ratio", {})
    ('Drift: age', 'Traffic over that of earlier windows')
    """
    title = _TITLES.get(base) or metric_title(base)
    feature = at.get("feature")
    return title if feature is None else f"{title}: {feature_name(str(feature))}"


def feature_name(feature: str) -> str:
    """Return a feature in words: predictions, scores and labels have no name of their own.

    Examples
    --------
    >>> feature_name("y_score"), feature_name("age")
    ('the scores', 'age')
    """
    return _ROLES.get(feature) or safe_label(feature, target="text")


def whom_of(slice_: Slice, at: Mapping[str, object]) -> str:
    """Return of whom an alarm speaks.

    Examples
    --------
    >>> whom_of((("sex", "F"),), {}), whom_of((), {"place": "north"}), whom_of((), {"round": "7"})
    ('sex = F', 'place north', 'everyone, round 7')
    """
    said = {"place": "place", "round": "round", "model_version": "model"}
    points = [f"{word} {safe_label(str(at[key]), target='text')}" for key, word in said.items() if key in at]
    group = slice_label(slice_) if slice_ or "place" not in at else ""
    return ", ".join(filter(None, (group, *points)))


def alarm_words(key: str) -> str:
    """Return what an alarm is about and of whom, as the monitor says it; a key that is none stays as it is.

    Examples
    --------
    >>> alarm_words('["accuracy_e_detector",{"sex":"F"},{},null,null]')
    'Accuracy, alert (a rate): sex = F'
    """
    try:
        metric, slice_, at = read_key(key)
    except (ValueError, TypeError, AttributeError):
        return key
    late = f", {LATE}" if metric.endswith("_e_detector") else ""
    gap = ", gap between groups" if metric.endswith("_gap_e_value") else ""
    return f"{subject_of(base_of(metric), at)}{late}{gap}: {whom_of(slice_, at)}"


def evidence_of(alarm: Alarm, metric: str, shown: Measurement | None) -> str:
    """Return how sure an alarm is; where the window alone does not show it, that it is so of all windows together.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> alarm = Alarm(key="k", e_value=90.0, limit=80.0, since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> row = Measurement(metric="traffic_ratio", value=1.7, low=0.5, high=4.4, n=30, level=0.95, method="x")
    >>> evidence_of(alarm, "traffic_ratio", row)
    '90 to 1, all windows so far together'
    """
    if metric.endswith("_e_detector"):
        return LATE
    odds = _odds(alarm.e_value)
    low, high = (None, None) if shown is None or metric not in _RATIOS else (shown.low, shown.high)
    undecided = low is not None and low <= 1.0 and (high is None or high >= 1.0)
    return f"{odds}, {TOGETHER}" if undecided else odds


def sureness(key: str, e_value: float) -> str:
    """Return how sure the alarm of a key is.

    Examples
    --------
    >>> sureness('["traffic_ratio",{},{},null,null]', 90.0), sureness('["accuracy_e_detector",{},{},null,null]', 90.0)
    ('90 to 1', 'alert (a rate)')
    """
    try:
        is_late = read_key(key)[0].endswith("_e_detector")
    except (ValueError, TypeError, AttributeError):
        is_late = False
    return LATE if is_late else _odds(e_value)


def _odds(e_value: float) -> str:
    return "over a million to one" if e_value > _LARGE else f"{e_value:,.0f} to 1"


def advice_on(base: str) -> str:
    """Return what to do about an alarm.

    Examples
    --------
    >>> advice_on("drift")
    'Ask whoever sends this column what changed; compare the values of before and since.'
    """
    if base in {
        "drift",
        "drift_within_context",
        "missing_share",
        "new_category_share",
        "vanished_categories",
        "unit_factor",
    }:
        return "Ask whoever sends this column what changed; compare the values of before and since."
    if base in {"traffic_ratio", "duplicate_share", "late_share", "empty_windows", "removed_rows"}:
        return "Ask whoever sends the rows: are some missing, doubled, or of other people than before?"
    if base in BY_NAME:
        return BY_NAME[base].why
    if base == "action_ratio":
        return "Look at a sample of these actions with the people on site, and stop if nobody can explain them."
    return "Look at a sample of the rows that went wrong since; decide whether decisions of this kind go on."


def small_groups(result: Result, *, min_cell: int) -> frozenset[Slice]:
    """Return the groups that hold fewer rows than may be published over all windows together (but for none at all).

    Examples
    --------
    >>> small_groups(Result(measurements=()), min_cell=10)
    frozenset()
    """
    rows: dict[Slice, int] = {}
    for row in result.measurements:
        if row.metric == "traffic" and row.slice and row.value is not None:
            rows[row.slice] = rows.get(row.slice, 0) + int(row.value)
    return frozenset(slice_ for slice_, number in rows.items() if 0 < number < min_cell)


def is_withheld(row: Measurement, *, min_cell: int) -> bool:
    """Whether the number of a window may not be shown: it rests on fewer rows than may be published, but on some.

    Examples
    --------
    >>> is_withheld(Measurement(metric="accuracy", value=0.5, n=4, method="x"), min_cell=10)
    True
    """
    return 0 < row.n < min_cell


def _subject_key(key: str) -> str:
    try:
        return json.dumps(json.loads(key)[:-1], sort_keys=True)
    except (ValueError, TypeError):
        return key
