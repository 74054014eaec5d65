"""Figure of concentration: how much more the model repeats itself than chance does, each with its interval."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.interval_lines import interval_lines
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label
from dashboards.tables import cell_text
from dashboards.theme import POINT
from dashboards.words import metric_title

NAMES = ("gini_index_difference", "top_share_difference", "entropy_difference", "aggregate_diversity_difference",
         "homogenisation")  # fmt: skip
"""All on a scale from -1 to 1, on which 0 is as where chance, or nobody, decides."""

_ROW = 44  # px


def concentration_figure(rows: Sequence[Measurement], *, title: str) -> go.Figure:
    """Return a point and an interval per metric, beside a line at 0: as where the model does not decide.

    Parameters
    ----------
    rows
        Rows of `NAMES` with a value, one per metric; from the top.
    title
        What it shows, in a sentence.

    Examples
    --------
    >>> row = Measurement(metric="gini_index_difference", value=0.1, low=0.0, high=0.2, n=90, level=0.95, method="x")
    >>> figure = concentration_figure([row], title="More alike?")
    >>> figure.data[0].x, figure.data[1].x
    ((0.0, 0.2, None), (0.1,))
    """
    names = [wrapped(metric_title(row.metric)) for row in rows]
    points = go.Scatter(
        x=[row.value for row in rows],
        y=list(range(len(rows))),
        mode="markers",
        marker={"color": POINT, "size": 10},
        text=[safe_label(cell_text(row), target="plotly", limit=200) for row in rows],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    figure = go.Figure(data=[interval_lines(rows, colour=POINT, width=3), points])
    line = {"color": "#767676", "width": 1.5, "dash": "dash"}
    figure.add_shape(type="line", x0=0, x1=0, y0=0, y1=1, yref="paper", line=line)
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "0: as where the model does not decide"}, "zeroline": False, "automargin": True},
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": names,
            "range": [len(rows) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        height=130 + added_height(title) + _ROW * len(rows),
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
    )
    return figure


def concentration_text(rows: Sequence[Measurement]) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> row = Measurement(metric="gini_index_difference", value=0.1, n=90, method="x")
    >>> concentration_text([row])
    'Against 0, as where the model does not decide: How much more unequal the model is than chance 0.100, n = 90.'
    """
    said = "; ".join(f"{metric_title(row.metric)} {cell_text(row)}" for row in rows)
    return safe_label(f"Against 0, as where the model does not decide: {said}.", target="text", limit=600)
