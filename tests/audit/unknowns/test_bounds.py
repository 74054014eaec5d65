from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.counting import count
from audit.estimates import estimate, interval
from audit.gaps import extreme, slice_value
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts
from audit.predictions import PredictionLog
from audit.rollup import FN, FP, TN, TP, UN, UP, Cells, Partition, cells_of, partition
from audit.unknowns.attribute_bounds import attribute_bound_rows, attribute_coverage_rows, extremes
from audit.unknowns.bounded_gaps import bounded_extreme
from audit.unknowns.bounds import completed, label_bound_rows, label_bounds
from audit.unknowns.outcome_coverage import BOUNDED, concerned_by, outcome_coverage_rows
from audit.unknowns.relabelled import partly_labelled

CONFUSION = [metric for metric in METRICS.values() if metric.kind in BOUNDED]
QUADRANTS = (TP, FP, FN, TN, UP, UN)
KINDS = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"), (None, "1"), (None, "0"))
small = st.tuples(*[st.integers(0, 6)] * 6).filter(any)


def cells_from(counts):
    n = np.array(counts, dtype=np.int64)
    return Cells(np.array(QUADRANTS), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)


def everyone(counts):
    return Partition((), ((),), np.zeros(len(counts), dtype=np.int64))


def tally_of(groups, **options):
    """Make a tally from (tp, fp, fn, tn, up, un) by group."""
    rows = [
        (y, p, group)
        for group, counts in groups.items()
        for n, (y, p) in zip(counts, KINDS, strict=True)
        for _ in range(n)
    ]
    y, p, g = zip(*rows, strict=True)
    frame = pa.table({"y": pa.array(y, pa.string()), "p": list(p), "g": pa.array(g, pa.string())})
    return count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], **options))


def assignments(counts):
    """Return the counts under every assignment of labels to the unlabelled rows."""
    tp, fp, fn, tn, up, un = counts
    return [(tp + a, fp + up - a, fn + b, tn + un - b, 0, 0) for a, b in product(range(up + 1), range(un + 1))]


def corners_of(counts):
    tp, fp, fn, tn, up, un = counts
    return [(tp + a, fp + up - a, fn + b, tn + un - b, 0, 0) for a, b in product({0, up}, {0, un})]


def value(metric, counts):
    cells = cells_from(counts)
    return estimate(metric, cells, everyone(counts)).value[0]


@settings(max_examples=60, deadline=None)
@given(small)
def test_bounds_are_the_extremes_over_every_assignment(counts):
    for metric in CONFUSION:
        values = [value(metric, each) for each in assignments(counts)]
        defined = [each for each in values if np.isfinite(each)]
        found = label_bounds(metric, cells_from(counts), everyone(counts), level=0.95)
        corners = [value(metric, each) for each in corners_of(counts)]
        if not defined or (metric.kind == "smooth" and not np.isfinite(corners).all()):
            assert np.isnan(found.lower[0]), metric.name
            assert np.isnan(found.upper[0]), metric.name
            continue
        assert found.lower[0] == pytest.approx(min(defined), abs=1e-12), metric.name
        assert found.upper[0] == pytest.approx(max(defined), abs=1e-12), metric.name


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 25)] * 4, st.integers(0, 6), st.integers(0, 6)).filter(any))
def test_the_union_holds_the_interval_of_every_assignment_of_a_rate(counts):
    for metric in CONFUSION:
        if metric.kind != "rate":
            continue
        found = label_bounds(metric, cells_from(counts), everyone(counts), level=0.95)
        for each in assignments(counts):
            own = interval(metric, estimate(metric, cells_from(each), everyone(each)), level=0.95)
            if np.isfinite(own.low[0]):
                assert found.low[0] <= own.low[0] + 1e-9, (metric.name, each)
                assert found.high[0] >= own.high[0] - 1e-9, (metric.name, each)


@settings(max_examples=6, deadline=None)
@given(
    st.tuples(*[st.integers(1, 20)] * 4, *[st.integers(0, 3)] * 2),
    st.tuples(*[st.integers(1, 20)] * 4, *[st.integers(0, 3)] * 2),
)
def test_the_largest_gap_holds_for_every_assignment(first, second):
    tally = tally_of({"a": first, "b": second})
    asked = {"features": ["g"], "compare": "difference", "end": "max", "level": 0.95}
    possible = [tally_of({"a": one, "b": two}) for one, two in product(assignments(first), assignments(second))]
    for name in ("true_positive_rate", "accuracy", "precision"):
        found = bounded_extreme(tally, name, **asked)
        worst, least = -np.inf, np.inf
        for each in possible:
            row = extreme(each, name, **asked)
            if row.value is not None:
                worst, least = max(worst, row.high), min(least, row.low)
        # Between the corners Agresti-Caffo may stick out by terms of the order 1 / n^2.
        assert found.high >= worst - 0.01
        assert found.low <= least + 0.01
        if not any(first[4:] + second[4:]):
            assert (found.low, found.high) == pytest.approx((least, worst))


