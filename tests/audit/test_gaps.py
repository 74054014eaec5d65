"""The largest gap and the worst group through the public function: values, bounds, reasons and refusals."""

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.gaps import NAMED, comparisons, extreme, group_values, slice_value
from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import quantile, rate
from audit.inference.ratio_intervals import koopman
from audit.predictions import PredictionLog
from audit.run import run_audit

# group: positives flagged, positives, negatives flagged, negatives
GROUPS = {"A": (40, 60, 10, 60), "B": (20, 50, 15, 60), "C": (12, 30, 3, 30)}


def tally(groups=None, missing=0):
    y, p, g = [], [], []
    for name, (tp, positives, fp, negatives) in (groups or GROUPS).items():
        y += [1] * positives + [0] * negatives
        p += [1] * tp + [0] * (positives - tp) + [1] * fp + [0] * (negatives - fp)
        g += [name] * (positives + negatives)
    y, p, g = [*y, *[1] * missing], [*p, *[0] * missing], [*g, *[None] * missing]
    return count(
        PredictionLog.from_frame(pa.table({"y": y, "p": p, "g": g}), y_true="y", y_pred="p", sensitive_features=["g"])
    )


def asked(metric, compare="difference", end="max", counts=None, **options):
    return extreme(counts or tally(), metric, features=["g"], compare=compare, end=end, level=0.95, **options)


def test_the_bounds_are_those_of_the_union_intersection_test():
    x, n = np.array([40, 20, 12]), np.array([60, 50, 30])
    one, two = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 2, 0, 0, 1])
    plain, adjusted = (
        agresti_caffo(x[one], n[one], x[two], n[two], critical=quantile(0.95, comparisons=m)) for m in (1, 3)
    )
    row = asked("true_positive_rate")
    assert row.value == pytest.approx(40 / 60 - 20 / 50)
    assert (row.low, row.high) == pytest.approx((adjusted.low.max(), plain.high.max()))
    assert (row.n, row.reason) == (30, "between A and B")
    least = asked("true_positive_rate", end="min")
    assert (least.value, least.low, least.high) == pytest.approx((-row.value, -row.high, -row.low))


def test_the_worst_group():
    row = asked("true_positive_rate", compare="value", end="min")
    x, n = np.array([40, 20, 12]), np.array([60, 50, 30])
    plain, adjusted = rate(x, n), rate(x, n, comparisons=3)
    assert (row.metric, row.value, row.reason) == ("true_positive_rate_group_min", 0.4, "B")
    assert (row.low, row.high) == pytest.approx((plain.low.min(), adjusted.high.min()))


def test_against_a_reference_only_its_pairs_count():
    row = asked("true_positive_rate", reference=("B",))
    pairs = agresti_caffo([40, 12], [60, 30], [20, 20], [50, 50], critical=quantile(0.95, comparisons=2))
    assert row.value == pytest.approx(40 / 60 - 0.4)
    assert row.low == pytest.approx(pairs.low.max())
    assert row.against == {"kind": "groups", "features": ["g"], "reference": ["B"]}


def test_named_gaps_are_what_fairlearn_calls_so():
    assert asked("equal_opportunity_difference").value == asked("true_positive_rate").value
    assert asked("demographic_parity_difference").value == asked("selection_rate").value
    assert asked("demographic_parity_ratio", end="min").value == asked("selection_rate", "ratio", "min").value
    gaps = [asked(metric).value for metric in NAMED["equalized_odds_difference"][0]]
    odds = asked("equalized_odds_difference")
    assert odds.value == max(gaps)
    # Six comparisons are simultaneous where one metric has three.
    assert odds.low < asked("true_positive_rate").low


def test_the_audit_and_the_public_function_agree():
    frame = pa.table({"y": [1, 0] * 60, "p": [1, 1, 0, 0] * 30, "g": ["A", "B", "C"] * 40})
    result = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    rows = {
        row.metric: row for row in result.measurements if row.against is not None and row.against["kind"] == "groups"
    }
    for metric in (
        "equalized_odds_difference",
        "demographic_parity_difference",
        "accuracy_difference",
        "f1_difference",
    ):
        plain = metric if metric in NAMED else metric.removesuffix("_difference")
        assert asked(plain, counts=result.tally) == rows[metric]


def test_missing_values_take_no_part_unless_they_are_named():
    counts = tally(missing=25)
    assert asked("true_positive_rate", counts=counts).value == asked("true_positive_rate").value
    named = asked("true_positive_rate", counts=counts, among=[("A",), (None,)])
    assert named.value == pytest.approx(40 / 60)
    assert named.reason == "between A and (missing)"


def test_undefined_groups_are_counted_and_nothing_is_made_of_one_group():
    row = asked("true_positive_rate", counts=tally({**GROUPS, "D": (0, 0, 5, 20)}))
    assert row.reason == "between A and B; 1 group undefined"
    alone = asked("true_positive_rate", counts=tally({"A": GROUPS["A"], "D": (0, 0, 5, 20)}))
    assert (alone.value, alone.low, alone.high, alone.n) == (None, None, None, 0)
    assert alone.reason == "fewer than two groups can be compared"
    worst = asked("true_positive_rate", "value", "min", counts=tally({"D": (0, 0, 5, 20)}))
    assert (worst.value, worst.reason) == (None, "no positive labels in slice")


