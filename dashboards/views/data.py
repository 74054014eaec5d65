"""The page on the data of a split: what makes its test part flatter a model, what a model leans on, suspect labels."""

import csv
import io
from collections.abc import Sequence

import streamlit as st

from audit.measurement import Measurement
from audit.result import Result
from audit.splits.findings import Finding
from audit.store import read_document
from dashboards.export import csv_text
from dashboards.figures.importance import LONGEST, feature_of, importance_bars, importance_text
from dashboards.labels import safe_label
from dashboards.lint_rows import (
    LABELS,
    LIMITS,
    STATUS,
    clear_sentence,
    head_sentence,
    importance_rows,
    is_lint,
    known_checks,
    lint_command,
    read_findings,
    suspect_share,
    unchecked_sentence,
)
from dashboards.tables import display_row, interval_text, value_text
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table, show_text

_SHOWN = 200
_EVERY = "every check"

_WHERE = {"row_id": "Row", "part": "Part", "line_in_file": "Line in the file", "row (from 1)": "Row (from 1)"}


def page() -> None:
    """Draw the page."""
    st.title("Data")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    if not is_lint(result):
        _show_how()
        return
    read = read_findings(result)
    show_text(head_sentence(result, read))
    _show_findings(read)
    _show_importance(result)
    _show_labels(read_document(entry.path, LABELS), result, file_name=f"{entry.run_id}-labels.csv")
    _offer(result, file_name=f"{entry.run_id}-lint.csv")


def _show_how() -> None:
    say_empty("data")
    st.markdown(
        "A lint looks at the rows that a model was trained on and those that it is tested on, for whatever makes the "
        "test flatter the model:"
    )
    show_list(known_checks())


def _show_findings(read: Sequence[Finding]) -> None:
    st.header("Findings")
    for found in (each for each in read if each.status in {"found", "undecided"}):
        _show_finding(found)
    if not any(each.status in {"found", "undecided"} for each in read):
        st.caption("Nothing was found.")
    for sentence in (clear_sentence(read), unchecked_sentence(read), LIMITS):
        if sentence:
            show_list([sentence])
    st.subheader("Every check")
    wanted = st.selectbox("Show", [_EVERY, *STATUS.values()], key="status", bind="query-params")
    rows = [each for each in read if wanted not in STATUS.values() or STATUS[each.status] == wanted]
    if not rows:
        st.caption("No check has this outcome.")
        return
    alt = f"{len(rows)} checks with outcome, value, interval and n; what was found comes first"
    show_table([_check_row(each) for each in rows], alt=alt, key="checks")


def _show_finding(found: Finding) -> None:
    mark = STATUS[found.status]
    told = "" if found.status != "found" else (" · spoils the test" if found.spoils else " · to be judged by a person")
    st.subheader(f"{mark}: {safe_label(found.title, target='markdown')}{told}")
    show_text(found.evidence)
    st.markdown(f"**Why it matters.** {safe_label(found.why, target='markdown', limit=600)}")
    st.markdown(f"**What to do.** {safe_label(found.do, target='markdown', limit=600)}")


def _check_row(found: Finding) -> dict[str, str]:
    shown = display_row(found.row)
    return {
        "Check": found.title,
        "Outcome": STATUS[found.status],
        "What": shown.name,
        "Value": "" if found.row.value is None else shown.value,
        "Interval": shown.interval,
        "n": "" if found.row.value is None else shown.n,
        "Note": shown.note,
    }


def _show_importance(result: Result) -> None:
    rows = importance_rows(result)
    if not rows:
        return
    st.header("What a simple model leans on")
    st.markdown(
        "By how much the log loss of gradient boosting on test rows rises when a feature is shuffled among them. "
        "Features that make no sense here are the first to ask about. It says what that model uses, not what causes "
        "anything; one of two features that say the same looks needless."
    )
    title = "Importance on test rows"
    alt = importance_text(rows, title=title)
    picture, table = st.columns([4, 3])
    with picture:
        figure = importance_bars(rows, title=title)
        st.plotly_chart(figure, alt=alt, key="importance", config={"displayModeBar": False})
        st.caption("A dot is the estimate, the line its interval.")
        if len(rows) > LONGEST:
            st.caption(f"The picture shows {LONGEST} of {len(rows):,} features; the table shows all.")
    with table:
        show_table([_importance_row(row) for row in rows], alt=alt, key="importance-table")


def _importance_row(row: Measurement) -> dict[str, str]:
    return {
        "Feature": feature_of(row),
        "Rise": value_text(row),
        "Interval": interval_text(row),
        "n": f"{row.n:,}",
        "Note": "" if row.reason is None else safe_label(row.reason, target="text", limit=240),
    }


def _show_labels(document: str | None, result: Result, *, file_name: str) -> None:
    st.header("Labels worth a second look")
    share = suspect_share(result)
    if document is None or share is None or share.value is None:
        st.caption("This run keeps no list of labels.")
        if share is not None and share.reason:
            show_text(share.reason)
        return
    rows = [_label_row(row) for row in csv.DictReader(io.StringIO(document))]
    st.markdown(
        "Rows whose label models that had not seen the row firmly disagree with, the most suspicious first. Not proof: "
        "hard cases and rare groups look like errors too. Look at them, write relabel, keep or drop into the last "
        "column of the file, and look at as many rows that are not listed, to know how many are missed."
    )
    label = result.provenance.given["lint"]["label"]
    show_text(f"{value_text(share)} {interval_text(share)} of {share.n:,} rows; positive: {label}")
    if not rows:
        st.caption("None.")
        return
    show_table(rows[:_SHOWN], alt=f"{len(rows)} rows with given and suggested label and loss", key="labels")
    if len(rows) > _SHOWN:
        st.caption(f"The table shows {_SHOWN} of {len(rows):,} rows; the file holds them all.")
    st.download_button("Download the list (CSV)", document, file_name=file_name, mime="text/csv")


def _label_row(row: dict[str, str]) -> dict[str, str]:
    shown = {"given_label": "Given", "suggested_label": "Suggested",
             "probability_of_given": "Probability of the given", "loss": "Loss", "why": "Why"}  # fmt: skip
    where = dict.fromkeys(list(row)[: list(row).index("given_label")]) if "given_label" in row else {}
    named = {key: safe_label(_WHERE.get(key, key), target="text") for key in where} | shown
    return {name: safe_label(row.get(key) or "", target="text", limit=200) for key, name in named.items()}


def _offer(result: Result, *, file_name: str) -> None:
    st.header("Take it along")
    numbers = csv_text(result.measurements)
    st.download_button("Download these numbers (CSV)", numbers, file_name=file_name, mime="text/csv")
    st.caption("The command that makes these numbers again:")
    st.code(lint_command(result), language=None, wrap_lines=True)


if __name__ == "__main__":
    page()
