"""How many features are crossed: all of a few, pairs of many, and a refusal that says the limit."""

import time
from math import comb

import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit


def log_of(features, rows=500, groups=2, **options):
    random = np.random.default_rng(0)
    names = [f"feature {place}" for place in range(features)]
    columns = {name: random.choice([f"g{group}" for group in range(groups)], rows) for name in names}
    frame = pa.table({"y": random.integers(0, 2, rows), "p": random.integers(0, 2, rows), **columns})
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=names, **options)


def crossed(result):
    return {tuple(name for name, _ in row.slice) for row in result.measurements if row.metric == "count"}


@pytest.mark.parametrize(("features", "depth"), [(1, 1), (3, 3), (4, 4), (5, 2), (7, 2)])
def test_all_of_up_to_four_features_are_crossed_and_pairs_of_more(features, depth):
    result = run_audit(log_of(features), metrics=["accuracy"])
    assert max(map(len, crossed(result))) == depth
    assert len(crossed(result)) == sum(comb(features, size) for size in range(depth + 1))
    assert result.provenance.defaulted["intersections"] == depth


def test_the_depth_that_is_asked_for_is_taken_and_recorded():
    result = run_audit(log_of(5), metrics=["accuracy"], intersections=3)
    assert max(map(len, crossed(result))) == 3
    assert result.provenance.given["intersections"] == 3
    assert max(map(len, crossed(run_audit(log_of(3), intersections=1)))) == 1


def test_forty_features_are_audited_in_pairs_within_seconds():
    start = time.perf_counter()
    result = run_audit(log_of(40, rows=300), metrics=["accuracy"])
    assert len(crossed(result)) == 1 + 40 + comb(40, 2)
    assert time.perf_counter() - start < 60


def test_more_combinations_than_anyone_reads_are_refused():
    with pytest.raises(
        InputError, match="40 features have 10,701 combinations of up to 3, more than 1,000; cross fewer"
    ):
        run_audit(log_of(40), intersections=3)
    with pytest.raises(InputError, match="50 features have 1,276 combinations of up to 2, more than 1,000"):
        run_audit(log_of(50))
    with pytest.raises(InputError, match=r"intersections must be at least 1 \(no intersections at all\); got 0"):
        run_audit(log_of(2), intersections=0)


def test_ten_thousand_groups_are_refused_with_the_limit_and_a_way_out():
    values = [f"street {place}" for place in range(10_000)]
    frame = pa.table({"y": [1] * 10_000, "p": [1] * 10_000, "g": values, "age": list(range(10_000))})
    with pytest.raises(InputError) as caught:
        run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g", "age"]))
    text, number = caught.value.violations
    assert text.startswith("sensitive feature 'g' has 10000 groups, more than 1000; merge groups that belong together")
    assert "'other' would hide people" in text
    assert "cut it into ranges: bins={'age': [25, 45]} or --bin age=25,45" in number
