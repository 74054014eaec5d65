"""The page on scores: whether they keep their promise, by group, with the worst calibration first."""

from collections.abc import Mapping, Sequence

import streamlit as st

from audit.measurement import Measurement, Slice
from audit.result import Result
from audit.scores.calibration import reliability, with_reliability
from dashboards.commands import run_command
from dashboards.export import csv_text
from dashboards.figures.reliability import MOST, alternative_text, reliability_figure
from dashboards.labels import features_label, group_label, safe_label
from dashboards.reliability import (
    SHOWN,
    Bin,
    calibration_sentence,
    curves,
    has_calibration,
    holds_scores,
    level_of,
    worst_first,
)
from dashboards.report.groups import combinations_of
from dashboards.tables import display_row, interval_text, plain_rows, value_text
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table
from dashboards.words import metric_sentence, metric_title

_EVERYONE = "everyone"
_TOLD = 8


def page() -> None:
    """Draw the page."""
    st.title("Calibration")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    if not holds_scores(result):
        say_empty("calibration")
        return
    if not has_calibration(result):  # a run of thresholds keeps the counts of scores, not these metrics
        result = _measured(entry.digest, result)
    st.markdown(
        "A score of 0.3 promises that it comes true three times in ten. Where it does not, a limit on the score means "
        "something else for one group than for another."
    )
    features = _choose(result)
    rows = _table(entry.digest, features, result)
    found = curves(rows)
    order = worst_first([*found], result)
    title = f"Promised and come true by {features_label(features)}" if features else "Promised and come true"
    _show({group: found[group] for group in order}, result, features, title)
    _offer(rows, plain_rows(result, features=features, metrics=SHOWN), result, entry.run_id)


def _choose(result: Result) -> tuple[str, ...]:
    combinations: dict[str, tuple[str, ...]] = {features_label(names): names for names in combinations_of(result)}
    combinations |= {_EVERYONE: ()}
    chosen = st.selectbox("Groups of", list(combinations), key="groups", bind="query-params")
    return combinations.get(chosen, ())


def _show(found: Mapping[Slice, Sequence[Bin]], result: Result, features: tuple[str, ...], title: str) -> None:
    metrics = {(row.slice, row.metric): row for row in plain_rows(result, features=features, metrics=SHOWN)}
    st.header("What is shown")
    told = []
    for group, bins in list(found.items())[:_TOLD]:
        rows = {metric: row for (whom, metric), row in metrics.items() if whom == group}
        told.append(f"{group_label(group)}: {calibration_sentence(rows, bins)}")
    show_list(told)
    st.caption("The groups whose calibration error is largest for sure come first.")
    alt = alternative_text(found, title=title)
    figure = reliability_figure(found, title=title)
    st.plotly_chart(figure, alt=alt, key="reliability-figure", config={"displayModeBar": False})
    st.caption(
        "Across, the mean score of a range of scores; up, the share that came true. On the dashed line promises are "
        "kept. The intervals of a group hold for all its ranges at once; an open diamond marks a promise that is shown "
        "to be wrong."
    )
    if len(found) > MOST:
        st.caption(f"The picture shows {MOST} of {len(found):,} groups; the tables show all.")
    st.header("In numbers")
    shown = [_metric_row(group, metrics) for group in found]
    show_table(shown, alt=f"Calibration metrics. {alt}", key="metrics-table")
    for metric in SHOWN:
        st.caption(safe_label(f"{metric_title(metric)}: {metric_sentence(metric, None)}", target="markdown", limit=400))
    with st.expander("Every range of scores"):
        ranges = [_bin_row(group, one) for group, of_group in found.items() for one in of_group]
        show_table(ranges, alt=f"Ranges of scores by group. {alt}", key="bins-table")


def _metric_row(group: Slice, metrics: Mapping[tuple[Slice, str], Measurement]) -> dict[str, str]:
    cells = {"Group": group_label(group)}
    for metric in SHOWN:
        row = metrics.get((group, metric))
        shown = None if row is None else display_row(row)
        cells[metric_title(metric)] = "" if shown is None else f"{shown.value} {shown.interval}".strip()
        if metric == SHOWN[0]:
            cells["n"] = "" if shown is None else shown.n
    return cells


def _bin_row(group: Slice, one: Bin) -> dict[str, str]:
    return {
        "Group": group_label(group),
        "Scores": one.scores,
        "Promised": value_text(one.promised),
        "Came true": value_text(one.observed),
        "Interval": interval_text(one.observed),
        "n": f"{one.observed.n:,}",
        "Shown to be wrong": "◆ yes" if one.outside else "no",
    }


def _offer(rows: Sequence[Measurement], metrics: Sequence[Measurement], result: Result, run_id: str) -> None:
    st.header("Take it along")
    text = csv_text([*metrics, *rows])
    st.download_button("Download these numbers (CSV)", text, file_name=f"{run_id}-calibration.csv", mime="text/csv")
    st.caption("The commands that make these numbers again:")
    st.code(f"{run_command(result)} --out runs\nevenhanded calibration latest", language=None, wrap_lines=True)


@st.cache_data(max_entries=64, show_spinner=False)
def _table(  # the key of the cache: texts, never a table
    digest: str,  # noqa: ARG001 - stands for the result
    features: tuple[str, ...],
    _result: Result,
) -> tuple[Measurement, ...]:
    if _result.tally is None:
        return ()
    return reliability(_result.tally, features=features, level=level_of(_result))


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(digest: str, _result: Result) -> Result:  # noqa: ARG001 - the digest stands for the result
    return with_reliability(_result)


if __name__ == "__main__":
    page()
