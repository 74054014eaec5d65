"""The part of the report on a comparison of models: who got worse for sure, what is unknown, who was helped."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from audit.paired.paired_rows import Outcome
from audit.result import Result
from dashboards.changes import LISTED, OUTCOMES, Shown, candidates, changes, helped_and_harmed, summary
from dashboards.labels import slice_label
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn, lay_out
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.report.svg import INK, MUTED
from dashboards.tables import DEFAULT_MIN_CELL, value_text
from dashboards.theme import PALETTE
from dashboards.words import metric_title

MOST = 12
"""Most changes in the picture and the table; the JSON and the dashboard hold all."""

_EXPLAINED = (
    "Both models judged the same rows. What they agree on says nothing about which is better, so each change is "
    "measured on the rows about which they differ: a paired interval, much narrower than that of two separate audits. "
    "The intervals of all groups of a feature hold together."
)
_MARKS: Mapping[Outcome, tuple[str, str]] = {
    "worse": ("X", PALETTE["vermilion"]),
    "changed": ("^", PALETTE["purple"]),
    "not shown": ("D", "none"),
    "better": ("o", PALETTE["blue"]),
}


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return one section per candidate; none where the result compares no models on the same rows.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    return tuple(_section(result, name, number, min_cell) for number, name in enumerate(candidates(result), start=1))


def _section(result: Result, candidate: str, number: int, min_cell: int) -> Section:
    hidden = hidden_groups(result, min_cell=min_cell)
    found = changes(result, candidate=candidate, min_cell=min_cell, hidden=hidden)
    said = summary(result, candidate=candidate, min_cell=min_cell, hidden=hidden)
    worse = 1 + min(sum(shown.outcome == "worse" for shown in found), LISTED)
    texts = [*said[:1], *(f"• {one}" for one in said[1:worse]), *said[worse:], _EXPLAINED]
    listed = found[:MOST]
    pictures: tuple[Picture, ...] = ()
    if listed:
        title = "Changes, worse first"
        svg = changes_svg(listed, identifier=f"compare-{number}", title=title)
        sentence = (
            "A mark is the change from the baseline to the candidate, the line its interval; at 0 nothing changes."
        )
        pictures = (Picture(svg=svg, title=title, sentence=sentence),)
    pairs = [pair for pair in helped_and_harmed(result, candidate=candidate) if pair[0].slice not in hidden]
    rows = [shown.row for shown in listed] + [row for pair in pairs for row in pair]
    if len(found) > MOST:
        texts.append(f"{len(found) - MOST} more changes stand in the JSON.")
    return Section(
        title="Candidate and baseline on the same rows",
        text="\n\n".join(texts),
        measurements=tuple(rows),
        pictures=pictures,
    )


def changes_svg(rows: Sequence[Shown], *, identifier: str, title: str) -> str:
    """Return the picture of changes as an ``<svg>`` element: a mark with a shape per outcome, a line per interval.

    Parameters
    ----------
    rows
        Changes, drawn from the top; metrics in shares and in other units may be mixed.
    identifier
        Unique within the page.
    title
        What the picture says, for those who do not see it.

    Raises
    ------
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> row = Measurement(metric="accuracy_difference", slice=(("g", "<b>"),), value=0.1, low=0.0, high=0.2, n=90,
    ...                   level=0.95, method="paired_score", against={"kind": "model", "model_version": "old"})
    >>> picture = changes_svg([Shown(row, "not shown")], identifier="c1", title="Changes")
    >>> "&lt;b&gt;" in picture, "<b>" in picture
    (True, False)
    """
    if not rows:
        msg = "a picture of changes needs at least one; got none"
        raise ValueError(msg)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 0.7 + 0.24 * len(rows)))
        axes = figure.subplots()
        for place, shown in enumerate(rows):
            _draw(axes, place, shown)
        axes.axvline(0, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        labels = [f"{metric_title(shown.metric)}, {slice_label(shown.row.slice, limit=24)}" for shown in rows]
        axes.set_yticks(range(len(rows)), labels, parse_math=False)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("change: candidate - baseline (0.1 = 10 points)", color=INK)
        axes.tick_params(colors=INK, length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        seen = {shown.outcome for shown in rows}
        handles = [_mark(axes, [], [], outcome) for outcome in OUTCOMES if outcome in seen]
        figure.legend(handles=handles, loc="upper right", ncols=len(handles), frameon=False)
        lay_out(figure, pad=1.08, top=1 - 0.3 / figure.get_figheight())
        return drawn(figure, identifier=identifier, title=title)


def _draw(axes: Axes, place: int, shown: Shown) -> None:
    row = shown.row
    if row.value is None:
        axes.text(0, place, value_text(row), color=MUTED, style="italic", va="center", parse_math=False)
        return
    if row.low is not None and row.high is not None:
        axes.plot((row.low, row.high), (place, place), color=INK, linewidth=1.4, zorder=2)
    _mark(axes, [row.value], [place], shown.outcome)


def _mark(axes: Axes, x: list[float], y: list[int], outcome: Outcome) -> Line2D:
    shape, colour = _MARKS[outcome]
    edge = INK if colour == "none" else colour
    (line,) = axes.plot(
        x, y, marker=shape, color=edge, markerfacecolor=colour, linestyle="none", markersize=5.5, zorder=3,
        label=OUTCOMES[outcome],
    )  # fmt: skip
    return line
