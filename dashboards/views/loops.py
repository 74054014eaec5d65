"""The page on feedback loops: is there one, how strong, what to do; six numbers first, what to log, and a plan."""

import streamlit as st

from audit.measurement import Measurement
from audit.result import Result
from dashboards.export import csv_text
from dashboards.figures.forest import alternative_text as forest_text
from dashboards.figures.forest import forest
from dashboards.figures.loop_concentration import NAMES, concentration_figure, concentration_text
from dashboards.figures.loop_rounds import rounds_figure
from dashboards.labels import reading_order, safe_label
from dashboards.loop_captions import alternative_text
from dashboards.loop_columns import because, columns_to_log, has, lacking_roles, unmeasured
from dashboards.loop_command import loops_command
from dashboards.loop_sentences import HOW_STRONG, IS_THERE, WHAT_TO_DO, answers, row_title
from dashboards.loops import is_loops, known_rows, limit_words, loop_alarms, published, rounds_of
from dashboards.report.loops_part import first_rows
from dashboards.tables import DEFAULT_MIN_CELL, display_row, is_small
from dashboards.views.chosen import chosen_entry, listed_runs, opened, say_empty
from dashboards.views.loop_plan import show_plan
from dashboards.views.table import show_list, show_table
from dashboards.words import metric_sentence
from monitors.feedback.catalog import BY_NAME, CATALOG, FIRST
from monitors.feedback.metric import LoopMetric

_FIRST_GROUPS = 6
_GROUPS_DRAWN = 30


def page() -> None:
    """Draw the page."""
    st.title("Feedback loops")
    st.markdown(
        "A feedback loop is there when the model controls the next round of data that it learns from: it decides where "
        "one looks, what is shown or who is granted something, and what comes of that is what it is trained on next. "
        "Such a model may look better and better while it helps nobody more."
    )
    entries = listed_runs()
    result = opened(chosen_entry(entries)) if entries else None
    if result is not None and is_loops(result):
        _show_run(result, file_name=f"{chosen_entry(entries).run_id}-loops.csv")
    elif result is not None:
        say_empty("loops")
    show_plan(has(result) if result is not None and is_loops(result) else ())


def _show_run(result: Result, *, file_name: str) -> None:
    said = answers(result, min_cell=DEFAULT_MIN_CELL)
    st.header(IS_THERE)
    st.markdown(f"**{safe_label(said.is_there[0], target='markdown', limit=400)}**")
    show_list(said.is_there[1:])
    st.header(HOW_STRONG)
    show_list(said.how_strong)
    st.header(WHAT_TO_DO)
    show_list(said.what_to_do)
    public = published(result, min_cell=DEFAULT_MIN_CELL)
    for show in (_first, _rounds, _concentration, _coverage, _missing, _more):
        show(public)
    _offer(result, file_name=file_name)


def _first(result: Result) -> None:
    st.header("Six numbers that nearly every log allows")
    cells = []
    for name in FIRST:
        rows = first_rows(result, name, groups=_FIRST_GROUPS)
        cells += [_cells(result, row) for row in rows] or [_not_measured(result, name)]
    show_table(cells, alt="six metrics of feedback loops: value, interval, limit, meaning", key="loops-first")
    with st.expander("What these six mean, and when not to use them"):
        told = [BY_NAME[name] for name in FIRST]
        show_list([f"{each.title}: {each.meaning} When not to use it: {each.not_when}" for each in told])


def _cells(result: Result, row: Measurement) -> dict[str, str]:
    metric, shown = BY_NAME[row.metric], display_row(row, min_cell=DEFAULT_MIN_CELL)
    return {
        "What": row_title(row),
        "Value": shown.value,
        "Interval": shown.interval,
        "n": shown.n,
        "Limit": limit_words(result, metric),
        "What it means": metric.meaning,
        "When not to use it": metric.not_when,
        "Note": shown.note,
    }


def _not_measured(result: Result, name: str) -> dict[str, str]:
    metric = BY_NAME[name]
    row = next((row for row in unmeasured(result) if row.metric == name), None)
    why = "" if row is None else safe_label(f"because {because(row)}", target="text", limit=240)
    return {
        "What": metric.title,
        "Value": "not measured",
        "Interval": "",
        "n": "",
        "Limit": limit_words(result, metric),
        "What it means": metric.meaning,
        "When not to use it": metric.not_when,
        "Note": why,
    }


def _rounds(result: Result) -> None:
    rounds = rounds_of(result, min_cell=DEFAULT_MIN_CELL)
    if not rounds.drawable:
        return
    st.header("By retraining round")
    figure = rounds_figure(
        rounds.closed,
        rounds.held_out,
        title="How good the model looks where it had a hand, and where it had none",
        gap=rounds.gap,
        rang=rounds.rang,
    )
    alt = alternative_text(rounds.closed, rounds.held_out, rounds.gap)
    st.plotly_chart(figure, alt=alt, key="loops-rounds", config={"displayModeBar": False})
    metric = rounds.closed[0].metric
    st.caption(safe_label(f"{metric_sentence(metric, None)} Bars are intervals.", target="markdown", limit=400))
    sides = [{_round(row): display_row(row) for row in rows} for rows in rounds[:3]]
    names = list(dict.fromkeys(name for side in sides for name in side))
    heads = ("Data it influenced", "Hold-out", "Gap")
    show_table(
        [
            {"Round": safe_label(name, target="text", limit=40)}
            | {
                head: f"{side[name].value} {side[name].interval}".strip() if name in side else ""
                for head, side in zip(heads, sides, strict=True)
            }
            for name in names
        ],
        alt="each retraining round: the model on data that it influenced, on the hold-out, and the gap",
        key="loops-rounds-table",
    )


