"""The learning curve of a group: its held-out error as rows of it are added, and what more of them would bring."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.labels import group_label
from dashboards.learning_curves import size_of
from dashboards.tables import cell_text
from dashboards.theme import EMPHASIS, POINT


def learning_curve_figure(points: Sequence[Measurement], gain: Measurement | None) -> go.Figure:
    """Return the figure: a line through the measured errors with their intervals, a diamond for what is expected.

    Raises
    ------
    ValueError
        If there is no point.

    Examples
    --------
    >>> rows = [Measurement(metric="learning_curve_error_rate", at=(("k", k),), value=value, low=value - 0.1,
    ...                     high=value + 0.1, n=90, level=0.95, method="x") for k, value in ((10, 0.4), (40, 0.3))]
    >>> gain = Measurement(metric="expected_error_rate_reduction", at=(("k", 40),), value=0.05, low=0.0, high=0.1,
    ...                    n=90, level=0.95, method="x")
    >>> figure = learning_curve_figure(rows, gain)
    >>> list(figure.data[0].x), list(figure.data[1].x), round(figure.data[1].y[0], 2)
    ([10, 40], [80], 0.25)
    """
    if not points:
        msg = "a learning curve needs at least one point"
        raise ValueError(msg)
    figure = go.Figure(data=[_measured(points)])
    if gain is not None and gain.value is not None:
        figure.add_trace(_expected(points[-1], gain))
    sizes = [size_of(row) for row in points] + ([] if gain is None else [size_of(points[-1]) + int(dict(gain.at)["k"])])
    group = group_label(points[0].slice, target="plotly", limit=40)
    figure.update_layout(
        title={"text": f"Held-out error of {group} as rows of it are added"},
        xaxis={
            "title": {"text": f"Rows of {group} in the training data"},
            "type": "log",
            "tickvals": sizes,
            "ticktext": [f"{size:,}" for size in sizes],
            "automargin": True,
        },
        yaxis={"title": {"text": "Error rate"}, "tickformat": ".0%", "rangemode": "tozero", "automargin": True},
        legend={"orientation": "h", "y": -0.3},
        height=420,
        margin={"l": 10, "r": 20, "t": 50, "b": 60},
    )
    return figure


def _measured(points: Sequence[Measurement]) -> go.Scatter:
    values = [row.value for row in points]
    return go.Scatter(
        x=[size_of(row) for row in points],
        y=values,
        error_y={
            "type": "data",
            "array": [_length(row.value, row.high) for row in points],
            "arrayminus": [_length(row.low, row.value) for row in points],
        },
        mode="lines+markers",
        name="measured",
        line={"color": POINT, "width": 2},
        marker={"size": 9, "symbol": "circle"},
        text=[cell_text(row) for row in points],
        hovertemplate="%{x} rows: %{text}<extra></extra>",
    )


def _expected(last: Measurement, gain: Measurement) -> go.Scatter:
    now, value = last.value or 0.0, gain.value or 0.0
    return go.Scatter(
        x=[size_of(last) + int(dict(gain.at)["k"])],
        y=[now - value],
        error_y={
            "type": "data",
            "array": [_length(gain.low, value)],
            "arrayminus": [_length(value, gain.high)],
        },
        mode="markers",
        name="expected from the curve",
        marker={"size": 12, "symbol": "diamond-open", "color": EMPHASIS},
        hovertemplate="expected: %{y:.1%}<extra></extra>",
    )


def _length(low: float | None, high: float | None) -> float:
    return 0.0 if low is None or high is None else max(high - low, 0.0)
