"""Appending rows whose ids the log does not have: once, whoever else writes at the same time."""

import secrets
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from audit.errors import EvidenceError, InputError
from monitors.log_store.columns import Kind, schema_of
from monitors.log_store.commits import commit, drop_file, write_file
from monitors.log_store.delta import DataFile, Place, Snapshot, check_files, snapshot
from monitors.log_store.matching import Match, matched, once

ATTEMPTS = 200
"""How often a commit is tried before the table counts as too busy."""

_LONGEST_WAIT = 0.25
_SHOWN = 5


class Added(NamedTuple):
    """What became of the rows of a batch, and the version of the table that holds them all.

    Examples
    --------
    >>> Added(new=90, repeated=10, version=3).new
    90
    """

    new: int
    repeated: int
    version: int


class Rule(NamedTuple):
    """What a table demands of rows that come again.

    Parameters
    ----------
    kinds
        The columns of the table, the id first.
    required
        Those that are never missing.
    compared
        Columns in which a row that comes again must agree with the one that is there.
    advice
        What to do where it does not.

    Examples
    --------
    >>> Rule({"id": "text"}, ("id",), (), "correct it").advice
    'correct it'
    """

    kinds: Mapping[str, Kind]
    required: tuple[str, ...]
    compared: tuple[str, ...]
    advice: str

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table."""
        return schema_of(self.kinds, required=self.required)


def append_rows(place: Place, batch: pa.Table, rule: Rule) -> Added:
    """Append the rows of a batch that a table does not have; all of them or none.

    A row whose id is there with the same content is counted and left out. The ids are looked up in the version on top
    of which the rows are committed: where somebody else commits in between, the rows that are new since then are looked
    up, too, and the commit is tried again.

    Raises
    ------
    InputError
        If an id is there, or stands in the batch twice, with other content: their number, and the first of them.
    EvidenceError
        If a file of the table is missing, or `ATTEMPTS` commits of others came first: nothing is appended then.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rule = Rule({"id": "text", "x": "number"}, ("id",), ("x",), "mend it")
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rule.schema, {})
    ...     one = append_rows(Place(folder), pa.table({"id": ["a", "b"], "x": [1.0, 2.0]}), rule)
    ...     other = append_rows(Place(folder), pa.table({"id": ["b", "c"], "x": [2.0, 3.0]}), rule)
    >>> one, other
    (Added(new=2, repeated=0, version=1), Added(new=1, repeated=1, version=2))
    """
    rows, again = once(batch, compared=rule.compared)
    refuse_twice(batch, again)
    repeated, looked = len(again.repeated), set[str]()
    written: DataFile | None = None
    for attempt in range(ATTEMPTS):
        found = snapshot(place)
        if written is not None and written.path in {file.path for file in found.files}:
            return Added(len(rows), repeated, found.version)  # the commit that was reported as failed had not
        match = _lookup(found, batch.take(rows), looked, rule)
        refuse(batch, match, rows, rule.advice)
        if len(match.repeated):
            rows = np.delete(rows, match.repeated)
            repeated += len(match.repeated)
            if written is not None:
                drop_file(place, written)
                written = None
        if not len(rows):
            return Added(0, repeated, found.version)
        written = written or write_file(place, complete(batch.take(rows), rule).to_batches(), rule.schema)
        if commit(found, add=[written]):
            return Added(len(rows), repeated, found.version + 1)
        looked |= {file.path for file in found.files}
        pause(attempt)
    raise EvidenceError(busy(place))


def check_rows(place: Place, batch: pa.Table, rule: Rule) -> None:
    """Do nothing where `append_rows` would take a batch as the table is now; nothing is written.

    Raises
    ------
    InputError, EvidenceError
        As `append_rows`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rule = Rule({"id": "text", "x": "number"}, ("id",), ("x",), "mend it")
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rule.schema, {})
    ...     check_rows(Place(folder), pa.table({"id": ["a"], "x": [1.0]}), rule)
    """
    rows, again = once(batch, compared=rule.compared)
    refuse_twice(batch, again)
    refuse(batch, _lookup(snapshot(place), batch.take(rows), set(), rule), rows, rule.advice)


def complete(batch: pa.Table, rule: Rule) -> pa.Table:
    """Return a batch with all columns of the table in their order; those that it lacks are missing.

    Examples
    --------
    >>> complete(pa.table({"id": ["a"]}), Rule({"id": "text", "x": "number"}, ("id",), (), "")).to_pylist()
    [{'id': 'a', 'x': None}]
    """
    schema = rule.schema
    columns = [
        batch[field.name].cast(field.type) if field.name in batch.column_names else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def pause(attempt: int) -> None:
    """Wait a random time that grows with the attempts, so that two writers do not stay in step.

    Examples
    --------
    >>> pause(0)
    """
    time.sleep(min(_LONGEST_WAIT, 0.002 * 2 ** min(attempt, 10)) * secrets.randbelow(1000) / 1000)


def busy(place: Place) -> str:
    """Return what to say where others always came first.

    Examples
    --------
    >>> busy(Place("/log/labels"))[:54]
    '/log/labels was changed by others during each of 200 a'
    """
    return f"{place.uri} was changed by others during each of {ATTEMPTS} attempts; nothing was written: try again later"


def _lookup(found: Snapshot, batch: pa.Table, looked: set[str], rule: Rule) -> Match:
    fresh = [file for file in found.files if file.path not in looked]
    check_files(found, fresh)
    return matched(batch, found, fresh, rule.kinds, compared=rule.compared)


def refuse(batch: pa.Table, match: Match, rows: np.ndarray, advice: str) -> None:
    """Raise for rows that contradict others under the same id; `rows` are their places in the batch.

    Raises
    ------
    InputError
        If there are such rows: their number, and the first of them by id, row and column.

    Examples
    --------
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> refuse(rows, Match(np.array([0]), {}), np.arange(2), "mend it")
    >>> refuse(rows, Match(np.array([0]), {1: ("x",)}), np.arange(2), "mend it")
    Traceback (most recent call last):
    audit.errors.InputError: 1 row has an id ('id') that is known with other content: 'b' in row 2 (other 'x'); nothing
    was written; mend it
    """
    _refuse(batch, match, rows, "is known with other content", advice)


def refuse_twice(batch: pa.Table, again: Match) -> None:
    """Raise for rows that contradict an earlier row of the same batch.

    Raises
    ------
    InputError
        As `refuse`.

    Examples
    --------
    >>> refuse_twice(pa.table({"id": ["a", "a"]}), Match(np.array([]), {1: ("x",)}))
    Traceback (most recent call last):
    audit.errors.InputError: 1 row has an id ('id') that stands in this file before with other content: 'a' in row 2
    (other 'x'); nothing was written; keep one row per id
    """
    rows = np.arange(batch.num_rows)
    _refuse(batch, again, rows, "stands in this file before with other content", "keep one row per id")


def _refuse(batch: pa.Table, match: Match, rows: np.ndarray, what: str, advice: str) -> None:
    if not match.differing:
        return
    places = [(int(rows[place]), names) for place, names in sorted(match.differing.items())]
    shown = [
        f"{batch.column(0)[row].as_py()!r} in row {row + 1} (other {', '.join(map(repr, names))})"
        for row, names in places[:_SHOWN]
    ]
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    rows_have = "1 row has" if len(places) == 1 else f"{len(places):,} rows have"
    msg = (
        f"{rows_have} an id ({batch.column_names[0]!r}) that {what}: {'; '.join(shown)}{more}; nothing was written; "
        f"{advice}"
    )
    raise InputError([msg])
