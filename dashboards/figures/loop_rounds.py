"""Figure of retraining rounds: how good the model looks on data that it influenced, and on an untouched hold-out."""

from collections.abc import Collection, Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label
from dashboards.loop_captions import CLOSED, HELD_OUT, gap_text, known_of, round_name
from dashboards.tables import cell_text
from dashboards.theme import EMPHASIS, PALETTE, POINT
from dashboards.words import metric_title, unit_of

_SHADE = "rgba(86, 180, 233, 0.25)"  # the sky blue of the palette, behind everything


def rounds_figure(
    closed: Sequence[Measurement],
    held_out: Sequence[Measurement],
    *,
    title: str,
    gap: Sequence[Measurement] = (),
    rang: Collection[str] = (),
) -> go.Figure:
    """Return two lines over the rounds with the gap between them shaded; told apart by dashes and marks too.

    Parameters
    ----------
    closed, held_out
        One metric on either side, a row per round (``at`` has "round"), in the order of the rounds.
    title
        Of the figure; what it shows, in a sentence.
    gap
        Rows of the gap by round; the last that is known is written beside the shade.
    rang
        Rounds, as texts, that the alarm of the gap is about: a cross on their mark.

    Examples
    --------
    >>> rows = {arm: [Measurement(metric="accuracy", at=(("arm", arm), ("round", k)), value=value, n=90, method="x")
    ...               for k, value in zip("12", values)]
    ...         for arm, values in (("closed", (0.7, 0.9)), ("holdout", (0.7, 0.6)))}
    >>> figure = rounds_figure(rows["closed"], rows["holdout"], title="Ever better?", rang={"2"})
    >>> [(trace.name, trace.y) for trace in figure.data][-2:]
    [('hold-out that it never touched', (0.7, 0.6)), ('alarm of the gap', (0.9,))]
    """
    names = list(dict.fromkeys(round_name(row) for row in (*closed, *held_out)))
    figure = go.Figure()
    _shade(figure, names, closed, held_out)
    styles = ((CLOSED, closed, PALETTE["orange"], "solid", "square"), (HELD_OUT, held_out, POINT, "dash", "circle"))
    for name, rows, colour, dash, symbol in styles:
        figure.add_trace(_line(name, rows, colour=colour, dash=dash, symbol=symbol))
    _crosses(figure, closed, rang)
    _say_gap(figure, names, gap, closed, held_out)
    metric = next((row.metric for row in (*closed, *held_out)), "")
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": "retraining round"}, "type": "category", "categoryarray": _labels(names)},
        yaxis={
            "title": {"text": wrapped(metric_title(metric))},
            "tickformat": ".0%" if unit_of(metric) == "share" else None,
        },
        height=420 + added_height(title),
        margin={"l": 10, "r": 20, "t": 60 + added_height(title), "b": 40},
        legend={"orientation": "h", "y": -0.25, "traceorder": "normal"},
        showlegend=True,
    )
    return figure


def _line(name: str, rows: Sequence[Measurement], *, colour: str, dash: str, symbol: str) -> go.Scatter:
    up, down = ([_arm(row, end) for row in rows] for end in ("high", "low"))
    return go.Scatter(
        x=_labels([round_name(row) for row in rows]),
        y=[row.value for row in rows],
        error_y={"type": "data", "array": up, "arrayminus": down, "thickness": 1},
        mode="lines+markers",
        name=name,
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "size": 9},
        text=[cell_text(row) for row in rows],
        hovertemplate="round %{x}: %{text}<extra>%{fullData.name}</extra>",
    )


def _shade(
    figure: go.Figure, names: Sequence[str], closed: Sequence[Measurement], held_out: Sequence[Measurement]
) -> None:
    """Fill the space between the lines, over the rounds in which both are known."""
    sides = [{round_name(row): row.value for row in rows if row.value is not None} for rows in (held_out, closed)]
    both = [name for name in names if all(name in side for side in sides)]
    for side, fill in zip(sides, (None, "tonexty"), strict=True):
        figure.add_trace(
            go.Scatter(
                x=_labels(both),
                y=[side[name] for name in both],
                mode="lines",
                line={"width": 0},
                fill=fill,
                fillcolor=_SHADE,
                hoverinfo="skip",
                showlegend=fill is not None,
                name="the gap",
            )
        )


def _crosses(figure: go.Figure, closed: Sequence[Measurement], rang: Collection[str]) -> None:
    rung = [row for row in known_of(closed) if round_name(row) in rang]
    if not rung:
        return
    figure.add_trace(
        go.Scatter(
            x=_labels([round_name(row) for row in rung]),
            y=[row.value for row in rung],
            mode="markers",
            marker={"symbol": "x", "size": 15, "color": EMPHASIS, "line": {"width": 1, "color": "#ffffff"}},
            name="alarm of the gap",
            hovertemplate="round %{x}: alarm<extra></extra>",
        )
    )


def _say_gap(
    figure: go.Figure,
    names: Sequence[str],
    gap: Sequence[Measurement],
    closed: Sequence[Measurement],
    held_out: Sequence[Measurement],
) -> None:
    ends = [{round_name(row): row.value for row in known_of(rows)} for rows in (closed, held_out)]
    shown = [row for row in known_of(gap) if all(round_name(row) in end for end in ends)]
    if not shown:
        return
    name = round_name(shown[-1])
    figure.add_annotation(
        x=names.index(name),  # the place: a round "6" would be read as the sixth place
        y=sum(end[name] or 0.0 for end in ends) / 2,
        text=f"gap {gap_text(shown[-1])}",
        showarrow=False,
        xanchor="right",
        xshift=-8,
        font={"size": 12},
    )


def _labels(names: Sequence[str]) -> list[str]:
    return [safe_label(name, target="plotly", limit=20) for name in names]


def _arm(row: Measurement, end: str) -> float:
    """Return how far the interval reaches from the value, up or down; 0 where there is no end."""
    limit = getattr(row, end)
    return 0.0 if limit is None or row.value is None else abs(float(limit) - float(row.value))
