"""The page of several labels: which label is taken for which, in everyone and in each group."""

from collections.abc import Sequence

import streamlit as st

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.commands import run_command
from dashboards.export import csv_text
from dashboards.figures.confusion import LONGEST, alternative_text, confusion_heatmap
from dashboards.labels import safe_label, slice_label
from dashboards.pages import labels_of
from dashboards.tables import display_row
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_table

_OF_LABELS = ("true_positive_rate", "precision", "f1")


def page() -> None:
    """Draw the page."""
    st.title("Confusion")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    labels = labels_of(result)
    if not labels:
        say_empty("confusion")
        return
    group = _choose(result)
    matrix = [row for row in result.measurements if row.metric == "confusion_rate" and row.slice == group]
    if matrix:
        _show_matrix(matrix, labels, group)
    by_label = label_rows(result, group)
    _show_labels(by_label, group)
    st.header("Take it along")
    name = f"{entry.run_id}-confusion.csv"
    st.download_button("Download these numbers (CSV)", csv_text([*matrix, *by_label]), file_name=name, mime="text/csv")
    st.caption("The command that makes these numbers again:")
    st.code(run_command(result), language=None, wrap_lines=True)


def label_rows(result: Result, group: Slice) -> list[Measurement]:
    """Return recall, precision and F1 of each label against the rest in one group.

    Examples
    --------
    >>> row = Measurement(metric="f1", at=(("class", "cat"),), value=0.5, n=9, method="x")
    >>> [found.metric for found in label_rows(Result(measurements=[row]), ())]
    ['f1']
    """
    return [
        row
        for row in result.measurements
        if row.metric in _OF_LABELS
        and row.slice == group
        and row.against is None
        and [key for key, _ in row.at] == ["class"]
    ]


def _choose(result: Result) -> Slice:
    found = dict.fromkeys(row.slice for row in result.measurements if "class" in dict(row.at) and len(row.slice) <= 1)
    names: dict[str, Slice] = {}
    for group in found:
        name = slice_label(group)
        names[name if name not in names else f"{name} ({len(names)})"] = group
    chosen = st.selectbox("Group", list(names), key="confusion_group", bind="query-params")
    return names.get(chosen, ())


def _show_matrix(matrix: Sequence[Measurement], labels: Sequence[str], group: Slice) -> None:
    title = f"What each true label was taken for: {slice_label(group)}"
    alt = alternative_text(matrix, title=title)
    st.markdown(
        "Each line is one true label; its cells say which share of its rows got which prediction, and sum to 100 %. "
        "What is right stands on the diagonal."
    )
    picture, table = st.columns([4, 3])
    with picture:
        figure = confusion_heatmap(matrix, labels=labels, title=title)
        st.plotly_chart(figure, alt=alt, key="confusion-figure", config={"displayModeBar": False})
        if len(labels) > LONGEST:
            st.caption(f"The picture shows {LONGEST} of {len(labels)} labels; the table shows all.")
    with table:
        ordered = sorted(matrix, key=lambda row: (_right(row), -(row.value or 0.0)))
        show_table([_cell_row(row) for row in ordered], alt=alt, key="confusion-table")
        st.caption("What goes wrong most often stands first. Every cell is shown here, however small.")


def _show_labels(rows: Sequence[Measurement], group: Slice) -> None:
    st.header("Each label against the rest")
    st.markdown(
        "True positive rate: of the rows that truly have the label, the share that got it. Precision: of the rows that "
        "got it, the share that truly have it. Intervals hold each for itself."
    )
    by_label: dict[str, dict[str, str]] = {}
    for row in rows:
        label = str(dict(row.at)["class"])
        line = by_label.setdefault(label, {"Label": safe_label(label, target="text", limit=60)})
        shown = display_row(row)
        name = {"true_positive_rate": "True positive rate", "precision": "Precision", "f1": "F1"}[row.metric]
        line[name] = f"{shown.value} {shown.interval}".strip()
        line[f"n of {name}"] = shown.n
    show_table(list(by_label.values()), alt=f"Rates of each label, {slice_label(group)}", key="label-table")


def _right(row: Measurement) -> bool:
    return dict(row.at)["class"] == dict(row.at)["predicted"]


def _cell_row(row: Measurement) -> dict[str, str]:
    shown = display_row(row)
    return {
        "True": safe_label(str(dict(row.at)["class"]), target="text", limit=60),
        "Predicted": safe_label(str(dict(row.at)["predicted"]), target="text", limit=60),
        "Share": shown.value,
        "Interval": shown.interval,
        "n": shown.n,
        "Note": shown.note,
    }


if __name__ == "__main__":
    page()
