"""Figures of monitors: a number by window with its interval, and which features drifted when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from audit.measurement import Measurement, Slice
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label, slice_label
from dashboards.tables import cell_text
from dashboards.theme import EMPHASIS, PALETTE, POINT
from dashboards.words import unit_of

_STYLES = ((POINT, "solid", "circle"), (PALETTE["orange"], "dash", "square"), (PALETTE["green"], "dot", "diamond"))
_SCALE = [
    [0.0, "rgba(33, 102, 172, 0.04)"],
    [0.1, "rgba(33, 102, 172, 0.25)"],
    [0.3, "rgba(33, 102, 172, 0.6)"],
    [1.0, "rgba(33, 102, 172, 1.0)"],
]
"""Lets the page through where there is no drift: as quiet on a dark page as on a light one."""
_TICKS = 4
_BESIDE = 30
"""Lines stand beside each other by so small a part of a window that intervals do not cover each other."""
MOST = len(_STYLES)
"""Most lines in one picture."""


def series_figure(
    series: Mapping[Slice, Sequence[Measurement]],
    *,
    title: str,
    reference: float | None = None,
    rang: Mapping[Slice, datetime] | None = None,
) -> go.Figure:
    """Return a number by window, a line per slice with its intervals; told apart by dashes and marks, not colour alone.

    Parameters
    ----------
    series
        Rows by slice, in order of their windows; at most `MOST`, others are left out.
    title
        Of the figure.
    reference
        The value of the reference, a dotted line.
    rang
        Since when an alarm rings for a slice: a vertical line.

    Examples
    --------
    >>> from datetime import UTC
    >>> week = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="accuracy", window=week, value=0.8, low=0.7, high=0.9, n=90, level=0.95, method="x")
    >>> figure = series_figure({(): [row]}, title="Accuracy")
    >>> figure.data[0].y, figure.data[0].name
    ((0.8,), 'everyone')
    """
    figure = go.Figure()
    for place, ((slice_, rows), (colour, dash, symbol)) in enumerate(zip(series.items(), _STYLES, strict=False)):
        shown = [row for row in rows if row.window is not None]  # without a value a window is a gap in the line
        up, down = ([_arm(row, end) for row in shown] for end in ("high", "low"))
        figure.add_trace(
            go.Scatter(
                x=[row.window[0] + place * (row.window[1] - row.window[0]) / _BESIDE for row in shown if row.window],
                y=[row.value for row in shown],
                customdata=[f"{row.window[0]:%Y-%m-%d}" for row in shown if row.window],
                error_y={"type": "data", "array": up, "arrayminus": down, "thickness": 1},
                mode="lines+markers",
                name=slice_label(slice_, target="plotly", limit=40),
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 8},
                text=[cell_text(row) for row in shown],
                hovertemplate="%{customdata}: %{text}<extra>%{fullData.name}</extra>",
            )
        )
    if reference is not None:
        figure.add_hline(y=reference, line={"color": PALETTE["black"], "dash": "dot", "width": 1})
        figure.add_annotation(
            x=0, xref="paper", y=reference, text="reference", showarrow=False, xanchor="left", yanchor="bottom"
        )
    for place, (slice_, since) in enumerate(sorted((rang or {}).items(), key=lambda item: item[1])):
        _say_rang(figure, since, slice_label(slice_, target="plotly", limit=30), place)
    metric = next((row.metric for rows in series.values() for row in rows), "")
    starts = sorted({row.window[0] for rows in series.values() for row in rows if row.window})
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis=window_ticks(starts),
        yaxis={"tickformat": ".0%" if unit_of(metric) in {"share", "points"} else None},
        height=400 + added_height(title),
        margin={"l": 10, "r": 20, "t": 60 + added_height(title), "b": 40},
        legend={"orientation": "h", "y": -0.15},
        showlegend=True,
    )
    return figure


def heat_figure(
    series: Mapping[str, Sequence[Measurement]], *, title: str, rang: Mapping[str, datetime] | None = None
) -> go.Figure:
    """Return the drift of each feature by window: the darker, the further; a cross where the alarm rang first.

    Parameters
    ----------
    series
        Rows of the effect by the name of the feature, in order of their windows; [0, 1].
    title
        Of the figure.
    rang
        Since when an alarm rings for a feature.

    Examples
    --------
    >>> from datetime import UTC
    >>> week = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> row = Measurement(metric="total_variation_distance", window=week, value=0.3, n=90, method="x")
    >>> heat_figure({"age": [row]}, title="Drift").data[0].z
    ([0.3],)
    """
    starts = sorted({row.window[0] for rows in series.values() for row in rows if row.window})
    values = {name: {row.window[0]: row for row in rows if row.window} for name, rows in series.items()}
    labels = {name: safe_label(name, target="plotly", limit=40) for name in series}
    figure = go.Figure(
        go.Heatmap(
            x=starts,
            y=[labels[name] for name in series],
            z=[[_value(values[name].get(start)) for start in starts] for name in series],
            text=[[_text(values[name].get(start)) for start in starts] for name in series],
            hovertemplate="%{y}, %{x|%Y-%m-%d}: %{text}<extra></extra>",
            colorscale=_SCALE,
            xgap=1,
            ygap=1,
            zmin=0.0,
            zmax=1.0,
            colorbar={"title": {"text": "drift"}, "thickness": 12},
        )
    )
    crosses = [(since, labels[name]) for name, since in (rang or {}).items() if name in labels]
    figure.add_trace(
        go.Scatter(
            x=[since for since, _ in crosses],
            y=[name for _, name in crosses],
            mode="markers",
            marker={"symbol": "x", "size": 11, "color": EMPHASIS, "line": {"width": 1, "color": "#ffffff"}},
            name="alarm",
            hovertemplate="%{y}: alarm since %{x|%Y-%m-%d}<extra></extra>",
        )
    )
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={**window_ticks(starts), "showgrid": False},
        yaxis={"autorange": "reversed", "automargin": True, "showgrid": False},
        height=140 + added_height(title) + 30 * len(series),
        margin={"l": 10, "r": 20, "t": 60 + added_height(title), "b": 40},
        showlegend=False,
    )
    return figure


def window_ticks(starts: Sequence[datetime]) -> dict[str, Any]:
    """Return an axis whose ticks stand where windows start, every second or n-th of many.

    Examples
    --------
    >>> days = [datetime(2026, 1, day) for day in (5, 12)]
    >>> window_ticks(days)["ticktext"]
    ['Jan 5<br>2026', 'Jan 12']
    """
    shown = list(starts[:: -(-len(starts) // _TICKS) or 1])
    texts = []
    for place, start in enumerate(shown):
        is_new = place == 0 or start.year != shown[place - 1].year
        hour = "" if (start.hour, start.minute) == (0, 0) else f" {start:%H:%M}"
        texts.append(f"{start:%b} {start.day}{hour}" + (f"<br>{start.year}" if is_new else ""))
    return {"tickmode": "array", "tickvals": shown, "ticktext": texts, "tickangle": 0}


def _say_rang(figure: go.Figure, since: datetime, whom: str, place: int) -> None:
    figure.add_shape(
        type="line", x0=since, x1=since, y0=0, y1=1, yref="paper", line={"color": EMPHASIS, "dash": "dash", "width": 1}
    )
    figure.add_annotation(
        x=since,
        y=1.0 - 0.07 * place,
        yref="paper",
        text=f"alarm: {whom}",
        showarrow=False,
        xanchor="left",
        font={"size": 11},
    )


def _arm(row: Measurement, end: str) -> float:
    """Return how far the interval reaches from the value, up or down; 0 where there is no end."""
    limit = getattr(row, end)
    return 0.0 if limit is None else abs(float(limit) - float(row.value or 0.0))


def _value(row: Measurement | None) -> float | None:
    return None if row is None else row.value


def _text(row: Measurement | None) -> str:
    return "no rows" if row is None else cell_text(row)
