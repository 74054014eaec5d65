"""Tables of any make as one lazy table: files through DuckDB, frames through Arrow or narwhals."""

import csv
import gzip
import os
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import duckdb
import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.errors import InputError, raise_violations
from audit.values import canonical, canonical_array

_HARDENED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


_ENGINE_ERRORS: dict[str, tuple[str, ...]] = {
    "pyspark.errors": ("PySparkException",),
    "py4j.protocol": ("Py4JError",),
    "polars.exceptions": ("PolarsError",),
    "ibis.common.exceptions": ("IbisError",),
}
"""Errors of engines that a user may bring, by the module that defines them."""

_TELLING = re.compile("Expected Number of Columns|Maximum line size|Invalid unicode|Value with unterminated")
"""Lines of the engine's errors about CSV that say what is wrong; other lines repeat the row or its settings."""


class Table(NamedTuple):
    """A lazy table whose columns are named by `place_column`, their names in the source, and the files it came from.

    `unmatched` counts the rows that a join left without a partner.

    Names from the data stay out of the engines: a column may be called ``a.b`` or ``x" FROM y``, or stand twice.

    Examples
    --------
    >>> table = open_frame(pa.table({"age": [31], "sex": ["F"]}))
    >>> table.names, table.lazy.collect_schema().names(), table.unmatched
    (['age', 'sex'], ['c0', 'c1'], 0)
    """

    lazy: nw.LazyFrame[Any]
    names: list[str]
    source: tuple[Path, ...] = ()
    unmatched: int = 0


def open_frame(data: Any, *, wanted: Collection[str] | None = None) -> Table:  # noqa: ANN401 - any table that narwhals reads
    """Open a table that is in memory or belongs to an engine.

    Parameters
    ----------
    data
        The table.
    wanted
        Columns that are going to be read; the others of a pandas table are not converted. None = all.

    Raises
    ------
    InputError
        If it is no table.

    Examples
    --------
    >>> open_frame(pa.table({"a": [1]})).names
    ['a']
    """
    if isinstance(data, pa.Table):
        return _arrow(data)
    if nw.dependencies.is_pandas_dataframe(data):
        return _pandas(data, wanted)
    try:
        frame = nw.from_native(data)
        names = frame.collect_schema().names()
        frame.lazy().select(nw.len())  # a stopped session still knows its columns, and nothing else
    except engine_errors() as error:
        msg = f"the table's engine does not answer ({short_reason(error)}); is its session still open?"
        raise InputError([msg]) from error
    except TypeError as error:
        msg = (
            f"expected a pandas, Polars or Arrow table, a DuckDB relation, a Spark or Ibis table; got "
            f"{type(data).__name__}; for a file use PredictionLog.from_file"
        )
        raise InputError([msg]) from error
    if isinstance(data, duckdb.DuckDBPyRelation):
        return _relation(data, names)
    if nw.dependencies.is_pyspark_dataframe(data):
        # By place and by the engine itself: through an expression, to Spark, "a.b" is the field b of a column a.
        places = [place_column(place) for place in range(len(names))]
        return Table(nw.from_native(data.toDF(*places)).lazy(), names)
    # Renamed rather than selected: to Polars, a column called "*" or "^a.*$" would mean several.
    return Table(frame.lazy().rename({name: place_column(place) for place, name in enumerate(names)}), names)


def place_column(place: int) -> str:
    """Return the name that the column at a place of the source has in `Table.lazy`.

    Examples
    --------
    >>> place_column(2)
    'c2'
    """
    return f"c{place}"


def open_file(path: Path) -> Table:
    """Open a CSV file (every column as text; may be gzipped) or a Parquet file or folder.

    Raises
    ------
    InputError
        If the file is missing, empty, broken, or of another kind.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "log.csv").write_text("label,flagged")
    ...     open_file(Path(folder) / "log.csv").names
    ['label', 'flagged']
    """
    if not path.exists():
        msg = f"{path} does not exist; give the path of a CSV or Parquet file"
        raise InputError([msg])
    if path.is_file() and path.stat().st_size == 0:
        msg = f"{path} is empty; expected a table with a header and rows"
        raise InputError([msg])
    if path.is_dir() or path.suffix.lower() == ".parquet":
        return _parquet(path)
    if _suffixes(path) & {".csv", ".tsv", ".txt"}:
        return _csv(path)
    msg = f"{path} is of no known kind; expected .csv, .csv.gz, .tsv or .parquet"
    raise InputError([msg])


