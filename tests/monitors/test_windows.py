"""Windows by time, rows and version: the same edges and places on every engine and in every run."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.log_facts import log_facts
from monitors.timestamps import microseconds, moment
from monitors.windows import (
    ANCHOR,
    WindowRule,
    Windows,
    of_version,
    parse_windows,
    place_expression,
    resolve,
    versions,
)

START = datetime(2026, 1, 7, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def log_of(times, **columns):
    rows = len(times)
    given_columns = {"y": [1] * rows, "p": [1] * rows, "t": pa.array(times, pa.timestamp("us", "UTC")), **columns}
    roles = {"model_version": "v"} if "v" in columns else {}
    return PredictionLog.from_frame(pa.table(given_columns), y_true="y", y_pred="p", timestamp="t", **roles)


def places(log, windows):
    return log.table.select(w=place_expression(windows, log)).collect(backend="pyarrow").to_native()["w"].to_pylist()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("7d", WindowRule(kind="time", amount=7 * 86_400_000_000)),
        (" 12H ", WindowRule(kind="time", amount=12 * 3_600_000_000)),
        ("30m", WindowRule(kind="time", amount=1_800_000_000)),
        ("2 w", WindowRule(kind="time", amount=14 * 86_400_000_000)),
        ("5000 rows", WindowRule(kind="rows", amount=5000)),
        ("5,000rows", WindowRule(kind="rows", amount=5000)),
        ("1 row", WindowRule(kind="rows", amount=1)),
        ("model_version", WindowRule(kind="model_version")),
    ],
)
def test_what_people_write(text, rule):
    assert parse_windows(text) == rule


@pytest.mark.parametrize(
    "text", ["", "0d", "0 rows", "-7d", "7", "7 months", "1.5d", "rows", "_ rows", "<script>", "٧d"]
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(InputError, match="expected a length such as 7d, 12h or 30m"):
        parse_windows(text)


def test_windows_start_at_the_same_times_in_every_run():
    early, late = (resolve(parse_windows("7d"), log_of([start])) for start in (START, START + 30 * DAY))
    assert early.edges[0] == datetime(2026, 1, 5, tzinfo=UTC)
    assert all((edge - ANCHOR) % (7 * DAY) == timedelta(0) for windows in (early, late) for edge in windows.edges)
    assert resolve(parse_windows("36h"), log_of([START])).edges[0] <= START


def test_empty_windows_in_between_are_kept_and_only_the_last_is_not_over():
    windows = resolve(parse_windows("7d"), log_of([START, START + 30 * DAY]))
    assert len(windows) == 5
    assert windows.complete == 4
    assert windows.windows[1] == (windows.edges[1], windows.edges[2])


def test_a_row_at_an_edge_belongs_to_the_window_that_starts_there():
    monday = datetime(2026, 1, 5, tzinfo=UTC)
    log = log_of([monday, monday + 7 * DAY - timedelta(microseconds=1), monday + 7 * DAY])
    windows = resolve(parse_windows("7d"), log)
    assert places(log, windows) == [0, 0, 1]
    assert windows.complete == 1


def test_looking_later_shows_the_windows_that_stayed_empty():
    log = log_of([START])
    assert len(resolve(parse_windows("7d"), log)) == 1
    later = resolve(parse_windows("7d"), log, as_of=START + 21 * DAY)
    assert (len(later), later.complete) == (3, 3)
    with pytest.raises(InputError, match="must not lie after 2026-01-05T09:30:00Z"):
        resolve(parse_windows("7d"), log, as_of=START - 3 * DAY)


def test_windows_of_rows_keep_equal_times_together():
    times = [START + hour * timedelta(hours=1) for hour in (0, 1, 1, 1, 2, 3, 4)]
    log = log_of(times)
    windows = resolve(parse_windows("2 rows"), log)
    assert windows.edges == (times[0], times[1], times[4], times[6], times[6] + timedelta(microseconds=1))
    assert np.bincount(places(log, windows)).tolist() == [1, 3, 2, 1]
    assert windows.complete == 3
    assert resolve(parse_windows("7 rows"), log).complete == 1
    assert len(resolve(parse_windows("100 rows"), log)) == 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 12))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_every_row_lies_in_one_window_and_whole_ones_hold_enough(hours, amount):
    log = log_of([START + hour * timedelta(hours=1) for hour in hours])
    windows = resolve(WindowRule(kind="rows", amount=amount), log)
    found = places(log, windows)
    micros = np.array([microseconds(START + hour * timedelta(hours=1)) for hour in hours])
    assert windows.place(micros).tolist() == found
    assert min(found) == 0
    assert max(found) == len(windows) - 1
    assert sum(np.bincount(found) > 0) == len(windows)
    assert list(windows.edges) == sorted(set(windows.edges))


@given(
    st.lists(st.integers(-(10**13), 3 * 10**15), min_size=1, max_size=40), st.sampled_from(["1d", "7d", "36h", "7m"])
)
@settings(max_examples=50, derandomize=True, deadline=None)
def test_places_of_regular_windows_are_those_of_a_search(offsets, text):
    edges = resolve(parse_windows(text), log_of([START, START + 2 * DAY])).edges
    windows = Windows(edges=edges, regular=True, complete=0)
    times = [microseconds(edges[0]) + offset % (4 * 86_400_000_000) - 86_400_000_000 for offset in offsets]
    log = log_of([moment(time) for time in times])
    assert places(log, windows) == windows.place(np.array(times)).tolist()


def test_a_clock_that_jumped_is_told_rather_than_a_million_windows_made():
    log = log_of([START, START + timedelta(days=20_000)])
    with pytest.raises(InputError, match=r"make 480,\d{3} windows, more than 100,000; did a clock jump\?"):
        resolve(parse_windows("1h"), log)


def test_no_rows_and_no_column():
    with pytest.raises(InputError, match="the data has no rows"):
        resolve(parse_windows("7d"), log_of([]))
    log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1]}), y_true="y", y_pred="p")
    with pytest.raises(InputError, match="timestamp is not named"):
        resolve(parse_windows("7d"), log)


def test_since_a_time_leaves_the_windows_that_had_not_ended():
    windows = resolve(parse_windows("7d"), log_of([START, START + 30 * DAY]))
    later = windows.since(windows.edges[2])
    assert later.edges == windows.edges[2:]
    assert later.complete == 2
    assert windows.since(windows.edges[2] + timedelta(hours=1)).edges == windows.edges[2:]
    assert windows.since(START - 100 * DAY) == windows
    none = windows.since(START + 100 * DAY)
    assert (len(none), none.complete, none.place(np.array([microseconds(START)])).tolist()) == (0, 0, [-1])
    assert places(log_of([START]), none) == [-1]


def test_versions_have_windows_of_their_own_that_may_overlap():
    hostile = "=1+1<script>\u202e"
    times = [START + day * DAY for day in (0, 3, 1, 5)]
    log = log_of(times, v=[hostile, hostile, "2", "2"])
    micro = timedelta(microseconds=1)
    assert versions(log) == {hostile: (times[0], times[1] + micro), "2": (times[2], times[3] + micro)}
    one = of_version(log, hostile)
    windows = resolve(parse_windows("model_version"), one)
    assert (windows.edges, windows.complete) == (versions(log)[hostile], 1)
    assert places(one, windows) == [0, 0]


def test_numbers_and_texts_of_one_version_are_one():
    log = log_of([START, START + DAY], v=[1.0, 2.0])
    assert list(versions(log)) == ["1", "2"]
    assert of_version(log, "2").table.collect(backend="pyarrow").to_native().num_rows == 1


def test_versions_that_are_missing_or_unknown_are_refused():
    with pytest.raises(InputError, match="model_version: 1 rows have none"):
        versions(log_of([START, START], v=["a", None]))
    with pytest.raises(InputError, match="model_version is not named"):
        versions(log_of([START]))
    with pytest.raises(InputError, match="'b' has no rows; the log holds 'a'"):
        of_version(log_of([START], v=["a"]), "b")


@pytest.fixture(scope="module")
def everything():
    rng = np.random.default_rng(5)
    times = [START + timedelta(seconds=int(second)) for second in rng.integers(0, 40 * 86_400, 300)]
    return pa.table({"y": [1] * 300, "p": [1] * 300, "t": pa.array(times, pa.timestamp("us", "UTC"))})


def found_in(data, rule, **options):
    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t"}
    make = PredictionLog.from_file if options.get("file") else PredictionLog.from_frame
    log = make(data, **roles)
    windows = resolve(parse_windows(rule), log)
    return windows, sorted(places(log, windows))


@pytest.mark.parametrize("rule", ["7d", "13h", "37 rows"])
def test_every_engine_cuts_alike(everything, rule, tmp_path):
    pq.write_table(everything, tmp_path / "log.parquet")
    text = everything.set_column(
        2, "t", pa.array([str(time).replace(" ", "T") for time in everything["t"].to_pylist()])
    )
    pa.csv.write_csv(text, tmp_path / "log.csv")
    expected = found_in(everything, rule)
    assert found_in(everything.to_pandas(), rule) == expected
    assert found_in(pl.from_arrow(everything), rule) == expected
    assert found_in(duckdb.connect().from_arrow(everything), rule) == expected
    assert found_in(tmp_path / "log.parquet", rule, file=True) == expected
    assert found_in(tmp_path / "log.csv", rule, file=True) == expected


@pytest.fixture
def spark(new_session):
    session = new_session()
    before = session.conf.get("spark.sql.session.timeZone")
    session.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")  # which must not matter
    yield session
    session.conf.set("spark.sql.session.timeZone", before)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_spark_cuts_alike_whatever_its_zone(spark, everything, tmp_path):
    pq.write_table(everything, tmp_path / "log.parquet")
    texts = [str(time).replace("+00:00", ".25Z") for time in everything["t"].to_pylist()]
    pq.write_table(everything.set_column(2, "t", pa.array(texts)), tmp_path / "text.parquet")
    for rule in ("7d", "37 rows"):
        assert found_in(spark.read.parquet(str(tmp_path / "log.parquet")), rule) == found_in(everything, rule)
    there = found_in(spark.read.parquet(str(tmp_path / "text.parquet")), "13h")
    assert there == found_in(pq.read_table(tmp_path / "text.parquet"), "13h")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_spark_knows_the_same_of_ids(spark, everything, tmp_path):
    ids = pa.array([None if row % 50 == 0 else f"i{row % 200}" for row in range(300)])
    pq.write_table(everything.append_column("id", ids), tmp_path / "log.parquet")
    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", "prediction_id": "id"}
    here = PredictionLog.from_file(tmp_path / "log.parquet", **roles)
    there = PredictionLog.from_frame(spark.read.parquet(str(tmp_path / "log.parquet")), **roles)
    one, other = (log_facts(log, resolve(parse_windows("7d"), log)) for log in (here, there))
    assert one.with_id.tolist() == other.with_id.tolist()
    assert one.first_seen.tolist() == other.first_seen.tolist()
    assert (one.without_id, one.complete, one.starts_whole) == (other.without_id, other.complete, other.starts_whole)
