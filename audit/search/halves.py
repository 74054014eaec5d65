"""One half to search, the other to confirm: a log counted once and split at random, by cluster where one is named.

Rows of one cell of a tally are alike in everything that is computed from it. Therefore a fair coin per row and a
binomial draw per cell are the same split in law, and the draw needs no second pass, no order of rows and no engine.
Only where rows of one cell are not alike (sampling weights), belong together (clusters), or a number has to be cut at
quantiles of the search half are the columns read into memory and the rows (the clusters) split themselves.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.counting import MAX_GROUPS, counted
from audit.errors import InputError, raise_violations
from audit.expressions import fine_text
from audit.predictions import PredictionLog, Role, feature_column
from audit.rollup import Cells, Pairs, cells_of, without_scores
from audit.tables import engine_errors, open_frame, place_column, short_reason
from audit.tally import SLICE, Codes, Tally, collapse
from audit.values import canonical_array

MAX_VALUES = 10
"""A number with more different values is cut at quantiles; one with fewer is taken as it is."""

_USED: tuple[Role, ...] = ("y_true", "y_pred", "sample_weight", "cluster", "model_version")
_SIDES = ("confirm", "search")
Bools = npt.NDArray[np.bool_]


class Halves(NamedTuple):
    """The two halves of a log as cells of the same codes, the tally of the whole, and the edges that were chosen.

    `dropped`: rows that were left out because a value of a feature was missing.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0] * 20, "p": [1, 1] * 20}), y_true="y", y_pred="p")
    >>> halves = split_halves(log, seed=0)
    >>> int(halves.search.n.sum() + halves.confirm.n.sum()), halves.tally.rows, dict(halves.edges)
    (40, 40, {})
    """

    search: Cells
    confirm: Cells
    tally: Tally
    edges: Mapping[str, tuple[float, ...]]
    dropped: int


def split_halves(log: PredictionLog, *, seed: int, quantiles: int = 4) -> Halves:
    """Count a log and split it into two random halves.

    Parameters
    ----------
    log
        The predictions; what they do not need for rates (scores beside predictions, times, ids) is left aside.
    seed
        Seed of the split: the same rows in any order are split in the same way.
    quantiles
        Into how many ranges of about as many rows a number with more than `MAX_VALUES` values is cut, by the rows of
        the search half alone; features with edges of their own (``bins``) are cut there.

    Raises
    ------
    InputError
        If the log holds what it should not, a feature has too many values, or there are too few rows or clusters.

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0] * 20, "p": [1, 1] * 20, "age": list(range(20, 60))})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["age"])
    >>> [len(edges) for edges in split_halves(log, seed=0).edges.values()]
    [3]
    """
    lean = _lean(log)
    numbers = _numbers_to_cut(lean)
    if numbers or "cluster" in lean.columns or lean.reading.weights == "sampling":
        halves = _split_rows(lean, numbers, seed, quantiles)
    else:
        tally, dropped = counted(lean)
        halves = _split_cells(tally, dropped, seed)
    if not len(halves.search.n) or not len(halves.confirm.n):
        what = "cluster" if "cluster" in lean.columns else "row"
        msg = f"too few {what}s to search on one half and confirm on the other: one of the halves is empty; add {what}s"
        raise InputError([msg])
    return halves


def all_rows(log: PredictionLog, *, quantiles: int = 4) -> Halves:
    """Count a log and search all of it: the confirming half is empty, nothing that is found can be confirmed.

    Parameters
    ----------
    log, quantiles
        As in `split_halves`; numbers are cut at quantiles of all rows.

    Raises
    ------
    InputError
        If the log holds what it should not, a feature has too many values, or there are no rows.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0] * 20, "p": [1, 1] * 20}), y_true="y", y_pred="p")
    >>> halves = all_rows(log)
    >>> int(halves.search.n.sum()), int(halves.confirm.n.sum())
    (40, 0)
    """
    lean = _lean(log)
    numbers = _numbers_to_cut(lean)
    if numbers:
        return _split_rows(lean, numbers, None, quantiles)
    tally, dropped = counted(lean)
    cells = without_scores(cells_of(tally))
    return Halves(cells, _taken(cells, np.zeros(len(cells.n), dtype=np.bool_)), tally, {}, dropped)


def quantile_edges(values: npt.ArrayLike, *, quantiles: int) -> tuple[float, ...]:
    """Return the edges that cut numbers into left-closed ranges of about as many rows; fewer where values repeat.

    Edges are rounded to four digits where that keeps them apart. NaN is left out.

    Examples
    --------
    >>> quantile_edges(list(range(100)), quantiles=4)
    (24.75, 49.5, 74.25)
    >>> quantile_edges([0] * 95 + [1, 2, 3, 4, 5], quantiles=4)
    (1.0,)
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return ()
    exact = np.unique(np.quantile(numbers, np.arange(1, quantiles) / quantiles))
    rounded = np.unique([float(f"{edge:.4g}") for edge in exact])
    edges = rounded if len(rounded) == len(exact) else exact
    edges = edges[(edges > numbers.min()) & (edges <= numbers.max())]
    if not len(edges) and numbers.max() > numbers.min():  # most rows share the smallest value: it against the others
        edges = np.array([numbers[numbers > numbers.min()].min()])
    return tuple(edges.tolist())


