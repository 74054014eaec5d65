"""A version of the store as a log: predictions left-joined with their labels, lazily."""

from dataclasses import replace

import duckdb
from duckdb import ColumnExpression, ConstantExpression

from audit.measurement import Window
from audit.predictions import PredictionLog
from monitors.log_store.columns import LABELS, LogColumns, as_log
from monitors.log_store.delta import Snapshot, check_files, local_files
from monitors.log_store.engine import connection, rows_of


def joined(
    predictions: Snapshot, labels: Snapshot, columns: LogColumns, *, between: Window | None = None
) -> PredictionLog:
    """Return the predictions of a version with the newest label of each, where it has one.

    Nothing is read but the logs of the two tables and the footers of their files. The engine reads the columns that a
    question needs, and the labels only where it needs them; its memory is bounded.

    Parameters
    ----------
    predictions, labels
        The versions of the two tables.
    columns
        What the columns are.
    between
        Only predictions in this half-open window; None = all.

    Raises
    ------
    EvidenceError
        If a data file is missing or of another length: it is named.

    Examples
    --------
    >>> from monitors.log_store.delta import snapshot
    >>> from monitors.log_store.example import small_store
    >>> with small_store() as store:
    ...     tables = store.tables
    ...     log = joined(snapshot(tables.predictions), snapshot(tables.labels), store.columns)
    ...     log.table.select("y_pred", "y_true").collect(backend="pyarrow").to_native().to_pylist()
    [{'y_pred': '1', 'y_true': None}, {'y_pred': '0', 'y_true': None}]
    """
    check_files(predictions)
    check_files(labels)
    opened = connection()
    kinds = columns.kinds()
    rows = rows_of(opened, predictions, kinds)
    if between is not None:
        start, end = (ConstantExpression(edge) for edge in between)
        rows = rows.filter((ColumnExpression("c1") >= start) & (ColumnExpression("c1") < end))
    newest = _newest(rows_of(opened, labels, LABELS))
    both = rows.set_alias("made").join(newest.set_alias("told"), "made.c0 = told.c0", how="left")
    named = [ColumnExpression("made", f"c{place}").alias(name) for place, name in enumerate(kinds)]
    told = [ColumnExpression("told", name).alias(name) for name in ("y_true", "label_timestamp")]
    log = as_log(both.select(*named, *told), columns)
    return replace(log, source=(*local_files(predictions), *local_files(labels)))


def _newest(labels: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return one label per prediction: the latest (that it is one lets the engine skip a join that nobody reads)."""
    return labels.aggregate("c0, arg_max(c1, c2) AS y_true, max(c2) AS label_timestamp", "c0")
