"""A log of two predictions in a folder that is gone afterwards: what the examples of this package start from."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pyarrow as pa

from monitors.log_store.columns import LogColumns
from monitors.log_store.delta import Place
from monitors.log_store.making import make_store
from monitors.log_store.opened import Opened, opened
from monitors.log_store.receiving import receive

COLUMNS = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})


def small_batch() -> pa.Table:
    """Return two predictions, of the ids a and b: 1 and 0.

    Examples
    --------
    >>> small_batch()["id"].to_pylist()
    ['a', 'b']
    """
    return pa.table({"id": ["a", "b"], "at": ["2026-01-05T09:00Z"] * 2, "said": [1, 0]})


@contextmanager
def small_store(*, empty: bool = False) -> Iterator[Opened]:
    """Make a log with these two predictions, or without any, for as long as the block lasts.

    Examples
    --------
    >>> with small_store() as store:
    ...     store.columns == COLUMNS
    True
    """
    with TemporaryDirectory() as folder:
        make_store(Place(folder), COLUMNS, None)
        store = opened(Place(folder), None)
        if not empty:
            receive(store, small_batch())
        yield store
