"""What a run of monitors says beside its alarms: what is not judged yet, what else was asked, and the promise."""

import json
from collections.abc import Mapping
from typing import Any

from audit.measurement import Measurement
from audit.result import Result
from dashboards.alarm_words import feature_name
from dashboards.labels import reading_order, safe_label, slice_label
from dashboards.tables import interval_text, value_text

_WITHIN = "drift_e_value_within_context"
_MOST = 5


def further_sentences(result: Result) -> tuple[str, ...]:
    """Return what a run says beside its alarms, but for the promise: traffic, missing labels, context, retraining.

    Examples
    --------
    >>> further_sentences(Result(measurements=()))
    ()
    """
    found = (traffic_sentence, labels_sentence, context_sentence, retraining_sentence)
    return tuple(filter(None, (sentence(result) for sentence in found)))


def unfinished_sentence(result: Result) -> str:
    """Return that no window is over yet, and when the first one ends; empty where one is.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from audit.provenance import Provenance
    >>> week = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="traffic", window=week, value=9, n=9, method="count")
    >>> given = Provenance(given={"windows": {"number": 1, "over": 0}})
    >>> unfinished_sentence(Result(measurements=[row], provenance=given))
    'No window is over yet: the first ends on 2026-01-12 00:00 UTC. Alarms ring in windows that are over, so nothing \
is judged so far.'
    """
    facts = result.provenance.given.get("windows")
    if not isinstance(facts, Mapping) or facts.get("over") != 0:
        return ""
    end = min((row.window[1] for row in result.measurements if row.window), default=None)
    when = "" if end is None else f": the first ends on {end:%Y-%m-%d %H:%M} UTC"
    return f"No window is over yet{when}. Alarms ring in windows that are over, so nothing is judged so far."


def traffic_sentence(result: Result) -> str:
    """Return why traffic is judged in no window; empty where it is, or was not watched.

    Examples
    --------
    >>> row = Measurement(metric="traffic_ratio", value=None, n=0, method="beta_mixture",
    ...                   reason="fewer than 8 whole windows before")
    >>> traffic_sentence(Result(measurements=[row]))
    'Traffic is not judged yet: fewer than 8 whole windows before. The windows of a reference count where it is a log \
with times, not saved counts.'
    """
    rows = [row for row in result.measurements if row.metric == "traffic_ratio" and not row.slice]
    why = [row.reason for row in rows if row.value is None and (row.reason or "").startswith("fewer")]
    if not why or any(row.level is not None for row in rows):
        return ""
    return (
        f"Traffic is not judged yet: {why[-1]}. The windows of a reference count where it is a log with times, not "
        f"saved counts."
    )


def labels_sentence(result: Result) -> str:
    """Return how many rows to have labelled where labels are missing; empty where none are asked for.

    Examples
    --------
    >>> row = Measurement(metric="labels_needed", value=385, n=900, method="sample size",
    ...                   reason="to find a risk of 0.24 where 0.22 is tolerated, behind accuracy")
    >>> labels_sentence(Result(measurements=[row]))
    'Labels are missing: about 385 rows drawn at random and labelled would show an error rate that rose by twice what \
is tolerated.'
    """
    row = next((row for row in result.measurements if row.metric == "labels_needed" and not row.slice), None)
    if row is None or row.value is None:
        return ""
    rise = (row.reason or "").startswith("to find")
    shown = "would show an error rate that rose by twice what is tolerated" if rise else "would tell the error rate"
    return f"Labels are missing: about {row.value:,.0f} rows drawn at random and labelled {shown}."


def context_sentence(result: Result) -> str:
    """Return whether features drifted within the values of a known context, too; empty where none was named.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> context_sentence(Result(measurements=(), provenance=Provenance(given={"within": "season"})))
    'Within values of season nothing could be compared: the reference has too few rows of each.'
    """
    within = result.provenance.given.get("within")
    if within is None:
        return ""
    context = safe_label(str(within), target="text")
    rows = [row for row in result.measurements if row.metric == _WITHIN]
    if not any(row.value is not None for row in rows):
        why = next((row.reason for row in rows if row.reason), "the reference has too few rows of each")
        return f"Within values of {context} nothing could be compared: {safe_label(why, target='text', limit=240)}."
    plain, inside = _drifted(result, "drift_e_value"), _drifted(result, _WITHIN)
    compared = {dict(row.at).get("feature") for row in rows if row.value is not None}
    explained = [name for name in plain if name not in {*inside, within} and name in compared]
    said = []
    if inside:
        said.append(f"Within values of {context}, too, drift is shown of {_listed(inside)}.")
    if explained:
        said.append(
            f"Within values of {context} no drift is shown of {_listed(explained)}: that {context} is mixed otherwise "
            f"than in the reference may be all of it."
        )
    return " ".join(said) or f"Within values of {context} no alarm rang."


