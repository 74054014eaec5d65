"""The figure of concentration: shares of harms and benefits against shares of people, from the first group on."""

from collections.abc import Iterable

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.concentration import KINDS, points_of
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.tables import cell_text


def concentration_figure(rows: Iterable[Measurement], feature: str, *, title: str) -> go.Figure:
    """Return the concentration curves of harms and benefits; on the dashed diagonal both are spread as people are.

    The traces hold the numbers of the measurements unchanged, from (0, 0) on; a curve above the diagonal falls on the
    first groups of the order.

    Examples
    --------
    >>> rows = [Measurement(metric=f"{name}_cumulative_share", at=(("feature", "i"), ("k", 1)), value=value, n=9,
    ...                     method="x") for name, value in (("people", 1.0), ("harm", 1.0))]
    >>> figure = concentration_figure(rows, "i", title="By income")
    >>> figure.data[0].x, figure.data[0].y, figure.data[0].name
    ((0.0, 1.0), (0.0, 1.0), 'harms')
    """
    every = list(rows)
    people = [0.0, *(row.value for row in points_of(every, "people", feature))]
    figure = go.Figure()
    for name, (label, colour, dash, symbol) in KINDS.items():
        points = points_of(every, name, feature)
        if points and all(row.value is not None for row in points):
            figure.add_trace(
                go.Scatter(
                    x=people,
                    y=[0.0, *(row.value for row in points)],
                    mode="lines+markers",
                    name=label,
                    line={"color": colour, "dash": dash, "width": 2},
                    marker={"symbol": symbol, "size": 8},
                    text=["", *(cell_text(row) for row in points)],
                    hovertemplate="%{text}<extra>%{fullData.name}</extra>",
                )
            )
    line = {"color": "#767676", "width": 1.5, "dash": "dash"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line)
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%"}
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "share of people, from the first group"}, **axis},
        yaxis={"title": {"text": "share of harms, of benefits"}, **axis},
        height=420,
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        showlegend=True,
    )
    return figure
