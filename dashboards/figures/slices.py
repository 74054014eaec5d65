"""Pictures of a subgroup search: the difference of each slice to the rest, and what each feature adds to one."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label, slice_label
from dashboards.slice_findings import Finding, slice_sentence
from dashboards.tables import cell_text
from dashboards.theme import POINT
from dashboards.words import metric_title

LONGEST = 25
"""Most slices in one picture; the table beside it holds them all."""

_ROW, _LINE, _MARGIN = 26, 15, 120  # pixels: per slice, per feature that it names, around
_ITEM = 30  # the longest name of a value


def slices_forest(found: Sequence[Finding], *, title: str) -> go.Figure:
    """Return the figure of the differences of slices to the rest, in the order given, from the top.

    The first trace holds the intervals as lines from `low` to `high`, the second the estimates: a filled circle where
    the slice is confirmed, an open diamond where it is not. Both hold the numbers of the measurements unchanged. A
    slice that could not be measured has no mark but says so.

    Parameters
    ----------
    found
        The slices; the first `LONGEST` are drawn.
    title
        The heading, plain text.

    Raises
    ------
    ValueError
        If there is no slice.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy_difference", slice=(("sex", "F"),), against={"kind": "rest"}, value=-0.1,
    ...                   low=-0.2, high=-0.02, n=90, level=0.95, method="exact_square_and_add")
    >>> figure = slices_forest([Finding(row=row, confirmed=True, scores={})], title="Accuracy")
    >>> figure.data[0].x, figure.data[1].x, figure.layout.yaxis.ticktext, figure.data[1].marker.symbol
    ((-0.2, -0.02, None), (-0.1,), ('sex = F',), ('circle',))
    """
    if not found:
        msg = "a picture of slices needs at least one; got none"
        raise ValueError(msg)
    shown = list(found)[:LONGEST]
    drawn = [(place, each) for place, each in enumerate(shown) if each.row.value is not None]
    figure = go.Figure(data=[_intervals(drawn), _estimates(drawn)])
    for place, each in enumerate(shown):
        if each.row.value is None:
            text = "not measured on the confirming half"
            figure.add_annotation(x=0, xref="paper", y=place, text=text, showarrow=False, xanchor="left")
    metric = metric_title(shown[0].row.metric)
    lines = sum(len(each.row.slice) for each in shown)
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={"title": {"text": wrapped(f"{metric} (percentage points)")}, "tickformat": ".0%", "zeroline": True,
               "range": _range(shown), "zerolinecolor": "#808080", "zerolinewidth": 2, "automargin": True},
        yaxis={"tickvals": list(range(len(shown))), "ticktext": [_label(each) for each in shown],
               "range": [len(shown) - 0.5, -0.5], "automargin": True, "showgrid": False, "zeroline": False},
        height=_MARGIN + added_height(title) + _ROW * len(shown) + _LINE * lines,
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 50},
        hovermode="closest",
    )  # fmt: skip
    return figure


def slices_text(found: Sequence[Finding], *, title: str) -> str:
    """Return what the figure says, for those who do not see it.

    Examples
    --------
    >>> slices_text([], title="Confirmed slices")
    'Confirmed slices. None.'
    """
    parts = [slice_sentence(each) for each in found[:8]]
    more = f" {len(found) - 8} more in the table." if len(found) > 8 else ""
    listed = ". ".join(parts) + "." if parts else "None."
    return f"{safe_label(title, target='text', limit=120)}. {listed}{more}"


def items_bars(found: Finding) -> go.Figure:
    """Return the figure of what each feature of a slice adds to its difference (Shapley values), the largest on top.

    Raises
    ------
    ValueError
        If the slice has no such values.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy_difference", slice=(("old", "1"), ("sex", "F")), against={"kind": "rest"},
    ...                   value=-0.1, low=-0.2, high=-0.02, n=90, level=0.95, method="exact_square_and_add")
    >>> parts = (("old", -0.02), ("sex", -0.06))
    >>> figure = items_bars(Finding(row=row, confirmed=True, scores={}, parts=parts))
    >>> figure.data[0].y, figure.data[0].x
    (('sex = F', 'old = 1'), (-0.06, -0.02))
    """
    if not found.parts:
        msg = "this slice has no values of its items"
        raise ValueError(msg)
    values = dict(found.row.slice)
    parts = sorted(found.parts, key=lambda part: (-abs(part[1]), part[0]))
    bars = go.Bar(
        x=[part for _, part in parts],
        y=[slice_label(((name, values.get(name)),), target="plotly", limit=_ITEM) for name, _ in parts],
        orientation="h",
        marker={"color": POINT},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    figure = go.Figure(data=[bars])
    figure.update_layout(
        title={"text": wrapped("What each feature adds, on the half that was searched")},
        xaxis={"title": {"text": "percentage points"}, "tickformat": ".1%", "zeroline": True, "automargin": True},
        yaxis={"autorange": "reversed", "automargin": True},
        height=_MARGIN + 20 + 40 * len(parts),
        margin={"l": 10, "r": 20, "t": 70, "b": 50},
    )
    return figure


def _range(shown: Sequence[Finding]) -> list[float]:
    """Return the ends of the axis: 0, which stands for the rest, is always on it."""
    ends = [end for each in shown for end in (each.row.low, each.row.value, each.row.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    margin = 0.04 * (high - low) or 0.04
    return [low - margin, high + margin]


def _label(found: Finding) -> str:
    return "<br>".join(slice_label((pair,), target="plotly", limit=_ITEM) for pair in found.row.slice)


def _intervals(drawn: Sequence[tuple[int, Finding]]) -> go.Scatter:
    ends = [(place, each.row) for place, each in drawn if None not in (each.row.low, each.row.high)]
    return go.Scatter(
        x=[end for _, row in ends for end in (row.low, row.high, None)],
        y=[end for place, _ in ends for end in (place, place, None)],
        mode="lines",
        line={"color": POINT, "width": 3},
        hoverinfo="skip",
        showlegend=False,
    )


def _estimates(drawn: Sequence[tuple[int, Finding]]) -> go.Scatter:
    return go.Scatter(
        x=[each.row.value for _, each in drawn],
        y=[place for place, _ in drawn],
        mode="markers",
        marker={
            "color": ["#ffffff" if not each.confirmed else POINT for _, each in drawn],
            "line": {"color": POINT, "width": 2},
            "size": 11,
            "symbol": ["circle" if each.confirmed else "diamond" for _, each in drawn],
        },
        text=[
            f"{slice_label(each.row.slice, target='plotly', limit=_ITEM)}: {cell_text(each.row)}" for _, each in drawn
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _hover(found: Finding) -> str:
    return f"{slice_label(found.row.slice, target='plotly', limit=_ITEM)}: {cell_text(found.row)}"
