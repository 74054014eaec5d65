"""Evidently's verdicts beside ours: what each says of a feature in a window, and why they differ."""

from datetime import datetime
from typing import NamedTuple

from audit.measurement import Measurement
from audit.result import Result
from dashboards.alarm_words import feature_name

_DIFFER = "they differ ("


class TwoVerdicts(NamedTuple):
    """Evidently's verdict on a feature in a window beside ours; `why` says why they differ, empty where they agree.

    Examples
    --------
    >>> TwoVerdicts._fields[2:]
    ('theirs', 'ours', 'why', 'row')
    """

    since: datetime
    feature: str
    theirs: str
    ours: str
    why: str
    row: Measurement


def two_verdicts(result: Result) -> tuple[TwoVerdicts, ...]:
    """Return Evidently's verdicts beside ours, those that differ first, then in order of time.

    Examples
    --------
    >>> from datetime import UTC
    >>> window = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="evidently_drift_score", at=(("feature", "age"),), window=window, value=0.04, n=90,
    ...                   method="evidently, K-S p_value",
    ...                   reason="K-S p_value 0.04 against a threshold of 0.05: drift; no alarm of ours; "
    ...                   "they differ (its test is of one look)")
    >>> (found,) = two_verdicts(Result(measurements=[row]))
    >>> found.ours, found.why
    ('no alarm of ours', 'its test is of one look')
    """
    found = []
    for row in result.measurements:
        if row.metric != "evidently_drift_score" or row.window is None:
            continue
        theirs, _, rest = (row.reason or "").partition("; ")
        ours, _, rest = rest.partition("; ")
        feature = feature_name(str(dict(row.at).get("feature")))
        found.append(TwoVerdicts(row.window[0], feature, theirs, ours, _in_brackets(rest), row))
    return tuple(sorted(found, key=lambda each: (not each.why, each.since)))


def _in_brackets(rest: str) -> str:
    """Return what stands in the outer brackets; reasons hold brackets of their own."""
    if not rest.startswith(_DIFFER):
        return ""
    depth = 1
    for place, letter in enumerate(rest[len(_DIFFER) :]):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return rest[len(_DIFFER) : len(_DIFFER) + place]
    return rest[len(_DIFFER) :]
