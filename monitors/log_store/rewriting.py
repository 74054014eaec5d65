"""Rows that leave a table, or are replaced: the files that hold them are written again without them, in one commit."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import duckdb
import pyarrow as pa

from audit.errors import EvidenceError
from monitors.log_store.appending import ATTEMPTS, Rule, busy, complete, pause
from monitors.log_store.commits import commit, drop_file, write_file
from monitors.log_store.delta import DataFile, Place, Snapshot, check_files, snapshot
from monitors.log_store.engine import connection, in_memory, rows_of

Keep = Callable[[duckdb.DuckDBPyConnection, duckdb.DuckDBPyRelation], duckdb.DuckDBPyRelation]
"""From the rows of a file, with columns c0 (the id), c1, ..., to those that stay."""


class Rewritten(NamedTuple):
    """Files to add and to remove so that rows are gone, and how many rows that are.

    Examples
    --------
    >>> Rewritten((), (), 0).rows
    0
    """

    add: tuple[DataFile, ...]
    remove: tuple[DataFile, ...]
    rows: int


def all_but(ids: pa.Array) -> Keep:
    """Return what keeps the rows whose id is none of these; ids are compared as values, never as text of a query.

    Examples
    --------
    >>> opened = connection()
    >>> rows = in_memory(opened, [pa.array(["a", "x' OR '1'='1", "b"])])
    >>> all_but(pa.array(["x' OR '1'='1"]))(opened, rows).order("c0").fetchall()
    [('a',), ('b',)]
    """

    def keep(opened: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        gone = in_memory(opened, [ids]).set_alias("gone")
        return rows.set_alias("here").join(gone, "here.c0 = gone.c0", how="anti")

    return keep


def change_rows(place: Place, rule: Rule, plan: Callable[[Snapshot], tuple[Keep, pa.Table | None]]) -> int:
    """Make a version of a table without some rows, and with others in their place; return how many left it.

    Parameters
    ----------
    place, rule
        The table.
    plan
        From a version of it, which rows stay, and which are added in the same commit (None or no rows: none). It is
        asked again where somebody else was first.

    Raises
    ------
    EvidenceError
        If a file is missing, or others always came first: nothing is changed then.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rule = Rule({"id": "text"}, ("id",), (), "")
    >>> rows = pa.table({"id": ["a", "b"]}, schema=rule.schema)
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rule.schema, {})
    ...     _ = commit(snapshot(Place(folder)), add=[write_file(Place(folder), rows.to_batches(), rule.schema)])
    ...     gone = change_rows(Place(folder), rule, lambda _: (all_but(pa.array(["a"])), None))
    ...     gone, snapshot(Place(folder)).files[0].rows
    (1, 1)
    """
    for attempt in range(ATTEMPTS):
        found = snapshot(place)
        check_files(found)
        keep, new = plan(found)
        change = _rewritten(found, rule, keep)
        added = list(change.add)
        if new is not None and new.num_rows:
            added.append(write_file(place, complete(new, rule).to_batches(), rule.schema))
        if not added and not change.remove:
            return 0
        if commit(found, add=added, remove=change.remove) or _named(place, added):
            return change.rows
        for file in added:
            drop_file(place, file)
        pause(attempt)
    raise EvidenceError(busy(place))


def _named(place: Place, files: list[DataFile]) -> bool:
    """Tell whether the newest version names a file: a commit that is reported as failed may have been made."""
    return bool({file.path for file in files} & {file.path for file in snapshot(place).files})


def _rewritten(found: Snapshot, rule: Rule, keep: Keep) -> Rewritten:
    add: list[DataFile] = []
    remove: list[DataFile] = []
    rows = 0
    opened = connection()
    for file in found.files:
        held = rows_of(opened, found, rule.kinds, files=[file])
        stay = keep(opened, held)
        [(kept,)] = stay.aggregate("count(*)").fetchall()
        [(total,)] = [(file.rows,)] if file.rows is not None else held.aggregate("count(*)").fetchall()
        if kept == total:
            continue
        remove.append(file)
        rows += total - kept
        if kept:
            add.append(write_file(found.place, _batches(stay, rule.schema), rule.schema))
    return Rewritten(tuple(add), tuple(remove), rows)


def _batches(rows: duckdb.DuckDBPyRelation, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in pa.RecordBatchReader.from_stream(rows):
        yield batch.rename_columns(schema.names)
