"""What the alarms of monitors say: what changed, since when, for whom, how large, how sure, what to do."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from audit.measurement import Measurement, Slice
from audit.result import Alarm, Result
from dashboards.alarm_words import (
    LATE,
    advice_on,
    alarms_of,
    base_of,
    evidence_of,
    is_withheld,
    numbered,
    read_key,
    small_groups,
    subject_of,
    whom_of,
)
from dashboards.labels import reading_order, safe_label
from dashboards.monitoring_sentences import further_sentences, promise_sentence, unfinished_sentence
from dashboards.tables import hidden_text, interval_text, value_text

_CHANCE = re.compile(r": [^ ]+ % of the reference, none in [\d,]+ rows \(chance [^)]*\)")
_EFFECTS = ("kolmogorov_smirnov_statistic", "total_variation_distance")


class Change(NamedTuple):
    """One alarm in words.

    `subject` is what changed, `whom` of whom, `now` the number of the window in which it rang with its interval,
    `before` that of the reference where it is known, `evidence` how sure that is, `advice` what to do.

    Examples
    --------
    >>> Change._fields[1:4]
    ('since', 'subject', 'whom')
    """

    alarm: Alarm
    since: datetime
    subject: str
    whom: str
    now: str
    before: str
    evidence: str
    advice: str
    metric: str
    slice: Slice
    feature: str | None
    shown: Measurement | None


def is_monitoring(result: Result) -> bool:
    """Whether a result is that of monitors.

    Examples
    --------
    >>> is_monitoring(Result(measurements=()))
    False
    """
    return "monitors" in result.provenance.given


def changes_of(result: Result) -> tuple[Change, ...]:
    """Return the alarms of a result in words, the earliest first; of several on one subject the first alone.

    Examples
    --------
    >>> from datetime import UTC
    >>> window = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="missing_share", at=(("feature", "age"),), window=window, value=0.3, low=0.25,
    ...                   high=0.35, n=400, level=0.95, method="wilson")
    >>> alarm = Alarm(key=row.key(), e_value=4e9, limit=80.0, since=window[0])
    >>> (change,) = changes_of(Result(measurements=[row], alarms=[alarm]))
    >>> change.subject, change.whom, change.now, change.evidence
    ('Share of rows without a value: age', 'everyone', '30.0 % [25.0, 35.0]', 'over a million to one')
    """
    rows = {row.key(): row for row in result.measurements}
    plain = {_place(row): row for row in result.measurements if row.value is not None}
    said: dict[tuple[str, Slice, str], Change] = {}
    for alarm in sorted(result.alarms, key=lambda alarm: (alarm.since, -alarm.e_value)):
        change = _change(alarm, rows.get(alarm.key), plain)
        said.setdefault((change.subject, change.slice, change.metric), change)
    return tuple(said.values())


def publishable(result: Result, changes: Sequence[Change], *, min_cell: int) -> tuple[Change, ...]:
    """Return the changes of groups that may be named; a number of fewer rows than may be published is hidden.

    Examples
    --------
    >>> publishable(Result(measurements=()), (), min_cell=10)
    ()
    """
    small = small_groups(result, min_cell=min_cell)
    return tuple(_published(change, min_cell) for change in changes if change.slice not in small)


def _published(change: Change, min_cell: int) -> Change:
    if change.shown is None or not is_withheld(change.shown, min_cell=min_cell):
        return change
    return change._replace(now=hidden_text(min_cell), before="", shown=None)


def lead_sentences(result: Result, *, min_cell: int = 0, of: Result | None = None) -> tuple[str, ...]:
    """Return what a run of monitors comes to, in a few sentences: the first changes, the groups after, the promise.

    Parameters
    ----------
    result
        The run; with `of` only those of its alarms that are new.
    min_cell
        Numbers that rest on fewer rows are not shown.
    of
        The run with all its alarms.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> quiet = Result(measurements=(), provenance=Provenance(given={"monitors": ["drift"]}, defaulted={"alpha": 0.05}))
    >>> lead_sentences(quiet)[0]
    'No alarm rang. That is no proof that nothing changed: a change smaller than what is tolerated, or of few rows, \
does not ring.'
    """
    changes = changes_of(result)
    told = publishable(result, changes, min_cell=min_cell)
    after = (*further_sentences(result), promise_sentence(result))
    if changes and not told:
        return (f"{_rang(result, changes, of)}, all of groups too small to be named.", promise_sentence(result))
    if not changes:
        opening = (
            "No alarm rang. That is no proof that nothing changed: a change smaller than what is tolerated, or of few "
            "rows, does not ring."
        )
        opening = unfinished_sentence(result) or opening
        if of is not None and of.alarms:
            opening = f"No alarm is new; {numbered(alarms_of(of.alarms), 'alarm')} rang in all."
        return tuple(filter(None, (opening, *after)))
    first = told[0]
    alike = next(episode for episode in episodes_of(told) if first in episode)
    others = sorted({change.whom for change in told} - {each.whom for each in alike})
    more = f"Alarms also rang for {_listed(others)}." if others else ""
    head = f"{_rang(result, changes, of)}. {episode_sentence(alike)}"
    return tuple(filter(None, (head, more, *after)))


def _rang(result: Result, changes: Sequence[Change], of: Result | None) -> str:
    """Return how many alarms rang, of how many changes; as many as `evenhanded alarms list` shows for them."""
    number = alarms_of(result.alarms)
    told = f", of {numbered(len(changes), 'change')}" if number != len(changes) else ""
    every = "" if of is None else f" ({alarms_of(of.alarms):,} in all)"
    return f"{numbered(number, 'alarm' if of is None else 'new alarm')} rang{told}{every}"


def episodes_of(changes: Sequence[Change]) -> tuple[tuple[Change, ...], ...]:
    """Return changes that began in one window for the same people together, in order of time.

    Examples
    --------
    >>> episodes_of([])
    ()
    """
    found: dict[tuple[datetime, str], list[Change]] = {}
    for change in changes:
        found.setdefault((change.since, change.whom), []).append(change)
    return tuple(map(tuple, found.values()))


def episode_sentence(episode: Sequence[Change]) -> str:
    """Return what changed at once for some people, in one sentence, and how sure the least sure of it is.

    Examples
    --------
    >>> from datetime import UTC
    >>> window = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="missing_share", at=(("feature", "age"),), window=window, value=0.3, low=0.25,
    ...                   high=0.35, n=400, level=0.95, method="wilson")
    >>> alarm = Alarm(key=row.key(), e_value=90.0, limit=80.0, since=window[0])
    >>> episode_sentence(changes_of(Result(measurements=[row], alarms=[alarm])))
    'Since 2026-01-05, everyone: share of rows without a value: age, 30.0 % [25.0, 35.0]. How sure: 90 to 1.'
    """
    said = []
    for change in episode:
        moved = f" from {change.before} to {change.now}" if change.before else f", {change.now}" if change.now else ""
        said.append(f"{_lowered(change.subject)}{moved}")
    sure = [change for change in episode if change.evidence != LATE]
    least = min(sure or episode, key=lambda change: change.alarm.e_value)
    head = f"Since {_day(episode[0].since)}, {episode[0].whom}: {'; '.join(said)}."
    return f"{head} How sure: {least.evidence}."


def advice_sentences(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return what to do, each advice once, after the changes that it is about.

    Examples
    --------
    >>> advice_sentences(())
    ()
    """
    about: dict[str, dict[str, list[str]]] = {}
    for change in changes:
        about.setdefault(change.advice, {}).setdefault(change.subject, []).append(change.whom)
    return tuple(
        f"{'; '.join(f'{subject} ({_listed(list(dict.fromkeys(whom)))})' for subject, whom in subjects.items())}: "
        f"{_lowered(advice)}"
        for advice, subjects in about.items()
    )


