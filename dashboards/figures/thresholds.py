"""The figure of thresholds: one curve per group over all thresholds, and where each is highest."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement, Slice
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import group_label, safe_label
from dashboards.tables import cell_text
from dashboards.theme import PALETTE
from dashboards.threshold_rows import threshold_of, threshold_text
from dashboards.words import metric_title, unit_of

MOST = 8
"""Most groups in one picture; the table beside it holds them all."""

_NAMES = ("blue", "vermilion", "green", "purple", "orange", "sky", "yellow")
_COLOURS = (*(PALETTE[name] for name in _NAMES), "#808080")  # no black: it is not seen on dark paper
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")


def threshold_figure(
    curves: Mapping[Slice, Sequence[Measurement]],
    *,
    title: str,
    marked: float | None = None,
    best: Mapping[Slice, Measurement] | None = None,
) -> go.Figure:
    """Return the curves of one metric over thresholds.

    One trace per group holds its values unchanged; groups differ by dash and by name, not by colour alone. With `best`,
    a diamond stands on each curve at the chosen threshold. Thresholds above 1, which act on nobody, are drawn at 1.

    Parameters
    ----------
    curves
        Rows of one metric by group, in ascending order of threshold; the first `MOST` groups are drawn.
    title
        The heading, plain text.
    marked
        The threshold that a dashed line marks; None = none.
    best
        The chosen threshold of each group.

    Raises
    ------
    ValueError
        If there is no curve, or several metrics are mixed.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", at=(("threshold", t),), value=t, n=9, method="x") for t in (0.2, 0.5)]
    >>> figure = threshold_figure({(): rows}, title="Accuracy", marked=0.5)
    >>> figure.data[0].x, figure.data[0].y, figure.data[0].name
    ((0.2, 0.5), (0.2, 0.5), 'everyone')
    """
    metrics = {row.metric for rows in curves.values() for row in rows}
    if len(metrics) != 1:
        msg = f"a figure of thresholds shows one metric in at least one group; got {sorted(metrics)}"
        raise ValueError(msg)
    shown = list(curves.items())[:MOST]
    figure = go.Figure(data=[_line(place, group, rows) for place, (group, rows) in enumerate(shown)])
    for place, (group, rows) in enumerate(shown):
        chosen = (best or {}).get(group)
        if chosen is not None and chosen.value is not None:
            figure.add_trace(_diamond(place, group, rows, chosen.value))
    if marked is not None:
        line = {"color": "#767676", "width": 1.5, "dash": "dash"}
        figure.add_shape(type="line", x0=marked, x1=marked, y0=0, y1=1, yref="paper", line=line)
    _lay_out(figure, metrics.pop(), title)
    return figure


def alternative_text(curves: Mapping[Slice, Sequence[Measurement]], *, title: str, marked: float | None = None) -> str:
    """Return what the figure says, for those who do not see it: each group's highest point, and that at a threshold.

    Examples
    --------
    >>> rows = [Measurement(metric="f1", at=(("threshold", t),), value=t, n=9, method="x") for t in (0.2, 0.5)]
    >>> alternative_text({(): rows}, title="F1", marked=0.2)
    'F1. everyone: highest at 0.5, 0.500, n = 9; at 0.2, 0.200, n = 9.'
    """
    parts = []
    for group, rows in list(curves.items())[:MOST]:
        known = [row for row in rows if row.value is not None]
        if not known:
            parts.append(f"{group_label(group, limit=30)}: undefined")
            continue
        top = max(known, key=lambda row: row.value or 0.0)
        text = (
            f"{group_label(group, limit=30)}: highest at {threshold_text(threshold_of(top) or 0.0)}, {cell_text(top)}"
        )
        here = [row for row in known if marked is not None and threshold_of(row) == marked]
        parts.append(text + "".join(f"; at {threshold_text(marked or 0.0)}, {cell_text(row)}" for row in here))
    more = f" {len(curves) - MOST} more in the table." if len(curves) > MOST else ""
    return f"{safe_label(title, target='text', limit=120)}. {'. '.join(parts)}.{more}"


def _line(place: int, group: Slice, rows: Sequence[Measurement]) -> go.Scatter:
    return go.Scatter(
        x=[min(threshold_of(row) or 0.0, 1.0) for row in rows],
        y=[row.value for row in rows],
        mode="lines",
        name=group_label(group, target="plotly", limit=32),
        line={"color": _COLOURS[place], "dash": _DASHES[place], "width": 2},
        text=[f"{threshold_text(threshold_of(row) or 0.0)}: {cell_text(row)}" for row in rows],
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
    )


def _diamond(place: int, group: Slice, rows: Sequence[Measurement], threshold: float) -> go.Scatter:
    near = min(rows, key=lambda row: abs((threshold_of(row) or 0.0) - threshold))
    return go.Scatter(
        x=[min(threshold, 1.0)],
        y=[near.value],
        mode="markers",
        name=group_label(group, target="plotly", limit=32),
        marker={"color": _COLOURS[place], "symbol": "diamond", "size": 11},
        text=[f"chosen: {threshold_text(threshold)}"],
        hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        showlegend=False,
    )


def _lay_out(figure: go.Figure, metric: str, title: str) -> None:
    axis: dict[str, object] = {"title": {"text": wrapped(metric_title(metric))}, "zeroline": True, "automargin": True}
    if unit_of(metric) == "share":
        axis |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "threshold: act where the score is at least"}, "range": [-0.02, 1.02]},
        yaxis=axis,
        height=420,
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        legend={"orientation": "h", "y": -0.25},
        showlegend=True,
        hovermode="closest",
    )
