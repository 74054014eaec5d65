"""The forest plot as an inline picture: a point and an interval per group, by matplotlib, the same bytes each time."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.measurement import Measurement, Slice
from dashboards.labels import group_label
from dashboards.report.drawing import SETTINGS, drawn
from dashboards.tables import value_text
from dashboards.theme import POINT
from dashboards.words import unit_of

INK, MUTED, GRID = "#1a1a1a", "#5f5f5f", "#d9d9d9"
"""The stylesheet of the report replaces these, by their values, where the reader prefers dark."""

LONGEST = 30
"""Most groups in one picture; the table beside it holds them all."""

_WIDTH, _ROW, _MARGIN = 4.8, 0.27, 0.46  # inches


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """What one forest plot shows.

    Parameters
    ----------
    identifier
        Unique within the page; ids inside the picture begin with it.
    title
        What the picture says, for those who do not see it.
    rows
        Plain values, one per group.
    everyone
        The value that is drawn as a dashed line; None = no line.
    hidden
        Groups whose numbers must not be shown.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.7, n=90, method="count")
    >>> forest = Forest(identifier="f1", title="Accuracy by sex", rows=(row,))
    >>> forest.everyone is None, forest.hidden
    (True, frozenset())
    """

    identifier: str
    title: str
    rows: tuple[Measurement, ...]
    everyone: Measurement | None = None
    hidden: frozenset[Slice] = frozenset()


def forest_svg(forest: Forest) -> str:
    """Return the picture as an ``<svg>`` element for a page: no scripts, no links, every name escaped.

    Parameters
    ----------
    forest
        What is shown; of more than `LONGEST` groups the first ones.

    Raises
    ------
    ValueError
        If there is no group to show.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", slice=(("g", "<b>"),), value=0.5, low=0.4, high=0.6, n=90, level=0.95,
    ...                   method="wilson")
    >>> picture = forest_svg(Forest(identifier="f1", title="Accuracy by g", rows=(row,)))
    >>> "&lt;b&gt;" in picture, "<b>" in picture, 'role="img"' in picture
    (True, False, True)
    """
    if not forest.rows:
        msg = "a forest plot needs at least one group; got none"
        raise ValueError(msg)
    rows = forest.rows[:LONGEST]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDTH, _MARGIN + _ROW * len(rows)))
        axes = _axes(figure, rows)
        for place, row in enumerate(rows):
            _draw(axes, place, row, forest)
        if forest.everyone is not None and forest.everyone.value is not None:
            axes.axvline(forest.everyone.value, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        return drawn(figure, identifier=forest.identifier, title=forest.title)


def _axes(figure: Figure, rows: Sequence[Measurement]) -> Axes:
    height = figure.get_figheight()
    bottom = 0.36 / height
    axes = figure.add_axes((0.41, bottom, 0.4, 1 - bottom - 0.06 / height))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.patch.set_visible(False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(axis="x", colors=MUTED, length=3)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    unit = unit_of(rows[0].metric)
    if unit == "share":
        axes.set_xlim(0.0, 1.0)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    else:
        ends = [end for row in rows for end in (row.low, row.value, row.high) if end is not None] or [0.0, 1.0]
        axes.set_xlim(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1)
        axes.margins(x=0.05)
        axes.locator_params(axis="x", nbins=5)
    return axes


def _draw(axes: Axes, place: int, row: Measurement, forest: Forest) -> None:
    _write(axes, place, group_label(row.slice, limit=26), at=-0.02, ha="right", color=INK)
    if row.slice in forest.hidden:
        _write(axes, place, "hidden", at=0.02, ha="left", color=MUTED, style="italic")
        return
    _write(axes, place, f"n = {row.n:,}", at=1.02, ha="left", color=MUTED)
    if row.value is None:
        _write(axes, place, value_text(row), at=0.02, ha="left", color=MUTED, style="italic")
        return
    left, right = axes.get_xlim()
    if row.level is not None and (row.low is not None or row.high is not None):
        ends = (left if row.low is None else row.low, right if row.high is None else row.high)
        axes.plot(ends, (place, place), color=POINT, linewidth=2.0, solid_capstyle="butt", zorder=2)
    axes.plot([row.value], [place], marker="o", markersize=5.5, color=POINT, linestyle="none", zorder=3, clip_on=False)


def _write(axes: Axes, place: int, text: str, *, at: float, ha: str, color: str, style: str = "normal") -> None:
    """Write plain text beside a row: a dollar sign in a name begins no formula."""
    transform = axes.get_yaxis_transform()
    axes.text(at, place, text, transform=transform, va="center", ha=ha, color=color, style=style, parse_math=False)