def with_attributes(table: Table, attributes: Table, on: str | None) -> Table:
    """Return a table with the columns of a second one, joined on the column `on`; rows without a match get nulls.

    Both sides are read into memory. Ids are compared by their canonical text (1.0 is 1, True is "true", "01" is not 1).

    Raises
    ------
    InputError
        If `on` is missing on a side, an id stands twice among the attributes, or more than half of the rows find no
        match.

    Examples
    --------
    >>> log = open_frame(pa.table({"id": [1, 2, 3], "label": [1, 0, 1]}))
    >>> joined = with_attributes(log, open_frame(pa.table({"id": [1, 2], "sex": ["F", "M"]})), "id")
    >>> joined.names, joined.unmatched
    (['id', 'label', '', 'sex'], 1)
    """
    raise_violations(
        [
            f"column {on!r} (to join on) is missing in the {side}, which has {names[:20]}; name one that both have"
            for side, names in (("data", table.names), ("attributes", attributes.names))
            if on not in names
        ]
    )
    left, right = _collected(table), _collected(attributes)
    here, there = (side.names.index(str(on)) for side in (table, attributes))
    ids, keys = (canonical_array(side.column(place)) for side, place in ((left, here), (right, there)))
    unmatched = len(ids) - int(pc.sum(pc.is_in(ids, value_set=keys.drop_null())).as_py() or 0)
    raise_violations(_join_violations(table, attributes, str(on), keys, unmatched, len(ids)))
    left = left.append_column("id", ids)
    right = right.rename_columns([f"right_{name}" for name in right.column_names]).append_column("id", keys)
    joined = left.join(right, keys="id", join_type="left outer")
    names = [*table.names, *attributes.names]
    names[len(table.names) + there] = ""  # the id once
    wanted = [*left.column_names[:-1], *right.column_names[:-1]]
    source = table.source + attributes.source
    return _arrow(joined.select(wanted).rename_columns(names))._replace(source=source, unmatched=unmatched)


def _join_violations(table: Table, attributes: Table, on: str, keys: pa.Array, unmatched: int, rows: int) -> list[str]:
    clashes = sorted((set(table.names) & set(attributes.names)) - {on})
    present = keys.drop_null()
    doubled = len(present) - len(present.unique())
    violations = [f"columns {clashes} stand in the data and in the attributes; drop them from one"] if clashes else []
    if doubled:
        violations.append(f"{doubled} ids of {on!r} stand more than once among the attributes; keep one row per id")
    if rows and unmatched == rows:
        violations.append(f"no id of {on!r} in the data stands among the attributes; check that both use the same ids")
    elif unmatched > rows / 2:
        violations.append(
            f"{unmatched} of {rows} rows have an id of {on!r} that does not stand among the attributes, more than half "
            f"of them; check that both use the same ids, or drop those rows"
        )
    return violations


