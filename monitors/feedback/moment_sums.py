"""Sums and products of a few columns by cell, over rows or clusters: what means, ratios and their errors need."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from audit.measurement import Slice
from audit.predictions import PredictionLog, feature_column
from audit.reading import Role
from monitors.feedback.decisions import group_of
from monitors.feedback.whole_sums import Ranges, cut, power, ranges_of
from monitors.timestamps import collected

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Totals of columns, and the products of their totals in independent units (rows, or clusters of rows).

    Examples
    --------
    >>> Moments(2, 2, np.array([2.0, 3.0]), np.array([[2.0, 3.0], [3.0, 5.0]]), clustered=False).n
    2
    """

    n: int
    units: int
    total: Floats
    """Shape (n_columns,)."""

    products: Floats
    """Sum over units of the outer product of a unit's totals, shape (n_columns, n_columns)."""

    clustered: bool


def unit_of(log: PredictionLog) -> Role | None:
    """Return the role whose rows depend on each other: cluster, else user; None where rows stand for themselves.

    Examples
    --------
    >>> import pyarrow as pa
    >>> unit_of(PredictionLog.from_frame(pa.table({"u": ["a"]}), task="watch", user="u"))
    'user'
    """
    roles: tuple[Role, ...] = ("cluster", "user")
    return next((role for role in roles if role in log.columns), None)


def moments_of(values: npt.ArrayLike, unit: npt.ArrayLike | None = None) -> Moments:
    """Return the moments of arrays: what `moment_sums` counts, for those who have no log.

    Parameters
    ----------
    values
        Shape (n_rows, n_columns).
    unit
        Which rows belong together, shape (n_rows,); None = each stands for itself.

    Examples
    --------
    >>> moments_of([[1.0, 2.0], [1.0, 1.0]]).products.tolist()
    [[2.0, 3.0], [3.0, 5.0]]
    """
    rows = np.asarray(values, dtype=np.float64)
    units = rows
    if unit is not None:
        codes = np.unique(np.asarray(unit), return_inverse=True)[1]
        units = np.zeros((int(codes.max()) + 1, rows.shape[1]))
        np.add.at(units, codes, rows)
    return Moments(len(rows), len(units), rows.sum(axis=0), units.T @ units, unit is not None)


def moment_sums(
    log: PredictionLog, rows: nw.LazyFrame[Any], columns: Sequence[str], *, by: Sequence[str], flags: bool = False
) -> dict[tuple[Any, ...], Moments]:
    """Return the moments of columns in each cell, as queries that bring back one row per cell.

    Parameters
    ----------
    log
        Where the rows are from; its role of `unit_of` says which of them depend on each other.
    rows
        The columns without missing values, those of `by`, and that of the role.
    columns
        Names of numbers.
    by
        Names of the columns that make a cell; a missing value is one of its own.
    flags
        The columns hold 1.0 and 0.0 alone: their sums are whole numbers, and need no look at their range.

    Notes
    -----
    Rows without a unit stand for themselves. Only whole numbers are summed (`monitors.feedback.whole_sums`): the order
    of rows, and threads, leave no trace in the last digit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"u": ["a", "a", "b"], "o": [1.0, 2.0, 4.0]}), task="watch", user="u",
    ...                                outcome="o")
    >>> found = moment_sums(log, log.table, ["outcome"], by=[])[()]
    >>> found.total.tolist(), found.products.tolist(), found.units  # 3 x 3 + 4 x 4
    ([7.0], [[25.0]], 2)
    """
    unit = unit_of(log)
    ranges = None if flags else ranges_of(log, rows, {name: nw.col(name) for name in columns})
    asked = _Asked(log, tuple(columns), tuple(by), ranges)
    if unit is None:
        return _of_rows(asked, rows)
    named = _of_units(asked, rows.filter(~nw.col(unit).is_null()), unit)
    alone = _of_rows(asked, rows.filter(nw.col(unit).is_null()))
    parts = {cell: [each[cell] for each in (named, alone) if cell in each] for cell in (*named, *alone)}
    return {cell: added(found)._replace(clustered=True) for cell, found in parts.items()}


class _Asked(NamedTuple):
    log: PredictionLog
    columns: tuple[str, ...]
    by: tuple[str, ...]
    ranges: Ranges | None
    """None where sums are whole numbers anyhow."""

    def scales(self) -> dict[str, float]:
        ranges = self.ranges
        return {f"s{i}": ranges.scale(name) if ranges else 1.0 for i, name in enumerate(self.columns)}

    def pairs(self) -> list[tuple[int, int]]:
        return list(combinations_with_replacement(range(len(self.columns)), 2))


def _of_rows(asked: _Asked, rows: nw.LazyFrame[Any]) -> dict[tuple[Any, ...], Moments]:
    """Return the moments of rows that stand for themselves."""
    columns, ranges = asked.columns, asked.ranges
    values = {f"s{i}": nw.col(name) for i, name in enumerate(columns)}
    values |= {f"p{i}_{j}": nw.col(columns[i]) * nw.col(columns[j]) for i, j in asked.pairs()}
    scales = asked.scales()
    scales |= {f"p{i}_{j}": ranges.scale(columns[i], columns[j]) if ranges else 1.0 for i, j in asked.pairs()}
    if ranges:
        values = {name: cut(value, scales[name]) for name, value in values.items()}
    table = rows.with_columns(**{"all": nw.lit(1)}, **values)
    sums = {name: nw.col(name).sum() for name in values}
    query = table.group_by("all", *asked.by).agg(n=nw.len(), units=nw.len(), **sums)
    return {
        tuple(row[name] for name in asked.by): _moments(row, scales, 1.0, clustered=False)
        for row in collected(asked.log, query).to_pylist()
    }


