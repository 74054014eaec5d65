"""Picture of what a model leans on: the rise of its loss when a feature is shuffled, with intervals."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.interval_lines import interval_lines
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label
from dashboards.tables import cell_text
from dashboards.theme import POINT

LONGEST = 30
"""Most features in one picture; the table beside it holds them all."""

_ROW, _MARGIN = 28, 110  # pixels


def importance_bars(rows: Sequence[Measurement], *, title: str) -> go.Figure:
    """Return the figure of importances in the order given, from the top: a point and an interval per feature.

    Parameters
    ----------
    rows
        Measurements with a `feature`; the first `LONGEST` are drawn.
    title
        The heading, plain text.

    Raises
    ------
    ValueError
        If there is no row.

    Examples
    --------
    >>> row = Measurement(metric="permutation_importance", at=(("feature", "age"),), value=0.2, low=0.1, high=0.3, n=90,
    ...                   level=0.95, method="paired_t")
    >>> figure = importance_bars([row], title="Importance")
    >>> figure.data[0].x, figure.data[1].x, figure.layout.yaxis.ticktext
    ((0.1, 0.3, None), (0.2,), ('age',))
    """
    drawn = [row for row in rows if row.value is not None][:LONGEST]
    if not drawn:
        msg = "a picture of importance shows at least one feature that was measured; got none"
        raise ValueError(msg)
    intervals = interval_lines(drawn, colour=POINT, width=3)
    estimates = go.Scatter(
        x=[row.value for row in drawn], y=list(range(len(drawn))), mode="markers",
        marker={"color": POINT, "size": 10, "symbol": "circle"},
        text=[f"{feature_of(row, target='plotly')}: {cell_text(row)}" for row in drawn],
        hovertemplate="%{text}<extra></extra>", showlegend=False,
    )  # fmt: skip
    figure = go.Figure(data=[intervals, estimates])
    _lay_out(figure, drawn, title)
    return figure


def importance_text(rows: Sequence[Measurement], *, title: str) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> row = Measurement(metric="permutation_importance", at=(("feature", "age"),), value=0.2, n=90, method="x")
    >>> importance_text([row], title="Importance")
    'Importance. age: 0.200, n = 90.'
    """
    parts = [f"{feature_of(row)}: {cell_text(row)}" for row in rows[:12]]
    more = f"; {len(rows) - 12} more in the table" if len(rows) > 12 else ""
    return f"{safe_label(title, target='text', limit=120)}. {'; '.join(parts)}{more}."


def feature_of(row: Measurement, *, target: str = "text") -> str:
    """Return the name of the feature that a row is about, safe for a target of `dashboards.labels.safe_label`.

    Examples
    --------
    >>> feature_of(Measurement(metric="permutation_importance", at=(("feature", "a<b"),), value=0.2, n=9, method="x"),
    ...            target="plotly")
    'a&lt;b'
    """
    name = str(dict(row.at).get("feature", ""))
    return safe_label(name, target="plotly" if target == "plotly" else "text", limit=40)


def _lay_out(figure: go.Figure, rows: Sequence[Measurement], title: str) -> None:
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "Rise of the log loss when shuffled"}, "zeroline": True, "automargin": True},
        yaxis={
            "tickvals": list(range(len(rows))), "ticktext": [feature_of(row, target="plotly") for row in rows],
            "range": [len(rows) - 0.5, -0.5], "automargin": True, "showgrid": False, "zeroline": False,
        },
        height=_MARGIN + 40 + _ROW * len(rows),
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        hovermode="closest",
    )  # fmt: skip