def series_of(result: Result, metric: str, *, feature: str | None = None) -> dict[Slice, tuple[Measurement, ...]]:
    """Return the rows of a metric by slice, in order of their windows.

    Examples
    --------
    >>> series_of(Result(measurements=()), "accuracy")
    {}
    """
    found: dict[Slice, list[Measurement]] = {}
    for row in result.measurements:
        plain = row.against is None or (row.against["kind"] == "reference" and not row.metric.endswith("_difference"))
        if row.metric == metric and row.window and plain and dict(row.at).get("feature") == feature:
            found.setdefault(row.slice, []).append(row)
    return {
        slice_: tuple(sorted(rows, key=lambda row: row.window or ()))
        for slice_, rows in sorted(found.items(), key=lambda item: reading_order(item[0]))
    }


def watched_features(result: Result) -> tuple[str, ...]:
    """Return the features whose drift was measured, in the order of the result.

    Examples
    --------
    >>> watched_features(Result(measurements=()))
    ()
    """
    found = (str(dict(row.at)["feature"]) for row in result.measurements if row.metric == "drift_e_value")
    return tuple(dict.fromkeys(found))


def effect_of(result: Result, feature: str) -> str | None:
    """Return the name of the effect that the drift of a feature is judged by; None where it was not measured."""
    for row in result.measurements:
        if row.metric in _EFFECTS and dict(row.at).get("feature") == feature and row.slice:
            return row.metric
    return next(
        (
            metric
            for metric in _EFFECTS
            if any(row.metric == metric and dict(row.at).get("feature") == feature for row in result.measurements)
        ),
        None,
    )


