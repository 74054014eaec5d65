"""Adherence, influence and usage are those of the rows; their intervals cover and their alarms keep quiet rightly."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.adherence import influence, measure_adherence
from monitors.feedback.coverage_counts import Mark, share_of
from monitors.feedback.moment_sums import moments_of
from monitors.feedback.settings import LoopRows, LoopSettings


def log_of(columns: dict[str, Any], *, task: str = "watch") -> PredictionLog:
    roles = {name: name for name in columns if name != "sex"}
    features = ["sex"] if "sex" in columns else []
    return PredictionLog.from_frame(pa.table(columns), task=task, sensitive_features=features, **roles)  # type: ignore[arg-type]


def measured(columns: dict[str, Any], **settings: Any) -> LoopRows:
    return measure_adherence(log_of(columns), LoopSettings(**settings))


def row_of(rows: LoopRows, metric: str, **wanted: Any) -> Measurement:
    return next(
        row for row in rows.rows
        if row.metric == metric and dict(row.slice) == wanted.get("slice", {}) and dict(row.at) == wanted.get("at", {})
    )  # fmt: skip


SMALL: dict[str, Any] = {
    "y_pred": [1, 1, 0, 0, 1, 0],
    "human_decision": [1, 1, 0, 1, 0, 0],
    "exposed": [1, 1, 1, 1, 0, 0],
    "sex": ["F", "F", "M", "M", "F", "M"],
}


def test_shares_are_those_of_the_rows() -> None:
    rows = measured(SMALL)
    assert row_of(rows, "adherence").value == 0.75
    assert row_of(rows, "adherence", slice={"sex": "F"}).value == 1.0
    found = row_of(rows, "adherence_difference")
    assert (found.value, found.n) == (0.25, 2)
    assert "no arm says so" in found.reason
    assert row_of(rows, "usage").value == pytest.approx(4 / 6)


def test_the_hold_out_is_what_influence_is_measured_against() -> None:
    arms = ["model", "model", "model", "model", "holdout", "explore"]
    rows = measured({name: values for name, values in SMALL.items() if name != "exposed"} | {"arm": arms})
    found = row_of(rows, "adherence_difference")
    assert (found.value, found.n, found.reason) == (0.75, 1, None)


def staff(seed: int, *, follow: float) -> dict[str, Any]:
    """Return decisions of clerks who agree with the model in .7 of the cases, and follow it in a share of the rest."""
    rng = np.random.default_rng(seed)
    n, clerks = 900, 45
    said, exposed = rng.integers(0, 2, (2, n))
    clerk = rng.integers(0, clerks, n)
    agree = rng.random(n) < rng.beta(14, 6, clerks)[clerk]
    agree |= (exposed == 1) & (rng.random(n) < follow)
    decided = np.where(agree, said, 1 - said)
    return {"y_pred": said, "human_decision": decided, "exposed": exposed, "cluster": clerk.astype(str)}


@pytest.mark.parametrize("follow", [0.0, 0.6])
def test_the_interval_of_the_influence_covers(follow: float) -> None:
    hits = []
    for seed in range(150):
        columns = staff(seed, follow=follow)
        agrees = columns["y_pred"] == columns["human_decision"]
        values = np.column_stack([np.ones(len(agrees)), agrees])
        sides = [columns["exposed"] == side for side in (1, 0)]
        seen, unseen = (share_of(moments_of(values[side], columns["cluster"][side]), 1) for side in sides)
        row = influence(seen, unseen, level=0.95, mark=Mark())
        hits.append(row.low <= 0.3 * follow <= row.high)
    assert np.mean(hits) >= 0.91
    logged = row_of(measured(columns), "adherence_difference")
    assert (logged.low, logged.high, logged.method) == (row.low, row.high, "agresti_caffo, cluster_robust")


def test_without_anyone_unexposed_there_is_no_influence() -> None:
    rows = measured(SMALL | {"exposed": [1] * 6})
    assert row_of(rows, "adherence").value == pytest.approx(4 / 6)
    found = row_of(rows, "adherence_difference")
    assert found.value is None
    assert "no decision here did not see the model" in found.reason
    unseen = measured(SMALL | {"exposed": [0] * 6})
    assert "no decision was made by a person who saw the model" in row_of(unseen, "adherence").reason


def test_numbers_are_no_decisions() -> None:
    columns = {"y_true": [1.0, 2.0], "y_pred": [1.5, 2.5], "human_decision": [1, 0]}
    rows = measure_adherence(log_of(columns, task="regression"), LoopSettings()).rows
    assert [row.value for row in rows] == [None, None]
    assert "predictions are numbers" in rows[0].reason


def rounds(usage: list[float], seed: int, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    seen = np.concatenate([rng.random(500) < share for share in usage]).astype(int)
    return {"round": np.repeat(np.arange(len(usage)), 500), "exposed": seen} | more


def test_usage_of_the_last_round_rings_above_one_half() -> None:
    rows = measured(rounds([0.1, 0.3, 0.65], 1))
    last = row_of(rows, "usage", at={"round": "2"})
    assert last.value == pytest.approx(0.65, abs=0.07)
    assert [each.key for each in rows.evidence] == [last.key()]
    assert rows.evidence[0].e_value > 20
    assert row_of(rows, "usage").n == 1500
    quiet = [measured(rounds([0.1, 0.5], seed)).evidence[0].e_value for seed in range(20)]
    assert np.mean(np.array(quiet) >= 20) <= 0.05
    assert measured(rounds([0.9], 1), limits={"usage": 0.95}).evidence[0].e_value < 1


def test_a_hold_out_takes_the_limit_away_unless_it_was_touched() -> None:
    arms = np.where(np.arange(500) % 10, "model", "holdout")
    columns = rounds([0.9], 2, arm=arms)
    touched = measured(columns)
    assert len(touched.evidence) == 1
    clean = measured(columns | {"exposed": np.where(arms == "holdout", 0, columns["exposed"])})
    assert not clean.evidence
    assert "50 hold-out rows" in row_of(clean, "usage").reason


def test_flags_that_are_all_missing_say_so() -> None:
    row = row_of(measured({"exposed": pa.array([None, None], pa.int64())}), "usage")
    assert row.value is None
    assert "no row says whether the model was seen" in row.reason
