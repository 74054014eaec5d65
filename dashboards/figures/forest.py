"""The forest plot of the app: a point and an interval per group."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import group_label, safe_label
from dashboards.tables import cell_text, value_text
from dashboards.theme import POINT
from dashboards.words import metric_title, unit_of

LONGEST = 60
"""Most groups in one picture; the table beside it holds them all."""

_ROW, _MARGIN = 34, 90  # pixels


def forest(rows: Sequence[Measurement], *, title: str, everyone: Measurement | None = None) -> go.Figure:
    """Return the figure of one metric in several groups.

    The first trace holds the intervals as lines from `low` to `high`, the second the estimates; both hold the numbers
    of the measurements unchanged. Undefined values have no point but say why there is none.

    Parameters
    ----------
    rows
        Measurements of one metric, one per group; the first `LONGEST` are drawn, from the top.
    title
        The heading, plain text.
    everyone
        The value that is drawn as a dashed line; None = no line.

    Raises
    ------
    ValueError
        If there is no row, or several metrics are mixed.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.5, low=0.4, high=0.6, n=90, level=0.95,
    ...                   method="wilson")
    >>> figure = forest([row], title="Accuracy by sex")
    >>> figure.data[0].x, figure.data[1].x, figure.layout.yaxis.ticktext
    ((0.4, 0.6, None), (0.5,), ('F (n = 90)',))
    """
    metrics = {row.metric for row in rows}
    if len(metrics) != 1:
        msg = f"a forest plot shows one metric in at least one group; got {sorted(metrics)} in {len(rows)} rows"
        raise ValueError(msg)
    shown = list(rows)[:LONGEST]
    figure = go.Figure(data=[_intervals(shown), _estimates(shown)])
    for place, row in enumerate(shown):
        if row.value is None:
            figure.add_annotation(
                x=0, xref="paper", y=place, text=value_text(row), showarrow=False, xanchor="left", font={"size": 12}
            )
    if everyone is not None and everyone.value is not None:
        line = {"color": "#767676", "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=everyone.value, x1=everyone.value, y0=0, y1=1, yref="paper", line=line)
    _lay_out(figure, shown, title)
    return figure


def alternative_text(rows: Sequence[Measurement], *, title: str) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.5, n=90, method="wilson")
    >>> alternative_text([row], title="Accuracy by sex")
    'Accuracy by sex. F: 50.0 %, n = 90.'
    """
    parts = [f"{group_label(row.slice, limit=30)}: {cell_text(row)}" for row in rows[:12]]
    more = f"; {len(rows) - 12} more in the table" if len(rows) > 12 else ""
    return f"{safe_label(title, target='text', limit=120)}. {'; '.join(parts)}{more}."


def _intervals(rows: Sequence[Measurement]) -> go.Scatter:
    drawn = [(place, row) for place, row in enumerate(rows) if None not in (row.value, row.low, row.high)]
    return go.Scatter(
        x=[end for _, row in drawn for end in (row.low, row.high, None)],
        y=[end for place, _ in drawn for end in (place, place, None)],
        mode="lines",
        line={"color": POINT, "width": 3},
        hoverinfo="skip",
        showlegend=False,
    )


def _estimates(rows: Sequence[Measurement]) -> go.Scatter:
    drawn = [(place, row) for place, row in enumerate(rows) if row.value is not None]
    return go.Scatter(
        x=[row.value for _, row in drawn],
        y=[place for place, _ in drawn],
        mode="markers",
        marker={"color": POINT, "size": 10, "symbol": "circle"},
        text=[f"{group_label(row.slice, target='plotly')}: {cell_text(row)}" for _, row in drawn],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _lay_out(figure: go.Figure, rows: Sequence[Measurement], title: str) -> None:
    labels = [f"{group_label(row.slice, target='plotly', limit=32)} (n = {row.n:,})" for row in rows]
    axis: dict[str, object] = {
        "title": {"text": wrapped(metric_title(rows[0].metric))},
        "zeroline": False,
        "automargin": True,
    }
    unit = unit_of(rows[0].metric)
    if unit == "share":
        axis |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    elif unit == "points":
        named = f"{metric_title(rows[0].metric)} (percentage points)"
        axis |= {"tickformat": ".0%", "zeroline": True, "title": {"text": wrapped(named)}}
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis=axis,
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": labels,
            "range": [len(rows) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        height=_MARGIN + 40 + added_height(title) + _ROW * len(rows),
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        hovermode="closest",
    )
