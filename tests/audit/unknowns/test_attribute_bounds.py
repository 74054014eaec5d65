import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.inference.gap_intervals import gap_of_rates
from audit.predictions import PredictionLog
from audit.unknowns.attribute_bounds import attribute_bound_rows


def largest(groups, decisions):
    frame = pa.table({"y": [1] * len(groups), "p": decisions, "g": groups})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    return attribute_bound_rows(tally, metrics=["selection_rate"])[-1]


def test_the_lower_end_of_the_largest_gap_seldom_exceeds_the_truth():
    """Ten equal groups of 80 and one row without a group: the true bound is at most 1/81."""
    rng, runs = np.random.default_rng(0), 100
    groups = [f"g{place}" for place in range(10) for _ in range(80)] + [None]
    found = [largest(groups, (rng.random(801) < 0.3).astype(int)) for _ in range(runs)]
    assert sum(row.low > 1 / 81 for row in found) <= 0.1 * runs  # 45 % with unadjusted ends
    assert sum(row.high >= 1 / 81 for row in found) == runs


def test_the_lower_end_is_the_largest_over_pairs_and_not_that_of_the_largest_gap():
    """A small group is furthest off by chance; the pair of large groups shows more."""
    groups = ["a"] * 1000 + ["b"] * 1000 + ["c"] * 4 + [None]
    row = largest(groups, [1] * 200 + [0] * 800 + [1] * 600 + [0] * 400 + [1] * 4 + [0])
    assert row.reason == "between c and a"
    assert 0.33 < row.low < 0.4
    assert row.low <= row.value <= row.high


def test_the_largest_gap_says_which_groups_took_part_and_which_could_not():
    """Nobody of c has a positive label and neither has anybody without a group: c has no true positive rate."""
    frame = pa.table({"y": [1] * 6 + [0] * 4, "p": [1, 0] * 5, "g": ["a"] * 3 + ["b"] * 3 + ["c"] * 3 + [None]})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    row = attribute_bound_rows(tally, metrics=["true_positive_rate"])[-1]
    assert (row.against["among"], row.against["undefined"]) == ([["a"], ["b"]], [["c"]])
    assert row.reason.endswith("; 1 group undefined")
    assert attribute_bound_rows(tally, metrics=["selection_rate"])[-1].against["among"] == [["a"], ["b"], ["c"]]


def test_gaps_of_few_events_are_as_careful_as_those_of_an_audit():
    frame = pa.table({"y": [1] * 2109, "p": [1] * 6 + [0] * 2 + [1, 0] * 50 + [1] * 1600 + [0] * 400 + [1],
                      "g": ["a"] * 8 + ["b"] * 100 + ["c"] * 2000 + [None]})  # fmt: skip
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    row = attribute_bound_rows(tally, metrics=["selection_rate"])[-1]
    sides = [(1601, 2001, 50, 100), (1601, 2001, 6, 8), (7, 9, 50, 100), (7, 9, 1600, 2000)]
    lows = [gap_of_rates(*side, level=0.95, comparisons=3).low for side in sides]
    assert row.low == pytest.approx(max(lows))
