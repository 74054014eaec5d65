"""What a report says beyond rates and gaps: one part per capability, each silent where the result has none of its rows.

A part is one function from a result, and from the smallest n that may be published, to the sections that it has to say;
adding one = one module, one row here.
"""

from collections.abc import Callable

from audit.result import Result
from dashboards.report import (
    adjusted_part,
    baselines_part,
    bounds_part,
    calibration_part,
    compare_part,
    deciders_part,
    flips_part,
    lint_part,
    loops_part,
    mitigation_part,
    monitoring_part,
    multiclass_part,
    ranking_part,
    regression_part,
    representation_part,
    sealed_part,
    slices_part,
    sources_part,
    thresholds_part,
    training_part,
)
from dashboards.report.section import Section

Part = Callable[[Result, int], tuple[Section, ...]]


def _of_any_size(sections: Callable[[Result], tuple[Section, ...]]) -> Part:
    """Return a part that names no group with its numbers: rows of hidden groups do not reach it."""
    return lambda result, _: sections(result)


LEADING: tuple[Part, ...] = (
    monitoring_part.sections,
    loops_part.sections,
    _of_any_size(training_part.sections),
    _of_any_size(sealed_part.sections),
    _of_any_size(lint_part.sections),
    _of_any_size(baselines_part.sections),
    compare_part.sections,
    slices_part.sections,
    sources_part.sections,
    _of_any_size(mitigation_part.sections),
    flips_part.sections,
    thresholds_part.sections,
    ranking_part.sections,
    deciders_part.sections,
    multiclass_part.sections,
)
"""What a run was made for stands before its groups."""

FURTHER: tuple[Part, ...] = (
    regression_part.sections,
    calibration_part.sections,
    bounds_part.sections,
    adjusted_part.sections,
    representation_part.sections,
)
"""What an audit says beside its rates stands after them. Both in the order in which a report shows them."""


def part_sections(parts: tuple[Part, ...], result: Result, *, min_cell: int) -> tuple[Section, ...]:
    """Return the sections of every part that has something to say about a result.

    Examples
    --------
    >>> part_sections(LEADING + FURTHER, Result(measurements=[]), min_cell=10)
    ()
    """
    return tuple(section for part in parts for section in part(result, min_cell))