def _round(row: Measurement) -> str:
    return str(dict(row.at)["round"])


def _concentration(result: Result) -> None:
    rows = [
        row
        for name in NAMES
        for row in known_rows(result, name)[:1]
        if not row.slice and not is_small(row, min_cell=DEFAULT_MIN_CELL)
    ]
    if not rows:
        return
    st.header("Does the model repeat itself?")
    figure = concentration_figure(rows, title="What the model shows, beside what is shown without it")
    st.plotly_chart(figure, alt=concentration_text(rows), key="loops-same", config={"displayModeBar": False})
    st.caption(
        "To the right of 0 the model is more unequal, or people's lists are more alike, than without it; evenness and "
        "the share of items shown at all are so to the left of 0."
    )
    show_table([_cells(result, row) for row in rows], alt="the numbers of the picture", key="loops-same-table")


def _coverage(result: Result) -> None:
    known = known_rows(result, "outcome_coverage")
    everyone = next((row for row in known if not row.slice), None)
    found = [row for row in known if row.slice and not is_small(row, min_cell=DEFAULT_MIN_CELL)]
    rows = sorted(found, key=lambda row: reading_order(row.slice))[:_GROUPS_DRAWN]
    if not rows:
        return
    st.header("Of whom do we learn how it turned out?")
    title = "Share of decisions whose outcome is known, by group"
    figure = forest(rows, title=title, everyone=everyone)
    st.plotly_chart(figure, alt=forest_text(rows, title=title), key="loops-known", config={"displayModeBar": False})
    st.caption(safe_label(BY_NAME["outcome_coverage"].why, target="markdown", limit=400))
    show_table([_cells(result, row) for row in rows], alt="the numbers of the picture", key="loops-known-table")


def _missing(result: Result) -> None:
    columns, lacking = columns_to_log(result), lacking_roles(result)
    others = [row for row in unmeasured(result) if row.metric not in lacking]
    if not columns and not others:
        return
    st.header("What cannot be measured yet, and what to log from tomorrow")
    if columns:
        show_table(
            [
                {
                    "Column": column.role,
                    "What it holds": column.holds,
                    "It tells": "; ".join(column.alone),
                    "With other columns of this table it tells": "; ".join(column.together),
                }
                for column in columns
            ],
            alt="columns that the log has not, what each holds, and what it would tell",
            key="loops-columns",
        )
    if others:
        st.markdown("The columns are there, but not yet the rows:")
        show_table(
            [
                {
                    "What": BY_NAME[row.metric].title,
                    "Not measured, because": safe_label(because(row), target="text", limit=400),
                    "What to do": BY_NAME[row.metric].obtain,
                }
                for row in others
            ],
            alt="metrics whose columns are there but whose rows are not, why, and what to do",
            key="loops-rows",
        )


def _more(result: Result) -> None:
    rows = [row for metric in CATALOG if metric.name not in FIRST for row in known_rows(result, metric.name)]
    with st.expander("More: all alarms, all other numbers, what each means and when not to use it"):
        alarms = [
            {"Since": each.since, "What": row_title(each.row) if each.row else each.metric.title,
             "Evidence": f"{each.alarm.e_value:,.0f} to 1", "Rings at": f"{each.alarm.limit:,.0f} to 1"}
            for each in loop_alarms(result)
            if each.is_named
        ]  # fmt: skip
        if alarms:
            show_table(alarms, alt="every alarm of feedback loops", key="loops-alarms")
        if rows:
            show_table([_cells(result, row) for row in rows], alt="all other numbers", key="loops-more")
        chosen = st.selectbox("Explain", CATALOG, format_func=_title, key="loop-metric")
        if chosen is not None:
            show_list(_explained(chosen))


def _title(metric: LoopMetric) -> str:
    return metric.title


def _explained(metric: LoopMetric) -> tuple[str, ...]:
    named = f"It is called {metric.name} in the JSON and in Python. Source: {metric.source}"
    why, obtain = f"What an alarm means: {metric.why}", f"To get it: {metric.obtain}"
    return (metric.meaning, why, f"When not to use it: {metric.not_when}", obtain, named)


def _offer(result: Result, *, file_name: str) -> None:
    st.header("Take it along")
    rows = tuple(row for row in result.measurements if row.metric in BY_NAME or "arm" in dict(row.at))
    st.download_button("Download these numbers (CSV)", csv_text(rows), file_name=file_name)
    st.caption("This command measures the same log again; columns that bear the name of a role need no option:")
    st.code(loops_command(result), language=None, wrap_lines=True)


if __name__ == "__main__":
    page()
