"""What pictures of groups share: intervals as lines, a name per group from the top, and why a value is not there."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import group_label
from dashboards.tables import value_text

LONGEST = 60
"""Most groups in one picture; the table beside it holds them all."""

_ROW = 34  # pixels


def interval_lines(rows: Sequence[Measurement], *, colour: str, width: int) -> go.Scatter:
    """Return lines from `low` to `high`, one per row from the top; none where an end or the value is not there.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="wilson")
    >>> interval_lines([row], colour="#000000", width=2).x
    (0.4, 0.6, None)
    """
    drawn = [(place, row) for place, row in enumerate(rows) if None not in (row.value, row.low, row.high)]
    return go.Scatter(
        x=[end for _, row in drawn for end in (row.low, row.high, None)],
        y=[end for place, _ in drawn for end in (place, place, None)],
        mode="lines",
        line={"color": colour, "width": width},
        hoverinfo="skip",
        showlegend=False,
    )


def say_undefined(figure: go.Figure, rows: Sequence[Measurement]) -> None:
    """Write into the figure why a row has no value, at the left of its line.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=None, n=0, method="wilson", reason="no rows")
    >>> figure = go.Figure()
    >>> say_undefined(figure, [row])
    >>> len(figure.layout.annotations)
    1
    """
    for place, row in enumerate(rows):
        if row.value is None:
            text = value_text(row)
            figure.add_annotation(
                x=0, xref="paper", y=place, text=text, showarrow=False, xanchor="left", font={"size": 12}
            )


def lay_out(figure: go.Figure, rows: Sequence[Measurement], *, title: str, above: int, below: int) -> None:
    """Name each group and its rows beside its line, and give the figure its title and a height to fit.

    Parameters
    ----------
    above, below
        Pixels that the picture takes beside its lines and title, and those of them that lie below.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.5, n=90, method="wilson")
    >>> figure = go.Figure()
    >>> lay_out(figure, [row], title="Accuracy", above=130, below=50)
    >>> figure.layout.yaxis.ticktext, figure.layout.height
    (('F (n = 90)',), 164)
    """
    labels = [f"{group_label(row.slice, target='plotly', limit=32)} (n = {row.n:,})" for row in rows]
    figure.update_layout(
        title={"text": wrapped(title)},
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": labels,
            "range": [len(rows) - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        height=above + added_height(title) + _ROW * len(rows),
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": below},
        hovermode="closest",
    )
