"""Bins and order statistics against the plainest way to make them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitors.counts.lookup import lookup_of
from monitors.counts.ranks import order_statistics

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=150)
FLOATS = st.floats(allow_nan=False)
SHAPES = {
    "normal": lambda random, n: random.normal(0, 1, n),
    "heavy tails": lambda random, n: random.pareto(0.7, n),
    "both tails": lambda random, n: random.standard_cauchy(n),
    "few values": lambda random, n: random.integers(0, 4, n).astype(float),
    "tiny": lambda random, n: random.normal(0, 1e-310, n),
    "huge": lambda random, n: random.choice([-1e308, 1e308], n) * random.random(n),
    "whole": lambda random, n: random.integers(-(2**62), 2**62, n),
    "bytes": lambda random, n: random.integers(0, 255, n).astype(np.uint8),
    "float32": lambda random, n: random.normal(0, 1, n).astype(np.float32),
    "an atom": lambda random, n: np.where(random.random(n) < 0.7, 0.0, random.normal(0, 1, n)),
    "endless": lambda random, n: np.where(random.random(n) < 0.1, np.inf, random.normal(0, 1, n)),
}


@REPEATABLE
@given(
    hnp.arrays(np.float64, st.integers(0, 60), elements=st.floats()),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True, max_size=70),
)
def test_bins_are_those_of_a_search(numbers, edges):
    edges = sorted({edge + 0.0 for edge in edges})
    expected = np.searchsorted(np.array(edges), numbers, side="right")
    expected[np.isnan(numbers)] = 0
    np.testing.assert_array_equal(lookup_of(edges, numbers.dtype).bins(numbers), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_bins_of_many_shapes(shape):
    random = np.random.default_rng(0)
    numbers = SHAPES[shape](random, 70_000)
    plain = np.array([float(str(x)) for x in numbers]) if numbers.dtype == np.float32 else numbers.astype(float)
    edges = np.unique(np.sort(plain[np.isfinite(plain)])[:: len(plain) // 59])
    found = lookup_of(edges.tolist(), numbers.dtype).bins(numbers)
    np.testing.assert_array_equal(found, np.searchsorted(edges, plain, side="right"))


def test_a_regular_column_is_looked_up_on_a_grid_and_a_crowded_one_is_searched():
    even = lookup_of(np.linspace(0, 1, 59).tolist(), np.dtype("float64"))
    crowded = lookup_of([*np.linspace(0, 1e-9, 58).tolist(), 1e9], np.dtype("float64"))
    assert even.grid is not None
    assert crowded.grid is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 2, 1000, 70_000])
def test_order_statistics_are_those_of_sorting(shape, rows):
    numbers = SHAPES[shape](np.random.default_rng(1), rows)
    ranks = np.unique(-(-np.arange(1, 60) * rows // 60))
    ordered = np.sort(numbers)
    found = order_statistics(numbers, ranks)
    np.testing.assert_array_equal(found.values, ordered[ranks - 1])
    shared = [(numbers == value).sum() > 1 for value in found.values]
    np.testing.assert_array_equal(found.shared, shared)


@REPEATABLE
@given(hnp.arrays(np.float64, st.integers(1, 50), elements=FLOATS), st.data())
def test_order_statistics_of_anything(numbers, data):
    ranks = np.array(sorted(data.draw(st.sets(st.integers(1, len(numbers)), min_size=1))))
    found = order_statistics(numbers, ranks)
    np.testing.assert_array_equal(found.values, np.sort(numbers)[ranks - 1])
    np.testing.assert_array_equal(found.shared, [(numbers == value).sum() > 1 for value in found.values])


@pytest.mark.parametrize("decimal", [0.1, 0.7, 1e-40, 16777217.0, 3.4e38, -0.7, 0.30000001192092896])
def test_a_float32_is_the_decimal_it_is_printed_as(decimal):
    near = np.float32(decimal)
    numbers = np.array([np.nextafter(near, np.float32(side)) for side in (-np.inf, near, np.inf)])
    expected = [int(float(str(number)) >= decimal) for number in numbers]
    assert lookup_of((decimal,), numbers.dtype).bins(numbers).tolist() == expected
