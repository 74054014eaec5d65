"""A decision log reads alike from every engine, and values that mean nothing are counted by column."""

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.decisions import decision_facts, decisions

FRAME = {
    "said": [1, 0, 1],
    "acted": [True, False, True],
    "who": ["Model", "explore", "holdout"],
    "p": [0.5, 0.25, 1.0],
    "at": ["2026-01-05T00:00:00Z", "2026-01-05T01:00:00Z", "2026-01-06T00:00:00Z"],
    "sex": ["F", "M", None],
}
ROLES = {"y_pred": "said", "action": "acted", "arm": "who", "propensity": "p", "timestamp": "at"}


def read(data: object) -> list[dict[str, object]]:
    log = PredictionLog.from_frame(data, sensitive_features=["sex"], task="watch", **ROLES)  # type: ignore[arg-type]
    rows: list[dict[str, object]] = decisions(log).collect(backend="pyarrow").to_native().to_pylist()
    return sorted(rows, key=lambda row: str(row["micros"]))


def test_engines_agree(tmp_path: Path) -> None:
    arrow = read(pa.table(FRAME))
    assert [row["action"] for row in arrow] == [1.0, 0.0, 1.0]
    assert [row["arm"] for row in arrow] == ["model", "explore", "holdout"]
    assert arrow[1]["micros"] == 1_767_571_200_000_000 + 3_600_000_000
    assert read(pl.DataFrame(FRAME)) == arrow
    assert read(pd.DataFrame(FRAME)) == arrow
    file = tmp_path / "log.csv"
    pd.DataFrame(FRAME).to_csv(file, index=False)
    log = PredictionLog.from_file(file, sensitive_features=["sex"], task="watch", **ROLES)  # type: ignore[arg-type]
    rows = decisions(log).collect(backend="pyarrow").to_native().to_pylist()
    assert [row["propensity"] for row in rows] == [0.5, 0.25, 1.0]
    assert [row["action"] for row in rows] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("role", "values", "said"),
    [
        ("propensity", [0.0, 1.5, None], "2 of 3 rows hold no number in (0, 1]"),
        ("propensity", ["a lot", "0.5", ""], "1 of 3 rows hold no number in (0, 1]"),
        ("exposure", [-1.0, 0.0, 2.0], "1 of 3 rows hold no number of at least 0"),
        ("arm", ["model", "robot", None], "1 of 3 rows hold no one of model, manual, explore, holdout"),
        ("outcome_source", ["reported", "rumour", "audit"], "1 of 3 rows hold no one of discovered, reported, audit"),
        ("dither", [float("inf"), 0.1, float("nan")], "1 of 3 rows hold no finite number"),
        ("exposed", ["yes", "1", "true"], "1 of 3 rows hold no 1, 0, true or false"),
    ],
)
def test_values_that_mean_nothing_are_counted(role: str, values: list[object], said: str) -> None:
    log = PredictionLog.from_frame(pa.table({"c": values}), task="watch", **{role: "c"})  # type: ignore[arg-type]
    assert decision_facts(log).faults == {role: f"column 'c' ({role}): {said}"}


def test_fine_columns_have_no_faults() -> None:
    log = PredictionLog.from_frame(pa.table(FRAME), task="watch", **ROLES)  # type: ignore[arg-type]
    assert decision_facts(log).faults == {}


def test_rows_that_a_join_lost_are_a_fault_and_one_in_a_hundred_is_none() -> None:
    few = PredictionLog.from_frame(pa.table({"who": ["a"] * 99 + [None]}), task="watch", user="who")
    many = PredictionLog.from_frame(pa.table({"who": ["a"] * 98 + [None, ""]}), task="watch", user="who")
    assert decision_facts(few).faults == {}
    assert decision_facts(many).faults == {"user": "column 'who' (user): 2 of 100 rows have none; did a join lose them"}
    assert decision_facts(many).rows == 100


def test_a_log_without_predictions_has_groups() -> None:
    log = PredictionLog.from_frame(
        pa.table({"sex": ["F"], "done": [1]}), task="watch", action="done", sensitive_features=["sex"]
    )
    rows = decisions(log).collect(backend="pyarrow").to_native().to_pylist()
    assert rows == [{"action": 1.0, "feature_0": "F"}]
