"""The reliability table against scikit-learn's curve, its joint coverage, and its doors."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from audit.counting import count
from audit.errors import InputError
from audit.measurement import Measurement
from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.score_bins import BIN_GROUPS
from audit.scores.calibration import OBSERVED, PROMISED, SCORE_METRICS, reliability, with_reliability

HOSTILE = ("<script>alert(1)</script>", "=1+1", "line\nbreak", "\u202eright to left", "a, b")


def log(y, score, groups=None, **more):
    roles = {role: name for role, name in (("sample_weight", "w"), ("cluster", "c")) if name in more}
    table = {"y": pa.array(y), "s": score} | ({} if groups is None else {"g": groups}) | more
    features = [] if groups is None else ["g"]
    return PredictionLog.from_frame(
        pa.table(table), y_true="y", y_score="s", threshold=0.5, sensitive_features=features, **roles
    )


def curve(rows):
    pairs = {}
    for row in rows:
        pairs.setdefault(row.at, {})[row.metric] = row
    return [(pair[OBSERVED], pair[PROMISED]) for _, pair in sorted(pairs.items())]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 249).map(lambda k: (4 * k + 1) / 1000)), min_size=1, max_size=60
    )
)
def test_the_table_is_scikit_learns_curve(table):
    y, score = map(np.array, zip(*table, strict=True))
    observed, promised = calibration_curve(y, score, n_bins=10) if len(set(y)) == 2 else (None, None)
    rows = curve(reliability(count(log(y, score))))
    assert len(rows) == BIN_GROUPS
    held = [pair for pair in rows if pair[0].value is not None]
    assert sum(pair[0].n for pair in held) == len(y)
    if observed is not None:
        np.testing.assert_allclose([pair[0].value for pair in held], observed, atol=1e-12)
        np.testing.assert_allclose([pair[1].value for pair in held], promised, atol=1e-9)
    for one, two in held:
        assert one.low <= one.value <= one.high
        assert (two.low, two.high, two.level) == (None, None, None)
        assert one.n == two.n


def test_edges_fall_into_the_upper_bin_and_1_into_the_last():
    rows = curve(reliability(count(log([0, 1, 0, 1, 1], [0.0, 0.1, 0.7, 0.999, 1.0]))))
    assert [pair[0].n for pair in rows] == [1, 1, 0, 0, 0, 0, 0, 1, 0, 2]
    assert rows[2][0].reason == "no labelled rows in bin"


def test_calibration_errors_are_those_of_the_table():
    random = np.random.default_rng(0)
    score = random.random(2000)
    result = run_audit(log(random.random(2000) < score**1.4, score, random.choice([*"ab"], 2000)))
    for group in ("a", "b"):
        pairs = [pair for pair in curve(row for row in reliability(result.tally, features=["g"])
                                        if row.slice == (("g", group),)) if pair[0].n]  # fmt: skip
        n = np.array([pair[0].n for pair in pairs])
        off = np.array([abs(pair[0].value - pair[1].value) for pair in pairs])
        far = np.array([max(abs(end - pair[1].value) for end in (pair[0].low, pair[0].high)) for pair in pairs])
        near = np.array([max(pair[0].low - pair[1].value, pair[1].value - pair[0].high, 0) for pair in pairs])
        found = result.find("expected_calibration_error", {"g": group})
        value, low, high = ((n * side).sum() / n.sum() for side in (off, near, far))
        assert found.value == pytest.approx(value, abs=1e-12)
        # The table takes shares and mean scores of the bins as they are; the error allows for theirs, a little.
        assert low - 0.003 < found.low < low
        assert high < found.high < high + 0.003
        assert found.n == n.sum()
        found = result.find("maximum_calibration_error", {"g": group})
        assert found.value == pytest.approx(off.max())
        assert near.max() - 0.001 < found.low < near.max()
        assert far.max() < found.high < far.max() + 0.001
        assert found.n == n.min()


@pytest.mark.parametrize("design", ["plain", "weights", "clusters"])
def test_the_bins_of_a_group_hold_at_once(design):
    random = np.random.default_rng(1)
    runs, rows = 300, 400
    more = {}
    if design == "clusters":  # five rows of one person, with the same score and mostly the same label
        score = np.repeat(random.random(runs * rows // 5), 5)
        same = np.repeat(random.random(runs * rows // 5), 5)
        y = np.where(random.random(len(score)) < 0.7, same, random.random(len(score))) < score
        more = {"c": np.arange(len(score)) // 5}
    else:
        score = random.random(runs * rows)
        y = random.random(runs * rows) < score
    if design == "weights":
        more = {"w": random.lognormal(0, 0.5, runs * rows)}
    groups = np.repeat([f"r{place}" for place in range(runs)], rows).tolist()
    made = count(log(y, score, groups, **more))
    missed = {
        row.slice
        for row in reliability(made, features=["g"])
        if row.metric == OBSERVED and row.value is not None and not row.low <= 0.1 * row.at[0][1] + 0.05 <= row.high
    }
    assert len(missed) <= 0.09 * runs
    if design == "clusters":
        naive = count(log(y, score, groups))
        missed_naively = {
            row.slice
            for row in reliability(naive, features=["g"])
            if row.metric == OBSERVED and row.value is not None and not row.low <= 0.1 * row.at[0][1] + 0.05 <= row.high
        }
        assert len(missed_naively) > 2 * len(missed)


def test_a_bin_of_one_cluster_may_be_anything():
    y, score = [0] * 5 + [0, 1] * 20, [0.25] * 5 + [0.55] * 40
    made = count(log(y, score, c=[0] * 5 + [*range(1, 41)]))
    pairs = curve(reliability(made))
    assert (pairs[2][0].low, pairs[2][0].high, pairs[2][0].n) == (0.0, 1.0, 5)
    found = next(row for row in run_audit(log(y, score, c=[0] * 5 + [*range(1, 41)])).measurements
                 if row.metric == "expected_calibration_error")  # fmt: skip
    assert found.low == 0.0
    assert found.high >= 0.75 * 5 / 45 + 0.05


def test_a_result_with_tables_is_stored_and_read_back():
    random = np.random.default_rng(2)
    score = random.random(300)
    result = run_audit(log(random.random(300) < score, score, random.choice(HOSTILE, 300)), level=0.9)
    found = with_reliability(result)
    assert Result.from_json(found.to_json()) == Result(measurements=found.measurements, provenance=found.provenance)
    assert {row.metric for row in found.measurements if row.against is None} == {
        *SCORE_METRICS,
        OBSERVED,
        PROMISED,
        "count",
    }
    assert {row.level for row in found.measurements} == {0.9, None}
    assert {row.slice for row in found.measurements if row.at} == {(), *((("g", name),) for name in HOSTILE)}
    assert all(METRICS[name].needs_scores for name in SCORE_METRICS)


def test_unlabelled_rows_and_empty_groups_have_their_reason():
    rows = reliability(count(log([None, None, 1, 0], [0.15, 0.25, 0.35, 0.35], ["a", "a", "b", "b"])), features=["g"])
    assert len(rows) == 2 * 2 * BIN_GROUPS
    of_a = [row for row in rows if row.slice == (("g", "a"),)]
    assert {row.value for row in of_a} == {None}
    assert {row.reason for row in of_a} == {"no labelled rows in bin"}


def test_every_violation_is_named():
    made = count(PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p"))
    with pytest.raises(InputError) as caught:
        reliability(made, features=["race"], level=1.5)
    text = str(caught.value)
    assert "no sensitive feature 'race'; the tally has []" in text
    assert "needs scores, and this tally holds none; name y_score" in text
    assert "level must lie in (0, 1); got 1.5" in text
    undecided = replace(count(log([1, 0], [0.2, 0.7])), deferral=True)
    with pytest.raises(InputError, match="one positive label, with a decision on every row"):
        reliability(undecided)
    with pytest.raises(InputError, match="made without scores; audit it again and name y_score"):
        with_reliability(
            run_audit(PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p"))
        )
    with pytest.raises(InputError, match="pass a saved run"):
        with_reliability(Result(measurements=[Measurement(metric="count", value=1, n=1, method="count")]))
