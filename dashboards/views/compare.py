"""A candidate and a baseline on the same rows: what changed for whom, who was helped and who was harmed."""

from collections.abc import Sequence

import streamlit as st

from audit.measurement import Measurement
from audit.result import Result
from dashboards.changes import OUTCOMES, Shown, candidates, changes, helped_and_harmed, summary
from dashboards.commands import compare_command
from dashboards.export import csv_text
from dashboards.figures.differences import differences, helped_and_harmed_figure
from dashboards.figures.forest import alternative_text
from dashboards.figures.interval_lines import LONGEST
from dashboards.gap_changes import gap_sentences
from dashboards.labels import features_label, group_label, safe_label
from dashboards.report.groups import positive_label
from dashboards.tables import display_row, interval_text, value_text
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.table import show_list, show_table
from dashboards.words import direction_sentence, metric_sentence, metric_title

_EVERYONE = "everyone"


def page() -> None:
    """Draw the page."""
    st.title("Compare models")
    entries = listed_runs()
    if not entries:
        return
    entry = chosen_entry(entries)
    result = opened(entry)
    if result is None:
        return
    names = candidates(result)
    if not names:
        say_empty("compare")
        return
    candidate = _candidate(names)
    said = summary(result, candidate=candidate)
    if said:
        st.markdown(safe_label(said[0], target="markdown", limit=400))
        show_list(said[1:])
    gaps = gap_sentences(result, candidate=candidate)
    if gaps:
        st.subheader("Did the gaps between groups grow?")
        show_list(gaps)
    features, metric = _choose(result, candidate)
    rows = _show_changes(result, features, metric, candidate)
    pairs = _show_rows(result, features, candidate)
    _offer([*(shown.row for shown in rows), *(row for pair in pairs for row in pair)], result, entry.run_id)


def _candidate(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    labels = [safe_label(name, target="text") for name in names]
    place = st.selectbox("Candidate", range(len(names)), format_func=labels.__getitem__, key="candidate")
    return names[place or 0]


def _choose(result: Result, candidate: str) -> tuple[tuple[str, ...], str]:
    combinations: dict[str, tuple[str, ...]] = {_EVERYONE: ()}
    rows = [row for row in result.measurements if row.against is not None and row.against["kind"] == "model"]
    sets = dict.fromkeys(tuple(name for name, _ in row.slice) for row in rows if row.slice)
    combinations |= {features_label(features): features for features in sorted(sets, key=len)}
    changed = [row.metric for row in rows if row.metric.endswith("_difference")]
    present = dict.fromkeys(name.removesuffix("_difference") for name in changed)
    first = next((shown.metric for shown in changes(result, candidate=candidate)), "")
    metrics = sorted(present, key=lambda name: name != first)  # what got worse most is opened first
    left, right = st.columns(2)
    options = list(combinations)
    chosen = left.selectbox("Groups of", options, index=min(1, len(options) - 1), key="groups", bind="query-params")
    metric = right.selectbox("Metric", metrics, format_func=metric_title, key="metric", bind="query-params")
    return combinations.get(chosen, ()), metric if metric in present else metrics[0]


def _show_changes(result: Result, features: tuple[str, ...], metric: str, candidate: str) -> tuple[Shown, ...]:
    st.header("What changed")
    sentence = f"{metric_sentence(metric, positive_label(result))} {direction_sentence(metric)}"
    st.markdown(safe_label(sentence.strip(), target="markdown", limit=400))
    rows = changes(result, metrics=[metric], features=features, candidate=candidate)
    if not rows:
        st.info("This run holds no change of this metric for these groups.")
        return ()
    title = f"Change: {metric_title(metric)} by {features_label(features) if features else _EVERYONE}"
    alt = alternative_text([shown.row for shown in rows], title=title)
    st.plotly_chart(differences(rows, title=title), alt=alt, key="changes-figure", config={"displayModeBar": False})
    st.caption(
        "A mark is the change from the baseline to the candidate, the line its paired interval. Where the line "
        "crosses 0 neither a rise nor a fall is shown. The intervals of all groups of a feature hold together."
    )
    if len(rows) > LONGEST:
        st.caption(f"The picture shows {LONGEST} of {len(rows):,} groups; the table shows all.")
    show_table([_change_row(shown) for shown in rows], alt=alt, key="changes-table")
    return rows


def _change_row(shown: Shown) -> dict[str, str]:
    text, sides = display_row(shown.row), (shown.before, shown.after)
    before, after = ("" if side is None else value_text(side) for side in sides)
    return {
        "Group": group_label(shown.row.slice),
        "Shows": OUTCOMES[shown.outcome],
        "Before": before,
        "After": after,
        "Change": text.value,
        "Interval": text.interval,
        "n": text.n,
        "Note": text.note,
    }


def _show_rows(
    result: Result, features: tuple[str, ...], candidate: str
) -> tuple[tuple[Measurement, Measurement], ...]:
    st.header("Who was helped, who was harmed")
    st.markdown(
        "Models that are right equally often may be right about different people. Counted are labelled rows that only "
        "the candidate has right, and those that only the baseline has right."
    )
    pairs = helped_and_harmed(result, features=features, candidate=candidate)
    if not pairs:
        st.info("No labelled rows were compared for these groups.")
        return ()
    title = f"Rows that became right or wrong by {features_label(features) if features else _EVERYONE}"
    alt = alternative_text([row for pair in pairs for row in pair], title=title)
    figure = helped_and_harmed_figure(pairs, title=title)
    st.plotly_chart(figure, alt=alt, key="rows-figure", config={"displayModeBar": False})
    show_table([_rows_row(*pair) for pair in pairs], alt=alt, key="rows-table")
    return pairs


def _rows_row(right: Measurement, wrong: Measurement) -> dict[str, str]:
    became = [f"{value_text(row)} {interval_text(row)}".strip() for row in (right, wrong)]
    return {
        "Group": group_label(right.slice),
        "Became right": became[0],
        "Became wrong": became[1],
        "n": f"{right.n:,}",
    }


def _offer(rows: Sequence[Measurement], result: Result, run_id: str) -> None:
    st.header("Take it along")
    st.download_button(
        "Download these numbers (CSV)", csv_text(rows), file_name=f"{run_id}-compare.csv", mime="text/csv"
    )
    st.caption("The command that makes these numbers again:")
    st.code(compare_command(result), language=None, wrap_lines=True)


if __name__ == "__main__":
    page()
