"""Rolling up: cells without scores, groups against their rest, and the invariants that tie slices together."""

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.estimates import estimate
from audit.metrics import METRICS
from audit.pairs import compared, compared_with_rest
from audit.predictions import PredictionLog
from audit.rollup import Partition, cells_of, counts_of, partition, without_scores
from audit.run import run_audit

DESIGNS = pytest.mark.parametrize(
    "roles",
    [{}, {"sample_weight": "w"}, {"cluster": "k"}, {"cluster": "k", "sample_weight": "w"}],
    ids=["plain", "weights", "clusters", "both"],
)


def frame(rows=500, seed=0):
    random = np.random.default_rng(seed)
    score = random.integers(0, 101, rows)
    return pa.table(
        {
            "y": pa.array((random.random(rows) < score / 140).astype(int), mask=random.random(rows) < 0.1),
            "p": (random.random(rows) < score / 120).astype(int),
            "s": score / 100,
            "g": random.choice(["A", "B", "C", "D"], rows, p=[0.5, 0.3, 0.19, 0.01]),
            "h": random.choice(["x", "y"], rows),
            "w": random.lognormal(0, 0.6, rows),
            "k": random.integers(0, rows // 5, rows),
        }
    )


def cells(roles, **options):
    log = PredictionLog.from_frame(
        frame(**options), y_true="y", y_pred="p", y_score="s", sensitive_features=["g", "h"], **roles
    )
    return cells_of(count(log))


@DESIGNS
@pytest.mark.parametrize("name", sorted(name for name, metric in METRICS.items() if not metric.needs_scores))
def test_leaving_out_scores_changes_no_estimate(name, roles):
    full = cells(roles)
    coarse = without_scores(full)
    assert len(coarse.n) < len(full.n) / 4
    for features in ([], ["g"], ["g", "h"]):
        one = estimate(METRICS[name], full, partition(full, features))
        two = estimate(METRICS[name], coarse, partition(coarse, features))
        for field in ("value", "n", "df", "trials", "error"):
            before, after = getattr(one, field), getattr(two, field)
            assert (before is None) == (after is None)
            if before is not None:
                np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)


@DESIGNS
@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_rest_of_a_group_is_everyone_else(name, roles):
    full = cells(roles)
    used = full if METRICS[name].needs_scores else without_scores(full)
    groups = partition(used, ["g"])
    (halves,) = (found.left for found in compared_with_rest([compared(METRICS[name], used, groups)]))
    for place in range(len(groups.groups)):
        two = Partition((), ((), ()), (groups.member != place).astype(np.int64))
        expected = estimate(METRICS[name], used, two)
        for field in ("value", "n", "df", "trials", "error"):
            found, wanted = getattr(halves, field), getattr(expected, field)
            if wanted is not None:
                np.testing.assert_allclose(found[2 * place : 2 * place + 2], wanted, rtol=1e-7, atol=1e-10)


def test_an_empty_rest_is_exactly_empty_under_weights():
    # All negatives are in group A: what is left of their weights for the rest must be 0, not 1e-17.
    random = np.random.default_rng(1)
    rows = 300
    table = pa.table(
        {
            "y": np.where(np.arange(rows) < 100, 0, 1),
            "p": random.integers(0, 2, rows),
            "g": np.where(np.arange(rows) < 150, "A", np.where(np.arange(rows) < 200, "B", "C")).tolist(),
            "w": random.lognormal(0, 1, rows),
        }
    )
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sample_weight="w", sensitive_features=["g"])
    rows = [
        row
        for row in run_audit(log).measurements
        if row.metric == "false_positive_rate_difference" and row.against == {"kind": "rest"}
    ]
    assert len(rows) == 3
    assert all(row.value is None for row in rows)


@DESIGNS
def test_slices_of_a_partition_sum_to_everyone(roles):
    full = cells(roles)
    everyone = counts_of(full, partition(full, []), full.w)
    for features in (["g"], ["h"], ["g", "h"]):
        parts = counts_of(full, partition(full, features), full.w)
        for one, many in zip(everyone, parts, strict=True):
            assert many.sum() == pytest.approx(one[0], rel=1e-12)


def test_groups_are_sorted_with_the_missing_one_first():
    table = pa.table({"y": [1, 0, 1], "p": [1, 0, 0], "g": ["b", None, "a"]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"])
    made = cells_of(count(log))
    assert partition(made, ["g"]).groups == ((None,), ("a",), ("b",))
    assert partition(made, []).groups == ((),)
