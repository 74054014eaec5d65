"""A windowed tally: the same counts as those of the rows of each window alone, in one pass."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.tally import Tally
from audit.tally_rows import measure
from monitors.performance.arrivals import count_arrivals
from monitors.performance.window_tally import in_window, in_windows, windowed_tally, windows_of, without_windows
from monitors.windows import Windows, parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)


def _frame(rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "y": rng.integers(0, 2, rows).astype(object),
            "s": rng.random(rows).round(3),
            "g": rng.choice(["a", "b", None], rows),
            "w": rng.choice([1.0, 2.5], rows),
            "who": rng.integers(0, 80, rows),
            "t": [START + timedelta(hours=int(hour)) for hour in rng.integers(0, 24 * 28, rows)],
        }
    )
    frame.loc[rng.random(rows) < 0.2, "y"] = None
    late = pd.to_timedelta(rng.integers(1, 400, rows), unit="h")
    frame["l"] = (frame["t"] + late).where(frame["y"].notna())
    return frame


def _log(frame: pd.DataFrame, **more: str) -> PredictionLog:
    return PredictionLog.from_frame(
        frame,
        y_true="y",
        y_score="s",
        threshold=0.5,
        timestamp="t",
        label_timestamp="l",
        sensitive_features=["g"],
        **more,
    )


@pytest.mark.parametrize("more", [{}, {"sample_weight": "w"}, {"cluster": "who"}])
def test_each_window_is_the_tally_of_its_rows_alone(more: dict[str, str]) -> None:
    frame = _frame()
    log = _log(frame, **more)
    tally = windowed_tally(log, resolve(parse_windows("7d"), log))
    assert len(windows_of(tally)) == 4
    for start, end in windows_of(tally):
        alone = count(_log(frame[(frame.t >= start) & (frame.t < end)], **more))
        own = in_window(tally, (start, end))
        assert own.rows == alone.rows
        for one, two in zip(measure(own), measure(alone), strict=True):
            assert one.key() == two.key()
            assert one.n == two.n
            for a, b in ((one.value, two.value), (one.low, two.low), (one.high, two.high)):
                assert a == b or a == pytest.approx(b, abs=1e-7)


@pytest.mark.parametrize("more", [{}, {"cluster": "who"}])
def test_without_windows_it_is_the_tally_of_the_log_with_the_same_digest(more: dict[str, str]) -> None:
    log = _log(_frame(), **more)
    tally = windowed_tally(log, resolve(parse_windows("7d"), log))
    whole, direct = without_windows(tally), count(log)
    assert whole.rows == direct.rows
    assert whole.digest() == direct.digest()
    halves = [in_windows(tally, windows_of(tally)[:2]), in_windows(tally, windows_of(tally)[2:])]
    if not more:
        assert (halves[0] + halves[1]).digest() == direct.digest()


def test_by_label_time_rows_fall_where_their_label_arrived_and_unlabelled_ones_nowhere() -> None:
    frame = _frame()
    log = _log(frame)
    edges = tuple(START + timedelta(weeks=week) for week in range(7))
    tally = windowed_tally(log, Windows(edges=edges, regular=True, complete=6), by="label_timestamp")
    for start, end in windows_of(tally):
        assert in_window(tally, (start, end)).rows == int(((frame.l >= start) & (frame.l < end)).sum())
    assert tally.cells["y_true"].null_count == 0


def test_parts_of_a_log_add_up_to_the_whole() -> None:
    frame = _frame()
    log = _log(frame)
    windows = resolve(parse_windows("7d"), log)
    parts = [windowed_tally(_log(frame[places::2]), windows) for places in (0, 1)]
    assert (parts[0] + parts[1]).digest() == windowed_tally(log, windows).digest()


def test_a_stored_windowed_tally_reads_back(tmp_path) -> None:
    log = _log(_frame())
    tally = windowed_tally(log, resolve(parse_windows("7d"), log))
    tally.write(tmp_path / "tally.parquet")
    assert Tally.read(tmp_path / "tally.parquet").digest() == tally.digest()


def test_no_label_at_all_and_two_models_are_counted() -> None:
    frame = _frame().assign(y=None, l=None, v=["1", "2"] * 300)
    table = pa.Table.from_pandas(frame.drop(columns="l")).append_column("l", pa.nulls(600, pa.timestamp("us", "UTC")))
    log = PredictionLog.from_frame(
        table, y_true="y", y_score="s", threshold=0.5, timestamp="t", label_timestamp="l", model_version="v"
    )
    tally = windowed_tally(log, resolve(parse_windows("7d"), log))
    rows = measure(in_window(tally, windows_of(tally)[0]))
    accuracy = next(row for row in rows if row.metric == "accuracy")
    assert accuracy.value is None
    assert accuracy.reason == "no labels in slice"
    assert next(row for row in rows if row.metric == "selection_rate").value is not None


def test_an_empty_window_has_no_cells_and_one_row_makes_a_window() -> None:
    frame = _frame(1)
    log = _log(frame)
    edges = tuple(START + timedelta(weeks=week) for week in range(6))
    tally = windowed_tally(log, Windows(edges=edges, regular=True, complete=5))
    (only,) = windows_of(tally)
    assert in_window(tally, only).rows == 1
    empty = next(window for window in pairwise(edges) if window != only)
    assert in_window(tally, empty).cells.num_rows == 0


def test_windows_that_the_log_does_not_reach_are_refused() -> None:
    edges = (datetime(2020, 1, 6, tzinfo=UTC), datetime(2020, 1, 13, tzinfo=UTC))
    with pytest.raises(InputError, match="no row has its timestamp in the windows from 2020-01-06"):
        windowed_tally(_log(_frame()), Windows(edges=edges, regular=True, complete=1))


def test_by_label_time_what_was_known_is_never_rewritten_by_labels_that_come_later() -> None:
    frame = _frame()
    edges = tuple(START + timedelta(weeks=week) for week in range(7))
    windows = Windows(edges=edges, regular=True, complete=6)
    whole = windowed_tally(_log(frame), windows, by="label_timestamp")
    for week in range(2, 7):
        then = frame.assign(y=frame.y.where(frame.l < edges[week], None), l=frame.l.where(frame.l < edges[week]))
        known = windowed_tally(_log(then[then.t < edges[week]]), windows, by="label_timestamp")
        earlier = [window for window in windows_of(whole) if window[1] <= edges[week]]
        assert list(windows_of(known)) == earlier
        assert all(in_window(known, window).cells.equals(in_window(whole, window).cells) for window in earlier)


def test_polars_arrow_and_csv_give_the_same_counts(tmp_path) -> None:
    frame = _frame().drop(columns=["w", "who"])
    frame.to_csv(tmp_path / "log.csv", index=False)
    arrow = pa.Table.from_pandas(frame.assign(y=frame.y.astype("Int64")), preserve_index=False)
    roles = {"y_true": "y", "y_score": "s", "timestamp": "t", "label_timestamp": "l"}
    logs = [
        PredictionLog.from_frame(pl.from_arrow(arrow).lazy(), threshold=0.5, sensitive_features=["g"], **roles),
        PredictionLog.from_frame(arrow, threshold=0.5, sensitive_features=["g"], **roles),
        PredictionLog.from_file(tmp_path / "log.csv", threshold=0.5, sensitive_features=["g"], **roles),
    ]
    week, uneven = timedelta(weeks=1), tuple(START + timedelta(days=day) for day in (0, 3, 11, 12, 30))
    regular = Windows(edges=tuple(START + place * week for place in range(5)), regular=True, complete=4)
    for windows in (regular, Windows(edges=uneven, regular=False, complete=4)):
        for by in ("timestamp", "label_timestamp"):
            digests = {windowed_tally(log, windows, by=by).digest() for log in logs}
            assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_spark_gives_the_same_integers(new_session, tmp_path) -> None:
    frame = _frame().drop(columns=["w", "who"])
    arrow = pa.Table.from_pandas(frame.assign(y=frame.y.astype("Int64")), preserve_index=False)
    pq.write_table(arrow, tmp_path / "log.parquet", coerce_timestamps="us")
    roles = {"y_true": "y", "y_score": "s", "timestamp": "t", "label_timestamp": "l"}
    tables = [arrow, new_session().read.parquet(str(tmp_path / "log.parquet"))]
    logs = [PredictionLog.from_frame(t, threshold=0.5, sensitive_features=["g"], **roles) for t in tables]
    windows = Windows(edges=tuple(START + timedelta(weeks=place) for place in range(5)), regular=True, complete=4)
    assert windowed_tally(logs[0], windows).digest() == windowed_tally(logs[1], windows).digest()
    assert count_arrivals(logs[0], windows).cells.equals(count_arrivals(logs[1], windows).cells)
