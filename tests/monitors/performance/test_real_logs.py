"""Real predictions over time: employment in Massachusetts after 2015, forecasts of basketball games."""

from pathlib import Path

import duckdb
import pytest

from audit.predictions import PredictionLog
from audit.tally import Tally
from audit.tally_rows import measure
from monitors.performance.label_free import label_free
from monitors.performance.performance import performance, performance_evidence
from monitors.performance.settings import PerformanceSettings
from monitors.performance.window_tally import windowed_tally, windows_of, without_windows
from monitors.windows import parse_windows, resolve


def _file(folder: Path, *parts: str) -> Path:
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def _employment(folder: Path, name: str) -> Tally:
    """Return weeks of about 5,000 rows, in the order in which the file has them."""
    path = _file(folder, "acs_employment_ma", f"{name}.parquet")
    rows = duckdb.read_parquet(str(path))
    table = rows.project(
        "*, timestamptz '2015-01-05 00:00:00+00' + to_minutes(id::integer * 2) AS time"
    ).to_arrow_table()
    log = PredictionLog.from_frame(
        table,
        y_true="employed",
        y_pred="prediction",
        y_score="predicted_probability",
        timestamp="time",
        sensitive_features=["SEX", "RAC1P", "AGEP"],
        bins={"AGEP": [25, 45, 65]},
    )
    return windowed_tally(log, resolve(parse_windows("7d"), log))


def test_employment_is_quiet_at_two_points_and_shows_the_year_2017_at_none(data_folder: Path) -> None:
    reference, current = (_employment(data_folder, name) for name in ("reference", "analysis_first_100000"))
    auc = next(
        row
        for row in measure(without_windows(reference), metrics=["roc_auc"], intersections=1)
        if row.metric == "roc_auc"
    )
    assert auc.value == pytest.approx(0.9034, abs=1e-4)
    assert len(windows_of(reference)) == 14
    found = performance(reference, current, settings=PerformanceSettings(tolerance=0.02))
    assert found.alarms == ()
    accuracy = [row for row in found.rows if row.metric == "accuracy" and row.slice == () and row.against is None]
    assert len(accuracy) == 21
    assert all(0.80 < row.value < 0.86 for row in accuracy)
    strict = performance_evidence(reference, current, settings=PerformanceSettings(tolerance=0.0)).alarms
    # The rows from number 137,911 on are of 2017: day 191, in the week of 13 July on this clock.
    assert {alarm.key.split('"')[1] for alarm in strict} <= {
        "selection_rate_e_detector",
        "false_positive_rate_e_detector",
    }
    assert strict
    assert min(alarm.since for alarm in strict).isoformat() >= "2015-07-13"


def test_employment_estimated_without_labels_agrees_with_the_labels_that_came(data_folder: Path) -> None:
    reference, current = (_employment(data_folder, name) for name in ("reference", "analysis_first_100000"))
    rows = label_free(reference, without_windows(current)).rows
    estimate = next(row for row in rows if row.metric == "estimated_accuracy" and row.slice == ())
    truth = next(row for row in rows if row.metric == "corrected_accuracy" and row.slice == ())
    assert estimate.value == pytest.approx(truth.value, abs=0.01)
    assert truth.value == pytest.approx(0.8288, abs=1e-3)


def _games(folder: Path, where: str) -> Tally:
    path = _file(folder, "nba_forecasts", "nba_games.csv")
    games = duckdb.read_csv(str(path)).filter(where)
    table = games.project("prob1, prob1_outcome, date::timestamp AT TIME ZONE 'UTC' AS time").to_arrow_table()
    log = PredictionLog.from_frame(table, y_true="prob1_outcome", y_score="prob1", threshold=0.5, timestamp="time")
    return windowed_tally(log, resolve(parse_windows("28d"), log))


def test_home_teams_win_less_often_than_forecast_after_2019_and_the_evidence_is_not_enough(data_folder: Path) -> None:
    reference, current = _games(data_folder, "season < 2020"), _games(data_folder, "season >= 2020")
    bias = [
        next(
            row
            for row in measure(without_windows(tally), metrics=["calibration_in_the_large"])
            if row.metric != "count"
        )
        for tally in (reference, current)
    ]
    assert bias[0].value == pytest.approx(0.0371, abs=0.001)
    assert bias[1].value == pytest.approx(0.0625, abs=0.001)
    found = performance_evidence(reference, current, settings=PerformanceSettings(tolerance=0.0))
    assert found.alarms == ()
    last = {row.metric: row.value for row in found.rows}
    # Of all the evidence that of the outcomes is the largest, and still below 1: the bounds of the reference are wide.
    assert max(last, key=lambda name: last[name] if name.endswith("e_value") else 0.0) == "outcome_rectifier_e_value"
