"""What is known of a log beside its counts: ids that stand twice, windows that are over, what was reported."""

from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.log_facts import log_facts, reported_rows
from monitors.windows import parse_windows, resolve

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = '<script>=1+1\u202e"'


def table_of(ids, days):
    times = [MONDAY + timedelta(days=day) for day in days]
    rows = len(ids)
    return pa.table({"y": [1] * rows, "p": [1] * rows, "id": ids, "t": pa.array(times, pa.timestamp("us", "UTC"))})


def facts_of(data, **kwargs):
    log = PredictionLog.from_frame(data, y_true="y", y_pred="p", timestamp="t", **kwargs)
    return log_facts(log, resolve(parse_windows("7d"), log))


@pytest.mark.parametrize("engine", ["arrow", "pandas", "polars", "duckdb"])
def test_ids_that_stood_before_are_counted_in_the_later_window(engine):
    table = table_of([HOSTILE, "b", HOSTILE, HOSTILE, "c", None, ""], [0, 1, 2, 8, 9, 9, 9])
    made = {
        "arrow": lambda: table,
        "pandas": table.to_pandas,
        "polars": lambda: pl.from_arrow(table),
        "duckdb": lambda: duckdb.connect().from_arrow(table),
    }
    facts = facts_of(made[engine](), prediction_id="id")
    assert facts.with_id.tolist() == [3, 2]
    assert facts.first_seen.tolist() == [2, 1]
    assert facts.without_id == 2


def test_numbers_are_ids_too_and_a_log_may_have_none():
    assert facts_of(table_of([1, 2, 1], [0, 0, 8]), prediction_id="id").first_seen.tolist() == [2, 0]
    facts = facts_of(table_of([1, 2], [0, 0]))
    assert facts.with_id is None
    assert facts.first_seen is None


def test_ids_of_a_csv_file(tmp_path):
    text = [str(time).replace(" ", "T") for time in table_of([1, 1], [0, 8])["t"].to_pylist()]
    pa.csv.write_csv(pa.table({"y": [1, 1], "p": [1, 1], "id": ["a", ""], "t": text}), tmp_path / "log.csv")
    log = PredictionLog.from_file(tmp_path / "log.csv", y_true="y", y_pred="p", timestamp="t", prediction_id="id")
    facts = log_facts(log, resolve(parse_windows("7d"), log))
    assert (facts.with_id.tolist(), facts.without_id) == ([1, 0], 1)


def test_a_log_that_starts_within_its_first_window_does_not_start_whole():
    assert facts_of(table_of([1], [0.3])).starts_whole
    assert not facts_of(table_of([1], [3])).starts_whole
    assert facts_of(table_of([1, 2], [0, 20])).complete == 2


def test_only_windows_that_were_over_count_as_reported():
    weeks = [(MONDAY + timedelta(days=7 * week), MONDAY + timedelta(days=7 * week + 7)) for week in range(2)]
    rows = [
        Measurement(metric="traffic", window=weeks[0], value=5.0, n=5, method="count"),
        Measurement(metric="traffic", window=weeks[1], value=3.0, n=3, method="count, so far"),
        Measurement(metric="traffic", slice=(("g", "a"),), window=weeks[0], value=2.0, n=2, method="count"),
    ]
    assert reported_rows(Result(measurements=rows)) == {weeks[0]: 5}
