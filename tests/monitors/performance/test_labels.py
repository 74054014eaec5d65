"""Late and missing labels: curves, what is mature, what weighting mends, what is open, and what is flagged."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.performance.arrival_curves import arrival_curve
from monitors.performance.arrivals import Arrivals, Delays, count_arrivals, delays_of
from monitors.performance.labels import labels
from monitors.performance.late_rows import DELAY_BY_CLASS, DELAY_BY_GROUP, SELECTIVE
from monitors.performance.maturity import LabelSettings, maturity_of
from monitors.windows import Windows, parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS = 14
ACCURACY, FNR, FPR = 0.82, 0.3, 0.1
"""Of the world below: .4 x .7 + .6 x .9."""


def _frame(
    rng: np.random.Generator,
    rows: int = 6000,
    *,
    days: Mapping[int, float] | None = None,
    of_group: Mapping[str, float] | None = None,
    never: Mapping[int, float] | None = None,
) -> pd.DataFrame:
    """Return predictions of fourteen weeks, with labels after geometric delays of so many days by class or group."""
    y = (rng.random(rows) < 0.4).astype(int)
    wrong = rng.random(rows) < np.where(y == 1, FNR, FPR)
    group = rng.choice(["a", "b"], rows)
    mean = np.array([(days or {}).get(label, 6.0) for label in y.tolist()])
    mean = mean * np.array([(of_group or {}).get(name, 1.0) for name in group.tolist()])
    delay = rng.exponential(mean)
    predicted = np.where(wrong, 1 - y, y)
    gone = rng.random(rows) < np.array([(never or {}).get(label, 0.0) for label in predicted.tolist()])
    time = rng.random(rows) * 7 * WEEKS
    seen = (time + delay < 7 * WEEKS) & ~gone
    frame = pd.DataFrame({"p": predicted, "g": group, "t": [START + timedelta(days=d) for d in time]})
    frame["truth"] = y
    frame["y"] = pd.Series(y).astype(object).where(seen)
    frame["l"] = pd.Series([START + timedelta(days=d) for d in (time + delay)]).where(seen)
    return frame


def _log(frame: pd.DataFrame) -> PredictionLog:
    return PredictionLog.from_frame(
        frame, y_true="y", y_pred="p", timestamp="t", label_timestamp="l", sensitive_features=["g"]
    )


def _windows(weeks: int = WEEKS) -> Windows:
    edges = tuple(START + timedelta(weeks=week) for week in range(weeks + 1))
    return Windows(edges=edges, regular=True, complete=weeks)


def _found(frame: pd.DataFrame, settings: LabelSettings | None = None) -> tuple[Measurement, ...]:
    return labels(_log(frame), _windows(), settings=settings, as_of=START + timedelta(weeks=WEEKS)).rows


def _row(rows: tuple[Measurement, ...], metric: str, **group: str) -> Measurement:
    wanted = tuple(sorted(group.items()))
    return next(row for row in rows if row.metric == metric and row.slice == wanted)


def test_the_curve_of_young_rows_is_that_of_all_delays_and_its_intervals_cover() -> None:
    step, missed, points = 1.0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        age, delay = rng.random(800) * 40, rng.exponential(8.0, 800)
        there = delay < age
        cells = Delays(
            n=np.ones(800, dtype=np.int64),
            age=(age / step).astype(np.int64),
            delay=np.where(there, delay / step, -1).astype(np.int64),
            window=np.zeros(800, dtype=np.int64),
            label=np.where(there, "1", None).astype(object),
        )
        curve = arrival_curve(cells, np.ones(800, dtype=bool))
        ages = np.arange(curve.horizon + 1)
        truth = (1 - np.exp(-ages / 8.0)) / (1 - np.exp(-curve.horizon / 8.0))
        assert np.abs(curve.share - truth).max() < 0.2
        missed += int(((truth < curve.low - 1e-9) | (truth > curve.high + 1e-9))[1:-1].sum())
        points += curve.horizon - 1
    assert missed / points <= 0.06
    naive = np.mean(delay[there] < 4.0)  # the labels that happen to be there: fast ones
    assert naive > 1 - np.exp(-4 / 8.0) + 0.05


def test_too_few_labels_say_nothing() -> None:
    cells = Delays(*(np.array([value]) for value in (29, 5, 1, 0)), label=np.array(["1"], dtype=object))
    curve = arrival_curve(cells, np.array([True]))
    assert not curve.known
    assert np.isnan(curve.at(3))
    assert curve.age_of(0.5) == -1


def test_delays_that_depend_on_the_class_are_flagged_and_weighting_mends_the_young_windows() -> None:
    rows = _found(_frame(np.random.default_rng(3), 20000, days={1: 3.0, 0: 20.0}))
    flag = _row(rows, DELAY_BY_CLASS)
    assert flag.low > 0.05
    assert "read matured_ or arrival_weighted_ values" in str(flag.reason)
    weighted = [row for row in rows if row.metric == "arrival_weighted_accuracy" and row.slice == ()]
    for row in weighted[1:]:
        assert abs(row.value - ACCURACY) < 4 * (row.high - row.low) / 3.9 + 0.02
    naive = []
    frame = _frame(np.random.default_rng(3), 20000, days={1: 3.0, 0: 20.0})
    for week in (12, 13):
        own = frame[(frame.t >= START + timedelta(weeks=week)) & frame.y.notna()]
        naive.append((own.y == own.p).mean())
    assert max(naive) < ACCURACY - 0.04  # the labels that are there are too often positive


@pytest.mark.parametrize("worlds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_weighted_estimates_cover_whether_delays_depend_on_the_class_or_not(worlds: int) -> None:
    for days in ({1: 6.0, 0: 6.0}, {1: 3.0, 0: 10.0}):
        held, total = 0, 0
        for seed in range(worlds):
            rows = _found(_frame(np.random.default_rng(seed), 2500, days=days))
            for row in rows:
                if row.metric == "arrival_weighted_accuracy" and row.slice == () and row.value is not None:
                    held += row.low <= ACCURACY <= row.high
                    total += 1
        assert total >= 2 * worlds
        assert held / total >= 0.85


@pytest.mark.parametrize("worlds", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_equal_delays_raise_no_flag_in_any_of_many_worlds(worlds: int) -> None:
    flagged = 0
    for seed in range(worlds):
        rows = _found(_frame(np.random.default_rng(seed), 1500))
        kinds = (DELAY_BY_CLASS, DELAY_BY_GROUP, SELECTIVE)
        flagged += any(row.metric in kinds and row.value is not None and row.reason is not None for row in rows)
    assert flagged == 0


def test_delays_that_depend_on_the_group_are_flagged_for_it() -> None:
    rows = _found(_frame(np.random.default_rng(4), 12000, of_group={"b": 4.0}))
    flag = _row(rows, DELAY_BY_GROUP, g="b")
    assert flag.low > 0.05
    assert flag.against == {"kind": "rest"}
    assert "comparisons of groups" in str(flag.reason)
    assert _row(rows, DELAY_BY_CLASS).reason is None


def test_labels_that_only_granted_rows_get_are_flagged_as_selective() -> None:
    rows = _found(_frame(np.random.default_rng(5), 9000, days={1: 1.0, 0: 1.0}, never={0: 0.7}))
    flag = _row(rows, SELECTIVE)
    assert flag.value == pytest.approx(0.7, abs=0.05)
    assert "selective labels" in str(flag.reason)
    low, high = (_row(rows, f"accuracy_{end}_bound") for end in ("lower", "upper"))
    assert low.value < ACCURACY < high.value


def test_matured_values_leave_the_young_windows_out() -> None:
    frame = _frame(np.random.default_rng(6), 20000, days={1: 3.0, 0: 12.0})
    rows = _found(frame)
    row = _row(rows, "matured_accuracy")
    assert row.low <= ACCURACY + 0.01
    assert row.window[1] < START + timedelta(weeks=WEEKS - 3)
    known = frame[(frame.t < row.window[1]) & frame.y.notna()]
    assert row.n == len(known)
    assert row.value == pytest.approx((known.y == known.p).mean())


def test_coverage_and_bounds_are_those_of_each_window() -> None:
    frame = _frame(np.random.default_rng(7), 3000)
    rows = _found(frame)
    for place, (start, end) in enumerate(_windows().windows):
        own = frame[(frame.t >= start) & (frame.t < end)]
        row = next(r for r in rows if r.metric == "label_coverage" and r.window == (start, end) and not r.slice)
        assert row.value == pytest.approx(own.y.notna().mean())
        bounds = [r for r in rows if r.metric.startswith("accuracy_") and r.window == (start, end) and not r.slice]
        truth = (own.truth == own.p).mean()
        assert (not bounds and place < 10) or bounds[0].value <= truth <= bounds[1].value


def test_every_row_has_a_key_of_its_own_and_writes_as_json() -> None:
    rows = _found(_frame(np.random.default_rng(8), 1500))
    assert Result.from_json(Result(measurements=rows).to_json()).measurements == rows


def test_what_came_later_is_not_known() -> None:
    frame = _frame(np.random.default_rng(9), 3000)
    then = START + timedelta(weeks=8)
    before = frame[frame.t <= then].copy()
    late = before.l > then
    before["y"], before["l"] = before.y.where(~late, None), before.l.where(~late)
    one = count_arrivals(_log(frame), _windows(), as_of=then)
    two = count_arrivals(_log(before), _windows(), as_of=then)
    assert one.cells.equals(two.cells)


def test_a_clock_that_runs_backwards_and_times_without_labels_are_refused_with_their_rows() -> None:
    frame = _frame(np.random.default_rng(10), 50)
    frame.loc[3, ["y", "l"]] = [1, frame.t[3] - timedelta(hours=1)]
    frame.loc[5, ["y", "l"]] = [None, frame.t[5] + timedelta(days=1)]
    with pytest.raises(InputError) as error:
        count_arrivals(_log(frame), _windows())
    text = str(error.value)
    assert "must not lie before the timestamp of its prediction" in text
    assert "in row 4 " in text
    assert "must not stand where there is no label" in text
    assert "in row 6 " in text


def test_labels_without_a_time_are_known_and_counted_as_untimed() -> None:
    frame = _frame(np.random.default_rng(11), 4000)
    frame.loc[frame.index[frame.y.notna()][:40], "l"] = pd.NaT
    arrivals = count_arrivals(_log(frame), _windows(), as_of=START + timedelta(weeks=WEEKS))
    assert arrivals.untimed == 40
    rows = _found(frame)
    assert "40 labels have no time" in str(_row(rows, "label_delay").reason)
    known = sum(row.value * row.n for row in rows if row.metric == "label_coverage" and not row.slice)
    assert known == pytest.approx(frame.y.notna().sum())


def test_no_labels_at_all_are_said_to_be_none() -> None:
    frame = _frame(np.random.default_rng(12), 200)
    table = pa.Table.from_pandas(frame.drop(columns=["y", "l", "truth"]), preserve_index=False)
    table = table.append_column("y", pa.nulls(200, pa.string())).append_column(
        "l", pa.nulls(200, pa.timestamp("us", "UTC"))
    )
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", label_timestamp="l")
    rows = labels(log, _windows()).rows
    assert {row.value for row in rows if row.metric == "label_coverage"} == {0.0}
    row = _row(rows, "matured_accuracy")
    assert row.value is None
    assert row.reason == "too few labels have come to say how long they take"
    assert not any(row.metric.startswith("arrival_weighted_") for row in rows)
    assert {row.value for row in rows if row.metric == "accuracy_lower_bound"} == {0.0}


def test_one_class_one_row_and_an_empty_window() -> None:
    frame = _frame(np.random.default_rng(13), 900)
    one = frame[frame.truth == 1]
    rows = _found(one)
    assert not any(row.metric == DELAY_BY_CLASS for row in rows)
    assert all(row.reason for row in rows if row.metric == "matured_false_positive_rate")
    alone = labels(_log(frame[frame.y.notna()][:1]), _windows(), as_of=START + timedelta(weeks=WEEKS)).rows
    empty = [row for row in alone if row.metric == "label_coverage" and row.value is None]
    assert len(empty) == WEEKS - 1
    assert {row.reason for row in empty} == {"no rows"}


def test_a_label_timestamp_is_needed_and_steps_may_not_be_too_short() -> None:
    frame = _frame(np.random.default_rng(14), 50)
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t")
    with pytest.raises(InputError, match="label_timestamp is not named"):
        labels(log, _windows())
    with pytest.raises(InputError, match=r"more than 500; name a longer step"):
        count_arrivals(_log(frame), _windows(), step=timedelta(minutes=5))
    with pytest.raises(InputError, match="step must be a time above 0"):
        count_arrivals(_log(frame), _windows(), step=timedelta(0))


def test_settings_out_of_range_are_refused_together() -> None:
    with pytest.raises(InputError, match=r"(?s)mature must lie in \(0, 1\).*metrics is empty.*points must be"):
        LabelSettings(mature=1.5, metrics=(), points=1)


def test_maturity_waits_for_the_slowest_class() -> None:
    fast = maturity_of(_arrivals({1: 2.0, 0: 2.0}))
    slow = maturity_of(_arrivals({1: 2.0, 0: 12.0}))
    assert fast.age == pytest.approx(2 * 3, abs=2)  # 95 % of an exponential with mean 2 days: 6 days
    assert slow.age == pytest.approx(12 * 3, abs=9)
    assert len(slow.windows) < len(fast.windows)


def _arrivals(days: Mapping[int, float]) -> Arrivals:
    frame = _frame(np.random.default_rng(15), 12000, days=days)
    arrivals = count_arrivals(_log(frame), _windows(), as_of=START + timedelta(weeks=WEEKS))
    assert delays_of(arrivals).n.sum() == 12000
    return arrivals


def test_csv_and_parquet_give_the_same_counts(tmp_path) -> None:
    frame = _frame(np.random.default_rng(16), 400).drop(columns="truth")
    frame.to_csv(tmp_path / "log.csv", index=False)
    table = pa.Table.from_pandas(frame.assign(y=frame.y.astype("Int64")), preserve_index=False)
    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", "label_timestamp": "l"}
    one = PredictionLog.from_file(tmp_path / "log.csv", sensitive_features=["g"], **roles)
    two = PredictionLog.from_frame(table, sensitive_features=["g"], **roles)
    windows = resolve(parse_windows("7d"), two)
    assert count_arrivals(one, windows).cells.equals(count_arrivals(two, windows).cells)
