"""What a report keeps back, and what it says of that: how many groups are hidden, why, and verdicts without them."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from audit.measurement import Slice
from audit.publishing.redaction import names_hidden, speaking_of
from audit.result import Result
from dashboards.judgements import JudgedGate, JudgedRow
from dashboards.labels import features_label
from dashboards.report.section import Section
from dashboards.tables import DisplayRow

_UNTOLD = "this rests on groups whose numbers are hidden"


def hidden_sentence(hidden: Collection[Slice], *, min_cell: int) -> str:
    """Return how many groups a report hides, of which features, and why; "" where it hides none.

    Examples
    --------
    >>> hidden_sentence([(("race", "B"),), (("race", "C"),)], min_cell=10)
    '2 groups are hidden (race: 2), with every number that speaks of them: some number of theirs rests on fewer than 10
    rows, or they keep such a group from being found by subtraction.'
    >>> hidden_sentence([], min_cell=10)
    ''
    """
    if not hidden:
        return ""
    counts = Counter(tuple(name for name, _ in group) for group in hidden)
    where = "; ".join(f"{features_label(names)}: {n:,}" for names, n in sorted(counts.items(), key=_fewest_first))
    number = "1 group is" if len(hidden) == 1 else f"{len(hidden):,} groups are"
    return (
        f"{number} hidden ({where}), with every number that speaks of them: some number of theirs rests on fewer than "
        f"{min_cell} rows, or they keep such a group from being found by subtraction."
    )


def gate_without(gate: JudgedGate, result: Result, hidden: Collection[Slice], *, min_cell: int) -> JudgedGate:
    """Return a judged gate whose verdicts stand and whose numbers and reasons speak of no hidden group.

    Examples
    --------
    >>> row = JudgedRow(id="a", verdict="INSUFFICIENT", limit="", measured=None, rows_needed="",
    ...                 reason="race = C: n = 3, fewer than 30")
    >>> gate = JudgedGate(verdict="INSUFFICIENT", rows=(row,), not_auditable=(), policy=(), stage="", level=0.95,
    ...                   false_fail_level=0.05, result="")
    >>> gate_without(gate, Result(measurements=[]), [(("race", "C"),)], min_cell=10).rows[0].reason
    'this rests on groups whose numbers are hidden'
    """
    if not hidden:
        return gate
    speaks = speaking_of(result.measurements, hidden)

    def shown(row: JudgedRow) -> JudgedRow:
        reason = _UNTOLD if names_hidden(row.reason, hidden) else row.reason
        if row.judged is None or not speaks(row.judged):
            return replace(row, reason=reason)
        name = "" if row.measured is None else row.measured.name
        away = DisplayRow(name=name, value=_withheld(min_cell), interval="", n="", note="")
        return replace(row, measured=away, judged=None, reason="", rows_needed="")

    told = tuple(_declared(text, hidden) for text in gate.not_auditable)
    return replace(gate, rows=tuple(map(shown, gate.rows)), not_auditable=told)


def section_without(section: Section, result: Result, hidden: Collection[Slice]) -> Section:
    """Return a section without numbers that speak of hidden groups; rows of these groups stay, to be shown as hidden.

    Examples
    --------
    >>> section_without(Section(title="t", text="x"), Result(measurements=[]), [(("race", "C"),)]).text
    'x'
    """
    if not hidden or not section.measurements:
        return section
    speaks = speaking_of([*result.measurements, *section.measurements], hidden)
    kept = tuple(row for row in section.measurements if row.slice in hidden or not speaks(row))
    return replace(section, measurements=kept)


def _withheld(min_cell: int) -> str:
    """Return what stands in place of a judged number: that some group is too small, never which."""
    return f"hidden, to protect some group too small to publish (n < {min_cell})"


def _declared(text: str, hidden: Collection[Slice]) -> str:
    """Return what a person declared not auditable: whom, without why, where that is a hidden group."""
    whom, sign, _ = text.partition(": ")
    return f"{whom}{sign}{_UNTOLD}" if names_hidden(whom, hidden) else text


def _fewest_first(item: tuple[tuple[str, ...], int]) -> tuple[int, tuple[str, ...]]:
    return len(item[0]), item[0]
