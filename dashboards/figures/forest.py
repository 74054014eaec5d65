"""The forest plot of the app: a point and an interval per group."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.interval_lines import LONGEST, interval_lines, lay_out, say_undefined
from dashboards.figures.wrapping import wrapped
from dashboards.labels import group_label, safe_label
from dashboards.tables import cell_text
from dashboards.theme import POINT
from dashboards.words import metric_title, unit_of


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
    figure = go.Figure(data=[interval_lines(shown, colour=POINT, width=3), _estimates(shown)])
    say_undefined(figure, shown)
    if everyone is not None and everyone.value is not None:
        line = {"color": "#767676", "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=everyone.value, x1=everyone.value, y0=0, y1=1, yref="paper", line=line)
    lay_out(figure, shown, title=title, above=130, below=50)
    figure.update_layout(xaxis=_axis(shown[0].metric))
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


def _axis(metric: str) -> dict[str, object]:
    axis: dict[str, object] = {"title": {"text": wrapped(metric_title(metric))}, "zeroline": False, "automargin": True}
    unit = unit_of(metric)
    if unit == "share":
        axis |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    elif unit == "points":
        named = f"{metric_title(metric)} (percentage points)"
        axis |= {"tickformat": ".0%", "zeroline": True, "title": {"text": wrapped(named)}}
    return axis
