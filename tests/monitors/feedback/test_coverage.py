"""Shares of known outcomes: intervals cover under clusters, gaps and falls ring rightly, bounds hold the truth."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.unknowns.bounds import label_bound_rows
from monitors.feedback.coverage import falling, measure_coverage
from monitors.feedback.coverage_bounds import measure_bounds
from monitors.feedback.coverage_counts import Gap, Mark, Share, largest_gap, share_of, share_row
from monitors.feedback.moment_sums import moments_of
from monitors.feedback.settings import LoopRows, LoopSettings


def log_of(columns: dict[str, Any], **options: Any) -> PredictionLog:
    roles = {name: name for name in columns if name != "sex"}
    features = ["sex"] if "sex" in columns else []
    table = pa.table(columns)
    return PredictionLog.from_frame(table, task="watch", sensitive_features=features, **roles, **options)


def people(seed: int, *, gap: float = 0.0, users: int = 150, spread: float = 0.0) -> dict[str, Any]:
    """Return rows of users of two groups whose outcomes are known with probability .6 and .6 + gap."""
    rng = np.random.default_rng(seed)
    rows = rng.poisson(4, users) + 1
    group = rng.random(users) < 0.5
    chance = np.where(group, 0.6 + gap, 0.6)
    if spread:
        chance = rng.beta(chance / spread, (1 - chance) / spread)
    who = np.repeat(np.arange(users), rows)
    known = rng.random(who.size) < chance[who]
    return {
        "user": who.astype(str),
        "sex": np.where(group[who], "F", "M"),
        "outcome_observed": known.astype(int),
        "outcome": pa.array(rng.integers(0, 2, who.size), mask=~known),
    }


def found(rows: LoopRows, metric: str, **wanted: Any) -> Measurement:
    return next(
        row for row in rows.rows
        if row.metric == metric and dict(row.slice) == wanted.get("slice", {}) and dict(row.at) == wanted.get("at", {})
    )  # fmt: skip


def test_shares_are_those_of_the_rows() -> None:
    log = log_of(
        {"sex": ["F", "F", "M", "M"], "outcome_observed": [1, 0, 1, 1], "y_score": [0.05, 0.95, 1.0, 0.1]},
    )
    rows = measure_coverage(log, LoopSettings())
    assert found(rows, "outcome_coverage").value == 0.75
    assert found(rows, "outcome_coverage", slice={"sex": "F"}).value == 0.5
    assert found(rows, "outcome_coverage", at={"bin": "0.9-1.0"}).value == 0.5
    assert found(rows, "outcome_coverage", slice={"sex": "M"}, at={"bin": "0.1-0.2"}).n == 1
    gap = found(rows, "outcome_coverage_difference")
    assert (gap.value, gap.reason) == (0.5, "between M and F")


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_interval_covers_though_users_hang_together(spread: float) -> None:
    hits = []
    for seed in range(150):
        columns = people(seed, users=60, spread=spread)
        values = np.column_stack([np.ones(len(columns["user"])), columns["outcome_observed"]])
        row = share_row("c", share_of(moments_of(values, columns["user"]), 1), level=0.95, mark=Mark())
        hits.append(row.low <= 0.6 <= row.high)
    assert np.mean(hits) >= 0.905
    if spread:  # as if rows were independent, the interval would be much too short
        naive = share_row("c", share_of(moments_of(values), 1), level=0.95, mark=Mark())
        assert row.high - row.low > 1.3 * (naive.high - naive.low)


def test_a_log_gives_what_arrays_give() -> None:
    columns = people(3, spread=0.5)
    values = np.column_stack([np.ones(len(columns["user"])), columns["outcome_observed"]])
    expected = share_row("outcome_coverage", share_of(moments_of(values, columns["user"]), 1), level=0.95, mark=Mark())
    assert found(measure_coverage(log_of(columns), LoopSettings()), "outcome_coverage").low == pytest.approx(
        expected.low, abs=1e-12
    )


def gap_of(columns: dict[str, Any]) -> Gap:
    values = np.column_stack([np.ones(len(columns["user"])), columns["outcome_observed"]])
    shares = {}
    for group in ("F", "M"):
        own = columns["sex"] == group
        shares[group] = share_of(moments_of(values[own], columns["user"][own]), 1)
    return largest_gap("outcome_coverage_difference", shares, feature="sex", level=0.95, limit=0.2)


def test_gaps_ring_rarely_at_the_limit_and_surely_beyond() -> None:
    quiet, loud, inside = [], [], []
    for seed in range(100):
        at_limit = gap_of(people(seed, gap=0.2, spread=0.3))
        inside.append(at_limit.row.low <= 0.2 <= at_limit.row.high)
        quiet.append(at_limit.e_value)
        loud.append(gap_of(people(seed, gap=0.38, users=400)).e_value)
    assert np.mean(np.array(quiet) >= 20) <= 0.05
    assert np.mean(inside) >= 0.88
    assert np.mean(np.array(loud) >= 20) > 0.9


def test_low_coverage_rings() -> None:
    rng = np.random.default_rng(1)
    rows = measure_coverage(log_of({"outcome_observed": (rng.random(2000) < 0.3).astype(int)}), LoopSettings())
    assert rows.evidence[0].e_value > 1000
    looser = measure_coverage(
        log_of({"outcome_observed": (rng.random(2000) < 0.3).astype(int)}),
        LoopSettings(limits={"outcome_coverage": 0.2}),
    )
    assert looser.evidence[0].e_value < 1


def rounds(shares: list[float], seed: int, n: int = 800) -> PredictionLog:
    rng = np.random.default_rng(seed)
    known = np.concatenate([rng.random(n) < share for share in shares]).astype(int)
    return log_of({"round": np.repeat(np.arange(len(shares)), n), "outcome_observed": known})


def chance(worlds: int) -> np.ndarray:
    return np.random.default_rng(5).binomial(800, [0.9, 0.75, 0.6, 0.6], (worlds, 4)).astype(float)


def test_three_falls_in_a_row_ring_and_two_do_not() -> None:
    def evidence(shares: list[float], seed: int) -> float:
        result = measure_coverage(rounds(shares, seed), LoopSettings())
        key = found(result, "outcome_coverage_change", at={"round": str(len(shares) - 1)}).key()
        return next(each.e_value for each in result.evidence if each.key == key)

    assert min(evidence([0.9, 0.9, 0.75, 0.6, 0.45], seed) for seed in range(3)) >= 20
    assert max(evidence([0.9, 0.9, 0.75, 0.6, 0.6], seed) for seed in range(5)) < 20
    shares = [[Share(x / 800, 800, x, 800.0, 799.0, clustered=False) for x in four] for four in chance(200)]
    assert np.mean([falling(four, limit=0.0)[1] >= 20 for four in shares]) <= 0.01


def test_few_rounds_and_clocks_that_go_backwards_are_refused() -> None:
    few = measure_coverage(rounds([0.9, 0.8], 1), LoopSettings())
    assert "there are 2 retraining rounds" in found(few, "outcome_coverage_change").reason
    log = log_of({"round": [2, 1], "timestamp": ["2026-01-05T00:00Z", "2026-01-12T00:00Z"], "outcome_observed": [1, 0]})
    reason = found(measure_coverage(log, LoopSettings()), "outcome_coverage_change").reason
    assert "a clock went backwards" in reason


def test_one_group_or_too_many_have_no_gap() -> None:
    one = Share(0.5, 10, 5.0, 10.0, 9.0, clustered=False)
    gap = largest_gap("g", {"a": one}, feature="f", level=0.95, limit=0.2)
    assert "fewer than two groups" in gap.row.reason
    many = largest_gap("g", {str(k): one for k in range(101)}, feature="f", level=0.95, limit=0.2)
    assert "it has 101 groups" in many.row.reason


def test_few_clusters_have_a_share_and_no_interval() -> None:
    values = np.column_stack([np.ones(40), np.arange(40) % 2])
    row = share_row("c", share_of(moments_of(values, np.arange(40) % 4), 1), level=0.95, mark=Mark())
    assert row.value == 0.5
    assert row.low is None
    assert "4 clusters are too few" in row.reason


def test_hostile_group_names_stay_text() -> None:
    rows = measure_coverage(log_of({"sex": ["<script>", "=1+1", None], "outcome_observed": [1, 0, 1]}), LoopSettings())
    assert found(rows, "outcome_coverage", slice={"sex": "<script>"}).n == 1
    assert found(rows, "outcome_coverage", slice={"sex": None}).value == 1.0


def loans(seed: int, n: int = 400) -> tuple[PredictionLog, PredictionLog, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth, said = (rng.random((2, n)) < 0.5).astype(int)
    known = rng.random(n) < np.where(said == 1, 0.9, 0.2)
    columns = {"y_pred": said, "outcome": pa.array(truth, mask=~known)}
    audited = PredictionLog.from_frame(pa.table(columns), y_true="outcome", y_pred="y_pred", positive="1")
    return log_of(columns), audited, truth, said


def test_bounds_hold_the_truth_and_are_those_of_the_audit() -> None:
    log, audited, truth, said = loans(1)
    rows = {row.metric: row for row in measure_bounds(log, LoopSettings()).rows}
    assert rows["base_rate_lower_bound"].value <= truth.mean() <= rows["base_rate_upper_bound"].value
    width = rows["base_rate_upper_bound"].value - rows["base_rate_lower_bound"].value
    assert rows["base_rate_bounds_width"].value == pytest.approx(width)
    assert rows["false_positive_rate_lower_bound"].value <= said[truth == 0].mean()
    assert rows["false_positive_rate_upper_bound"].value >= said[truth == 0].mean()
    names = ["false_positive_rate", "false_negative_rate"]
    for expected in label_bound_rows(count(audited), metrics=names):
        ours = rows[expected.metric]
        assert (ours.value, ours.low, ours.high, ours.n) == pytest.approx(
            (expected.value, expected.low, expected.high, expected.n)
        )


def test_bounds_of_rows_that_hang_together_are_wider() -> None:
    log, _, _, _ = loans(2)
    table = log.table.collect(backend="pyarrow").to_native()
    columns = {name: table[name] for name in ("y_pred", "outcome")}
    twice = {
        name: pa.concat_arrays([pa.chunked_array(values).combine_chunks()] * 2) for name, values in columns.items()
    }
    paired = log_of(twice | {"user": [str(place) for place in range(400)] * 2})
    alone = {row.metric: row for row in measure_bounds(log, LoopSettings()).rows}
    for row in measure_bounds(paired, LoopSettings()).rows:
        if row.metric.startswith("false"):
            assert row.high - row.low == pytest.approx(alone[row.metric].high - alone[row.metric].low, rel=0.1)


def test_everything_known_leaves_nothing_open() -> None:
    rows = {row.metric: row for row in measure_bounds(log_of({"outcome": [1, 0, 1, 1]}), LoopSettings()).rows}
    assert rows["base_rate_lower_bound"].value == rows["base_rate_upper_bound"].value == 0.75
    assert rows["base_rate_bounds_width"].value == 0.0
    assert "false_positive_rate_lower_bound" not in rows


def test_numbers_without_bounds_are_refused() -> None:
    rows = measure_bounds(log_of({"outcome": [1.0, 7.5]}), LoopSettings()).rows
    assert all(row.value is None for row in rows)
    assert "1 outcomes are neither 0 nor 1" in rows[0].reason
    empty = measure_bounds(log_of({"outcome": pa.array([], pa.float64())}), LoopSettings()).rows
    assert "the log has no rows" in empty[0].reason
    nothing = measure_coverage(log_of({"outcome_observed": pa.array([], pa.int64())}), LoopSettings()).rows
    assert nothing[0].reason.startswith("cannot be measured, because")
