"""The page on time: what changed since the reference, since when, for whom, how large, how sure, what to do."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.alarm_words import feature_name, is_withheld
from dashboards.export import csv_text
from dashboards.figures.over_time import MOST, heat_figure, series_figure
from dashboards.labels import reading_order, safe_label, slice_label
from dashboards.monitoring import (
    Change,
    advice_sentences,
    changes_of,
    effect_of,
    is_monitoring,
    lead_sentences,
    series_of,
    watched_features,
)
from dashboards.monitoring_sentences import retraining_rows, retraining_sentence
from dashboards.tables import DEFAULT_MIN_CELL, display_row, interval_text, value_text
from dashboards.two_verdicts import two_verdicts
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table, show_text
from dashboards.words import metric_sentence, metric_title

_METRICS = (
    "selection_rate", "false_positive_rate", "false_negative_rate", "accuracy", "roc_auc", "calibration_in_the_large",
    "label_coverage", "traffic",
)  # fmt: skip


def page() -> None:
    """Draw the page."""
    st.title("Over time")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    st.markdown(
        "The time since the reference is cut into windows. In each of them, and for each group, the same numbers are "
        "measured as in the reference; an alarm rings where they are shown to be further from it than is tolerated. "
        "It may be looked at every day: the promise on false alarms holds for all looks together."
    )
    if not is_monitoring(result):
        say_empty("monitoring")
        return
    changes = changes_of(result)
    show_list(lead_sentences(result))
    _table(changes)
    _drift(result, changes)
    _performance(result, changes)
    _retraining(result)
    _evidently(result)
    _offer(result, file_name=f"{entry.run_id}-over-time.csv")


def _table(changes: Sequence[Change]) -> None:
    st.header("What changed")
    rows = [
        {
            "Since": f"{change.since:%Y-%m-%d %H:%M}",
            "What": change.subject,
            "For whom": change.whom,
            "Before": change.before,
            "Now": change.now,
            "How sure": change.evidence,
        }
        for change in changes
    ]
    if rows:
        show_table(rows, alt="every alarm: since when, what, for whom, how large, how sure", key="changes")
        st.subheader("What to do")
        show_list(advice_sentences(changes))


def _drift(result: Result, changes: Sequence[Change]) -> None:
    features = watched_features(result)
    if not features:
        return
    st.header("Drift of features and predictions")
    found = {row.slice for row in result.measurements if row.metric == "drift_e_value"}
    slices = sorted(found, key=reading_order)
    names = {slice_label(slice_): slice_ for slice_ in slices}
    chosen = st.selectbox("Of whom", list(names), key="of", bind="query-params")
    of = names.get(chosen or "", ())
    series = {name: _effect(result, name, of) for name in features}
    rang = {
        feature_name(change.feature): change.since
        for change in changes
        if change.slice == of and change.metric == "drift" and change.feature is not None
    }
    shown = {feature_name(name): rows for name, rows in series.items() if rows}
    figure = heat_figure(shown, title="How far each feature is from the reference", rang=rang)
    st.plotly_chart(figure, alt=_said(shown, rang), key="drift", config={"displayModeBar": False})
    st.caption(
        "The Kolmogorov-Smirnov statistic of a number, the share of rows that moved of a category: 0 is as in the "
        "reference, 1 has nothing in common with it. A cross marks the window since which an alarm rings. Windows "
        f"of fewer than {DEFAULT_MIN_CELL} rows are not drawn."
    )
    last = [rows[-1] for rows in shown.values()]
    show_table(
        [{"Feature": name} | _cells(row) for name, row in zip(shown, last, strict=True)],
        alt="the drift of each feature in the last window",
        key="drift-table",
    )


def _effect(result: Result, feature: str, of: Slice) -> tuple[Measurement, ...]:
    metric = effect_of(result, feature)
    rows = () if metric is None else series_of(result, metric, feature=feature).get(of, ())
    return tuple(row for row in rows if not is_withheld(row, min_cell=DEFAULT_MIN_CELL))


def _said(series: dict[str, tuple[Measurement, ...]], rang: dict[str, datetime]) -> str:
    """Return what the heat map shows, in words: the features whose alarm rang, or the largest drift."""
    if rang:
        said = "; ".join(f"{name} since {since:%Y-%m-%d}" for name, since in rang.items())
        return safe_label(f"Drift by feature and window. An alarm rang for {said}.", target="text", limit=400)
    last = {name: rows[-1] for name, rows in series.items()}
    largest = max(last.items(), key=lambda item: item[1].value or 0.0, default=None)
    text = "" if largest is None else f" The largest in the last window: {largest[0]}, {value_text(largest[1])}."
    return safe_label(f"Drift by feature and window; no alarm rang.{text}", target="text", limit=400)


def _performance(result: Result, changes: Sequence[Change]) -> None:
    there = [name for name in _METRICS if any(row.metric == name and row.window for row in result.measurements)]
    if not there:
        return
    st.header("Rates by window")
    metric = st.selectbox("Rate", there, format_func=metric_title, key="rate", bind="query-params") or there[0]
    series = series_of(result, metric)
    names = {slice_label(slice_): slice_ for slice_ in series}
    rung = [slice_label(change.slice) for change in changes if change.metric == metric and change.slice in series]
    first = list(dict.fromkeys([*rung, *names]))[:2]
    chosen = st.multiselect("Groups", list(names), default=first, max_selections=MOST, key=f"groups-{metric}")
    picked = {names[name]: series[names[name]] for name in chosen}
    rung_for = [change for change in reversed(changes) if change.metric == metric]
    rang = {change.slice: change.since for change in rung_for if change.slice in picked}
    figure = series_figure(picked, title=f"{metric_title(metric)} by window", rang=rang)
    st.plotly_chart(figure, alt=_lines_said(picked, rang), key="rates", config={"displayModeBar": False})
    st.caption(safe_label(metric_sentence(metric, None), target="markdown", limit=400))
    show_table(
        [
            {"Window from": f"{row.window[0]:%Y-%m-%d %H:%M}" if row.window else "", "Group": slice_label(slice_)}
            | _cells(row)
            for slice_, rows in picked.items()
            for row in rows
        ],
        alt=f"{metric_title(metric)} of each window and group that is drawn",
        key="rates-table",
    )


def _retraining(result: Result) -> None:
    mixes = retraining_rows(result)
    if not mixes:
        return
    st.header("Which rows to retrain on")
    show_text(retraining_sentence(result))
    show_table(
        [
            {"Group": slice_label(row.slice), "New rows": f"{dict(row.at)['k']} %"}
            | {"Error rate": value_text(row), "Interval": interval_text(row), "n": f"{row.n:,}"}
            for row in mixes
        ],
        alt="the error rate after retraining on each mix of old and new rows, for everyone and each group",
        key="retraining",
    )


def _evidently(result: Result) -> None:
    verdicts = two_verdicts(result)
    if not verdicts:
        return
    st.header("Evidently on the same windows")
    differ = sum(bool(each.why) for each in verdicts)
    st.markdown(
        f"Evidently tests every feature of every window by itself, with a fixed threshold. In {differ} of "
        f"{len(verdicts)} verdicts it differs from our alarms of everyone; these come first, with the reason."
    )
    show_table(
        [
            {
                "Window from": f"{each.since:%Y-%m-%d %H:%M}",
                "Feature": each.feature,
                "Evidently": each.theirs,
                "Ours": each.ours,
                "Why they differ": each.why,
            }
            for each in verdicts
        ],
        alt="Evidently's verdict on each feature and window beside ours, and why they differ",
        key="evidently",
    )


def _lines_said(series: dict[Slice, tuple[Measurement, ...]], rang: dict[Slice, datetime]) -> str:
    said = []
    for slice_, rows in series.items():
        known = [row for row in rows if row.value is not None]
        if known:
            alarm = f", alarm since {rang[slice_]:%Y-%m-%d}" if slice_ in rang else ""
            said.append(f"{slice_label(slice_)}: {value_text(known[0])} first, {value_text(known[-1])} last{alarm}")
    return safe_label("; ".join(said) or "nothing was measured", target="text", limit=400)


def _cells(row: Measurement) -> dict[str, str]:
    shown = display_row(row)
    return {"Value": shown.value, "Interval": shown.interval, "n": shown.n, "Note": shown.note}


def _offer(result: Result, *, file_name: str) -> None:
    st.header("Take it along")
    st.download_button("Download these numbers (CSV)", csv_text(result.measurements), file_name=file_name)
    st.caption("What became of an alarm is kept by this command; it also says who took care of it:")
    st.code("evenhanded alarms list --runs runs", language=None)


if __name__ == "__main__":
    page()
