"""The slices of a search of all rows on the page: listed, none of them confirmed."""

from collections.abc import Sequence

import streamlit as st

from dashboards.figures.slices import slices_text
from dashboards.labels import slice_label
from dashboards.slice_findings import Finding
from dashboards.tables import number_text, value_text
from dashboards.views.table import show_table

_TITLE = "Slices of all rows, none of them confirmed"


def show_explored(found: Sequence[Finding]) -> None:
    """Show the table of the slices that were listed; no picture: without intervals it would look surer than it is."""
    st.header(_TITLE)
    if not found:
        st.caption("No slice names this feature.")
        return
    show_table([_row(each) for each in found], alt=slices_text(found, title=_TITLE), key="explored-table")
    st.caption(
        "The difference to everyone has no interval: the same rows chose the slice and measured it. t is the number of "
        "standard errors that it lies from everyone, of one slice looked at alone."
    )


def _row(found: Finding) -> dict[str, str]:
    scores = found.scores
    return {
        "Slice": slice_label(found.row.slice, limit=40),
        "Difference to everyone": value_text(found.row),
        "n": f"{found.row.n:,}",
        "Share of rows": f"{number_text(scores['support'], unit='share')} %" if "support" in scores else "",
        "t (exploratory)": f"{scores['t']:.2f}" if "t" in scores else "",
        "Score (SliceLine)": f"{scores['score']:.3f}" if "score" in scores else "",
    }
