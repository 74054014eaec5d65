"""The report: one HTML page, no scripts, no links to elsewhere; the same input gives the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audit.measurement import Slice
from audit.publishing.redaction import redacted
from audit.result import Result
from audit.store import write_text
from dashboards.judgements import judged_gate, read_gate
from dashboards.labels import safe_label
from dashboards.report.background import alarm_table, extra_section, interval_methods, provenance_table, reading_remarks
from dashboards.report.blocks import ExtraSection, GroupSection, Table
from dashboards.report.groups import gap_table, group_sections, hidden_groups, intersection_sections
from dashboards.report.parts import FURTHER, LEADING, part_sections
from dashboards.report.section import Section
from dashboards.report.summary import UNJUDGED, summarise
from dashboards.report.withheld import gate_without, section_without
from dashboards.tables import DEFAULT_MIN_CELL
from dashboards.theme import VERDICTS
from dashboards.weights import weights_text

if TYPE_CHECKING:
    from checklists.gate import GateResult

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_report(
    result: Result,
    *,
    gate: "GateResult | Mapping[str, Any] | None" = None,
    title: str,
    sections: Sequence[Section] = (),
    min_cell: int | None = None,
) -> str:
    """Return the report of an audit as one HTML page that stands by itself.

    The page needs no network, no scripts and no other file, and says so to the browser in its content security policy.
    It opens with a summary for people who decide: what was asked, what was found, for whom it fails first, what is not
    known and what would show it. What the run
    was made for, the groups, the largest gaps, the intersections, the method and the provenance follow.

    Parameters
    ----------
    result
        What was measured.
    gate
        The verdicts of a policy, or the record of a stored ``gate.json`` (`dashboards.judgements.read_gate`); without
        one the page says that none was judged and leads with the largest differences.
    title
        The heading of the page.
    sections
        Extra context, shown after the intersections.
    min_cell
        Numbers that rest on fewer rows are hidden, together with others from which they could be found by subtraction;
        verdicts are not touched. None = what the gate's policy says, else (and for a stored record) `DEFAULT_MIN_CELL`.
        0 hides nothing.

    Returns
    -------
    str
        The page, UTF-8 text without a clock: equal input gives equal text.

    Raises
    ------
    EvidenceError
        If the gate's record is malformed.

    Examples
    --------
    >>> from audit.measurement import Measurement
    >>> rows = [Measurement(metric="accuracy", value=0.66, low=0.65, high=0.67, n=6172, level=0.95, method="wilson")]
    >>> page = render_report(Result(measurements=rows), title="A model & its errors")
    >>> "<h1>A model &amp; its errors</h1>" in page, "<script" in page, "No policy was judged" in page
    (True, False, True)
    """
    smallest = _min_cell(gate, min_cell)
    hidden = hidden_groups(result, min_cell=smallest)
    judged = None if gate is None else judged_gate(_record(gate), min_cell=smallest)
    judged = None if judged is None else gate_without(judged, result, hidden, min_cell=smallest)
    public = redacted(result, hidden)
    more = [section_without(section, result, hidden) for section in sections]
    shown = partial(_as_text, min_cell=smallest, hidden=hidden)
    return _PAGES.get_template("report.html").render(
        title=safe_label(title, target="text", limit=160),
        unjudged_intro=UNJUDGED,
        summary=summarise(result, judged, min_cell=smallest),
        gate=judged,
        styles=VERDICTS,
        groups=[_weighted(section, result) for section in group_sections(result, min_cell=smallest)],
        gaps=_captioned(gap_table(result, min_cell=smallest), result),
        intersections=[_weighted(section, result) for section in intersection_sections(result, min_cell=smallest)],
        alarms=alarm_table(public, min_cell=smallest),
        leading=shown(part_sections(LEADING, public, min_cell=smallest)),
        further=shown([*part_sections(FURTHER, public, min_cell=smallest), *more]),
        methods=interval_methods(result),
        remarks=reading_remarks(result),
        levels=sorted({row.level for row in result.measurements if row.level is not None}),
        min_cell=smallest,
        provenance=provenance_table(result),
        total=len(result.measurements),
        digest=result.digest(),
    )


def write_report(
    result: Result,
    path: str | Path,
    *,
    gate: "GateResult | Mapping[str, Any] | None" = None,
    title: str,
    sections: Sequence[Section] = (),
    min_cell: int | None = None,
) -> Path:
    """Write the page of `render_report` to a file and return its path.

    Parameters
    ----------
    result, gate, title, sections, min_cell
        As in `render_report`.
    path
        The file; one that is there already is replaced.

    Raises
    ------
    EvidenceError
        As `render_report`.
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     page = write_report(Result(measurements=[]), Path(folder) / "report.html", title="Triage")
    ...     page.name, "<h1>Triage</h1>" in page.read_text(encoding="utf-8")
    ('report.html', True)
    """
    target = Path(path)
    page = render_report(result, gate=gate, title=title, sections=sections, min_cell=min_cell)
    write_text(target, page)
    return target


def _weighted(section: GroupSection, result: Result) -> GroupSection:
    """Return a section whose tables say in their captions what the numbers are weighted by."""
    tables = [_captioned(table, result) for table in section.tables]
    return replace(section, tables=tuple(table for table in tables if table is not None))


def _captioned(table: Table | None, result: Result) -> Table | None:
    text = weights_text(result)
    return table if table is None or not text else replace(table, caption=f"{table.caption} ({text})")


def _as_text(sections: Sequence[Section], *, min_cell: int, hidden: frozenset[Slice]) -> list[ExtraSection]:
    return [extra_section(section, min_cell=min_cell, hidden=hidden) for section in sections]


def _min_cell(gate: "GateResult | Mapping[str, Any] | None", asked: int | None) -> int:
    if asked is not None:
        return asked
    if gate is None:
        return DEFAULT_MIN_CELL
    return int(gate.get("min_cell", DEFAULT_MIN_CELL)) if isinstance(gate, Mapping) else gate.policy.min_cell


def _record(gate: "GateResult | Mapping[str, Any]") -> Mapping[str, Any]:
    return gate if isinstance(gate, Mapping) else read_gate(gate.to_json())
