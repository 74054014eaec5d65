"""What a report says of a split: what was found, what was looked for, what could not be checked."""

import matplotlib as mpl
from matplotlib.figure import Figure

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label
from dashboards.lint_rows import (
    LIMITS,
    clear_sentence,
    finding_sentence,
    head_sentence,
    importance_rows,
    is_lint,
    read_findings,
    suspect_share,
    unchecked_sentence,
)
from dashboards.report.blocks import Picture
from dashboards.report.drawing import SETTINGS, drawn
from dashboards.report.section import Section
from dashboards.report.svg import GRID, INK, MUTED
from dashboards.tables import interval_text, value_text
from dashboards.theme import POINT

MOST = 12
"""Most findings in words and most features in the picture; the saved run holds them all."""

_WIDTH, _ROW, _MARGIN = 4.4, 0.27, 0.5  # inches
_IMPORTANCE = (
    "What gradient boosting on these features leans on: by how much its log loss on test rows rises when a feature is "
    "shuffled among them. Features that make no sense here are the first to ask about. It says what that model uses, "
    "not what causes anything."
)


def sections(result: Result) -> tuple[Section, ...]:
    """Return the sections of a lint; none of any other result.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_lint(result):
        return ()
    read = read_findings(result)
    open_ = [each for each in read if each.status in {"found", "undecided"}]
    listed = [
        finding_sentence(each) if each.status == "found" else f"Not decided: {finding_sentence(each)}"
        for each in open_[:MOST]
    ]
    more = f"{len(open_) - MOST} more stand in the saved run." if len(open_) > MOST else ""
    parts = [head_sentence(result, read), *listed, more, clear_sentence(read), unchecked_sentence(read), LIMITS]
    text = "\n\n".join(part for part in parts if part)
    rows = tuple(each.row for each in open_[:MOST])
    return (Section(title="Can this split be trusted?", text=text, measurements=rows), *_model(result))


def _model(result: Result) -> tuple[Section, ...]:
    rows = importance_rows(result)
    share = suspect_share(result)
    parts = [_IMPORTANCE if rows else ""]
    if share is not None and share.value is not None:
        parts.append(
            f"Labels worth a second look: {value_text(share)} {interval_text(share)} of {share.n:,} rows, where models "
            f"that had not seen the row firmly disagree with its label. That is a list to look at, not the share of "
            f"wrong labels."
        )
    elif share is not None:
        parts.append(f"Labels worth a second look: {share.reason}.")
    if not any(parts):
        return ()
    text = "\n\n".join(part for part in parts if part)
    pictures = (Picture(svg=_bars(rows[:MOST]), title="Importance", sentence=_sentence(rows[:MOST])),) if rows else ()
    return (Section(title="What a simple model leans on", text=text, pictures=pictures),)


def _sentence(rows: tuple[Measurement, ...]) -> str:
    named = ", ".join(f"{_name(row)} {row.value:.3f}" for row in rows[:3])
    return f"Bars are the rise of the log loss, lines their intervals. Largest: {named}."


def _name(row: Measurement) -> str:
    return safe_label(str(dict(row.at)["feature"]), target="text", limit=32)


def _bars(rows: tuple[Measurement, ...]) -> str:
    with mpl.rc_context(SETTINGS):
        height = _MARGIN + _ROW * len(rows)
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.36, _MARGIN / height, 0.6, 1 - _MARGIN / height))
        for place, row in enumerate(rows):
            axes.barh(place, row.value or 0.0, height=0.55, color=POINT)
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [place, place], color=INK, linewidth=1.2)
        axes.set_yticks(range(len(rows)))
        axes.set_yticklabels([_name(row) for row in rows], parse_math=False, color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.axvline(0, color=GRID, linewidth=0.8, zorder=0)
        axes.set_xlabel("rise of the log loss when shuffled", color=MUTED)
        axes.tick_params(length=0, colors=INK)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(GRID)
        return drawn(figure, identifier="importance", title=_sentence(rows))
