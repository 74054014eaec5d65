"""What leaves the log: people who ask for it, and what is older than it may become."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression

from audit.errors import InputError
from monitors.log_store.appending import Rule
from monitors.log_store.columns import LABELS
from monitors.log_store.commits import sweep, unnamed
from monitors.log_store.delta import DataFile, Place, check_files, snapshot
from monitors.log_store.engine import connection, in_memory, rows_of
from monitors.log_store.matching import present
from monitors.log_store.opened import Opened
from monitors.log_store.receiving import record_event
from monitors.log_store.rewriting import Keep, all_but, change_rows

_DECISIONS = frozenset({"y_pred", "y_true", "action", "arm", "human_decision", "outcome", "model_version"})
"""Roles that say nothing of whose a row is: a slip of a column here would remove half of a log."""

_LABEL_TIME = f"c{list(LABELS).index('label_timestamp')}"


class Removed(NamedTuple):
    """How many predictions and labels are gone, and how many files that held them or were left over.

    Examples
    --------
    >>> Removed(predictions=1, labels=1, files=3).labels
    1
    """

    predictions: int
    labels: int
    files: int


def erase_ids(store: Opened, ids: pa.Array) -> Removed:
    """Remove predictions and their labels by id, everywhere; the caller holds the store alone.

    Labels go first: where the process ends in between, the predictions that are left still say what is to be erased.
    Where neither the log nor a file that it no longer names holds one of the ids, nothing is touched.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     erase_ids(store, pa.array(["a"]))[:2]
    (1, 0)
    """
    if not _holds(store, ids):
        return Removed(0, 0, 0)
    labels = change_rows(store.tables.labels, store.labels_rule(), lambda _: (all_but(ids), None))
    predictions = change_rows(store.tables.predictions, store.predictions_rule(), lambda _: (all_but(ids), None))
    record_event(store, "erase", predictions=predictions, labels=labels)
    return Removed(predictions, labels, sweep(store.tables.labels) + sweep(store.tables.predictions))


def _holds(store: Opened, ids: pa.Array) -> bool:
    """Whether a table holds one of the ids, or a file beside it that an earlier version or a killed process left."""
    for place, rule in (
        (store.tables.labels, store.labels_rule()),
        (store.tables.predictions, store.predictions_rule()),
    ):
        found = snapshot(place)
        check_files(found)
        kinds = dict(list(rule.kinds.items())[:1])
        left = tuple(DataFile(path, 0, None) for path in unnamed(place))
        if place.folder is None and left:
            return True  # not read on object storage: rather delete what is left over than keep somebody in it
        opened = connection()
        gone = in_memory(opened, [ids]).set_alias("gone")
        for file in (*found.files, *left):
            try:
                held = rows_of(opened, found, kinds, files=[file]).set_alias("here")
                if held.join(gone, "here.c0 = gone.c0", how="semi").limit(1).fetchall():
                    return True
            except duckdb.Error:
                if file in left:  # half a file: nobody can say who is in it
                    return True
                raise
    return False


def ids_with(store: Opened, values: pa.Array, column: str) -> pa.Array:
    """Return the ids of the predictions with one of the values in a column that holds texts.

    Raises
    ------
    InputError
        If the log has no such column, or it holds no texts, or it is a prediction, a decision or a label.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     ids_with(store, pa.array(["b"]), "id").to_pylist()
    ['b']
    """
    kinds = store.columns.kinds()
    decided = {name for role, name in store.columns.roles.items() if role in _DECISIONS}
    if kinds.get(column) != "text" or column in decided:
        texts = ", ".join(repr(name) for name, kind in kinds.items() if kind == "text" and name not in decided)
        msg = (
            f"rows to remove are found by a column that holds texts and is no prediction, decision or label; the log "
            f"has {texts}; got {column!r}"
        )
        raise InputError([msg])
    found = snapshot(store.tables.predictions)
    check_files(found)
    wanted = store.ids(values, column=column)
    return present(wanted, found, {column: kinds[column], store.id: kinds[store.id]})[store.id].combine_chunks()


def retain_since(store: Opened, start: datetime) -> Removed:
    """Remove predictions made before a time, their labels, and older labels that no prediction came for.

    Examples
    --------
    >>> from datetime import UTC
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     retain_since(store, datetime(2026, 2, 1, tzinfo=UTC))[:2]
    (2, 0)
    """
    limit = ConstantExpression(start)

    def recent(_: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return rows.filter(ColumnExpression("c1") >= limit)

    labels = change_rows(store.tables.labels, store.labels_rule(), lambda _: (_told_of(store, limit), None))
    predictions = change_rows(store.tables.predictions, store.predictions_rule(), lambda _: (recent, None))
    record_event(store, "retain", predictions=predictions, labels=labels)
    return Removed(predictions, labels, sweep(store.tables.labels) + sweep(store.tables.predictions))


def count_ids(store: Opened, ids: pa.Array) -> Removed:
    """Return what `erase_ids` would remove from the newest version; nothing is touched, and files are not counted.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     count_ids(store, pa.array(["a"]))
    Removed(predictions=1, labels=0, files=0)
    """
    keep = all_but(ids)
    predictions, labels = (_leaving(place, rule, keep) for place, rule in _both(store))
    return Removed(predictions, labels, files=0)


def count_since(store: Opened, start: datetime) -> Removed:
    """Return what `retain_since` would remove from the newest version; nothing is touched, and files are not counted.

    Examples
    --------
    >>> from datetime import UTC
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     count_since(store, datetime(2026, 2, 1, tzinfo=UTC))
    Removed(predictions=2, labels=0, files=0)
    """
    limit = ConstantExpression(start)
    (predictions, rule), (labels, rule_of_labels) = _both(store)
    gone = _leaving(predictions, rule, lambda _, rows: rows.filter(ColumnExpression("c1") >= limit))
    return Removed(gone, _leaving(labels, rule_of_labels, _told_of(store, limit)), files=0)


def _both(store: Opened) -> tuple[tuple[Place, Rule], tuple[Place, Rule]]:
    tables = store.tables
    return (tables.predictions, store.predictions_rule()), (tables.labels, store.labels_rule())


def _leaving(place: Place, rule: Rule, keep: Keep) -> int:
    """Return how many rows of a table do not stay."""
    found = snapshot(place)
    check_files(found)
    opened = connection()
    rows = rows_of(opened, found, rule.kinds)
    return _number(rows) - _number(keep(opened, rows))


def _number(rows: duckdb.DuckDBPyRelation) -> int:
    return int(rows.aggregate("count(*)").fetchall()[0][0])


def _told_of(store: Opened, limit: duckdb.Expression) -> Keep:
    """Return what keeps the labels of predictions that stay, and recent ones whose prediction has not come yet."""
    found = snapshot(store.tables.predictions)
    check_files(found)
    kinds = dict(list(store.columns.kinds().items())[:2])

    def keep(opened: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        made = rows_of(opened, found, kinds)
        stay = made.filter(ColumnExpression("c1") >= limit).set_alias("stay")
        told = rows.set_alias("told").join(stay, "told.c0 = stay.c0", how="semi")
        early = rows.filter(ColumnExpression(_LABEL_TIME) >= limit).set_alias("early")
        return told.union(early.join(made.set_alias("made"), "early.c0 = made.c0", how="anti"))

    return keep


def as_ids(ids: Sequence[str]) -> pa.Array:
    """Return ids that a person named, without repeats.

    Raises
    ------
    InputError
        If there are none, or one is empty.

    Examples
    --------
    >>> as_ids(["a", "a", "b"]).to_pylist()
    ['a', 'b']
    """
    is_list = isinstance(ids, Iterable) and not isinstance(ids, str | bytes | Mapping)
    if not is_list or not ids or not all(str(each) for each in ids):
        msg = f"expected a list of ids, none of them empty; got {ids!r}"
        raise InputError([msg])
    return pa.array(dict.fromkeys(map(str, ids)), pa.string())
