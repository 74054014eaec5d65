"""Which rows of a batch are in the log already, and whether they say the same there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from monitors.log_store.columns import ARROW_TYPES, Kind
from monitors.log_store.delta import DataFile, Snapshot
from monitors.log_store.engine import connection, in_memory, rows_of


class Match(NamedTuple):
    """Rows of a batch whose id is in the log: their places in the batch, and where content differs, in which columns.

    Examples
    --------
    >>> Match(repeated=np.array([0]), differing={2: ("y_pred",)}).differing[2]
    ('y_pred',)
    """

    repeated: np.ndarray
    differing: Mapping[int, tuple[str, ...]]


def matched(
    batch: pa.Table,
    found: Snapshot,
    files: Sequence[DataFile],
    kinds: Mapping[str, Kind],
    *,
    compared: Sequence[str],
) -> Match:
    """Look up the rows of a batch among the rows of some files; only matching rows are brought into memory.

    Parameters
    ----------
    batch
        The rows, each id once; its first column is the id.
    found, files
        The version, and those of its files that are looked at.
    kinds
        The columns of the table, the id first.
    compared
        The columns in which rows must agree; missing equals missing. One that the batch lacks counts as missing there.

    Returns
    -------
    Match
        Rows that agree, and rows that do not.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.commits import commit, write_file
    >>> from monitors.log_store.delta import Place, make_table, snapshot
    >>> rows = pa.table({"id": ["a", "b"], "x": [1.0, 2.0]})
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rows.schema, {})
    ...     file = write_file(Place(folder), rows.to_batches(), rows.schema)
    ...     _ = commit(snapshot(Place(folder)), add=[file])
    ...     found, kinds = snapshot(Place(folder)), {"id": "text", "x": "number"}
    ...     again = pa.table({"id": ["c", "b", "a"], "x": [3.0, 2.0, 7.0]})
    ...     match = matched(again, found, found.files, kinds, compared=["x"])
    >>> match.repeated.tolist(), match.differing
    ([1], {2: ('x',)})
    """
    if not files or not batch.num_rows:
        return Match(np.empty(0, np.int64), {})
    opened = connection()
    first = dict(list(kinds.items())[:1])
    known = _known(opened, batch.column(0).combine_chunks(), rows_of(opened, found, first, files=files))
    if not len(known):
        return Match(known, {})
    match = _compared(batch.take(known), found, files, kinds, compared)
    return Match(known[match.repeated], {int(known[place]): names for place, names in match.differing.items()})


def _known(opened: duckdb.DuckDBPyConnection, ids: pa.Array, stored: duckdb.DuckDBPyRelation) -> np.ndarray:
    """Return the places of the ids that are stored: mostly none, so that no other column is read."""
    rows = in_memory(opened, [ids, pa.array(range(len(ids)), pa.int64())]).set_alias("new_rows")
    found = rows.join(stored.set_alias("old_rows"), "new_rows.c0 = old_rows.c0", how="semi").project("c1 AS place")
    return np.sort(pa.table(found)["place"].to_numpy())


def _compared(
    batch: pa.Table, found: Snapshot, files: Sequence[DataFile], kinds: Mapping[str, Kind], compared: Sequence[str]
) -> Match:
    opened = connection()
    names = [*list(kinds)[:1], *compared]
    columns = [_column(batch, name, kinds[name]) for name in names]
    rows = in_memory(opened, [*columns, pa.array(range(batch.num_rows), pa.int64())]).set_alias("new_rows")
    stored = rows_of(opened, found, {name: kinds[name] for name in names}, files=files).set_alias("old_rows")
    flags = ", ".join(f"new_rows.c{i} IS DISTINCT FROM old_rows.c{i} AS d{i}" for i in range(1, len(names)))
    place = f"new_rows.c{len(names)} AS place"
    joined = rows.join(stored, "new_rows.c0 = old_rows.c0").project(f"{place}, {flags}" if flags else place)
    return _split(pa.table(joined), names)


def present(ids: pa.Array, found: Snapshot, kinds: Mapping[str, Kind]) -> pa.Table:
    """Return the stored rows with these ids, under the names of their columns.

    Parameters
    ----------
    ids
        Texts; those that the table lacks find nothing.
    found
        The version.
    kinds
        The columns that are wanted, the id first.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.commits import commit, write_file
    >>> from monitors.log_store.delta import Place, make_table, snapshot
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rows.schema, {})
    ...     file = write_file(Place(folder), rows.to_batches(), rows.schema)
    ...     _ = commit(snapshot(Place(folder)), add=[file])
    ...     present(pa.array(["b", "z"]), snapshot(Place(folder)), {"id": "text"}).to_pylist()
    [{'id': 'b'}]
    """
    opened = connection()
    stored = rows_of(opened, found, kinds).set_alias("old_rows")
    wanted = in_memory(opened, [ids]).set_alias("new_rows")
    return as_table(stored.join(wanted, "old_rows.c0 = new_rows.c0", how="semi"), kinds)


def as_table(rows: duckdb.DuckDBPyRelation, kinds: Mapping[str, Kind]) -> pa.Table:
    """Return rows in memory under the names of the table's columns.

    Examples
    --------
    >>> as_table(in_memory(connection(), [pa.array(["a"])]), {"id": "text"}).to_pylist()
    [{'id': 'a'}]
    """
    return pa.table(rows).rename_columns(list(kinds))


def once(batch: pa.Table, *, compared: Sequence[str]) -> tuple[np.ndarray, Match]:
    """Return the places of a batch with each id once, and the rows that repeat or contradict an earlier one.

    Examples
    --------
    >>> rows = pa.table({"id": ["a", "a", "b", "b"], "x": [1, 1, 2, 3]})
    >>> first, again = once(rows, compared=["x"])
    >>> first.tolist(), again.repeated.tolist(), again.differing
    ([0, 2], [1], {3: ('x',)})
    """
    ids = batch.column(0).combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(ids)))
    if not len(again):
        return np.arange(len(ids)), Match(again, {})
    names = [name for name in compared if name in batch.column_names]
    here, there = (batch.select(names).take(rows).to_pylist() for rows in (again, first[inverse[again]]))
    differing = {
        int(row): tuple(name for name in names if one[name] != other[name])
        for row, one, other in zip(again, here, there, strict=True)
        if one != other
    }
    return np.sort(first), Match(np.array([row for row in again if int(row) not in differing], np.int64), differing)


def _column(batch: pa.Table, name: str, kind: Kind) -> pa.Array:
    if name in batch.column_names:
        return batch[name].combine_chunks()
    return pa.nulls(batch.num_rows, ARROW_TYPES[kind])


def _split(found: pa.Table, names: Sequence[str]) -> Match:
    places = found["place"].to_numpy()
    flags = [found[f"d{i}"].to_numpy() for i in range(1, len(names))]
    differs = np.logical_or.reduce(flags) if flags else np.zeros(len(places), bool)
    differing = {
        int(places[row]): tuple(name for name, flag in zip(names[1:], flags, strict=True) if flag[row])
        for row in np.flatnonzero(differs)
    }
    return Match(np.unique(places[~differs]), differing)
