"""The same log through every door: the same bins, the same integers, the same digest."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import ibis
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.fitting import fit_binnings
from monitors.counts.reference import make_reference
from monitors.windows import parse_windows, resolve

FEATURES = ["amount", "whole", "small", "number as text", "text", "flag", "day", "a.b", "constant", "nothing"]
ROLES = {"y_true": "label", "y_pred": "flagged", "y_score": "score"}
START = datetime(2026, 1, 5, tzinfo=UTC)


OPTIONS = {**ROLES, "timestamp": "time", "features": FEATURES, "sensitive_features": ["sex", "age"]}
BINS = {"age": [25, 45]}


def hostile_log(rows=600, seed=0):
    random = np.random.default_rng(seed)
    amounts = random.normal(0, 1, rows)
    amounts[:8] = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e300, -1e300, 5e-324]
    names = ["x", "True", "TRUE", "01", "1", "<script>", "=1+1", 'q"q', "a'b", "ß", "名", "a,b", "\u202ertl", ""]
    days = np.array([date(2026, 1, 1), date(2026, 11, 21)], dtype=object)
    times = [START + timedelta(minutes=int(minute)) for minute in random.integers(0, 5 * 1440, rows)]
    return pa.table(
        {
            "label": random.integers(0, 2, rows),
            "flagged": random.integers(0, 2, rows).astype(bool),
            "score": random.integers(0, 101, rows) / 100,
            "amount": pa.array(amounts, mask=random.random(rows) < 0.05),
            "whole": pa.array(random.integers(-3, 40, rows), pa.int32(), mask=random.random(rows) < 0.1),
            "small": pa.array(random.choice([0.1, 0.7, 0.25, 3.3], rows), pa.float32()),
            "number as text": [str(value) for value in random.integers(0, 1000, rows) / 8],
            "text": pa.array(random.choice(names, rows).tolist()),
            "flag": pa.array(random.random(rows) < 0.5, mask=random.random(rows) < 0.1),
            "day": pa.array(random.choice(days, rows).tolist()),
            "a.b": pa.array(random.choice(["u", "v", None], rows).tolist()),
            "constant": np.full(rows, 5.0),
            "nothing": pa.nulls(rows, pa.string()),
            "sex": pa.array(random.choice(["F", "M", "<b>", None], rows).tolist()),
            "age": random.integers(18, 80, rows),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture(scope="module")
def everything():
    return hostile_log()


def framed(data):
    return PredictionLog.from_frame(data, **OPTIONS, bins=BINS)


def from_csv(table, path):
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        texts = [spelled(value) for value in column.to_pylist()]
        if pa.types.is_float32(column.type):
            texts = [str(value) for value in column.to_numpy()]
        columns[name] = pa.array(texts, pa.string())
    pyarrow.csv.write_csv(pa.table(columns), path)
    return PredictionLog.from_file(path, **OPTIONS, bins=BINS)


def spelled(value):
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def from_parquet(table, folder):
    folder.mkdir()
    for part in range(3):
        pq.write_table(table.slice(200 * part, 200), folder / f"{part}.parquet")
    return PredictionLog.from_file(folder, **OPTIONS, bins=BINS)


DOORS = {
    "pandas": lambda table, _: framed(table.to_pandas()),
    "Polars": lambda table, _: framed(pl.from_arrow(table)),
    "lazy Polars": lambda table, _: framed(pl.from_arrow(table).lazy()),
    "DuckDB": lambda table, _: framed(duckdb.connect().from_arrow(table)),
    "Ibis": lambda table, _: framed(ibis.memtable(table.append_column("i", pa.array(range(table.num_rows))))),
    "Parquet": lambda table, path: from_parquet(table, path / "log"),
    "CSV": lambda table, path: from_csv(table, path / "log.csv"),
}


@pytest.fixture(scope="module")
def expected(everything):
    log = framed(everything)
    return fit_binnings(log, bins=12), resolve(parse_windows("1d"), log), make_reference(log, bins=12)


def assert_same(found, profile):
    assert found.windows == profile.windows
    assert found.slices == profile.slices
    np.testing.assert_array_equal(found.rows, profile.rows)
    for name in profile.counts:
        np.testing.assert_array_equal(found.counts[name], profile.counts[name], err_msg=name)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("depth", [1, 2])
def test_every_door_gives_the_same_counts(door, depth, everything, expected, tmp_path):
    binnings, windows, _ = expected
    log = DOORS[door](everything, tmp_path)
    profile = count_profile(framed(everything), binnings, windows, depth=depth)
    assert profile.rows[:, 0].sum() == everything.num_rows
    assert_same(count_profile(log, binnings, windows, depth=depth), profile)


@pytest.mark.parametrize("door", DOORS)
def test_every_door_gives_the_same_bins_and_digest(door, everything, expected, tmp_path):
    binnings, _, reference = expected
    log = DOORS[door](everything, tmp_path)
    assert fit_binnings(log, bins=12) == binnings
    assert make_reference(log, bins=12).digest == reference.digest


def test_rows_outside_the_windows_are_left_out(everything, expected):
    binnings, windows, _ = expected
    later = windows.since(windows.edges[2])
    assert later.edges[0] > START
    some = count_profile(framed(everything), binnings, later)
    every = count_profile(framed(everything), binnings, windows)
    np.testing.assert_array_equal(some.rows, every.rows[2:])


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_spark_gives_the_same_integers(new_session, everything, expected, tmp_path):
    binnings, windows, _ = expected
    pq.write_table(everything, tmp_path / "log.parquet")
    log = framed(new_session().read.parquet(str(tmp_path / "log.parquet")))
    assert_same(count_profile(log, binnings, windows), count_profile(framed(everything), binnings, windows))
    assert fit_binnings(log, bins=12) == binnings
