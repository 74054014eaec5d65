"""The confusion matrix of the app: for each true label, which share of its rows got which prediction."""

from collections.abc import Sequence

import plotly.graph_objects as go

from audit.measurement import Measurement
from dashboards.figures.wrapping import added_height, wrapped
from dashboards.labels import safe_label
from dashboards.theme import POINT

LONGEST = 30
"""Most labels in one picture; the table beside it holds them all."""

_CELL, _MARGIN = 42, 150  # pixels
_DARK = 0.85
"""From this share on, a cell is so dark that its text is white."""


def confusion_heatmap(rows: Sequence[Measurement], *, labels: Sequence[str], title: str) -> go.Figure:
    """Return the confusion matrix of one group as a heat map with its numbers written into the cells.

    Parameters
    ----------
    rows
        ``confusion_rate`` rows of one slice. A cell without a row holds no rows; one whose true label has none is left
        blank and says so.
    labels
        Every label, in the order of the axes; the first `LONGEST` are drawn.
    title
        The heading, plain text.

    Examples
    --------
    >>> rows = [Measurement(metric="confusion_rate", at=(("class", "a"), ("predicted", name)), value=value, n=8,
    ...                     method="count") for name, value in (("a", 0.75), ("b", 0.25))]
    >>> figure = confusion_heatmap(rows, labels=["a", "b"], title="Everyone")
    >>> figure.data[0].z, figure.data[0].text[1][0]
    (([0.75, 0.25], [None, None]), 'no rows')
    """
    shown = list(labels)[:LONGEST]
    cells = {(str(dict(row.at)["class"]), str(dict(row.at)["predicted"])): row for row in rows}
    known = {true: row.n for (true, _), row in cells.items() if row.value is not None}
    share = [[_share(cells, known, true, predicted) for predicted in shown] for true in shown]
    text = [["no rows" if value is None else f"{100 * value:.0f} %" for value in line] for line in share]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=list(range(len(shown))),
            y=list(range(len(shown))),
            zmin=0,
            zmax=1,
            colorscale=[[0, "#ffffff"], [1, POINT]],
            text=text,
            customdata=_hover(cells, known, shown),
            hovertemplate="%{customdata}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    for line, values in enumerate(share):
        for place, value in enumerate(values):
            colour = "#ffffff" if value is not None and value > _DARK else "#1a1a1a"
            figure.add_annotation(
                x=place, y=line, text=text[line][place], showarrow=False, font={"size": 11, "color": colour}
            )
    _lay_out(figure, shown, known, title)
    return figure


def alternative_text(rows: Sequence[Measurement], *, title: str) -> str:
    """Return what the picture says, for those who do not see it: what is most often taken for what.

    Examples
    --------
    >>> rows = [Measurement(metric="confusion_rate", at=(("class", "a"), ("predicted", name)), value=value, n=8,
    ...                     method="count") for name, value in (("a", 0.75), ("b", 0.25))]
    >>> alternative_text(rows, title="Everyone")
    'Everyone. Most often wrong: a taken for b in 25 % of 8 rows.'
    """
    wrong = [row for row in rows if row.value and dict(row.at)["class"] != dict(row.at)["predicted"]]
    wrong.sort(key=lambda row: -(row.value or 0.0))
    parts = [
        f"{_name(str(dict(row.at)['class']))} taken for {_name(str(dict(row.at)['predicted']))} in "
        f"{100 * (row.value or 0.0):.0f} % of {row.n:,} rows"
        for row in wrong[:3]
    ]
    return f"{safe_label(title, target='text', limit=120)}. Most often wrong: {'; '.join(parts) or 'nothing'}."


def _name(label: str) -> str:
    return safe_label(label, target="text", limit=30)


def _share(cells: dict[tuple[str, str], Measurement], known: dict[str, int], true: str, predicted: str) -> float | None:
    row = cells.get((true, predicted))
    if row is not None:
        return row.value
    return 0.0 if true in known else None


def _hover(cells: dict[tuple[str, str], Measurement], known: dict[str, int], labels: Sequence[str]) -> list[list[str]]:
    names = [safe_label(label, target="plotly", limit=40) for label in labels]
    return [
        [
            f"true {names[line]}, predicted {names[place]}: {_share_text(cells.get((true, predicted)))}"
            f"n = {known.get(true, 0):,}"
            for place, predicted in enumerate(labels)
        ]
        for line, true in enumerate(labels)
    ]


def _share_text(row: Measurement | None) -> str:
    if row is None or row.value is None or row.low is None or row.high is None:
        return ""
    return f"{100 * row.value:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}], "


def _lay_out(figure: go.Figure, labels: Sequence[str], known: dict[str, int], title: str) -> None:
    names = [safe_label(label, target="plotly", limit=24) for label in labels]
    rows = [f"{name} (n = {known.get(label, 0):,})" for name, label in zip(names, labels, strict=True)]
    places = list(range(len(labels)))
    figure.update_layout(
        title={"text": wrapped(title)},
        xaxis={
            "tickvals": places,
            "ticktext": names,
            "title": {"text": "Predicted label"},
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={
            "tickvals": places,
            "ticktext": rows,
            "title": {"text": "True label"},
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
        height=_MARGIN + _CELL * len(labels),
        margin={"l": 10, "r": 20, "t": 50 + added_height(title), "b": 60},
        plot_bgcolor="#ffffff",
    )
