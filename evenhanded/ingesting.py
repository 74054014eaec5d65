"""What ``evenhanded ingest`` reads: a file in pieces, and what the options and the file say of its columns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.tables import Table, engine_errors, open_file, short_reason
from evenhanded.logs import bins_of
from monitors.log_store.columns import LogColumns

PIECE = 1_000_000
"""Rows of a file that are appended at once."""

ROLE_OPTIONS: Mapping[str, str] = {
    "prediction_id": "prediction_id",
    "timestamp": "timestamp",
    "y_pred": "y_pred",
    "y_score": "y_score",
    "y_true": "y_true",
    "label_timestamp": "label_timestamp",
    "model_version": "model_version",
    "weight": "sample_weight",
    "cluster": "cluster",
    "place": "place",
}
"""Role by option that names its column."""

_READING = ("task", "positive", "threshold", "score_max")
_LISTS = {"sensitive": "sensitive_features", "features": "features", "hashed": "hashed", "left_out": "left_out"}
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
"""Texts that are numbers whatever one may think of them: "01" may be a code."""


def pieces(path: Path, *, without: Sequence[str] = (), rows: int = PIECE) -> Iterator[pa.Table]:
    r"""Yield the rows of a CSV or Parquet file as Arrow tables of at most so many rows; one where it has none.

    Parameters
    ----------
    path
        The file.
    without
        Columns that are left out.
    rows
        The most rows of one piece.

    Raises
    ------
    InputError
        If the file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "log.csv").write_text("id,said\na,1\nb,0\nc,1\n", encoding="utf-8")
    ...     [piece.to_pydict() for piece in pieces(Path(folder) / "log.csv", rows=2)]
    [{'id': ['a', 'b'], 'said': ['1', '0']}, {'id': ['c'], 'said': ['1']}]
    """
    table = open_file(path)
    kept = [place for place, name in enumerate(table.names) if name not in without]
    names = [table.names[place] for place in kept]
    empty = True
    try:
        for piece in _grouped(table, rows):
            empty = False
            yield piece.select(kept).rename_columns(names)
    except engine_errors() as error:
        msg = f"{path} cannot be read ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    if empty:
        yield pa.table([pa.array([], pa.string()) for _ in names], names=names)


def columns_of(options: Mapping[str, Any], first: pa.Table) -> LogColumns:
    """Return what the columns of a new log are, from the options and the first rows of its first file.

    Watched features that are numbers, or texts that all read as numbers without a leading zero, are kept as numbers,
    except those that the option `texts` names.

    Raises
    ------
    InputError
        If the options contradict each other.

    Examples
    --------
    >>> first = pa.table({"id": ["a"], "at": ["2026-01-05T09:00Z"], "said": ["1"], "age": ["31"], "zip": ["01234"]})
    >>> asked = {"prediction_id": "id", "timestamp": "at", "y_pred": "said", "features": ("age", "zip")}
    >>> columns_of(asked, first).numbers
    ('age',)
    """
    texts = {*(options.get("texts") or ()), *(options.get("hashed") or ()), *(options.get("sensitive") or ())}
    watched = [name for name in options.get("features") or () if name not in texts and name in first.column_names]
    numbers = [name for name in watched if first.column_names.count(name) == 1 and _numeric(first[name])]
    named = options.get("numbers") or ()
    given = {field: tuple(options.get(option) or ()) for option, field in _LISTS.items()}
    return LogColumns(
        roles=_roles(options), numbers=tuple(dict.fromkeys([*named, *numbers])), reading=_reading(options), **given
    )


def contradictions(options: Mapping[str, Any], columns: LogColumns) -> list[str]:
    """Return where options say otherwise than the log, which keeps the columns that it was made with.

    Examples
    --------
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> contradictions({"y_pred": "said", "sensitive": ("sex",)}, columns)
    ["sensitive_features are [] in this log; got ['sex']: leave the option out, or make another log"]
    """
    found = [
        f"{role} is {columns.roles.get(role)!r} in this log; got {name!r}: leave the option out, or make another log"
        for role, name in _roles(options).items()
        if columns.roles.get(role) != name
    ]
    lists = {**_LISTS, "numbers": "numbers"}
    found += [
        f"{field} are {sorted(getattr(columns, field))} in this log; got {sorted(options[option])}: leave the option "
        f"out, or make another log"
        for option, field in lists.items()
        if options.get(option) and not set(options[option]) <= set(getattr(columns, field))
    ]
    return found + [
        f"{name} is {columns.reading.get(name)!r} in this log; got {value!r}: leave the option out"
        for name, value in _reading(options).items()
        if columns.reading.get(name) != value
    ]


def ids_in(path: Path) -> list[str]:
    r"""Return the ids of a text file, one per line; empty lines are passed over.

    Raises
    ------
    InputError
        If it cannot be read, or holds none.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "ids.txt").write_text("a\n\nb\n", encoding="utf-8")
    ...     ids_in(Path(folder) / "ids.txt")
    ['a', 'b']
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as UTF-8 text with one id per line ({short_reason(error)})"
        raise InputError([msg]) from error
    ids = [line for line in lines if line]
    raise_violations([] if ids else [f"{path} holds no id; expected one per line"])
    return ids


def days_of(text: str) -> float:
    """Return the days of "400d".

    Raises
    ------
    InputError
        If it is no number of days.

    Examples
    --------
    >>> days_of("400d"), days_of("0.5d")
    (400.0, 0.5)
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)d", text)
    if found is None:
        raise InputError([f"--retain {text}: expected a number of days, as in 400d"])
    return float(found[1])


def _grouped(table: Table, rows: int) -> Iterator[pa.Table]:
    """Yield tables of so many rows from batches of whatever size the engine makes."""
    held: list[pa.RecordBatch] = []
    number = 0
    for batch in pa.RecordBatchReader.from_stream(table.lazy.to_native()):
        rest = batch
        while number + rest.num_rows >= rows:
            taken = rows - number
            yield pa.Table.from_batches([*held, rest.slice(0, taken)])
            held, number, rest = [], 0, rest.slice(taken)
        if rest.num_rows:
            held.append(rest)
            number += rest.num_rows
    if held:
        yield pa.Table.from_batches(held)


def _numeric(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_string(kind):
        filled = column.filter(pc.not_equal(pc.fill_null(column, ""), ""))
        return len(filled) > 0 and bool(pc.all(pc.match_substring_regex(filled, _NUMBER)).as_py())
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _roles(options: Mapping[str, Any]) -> dict[Any, str]:
    named = {role: options[option] for option, role in ROLE_OPTIONS.items() if options.get(option)}
    return named | dict(options.get("role") or ())


def _reading(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: options[name] for name in _READING if options.get(name) is not None}
    bins = bins_of({"bins": options.get("bins") or ()})
    return found | ({"bins": bins} if bins else {})
