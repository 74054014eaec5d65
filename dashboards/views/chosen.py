"""Which run is open: chosen in the sidebar from the list of saved runs, kept in the address, opened once."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from audit.errors import EvidenceError
from audit.result import Result
from audit.store import RunEntry, list_runs
from dashboards.labels import safe_label
from dashboards.pages import PAGES, empty_sentence
from dashboards.runs import entry_verdict, open_gate, open_run, runs_folder
from dashboards.views.table import show_text

_KEY = "run"


def choose_run() -> None:
    """Draw the list of runs in the sidebar; the choice stands in the address as ``?run=...``."""
    entries = list_runs(runs_folder())
    if not entries:
        return
    with st.sidebar:
        st.selectbox("Run, newest first", [entry.run_id for entry in entries], key=_KEY, bind="query-params")
        entry = chosen_entry(entries)
        rows = f" · {entry.rows:,} rows" if entry.rows else ""
        st.caption(f"{entry_verdict(entry)} · {entry.time:%Y-%m-%d %H:%M} UTC{rows}")


def chosen_entry(entries: tuple[RunEntry, ...]) -> RunEntry:
    """Return the entry that is chosen; the newest where the choice is none of the list."""
    wanted = st.session_state.get(_KEY)
    return next((entry for entry in entries if entry.run_id == wanted), entries[0])


def listed_runs() -> tuple[RunEntry, ...]:
    """Return the saved runs; where there are none, say what makes one."""
    folder = runs_folder()
    entries = list_runs(folder)
    if not entries:
        st.info(
            "No run is saved yet. An audit that is given a folder with --out is listed here; a demonstration makes one."
        )
        st.text(f"This page looks in {safe_label(str(folder), target='terminal', limit=400)}")
        st.code(
            "evenhanded demo\n"
            "evenhanded audit DATA.csv --y-true LABEL --y-pred PREDICTION --sensitive race,sex --out runs",
            language=None,
        )
    return entries


def opened(entry: RunEntry) -> Result | None:
    """Return the result of a run; where its files are broken, say so and return None."""
    try:
        return _result(entry.digest, str(entry.path), entry)
    except EvidenceError as error:
        st.error("▲ broken evidence: this run cannot be shown.")
        show_text(str(error))
        return None


def opened_gate(entry: RunEntry) -> Mapping[str, Any] | None:
    """Return the record of a run's gate; None where there is none, or where it is broken (which is said)."""
    try:
        return open_gate(entry)
    except EvidenceError as error:
        st.error("▲ broken evidence: the verdicts of this run cannot be shown.")
        show_text(str(error))
        return None


def say_empty(name: str) -> None:
    """Say what a page would show, and the command that makes a run that has it."""
    page = PAGES[name]
    st.info(safe_label(empty_sentence(page), target="markdown", limit=800))
    st.code(page.command, language=None, wrap_lines=True)


@st.cache_resource(max_entries=8, show_spinner=False)
def _result(digest: str, path: str, _entry: RunEntry) -> Result:  # noqa: ARG001 - digest and path are the key of the cache
    return open_run(_entry)
