"""The page on robustness: what flips or breaks when inputs change, by group."""

from collections.abc import Sequence

import streamlit as st

from audit.measurement import Measurement, canonical_json
from audit.result import Result
from dashboards.export import csv_text
from dashboards.figures.forest import alternative_text, forest
from dashboards.figures.interval_lines import LONGEST
from dashboards.labels import features_label, group_label, safe_label
from dashboards.robustness import (
    METRICS_OF,
    Check,
    check_features,
    check_rows,
    checks,
    gap_sentence,
    largest_gap,
    lead_sentence,
)
from dashboards.tables import display_row
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_table, show_text
from dashboards.words import metric_sentence, metric_title


def page() -> None:
    """Draw the page."""
    st.title("Robustness")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    found = checks(result)
    st.markdown(
        "A model was asked about the same rows again, after something was changed that should not matter: a sensitive "
        "attribute, or the quality of the inputs. This page shows how often its answer changed, and for whom."
    )
    if not found:
        say_empty("robustness")
        return
    check, metric = _choose(found, result)
    rows = _groups(result, check, metric)
    _offer(rows, result, file_name=f"{entry.run_id}-{metric}.csv")


def _choose(found: Sequence[Check], result: Result) -> tuple[Check, str]:
    titles = {check.title: check for check in found}
    left, right = st.columns(2)
    chosen = left.selectbox("What was tried", list(titles), key="check", bind="query-params")
    check = titles.get(chosen) or found[0]
    present = [name for name in METRICS_OF[check.kind] if check_rows(result, check, name, ())]
    metric = right.selectbox("Measure", present, format_func=metric_title, key="measure", bind="query-params")
    return check, metric if metric in present else present[0]


def _groups(result: Result, check: Check, metric: str) -> tuple[Measurement, ...]:
    everyone = next(iter(check_rows(result, check, metric, ())), None)
    st.markdown(safe_label(metric_sentence(metric, None), target="markdown", limit=400))
    combinations = {features_label(names): names for names in check_features(result, check)}
    if not combinations:
        only = check_rows(result, check, metric, ())
        _table(only, title=metric_title(metric))
        return only
    chosen = st.selectbox("Groups of", list(combinations), key="tried-groups", bind="query-params")
    features = combinations.get(chosen) or next(iter(combinations.values()))
    rows = check_rows(result, check, metric, features)
    if metric == METRICS_OF[check.kind][0]:
        show_text(lead_sentence(check, rows))
    if len(features) == 1:
        show_text(gap_sentence(largest_gap(result, check, metric, features)))
    title = f"{metric_title(metric)} by {features_label(features)}"
    picture, table = st.columns([4, 3])
    with picture:
        figure = forest(rows, title=title, everyone=everyone)
        alt = alternative_text(rows, title=title)
        st.plotly_chart(figure, alt=alt, key="robustness-figure", config={"displayModeBar": False})
        st.caption("A dot is the estimate, the line its interval; the dashed line is everyone.")
        if len(rows) > LONGEST:
            st.caption(f"The picture shows {LONGEST} of {len(rows):,} groups; the table shows all.")
    with table:
        _table(rows, title=title)
    st.caption("Every group is shown here, however small; a report for others hides those with few rows.")
    return rows


def _table(rows: Sequence[Measurement], *, title: str) -> None:
    shown = [(row, display_row(row)) for row in rows]
    cells = [
        {
            "Group": group_label(row.slice),
            "Value": text.value,
            "Interval": text.interval,
            "n": text.n,
            "Note": text.note,
        }
        for row, text in shown
    ]
    show_table(cells, alt=alternative_text(rows, title=title), key="robustness-table")


def _offer(rows: Sequence[Measurement], result: Result, *, file_name: str) -> None:
    st.header("Take it along")
    st.download_button("Download these numbers (CSV)", csv_text(rows), file_name=file_name, mime="text/csv")
    st.caption("These numbers need the model, so they are made in Python; the run records with which settings:")
    st.code(
        safe_label(canonical_json(dict(result.provenance.given)), target="text", limit=4000),
        language=None,
        wrap_lines=True,
    )


if __name__ == "__main__":
    page()
