"""Whole sums: near the true sum, and the same in any order of rows."""

from math import fsum

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.predictions import PredictionLog
from monitors.feedback.moment_sums import moment_sums, moments_of
from monitors.feedback.whole_sums import whole_totals


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 99))
def test_totals_are_the_same_in_any_order_and_near_the_truth(values: list[float], seed: int) -> None:
    found = []
    for each in (values, np.random.default_rng(seed).permutation(values).tolist()):
        log = PredictionLog.from_frame(pa.table({"s": each}), task="watch", y_score="s")
        found.append(whole_totals(log, log.table, {"s": nw.col("y_score")})["s"])
    assert found[0] == found[1]
    largest = max(map(abs, values))
    assert found[0] == pytest.approx(fsum(values), abs=max(largest * len(values) ** 2 * 2.0**-51, 1e-300))


@pytest.mark.parametrize("clustered", [False, True])
def test_moments_of_a_log_are_those_of_its_rows(*, clustered: bool) -> None:
    random = np.random.default_rng(5)
    users = random.integers(0, 40, 2000)
    values = np.column_stack([np.ones(2000), random.lognormal(0, 2, 2000), random.normal(0, 1e-6, 2000)])
    columns = dict(zip(("outcome", "y_score", "proxy"), values.T, strict=True))
    found = []
    for order in (np.arange(2000), random.permutation(2000)):
        table = pa.table({name: column[order] for name, column in columns.items()} | {"user": users[order].astype(str)})
        roles = {name: name for name in columns} | ({"user": "user"} if clustered else {})
        log = PredictionLog.from_frame(table, task="watch", **roles)
        found.append(moment_sums(log, log.table, list(columns), by=[])[()])
    expected = moments_of(values, users if clustered else None)
    assert np.array_equal(found[0].products, found[1].products)
    assert np.array_equal(found[0].total, found[1].total)
    assert found[0].units == expected.units
    size = np.sqrt(np.diag(expected.products))
    assert found[0].products / np.outer(size, size) == pytest.approx(expected.products / np.outer(size, size), abs=1e-9)