def test_ratios_of_0():
    counts = tally({"A": (40, 60, 0, 60), "B": (20, 50, 15, 60)})
    least = asked("false_positive_rate", "ratio", "min", counts=counts)
    assert (least.value, least.low) == (0, 0)
    assert 0 < least.high < 1
    most = asked("false_positive_rate", "ratio", "max", counts=counts)
    assert (most.value, most.high) == (None, None)
    assert "no upper limit: divided by 0" in most.reason
    assert most.low == pytest.approx(koopman(15, 60, 0, 60, critical=quantile(0.95)).low)
    assert most.low > 1
    nobody = asked("false_positive_rate", "ratio", "min", counts=tally({"A": (1, 2, 0, 60), "B": (1, 2, 0, 60)}))
    assert nobody.value is None


def test_against_a_baseline():
    now, before = tally(), tally({"A": (55, 60, 10, 60), "B": (20, 50, 15, 60), "Z": (1, 2, 1, 2)})
    row = asked("true_positive_rate", "baseline", "min", counts=now, baseline=before)
    assert row.value == pytest.approx(40 / 60 - 55 / 60)
    assert row.reason == "A against the baseline"
    assert row.against["kind"] == "reference"
    assert row.against["digest"] == before.digest()
    everyone = extreme(now, "accuracy", features=[], compare="baseline", end="max", level=0.95, baseline=before)
    assert everyone.n == 234


def test_everyone_has_one_value():
    row = extreme(tally(), "accuracy", features=[], compare="value", end="min", level=0.95)
    assert (row.metric, row.against, row.reason) == ("accuracy", None, None)
    assert row.value == pytest.approx((40 + 50 + 20 + 45 + 12 + 27) / 290)


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("nonsense", {}, "unknown metric 'nonsense'; expected one of selection_rate, "),
        ("accuracy", {"among": [("A",), ("Q",)]}, r"groups \[\('Q',\)\] of \('g',\) have no rows"),
        ("accuracy", {"reference": ("Q",)}, r"groups \[\('Q',\)\] of \('g',\) have no rows"),
        ("f1", {"compare": "ratio"}, "ratios are defined for rates only; f1 is none"),
        ("accuracy", {"compare": "baseline"}, "comparing with a baseline needs one"),
        ("equalized_odds_difference", {"compare": "baseline"}, "equalized_odds_difference is a gap between groups"),
        ("roc_auc", {}, "this tally holds no scores"),
    ],
)
def test_refusals(metric, options, message):
    with pytest.raises(ValueError, match=message):
        asked(metric, **options)


def test_features_that_are_none():
    with pytest.raises(ValueError, match=r"no sensitive features \['q'\]; the tally has \['g'\]"):
        extreme(tally(), "accuracy", features=["q"], compare="difference", end="max", level=0.95)
    with pytest.raises(ValueError, match="no sensitive features"):
        group_values(tally(), "accuracy", features=["q"], level=0.95)


def test_values_of_slices():
    rows = {dict(row.slice)["g"]: row for row in group_values(tally(), "accuracy", features=["g"], level=0.9)}
    assert rows["A"].value == pytest.approx(90 / 120)
    assert rows["A"].level == 0.9
    assert slice_value(tally(), "accuracy", slice=(("g", "A"),), level=0.9) == rows["A"]
    absent = slice_value(tally(), "accuracy", slice=(("g", "Q"),), level=0.9)
    assert (absent.value, absent.n, absent.reason) == (None, 0, "no rows in slice")


def test_thousands_of_intersections_are_not_compared_in_pairs():
    rows = 2500
    frame = pa.table(
        {
            "y": [1, 0] * (rows // 2),
            "p": [1] * rows,
            "g": [f"g{place // 50}" for place in range(rows)],
            "h": [f"h{place % 50}" for place in range(rows)],
        }
    )
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g", "h"])
    result = run_audit(log, metrics=["accuracy", "true_positive_rate", "false_positive_rate"])
    rows = [row for row in result.measurements if row.against == {"kind": "groups", "features": ["g", "h"]}]
    assert {row.metric for row in rows} >= {"true_positive_rate_difference", "equalized_odds_difference"}
    assert all(row.value is None for row in rows)
    assert rows[0].reason == "2,500 groups, too many to compare in pairs (at most 1,000); merge groups"
    assert len([row for row in result.measurements if row.metric == "accuracy" and len(row.slice) == 2]) == 2500


def test_all_comparisons_are_those_that_the_extreme_is_taken_of():
    found = comparisons(tally(), "equalized_odds_difference", features=["g"], compare="difference", level=0.95)
    row = asked("equalized_odds_difference")
    assert [part.together for part in found] == [6, 6]
    assert max(part.value.max() for part in found) == row.value
    assert max(part.adjusted.low.max() for part in found) == row.low
    assert max(part.plain.high.max() for part in found) == row.high
    assert [found[0].smallest(place) for place in range(6)] == ["B", "C", "C"] * 2


def test_of_a_baseline_the_run_with_fewer_rows_is_named():
    before = tally({"A": (20, 30, 10, 60), "B": (40, 100, 15, 60)})
    options = {"compare": "baseline", "level": 0.95, "baseline": before}
    (found,) = comparisons(tally(), "true_positive_rate", features=["g"], **options)
    assert [found.smallest(place) for place in (0, 1)] == ["A in the earlier run", "B"]
    (whole,) = comparisons(tally(), "true_positive_rate", features=[], **options)
    assert (whole.smallest(0), whole.n.tolist()) == ("everyone in the earlier run", [130])
