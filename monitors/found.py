"""What each monitor returns: rows and alarms, to be gathered into one result."""

from collections.abc import Iterable
from typing import NamedTuple

from audit.measurement import Measurement
from audit.result import Alarm


class Found(NamedTuple):
    """Rows and alarms of one monitor.

    Every alarm holds the key of one of the rows.

    Examples
    --------
    >>> Found().rows
    ()
    """

    rows: tuple[Measurement, ...] = ()
    alarms: tuple[Alarm, ...] = ()


def gathered(parts: Iterable[Found]) -> Found:
    """Return what several monitors found, in their order.

    Examples
    --------
    >>> row = Measurement(metric="count", value=3, n=3, method="count")
    >>> len(gathered([Found(rows=(row,)), Found()]).rows)
    1
    """
    found = tuple(parts)
    rows = tuple(row for part in found for row in part.rows)
    return Found(rows, tuple(alarm for part in found for alarm in part.alarms))