def test_selection_depends_on_no_label_and_precision_on_the_selected_only():
    assert [concerned_by(METRICS[name]) for name in ("selection_rate", "precision", "false_omission_rate", "f1")] == [
        (False, False), (True, False), (False, True), (True, True),
    ]  # fmt: skip


def test_without_unlabelled_rows_nothing_changes():
    tally = tally_of({"a": (20, 5, 6, 30, 0, 0), "b": (10, 9, 8, 30, 0, 0)})
    assert label_bound_rows(tally) == ()
    assert len(completed(cells_of(tally))) == 1
    for compare, end in (("difference", "max"), ("ratio", "min"), ("value", "min")):
        asked = {"features": ["g"], "compare": compare, "end": end, "level": 0.9}
        plain, bounded = (rows(tally, "true_positive_rate", **asked) for rows in (extreme, bounded_extreme))
        assert (plain.value, plain.low, plain.high) == pytest.approx((bounded.value, bounded.low, bounded.high))


def test_coverage_of_outcomes_by_group_and_prediction():
    rows = outcome_coverage_rows(tally_of({"a": (3, 1, 0, 0, 0, 4), "b": (1, 1, 1, 1, 2, 0)}))
    found = {(row.slice, row.at): (row.value, row.n) for row in rows}
    assert found[(), ()] == (8 / 14, 14)
    assert found[(("g", "a"),), (("class", "0"),)] == (0.0, 4)
    assert found[(("g", "b"),), (("class", "1"),)] == (0.5, 4)


@pytest.mark.parametrize("end", ["max", "min"])
def test_the_bounds_of_the_worst_group_are_those_of_the_groups(end):
    tally = tally_of({"a": (40, 10, 20, 60, 3, 9), "b": (30, 20, 20, 50, 6, 0)})
    slices = partition(cells_of(tally), ["g"])
    found = label_bounds(METRICS["true_positive_rate"], cells_of(tally), slices, level=0.95)
    row = bounded_extreme(tally, "true_positive_rate", features=["g"], compare="value", end=end, level=0.95)
    assert (row.high if end == "max" else row.low) == pytest.approx(
        found.high.max() if end == "max" else found.low.min()
    )


def test_a_score_has_no_bounds_and_says_so():
    frame = pa.table({"y": ["1", "0", "1", "0", None] * 20, "s": [0.9, 0.2, 0.6, 0.7, 0.4] * 20})
    tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    row = bounded_extreme(tally, "roc_auc", features=[], compare="value", end="min", level=0.95)
    assert (row.low, row.high) == (None, None)
    assert "no bounds over missing labels are known for roc_auc" in row.reason


def test_weighted_and_clustered_logs_have_bounds_around_their_own_intervals():
    rng = np.random.default_rng(5)
    size = 600
    frame = pa.table(
        {
            "y": pa.array(
                np.where(rng.random(size) < 0.2, None, rng.integers(0, 2, size).astype(str).astype(object)), pa.string()
            ),
            "p": rng.integers(0, 2, size).astype(str),
            "g": rng.choice(["a", "b"], size),
            "w": rng.lognormal(size=size),
            "who": rng.integers(0, 150, size).astype(str),
        }
    )
    for roles in ({"sample_weight": "w"}, {"cluster": "who"}):
        tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], **roles))
        for name in ("true_positive_rate", "f1"):
            plain = slice_value(tally, name, slice=(("g", "a"),), level=0.95)
            rows = {row.metric: row for row in label_bound_rows(tally, metrics=[name]) if row.slice == (("g", "a"),)}
            lower, upper = rows[f"{name}_lower_bound"], rows[f"{name}_upper_bound"]
            assert lower.value < plain.value < upper.value
            assert lower.low < plain.low
            assert upper.high > plain.high


