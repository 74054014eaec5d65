"""Figures of a comparison: what changed per group around 0, and how many rows became right and wrong."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from audit.paired.paired_rows import Outcome
from dashboards.changes import OUTCOMES, Shown
from dashboards.figures.interval_lines import LONGEST, interval_lines, lay_out, say_undefined
from dashboards.figures.wrapping import wrapped
from dashboards.labels import group_label
from dashboards.tables import cell_text
from dashboards.theme import PALETTE
from dashboards.words import metric_title, unit_of

_LINE = "#808080"  # seen on light and on dark paper
_MARKS: Mapping[Outcome, tuple[str, str]] = {
    "worse": ("x", PALETTE["vermilion"]),
    "changed": ("triangle-up-open", PALETTE["purple"]),
    "not shown": ("diamond-open", _LINE),
    "better": ("circle", PALETTE["blue"]),
}
"""A shape for each outcome; the colour only repeats it."""


def differences(rows: Sequence[Shown], *, title: str) -> go.Figure:
    """Return the figure of how much one metric changed in several groups: left of 0 it fell, right of 0 it rose.

    The first trace holds the intervals as lines from `low` to `high`; then comes one trace of estimates per outcome,
    with a shape of its own. All hold the numbers of the measurements unchanged.

    Parameters
    ----------
    rows
        Changes of one metric, one per group; the first `LONGEST` are drawn, from the top.
    title
        The heading, plain text.

    Raises
    ------
    ValueError
        If there is no row, or several metrics are mixed.

    Examples
    --------
    >>> row = Measurement(metric="accuracy_difference", slice=(("sex", "F"),), value=-0.1, low=-0.15, high=-0.05, n=90,
    ...                   against={"kind": "model", "model_version": "old"}, level=0.95, method="paired_score")
    >>> figure = differences([Shown(row, "worse")], title="Change of accuracy")
    >>> figure.data[0].x, figure.data[1].x, figure.data[1].name, figure.data[1].marker.symbol
    ((-0.15, -0.05, None), (-0.1,), '✕ worse', 'x')
    """
    metrics = {shown.metric for shown in rows}
    if len(metrics) != 1:
        msg = f"a picture of changes shows one metric in at least one group; got {sorted(metrics)} in {len(rows)} rows"
        raise ValueError(msg)
    drawn = list(rows)[:LONGEST]
    rows_drawn = [shown.row for shown in drawn]
    figure = go.Figure(data=[interval_lines(rows_drawn, colour=_LINE, width=2)])
    for outcome in OUTCOMES:
        places = [
            place for place, shown in enumerate(drawn) if shown.outcome == outcome and shown.row.value is not None
        ]
        if places:
            figure.add_trace(_estimates(drawn, places, outcome))
    say_undefined(figure, rows_drawn)
    metric = drawn[0].row.metric
    unit = " (percentage points)" if unit_of(metric) == "points" else ""
    name = f"{metric_title(metric)}{unit}: candidate minus baseline"
    _lay_out(figure, rows_drawn, title, name, percent=unit_of(metric) == "points")
    return figure


def helped_and_harmed_figure(pairs: Sequence[tuple[Measurement, Measurement]], *, title: str) -> go.Figure:
    """Return bars per group: to the right rows that became right, to the left rows that became wrong.

    Parameters
    ----------
    pairs
        From `dashboards.changes.helped_and_harmed`; the first `LONGEST` are drawn.
    title
        The heading, plain text.

    Raises
    ------
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> right, wrong = (Measurement(metric=name, value=n, low=n - 1, high=n + 2, n=90, level=0.95, method="wilson")
    ...                 for name, n in (("became_right", 12), ("became_wrong", 20)))
    >>> figure = helped_and_harmed_figure([(right, wrong)], title="Rows that changed")
    >>> [(trace.name, trace.x) for trace in figure.data]
    [('became right', (12,)), ('became wrong', (-20,))]
    """
    if not pairs:
        msg = "a picture of helped and harmed rows shows at least one group; got none"
        raise ValueError(msg)
    shown = list(pairs)[:LONGEST]
    figure = go.Figure()
    for name, sign, colour, pattern in (
        ("became right", 1, PALETTE["blue"], ""),
        ("became wrong", -1, PALETTE["vermilion"], "/"),
    ):
        rows = [pair[0] if sign > 0 else pair[1] for pair in shown]
        figure.add_trace(
            go.Bar(
                name=name,
                orientation="h",
                x=[None if row.value is None else sign * row.value for row in rows],
                y=list(range(len(rows))),
                marker={"color": colour, "pattern": {"shape": pattern}},
                error_x=_whiskers(rows, sign),
                text=[f"{group_label(row.slice, target='plotly')}, {name}: {cell_text(row)}" for row in rows],
                textposition="none",
                hovertemplate="%{text}<extra></extra>",
            )
        )
    _lay_out(figure, [pair[0] for pair in shown], title, "rows that became wrong (left) and right (right)")
    figure.update_layout(barmode="overlay")
    return figure


def _estimates(rows: Sequence[Shown], places: Sequence[int], outcome: Outcome) -> go.Scatter:
    symbol, colour = _MARKS[outcome]
    drawn = [rows[place].row for place in places]
    return go.Scatter(
        name=OUTCOMES[outcome],
        x=[row.value for row in drawn],
        y=list(places),
        mode="markers",
        marker={"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2}},
        text=[f"{group_label(row.slice, target='plotly')}: {cell_text(row)}" for row in drawn],
        hovertemplate="%{text}<extra></extra>",
    )


def _whiskers(rows: Sequence[Measurement], sign: int) -> dict[str, object]:
    up = [0.0 if None in (row.value, row.high) else float(row.high or 0) - float(row.value or 0) for row in rows]
    down = [0.0 if None in (row.value, row.low) else float(row.value or 0) - float(row.low or 0) for row in rows]
    outer, inner = (up, down) if sign > 0 else (down, up)
    return {"type": "data", "symmetric": False, "array": outer, "arrayminus": inner, "color": _LINE}


def _lay_out(figure: go.Figure, rows: Sequence[Measurement], title: str, axis: str, *, percent: bool = False) -> None:
    lay_out(figure, rows, title=title, above=190, below=110)
    figure.add_shape(type="line", x0=0, x1=0, y0=0, y1=1, yref="paper", line={"color": "#767676", "width": 1.5})
    figure.update_layout(
        xaxis={"title": {"text": wrapped(axis)}, "automargin": True, **({"tickformat": ".0%"} if percent else {})},
        legend={"orientation": "h", "yref": "container", "y": 0.02, "yanchor": "bottom"},
    )