def _lean(log: PredictionLog) -> PredictionLog:
    """Return a log of the columns that rates of slices need: scores only where they make the predictions."""
    roles = [role for role in _USED if role in log.columns]
    if "y_pred" not in log.columns:
        roles.append("y_score")
    features = [feature_column(place) for place in range(len(log.sensitive_features))]
    table = log.table.select(*features, *roles)
    return replace(log, table=table, columns={role: log.columns[role] for role in roles})


def _numbers_to_cut(log: PredictionLog) -> list[str]:
    """Return the features that hold more different numbers than `MAX_VALUES`; refuse those of too many values."""
    schema = log.table.collect_schema()
    asked = {
        feature_column(place): name
        for place, name in enumerate(log.sensitive_features)
        if name not in log.reading.bins and not schema[feature_column(place)].is_nested()
    }
    distinct = _asked(log, {column: nw.col(column).n_unique() for column in asked})
    many = {column: name for column, name in asked.items() if distinct[column] > MAX_VALUES}
    texts = [column for column in many if schema[column] == nw.String]
    bad = _asked(log, {column: nw.when(fine_text(nw.col(column))).then(0).otherwise(1).sum() for column in texts})
    numeric = [column for column in many if schema[column].is_numeric() or bad.get(column) == 0]
    raise_violations(
        [
            f"feature {name!r} has {distinct[column]:,} different values, more than {MAX_GROUPS:,}; leave it out, or "
            f"merge its values"
            for column, name in many.items()
            if column not in numeric and distinct[column] > MAX_GROUPS
        ]
    )
    return [many[column] for column in numeric]


def _asked(log: PredictionLog, expressions: Mapping[str, nw.Expr]) -> dict[str, int]:
    if not expressions:
        return {}
    try:
        row = log.table.select(**expressions).collect(backend="pyarrow").to_native()
    except engine_errors() as error:
        raise InputError([_unreadable(log, error)]) from error
    return {name: int(row[name][0].as_py() or 0) for name in row.column_names}


def _unreadable(log: PredictionLog, error: Exception) -> str:
    where = ", ".join(map(str, log.source)) or "the data"
    return f"{where} cannot be read to the end ({short_reason(error)}); is it complete? write it again"


def _split_cells(tally: Tally, dropped: int, seed: int) -> Halves:
    cells = without_scores(cells_of(tally))
    here = np.random.default_rng(seed).binomial(cells.n, 0.5)
    sides = [_with_rows(cells, n) for n in (here, cells.n - here)]
    return Halves(sides[0], sides[1], tally, {}, dropped)


def _with_rows(cells: Cells, n: Codes) -> Cells:
    amount = n.astype(np.float64)
    return _taken(cells._replace(n=n, w=amount, w2=amount), n > 0)


