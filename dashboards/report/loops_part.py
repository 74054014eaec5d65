"""The part of the report on feedback loops: is there one, how strong is it, what do we do; by round in a picture."""

from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.loop_columns import unmeasured
from dashboards.loop_sentences import HOW_STRONG, IS_THERE, WHAT_TO_DO, answers
from dashboards.loops import GAIN, headline, is_loops, known_rows, loop_alarms, published, rounds_of
from dashboards.report.blocks import Picture
from dashboards.report.loop_picture import rounds_picture
from dashboards.report.section import Section
from dashboards.tables import DEFAULT_MIN_CELL
from monitors.feedback.catalog import CATALOG, FIRST

_MOST = 16
_GROUPS = 4
"""Most groups of one metric in the table; the page and the JSON hold them all."""


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return the section on feedback loops; none of any other result.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_loops(result):
        return ()
    said = answers(result, min_cell=min_cell)
    strong, do = _bulleted(said.how_strong), _bulleted(said.what_to_do)
    rows = _rows(published(result, min_cell=min_cell))
    missing, of = len(unmeasured(result)), len([metric for metric in CATALOG if metric.of_a_log])
    if missing:
        do += (
            f"\n\n{missing} of {of} metrics of feedback loops could not be measured; why, and what to log for each, "
            "stands in the JSON and on the page Feedback loops."
        )
    return (
        Section(title=IS_THERE, text="\n\n".join([said.is_there[0], _bulleted(said.is_there[1:])])),
        Section(title=HOW_STRONG, text=strong, measurements=rows, pictures=_pictures(result, min_cell)),
        Section(title=WHAT_TO_DO, text=do),
    )


def _bulleted(sentences: Sequence[str]) -> str:
    return "\n\n".join(f"• {sentence}" for sentence in sentences)


def _rows(result: Result) -> tuple[Measurement, ...]:
    """Return what rang, then the gain and the first metrics: of each the row about everyone, or those of groups."""
    rung = [each.row for each in loop_alarms(result) if each.row is not None]
    names = dict.fromkeys([GAIN, *FIRST])
    found = {row.key(): row for row in rung}
    for name in names:
        found |= {row.key(): row for row in first_rows(result, name)}
    return tuple(found.values())[:_MOST]


def first_rows(result: Result, name: str, *, groups: int = _GROUPS) -> Sequence[Measurement]:
    """Return the row of everyone that speaks for a metric; where there is none, those of the first groups.

    Examples
    --------
    >>> row = Measurement(metric="usage", value=0.5, n=90, method="wilson")
    >>> [each.value for each in first_rows(Result(measurements=[row]), "usage")]
    [0.5]
    """
    row = headline(result, name)
    return known_rows(result, name)[:groups] if row is None or row.value is None else [row]


def _pictures(result: Result, min_cell: int) -> tuple[Picture, ...]:
    rounds = rounds_of(result, min_cell=min_cell)
    if not rounds.drawable:
        return ()
    return (rounds_picture(rounds.closed, rounds.held_out, gap=rounds.gap, rang=rounds.rang, identifier="loops"),)
