"""Sums of real numbers by group that are the same on every engine, in any order and on any number of threads."""

import math
from collections.abc import Mapping
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.expressions import floats
from audit.tables import short_reason

_HIGH, _LOW = "_high", "_low"
_HIGH_BITS, _LOW_BITS = 30, 22


def exact_sums(
    table: nw.LazyFrame[Any], *, keys: Mapping[str, nw.Expr], terms: Mapping[str, nw.Expr], flags: Mapping[str, nw.Expr]
) -> pa.Table:
    """Sum terms by keys; also count the rows (`n`) and sum flags, which are whole numbers.

    Sums of floating point numbers depend on the order of addition. Each term is therefore cut into two whole numbers,
    of 30 and of 22 bits below the largest term of the table, which add up exactly; a first pass finds the largest.
    What is cut off is below 2^-52 of the largest term.

    Parameters
    ----------
    table
        Rows.
    keys
        What rows are grouped by; empty = one group.
    terms
        Real numbers per row; null counts as 0.
    flags
        Whole numbers per row, 0 or 1.

    Returns
    -------
    pyarrow.Table
        One row per observed group: the keys, `n`, and a column per term and flag.

    Raises
    ------
    InputError
        If the table cannot be read to its end, or a term is not finite.

    Examples
    --------
    >>> frame = nw.from_native(pa.table({"g": ["a", "a", "b"], "x": [0.1, 0.2, 1e9]})).lazy()
    >>> found = exact_sums(frame, keys={"g": nw.col("g")}, terms={"x": nw.col("x")}, flags={})
    >>> sorted((row["g"], row["n"], round(row["x"], 6)) for row in found.to_pylist())
    [('a', 2, 0.3), ('b', 1, 1000000000.0)]
    """
    whole = {"key": nw.lit(1)} if not keys else dict(keys)
    scales = _scales(table, terms)
    parts: dict[str, nw.Expr] = dict(flags)
    for name, term in terms.items():
        scaled = term * scales[name]
        parts[name + _HIGH] = scaled.floor().cast(nw.Int64)
        parts[name + _LOW] = ((scaled - scaled.floor()) * 2.0**_LOW_BITS + 0.5).floor().cast(nw.Int64)
    grouped = table.select(**whole, **parts).group_by(*whole).agg(nw.len().alias("n"), *map(_total, parts))
    found = _collected(grouped)
    columns = {name: found[name] for name in (*keys, "n")}
    columns |= {name: pc.cast(pc.fill_null(found[name], 0), pa.int64()) for name in flags}
    for name in terms:
        high, low = (np.nan_to_num(floats(found[name + side])) for side in (_HIGH, _LOW))
        columns[name] = pa.array((high + low / 2.0**_LOW_BITS) / scales[name])
    return pa.table(columns)


def _scales(table: nw.LazyFrame[Any], terms: Mapping[str, nw.Expr]) -> dict[str, float]:
    """Return the power of two per term that gives the largest term 30 bits before the point."""
    if not terms:
        return {}
    found = _collected(table.select(**{name: term.abs() for name, term in terms.items()}).select(nw.all().max()))
    largest = {name: float(found[name][0].as_py() or 0.0) for name in terms}
    raise_violations(
        [
            f"{name}: numbers so large that they cannot be added (the largest is {value}); use a larger unit"
            for name, value in largest.items()
            if not math.isfinite(value)
        ]
    )
    return {name: 2.0 ** min(_HIGH_BITS - math.frexp(value)[1], 900) for name, value in largest.items()}


def _collected(table: nw.LazyFrame[Any]) -> pa.Table:
    try:
        collected: pa.Table = table.collect(backend="pyarrow").to_native()
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        msg = f"the data cannot be read to the end ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    return collected


def _total(name: str) -> nw.Expr:
    return nw.col(name).sum()