def _taken(cells: Cells, kept: Bools) -> Cells:
    """Return some of the cells."""
    pairs = cells.pairs
    if pairs is not None:
        place = np.cumsum(kept) - 1
        both = kept[pairs.left] & kept[pairs.right]
        pairs = Pairs(place[pairs.left[both]], place[pairs.right[both]], pairs.moment[both])
    return cells._replace(
        quadrant=cells.quadrant[kept],
        n=cells.n[kept],
        w=cells.w[kept],
        w2=cells.w2[kept],
        features={name: (codes[kept], values) for name, (codes, values) in cells.features.items()},
        pairs=pairs,
    )


def _split_rows(log: PredictionLog, numbers: list[str], seed: int | None, quantiles: int) -> Halves:
    """Return the halves of rows in memory; without a seed, all rows are searched."""
    try:
        table: pa.Table = log.table.collect(backend="pyarrow").to_native()
    except engine_errors() as error:
        raise InputError([_unreadable(log, error)]) from error
    if not table.num_rows:
        msg = "the data has no rows; expected at least one prediction"
        raise InputError([msg])
    searched = np.ones(table.num_rows, dtype=np.bool_) if seed is None else _searched(table, seed)
    places = {name: log.sensitive_features.index(name) for name in numbers}
    columns = {name: _numbers(table[feature_column(place)]) for name, place in places.items()}
    edges = {name: quantile_edges(column[searched], quantiles=quantiles) for name, column in columns.items()}
    side = next(name for name in _unused() if name not in log.sensitive_features)
    table = table.append_column(feature_column(len(log.sensitive_features)), _labels(searched))
    tally, dropped = counted(_reopened(log, table, side, {name: cuts for name, cuts in edges.items() if cuts}))
    cells = without_scores(cells_of(tally))
    codes, values = cells.features[side]
    rest = cells._replace(features={name: found for name, found in cells.features.items() if name != side})
    here = np.array([value == "search" for value in values])[codes]
    return Halves(_taken(rest, here), _taken(rest, ~here), _without_side(tally, side), edges, dropped)


def _searched(table: pa.Table, seed: int) -> Bools:
    """Return which rows are searched: a fair coin per row in sorted order, or half of the clusters."""
    random = np.random.default_rng(seed)
    if "cluster" in table.column_names:
        clusters = canonical_array(table["cluster"]).dictionary_encode(null_encoding="encode")
        names = [str(name) for name in clusters.dictionary.to_pylist()]
        rank = np.argsort(np.argsort(np.array(names, dtype=object), kind="stable"))
        chosen = random.permutation(len(names)) < (len(names) + 1) // 2
        return np.asarray(chosen[rank[clusters.indices.to_numpy(zero_copy_only=False)]], dtype=np.bool_)
    plain = [name for name in table.column_names if not pa.types.is_nested(table.schema.field(name).type)]
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in plain]).to_numpy()
    coins = np.empty(table.num_rows, dtype=np.bool_)
    coins[order] = random.random(table.num_rows) < 0.5
    return coins


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _unused() -> "itertools.chain[str]":
    """Return names for the feature that says which half a row is in."""
    return itertools.chain(["half"], (f"half {number}" for number in itertools.count(2)))


def _labels(searched: Bools) -> pa.Array:
    return pa.array(list(_SIDES)).take(pa.array(searched.astype(np.int64)))


def _reopened(log: PredictionLog, table: pa.Table, side: str, edges: Mapping[str, tuple[float, ...]]) -> PredictionLog:
    opened = open_frame(table)
    named: dict[str, Any] = {name: nw.col(place_column(place)) for place, name in enumerate(opened.names)}
    reading = replace(log.reading, bins={**log.reading.bins, **edges})
    features = (*log.sensitive_features, side)
    return replace(log, table=opened.lazy.select(**named), sensitive_features=features, reading=reading)


def _without_side(tally: Tally, side: str) -> Tally:
    """Return the tally of both halves together."""
    return collapse(
        tally.cells.drop_columns([SLICE + side]),
        features=[name for name in tally.features if name != side],
        positive=tally.positive,
        bins=tally.bins,
        weights=tally.weights,
        pairs=tally.pairs,
    )
