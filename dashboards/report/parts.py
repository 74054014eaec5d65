"""What a report says beyond rates and gaps: one part per capability, each silent where the result has none of its rows.

A part is one function from a result to the sections that it has to say; adding one = one module, one row here.
"""

from collections.abc import Callable

from audit.result import Result
from dashboards.report import (
    adjusted_part,
    bounds_part,
    calibration_part,
    compare_part,
    deciders_part,
    flips_part,
    lint_part,
    mitigation_part,
    multiclass_part,
    ranking_part,
    regression_part,
    representation_part,
    sealed_part,
    slices_part,
    sources_part,
    thresholds_part,
)
from dashboards.report.section import Section

Part = Callable[[Result], tuple[Section, ...]]

PARTS: tuple[Part, ...] = (
    sealed_part.sections,
    lint_part.sections,
    multiclass_part.sections,
    deciders_part.sections,
    compare_part.sections,
    calibration_part.sections,
    slices_part.sections,
    thresholds_part.sections,
    representation_part.sections,
    regression_part.sections,
    ranking_part.sections,
    mitigation_part.sections,
    flips_part.sections,
    adjusted_part.sections,
    bounds_part.sections,
    sources_part.sections,
)
"""In the order in which a report shows them."""


def part_sections(result: Result) -> tuple[Section, ...]:
    """Return the sections of every part that has something to say about a result.

    Examples
    --------
    >>> part_sections(Result(measurements=[]))
    ()
    """
    return tuple(section for part in PARTS for section in part(result))
