"""The same call on a Spark DataFrame and on an Ibis table: identical counts, whatever the columns are called."""

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit

ROWS = 3_000
SETTINGS = {
    "labels and predictions": {"y_true": "label", "y_pred": "flagged", "sensitive_features": ["sex", "a.b"]},
    "a threshold and ranges": {
        "y_true": "label",
        "y_score": "score",
        "threshold": 0.5,
        "sensitive_features": ["sex", "age"],
        "bins": {"age": [25, 45]},
    },
    "weights": {
        "y_true": "label",
        "y_score": "score",
        "threshold": 0.5,
        "sensitive_features": ["sex"],
        "sample_weight": "weight",
    },
    "clusters": {"y_true": "label", "y_pred": "flagged", "sensitive_features": ["sex"], "cluster": "who"},
}
EACH = pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return pa.table(
        {
            "label": random.integers(0, 2, ROWS),
            "flagged": random.integers(0, 2, ROWS).astype(bool),
            "score": random.integers(0, 101, ROWS) / 100,
            "sex": pa.array(random.choice(["F", "M", "<b>", None], ROWS).tolist()),
            "age": random.integers(18, 80, ROWS),
            "weight": random.integers(1, 50, ROWS) / 10,
            "who": random.integers(0, 400, ROWS),
            "a.b": pa.array(random.choice(["x", "y"], ROWS).tolist()),
        }
    )


@pytest.fixture(scope="module")
def parquet(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "log.parquet"
    pq.write_table(table, path)
    return path


@EACH
def test_spark_counts_what_arrow_counts(new_session, parquet, table, options):
    here = count(PredictionLog.from_frame(table, **options))
    there = count(PredictionLog.from_frame(new_session().read.parquet(str(parquet)), **options))
    assert there.cells.equals(here.cells)
    assert there.digest() == here.digest()


@EACH
def test_ibis_counts_what_arrow_counts(parquet, table, options):
    here = count(PredictionLog.from_frame(table, **options))
    there = count(PredictionLog.from_frame(ibis.duckdb.connect().read_parquet(parquet), **options))
    assert there.cells.equals(here.cells)
    assert there.digest() == here.digest()


def test_an_audit_of_a_spark_table_has_the_same_measurements(new_session, parquet, table):
    options = SETTINGS["a threshold and ranges"]
    here = run_audit(PredictionLog.from_frame(table, **options))
    there = run_audit(PredictionLog.from_frame(new_session().read.parquet(str(parquet)), **options))
    assert there.measurements == here.measurements


def test_a_score_outside_its_range_is_refused_on_spark_too(new_session, parquet):
    log = PredictionLog.from_frame(
        new_session().read.parquet(str(parquet)), y_true="label", y_score="age", threshold=0.5
    )
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        count(log)


def test_a_spark_that_cannot_be_reached_is_one_clear_error(new_session, parquet):
    session = new_session()
    frame = session.read.parquet(str(parquet))
    log = PredictionLog.from_frame(frame, **SETTINGS["labels and predictions"])
    session.stop()
    with pytest.raises(InputError, match="cannot be read to the end"):
        count(log)
    with pytest.raises(InputError, match="engine does not answer"):
        PredictionLog.from_frame(frame, **SETTINGS["labels and predictions"])
