"""The audit as a whole: its rows, its options, its baseline, and what it records about itself."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.measuring import IN_BRIEF
from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit

FEATURES = ["race", "sex", "age"]


def frame(rows=600, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": random.integers(0, 2, rows), "p": random.integers(0, 2, rows), "s": random.random(rows),
            "race": random.choice([*"ABC"], rows), "sex": random.choice([*"FM"], rows),
            "age": random.choice([*"yo"], rows),
        }
    )  # fmt: skip


def log(rows=600, seed=0, **options):
    options = {"y_true": "y", "y_pred": "p", "sensitive_features": FEATURES, **options}
    return PredictionLog.from_frame(frame(rows, seed), **options)


def test_every_slice_of_every_depth_has_every_metric():
    result = run_audit(log(y_score="s"))
    plain = {(row.metric, row.slice) for row in result.measurements if row.against is None}
    slices = {row.slice for row in result.measurements if row.metric == "count"}
    assert len(slices) == 1 + 3 + 2 + 2 + 6 + 6 + 4 + 12
    brief = {name for name, facts in METRICS.items() if facts.kind in IN_BRIEF}  # calibration: single features only
    expected = {
        (metric, one) for metric in ["count", *METRICS] for one in slices if metric not in brief or len(one) < 2
    }
    assert plain == expected
    named = run_audit(log(y_score="s"), metrics=["brier_score"])
    assert {row.slice for row in named.measurements if row.metric == "brier_score" and row.against is None} == slices


NAMED_PARTS = {"selection_rate", "true_positive_rate", "false_positive_rate"}


def test_every_value_that_has_a_group_has_its_gap():
    result = run_audit(log())
    found = {(row.metric, tuple(row.against["features"])) for row in result.measurements
             if row.against is not None and row.against["kind"] == "groups"}  # fmt: skip
    wanted = {
        (f"{metric}_difference", features)
        for size in (1, 2, 3)
        for features in combinations(FEATURES, size)
        for metric in METRICS
        if not METRICS[metric].needs_scores and (size == 1 or metric in NAMED_PARTS)
    }
    assert wanted <= found
    assert ("accuracy_difference", ("race", "sex")) not in found  # on demand: audit.gaps.extreme
    assert ("equalized_odds_difference", ("race", "sex", "age")) in found
    assert ("accuracy_ratio", ("race",)) in found


def test_groups_against_the_rest_and_the_reference():
    result = run_audit(log(), reference={"race": "A"})
    rows = [row for row in result.measurements if row.metric == "accuracy_difference" and row.against is not None]
    rest = {row.slice for row in rows if row.against == {"kind": "rest"}}
    assert len(rest) == 3 + 2 + 2
    reference = {row.slice for row in rows if row.against == {"kind": "slice", "slice": {"race": "A"}}}
    assert reference == {(("race", "B"),), (("race", "C"),)}
    simultaneous = {row.method for row in rows if row.against["kind"] == "slice"}
    assert simultaneous == {"agresti_caffo, simultaneous over 3"}


def test_all_pairs_are_each_there_once():
    rows = run_audit(log(), reference={"race": "B"}, all_pairs=True, metrics=["accuracy"]).measurements
    pairs = [
        frozenset((dict(row.slice)["race"], row.against["slice"]["race"]))
        for row in rows
        if row.metric == "accuracy_difference" and row.against is not None and row.against["kind"] == "slice"
        and "race" in dict(row.slice)
    ]  # fmt: skip
    assert len(pairs) == len(set(pairs)) == 3


def test_differences_are_those_of_the_values():
    result = run_audit(log(), all_pairs=True)
    for row in result.measurements:
        if row.against is not None and row.against["kind"] == "slice":
            metric, _, how = row.metric.rpartition("_")
            one, two = (result.find(metric, dict(side)).value for side in (row.slice, row.against["slice"]))
            expected = one - two if how == "difference" else one / two
            assert row.value == pytest.approx(expected)
            assert row.low <= row.value <= row.high


def test_a_level_widens():
    narrow, wide = (run_audit(log(), level=level, metrics=["accuracy"]) for level in (0.8, 0.99))
    for one, two in zip(narrow.measurements, wide.measurements, strict=True):
        assert one.key() == two.key()
        if one.low is not None:
            assert two.low <= one.low
            assert two.high >= one.high


def test_against_a_baseline():
    baseline = run_audit(log(seed=1))
    result = run_audit(log(), baseline=baseline)
    rows = [row for row in result.measurements if row.against is not None and row.against["kind"] == "reference"]
    assert {row.against["digest"] for row in rows} == {baseline.provenance.tally}
    for row in rows:
        metric = row.metric.removesuffix("_difference")
        expected = result.find(metric, dict(row.slice)).value - baseline.find(metric, dict(row.slice)).value
        assert row.value == pytest.approx(expected)
    with pytest.raises(InputError, match="the baseline has no tally; pass a saved run"):
        run_audit(log(), baseline=Result.from_json(baseline.to_json()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 95}, r"level must lie in \(0, 1\); got 95"),
        ({"reference": {"rac": "A"}}, "reference names 'rac', which is no sensitive feature; expected one of"),
        ({"reference": {"race": "Z"}}, r"reference group 'Z' of 'race' has no rows; expected one of \['A', 'B', 'C'\]"),
        ({"metrics": ["acuracy"]}, "unknown metric 'acuracy'; expected one of selection_rate, "),
        ({"metrics": ["roc_auc"]}, "roc_auc needs scores; name y_score"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        run_audit(log(), **options)


def test_all_options_are_refused_at_once():
    with pytest.raises(InputError, match="3 problems with the input"):
        run_audit(log(), level=0, reference={"x": "y"}, metrics=["z"])


def test_settings_given_and_defaulted_are_recorded():
    provenance = run_audit(log(), level=0.9, reference={"race": "A"}, metrics=["accuracy"]).provenance
    assert provenance.given["level"] == 0.9
    assert provenance.given["reference"] == {"race": "A"}
    assert provenance.given["metrics"] == ["accuracy"]
    assert provenance.given["columns"] == {"y_true": "y", "y_pred": "p"}
    assert provenance.defaulted["missing"] == "group"
    assert not set(provenance.given) & set(provenance.defaulted)


def test_files_are_recorded_by_their_digest(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    made = PredictionLog.from_file(tmp_path / "t.csv", y_true="y", y_pred="p", sensitive_features=["race"])
    first = run_audit(made).provenance.data
    assert set(first) == {"t.csv"}
    with (tmp_path / "t.csv").open("a") as stream:
        stream.write("1,1,0.5,A,F,y\n")
    changed = run_audit(
        PredictionLog.from_file(tmp_path / "t.csv", y_true="y", y_pred="p", sensitive_features=["race"])
    )
    assert changed.provenance.data["t.csv"] != first["t.csv"]


def test_files_of_one_name_in_a_folder_are_all_recorded(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        frame(50).to_parquet(tmp_path / place / "part.parquet")
    made = PredictionLog.from_file(tmp_path, y_true="y", y_pred="p", sensitive_features=["race"])
    assert set(run_audit(made).provenance.data) == {"a/part.parquet", "b/part.parquet"}


def test_two_runs_of_the_same_rows_are_the_same_bytes():
    texts = {run_audit(log(y_score="s"), all_pairs=True).to_json() for _ in range(3)}
    assert len(texts) == 1


def test_many_groups_stay_affordable():
    random = np.random.default_rng(0)
    rows = 6000
    table = pd.DataFrame({"y": random.integers(0, 2, rows), "p": random.integers(0, 2, rows), "s": random.random(rows),
                          "zip": [f"z{value}" for value in random.integers(0, 150, rows)]})  # fmt: skip
    made = PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s", sensitive_features=["zip"])
    assert len(run_audit(made).measurements) > 150 * 2 * len(METRICS)