def drawn(rng, missing):
    """Return the counts of a group in which labels are missing in a way that depends on the labels themselves."""
    size = 400
    y, p = rng.random(size) < 0.4, rng.random(size)
    predicted = p < np.where(y, 0.7, 0.2)
    gone = rng.random(size) < np.where(y & ~predicted, missing, np.where(~y & predicted, missing, 0.05))
    kinds = np.where(
        gone, np.where(predicted, UP, UN), np.where(y, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
    )
    return np.bincount(kinds, minlength=6)


@pytest.mark.parametrize("missing", [0.3, 0.8])
def test_bounds_cover_the_truth_when_labels_are_missing_because_of_what_they_are(missing):
    rng = np.random.default_rng(11)
    runs, ours, labelled = 200, 0, 0
    for _ in range(runs):
        counts = drawn(rng, missing)
        found = label_bounds(METRICS["true_positive_rate"], cells_from(counts), everyone(counts), level=0.95)
        ours += found.low[0] <= 0.7 <= found.high[0]
        only = np.array([*counts[:4], 0, 0])
        own = interval(
            METRICS["true_positive_rate"],
            estimate(METRICS["true_positive_rate"], cells_from(only), everyone(only)),
            level=0.95,
        )
        labelled += own.low[0] <= 0.7 <= own.high[0]
    assert ours / runs >= 0.99
    assert labelled / runs < 0.7  # the labelled rows alone mislead: that is what the bounds are for


def test_partly_labelled_keeps_every_row_and_the_rates_of_its_kind():
    tally = tally_of({"a": (30, 10, 10, 50, 40, 20), "b": (5, 5, 5, 5, 0, 10)})
    half = partly_labelled(tally, 0.5)
    assert half.rows == tally.rows
    found = {(row["slice.g"], row["y_true"], row["y_pred"]): row["n"] for row in half.cells.to_pylist()}
    assert found["a", "1", "1"] == 30 + 15
    assert found["a", None, "1"] == 20
    assert partly_labelled(tally, 0.0).digest() == tally.digest()
    assert not any(row["y_true"] is None for row in partly_labelled(tally, 1.0).cells.to_pylist())


# --- rows without a group -------------------------------------------------------------------------------------------

GROUPS = st.tuples(*[st.integers(0, 4)] * 4, st.just(0), st.just(0))


def splits(counts):
    """Return every way in which rows of each kind can be shared out: how many of each kind join the first group."""
    return product(*(range(each + 1) for each in counts[:4]))


@settings(max_examples=30, deadline=None)
@given(GROUPS.filter(any), GROUPS.filter(any), st.tuples(*[st.integers(0, 2)] * 4, st.just(0), st.just(0)).filter(any))
def test_group_bounds_are_the_extremes_over_every_way_to_give_rows_a_group(first, second, missing):
    tally = tally_of({"a": first, "b": second, None: missing})
    cells = cells_of(tally)
    slices = partition(cells, ["g"])
    for metric in CONFUSION:
        if metric.kind != "rate":
            continue
        seen = {"a": [], "b": [], "gap": []}
        for joined in splits(missing):
            a = np.array([*(np.array(first[:4]) + joined), 0, 0])
            b = np.array([*(np.array(second[:4]) + np.array(missing[:4]) - joined), 0, 0])
            values = value(metric, a), value(metric, b)
            for name, each in zip("ab", values, strict=True):
                seen[name] += [each] if np.isfinite(each) else []
            seen["gap"] += [abs(values[0] - values[1])] if np.isfinite(values).all() else []
        found = extremes(metric, cells, slices)
        for place, name in enumerate("ab"):
            if seen[name]:
                assert found.lower.value[place] == pytest.approx(min(seen[name])), (metric.name, name)
                assert found.upper.value[place] == pytest.approx(max(seen[name])), (metric.name, name)
        if seen["gap"] and np.isfinite([*found.upper.value, *found.lower.value]).all():
            row = attribute_bound_rows(tally, metrics=[metric.name])[-1]
            assert row.value == pytest.approx(max(seen["gap"])), metric.name


def test_no_rows_where_every_group_is_known():
    tally = tally_of({"a": (3, 1, 1, 4, 0, 0), "b": (3, 1, 1, 4, 0, 0)})
    assert attribute_bound_rows(tally) == ()
    assert attribute_coverage_rows(tally)[0].value == 1.0


@pytest.mark.parametrize("rows", [1, 2])
def test_one_or_two_rows_are_no_error(rows):
    tally = tally_of({"a": (0, 0, 0, 0, 0, rows), "b": (1, 0, 0, 0, 0, 0)})
    for row in label_bound_rows(tally):
        assert row.value is None or row.value >= 0 or row.metric.startswith("matthews")
        assert row.value is not None or row.reason


def test_counts_without_decided_labels_are_left_alone():
    assert Counts._fields == ("tp", "fp", "fn", "tn", "up", "un")  # the order that quadrants rely on


@pytest.mark.parametrize(
    "roles", [{}, {"sample_weight": "w"}, {"cluster": "who"}], ids=["plain", "weights", "clusters"]
)
@pytest.mark.parametrize(
    ("compare", "end"),
    [("difference", "max"), ("ratio", "min"), ("ratio", "max"), ("baseline", "max"), ("value", "min")],
)
def test_every_comparison_is_widened_under_every_design(roles, compare, end):
    rng = np.random.default_rng(8)
    size = 900
    labels = np.where(rng.random(size) < 0.1, None, rng.integers(0, 2, size).astype(str).astype(object))
    columns = {
        "y": pa.array(labels, pa.string()),
        "p": rng.integers(0, 2, size).astype(str),
        "g": rng.choice(["a", "b", "c"], size),
        "w": rng.lognormal(size=size),
        "who": rng.integers(0, 300, size).astype(str),
    }
    tally = count(
        PredictionLog.from_frame(pa.table(columns), y_true="y", y_pred="p", sensitive_features=["g"], **roles)
    )
    asked = {"features": ["g"], "compare": compare, "end": end, "level": 0.95}
    asked |= {"baseline": tally} if compare == "baseline" else {}
    for name in ("false_negative_rate", "precision"):
        plain, bounded = (rows(tally, name, **asked) for rows in (extreme, bounded_extreme))
        assert bounded.value == plain.value
        assert bounded.low < plain.low
        assert bounded.high > plain.high
        assert bounded.n == plain.n
