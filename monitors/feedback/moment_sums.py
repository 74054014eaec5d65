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
    log: PredictionLog, rows: nw.LazyFrame[Any], columns: Sequence[str], *, by: Sequence[str]
) -> dict[tuple[Any, ...], Moments]:
    """Return the moments of columns in each cell, in one pass that brings back one row per cell.

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

    Notes
    -----
    Rows without a unit stand for themselves.

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
    pairs = list(combinations_with_replacement(range(len(columns)), 2))
    products = {f"p{i}_{j}": nw.col(columns[i]) * nw.col(columns[j]) for i, j in pairs}
    everywhere = rows.with_columns(**{"all": nw.lit(1)}, **products)
    keys = ["all", *by]
    sums = {f"s{i}": nw.col(name).sum() for i, name in enumerate(columns)}
    rowwise = {name: nw.col(name).sum() for name in products}
    if unit is None:
        query = everywhere.group_by(*keys).agg(n=nw.len(), units=nw.len(), **sums, **rowwise)
    else:
        each = everywhere.group_by(*keys, unit).agg(n=nw.len(), **sums, **rowwise)
        alone = nw.col(unit).is_null()
        squares = {
            f"p{i}_{j}": nw.when(alone).then(nw.col(f"p{i}_{j}")).otherwise(nw.col(f"s{i}") * nw.col(f"s{j}"))
            for i, j in pairs
        }
        units = nw.when(alone).then(nw.col("n")).otherwise(nw.lit(1))
        totals = {f"s{i}": nw.col(f"s{i}").sum() for i in range(len(columns))}
        query = (
            each.with_columns(units=units, **squares)
            .group_by(*keys)
            .agg(n=nw.col("n").sum(), units=nw.col("units").sum(), **totals, **rowwise)
        )
    return {
        tuple(row[name] for name in by): _moments(row, len(columns), clustered=unit is not None)
        for row in collected(log, query).to_pylist()
    }


def _moments(row: dict[str, Any], size: int, *, clustered: bool) -> Moments:
    products = np.zeros((size, size))
    for i, j in combinations_with_replacement(range(size), 2):
        products[i, j] = products[j, i] = float(row[f"p{i}_{j}"])
    total = np.array([float(row[f"s{i}"]) for i in range(size)])
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
    log: PredictionLog, rows: nw.LazyFrame[Any], columns: Sequence[str], *, by: Sequence[str] = ()
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
    found = [((), cell, moments) for cell, moments in _ordered(moment_sums(log, rows, columns, by=by))]
    kept: list[tuple[Slice, tuple[Any, ...], Moments]] = list(found)
    for place in range(len(log.sensitive_features)):
        name = feature_column(place)
        cells = moment_sums(log, rows, columns, by=[name, *by])
        kept += [((group_of(log, {name: key[0]}, place),), key[1:], moments) for key, moments in _ordered(cells)]
    return kept


def _ordered(cells: dict[tuple[Any, ...], Moments]) -> list[tuple[tuple[Any, ...], Moments]]:
    return sorted(cells.items(), key=lambda cell: tuple((value is None, str(value)) for value in cell[0]))
