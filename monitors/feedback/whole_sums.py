"""Sums that do not depend on the order of rows: of whole numbers, small enough that each of them is exact.

Sums of floating point numbers differ in their last digits with the order of addition, and with it from run to run
where an engine has threads. A column is therefore multiplied by a power of two, as large as its range and the number
of rows permit, and cut to whole numbers: sums below 2**53 are exact in any order, on every engine.
"""

from collections.abc import Mapping
from math import ceil, isfinite, log2
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog
from monitors.timestamps import collected

_DIGITS = 52


class Ranges(NamedTuple):
    """How many rows there are, and the largest absolute value of each column.

    Examples
    --------
    >>> Ranges(4, {"score": 1.0}).scale("score")  # 4 x 2**50 = 2**52
    1125899906842624.0
    """

    rows: int
    largest: Mapping[str, float]

    def scale(self, *columns: str, times: float = 1.0) -> float:
        """Return the power of two by which a product of columns is multiplied before it is cut and summed.

        `times` is by how much more it may be than in a row, where it is a product of totals.
        """
        bound = float(self.rows) * times
        for column in columns:
            bound *= self.largest[column]
        return power(bound)


def power(bound: float) -> float:
    """Return the largest power of two that keeps a bound at or below 2**52; 1 where it says nothing.

    Examples
    --------
    >>> power(2.0**50), power(0.0)
    (4.0, 1.0)
    """
    if not (isfinite(bound) and bound > 0):
        return 1.0
    return 2.0 ** max(min(_DIGITS - ceil(log2(bound)), 900), -900)


def ranges_of(log: PredictionLog, rows: nw.LazyFrame[Any], columns: Mapping[str, nw.Expr]) -> Ranges:
    """Return the ranges of expressions over rows of a log, in one pass.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"s": [0.5, -2.0]}), task="watch", y_score="s")
    >>> ranges_of(log, log.table, {"score": nw.col("y_score")})
    Ranges(rows=2, largest={'score': 2.0})
    """
    ends = {f"low_{name}": each.min() for name, each in columns.items()}
    ends |= {f"high_{name}": each.max() for name, each in columns.items()}
    row = collected(log, rows.select(n=nw.len(), **ends)).to_pylist()[0]
    largest = {name: max(abs(row[f"low_{name}"] or 0.0), abs(row[f"high_{name}"] or 0.0)) for name in columns}
    return Ranges(int(row["n"]), {name: float(value) for name, value in largest.items()})


def cut(value: nw.Expr, scale: float) -> nw.Expr:
    """Return a value as a whole number of units of 1 / scale; add these up, and divide the sum by the scale.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = nw.from_native(pa.table({"s": [0.3, 0.5]}))
    >>> table.select(s=cut(nw.col("s"), 4.0))["s"].to_list()
    [1.0, 2.0]
    """
    return (value * scale + 0.5).floor()


def whole_totals(log: PredictionLog, rows: nw.LazyFrame[Any], columns: Mapping[str, nw.Expr]) -> dict[str, float]:
    """Return the totals of expressions over all rows (missing values left out), the same in any order of rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"s": [0.25, 0.5]}), task="watch", y_score="s")
    >>> whole_totals(log, log.table, {"score": nw.col("y_score")})
    {'score': 0.75}
    """
    ranges = ranges_of(log, rows, columns)
    scales = {name: ranges.scale(name) for name in columns}
    sums = {name: cut(each, scales[name]).sum() for name, each in columns.items()}
    row = collected(log, rows.select(**sums)).to_pylist()[0]
    return {name: float(row[name] or 0.0) / scales[name] for name in columns}


def steady(value: float) -> float:
    """Return a number with ten digits: one that columns are centred or scaled by, where any near it would do.

    A mean of floating point numbers differs in its last digits from run to run; what is counted about it must not.

    Examples
    --------
    >>> steady(0.1 + 0.2), steady(-123456789.123456)
    (0.3, -123456789.1)
    """
    return float(f"{float(value):.10g}")
