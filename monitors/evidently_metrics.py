"""Our measurements as metrics of an Evidently snapshot, so that one page and one workspace hold both."""

import sys
from collections.abc import Iterable

from audit.measurement import Measurement, Window
from monitors.evidently_door import SingleValueCalculation, SingleValueMetric
from monitors.evidently_frames import defused

_MYSELF = sys.modules[__name__]
# Evidently never lets go of classes of its metrics, nor they of this module's names. Python clears the names of a
# module that still is there when it ends, and of no other: what hangs on them, the engine too, would be told as leaked.

MOST = 200
"""So many of our measurements go into one snapshot, in the order of the result."""


class EvenhandedMeasurement(SingleValueMetric):  # type: ignore[misc] # Evidently ships no types
    """A measurement of ours: Evidently shows it and computes nothing.

    Examples
    --------
    >>> EvenhandedMeasurement(title="count of everyone", key="k", number=3.0).number
    3.0
    """

    title: str
    key: str
    number: float


class EvenhandedCalculation(SingleValueCalculation[EvenhandedMeasurement]):  # type: ignore[misc] # as above
    """What Evidently calls to get the number of an `EvenhandedMeasurement`.

    Examples
    --------
    >>> EvenhandedCalculation.__mro__[1].__name__.startswith("SingleValueCalculation")
    True
    """

    def calculate(self, context: object, current_data: object, reference_data: object) -> object:
        """Return the number; the data are not looked at."""
        del context, current_data, reference_data
        return self.result(self.metric.number)

    def display_name(self) -> str:
        """Return what the page calls it."""
        return str(self.metric.title)


def metrics_of(rows: Iterable[Measurement], window: Window) -> list[EvenhandedMeasurement]:
    """Return the defined measurements of a window as metrics, `MOST` at most.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    >>> row = Measurement(metric="selection_rate", slice=(("sex", "F"),), window=day, value=0.25, low=0.125, high=0.5,
    ...                   n=8, level=0.95, method="exact")
    >>> metrics_of([row], day)[0].title
    'selection_rate, sex = F: [0.125, 0.5], n = 8'
    """
    chosen = [row for row in rows if row.window == window and row.value is not None][:MOST]
    return [EvenhandedMeasurement(title=_title(row), key=defused(row.key()), number=row.value) for row in chosen]


def _title(row: Measurement) -> str:
    where = [f"{name} = {'missing' if value is None else value}" for name, value in row.slice]
    where += [f"{key} {value}" for key, value in row.at]
    if row.against is not None:
        where.append(f"against {row.against['kind']}")
    ends = ["-inf" if row.low is None else f"{row.low:.4g}", "inf" if row.high is None else f"{row.high:.4g}"]
    interval = "" if row.low is None and row.high is None else f"[{ends[0]}, {ends[1]}], "
    return defused(f"{', '.join([row.metric, *where])}: {interval}n = {row.n:,}")
