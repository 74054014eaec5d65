"""Timestamps: the same microseconds on every engine, and every fault named with its first rows."""

from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.timestamps import EPOCH, microseconds, moment, time_expression, time_span, with_times

HOSTILE = '=1+1"><script>\u202e\n'
TIMES = [
    datetime(2026, 1, 5, 9, 30, 0, 123456, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 2, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2000, 3, 1, tzinfo=UTC),
]
ENGINES = ("pandas", "polars", "polars lazy", "arrow", "duckdb", "parquet", "ibis")


def log_of(table, engine, tmp_path, column=HOSTILE):
    rows = table.num_rows
    table = pa.table({"y": [1] * rows, "p": [0] * rows, column: table["t"]})
    roles = {"y_true": "y", "y_pred": "p", "timestamp": column}
    if engine == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, tmp_path / "log.parquet")
        return PredictionLog.from_file(tmp_path / "log.parquet", **roles)
    if engine == "ibis":
        ibis = pytest.importorskip("ibis")
        return PredictionLog.from_frame(ibis.memtable(table), **roles)
    made = {
        "pandas": table.to_pandas,
        "polars": lambda: pl.from_arrow(table),
        "polars lazy": lambda: pl.from_arrow(table).lazy(),
        "arrow": lambda: table,
        "duckdb": lambda: in_zone(table, "America/New_York"),
    }
    return PredictionLog.from_frame(made[engine](), **roles)


def in_zone(table, zone):
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{zone}'")
    return connection.from_arrow(table)


def micros(log):
    found = log.table.select(t=time_expression(log)).collect(backend="pyarrow").to_native()["t"]
    assert pa.types.is_int64(found.type)
    return found.to_pylist()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_typed_times_are_the_same_microseconds_on_every_engine(engine, zone, tmp_path):
    table = pa.table({"t": pa.array(TIMES, pa.timestamp("us", tz=zone))})
    log = log_of(table, engine, tmp_path)
    assert micros(log) == [microseconds(time) for time in TIMES]
    assert time_span(log) == (min(TIMES), max(TIMES), len(TIMES))


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_unit_of_the_column_does_not_matter(engine, unit, tmp_path):
    whole = [time.replace(microsecond=0) for time in TIMES]
    log = log_of(pa.table({"t": pa.array(whole, pa.timestamp(unit, tz="UTC"))}), engine, tmp_path)
    assert micros(log) == [microseconds(time) for time in whole]


@pytest.mark.parametrize("engine", ENGINES)
def test_text_is_read_as_python_reads_it(engine, tmp_path):
    texts = [
        "2026-01-05T09:30:00Z", "2026-01-05 09:30:00.5+05:30", "2026-01-05T09:30-0800", "2024-02-29t23:59:59.999999z",
        "2000-02-29T00:00:00.123456789+00", "1999-12-31T23:59:59.000001-11:45",
    ]  # fmt: skip
    log = log_of(pa.table({"t": texts}), engine, tmp_path)
    known = [datetime.fromisoformat(text.replace("456789", "456").replace("t", "T").upper()) for text in texts]
    assert micros(log) == [microseconds(time) for time in known]


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
    st.sampled_from("T "),
)
@settings(max_examples=40, derandomize=True, deadline=None)
def test_any_time_that_python_spells_is_read_back(naive, offset, precision, mark):
    text = naive.replace(tzinfo=timezone(timedelta(minutes=offset))).isoformat(sep=mark, timespec=precision)
    log = PredictionLog.from_frame(
        pl.DataFrame({"y": [1], "p": [1], "t": [text]}), y_true="y", y_pred="p", timestamp="t"
    )
    assert micros(log) == [microseconds(datetime.fromisoformat(text))]


IMPOSSIBLE = [
    "2023-02-29T00:00Z", "1900-02-29T00:00Z", "2026-13-01T00:00Z", "2026-00-10T00:00Z", "2026-04-31T00:00Z",
    "2026-01-05T24:00Z", "2026-01-05T23:60Z", "2026-01-05T23:59:60Z", "2026-01-05T00:00+24:00",
    "2026-01-05T00:00+01:60",
    "2026-01-05", "05/01/2026 09:30Z", "2026-1-5T00:00Z", "1767571200", "x", "2026-01-05T00:00:00.Z",
    "２０26-01-05T00:00Z",
    "2026-01-05T00:00Z\n", " 2026-01-05T00:00Z", "2026-01-05T00:00ZZ", "2026-01-05T00:00+1", "not a time, <script>",
]  # fmt: skip


@pytest.mark.parametrize("engine", ["arrow", "polars", "ibis"])
def test_impossible_times_are_no_times(engine, tmp_path):
    log = log_of(pa.table({"t": IMPOSSIBLE}), engine, tmp_path)
    assert micros(log) == [None] * len(IMPOSSIBLE)
    with pytest.raises(
        InputError, match=r"must be ISO 8601 with an offset.*; found '2023-02-29T00:00Z' in row 1"
    ) as told:
        time_span(log)
    assert f"and {len(IMPOSSIBLE) - 5} more (the first row of data is row 1)" in str(told.value)


