"""What a report says beyond rates and gaps: one part per capability, each silent where the result has none of its rows.

A part is one function from a result to the sections that it has to say; adding one = one module, one row here.
"""

from collections.abc import Callable

from audit.result import Result
from dashboards.report.section import Section

Part = Callable[[Result], tuple[Section, ...]]

PARTS: tuple[Part, ...] = ()
"""In the order in which a report shows them."""


def part_sections(result: Result) -> tuple[Section, ...]:
    """Return the sections of every part that has something to say about a result.

    Examples
    --------
    >>> part_sections(Result(measurements=[]))
    ()
    """
    return tuple(section for part in PARTS for section in part(result))
