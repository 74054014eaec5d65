"""Tables and texts on a page: names from data are cleaned, and never read as Markdown or HTML."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboards.labels import safe_label


def show_table(rows: Sequence[Mapping[str, str]], *, alt: str, key: str) -> None:
    """Show rows of text as a table with a description for those who do not see it.

    Parameters
    ----------
    rows
        One mapping of heading to text per row; all with the same headings. Columns without any text are left out.
    alt
        What the table holds, in one sentence.
    key
        Unique on the page.
    """
    names = rows[0] if rows else ()
    columns = {name: [row[name] for row in rows] for name in names if any(row[name] for row in rows)}
    st.dataframe(columns, hide_index=True, alt=safe_label(alt, target="text", limit=400), key=key)


def show_text(text: str) -> None:
    """Show a text that may hold names from data, exactly as it is."""
    st.text(safe_label(text, target="terminal", limit=1000))


def show_list(texts: Sequence[str]) -> None:
    """Show texts that may hold names from data as a list, their Markdown escaped."""
    st.markdown("\n".join(f"- {safe_label(text, target='markdown', limit=1000)}" for text in texts))
