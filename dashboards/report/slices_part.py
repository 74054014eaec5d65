"""What a report says of a search for slices: what was confirmed, what was searched, and what this does not show."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.result import Result
from dashboards.labels import slice_label
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn
from dashboards.report.section import Section
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.slice_findings import (
    Finding,
    all_searched,
    cut_sentence,
    findings,
    grouped,
    searched_row,
    searched_sentence,
    slice_sentence,
)
from dashboards.tables import DEFAULT_MIN_CELL
from dashboards.theme import POINT
from dashboards.words import metric_title

MOST = 10
"""Most slices in the picture; the saved run holds them all."""

_GROUPS = 5
_SUSPECTS = 3
_LOOKED = 200  # of a search of all rows, so many are looked at for the first that may be shown
_LIMITS = (
    "What this does not show: why a slice differs; slices with too few rows to be searched; features that were not "
    "named. What is not confirmed is not shown to be equal."
)
_WIDTH, _ROW, _LINE, _MARGIN = 6.4, 0.16, 0.15, 0.62  # inches


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return the section on slices; none where the result holds no search.

    Slices whose difference rests on fewer than `min_cell` rows are counted, not shown; nor is a slice that lies in a
    shown one, or in all rows, and differs from it by so few rows, which could be found by subtraction.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> sections(Result(measurements=[]))
    ()
    >>> searched = Measurement(metric="slices_searched", value=3, n=40, method="count")
    >>> sections(Result(measurements=[searched]))[0].text.splitlines()[0]
    'No combination of features was confirmed to differ from the rest.'
    """
    if searched_row(result) is None:
        return ()
    found = findings(result)
    if all_searched(result):
        return (_explored(result, found, min_cell),)
    shown = publishable(result, found, min_cell)
    confirmed = [each for each in shown if each.confirmed]
    suspects = [each for each in shown if not each.confirmed]
    hidden = len(found) - len(shown)
    paragraphs = [
        *_listed(confirmed),
        _suspected(suspects),
        _not_shown(hidden, min_cell),
        " ".join(filter(None, (searched_sentence(result), cut_sentence(result)))),
        _LIMITS,
    ]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return (Section(title="Slices that differ from the rest", text=text, pictures=_pictures(confirmed)),)


def _not_shown(number: int, min_cell: int) -> str:
    slices = "1 slice" if number == 1 else f"{number:,} slices"
    return f"Not shown, to protect groups of fewer than {min_cell} rows: {slices}." if number else ""


def _explored(result: Result, found: Sequence[Finding], min_cell: int) -> Section:
    """Return the section on a search of all rows: first that nothing is confirmed, then the first slices listed."""
    looked = publishable(result, found[:_LOOKED], min_cell)
    shown = looked[:MOST]
    hidden = _not_shown(len(found[:_LOOKED]) - len(looked), min_cell)
    listed = [f"• {slice_sentence(each)}" for each in shown]
    head = [f"The {len(listed)} that come first:"] if len(listed) > 1 else []
    text = "\n\n".join(filter(None, (searched_sentence(result), cut_sentence(result), *head, *listed, hidden)))
    return Section(title="Exploratory: slices of all rows, none of them confirmed", text=text)


def publishable(result: Result, found: Sequence[Finding], min_cell: int) -> list[Finding]:
    """Return the findings that may be shown: none that is small, or that gives a small one away by subtraction.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy_difference", slice=(("sex", "F"),), against={"kind": "rest"}, value=-0.1,
    ...                   low=-0.2, high=-0.02, n=9, level=0.95, method="exact_square_and_add")
    >>> one = Finding(row=row, confirmed=True, scores={})
    >>> len(publishable(Result(measurements=[row]), [one], 10)), len(publishable(Result(measurements=[row]), [one], 9))
    (0, 1)
    """
    searched = searched_row(result)
    whole = searched.n if searched is not None and all_searched(result) else None
    shown: list[Finding] = []
    for each in found:
        n = each.row.n
        inside = [other for other in shown if _nested(each, other) and abs(n - other.row.n) < min_cell]
        if n >= min_cell and not inside and (whole is None or not 0 < whole - n < min_cell):
            shown.append(each)
    return shown


def _nested(one: Finding, two: Finding) -> bool:
    pairs, others = set(one.row.slice), set(two.row.slice)
    return pairs <= others or others <= pairs


def _listed(confirmed: Sequence[Finding]) -> list[str]:
    if not confirmed:
        return ["No combination of features was confirmed to differ from the rest."]
    groups = grouped(confirmed)
    number = "One combination of features (slice) was" if len(confirmed) == 1 else (
        f"{len(confirmed)} combinations of features (slices) were"
    )  # fmt: skip
    listed = []
    for first, *others in groups[:_GROUPS]:
        same = f" (and {len(others)} that hold mostly the same rows)" if others else ""
        listed.append(f"• {slice_sentence(first)}{same}.")
    rest = len(groups) - _GROUPS
    more = [f"{rest} more like these stand in the saved run."] if rest > 0 else []
    return [f"{number} confirmed to differ from the rest; what is most certain first:", *listed, *more]


def _suspected(suspects: Sequence[Finding]) -> str:
    if not suspects:
        return ""
    named = "; ".join(slice_sentence(each) for each in suspects[:_SUSPECTS])
    more = f"; and {len(suspects) - _SUSPECTS} more" if len(suspects) > _SUSPECTS else ""
    return f"Looked suspicious, not confirmed: {named}{more}."


def _pictures(confirmed: Sequence[Finding]) -> tuple[Picture, ...]:
    rows = [each for each in confirmed if each.row.value is not None][:MOST]
    if not rows:
        return ()
    title = f"{metric_title(rows[0].row.metric)}: confirmed slices against the rest, in percentage points"
    with mpl.rc_context(SETTINGS):
        lines = sum(len(each.row.slice) for each in rows)
        figure = Figure(figsize=(_WIDTH, _MARGIN + _ROW * len(rows) + _LINE * lines))
        axes = _axes(figure)
        heights = [len(each.row.slice) * _LINE + _ROW for each in rows]
        at = 0.0
        for each, height in zip(rows, heights, strict=True):
            _draw(axes, each, at + height / 2)
            at += height
        axes.set_ylim(at, 0.0)
        svg = drawn(figure, identifier="slices", title=title)
    return (Picture(svg=svg, title=title, sentence="A dot is the difference, the line its interval; 0 is the rest."),)


def _axes(figure: Figure) -> Axes:
    height = figure.get_figheight()
    bottom = 0.4 / height
    axes = figure.add_axes((0.36, bottom, 0.5, 1 - bottom - 0.08 / height))
    axes.set_yticks([])
    axes.patch.set_visible(False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(axis="x", colors=MUTED, length=3)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axvline(0.0, color=MUTED, linewidth=1.2)
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.0f}" if value else "0")
    return axes


def _draw(axes: Axes, found: Finding, at: float) -> None:
    row = found.row
    label = "\n".join(slice_label((pair,), limit=28) for pair in row.slice)
    across = axes.get_yaxis_transform()
    axes.text(-0.03, at, label, ha="right", va="center", color=INK, transform=across, parse_math=False)
    axes.text(1.02, at, f"n = {row.n:,}", ha="left", va="center", color=MUTED, transform=across, parse_math=False)
    if row.value is None or row.low is None or row.high is None:
        return
    axes.plot((row.low, row.high), (at, at), color=POINT, linewidth=2.0, solid_capstyle="butt", zorder=2)
    axes.plot([row.value], [at], marker="o", markersize=5.5, color=POINT, linestyle="none", zorder=3)