def _change(alarm: Alarm, row: Measurement | None, plain: Mapping[tuple[object, ...], Measurement]) -> Change:
    metric, slice_, at = (row.metric, row.slice, dict(row.at)) if row is not None else read_key(alarm.key)
    base = base_of(metric)
    shown = row if base == metric else _shown(base, row, slice_, at, plain)
    before = None if shown is None else _reference(shown, plain)
    return Change(
        alarm=alarm,
        since=alarm.since,
        subject=subject_of(base, at),
        whom=whom_of(slice_, at),
        now=_now(shown),
        before="" if before is None else before,
        evidence=evidence_of(alarm, metric, shown),
        advice=advice_on(base),
        metric=base,
        slice=slice_,
        feature=None if at.get("feature") is None else str(at["feature"]),
        shown=shown,
    )


def _now(shown: Measurement | None) -> str:
    if shown is None or shown.value is None:
        return ""
    text = f"{value_text(shown)} {interval_text(shown)}".strip()
    if shown.metric == "vanished_categories" and shown.reason:  # which ones is what matters
        return f"{text} ({safe_label(_CHANCE.sub('', shown.reason), target='text', limit=120)})"
    return text


def _shown(
    base: str,
    row: Measurement | None,
    slice_: Slice,
    at: Mapping[str, object],
    plain: Mapping[tuple[object, ...], Measurement],
) -> Measurement | None:
    """Return the number that a piece of evidence is about, in the same window; evidence itself is no size."""
    names = _EFFECTS if base == "drift" else (base,)
    window = None if row is None else row.window
    found = (plain.get((name, slice_, tuple(sorted(at.items())), window)) for name in names)
    return next((each for each in found if each is not None), None)


def _place(row: Measurement) -> tuple[object, ...]:
    """Return what a number is of; a comparison with a group is not the number itself."""
    kind = None if row.against is None else row.against["kind"]
    name = row.metric if kind in {None, "reference"} else f"{row.metric} against {kind}"
    return name, row.slice, row.at, row.window


def _reference(shown: Measurement, plain: Mapping[tuple[object, ...], Measurement]) -> str | None:
    """Return the value of the reference, from the difference to it."""
    difference = plain.get((f"{shown.metric}_difference", shown.slice, shown.at, shown.window))
    if difference is None or difference.value is None or shown.value is None:
        return None
    was = Measurement(metric=shown.metric, value=shown.value - difference.value, n=shown.n, method="difference")
    return value_text(was)


def _lowered(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _day(time: datetime) -> str:
    return time.date().isoformat() if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M} UTC"
