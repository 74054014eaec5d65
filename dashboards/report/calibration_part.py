"""The part of the report on scores: whether they keep their promise, by group, worst first."""

from collections.abc import Mapping, Sequence
from math import ceil

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audit.measurement import Slice
from audit.result import Result
from audit.scores.calibration import reliability
from dashboards.labels import features_label, group_label
from dashboards.reliability import ORDER, Bin, calibration_sentence, curves, has_calibration, level_of, worst_first
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.groups import combinations_of, hidden_groups
from dashboards.report.section import Section
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.tables import DEFAULT_MIN_CELL, is_plain, plain_rows
from dashboards.theme import EMPHASIS, POINT

MOST = 6
"""Most groups that a section shows: those with the worst calibration. The JSON and the dashboard hold all."""

TABLED = (ORDER, "calibration_in_the_large", "calibration_slope")

_EXPLAINED = (
    "A score of 0.3 promises that it comes true three times in ten. Where it does not, a limit on the score means "
    "something else for one group than for another. The picture shows, for ten ranges of scores, what was promised "
    "(across) and what came true (up): on the dashed line promises are kept. The lines are intervals that hold for all "
    "ranges of a group at once; an open diamond marks a promise that is shown to be wrong."
)
_COLUMNS, _PANEL = 3, 1.75  # inches


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return one section per sensitive feature; none where the result has no scores.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not has_calibration(result):
        return ()
    features = [names[0] for names in combinations_of(result) if len(names) == 1]
    found: list[Section] = []
    for name in features:
        section = _section(result, name, number=len(found) + 1, min_cell=min_cell)
        found += [] if section is None else [section]
    return tuple(found)


def _section(result: Result, feature: str, *, number: int, min_cell: int) -> Section | None:
    tally = result.tally
    hidden = hidden_groups(result, [feature], min_cell=min_cell)
    if tally is None:
        return None
    every = curves(reliability(tally, features=[feature], level=level_of(result)))
    measured = {row.slice for row in result.measurements if row.metric == ORDER and is_plain(row)}
    kept = {group: _published(every[group], min_cell) for group in every if group in measured - hidden}
    groups = [group for group in worst_first([*kept], result) if kept[group]]
    if not groups:
        return None
    first, whom = groups[:MOST], features_label((feature,))
    texts = [_EXPLAINED] if number == 1 else []
    for group in first:
        rows = {row.metric: row for row in result.measurements if is_plain(row) and row.slice == group}
        texts.append(f"• {group_label(group, limit=40)}: {calibration_sentence(rows, kept[group])}")
    if len(groups) > MOST:
        texts.append(f"{len(groups) - MOST} more groups, none with a larger error that is shown, stand in the JSON.")
    tabled = plain_rows(result, features=(feature,), metrics=TABLED)
    title = f"Promised and come true by {whom}"
    sentence = "The groups with the largest calibration error that is shown come first."
    sentence += f" n < {min_cell}: not drawn." if min_cell > 1 else ""
    sizes = {group: sum(one.observed.n for one in every[group]) for group in first}
    drawn_bins = {group: kept[group] for group in first}
    svg = reliability_svg(drawn_bins, sizes=sizes, identifier=f"calibration-{number}", title=title)
    return Section(
        title=f"Do the scores keep their promise? By {whom}",
        text="\n\n".join(texts),
        measurements=tuple(row for group in first for row in tabled if row.slice == group),
        pictures=(Picture(svg=svg, title=title, sentence=sentence),),
    )


def reliability_svg(
    bins: Mapping[Slice, Sequence[Bin]], *, sizes: Mapping[Slice, int], identifier: str, title: str
) -> str:
    """Return the reliability diagram of some groups as an ``<svg>`` element, a panel per group.

    Parameters
    ----------
    bins
        The ranges of scores of each group.
    sizes
        How many labelled rows each group has.
    identifier
        Unique within the page.
    title
        What the picture says, for those who do not see it.

    Raises
    ------
    ValueError
        If there is no group to show.

    Examples
    --------
    >>> group = (("g", "<b>"),)
    >>> picture = reliability_svg({group: []}, sizes={group: 9}, identifier="c1", title="Promised and come true")
    >>> "&lt;b&gt;" in picture, "<b>" in picture
    (True, False)
    """
    if not bins:
        msg = "a reliability diagram needs at least one group; got none"
        raise ValueError(msg)
    columns = min(_COLUMNS, len(bins))
    lines = ceil(len(bins) / columns)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(0.5 + _PANEL * columns, 0.5 + (_PANEL + 0.2) * lines))
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (group, of_group) in zip(panels, bins.items(), strict=False):
            _draw(axes, group, of_group, sizes[group])
        for axes in panels[len(bins) :]:
            axes.set_visible(False)
        figure.supxlabel("mean score (promised)", fontsize=8, color=MUTED)
        figure.supylabel("came true", fontsize=8, color=MUTED)
        lay_out(figure)
        return drawn(figure, identifier=identifier, title=title)


def _published(bins: Sequence[Bin], min_cell: int) -> tuple[Bin, ...]:
    return tuple(one for one in bins if one.observed.n >= min_cell)


def _draw(axes: Axes, group: Slice, bins: Sequence[Bin], n: int) -> None:
    axes.patch.set_visible(False)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1], ["0", "50", "100 %"])
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100 %"])
    axes.tick_params(colors=MUTED, length=2, labelsize=7)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set_title(group_label(group, limit=24), fontsize=8, color=INK, parse_math=False)
    axes.text(0.97, 0.03, f"n = {n:,}", ha="right", color=MUTED, fontsize=7)
    for one in bins:
        x, y = one.promised.value, one.observed.value
        if x is None or y is None:
            continue
        if one.observed.low is not None and one.observed.high is not None:
            axes.plot((x, x), (one.observed.low, one.observed.high), color=POINT, linewidth=1.4, zorder=2)
        mark, colour, face = ("D", EMPHASIS, "none") if one.outside else ("o", POINT, POINT)
        axes.plot([x], [y], marker=mark, color=colour, markerfacecolor=face, linestyle="none", markersize=4.5, zorder=3)
