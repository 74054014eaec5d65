"""The reliability diagram of the app: what was promised against what came true, a panel per group."""

from collections.abc import Mapping, Sequence
from math import ceil

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from audit.measurement import Slice
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import group_label, safe_label
from dashboards.reliability import Bin
from dashboards.tables import cell_text, value_text
from dashboards.theme import EMPHASIS, POINT

MOST = 12
"""Most groups in one picture; the table beside it holds them all."""

_COLUMNS, _PANEL, _MARGIN = 2, 300, 130  # pixels


def reliability_figure(curves: Mapping[Slice, Sequence[Bin]], *, title: str) -> go.Figure:
    """Return the figure of the reliability tables of some groups.

    Each panel has three traces: the intervals as lines from `low` to `high`, the bins whose promise lies within as
    filled dots, and those shown to be wrong as open diamonds; all hold the numbers of the measurements unchanged. On
    the dashed diagonal promise and outcome are equal.

    Parameters
    ----------
    curves
        Bins by group, as `dashboards.reliability.curves` returns them; the first `MOST` groups are drawn.
    title
        The heading, plain text.

    Raises
    ------
    ValueError
        If there is no group.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> observed = Measurement(metric="observed_rate", slice=(("g", "a"),), at=(("bin", 3),), value=0.2, low=0.1,
    ...                        high=0.3, n=90, level=0.95, method="wilson")
    >>> promised = Measurement(metric="mean_score", slice=(("g", "a"),), at=(("bin", 3),), value=0.34, n=90,
    ...                        method="mean")
    >>> figure = reliability_figure({(("g", "a"),): [Bin(observed, promised)]}, title="By g")
    >>> figure.data[0].y, figure.data[2].x, figure.data[2].marker.symbol, figure.layout.annotations[0].text
    ((0.1, 0.3, None), (0.34,), 'diamond-open', 'a<br>n = 90')
    """
    shown = list(curves.items())[:MOST]
    if not shown:
        msg = "a reliability diagram shows at least one group; got none"
        raise ValueError(msg)
    columns = min(_COLUMNS, len(shown))
    names = [f"{group_label(group, target='plotly', limit=20)}<br>n = {_rows(bins):,}" for group, bins in shown]
    lines = ceil(len(shown) / columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        subplot_titles=names,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.05,
        vertical_spacing=0.25 / lines,
    )
    for place, (_, bins) in enumerate(shown):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        for trace in (_intervals(bins), _dots(bins, outside=False), _dots(bins, outside=True)):
            figure.add_trace(trace, **where)
        line = {"color": "#767676", "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line, **where)
        if place + columns >= len(shown):  # nothing below it
            figure.update_xaxes(title={"text": "mean score"}, showticklabels=True, **where)
    _lay_out(figure, lines, title)
    return figure


def alternative_text(curves: Mapping[Slice, Sequence[Bin]], *, title: str) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> alternative_text({(("g", "a"),): []}, title="By g")
    'By g. a: no labelled rows.'
    """
    parts = []
    for group, bins in list(curves.items())[:MOST]:
        wrong = [one for one in bins if one.outside]
        told = "; ".join(
            f"scores {one.scores} promised {value_text(one.promised)} and came true {cell_text(one.observed)}"
            for one in wrong[:3]
        )
        plain = "no range of scores shown to be wrong" if bins else "no labelled rows"
        parts.append(f"{group_label(group, limit=30)}: {told or plain}")
    more = f"; {len(curves) - MOST} more in the table" if len(curves) > MOST else ""
    return f"{safe_label(title, target='text', limit=120)}. {'. '.join(parts)}{more}."


def _rows(bins: Sequence[Bin]) -> int:
    return sum(one.observed.n for one in bins)


def _intervals(bins: Sequence[Bin]) -> go.Scatter:
    drawn = [one for one in bins if None not in (one.observed.low, one.observed.high)]
    return go.Scatter(
        x=[end for one in drawn for end in (one.promised.value, one.promised.value, None)],
        y=[end for one in drawn for end in (one.observed.low, one.observed.high, None)],
        mode="lines",
        line={"color": POINT, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )


def _dots(bins: Sequence[Bin], *, outside: bool) -> go.Scatter:
    drawn = [one for one in bins if one.outside == outside]
    style = {"color": EMPHASIS, "symbol": "diamond-open"} if outside else {"color": POINT, "symbol": "circle"}
    return go.Scatter(
        x=[one.promised.value for one in drawn],
        y=[one.observed.value for one in drawn],
        mode="markers",
        marker={"size": 9, "line": {"width": 2}, **style} if outside else {"size": 8, **style},
        text=[
            f"scores {one.scores}: promised {value_text(one.promised)}, came true {cell_text(one.observed)}"
            for one in drawn
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _lay_out(figure: go.Figure, lines: int, title: str) -> None:
    axis = {"range": [-0.03, 1.03], "tickformat": ".0%", "zeroline": False, "dtick": 0.25}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_yaxes(title={"text": "came true"}, col=1)
    figure.update_layout(
        title={"text": wrapped(title)},
        height=_MARGIN + _PANEL * lines,
        margin={"l": 10, "r": 20, "t": 100 + added_height(title), "b": 50},
        hovermode="closest",
    )
