"""What a report says of several labels: which label is found worst, for whom, and what is taken for what."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label, slice_label
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.report.svg import INK, MUTED
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, value_text
from dashboards.theme import POINT

LONGEST = 12
"""Most labels in the picture; the app and the JSON hold the whole matrix."""

_RECALL = "true_positive_rate"
_MOST = 8


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return the section of an audit of several labels; none for other results.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    recalls = [row for row in result.measurements if row.metric == _RECALL and _label(row) and not row.slice]
    plain = [row for row in recalls if row.against is None]
    if not plain:
        return ()
    gaps = _gaps(result, min_cell)
    text = f"{_worst_sentence(plain, min_cell)}\n\n{_gap_sentence(gaps)}"
    matrix = [row for row in result.measurements if row.metric == "confusion_rate" and not row.slice]
    labels = sorted({_label(row) for row in plain})
    pictures = (_picture(matrix, labels, min_cell),) if matrix and len(labels) <= LONGEST else ()
    return (Section(title="Several labels", text=text, measurements=tuple(gaps[:_MOST]), pictures=pictures),)


def _label(row: Measurement) -> str:
    return str(dict(row.at)["class"]) if [key for key, _ in row.at] == ["class"] else ""


def _gaps(result: Result, min_cell: int) -> list[Measurement]:
    """Return each label's differences of recall between a group and the rest, the largest for sure first."""
    hidden = hidden_groups(result, min_cell=min_cell)
    rows = [
        row
        for row in result.measurements
        if row.metric == f"{_RECALL}_difference"
        and row.slice not in hidden
        and row.against == {"kind": "rest"}
        and _label(row)
        and row.n >= min_cell
        and row.value is not None
    ]
    # Of two groups one lies as far below as the other above: the one below is whose rows are missed.
    return sorted(rows, key=lambda row: (-round(_for_sure(row), 9), row.value or 0.0, row.key()))


def _for_sure(row: Measurement) -> float:
    if row.low is None or row.high is None:
        return 0.0
    return max(row.low, -row.high, 0.0)


def _worst_sentence(rows: Sequence[Measurement], min_cell: int) -> str:
    known = [row for row in rows if row.value is not None and row.n >= min_cell]
    if not known:
        return f"No label has {min_cell} true rows: nothing can be said of single labels."
    worst = min(known, key=lambda row: row.value or 0.0)
    name = safe_label(_label(worst), target="text", limit=60)
    found = f"{value_text(worst)} {interval_text(worst)}".strip()
    return (
        f"Of {len(rows)} labels, “{name}” is found least often: {found} of the {worst.n:,} rows that truly have it. "
        f"Each label was audited against the rest."
    )


def _gap_sentence(gaps: Sequence[Measurement]) -> str:
    if not gaps:
        return "No groups were compared label by label."
    first = gaps[0]
    if not _for_sure(first):
        return "For no label and no group does the share that is found differ for sure from that of the rest."
    side = "below" if (first.value or 0.0) < 0 else "above"
    name = safe_label(_label(first), target="text", limit=60)
    return (
        f"The largest difference for sure: rows that truly are “{name}” are found "
        f"{value_text(first).lstrip('+−')} {interval_text(first)} {side} the rest for {slice_label(first.slice)}."
    )


def _picture(rows: Sequence[Measurement], labels: Sequence[str], min_cell: int) -> Picture:
    cells = {(str(dict(row.at)["class"]), str(dict(row.at)["predicted"])): row for row in rows}
    title = "Which true label got which prediction, everyone"
    size = 0.62 * len(labels) + 1.9
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(size, 0.34 * len(labels) + 1.1))
        axes = figure.add_axes(
            (1.5 / size, 0.95 / figure.get_figheight(), 1 - 1.6 / size, 0.3 * len(labels) / figure.get_figheight())
        )
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.patch.set_visible(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0, colors=MUTED)
        axes.set_xticks([])
        axes.set_yticks([])
        for line, true in enumerate(labels):
            name = safe_label(true, target="text", limit=16)
            axes.text(-0.6, line, name, ha="right", va="center", color=INK, parse_math=False)
            axes.text(line, len(labels) - 0.3, name, ha="right", va="top", color=INK, rotation=30, parse_math=False)
            for place, predicted in enumerate(labels):
                _cell(axes, (place, line), cells.get((true, predicted)), min_cell)
        svg = drawn(figure, identifier="confusion", title=title)
    sentence = "Each line is one true label and sums to 100 %; what is right stands on the diagonal."
    return Picture(svg=svg, title=title, sentence=sentence)


def _cell(axes: Axes, at: tuple[int, int], row: Measurement | None, min_cell: int) -> None:
    if row is None or row.value is None or row.n < min_cell:
        hidden = row is not None and row.n < min_cell
        axes.text(*at, "hidden" if hidden else "–", ha="center", va="center", color=MUTED, fontsize=7)
        return
    axes.add_patch(
        Rectangle((at[0] - 0.48, at[1] - 0.46), 0.96, 0.92, color=POINT, alpha=0.75 * row.value, linewidth=0)
    )
    axes.text(*at, f"{100 * row.value:.0f} %", ha="center", va="center", color=INK, fontsize=8)
