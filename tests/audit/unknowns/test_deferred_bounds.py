"""Bounds where rows are deferred and labels are missing: against every completion of small tables, and a gate."""

from datetime import date
from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.tasks.deferral import IF_RIGHT, OF_TRUTH
from audit.unknowns.attribute_bounds import attribute_bound_rows
from audit.unknowns.bounded_gaps import bounded_extreme
from audit.unknowns.bounds import label_bound_rows
from audit.unknowns.outcome_coverage import outcome_coverage_rows
from audit.unknowns.relabelled import partly_labelled
from audit.views import view_of
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement

RATES = tuple(name for name in OF_TRUTH if name != "balanced_accuracy")


def log_of(y, p, g=None, s=None):
    columns = {"y": pa.array(list(y), pa.string()), "p": list(p), "g": g or ["a"] * len(list(y))}
    roles = {} if s is None else {"y_score": "s"}
    table = pa.table(columns | ({} if s is None else {"s": s}))
    return PredictionLog.from_frame(
        table, y_true="y", y_pred="p", sensitive_features=["g"], abstain="?", positive="1", **roles
    )


def every_completion(y, p, metric, *, deferred_right):
    """Return the smallest and the largest value of a rate over all labels, a deferred row being wrong (right)."""
    missing = [place for place, label in enumerate(y) if label is None]
    values = []
    for labels in product("01", repeat=len(missing)):
        truth = np.array(y, dtype=object)
        truth[missing] = labels
        right = np.where(np.array(p) == "?", deferred_right, truth == np.array(p))
        among = {"accuracy": truth != "", "true_positive_rate": truth == "1", "false_negative_rate": truth == "1"}
        inside = among.get(metric, truth == "0")
        event = right if metric in {"accuracy", "true_positive_rate", "true_negative_rate"} else ~right
        if inside.any():
            values.append(event[inside].mean())
    return min(values, default=None), max(values, default=None)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scored", [False, True])
def test_bounds_are_the_extremes_over_every_completion(seed, scored):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(4, 11))
    y = [[None, "0", "1"][place] for place in rng.integers(0, 3, rows)]
    p = list(rng.choice([*"01??"], rows))
    scores = rng.random(rows).round(2).tolist() if scored else None
    y[:2], p[:2] = ["0", "1"], ["0", "?"]
    found = {row.metric: row for row in label_bound_rows(count(log_of(y, p, s=scores))) if not row.slice}
    if None not in y:
        assert not found
        return
    for metric in RATES:
        for ending, right in (("", False), (IF_RIGHT, True)):
            low, high = every_completion(y, p, metric, deferred_right=right)
            ends = [found[f"{metric}{ending}_{side}_bound"].value for side in ("lower", "upper")]
            assert ends == pytest.approx([low, high]), metric + ending


def test_a_missed_positive_without_a_label_is_not_taken_for_a_found_one():
    """Twenty labelled positives are found; twenty deferred rows without a label may all be positives that are missed.

    As flagged rows they would be found if positive, and the false negative rate would seem 0 at most.
    """
    tally = count(log_of(["1"] * 20 + ["0"] * 20 + [None] * 20, ["1"] * 20 + ["0"] * 20 + ["?"] * 20))
    found = {row.metric: row.value for row in label_bound_rows(tally) if not row.slice}
    assert found["false_negative_rate_upper_bound"] == 0.5
    assert found["false_positive_rate_upper_bound"] == 0.5
    assert (found["accuracy_lower_bound"], found["accuracy_upper_bound"]) == pytest.approx((2 / 3, 2 / 3))
    assert found["accuracy_if_deferred_right_lower_bound"] == 1
    assert "balanced_accuracy_lower_bound" not in found  # smallest between the corners


@pytest.mark.parametrize("metric", ["false_negative_rate", "false_positive_rate"])
def test_the_row_that_a_limit_is_held_against_holds_the_worst_completion(metric):
    y, p = ["1"] * 40 + ["0"] * 40 + [None] * 40, ["1"] * 40 + ["0"] * 40 + ["?"] * 40
    view = view_of(count(log_of(y, p)), metric)
    asked = {"features": [], "compare": "value", "end": "max", "level": 0.95}
    row = bounded_extreme(view.tally, metric, **asked)
    worst = ["1" if metric == "false_negative_rate" else "0"] * 40
    filled = run_audit(log_of([*y[:80], *worst], p)).find(metric)
    assert row.value == 0
    assert filled.value == 0.5
    assert row.high >= filled.high - 1e-9


@pytest.mark.parametrize(
    ("metric", "limit", "verdict"),
    [
        ("false_negative_rate", 0.2, "INSUFFICIENT"),
        ("false_negative_rate", 0.6, "PASS"),
        ("balanced_accuracy", 0.6, "INSUFFICIENT"),
        ("equalized_odds_difference", 0.2, "INSUFFICIENT"),
    ],
)
def test_the_gate_allows_for_deferred_rows_without_a_label(metric, limit, verdict):
    each = (["1"] * 150 + ["0"] * 150 + [None] * 100, ["1"] * 150 + ["0"] * 150 + ["?"] * 100)
    result = run_audit(log_of(each[0] * 2, each[1] * 2, ["a"] * 400 + ["b"] * 400))
    limits = {"min": limit} if metric == "balanced_accuracy" else {"max": limit}
    groups = ("g",) if metric.endswith("difference") else ()
    asked = Requirement(id="r", metric=metric, groups=groups, **limits)
    policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    assert judge(result, policy, today=date(2027, 3, 1)).verdict == verdict


def test_labels_that_deferred_rows_get_leave_them_wrong():
    tally = view_of(count(log_of(["1"] * 30 + ["0"] * 10 + [None] * 8, ["1"] * 40 + ["?"] * 8)), "accuracy").tally
    cells = partly_labelled(tally, 1.0).cells.select(["y_true", "y_pred", "n"]).to_pylist()
    found = {(cell["y_true"], cell["y_pred"]): cell["n"] for cell in cells}
    assert found == {("1", "1"): 30, ("0", "1"): 12, ("1", "0"): 6}  # three in four of the labelled are positive


def test_coverage_of_deferred_rows_and_of_several_labels_is_counted():
    y, p = ["1", "0", None, None], ["1", "?", "?", "0"]
    rows = outcome_coverage_rows(count(log_of(y, p)))
    assert [(dict(row.at), row.value, row.n) for row in rows if not row.slice] == [
        ({}, 0.5, 4), ({"class": "0"}, 0.0, 1), ({"class": "1"}, 1.0, 1)
    ]  # fmt: skip
    frame = pa.table({"y": ["a", "b", "c", None], "p": ["a", "b", "c", "a"]})
    several = outcome_coverage_rows(count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multiclass")))
    assert [(dict(row.at), row.value) for row in several][:2] == [({}, 0.75), ({"class": "a"}, 0.5)]


def test_attribute_bounds_with_deferral_are_of_the_same_views_as_the_audit():
    y, p, g = ["1", "1", "0", "1"] * 4, ["1", "?", "1", "0"] * 4, ["a", "b", "a", None] * 4
    found = {row.metric: row for row in attribute_bound_rows(count(log_of(y, p, g))) if row.slice == (("g", "b"),)}
    assert found["accuracy_upper_bound"].value == 0  # all four of b are deferred, the four of nobody knows who wrong
    assert found["selection_rate_upper_bound"].value == 0
