"""Values at the door: each mistake that people make in their data, and the sentence that they get."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from audit.counting import BINS, count, counted
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit

BASE = {
    "y": [1, 0, 1, 0],
    "p": [1, 1, 0, 0],
    "s": [0.9, 0.8, 0.3, 0.1],
    "g": ["a", "a", "b", "b"],
    "w": [1.0, 2.0, 1.0, 1.0],
}
ROLES = {"y_true": "y", "y_pred": "p", "sensitive_features": ["g"]}
SCORED = {**ROLES, "y_score": "s"}
WEIGHED = {**ROLES, "sample_weight": "w"}


def tally(changes=None, **roles):
    return count(PredictionLog.from_frame(pd.DataFrame({**BASE, **(changes or {})}), **{**ROLES, **roles}))


@pytest.mark.parametrize(
    ("changes", "roles", "message"),
    [
        (
            {"s": [0.9, 1.7, -0.1, 0.1]},
            SCORED,
            r"'s' \(y_score\) must lie in \[0, 1\]; found 1\.7 in row 2; -0\.1 in row 3",
        ),
        ({"s": [2.1, -3.4, 0.2, 9.0]}, SCORED, "pass probabilities, not logits"),
        ({"s": [5, 3, 11, 1]}, {**SCORED, "score_max": 10}, r"\[0, 10\]; found 11 in row 3 .*is score_max right"),
        ({"s": [0.9, np.nan, 0.3, 0.1]}, SCORED, r"must lie in \[0, 1\]; found .* in row 2"),
        ({"s": [0.9, None, 0.3, 0.1]}, SCORED, "in row 2"),
        ({"s": [0.9, np.inf, 0.3, 0.1]}, SCORED, "found inf in row 2"),
        ({"s": ["0.9", "high", "0.3", "0.1"]}, SCORED, "found 'high' in row 2"),
        ({"s": [True, False, True, True]}, SCORED, r"column 's' \(y_score\) holds Boolean; expected numbers"),
        ({"s": [[1.0]] * 4}, SCORED, r"column 's' \(y_score\) holds List\(Float64\); expected numbers"),
        ({"y": [0, 1, 2, 1]}, {}, "expected two labels; found 3: y_true has '0', '1', '2', y_pred has '0', '1'"),
        ({"y": ["yes", "no", "yes", "no"], "p": ["yes", "no", "no", "no"]}, {}, "the positive label is not known: "),
        (
            {"y": ["yes", "no", "yes", "no"], "p": ["yes", "no", "no", "no"]},
            {"positive": "Yes"},
            "the positive label 'Yes' does not occur: .*'no', 'yes'.*name one of these",
        ),
        ({"y": ["yes"] * 4, "p": ["yes"] * 4}, {"positive": "Yes"}, "the positive label 'Yes' does not occur: .*'yes'"),
        ({"y": [1] * 4, "p": [1] * 4}, {"positive": "yes"}, "the positive label 'yes' does not occur: y_true has '1'"),
        ({"y": ["yes"] * 4, "p": ["no"] * 4}, {"positive": "good"}, "the positive label 'good' does not occur"),
        (
            {"y": ["yes"] * 4, "p": [1] * 4},
            {"positive": "yes"},
            "spelled in two ways: y_true has 'yes', y_pred has '1'",
        ),
        ({"y": ["yes", "no", "yes", "no"]}, {"positive": "yes"}, "expected two labels; found 4"),
        ({"y": [None] * 4}, {}, r"y_true: every label is missing \(4 rows\)"),
        ({"y": [""] * 4}, {}, r"y_true: every label is missing \(4 rows\)"),
        ({"p": [1, None, 0, 0]}, {}, "y_pred: 1 rows have none; expected one in every row"),
        ({"p": ["1", "", "0", ""]}, {}, "y_pred: 2 rows have none; expected one in every row"),
        ({"k": ["x", None, "", "x"]}, {"cluster": "k"}, "cluster: 2 rows have none; expected one in every row"),
        ({"k": [[1]] * 4}, {"cluster": "k"}, r"'k' \(cluster\) holds List\(Int64\); expected text, numbers"),
        ({"g": [[1], [1], [2], [2]]}, {}, r"'g' \(sensitive feature\) holds List\(Int64\); expected text, numbers"),
        ({"g": [b"a", b"b", b"a", b"b"]}, {}, "holds Binary; expected text, numbers, booleans or dates"),
        ({"g": [{"a": 1}] * 4}, {}, "holds Struct"),
        ({"g": pd.to_timedelta([1, 2, 3, 4], unit="D")}, {}, "holds Duration"),
        ({"g": [1j, 2j, 3j, 4j]}, {}, "column 'g' cannot be read: .* got complex; convert it to text"),
        ({"g": ["a", 1, [1], "b"]}, {}, "column 'g' cannot be read: .* got list; convert it to text"),
        ({"w": [1, -1, 1, 1]}, WEIGHED, "sample_weight. must be finite numbers >= 0: .*; found -1 in row 2"),
        ({"w": [1, np.nan, 1, 1]}, WEIGHED, "must be finite numbers >= 0: .*; found .* in row 2"),
        ({"w": [1, np.inf, 1, 1]}, WEIGHED, "must be finite numbers >= 0: .*; found inf in row 2"),
        ({"w": [1, 1e308, 1, 1]}, WEIGHED, "or from 1e-100 up to 1e.100; found 1e.308 in row 2"),
        ({"w": [5e-324] * 4}, WEIGHED, "or from 1e-100 up to 1e.100; found 5e-324 in row 1"),
        ({"w": [0, 0, 0, 0]}, WEIGHED, "sample_weight: all weights are 0; expected some above 0"),
        ({"w": ["1", "x", "1", "1"]}, WEIGHED, "found 'x' in row 2"),
        ({"w": [1, 1.5, 1, 1]}, {**WEIGHED, "weights": "frequency"}, "must be whole numbers >= 0; found 1.5 in row 2"),
        ({"w": [1, 1e9, 1, 1]}, WEIGHED, "weights from 1 to 1e.09 lie more than eight digits apart"),
        (
            {"w": [1, 1e19, 1, 1]},
            {**WEIGHED, "weights": "frequency"},
            "must be whole numbers >= 0; found 1e.19 in row 2",
        ),
        ({"w": [2**52] * 4}, {**WEIGHED, "weights": "frequency"}, "repeated 1.80144e.16 times in all"),
        ({"m": ["1", "2", "1", "1"]}, {"model_version": "m"}, "2 models in one log: '1', '2'; audit one at a time"),
    ],
)
def test_each_mistake_has_its_sentence(changes, roles, message):
    with pytest.raises(InputError, match=message):
        tally(changes, **roles)


def test_several_mistakes_stand_in_one_error():
    with pytest.raises(InputError) as caught:
        tally({"s": [2, 0, 0, 0], "w": [-1, 1, 1, 1], "p": [None, 1, 0, 0]}, **{**SCORED, "sample_weight": "w"})
    assert [text.split()[0] for text in caught.value.violations] == ["column", "column", "y_pred:"]


def test_only_the_first_rows_are_shown_and_the_others_counted():
    frame = pd.DataFrame({"y": [0, 1] * 500, "p": 1, "s": [0.5] * 990 + [7.0] * 10})
    with pytest.raises(InputError, match=r"found 7\.0 in row 991; .*995 and 5 more \(the first row of data is row 1\)"):
        count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s"))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_nan_scores_and_weights_are_refused_by_every_engine(make):
    frame = make({"y": [1, 0], "p": [1, 0], "s": [0.5, float("nan")]})
    with pytest.raises(InputError, match="in row 2"):
        count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s"))
    with pytest.raises(InputError, match="in row 2"):
        count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sample_weight="s"))


def test_numbers_with_many_values_are_to_be_cut():
    frame = pd.DataFrame({"y": [0, 1] * 60, "p": 1, "age": range(120)})
    for column in (frame["age"], frame["age"] + 0.5, frame["age"].astype(str)):
        log = PredictionLog.from_frame(frame.assign(age=column), y_true="y", y_pred="p", sensitive_features=["age"])
        with pytest.raises(InputError, match=r"'age' holds 120 different numbers, more than 50; cut .*--bin age=25,45"):
            count(log)
    fifty = PredictionLog.from_frame(frame[:50], y_true="y", y_pred="p", sensitive_features=["age"])
    assert count(fifty).rows == 50


def test_too_many_groups_of_text():
    frame = pd.DataFrame({"y": [0, 1] * 501, "p": 1, "zip": [f"z{place}" for place in range(1002)]})
    with pytest.raises(InputError, match="'zip' has 1002 groups, more than 1000; merge groups that belong together"):
        count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["zip"]))


def test_no_rows():
    with pytest.raises(InputError, match="the data has no rows; expected at least one prediction"):
        count(PredictionLog.from_frame(pd.DataFrame(BASE)[:0], **ROLES))


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([1, 0], [True, False]), (["1", "0"], [1.0, 0.0]), (["True", "false"], [1, 0]), (["1.0", "0.0"], ["1", "0"]),
        (np.array([1, 0], np.int8), np.array([1.0, 0.0], np.float32)),
        (pd.array([1, 0], "Int64"), pd.array([True, False], "boolean")),
    ],
)  # fmt: skip
def test_labels_that_are_0_and_1_in_any_spelling(y, p):
    cells = tally({"y": [*y, *y], "p": [*p, *p]}).cells
    assert set(cells["y_true"].to_pylist()) == {"0", "1"}
    assert cells["y_true"].to_pylist() == cells["y_pred"].to_pylist()


@pytest.mark.parametrize("positive", [1, "1", True, 1.0, np.int64(1), "true", "1.0"])
def test_the_positive_label_in_any_spelling(positive):
    assert tally(positive=positive).positive == "1"


def test_missing_labels_count_for_selection_only():
    found = run_audit(PredictionLog.from_frame(pd.DataFrame({**BASE, "y": [1, None, 1, 0]}), **ROLES))
    assert (found.find("selection_rate").n, found.find("accuracy").n, found.find("count").value) == (4, 3, 4)


def test_one_row_and_one_class():
    frame = pd.DataFrame({"y": [1], "p": [1], "g": ["only"]})
    found = run_audit(PredictionLog.from_frame(frame, **ROLES))
    assert found.find("true_positive_rate").value == 1
    assert found.find("false_positive_rate").reason == "no negative labels in slice"
    gap = next(row for row in found.measurements if row.metric == "accuracy_difference")
    assert (gap.value, gap.reason) == (None, "fewer than two groups can be compared")


def test_a_log_without_positives_may_name_the_positive_label():
    cells = tally({"y": ["no"] * 4, "p": ["no"] * 4}, positive="yes")
    assert (cells.positive, set(cells.cells["y_true"].to_pylist())) == ("yes", {"no"})


def test_two_numbers_may_be_labels_that_never_meet():
    cells = tally({"y": [1] * 4, "p": [2] * 4}, positive="2").cells
    assert (cells["y_true"].to_pylist(), cells["y_pred"].to_pylist()) == (["1", "1"], ["2", "2"])


def test_a_threshold_predicts_the_positive_label_whichever_it_is():
    for positive, other in (("1", "0"), ("0", "1"), ("yes", "no")):
        frame = pd.DataFrame({"y": [positive, other, positive, other], "s": [0.9, 0.1, 0.8, 0.2], "g": "x"})
        log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, positive=positive)
        found = run_audit(log)
        assert found.find("true_positive_rate").value == 1
        assert found.find("roc_auc").value == 1


def test_every_threshold_of_two_decimals_is_an_edge():
    scores = np.arange(101) / 100
    frame = pd.DataFrame({"y": [0, 1] * 50 + [0], "p": 1, "s": scores})
    cells = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s")).cells
    expected = np.minimum(np.floor(np.arange(101) * BINS / 100 + 1e-9), BINS - 1)
    assert sorted(cells["score_bin"].to_pylist()) == sorted(expected.astype(int).tolist())


def test_scores_just_below_an_edge_fall_below_it():
    frame = pd.DataFrame({"y": [0, 1], "p": 1, "s": [0.58 - 1e-6, 0.58]})
    cells = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s")).cells
    assert cells["score_bin"].to_pylist() == [144, 145]


def test_weights_of_0_add_no_rows_under_frequency_weights():
    cells = tally({"w": [0, 2, 1, 1]}, **{**WEIGHED, "weights": "frequency"})
    assert cells.rows == 4
    assert 0 not in cells.cells["n"].to_pylist()


def test_dropped_rows_are_counted():
    log = PredictionLog.from_frame(pd.DataFrame({**BASE, "g": ["a", None, "b", "b"]}), **ROLES, missing="drop")
    assert counted(log).dropped == 1


def test_huge_clusters_are_refused_with_advice():
    random = np.random.default_rng(0)
    rows = 6000
    frame = pd.DataFrame(
        {
            "y": random.integers(0, 2, rows),
            "p": 1,
            "s": random.random(rows),
            "k": "one",
            "g": random.integers(0, 40, rows).astype(str),
        }
    )
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s", cluster="k", sensitive_features=["g"])
    with pytest.raises(InputError, match=r"the clusters are too large: .* pairs of cells"):
        count(log)
