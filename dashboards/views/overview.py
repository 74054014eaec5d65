"""The first page: every saved run with its verdict in words; of the chosen one what fails and what is not known."""

from collections.abc import Sequence

import streamlit as st

from audit.result import Result
from audit.store import RunEntry, read_document
from dashboards.judgements import JudgedGate, JudgedRow, judged_gate
from dashboards.labels import features_label, safe_label
from dashboards.pages import pages_of
from dashboards.report.summary import Summary, summarise
from dashboards.runs import NOT_JUDGED, entry_verdict
from dashboards.theme import verdict_text
from dashboards.views.chosen import chosen_entry, listed_runs, opened, opened_gate
from dashboards.views.table import show_list, show_table, show_text

_MOST = 200


def page() -> None:
    """Draw the page."""
    st.title("Audits")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is not None:
        _show_run(entry, result)
    st.header("All runs")
    show_table(
        _run_rows(entries[:_MOST]),
        alt=f"{len(entries):,} saved runs with kind, files, model, verdict, rows and features",
        key="runs",
    )
    if len(entries) > _MOST:
        st.caption(f"The newest {_MOST} of {len(entries):,} runs.")


def _show_run(entry: RunEntry, result: Result) -> None:
    record = opened_gate(entry)
    gate = None if record is None else judged_gate(record, min_cell=0)
    summary = summarise(result, gate, min_cell=0)
    st.header(NOT_JUDGED.capitalize() if gate is None else verdict_text(gate.verdict))
    show_text(summary.rows)
    st.markdown(safe_label(summary.asked, target="markdown", limit=1000))
    st.markdown(safe_label(summary.found, target="markdown", limit=1000))
    _show_findings(summary, gate)
    _show_links(result)
    if summary.unknown:
        st.subheader("What is not known")
        show_list(summary.unknown)
    if summary.needed:
        st.subheader("What would show it")
        show_list(summary.needed)
    st.subheader("Who decides")
    st.markdown(safe_label(summary.decides, target="markdown", limit=1000))
    report = read_document(entry.path, "report.html")
    if report is not None:
        st.download_button("Download the report (HTML)", report, file_name=f"{entry.run_id}.html", mime="text/html")


def _show_links(result: Result) -> None:
    """Lead to the pages that have something to show of this run."""
    found = pages_of(result)
    if not found:
        return
    st.subheader("This run also holds")
    for page in found:
        st.page_link(page.file, label=page.title)
        st.caption(f"{page.shows[:1].upper()}{page.shows[1:]}.")


def _show_findings(summary: Summary, gate: JudgedGate | None) -> None:
    if gate is None:
        show_list(summary.leading)
        return
    if summary.failing:
        show_list(summary.failing)
    alt = f"{len(gate.rows)} requirements with verdict, value and limit; what fails comes first"
    show_table([_judged_row(row) for row in gate.rows], alt=alt, key="requirements")


def _judged_row(row: JudgedRow) -> dict[str, str]:
    measured = row.measured
    return {
        "Requirement": row.id,
        "Verdict": verdict_text(row.verdict),
        "Measured": row.unmeasured if measured is None else measured.value,
        "Interval": "" if measured is None else measured.interval,
        "Limit": row.limit,
        "n": "" if measured is None else measured.n,
        "What": "" if measured is None else measured.name,
        "Why": row.reason or ("" if measured is None else measured.note),
    }


def _run_rows(entries: Sequence[RunEntry]) -> list[dict[str, str]]:
    return [
        {
            "Time (UTC)": f"{entry.time:%Y-%m-%d %H:%M}",
            "Kind": entry.kind,
            "Made of": safe_label(", ".join(entry.files), target="text") if entry.files else "a table in memory",
            "Model": safe_label(entry.model, target="text") if entry.model else "",
            "Verdict": entry_verdict(entry),
            "Rows": f"{entry.rows:,}" if entry.rows else "",
            "Features": features_label(entry.features) if entry.features else "",
            "Model version": "" if entry.model_version is None else safe_label(entry.model_version, target="text"),
            "Run": entry.run_id,
        }
        for entry in entries
    ]


if __name__ == "__main__":
    page()
