"""The page on sources of bias: for each what it is, what speaks for and against it, and what more data would bring."""

import streamlit as st

from audit.measurement import Measurement
from audit.result import Result
from dashboards.export import csv_text
from dashboards.figures.sources import learning_curve_figure
from dashboards.labels import group_label, safe_label
from dashboards.learning_curves import curve_points, curve_text, expected_gain
from dashboards.source_words import (
    MEANINGS,
    evidence_of,
    source_verdicts,
    sources_command,
    verdict_words,
    why_words,
)
from dashboards.tables import display_row
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table, show_text


def page() -> None:
    """Draw the page."""
    st.title("Sources of bias")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    verdicts = source_verdicts(result)
    if not verdicts:
        say_empty("sources")
        return
    _summary(result, verdicts)
    _one(result, verdicts)
    _curve(result)
    st.header("Take it along")
    rows = [row for row in result.measurements if row.metric != "count"]
    st.download_button(
        "Download these numbers (CSV)", csv_text(rows), file_name=f"{entry.run_id}-sources.csv", mime="text/csv"
    )
    st.caption("The command that makes these numbers again:")
    st.code(sources_command(result), language=None, wrap_lines=True)


def _summary(result: Result, verdicts: tuple[Measurement, ...]) -> None:
    gap = next((row for row in result.measurements if row.metric == "held_out_error_rate_difference"), None)
    if gap is not None:
        shown = display_row(gap)
        whom = group_label(gap.slice, target="markdown", limit=40)
        st.markdown(
            f"On rows that the model was not fitted on, the error of **{whom}** differs from that of others by "
            f"**{shown.value}** {safe_label(shown.interval, target='markdown')}. Where may that come from?"
        )
    rows = [
        {
            "Source": str(dict(row.at)["class"]),
            "Verdict": verdict_words(row),
            "What it is": MEANINGS.get(str(dict(row.at)["class"]), ""),
        }
        for row in verdicts
    ]
    show_table(rows, alt="Each source of bias with its verdict", key="sources")
    show_list([f"{verdict_words(row)}, {dict(row.at)['class']}: {why_words(row)}" for row in verdicts])
    st.caption(
        "A source is named only where numbers speak for it; that others are not supported does not clear them. "
        "Unbiased data is not unbiased decisions: the model and its use matter, too."
    )


def _one(result: Result, verdicts: tuple[Measurement, ...]) -> None:
    st.header("The evidence")
    names = [str(dict(row.at)["class"]) for row in verdicts]
    chosen = st.selectbox("Source", names, key="source", bind="query-params")
    row = next((row for row in verdicts if dict(row.at)["class"] == chosen), verdicts[0])
    show_list([f"{verdict_words(row)}: {why_words(row)}"])
    evidence = [each for each in evidence_of(result, str(dict(row.at)["class"])) if "k" not in dict(each.at)]
    if not evidence:
        st.caption("There are no numbers: nothing was provided that could test it.")
        return
    show_table([_row(each) for each in evidence], alt=f"Evidence on {dict(row.at)['class']} bias", key="evidence")


def _row(row: Measurement) -> dict[str, str]:
    shown = display_row(row)
    return {"What": shown.name, "Value": shown.value, "Interval": shown.interval, "n": shown.n, "Note": shown.note}


def _point(row: Measurement) -> dict[str, str]:
    shown = display_row(row)
    rows = f"{int(dict(row.at)['k']):,}"
    return {"Rows of the group": rows, "Held-out error": shown.value, "Interval": shown.interval, "n": shown.n}


def _curve(result: Result) -> None:
    points, gain = curve_points(result), expected_gain(result)
    st.header("Would more data help?")
    if not points:
        st.caption("No learning curve was drawn: too few rows of the group.")
        return
    alt = safe_label(curve_text(points, gain), target="text", limit=600)
    picture, table = st.columns([4, 3])
    with picture:
        figure = learning_curve_figure(points, gain)
        st.plotly_chart(figure, alt=alt, key="curve-figure", config={"displayModeBar": False})
        st.caption(
            "Dots: the group's held-out error with so many of its rows in the training data, and all rows of the "
            "others. Diamond: what the curve promises for twice the rows. A flat curve says that more of the same will "
            "not help."
        )
    with table:
        show_table([_point(each) for each in points], alt=alt, key="curve-table")
        if gain is not None:
            show_text(gain.reason or "")


if __name__ == "__main__":
    page()
