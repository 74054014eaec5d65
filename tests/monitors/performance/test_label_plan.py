"""How many labels, and which rows: widths and power by simulation, and draws that anyone can make again."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.inference import intervals
from audit.predictions import PredictionLog
from audit.tally import Tally
from monitors.performance.label_plan import label_plan
from monitors.performance.labels_needed import LabelGoal, labels_needed


def _tally(rows: int = 20000, wrong: float = 0.1) -> Tally:
    rng = np.random.default_rng(1)
    y = (rng.random(rows) < 0.3).astype(int)
    p = np.where(rng.random(rows) < wrong, 1 - y, y)
    frame = pa.table({"y": y, "p": p, "g": rng.choice(["a", "b"], rows, p=[0.9, 0.1]).tolist()})
    return count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))


def test_so_many_labels_give_the_half_width() -> None:
    rng = np.random.default_rng(2)
    row = labels_needed(_tally(), goal=LabelGoal(half_width=0.03))[0]
    n = int(row.value)
    ends = intervals.rate(rng.binomial(n, 0.9, 500), n)
    assert np.median(ends.high - ends.low) / 2 == pytest.approx(0.03, abs=0.0015)


def test_a_rate_of_few_rows_asks_for_more_labels() -> None:
    goal = {"half_width": 0.05}
    negatives = labels_needed(_tally(), goal=LabelGoal(metric="false_positive_rate", **goal))[0].value
    positives = labels_needed(_tally(), goal=LabelGoal(metric="false_negative_rate", **goal))[0].value
    assert positives / negatives == pytest.approx(0.7 / 0.3, rel=0.1)


def test_so_many_labels_find_twice_the_tolerance_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    for row in labels_needed(_tally(), goal=LabelGoal(tolerance=0.05)):
        n = int(row.value)
        truth, limit = (float(word) for word in str(row.reason).split() if word[0] == "0")
        found = intervals.rate(rng.binomial(n, truth, 4000), n).low > limit
        assert found.mean() == pytest.approx(0.8, abs=0.05)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_or_on_other_groups() -> None:
    rng = np.random.default_rng(4)
    ids, groups = [f"id{place}" for place in range(300)], rng.choice(["a", "b", "=1+1"], 300).tolist()
    labels = [1 if place % 3 == 0 else None for place in range(300)]
    table = pa.table({"id": ids, "g": groups, "y": pa.array(labels, pa.int64()), "p": [1, 0, 1] * 100})

    def plan(rows: pa.Table, wanted: dict[str | None, int], seed: int = 7) -> list[dict[str, object]]:
        log = PredictionLog.from_frame(rows, y_true="y", y_pred="p", prediction_id="id", sensitive_features=["g"])
        return label_plan(log, wanted, feature="g", seed=seed).rows.to_pylist()

    one = plan(table, {"a": 10, "=1+1": 1000})
    shuffled = table.take(pa.array(rng.permutation(300)))
    assert plan(shuffled, {"a": 10, "=1+1": 1000}) == one
    assert plan(table, {"a": 10}) == one[:10]
    assert plan(table, {"a": 10}, seed=8) != one[:10]
    open_rows = {name for name, label in zip(ids, labels, strict=True) if label is None}
    assert {row["prediction_id"] for row in one} <= open_rows
    whole = sum(1 for name, group in zip(ids, groups, strict=True) if group == "=1+1" and name in open_rows)
    assert len(one) == 10 + whole
    assert one[-1]["chance"] == 1.0


def test_every_open_row_has_the_same_chance() -> None:
    table = pa.table({"id": [str(place) for place in range(20)], "y": pa.nulls(20, pa.int64()), "p": [1, 0] * 10})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", prediction_id="id")
    drawn = [
        row
        for seed in range(200)
        for row in label_plan(log, {None: 5}, feature=None, seed=seed).rows["prediction_id"].to_pylist()
    ]
    times = np.bincount(np.array(drawn, dtype=int), minlength=20)
    assert np.abs(times - 50).max() < 4.5 * np.sqrt(200 * 0.25 * 0.75)


@pytest.mark.parametrize("name", ["plan.csv", "plan.parquet"])
def test_a_plan_is_written_and_read_back(tmp_path, name: str) -> None:
    table = pa.table({"id": ["a,1", "b\n2"], "y": pa.nulls(2, pa.int64()), "p": [1, 0]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", prediction_id="id")
    plan = label_plan(log, {None: 2}, feature=None)
    plan.write(tmp_path / name)
    read = pq.read_table(tmp_path / name) if name.endswith("t") else pa_csv.read_csv(
        tmp_path / name, parse_options=pa_csv.ParseOptions(newlines_in_values=True)
    )  # fmt: skip
    assert read["prediction_id"].to_pylist() == plan.rows["prediction_id"].to_pylist()


def test_bad_plans_are_refused() -> None:
    table = pa.table({"id": ["a", "a"], "y": pa.nulls(2, pa.int64()), "p": [1, 0]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", prediction_id="id")
    with pytest.raises(InputError, match="an id stands twice"):
        label_plan(log, {None: 1}, feature=None)
    with pytest.raises(InputError, match=r"(?s)no sensitive feature 'g'.*wanted of 'x' must be at least 1"):
        label_plan(log, {"x": 0}, feature="g")
    with pytest.raises(InputError, match="prediction_id is not named"):
        label_plan(PredictionLog.from_frame(table, y_true="y", y_pred="p"), {None: 1}, feature=None)
    with pytest.raises(InputError, match=r"no row without a label in group 'x'; there are such rows in None"):
        label_plan(
            PredictionLog.from_frame(table.slice(0, 1), y_true="y", y_pred="p", prediction_id="id"),
            {"x": 1},
            feature=None,
        )


def test_goals_are_checked_and_only_rates_are_planned_for() -> None:
    with pytest.raises(InputError, match="name half_width or tolerance"):
        LabelGoal()
    with pytest.raises(InputError, match=r"half_width must lie in \(0, 1\); got 5"):
        LabelGoal(half_width=5)
    with pytest.raises(InputError, match="f1 is no rate"):
        labels_needed(_tally(100), goal=LabelGoal(metric="f1", half_width=0.1))
    frame = pa.table({"y": [1] * 20, "p": [1] * 20})
    only = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    (row,) = labels_needed(only, goal=LabelGoal(metric="false_positive_rate", half_width=0.1))
    assert (row.value, row.reason) == (None, "no negative labels in the reference")
