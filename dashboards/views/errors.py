"""The page of the search for slices: confirmed ones first, what only looked suspicious, what makes one stand out."""

from collections.abc import Sequence

import streamlit as st

from audit.measurement import Measurement
from audit.result import Result
from dashboards.export import csv_text
from dashboards.figures.slices import LONGEST, items_bars, slices_forest, slices_text
from dashboards.labels import safe_label, slice_label
from dashboards.report.groups import positive_label
from dashboards.slice_findings import (
    Finding,
    all_searched,
    cut_sentence,
    findings,
    searched_row,
    searched_sentence,
    slice_sentence,
    slices_command,
)
from dashboards.tables import interval_text, number_text, value_text
from dashboards.views.chosen import chosen_entry, listed_runs, opened
from dashboards.views.explored_slices import show_explored
from dashboards.views.table import show_list, show_table, show_text
from dashboards.words import base_metric, direction_sentence, metric_sentence, metric_title

_ANY = "(any feature)"


def page() -> None:
    """Draw the page."""
    st.title("Errors")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    if searched_row(result) is None:
        _show_how(result)
        return
    show_text(" ".join(filter(None, (searched_sentence(result), cut_sentence(result)))))
    found = findings(result)
    if found and all_searched(result):
        show_explored(_filtered(found))
    elif found:
        st.markdown(_meaning(found[0], result))
        chosen = _filtered(found)
        _show_group([each for each in chosen if each.confirmed], confirmed=True)
        _show_group([each for each in chosen if not each.confirmed], confirmed=False)
        _show_one(chosen)
    _offer(result, found, file_name=f"{entry.run_id}-slices.csv")


def _show_how(result: Result) -> None:
    st.info("This run holds no search for slices. The command below makes one of the same data; save it with --out.")
    st.markdown(
        "A search looks at every combination of the values of the features on one half of the rows and measures the "
        "most striking ones again on the other half: what is confirmed there is no accident of the search."
    )
    st.code(f"{slices_command(result)} --out runs", language=None, wrap_lines=True)


def _meaning(found: Finding, result: Result) -> str:
    metric = base_metric(found.row.metric)[0]
    sentence = f"{metric_title(metric)}. {metric_sentence(metric, positive_label(result))} {direction_sentence(metric)}"
    return safe_label(sentence, target="markdown", limit=400)


def _filtered(found: Sequence[Finding]) -> list[Finding]:
    names = {safe_label(name, target="text"): name for each in found for name, _ in each.row.slice}
    wanted = st.selectbox("Slices that name", [_ANY, *sorted(names)], key="feature", bind="query-params")
    return [each for each in found if wanted not in names or names[wanted] in dict(each.row.slice)]


def _show_group(found: Sequence[Finding], *, confirmed: bool) -> None:
    st.header("Confirmed" if confirmed else "Looked suspicious, not confirmed")
    if not found:
        st.caption("No slice was confirmed." if confirmed else "None.")
        return
    title = "Confirmed slices" if confirmed else "Slices that were not confirmed"
    alt, key = slices_text(found, title=title), "confirmed" if confirmed else "suspects"
    figure = slices_forest(found, title=f"{title}: difference to the rest")
    st.plotly_chart(figure, alt=alt, key=f"{key}-figure", config={"displayModeBar": False})
    if len(found) > LONGEST:
        st.caption(f"The picture shows {LONGEST} of {len(found):,} slices; the table shows all.")
    show_table([_row(each) for each in found], alt=alt, key=f"{key}-table")
    st.caption(
        "Measured on the half that was not searched: the whole line lies on the worse side of 0. Ordered by what is "
        "certain, the end of the line that is nearest to 0."
        if confirmed
        else "They stood out on the half that was searched; on the other half their line reaches 0 or the better side. "
        "That does not show that they are like the rest: fewer rows, or luck, may hide a difference."
    )


def _row(found: Finding) -> dict[str, str]:
    row, scores = found.row, found.scores
    share = scores.get("support")
    return {
        "Slice": slice_label(row.slice, limit=40),
        "Difference to the rest": value_text(row),
        "Interval": interval_text(row),
        "n": f"{row.n:,}",
        "Share of rows": "" if share is None else f"{number_text(share, unit='share')} %",
        "Folded into it": f"{scores.get('folded', 0):,.0f}" if scores.get("folded") else "",
        "Shares rows": _shared(found),
        "t, searched half": f"{scores['t']:.2f}" if "t" in scores else "",
        "Note": row.reason or "",
    }


def _show_one(found: Sequence[Finding]) -> None:
    st.header("One slice, item by item")
    names = {f"{place}. {slice_label(each.row.slice, limit=40)}": each for place, each in enumerate(found, start=1)}
    if not names:
        st.caption("No slice names this feature.")
        return
    wanted = st.selectbox("Slice", list(names), key="slice", bind="query-params")
    one = names.get(wanted) or found[0]
    show_text(slice_sentence(one))
    if one.parts:
        values = dict(one.row.slice)
        points = [(name, values.get(name), number_text(part, unit="points", signed=True)) for name, part in one.parts]
        shown = [{"Feature": safe_label(name, target="text"), "Value": safe_label(value, target="text"),
                  "Adds": f"{part} points"} for name, value, part in points]  # fmt: skip
        alt = "What each feature adds: " + ", ".join(f"{row['Feature']} {row['Adds']}" for row in shown)
        picture, table = st.columns([4, 3])
        with picture:
            st.plotly_chart(items_bars(one), alt=safe_label(alt, target="text", limit=400), key="items-figure",
                            config={"displayModeBar": False})  # fmt: skip
        with table:
            show_table(shown, alt=alt, key="items-table")
        st.caption(
            "Shapley values: they add up to how far the slice lay from everyone on the half that was searched. They "
            "say where the difference sits, not why."
        )
    if one.inside:
        st.subheader("Slices inside it that are not told apart from it")
        show_list([_inner(row) for row in one.inside])


def _inner(row: Measurement) -> str:
    return f"{slice_label(row.slice, limit=40)} ({value_text(row)} from it, n = {row.n:,})"


def _shared(found: Finding) -> str:
    if found.overlap is None:
        return ""
    other, share = found.overlap
    return f"{number_text(share, unit='share')} % with {slice_label(other, limit=40)}"


def _offer(result: Result, found: Sequence[Finding], *, file_name: str) -> None:
    st.header("Take it along")
    if found:
        rows = [each.row for each in found]
        st.download_button("Download these numbers (CSV)", csv_text(rows), file_name=file_name, mime="text/csv")
    st.caption("The command that makes these numbers again:")
    st.code(slices_command(result), language=None, wrap_lines=True)


if __name__ == "__main__":
    page()
