"""A decision log written down once in its clean form, so that each family of metrics reads small columns."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pyarrow as pa
import pyarrow.compute as pc

from audit.expressions import number
from audit.predictions import PredictionLog, input_column
from monitors.feedback.decisions import CLEAN, FLAGS, decisions
from monitors.timestamps import collected

_MOST_NAMES = 100
"""Texts of no more different values are kept as numbers, by which grouping is several times as fast.

Not those of more: each step of a query spells out its types, and a type of a thousand names makes it slow.
"""

_CODED = ("arm", "outcome_source", "round", "model_version")


@contextmanager
def cleaned(log: PredictionLog) -> Iterator[PredictionLog]:
    """Give a log whose table holds `decisions(log)` in memory, for as long as the block lasts.

    Flags take a byte, texts of few values a number each, so that ten million decisions with every role take about a
    gigabyte. What is computed stays the same: `monitors.feedback.decisions.decisions` of that log reads the columns
    instead of making them. The database of their own is closed at the end.

    A log of an engine that is not DuckDB (files, pandas and Arrow are read through it) is given as it is: Spark keeps
    its data where they are.

    Parameters
    ----------
    log
        The decisions, their times typed (`monitors.timestamps.with_times`).

    Examples
    --------
    >>> table = pa.table({"said": ["yes", "no"], "who": ["Model", "explore"]})
    >>> log = PredictionLog.from_frame(table, task="watch", positive="yes", y_pred="said", arm="who")
    >>> with cleaned(log) as clean:
    ...     decisions(clean).collect(backend="pyarrow").to_native().to_pylist() == (
    ...         decisions(log).collect(backend="pyarrow").to_native().to_pylist())
    True
    """
    if log.table.implementation is not nw.Implementation.DUCKDB:
        yield log
        return
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    try:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        _write(connection, log)
        yield replace(log, table=nw.from_native(connection.table("decisions")).lazy())
    finally:
        connection.close()


def _write(connection: duckdb.DuckDBPyConnection, log: PredictionLog) -> None:
    rows = _rows(log)
    schema = rows.collect_schema()
    texts = [name for name in schema if _is_coded(name) and schema[name] == nw.String]
    coded = [name for name in texts if _named(connection, log, rows, name)]
    forms = {name: f'"{name}"::names_{name} AS "{name}"' for name in coded}
    forms |= {name: f'"{name}"::TINYINT AS "{name}"' for name in FLAGS if schema.get(name) == nw.Float64}
    if log.reading.task in {"regression", "ranking"}:
        forms = {name: form for name, form in forms.items() if name not in {"y_true", "y_pred"}}
    wanted = ", ".join(forms.get(name, f'"{name}"') for name in schema)
    batches = collected_in_batches(rows)
    connection.register("batches", batches)
    connection.execute("SET preserve_insertion_order = false")  # nothing depends on it, and rows need not wait
    connection.execute(f'CREATE TABLE decisions AS SELECT {wanted}, true AS "{CLEAN}" FROM batches')  # noqa: S608 - names are those of roles and of places
    connection.unregister("batches")


def collected_in_batches(rows: nw.LazyFrame[Any]) -> pa.RecordBatchReader:
    """Return the rows of a relation of DuckDB a part at a time, so that they are never twice in memory.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"p": [1, 0]}), task="watch", y_pred="p")
    >>> collected_in_batches(decisions(log)).read_all().num_rows
    2
    """
    relation: duckdb.DuckDBPyRelation = rows.to_native()
    return relation.to_arrow_reader(100_000)


def _rows(log: PredictionLog) -> nw.LazyFrame[Any]:
    """Return the clean decisions, and what of a log is read elsewhere: its times, and the features that are watched."""
    schema = log.table.collect_schema()
    kept = {name: nw.col(name) for name in ("timestamp", "label_timestamp") if name in schema}
    kept |= {input_column(place): number(input_column(place), schema) for place in range(len(log.features))}
    return decisions(log, beside=kept)


def _is_coded(name: str) -> bool:
    return name in _CODED or name.startswith("feature_")


def _named(connection: duckdb.DuckDBPyConnection, log: PredictionLog, rows: nw.LazyFrame[Any], name: str) -> bool:
    """Make a type of the different values of a text, in their order; false where there are none, or too many."""
    column = nw.col(name)
    different = rows.filter(~column.is_null()).select(value=column).unique().head(_MOST_NAMES + 1)
    values = collected(log, different)["value"].combine_chunks().cast(pa.string())
    if not 0 < len(values) <= _MOST_NAMES:
        return False
    connection.register("names", pa.table({"value": values.take(pc.sort_indices(values))}))
    connection.execute(f"CREATE TYPE names_{name} AS ENUM (SELECT value FROM names)")  # noqa: S608 - a role
    connection.unregister("names")
    return True
