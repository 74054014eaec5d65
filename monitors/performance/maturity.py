"""From when on enough labels are there: how old a window must be, and whether slow labels are like fast ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import EVERYONE, Slice, Window
from audit.tally import SLICE
from monitors.performance.arrival_curves import ArrivalCurve, arrival_curve
from monitors.performance.arrivals import Arrivals, Delays, delays_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """How late and missing labels are treated.

    Parameters
    ----------
    level
        Confidence level of every interval, in (0, 1).
    mature
        A window is mature when this share of the labels that come at all is there, in every class and group.
    limit
        Delays, or coverage, that differ by more than this between classes, groups or predictions mark selective labels.
    metrics
        Rates for which matured and weighted values and worst cases are given.
    points
        At most so many points of an arrival curve are written out.

    Raises
    ------
    InputError
        If a number lies outside its range, or there is no metric.

    Examples
    --------
    >>> LabelSettings().mature
    0.95
    """

    level: float = 0.95
    mature: float = 0.95
    limit: float = 0.05
    metrics: tuple[str, ...] = ("accuracy", "false_positive_rate", "false_negative_rate")
    points: int = 12

    def __post_init__(self) -> None:
        shares = {"level": self.level, "mature": self.mature, "limit": self.limit}
        found = [f"{name} must lie in (0, 1); got {value}" for name, value in shares.items() if not 0 < value < 1]
        if not self.metrics:
            found.append("metrics is empty; name at least one rate, such as accuracy")
        if self.points < 2:
            found.append(f"points must be at least 2; got {self.points}")
        raise_violations(found)


class Part(NamedTuple):
    """A slice of the arrivals, and which cells it holds.

    Examples
    --------
    >>> Part((("sex", "F"),), np.array([True, False])).slice
    (('sex', 'F'),)
    """

    slice: Slice
    mask: Mask


class Maturity(NamedTuple):
    """How old, in steps, a row must be for its label to be there, and the windows that are that old.

    `age` is None where too few labels have come to say.

    Examples
    --------
    >>> Maturity(None, ()).until is None
    True
    """

    age: int | None
    windows: tuple[Window, ...]

    @property
    def until(self) -> datetime | None:
        """The end of the last mature window."""
        return self.windows[-1][1] if self.windows else None


def parts_of(arrivals: Arrivals) -> tuple[Part, ...]:
    """Return everyone and the groups of each feature, with their cells.

    Examples
    --------
    >>> Part(EVERYONE, np.array([True])).slice
    ()
    """
    rows = arrivals.cells.num_rows
    found = [Part(EVERYONE, np.ones(rows, dtype=bool))]
    for name in arrivals.features:
        values = np.array(arrivals.cells[SLICE + name].to_pylist(), dtype=object)
        groups = sorted({value for value in values.tolist()}, key=lambda value: (value is None, value or ""))
        found += [Part(((name, group),), values == group) for group in groups]
    return tuple(found)


def classes_of(arrivals: Arrivals, cells: Delays) -> tuple[tuple[str, Mask], ...]:
    """Return the classes that labels have so far, the positive one last, with their cells."""
    there = {label for label in cells.label.tolist() if label is not None}
    ordered = sorted(there, key=lambda label: label == arrivals.positive)
    return tuple((label, cells.label == label) for label in ordered)


def curves_by_class(
    arrivals: Arrivals, cells: Delays, part: Part, *, level: float = 0.95
) -> Iterator[tuple[str, ArrivalCurve]]:
    """Yield the arrival curve of each class in a slice."""
    for label, mask in classes_of(arrivals, cells):
        yield label, arrival_curve(cells, part.mask & mask, level=level)


def maturity_of(arrivals: Arrivals, *, share: float = 0.95) -> Maturity:
    """Return from which age on the labels are there, by the slowest class of the slowest group, and the windows.

    Groups and classes of which too few labels came (`arrival_curves.MIN_LABELS`) do not hold the others up.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import UTC, datetime, timedelta
    >>> from monitors.windows import Windows
    >>> edges = tuple(datetime(2026, 1, day, tzinfo=UTC) for day in (5, 12, 19))
    >>> table = pa.table({"y_true": ["1", "1", None], "y_pred": ["1"] * 3, "window": [0, 0, 1], "age": [9, 9, 2],
    ...                   "delay": [1, 2, None], "n": [40, 60, 50]})
    >>> windows = Windows(edges=edges, regular=True, complete=2)
    >>> arrivals = Arrivals(features=(), positive="1", cells=table, windows=windows, as_of=edges[-1],
    ...                     step=timedelta(days=1))
    >>> found = maturity_of(arrivals)
    >>> found.age, found.until.day
    (3, 12)
    """
    cells = delays_of(arrivals)
    curves = [curve for part in parts_of(arrivals) for _, curve in curves_by_class(arrivals, cells, part)]
    ages = [curve.age_of(share) for curve in curves if curve.known]
    if not ages:
        return Maturity(None, ())
    wait = max(ages) * arrivals.step
    old = tuple(window for window in arrivals.windows.windows if window[1] + wait <= arrivals.as_of)
    return Maturity(max(ages), old)
