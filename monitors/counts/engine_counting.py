"""The same counts made inside an engine that does not stream, such as Spark: one grouping of all features at once."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from audit.errors import InputError
from audit.expressions import number
from audit.predictions import PredictionLog, feature_column
from audit.values import BINARY
from monitors.counts.binning import Binning
from monitors.counts.groups import Cells, Counts, group_columns
from monitors.counts.profile import IntArray
from monitors.counts.watched import Watched
from monitors.timestamps import collected
from monitors.windows import Windows, place_expression

_WINDOW, _FEATURE, _BIN, _N = "window", "feature", "bin", "n"
_CATEGORY, _NEW = "c", "n"  # before a category's own text; any other text
_ENDLESS = {"inf": 1.0, "+inf": 1.0, "infinity": 1.0, "+infinity": 1.0, "-inf": -1.0, "-infinity": -1.0}


def add_by_engine(
    log: PredictionLog,
    items: Sequence[Watched],
    binnings: Mapping[str, Binning],
    windows: Windows | None,
    counts: Counts,
) -> None:
    """Let the engine of a log count its features, and add what it found.

    Raises
    ------
    InputError
        If the engine cannot read to the end, or a column holds what it cannot bring into text.

    Examples
    --------
    >>> import polars as pl
    >>> from monitors.counts.groups import Groups
    >>> log = PredictionLog.from_frame(pl.DataFrame({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> labels = Binning(feature="y_true", kind="categorical", categories=("0", "1"))
    >>> counts = Counts(Groups((), "group"), {"y_true": 4}, windows=1, depth=1)
    >>> add_by_engine(log, [Watched("y_true", "y_true", "binary")], {"y_true": labels}, None, counts)
    >>> counts.of("y_true", ()).tolist()
    [[1, 1, 0, 0]]
    """
    schema = log.table.collect_schema()
    keys = {} if windows is None else {_WINDOW: place_expression(windows, log)}
    keys |= group_columns(log)
    if not items:
        _add_rows(log, keys, counts)
        return
    values = {f"bin_{i}": _value(item, binnings[item.feature], schema) for i, item in enumerate(items)}
    bins = {name: _bin(nw.col(name), binnings[item.feature]) for name, item in zip(values, items, strict=True)}
    wide = log.table.select(**keys, **values).select(*keys, **bins)  # values first: each is compared many times
    long = wide.unpivot(on=list(bins), index=list(keys) or None, variable_name=_FEATURE, value_name=_BIN)
    by = [*keys, _FEATURE, _BIN]
    found = collected(log, long.group_by(*by).agg(nw.len().alias(_N)))
    _add(log, items, binnings, counts, found)


def _add_rows(log: PredictionLog, keys: Mapping[str, nw.Expr], counts: Counts) -> None:
    """Count the rows alone, where no feature is watched."""
    named = dict(keys) or {_WINDOW: nw.lit(0)}
    found = collected(log, log.table.select(**named).group_by(*named).agg(nw.len().alias(_N)))
    names = [feature_column(place) for place in range(len(log.sensitive_features))]
    groups = counts.groups.codes([_whole(found[name]) for name in names])
    windows = found[_WINDOW].to_numpy() if _WINDOW in keys else None
    counts.add_rows(counts.cells(groups, windows, rows=found.num_rows), found[_N].to_numpy().astype(np.int64))


def _add(
    log: PredictionLog,
    items: Sequence[Watched],
    binnings: Mapping[str, Binning],
    counts: Counts,
    found: pa.Table,
) -> None:
    names = [feature_column(place) for place in range(len(log.sensitive_features))]
    groups = counts.groups.codes([_whole(found[name]) for name in names])
    windows = found[_WINDOW].to_numpy() if _WINDOW in found.column_names else None
    cells = counts.cells(groups, windows, rows=found.num_rows)
    features, times = found[_FEATURE].to_numpy(), found[_N].to_numpy().astype(np.int64)
    for place, item in enumerate(items):
        here = features == f"bin_{place}"
        some = Cells(int(here.sum()), [None if cell is None else cell[here] for cell in cells.of])
        texts = found[_BIN].filter(pa.array(here)).to_pylist()
        counts.add(item.feature, some, _codes(binnings[item.feature], texts), times[here])
        if not place:
            counts.add_rows(some, times[here])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _codes(binning: Binning, texts: list[str | None]) -> IntArray:
    missing = binning.size - 1
    if binning.kind == "numeric":
        return np.array([missing if text is None else int(text) for text in texts], dtype=np.int64)
    known = {_CATEGORY + category: place for place, category in enumerate(binning.categories)} | {_NEW: missing - 1}
    return np.array([missing if text is None else known[text] for text in texts], dtype=np.int64)


def _value(item: Watched, binning: Binning, schema: Mapping[str, Any]) -> nw.Expr:
    """Return a column as numbers or as texts, null where it has none."""
    if binning.kind == "categorical":
        return _text(item, schema)
    kind = schema[item.column]
    if not (kind.is_numeric() or kind == nw.String):
        return nw.lit(None).cast(nw.Float64)
    value = _number(item.column, schema)
    return nw.when(~value.is_nan()).then(value)


def _bin(value: nw.Expr, binning: Binning) -> nw.Expr:
    """Return the bin as text: its number, or a category behind a mark; null where the value is missing."""
    if binning.kind == "numeric":
        place = _search(value, binning.edges, 0, len(binning.edges))
        return nw.when(~value.is_null()).then(place).cast(nw.String)
    new: nw.Expr = nw.when(~value.is_null()).then(nw.lit(_NEW))
    if not binning.categories:
        return new
    category = nw.concat_str([nw.lit(_CATEGORY), value])
    return nw.when(value.is_in(list(binning.categories))).then(category).otherwise(new)


def _number(column: str, schema: Mapping[str, Any]) -> nw.Expr:
    plain = number(column, schema)
    if schema[column] != nw.String:
        return plain
    word = nw.col(column).str.strip_chars().str.to_lowercase()
    above = [text for text, sign in _ENDLESS.items() if sign > 0]
    below = [text for text, sign in _ENDLESS.items() if sign < 0]
    infinite: nw.Expr = nw.when(word.is_in(below)).then(nw.lit(float("-inf")))
    infinite = nw.when(word.is_in(above)).then(nw.lit(float("inf"))).otherwise(infinite)
    return nw.when(plain.is_null()).then(infinite).otherwise(plain)


def _search(value: nw.Expr, edges: Sequence[float], first: int, stop: int) -> nw.Expr:
    """Return how many edges a value reaches, from `first` to `stop`: by halves, so that few are compared."""
    if first == stop:
        return nw.lit(first)
    middle = (first + stop) // 2
    below, reached = _search(value, edges, first, middle), _search(value, edges, middle + 1, stop)
    return nw.when(value < edges[middle]).then(below).otherwise(reached)


def _text(item: Watched, schema: Mapping[str, Any]) -> nw.Expr:
    column, kind = nw.col(item.column), schema[item.column]
    text: nw.Expr
    if kind == nw.Boolean:
        text = nw.when(column).then(nw.lit("true")).otherwise(nw.when(~column).then(nw.lit("false")))
    elif kind == nw.String:
        lowered = column.str.to_lowercase()
        text = nw.when(lowered.is_in(["true", "false"])).then(lowered).otherwise(column)
        text = nw.when(text != "").then(text)
    elif kind.is_integer() or kind == nw.Date:
        text = column.cast(nw.String)
    elif kind.is_float():
        whole = nw.when(column == column.floor()).then(column.cast(nw.Int64).cast(nw.String))
        text = nw.when(~column.is_nan()).then(
            nw.when(column == column.floor()).then(whole).otherwise(column.cast(nw.String))
        )
    else:
        msg = f"column {item.feature!r} holds {kind}; this engine counts numbers, text, booleans and dates: convert it"
        raise InputError([msg])
    if item.labels == "sets":
        msg = f"{item.feature} holds sets of labels, which this engine cannot count; read them from a file"
        raise InputError([msg])
    return reduce(_respelled, BINARY.items(), text) if item.labels == "binary" else text


def _respelled(text: nw.Expr, words: tuple[str, str]) -> nw.Expr:
    return nw.when(text == words[0]).then(nw.lit(words[1])).otherwise(text)