def _arrow(table: pa.Table) -> Table:
    names = table.column_names
    columns = {place_column(place): _readable(column) for place, column in enumerate(table.columns)}
    renamed = pa.table(columns) if columns else table
    return Table(nw.from_native(_connection().from_arrow(renamed)).lazy(), names)


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return a column as the engine can take it: it knows no half floats, and no nanoseconds where there is a zone."""
    kind = column.type
    if pa.types.is_float16(kind):
        values = [None if value is None else float(str(np.float16(value))) for value in column.to_pylist()]
        return pa.array(values, pa.float64())
    if not (pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz):
        return column
    try:
        return column.cast(pa.timestamp("us", tz=kind.tz))
    except pa.ArrowInvalid:  # digits would be lost, and different times become one
        return canonical_array(column)


def _relation(relation: duckdb.DuckDBPyRelation, names: list[str], source: tuple[Path, ...] = ()) -> Table:
    by_place = ", ".join(f"#{place + 1} AS {place_column(place)}" for place in range(len(names)))
    return Table(nw.from_native(relation.project(by_place)).lazy(), names, source)


def _pandas(data: Any, wanted: Collection[str] | None) -> Table:  # noqa: ANN401 - pandas is not imported here
    names = [str(name) for name in data.columns]
    arrays = [
        _pandas_column(data.iloc[:, place], name) if wanted is None or name in wanted else pa.nulls(len(data))
        for place, name in enumerate(names)
    ]
    return _arrow(pa.table(arrays, names=names))


def _pandas_column(column: Any, name: str) -> pa.ChunkedArray | pa.Array:  # noqa: ANN401 - a pandas Series
    try:
        array = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return _spelled(column, name)
    if isinstance(array.type, pa.BaseExtensionType):  # intervals and periods: as pandas prints them
        return pa.array([None if gone else str(value) for value, gone in _cells(column)], pa.string())
    if not pa.types.is_dictionary(array.type):
        return array
    if isinstance(array.type.value_type, pa.BaseExtensionType):  # what pandas.cut makes
        return pa.array([str(value) for value in column.cat.categories], pa.string()).take(array.indices)
    return array.cast(array.type.value_type)


def _spelled(column: Any, name: str) -> pa.Array:  # noqa: ANN401 - a pandas Series of mixed types
    try:
        return pa.array([None if gone else canonical(value) for value, gone in _cells(column)], pa.string())
    except TypeError as error:
        msg = f"column {name!r} cannot be read: {error}; convert it to text"
        raise InputError([msg]) from error


def _cells(column: Any) -> Iterator[tuple[Any, bool]]:  # noqa: ANN401 - a pandas Series
    return zip(column.array, column.isna(), strict=True)


def _parquet(path: Path) -> Table:
    if any(path.glob("**/_delta_log")):
        msg = (
            f"{path} is a Delta Lake table, of which some files are no longer part; read it as a log: "
            f"LogStore.open(...).read(), or evenhanded monitor"
        )
        raise InputError([msg])
    inside = (file for file in path.rglob("*") if file.suffix.lower() == ".parquet")
    files = sorted(inside) if path.is_dir() else [path]
    if not files:
        msg = f"{path} holds no .parquet file; give a folder that does"
        raise InputError([msg])
    try:
        names = pq.read_schema(files[0]).names
        relation = _connection().read_parquet([_literal(file) for file in files])
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        msg = f"{path} cannot be read as Parquet ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    return _relation(relation, names, tuple(files))


def _csv(path: Path) -> Table:
    with _named(path, "CSV"), _text(path) as stream:
        delimiter = "\t" if ".tsv" in _suffixes(path) else ","
        names = next(csv.reader(stream, delimiter=delimiter), [])
    raise_violations(_header_violations(path, names))
    with _named(path, "CSV"):
        # Nothing is guessed: a guess may take lines for comments or skip rows that do not fit.
        relation = _connection().read_csv(
            _literal(path),
            columns={place_column(place): "VARCHAR" for place in range(len(names))},
            header=True,
            auto_detect=False,
            delimiter=delimiter,
            compression="gzip" if path.suffix.lower() == ".gz" else "none",
            quotechar='"',
            escapechar='"',
        )
    return _relation(relation, names, (path,))


def _suffixes(path: Path) -> set[str]:
    return {suffix.lower() for suffix in path.suffixes}


def _header_violations(path: Path, names: list[str]) -> list[str]:
    if not any(names):
        return [f"the first line of {path} is empty; expected the names of the columns"]
    if len(names) == 1 and ";" in names[0]:
        return [f"{path} seems to be separated by semicolons; expected commas (.csv) or tabs (.tsv); save it so"]
    return []


def _literal(path: Path) -> str:
    """Return the path with the wildcards of the engine escaped: a file may be called ``[1].csv``."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


@contextmanager
def _named(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, csv.Error, duckdb.Error) as error:
        msg = f"{path} cannot be read as {kind} ({short_reason(error)}); expected UTF-8 text with a header"
        raise InputError([msg]) from error


def _text(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _collected(table: Table) -> pa.Table:
    collected: pa.Table = table.lazy.collect(backend="pyarrow").to_native()
    return collected


def _connection() -> duckdb.DuckDBPyConnection:
    connection = _database(os.getpid()).cursor()
    connection.execute("SET enable_progress_bar = false")  # it would be printed into whatever reads our output
    connection.execute("SET TimeZone = 'UTC'")  # not that of the machine: times must not depend on where they are read
    return connection


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:  # noqa: ARG001 - a forked process needs one of its own
    """Return the database in memory of this process: opening one takes ten times as long as counting small data."""
    return duckdb.connect(config=_HARDENED)


def engine_errors() -> tuple[type[Exception], ...]:
    """Return what the engines that are in use raise when they cannot read or are gone; none is imported for that.

    Examples
    --------
    >>> duckdb.Error in engine_errors()
    True
    """
    found: list[type[Exception]] = [OSError, duckdb.Error, pa.ArrowException]
    for module, names in _ENGINE_ERRORS.items():
        if module in sys.modules:
            found += [getattr(sys.modules[module], name) for name in names]
    if "pyspark" in sys.modules:
        found.append(AssertionError)  # what a stopped session raises
    return tuple(found)


def short_reason(error: Exception) -> str:
    r"""Return what went wrong without the engine's advice and without the row, which may be about a person.

    Examples
    --------
    >>> short_reason(ValueError("CSV Error on Line: 2\nOriginal Line: x\nMaximum line size\nPossible fixes: ..."))
    'CSV Error on Line: 2; Maximum line size'
    """
    lines = str(error).strip().splitlines()
    return "; ".join([*lines[:1], *filter(_TELLING.match, lines[1:])]) or type(error).__name__
