"""The second page: one metric in the groups of chosen features, against a reference group that a person names."""

from collections.abc import Sequence

import streamlit as st

from audit.kinds import kind_of
from audit.measurement import Measurement
from audit.result import Result
from audit.run import measure
from dashboards.commands import run_command
from dashboards.export import csv_text
from dashboards.figures.forest import alternative_text, forest
from dashboards.figures.interval_lines import LONGEST
from dashboards.labels import features_label, group_label, safe_label
from dashboards.look_alikes import alike_sentences
from dashboards.pages import PAGES
from dashboards.report.groups import combinations_of, headline_metrics, positive_label
from dashboards.subjects import comparison_text
from dashboards.tables import display_row, is_plain, plain_rows
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_table
from dashboards.weights import weights_text
from dashboards.words import direction_sentence, metric_sentence, metric_title

_NO_REFERENCE = "(none: no group is compared)"


def page() -> None:
    """Draw the page."""
    st.title("Subgroups")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    if not PAGES["subgroups"].holds(result):
        say_empty("subgroups")
        return
    features, metric = _choose(result)
    st.markdown(_meaning(metric, result))
    rows = plain_rows(result, features=features, metrics=(metric,))
    everyone = next(iter(plain_rows(result, features=(), metrics=(metric,))), None)
    _show(rows, title=f"{metric_title(metric)} by {features_label(features)}", everyone=everyone, key="values")
    for name in features:
        values = [value for row in rows for feature, value in row.slice if feature == name]
        for sentence in alike_sentences(features_label((name,)), values):
            st.warning(safe_label(sentence, target="markdown", limit=1000))
    if weights_text(result):
        st.caption(safe_label(f"These numbers are {weights_text(result)}.", target="markdown", limit=200))
    st.caption("Every group is shown here, however small; a report for others hides those with few rows.")
    differences = _differences(entry.digest, result, features, metric)
    _offer([*rows, *differences], result, file_name=f"{entry.run_id}-{metric}.csv", differences=differences)


def _choose(result: Result) -> tuple[tuple[str, ...], str]:
    combinations = {features_label(features): features for features in combinations_of(result)}
    left, right = st.columns(2)
    chosen = left.selectbox("Groups of", list(combinations), key="groups", bind="query-params")
    features = combinations.get(chosen) or next(iter(combinations.values()))
    present = dict.fromkeys(row.metric for row in result.measurements if is_plain(row) and row.metric != "count")
    ordered = list(dict.fromkeys([*headline_metrics(result), *present]))
    metric = right.selectbox("Metric", ordered, format_func=metric_title, key="metric", bind="query-params")
    return features, metric if metric in present else ordered[0]


def _meaning(metric: str, result: Result) -> str:
    sentence = f"{metric_sentence(metric, positive_label(result))} {direction_sentence(metric)}".strip()
    return safe_label(sentence or metric_title(metric), target="markdown", limit=400)


def _show(rows: Sequence[Measurement], *, title: str, everyone: Measurement | None, key: str) -> None:
    alt = alternative_text(rows, title=title)
    picture, table = st.columns([4, 3])
    with picture:
        figure = forest(rows, title=title, everyone=everyone)
        st.plotly_chart(figure, alt=alt, key=f"{key}-figure", config={"displayModeBar": False})
        st.caption(
            "A dot is the estimate, the line its interval; the dashed line is everyone."
            if everyone is not None
            else "A dot is the estimate, the line its interval. Groups whose line crosses 0 are not shown to differ."
        )
        if len(rows) > LONGEST:
            st.caption(f"The picture shows {LONGEST} of {len(rows):,} groups; the table shows all.")
    with table:
        show_table([_group_row(row) for row in rows], alt=alt, key=f"{key}-table")


def _group_row(row: Measurement) -> dict[str, str]:
    shown = display_row(row)
    return {
        "Group": group_label(row.slice),
        "Value": shown.value,
        "Interval": shown.interval,
        "n": shown.n,
        "Note": shown.note,
    }


def _differences(digest: str, result: Result, features: tuple[str, ...], metric: str) -> tuple[Measurement, ...]:
    """Let a person name the reference group; return the differences to it, rolled up from the stored tally."""
    st.header("Against a reference group")
    if result.tally is None or len(features) != 1:
        st.caption(
            "Choose the groups of a single feature, of a run that was saved with its tally, to name a reference group."
        )
        return ()
    values = [row.slice[0][1] for row in plain_rows(result, features=features, metrics=("count",))]
    groups = [value for value in values if value is not None]
    names = [_NO_REFERENCE, *(safe_label(group, target="text") for group in groups)]
    chosen = st.selectbox("Reference group", range(len(names)), format_func=names.__getitem__, key="reference")
    if not chosen or chosen > len(groups):
        return ()
    reference = groups[chosen - 1]
    level = next((row.level for row in result.measurements if row.level is not None), 0.95)
    rows = _measured(digest, features[0], reference, metric, level, result)
    if not rows:
        st.caption("There is no other group to compare with.")
        return ()
    title = f"{metric_title(metric)}: difference to {comparison_text(rows[0])}"
    _show(rows, title=title, everyone=None, key="differences")
    st.caption(safe_label(f"Intervals: {rows[0].method.replace('_', ' ')}.", target="markdown"))
    return rows


def _offer(rows: Sequence[Measurement], result: Result, *, file_name: str, differences: Sequence[Measurement]) -> None:
    st.header("Take it along")
    st.download_button("Download these numbers (CSV)", csv_text(rows), file_name=file_name, mime="text/csv")
    against = next((row.against for row in differences), None)
    if differences and kind_of(result) != "audit":
        st.caption("The differences are made on this page, from the counts of this run; the command makes the rest.")
    st.caption("The command that makes these numbers again:")
    st.code(
        run_command(result, reference=None if against is None else against["slice"]), language=None, wrap_lines=True
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _measured(  # the key of the cache: texts and numbers, never a table
    digest: str,  # noqa: ARG001 - stands for the result
    feature: str,
    reference: str,
    metric: str,
    level: float,
    _result: Result,
) -> tuple[Measurement, ...]:
    if _result.tally is None:
        return ()
    rows = measure(_result.tally, level=level, reference={feature: reference}, metrics=[metric])
    return tuple(
        row
        for row in rows
        if row.metric == f"{metric}_difference"
        and not row.at
        and row.against == {"kind": "slice", "slice": {feature: reference}}
    )


if __name__ == "__main__":
    page()
