"""Reading Delta tables lazily through DuckDB: columns by place, no name and no value from the data in a query."""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import duckdb
import pyarrow as pa

from monitors.log_store.columns import ARROW_TYPES, Kind
from monitors.log_store.delta import DataFile, Snapshot

_MEMORY = "1GiB"
"""What the engine may hold; sorting and joining beyond it goes to a private folder of temporary files."""

_TYPES: Mapping[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMP WITH TIME ZONE"}


def connection() -> duckdb.DuckDBPyConnection:
    """Return a connection whose memory is bounded and whose clock is UTC.

    Examples
    --------
    >>> connection().sql("SELECT current_setting('TimeZone')").fetchall()
    [('UTC',)]
    """
    opened = _database(os.getpid()).cursor()
    opened.execute("SET enable_progress_bar = false")
    opened.execute("SET TimeZone = 'UTC'")
    return opened


def rows_of(
    opened: duckdb.DuckDBPyConnection,
    found: Snapshot,
    kinds: Mapping[str, Kind],
    *,
    files: Iterable[DataFile] | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return the rows of a version, lazily; its columns are called c0, c1, ... in the order of `kinds`.

    Parameters
    ----------
    opened
        The connection.
    found
        The version.
    kinds
        The columns that are wanted; one that a file was written without is null there.
    files
        Only the rows of these files; None = all.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import Place, make_table, snapshot
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     rows_of(connection(), snapshot(Place(folder)), {"id": "text", "later": "number"}).columns
    ['c0', 'c1']
    """
    wanted = list(found.files if files is None else files)
    raw = _raw(opened, found, wanted, kinds)
    places = {name: place + 1 for place, name in enumerate(raw.columns)}
    return raw.project(
        ", ".join(
            f"CAST({f'#{places[name]}' if name in places else 'NULL'} AS {_TYPES[kind]}) AS c{place}"
            for place, (name, kind) in enumerate(kinds.items())
        )
    )


def in_memory(opened: duckdb.DuckDBPyConnection, columns: Sequence[pa.Array]) -> duckdb.DuckDBPyRelation:
    """Return columns in memory as a table with the columns c0, c1, ...

    Examples
    --------
    >>> in_memory(connection(), [pa.array(["a"])]).fetchall()
    [('a',)]
    """
    return opened.from_arrow(pa.table(list(columns), names=[f"c{place}" for place in range(len(columns))]))


def _raw(
    opened: duckdb.DuckDBPyConnection, found: Snapshot, files: Sequence[DataFile], kinds: Mapping[str, Kind]
) -> duckdb.DuckDBPyRelation:
    if not files:
        empty = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in kinds.items()]).empty_table()
        return opened.from_arrow(empty)
    if found.place.folder is None:
        named = {file.path for file in files}
        whole = found.table.to_pyarrow_dataset()
        parts = [part for part in whole.get_fragments() if part.path in named]
        return opened.from_arrow(type(whole)(parts, whole.schema, whole.format, whole.filesystem))
    return opened.read_parquet([_literal(str(found.place.folder / file.path)) for file in files], union_by_name=True)


def _literal(path: str) -> str:
    """Return the path with the wildcards of the engine escaped."""
    return re.sub(r"([*?\[])", r"[\1]", path)


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """Return the database in memory of this process; a forked process gets one of its own."""
    spill = tempfile.mkdtemp(prefix=f"evenhanded-{process}-")  # mode 0700: rows may be written there
    atexit.register(shutil.rmtree, spill, ignore_errors=True)
    return duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY,
            "temp_directory": spill,
        }
    )
