"""A small log, and batches for it."""

import pyarrow as pa
import pytest

pytest.importorskip("deltalake")

from monitors.log_store.columns import LogColumns
from monitors.log_store.store import LogStore

ROLES = {"prediction_id": "id", "timestamp": "at", "y_pred": "said", "y_score": "score"}
COLUMNS = LogColumns(roles=ROLES, sensitive_features=("sex",), features=("age",), numbers=("age",))


@pytest.fixture
def store(tmp_path):
    return LogStore.create(tmp_path / "log", COLUMNS)


@pytest.fixture
def batch():
    """Return a maker of batches of `rows` rows whose ids begin at `start`."""

    def made(rows=4, start=0, *, day=5, **changed):
        numbers = range(start, start + rows)
        columns = {
            "id": [f"p{number}" for number in numbers],
            "at": [f"2026-01-{day:02d}T09:{number % 60:02d}:00+00:00" for number in numbers],
            "said": [number % 2 for number in numbers],
            "score": [number % 10 / 10 for number in numbers],
            "sex": ["F" if number % 3 else "M" for number in numbers],
            "age": [20.0 + number % 50 for number in numbers],
        }
        return pa.table(columns | changed)

    return made


@pytest.fixture
def rows_of():
    """Return a reader of all rows of a log, by id."""

    def read(store, version=None):
        table = store.read(version).table.collect(backend="pyarrow").to_native()
        rows = {row["prediction_id"]: row for row in table.to_pylist()}
        return dict(sorted(rows.items()))

    return read
