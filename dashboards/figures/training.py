"""The figure of training: losses, or the validation metric with its interval, by epoch."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.tables import cell_text
from dashboards.training import epoch_of, epoch_ticks

_STYLES = (("#0b5394", "solid", "circle"), ("#b45f06", "dash", "square"))


def training_figure(series: Mapping[str, Sequence[Measurement]], *, title: str, share: bool = False) -> go.Figure:
    """Return lines by epoch, with intervals where the rows have them; told apart by dashes and marks, not colour alone.

    Parameters
    ----------
    series
        Rows by the name of the line, each in the order of epochs.
    title
        Of the figure.
    share
        Whether the values are shares, shown in percent.

    Examples
    --------
    >>> rows = [Measurement(metric="train_loss", at=(("round", 1),), value=0.6, n=9, method="x")]
    >>> figure = training_figure({"train": rows}, title="Loss")
    >>> figure.data[0].x, figure.data[0].y, figure.data[0].name
    ((1,), (0.6,), 'train')
    """
    figure = go.Figure()
    for (name, rows), (colour, dash, symbol) in zip(series.items(), _STYLES, strict=False):
        shown = [row for row in rows if row.value is not None]
        ranged = bool(shown) and all(row.low is not None and row.high is not None for row in shown)
        up, down = ([_arm(row, end) for row in shown] if ranged else None for end in ("high", "low"))
        figure.add_trace(
            go.Scatter(
                x=[epoch_of(row) for row in shown],
                y=[row.value for row in shown],
                error_y={"type": "data", "array": up, "arrayminus": down} if ranged else None,
                mode="lines+markers",
                name=name,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 8},
                text=[cell_text(row) for row in shown],
                hovertemplate="epoch %{x}: %{text}<extra>%{fullData.name}</extra>",
            )
        )
    last = max((epoch_of(row) for rows in series.values() for row in rows), default=1)
    room = max(0.5, 0.03 * last)
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "epoch"}, "tickvals": epoch_ticks(last), "range": [1 - room, last + room]},
        yaxis={"tickformat": ".1%" if share else None},
        height=360,
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        showlegend=len(series) > 1,
        legend={"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0.0},
    )
    return figure


def _arm(row: Measurement, end: str) -> float:
    """Return how far the interval reaches from the value, up or down."""
    return abs(float(getattr(row, end)) - float(row.value or 0.0))
