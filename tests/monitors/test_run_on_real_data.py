"""All monitors on real logs: employment in Massachusetts, taxi trips around a surcharge, forecasts of games."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pytest

from audit.predictions import PredictionLog
from monitors.run import run_monitors
from monitors.settings import MonitorSettings

ACS = ["AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM"]
TAXI = [
    "passenger_count", "trip_distance", "rate_code_id", "payment_type", "fare_amount", "extra", "mta_tax",
    "tip_amount", "total_amount", "congestion_surcharge",
]  # fmt: skip


def found(folder, *parts):
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def rang(result):
    """Return metric, group, point and since when of every alarm, the earliest first."""
    read = [(alarm.since, *json.loads(alarm.key)[:3]) for alarm in result.alarms]
    return sorted(read, key=lambda each: (each[0], each[1]))


def employment(folder, name):
    """Return weeks of about 5,000 rows, in the order in which the file has them: it has no times but the years."""
    rows = duckdb.read_parquet(str(found(folder, "acs_employment_ma", f"{name}.parquet")))
    clock = "timestamptz '2015-01-05 00:00:00+00' + to_minutes(id::integer * 2)"
    return PredictionLog.from_frame(
        rows.project(f"*, {clock} AS time").to_arrow_table(),
        y_true="employed",
        y_pred="prediction",
        y_score="predicted_probability",
        timestamp="time",
        sensitive_features=["SEX", "RAC1P"],
        features=ACS,
    )


def test_employment_is_quiet_in_every_feature_group_and_rate_but_for_a_category_that_is_gone(data_folder):
    """Of the rows of 2017 that the file holds none lives in a group quarter; of those of 2015 and 2016, five in 100."""
    logs = [employment(data_folder, name) for name in ("reference", "analysis_first_100000")]
    result = run_monitors(*logs)
    assert {alarm[3]["feature"] for alarm in rang(result)} == {"RELP"}
    first_of_2017 = datetime(2015, 7, 15, tzinfo=UTC)  # row 137,911, at two minutes a row
    assert rang(result)[0][0] == first_of_2017 - timedelta(days=2)  # the Monday of its week
    looked = {(row.slice, dict(row.at)["feature"]) for row in result.measurements if row.metric == "drift_e_value"}
    assert {feature for _, feature in looked} >= {*ACS, "y_pred", "y_score"}
    assert {slice_ for slice_, _ in looked} >= {(), (("SEX", "1"),), (("SEX", "2"),), (("RAC1P", "1"),)}
    assert len({row.window for row in result.measurements if row.metric == "accuracy"}) == 21


def trips(folder, months):
    """Return the trips of some months; a surcharge that nobody had to pay stands as nothing or as 0 in the files."""
    parts = []
    for month in months:
        path = found(folder, "nyc_taxi", f"yellow_tripdata_sample_{month}.csv.gz")
        frame = pd.read_csv(path, index_col=False, low_memory=False).reindex(columns=["pickup_datetime", *TAXI])
        parts.append(frame[frame["pickup_datetime"].str.startswith(month)])
    frame = pd.concat(parts)
    frame["time"] = frame["pickup_datetime"].str.replace(" ", "T") + "Z"
    frame["tipped"] = (frame["tip_amount"] > 0).astype(int)
    frame["congestion_surcharge"] = frame["congestion_surcharge"].fillna(0.0)
    return PredictionLog.from_frame(frame, task="watch", y_pred="tipped", timestamp="time", features=TAXI)


@pytest.mark.parametrize(("window", "first"), [("7d", datetime(2019, 1, 28, tzinfo=UTC)), ("30d", None)])
def test_the_congestion_surcharge_is_found_in_its_week_and_by_its_name(data_folder, window, first):
    before = trips(data_folder, [f"2018-{month:02d}" for month in range(1, 13)])
    since = trips(data_folder, ["2019-01", "2019-02", "2019-03"])
    alarms = rang(run_monitors(before, since, settings=MonitorSettings(window=window)))
    surcharge = [alarm for alarm in alarms if alarm[3].get("feature") == "congestion_surcharge"]
    assert [alarm[1] for alarm in surcharge] == ["drift_e_value"]
    # It was first charged in the first days of February; windows of 30 days begin on 18 January here.
    assert surcharge[0][0] == (first or datetime(2019, 1, 18, tzinfo=UTC))
    # Trips without a passenger, one in 100 before, are none in January 2019 and one in six in February.
    others = [alarm for alarm in alarms if alarm[3].get("feature") != "passenger_count"]
    assert others[0][0] == surcharge[0][0]
    assert all(alarm[0] >= datetime(2019, 1, 14, tzinfo=UTC) for alarm in alarms)
    if window == "7d":
        assert surcharge[0] in others[:2]
    # What else moved is what the surcharge is counted into, and who pays it; distances and fares did not.
    moved = {alarm[3].get("feature") for alarm in alarms}
    assert "extra" in moved
    assert window != "7d" or "total_amount" in moved
    assert not moved & {"trip_distance", "fare_amount", "payment_type", "y_pred"}


def games(folder, where):
    table = duckdb.read_csv(str(found(folder, "nba_forecasts", "nba_games.csv"))).filter(where)
    clock = "prob1, prob1_outcome, season, date::timestamp AT TIME ZONE 'UTC' AS time"
    return PredictionLog.from_frame(
        table.project(clock).to_arrow_table(), y_true="prob1_outcome", y_score="prob1", threshold=0.5, timestamp="time"
    )


def test_forecasts_of_games_are_followed_over_seasons_and_summers_without_games_are_no_zero(data_folder):
    logs = [games(data_folder, where) for where in ("season < 2020", "season >= 2020")]
    result = run_monitors(*logs, settings=MonitorSettings(window="91d"))
    bias = [row for row in result.measurements if row.metric == "calibration_in_the_large" and not row.slice]
    plain = [row for row in bias if row.against is None]
    known = [row for row in plain if row.value is not None]
    assert len(known) >= 9
    assert all(row.low <= row.value <= row.high for row in known if row.low is not None)
    rows = {row.window: row.value for row in result.measurements if row.metric == "traffic" and not row.slice}
    assert sum(rows.values()) == sum(1 for _ in logs[1].table.select("y_true").collect().rows())
    # Home teams win less often than forecast, in the mean of the seasons (6 points); no calibration alarm is due.
    assert sum(row.value * row.n for row in known) / sum(row.n for row in known) == pytest.approx(0.0625, abs=0.002)
    assert not [alarm for alarm in rang(result) if "calibration" in alarm[1] or "rectifier" in alarm[1]]
