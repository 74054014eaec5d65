"""Any lazy table as a stream of small Arrow batches: a log larger than memory is read a piece at a time."""

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.tables import engine_errors, short_reason

ROWS = 32_768


def batches(log: PredictionLog, columns: dict[str, nw.Expr]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a log, a batch of rows at a time, in any order.

    DuckDB (with it all files, Arrow and pandas) and Polars stream; another engine returns all rows at once.

    Parameters
    ----------
    log
        The predictions.
    columns
        What to read, by the name that it gets.

    Raises
    ------
    InputError
        If the engine cannot read to the end.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> [batch.num_rows for batch in batches(log, {"label": nw.col("y_true")})]
    [2]
    """
    try:
        yield from _batches(log.table.select(**columns))
    except engine_errors() as error:
        where = ", ".join(map(str, log.source)) or "the data"
        msg = f"{where} cannot be read to the end ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error


def streams(log: PredictionLog) -> bool:
    """Return whether the engine of a log hands out its rows batch by batch.

    Examples
    --------
    >>> streams(PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p"))
    True
    """
    return log.table.implementation in (nw.Implementation.DUCKDB, nw.Implementation.POLARS)


def _batches(table: nw.LazyFrame[Any]) -> Iterator[pa.RecordBatch]:
    native: Any = table.to_native()
    if table.implementation is nw.Implementation.DUCKDB:
        # the older name for versions before 1.5
        read = getattr(native, "to_arrow_reader", None) or native.fetch_record_batch
        yield from read(ROWS)
    elif table.implementation is nw.Implementation.POLARS and hasattr(native, "collect_batches"):
        for part in native.collect_batches(chunk_size=ROWS, maintain_order=False):
            yield from part.to_arrow().to_batches(ROWS)
    else:
        yield from table.collect(backend="pyarrow").to_native().to_batches(ROWS)