def retraining_sentence(result: Result) -> str:
    """Return which mix of old and new rows to retrain on, for everyone and groups that need another; else why not.

    Examples
    --------
    >>> row = Measurement(metric="retraining_best_share", value=None, n=0, method="not_checked", reason="no labels")
    >>> retraining_sentence(Result(measurements=[row]))
    'No advice on retraining: no labels.'
    """
    best = {row.slice: row for row in result.measurements if row.metric == "retraining_best_share"}
    everyone = best.get(())
    if everyone is None:
        return ""
    if everyone.method == "not_checked":
        return f"No advice on retraining: {safe_label(everyone.reason, target='text', limit=240)}."
    others = [
        f"{slice_label(of)}: {_share(row)}"
        for of, row in best.items()
        if of and row.value is not None and row.value != everyone.value
    ]
    more = f" Shown to be best for other groups: {'; '.join(others[:_MOST])}." if others else ""
    basis = "a model of the watched features, not the model in use, measured on the newest rows that have a label"
    return f"{_advice(result, everyone)}{more} This is of {basis}."


def retraining_rows(result: Result) -> tuple[Measurement, ...]:
    """Return the error rate of each mix of old and new rows, for everyone and then each group.

    Examples
    --------
    >>> retraining_rows(Result(measurements=()))
    ()
    """
    rows = [row for row in result.measurements if row.metric == "retraining_error"]
    return tuple(sorted(rows, key=lambda row: (reading_order(row.slice), dict(row.at).get("k"))))


def _advice(result: Result, best: Measurement) -> str:
    errors = {
        int(dict(row.at)["k"]): row for row in result.measurements if row.metric == "retraining_error" and not row.slice
    }
    both = ((0, "old rows alone"), (100, "new rows alone"))
    ends = ", ".join(f"{words} {_error(errors[k])}" for k, words in both if k in errors)
    if best.value is None:
        beside = f"; errors: {ends}" if ends else ""
        low, high = (None if end is None else round(100 * end) for end in (best.low, best.high))
        if low is None or high is None or {low, high} == {min(errors, default=low), max(errors, default=high)}:
            return f"Retraining: no mix of old and new rows is shown to be better than every other{beside}."
        left = f"{low} %" if low == high else f"{low} to {high} %"
        return f"Retraining: mixes with {left} new rows are left, others are shown to be worse{beside}."
    own = errors.get(round(100 * best.value))
    error = "" if own is None else f", with an error of {_error(own)}"
    return f"Retraining: {_share(best)} is shown to be best{error}{f' ({ends})' if ends else ''}."


def _share(row: Measurement) -> str:
    return f"{100 * (row.value or 0.0):.0f} % new rows"


def _error(row: Measurement) -> str:
    return f"{value_text(row)} {interval_text(row)}".strip()


def _drifted(result: Result, metric: str) -> list[str]:
    """Return the features with an alarm of a metric, in order of time."""
    found: dict[str, None] = {}
    for alarm in sorted(result.alarms, key=lambda alarm: alarm.since):
        named, _, at = json.loads(alarm.key)[:3]
        if named == metric:
            found.setdefault(str(dict(at).get("feature")))
    return list(found)


def _listed(names: list[str]) -> str:
    shown = ", ".join(feature_name(name) for name in names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown


def promise_sentence(result: Result) -> str:
    """Return how seldom a quiet log rings, what that assumes, and how scatter and weights are dealt with.

    Examples
    --------
    >>> promise_sentence(Result(measurements=()))[:58]
    'While nothing changes, all monitors together ever ring wit'
    """
    settings: dict[str, Any] = {**result.provenance.defaulted, **result.provenance.given}
    alpha = settings.get("alpha", 0.05)
    scatter, weights = settings.get("scatter"), settings.get("weights")
    allowed = [
        f"How much more windows scatter than independent rows: {_plain(scatter)}." if scatter else "",
        f"Weights: {_plain(weights)}." if weights else "",
    ]
    return " ".join(
        filter(
            None,
            [
                f"While nothing changes, all monitors together ever ring with a chance of at most "
                f"{100 * float(alpha):g} %, however often one looks. Assumed: rows of a window are independent of each "
                f"other, and the reference is a fair sample of what is normal.",
                *allowed,
                "Alerts of late changes promise a rate instead: one false alert in a thousand windows.",
            ],
        )
    )


def _plain(value: object) -> str:
    return safe_label(str(value), target="text", limit=300)