def _of_units(asked: _Asked, rows: nw.LazyFrame[Any], unit: str) -> dict[tuple[Any, ...], Moments]:
    """Return the moments of units: their totals first, then the products of these.

    Products of totals range so widely that whole numbers of one unit would be too coarse for most of them: what is cut
    off is summed beside, as whole numbers of a finer one.
    """
    columns, ranges, scales = asked.columns, asked.ranges, asked.scales()
    whole = {f"s{i}": nw.col(name) for i, name in enumerate(columns)}
    if ranges:
        whole = {name: cut(value, scales[name]) for name, value in whole.items()}
    keys = ("all", *asked.by)
    each = rows.with_columns(**{"all": nw.lit(1)}, **whole).group_by(*keys, unit)
    table = each.agg(n=nw.len(), **{name: nw.col(name).sum() for name in whole})
    products = {}
    fine = power(float(ranges.rows)) if ranges else 1.0
    for i, j in asked.pairs():
        scales[f"p{i}_{j}"] = ranges.scale(columns[i], columns[j], times=ranges.rows) if ranges else 1.0
        factor = scales[f"p{i}_{j}"] / (scales[f"s{i}"] * scales[f"s{j}"])
        products[f"p{i}_{j}"] = nw.col(f"s{i}") * nw.col(f"s{j}") * factor
    table = table.with_columns(**products)
    if ranges:
        rest = {f"r{name}": ((nw.col(name) - nw.col(name).floor()) * fine).floor() for name in products}
        table = table.with_columns(**rest, **{name: nw.col(name).floor() for name in products})
        products |= rest
    sums = {name: nw.col(name).sum() for name in (*whole, *products)}
    query = table.group_by(*keys).agg(n=nw.col("n").sum(), units=nw.len(), **sums)
    return {
        tuple(row[name] for name in asked.by): _moments(row, scales, fine, clustered=True)
        for row in collected(asked.log, query).to_pylist()
    }


def _moments(row: dict[str, Any], scales: dict[str, float], fine: float, *, clustered: bool) -> Moments:
    size = sum(name.startswith("s") for name in scales)
    products = np.zeros((size, size))
    for i, j in combinations_with_replacement(range(size), 2):
        name = f"p{i}_{j}"
        found = float(row[name]) + float(row.get(f"r{name}", 0.0)) / fine
        products[i, j] = products[j, i] = found / scales[name]
    total = np.array([float(row[f"s{i}"]) / scales[f"s{i}"] for i in range(size)])
    return Moments(int(row["n"]), int(row["units"]), total, products, clustered)


def added(moments: Sequence[Moments]) -> Moments:
    """Return the moments of several cells together, as if no unit had rows in two of them.

    Examples
    --------
    >>> one = moments_of([[1.0], [2.0]])
    >>> added([one, one]).total.tolist(), added([one, one]).n
    ([6.0], 4)
    """
    return Moments(
        sum(each.n for each in moments),
        sum(each.units for each in moments),
        np.sum([each.total for each in moments], axis=0),
        np.sum([each.products for each in moments], axis=0),
        any(each.clustered for each in moments),
    )


def group_moments(
    log: PredictionLog,
    rows: nw.LazyFrame[Any],
    columns: Sequence[str],
    *,
    by: Sequence[str] = (),
    flags: bool = False,
) -> list[tuple[Slice, tuple[Any, ...], Moments]]:
    """Return the moments of everyone and of each group of each sensitive feature, by cell.

    One pass for everyone and one for each feature, because a cluster may have rows in several groups.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"sex": ["F", "M"], "o": [1.0, 2.0]})
    >>> log = PredictionLog.from_frame(table, task="watch", sensitive_features=["sex"], outcome="o")
    >>> rows = log.table.select("feature_0", "outcome")
    >>> [(slice_, found.total.tolist()) for slice_, _, found in group_moments(log, rows, ["outcome"])]
    [((), [3.0]), ((('sex', 'F'),), [1.0]), ((('sex', 'M'),), [2.0])]
    """
    found = [((), cell, moments) for cell, moments in _ordered(moment_sums(log, rows, columns, by=by, flags=flags))]
    kept: list[tuple[Slice, tuple[Any, ...], Moments]] = list(found)
    for place in range(len(log.sensitive_features)):
        name = feature_column(place)
        cells = moment_sums(log, rows, columns, by=[name, *by], flags=flags)
        kept += [((group_of(log, {name: key[0]}, place),), key[1:], moments) for key, moments in _ordered(cells)]
    return kept


def _ordered(cells: dict[tuple[Any, ...], Moments]) -> list[tuple[tuple[Any, ...], Moments]]:
    return sorted(cells.items(), key=lambda cell: tuple((value is None, str(value)) for value in cell[0]))