@pytest.mark.parametrize("engine", ["arrow", "polars", "duckdb", "ibis"])
def test_one_error_lists_every_kind_of_fault_with_its_first_rows(engine, tmp_path):
    texts = ["2026-01-05T00:00Z", "", None, "2026-01-05T00:00:00", "soon", "1969-12-31T00:00Z", "2150-01-01T00:00Z"]
    with pytest.raises(InputError) as told:
        time_span(log_of(pa.table({"t": texts}), engine, tmp_path))
    missing, naive, wrong, early, late = told.value.violations
    assert f"column {HOSTILE!r} (timestamp) must stand in every row; found '' in row 2; None in row 3" in missing
    assert "must have a time zone; found '2026-01-05T00:00:00' in row 4" in naive
    assert "add the offset" in naive
    assert "must be ISO 8601 with an offset" in wrong
    assert "'soon' in row 5" in wrong
    assert "must not lie before 1970-01-02T00:00:00Z; found '1969-12-31T00:00Z' in row 6" in early
    assert "must not lie after 2100-01-01T00:00:00Z; found '2150-01-01T00:00Z' in row 7" in late
    assert "did a clock jump?" in late


@pytest.mark.parametrize("engine", ENGINES)
def test_naive_columns_are_refused(engine, tmp_path):
    naive = pa.table({"t": pa.array([datetime(2026, 1, 5)], pa.timestamp("us"))})
    with pytest.raises(InputError, match="times without a zone; say which zone they are in"):
        time_expression(log_of(naive, engine, tmp_path))


@pytest.mark.parametrize("values", [[1767571200], [1.5], [True], [datetime(2026, 1, 5).date()]])
def test_numbers_and_dates_are_no_times(values):
    table = pa.table({"y": [1], "p": [1], "t": values})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    with pytest.raises(InputError, match="expected times with a zone, or ISO 8601 text with an offset"):
        time_expression(log)


def test_a_time_after_the_log_was_written_is_refused():
    table = pa.table({"y": [1, 1], "p": [1, 1], "t": ["2026-01-05T00:00Z", "2026-03-05T00:00Z"]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    with pytest.raises(InputError, match="must not lie after 2026-02-01T00:00:00Z; found '2026-03-05T00:00Z' in row 2"):
        time_span(log, until=datetime(2026, 2, 1, tzinfo=UTC))


def test_labels_may_have_no_time_yet_and_are_checked_otherwise(tmp_path):
    (tmp_path / "log.csv").write_text("y,p,when\n1,1,2026-01-05T00:00Z\n,1,\n1,0,2026-02-30T00:00Z\n")
    log = PredictionLog.from_file(tmp_path / "log.csv", y_true="y", y_pred="p", label_timestamp="when")
    with pytest.raises(InputError, match=r"column 'when' \(label_timestamp\) must be ISO 8601.*in row 3"):
        time_span(log, "label_timestamp")
    (tmp_path / "log.csv").write_text("y,p,when\n1,1,2026-01-05T00:00Z\n,1,\n")
    log = PredictionLog.from_file(tmp_path / "log.csv", y_true="y", y_pred="p", label_timestamp="when")
    assert time_span(log, "label_timestamp").rows == 1


def test_a_log_without_times_or_rows():
    table = pa.table({"y": pa.array([], pa.int64()), "p": pa.array([], pa.int64()), "t": pa.array([], pa.string())})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p")
    with pytest.raises(InputError, match="timestamp is not named; windows need times"):
        time_expression(log)
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    assert time_span(log) == (None, None, 0)


def test_a_missing_file_is_named(tmp_path):
    frame = pd.DataFrame({"y": [1], "p": [1], "t": ["2026-01-05T00:00Z"]})
    frame.to_parquet(tmp_path / "log.parquet")
    log = PredictionLog.from_file(tmp_path / "log.parquet", y_true="y", y_pred="p", timestamp="t")
    (tmp_path / "log.parquet").unlink()
    with pytest.raises(InputError, match=r"log\.parquet cannot be read to the end"):
        time_span(log)


def test_moments_and_microseconds_are_inverse_and_naive_times_are_refused():
    assert moment(microseconds(TIMES[0])) == TIMES[0]
    assert microseconds(EPOCH) == 0
    with pytest.raises(ValueError, match="expected a time with a zone"):
        microseconds(datetime(2026, 1, 5))


@pytest.mark.parametrize("engine", ["arrow", "polars", "ibis"])
def test_a_log_with_times_that_are_read_once_has_the_same_times(engine, tmp_path):
    texts = [
        "2026-01-05T09:30:00Z", "2026-01-05 09:30:00.5+05:30", "2026-01-05T09:30-0800", "2024-02-29t23:59:59.999999z",
        "2000-02-29T00:00:00.123456789+00", "1999-12-31T23:59:59.000001-11:45", "2026-01-05T09:30+23:59",
    ]  # fmt: skip
    log = log_of(pa.table({"t": texts}), engine, tmp_path)
    assert micros(with_times(log)) == micros(log)
    assert with_times(with_times(log)).columns == log.columns


def test_times_are_checked_before_they_are_read_once(tmp_path):
    log = log_of(pa.table({"t": ["2026-02-30T00:00Z"]}), "arrow", tmp_path)
    with pytest.raises(InputError, match="must be ISO 8601"):
        with_times(log)
