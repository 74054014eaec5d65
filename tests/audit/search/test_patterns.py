"""The exhaustive search against brute force, and against the published number of patterns of COMPAS."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audit.search.patterns
from audit.errors import InputError
from audit.search.patterns import ANY, Coded, deduplicated, falls_into, frequent_patterns


@st.composite
def coded(draw):
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=0, max_size=4)))
    rows = draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    codes = np.stack([random.integers(0, size, rows) for size in sizes], axis=1) if sizes else np.zeros((rows, 0), int)
    return Coded(codes, sizes, np.stack([random.integers(1, 5, rows), random.random(rows)]))


def brute_force(cells, min_rows, max_depth):
    found = {}
    features = range(len(cells.sizes))
    for size in range((len(cells.sizes) if max_depth is None else max_depth) + 1):
        for named in combinations(features, size):
            for values in product(*(range(cells.sizes[f]) for f in named)):
                pattern = [ANY] * len(cells.sizes)
                for f, value in zip(named, values, strict=True):
                    pattern[f] = value
                mask = np.all([cells.codes[:, f] == v for f, v in zip(named, values, strict=True)], axis=0)
                mask = np.broadcast_to(mask, len(cells.codes))
                sums = cells.amounts[:, mask].sum(axis=1)
                if not named or sums[0] >= min_rows:
                    found[tuple(pattern)] = sums
    return found


@settings(max_examples=150, deadline=None)
@given(cells=coded(), min_rows=st.integers(1, 20), max_depth=st.one_of(st.none(), st.integers(1, 4)))
def test_equals_brute_force(cells, min_rows, max_depth):
    depth = None if max_depth is None else min(max_depth, len(cells.sizes))
    expected = brute_force(cells, min_rows, depth)
    found = frequent_patterns(cells, min_rows=min_rows, max_depth=max_depth)
    assert {tuple(items) for items in found.items.tolist()} == set(expected)
    for items, sums in zip(found.items.tolist(), found.sums.T, strict=True):
        assert np.allclose(sums, expected[tuple(items)])
    ordered = [(sum(code != ANY for code in items), items) for items in found.items.tolist()]
    assert ordered == sorted(ordered)


@settings(max_examples=60, deadline=None)
@given(cells=coded(), min_rows=st.integers(1, 10), seed=st.integers(0, 99))
def test_order_and_splitting_of_rows_are_irrelevant(cells, min_rows, seed):
    order = np.random.default_rng(seed).permutation(len(cells.codes))
    moved = Coded(cells.codes[order], cells.sizes, cells.amounts[:, order])
    whole, again = (frequent_patterns(each, min_rows=min_rows) for each in (cells, moved))
    assert np.array_equal(whole.items, again.items)
    assert np.array_equal(whole.keys, again.keys)
    assert np.allclose(whole.sums, again.sums)


@settings(max_examples=60, deadline=None)
@given(cells=coded(), min_rows=st.integers(1, 10))
def test_parents_are_the_patterns_without_one_item(cells, min_rows):
    found = frequent_patterns(cells, min_rows=min_rows)
    for feature, (places, above) in enumerate(found.parents()):
        expected = found.items[places].copy()
        expected[:, feature] = ANY
        assert np.array_equal(found.items[above], expected)
    assert found.place(np.array([12345], dtype=np.uint64)).tolist() == [-1]


@given(cells=coded())
@settings(max_examples=60, deadline=None)
def test_deduplication_keeps_every_sum(cells):
    small = deduplicated(cells)
    assert len(np.unique(small.codes, axis=0)) == len(small.codes)
    assert np.allclose(small.amounts.sum(axis=1), cells.amounts.sum(axis=1))
    for code in small.codes:
        both = [each.amounts[:, falls_into(each.codes, code)].sum(axis=1) for each in (small, cells)]
        assert np.allclose(*both)


def test_deduplication_of_many_values_by_sorting_gives_the_same():
    random = np.random.default_rng(5)
    codes = random.integers(0, 900, (500, 3))
    small = deduplicated(Coded(codes, (900, 900, 900), np.ones((1, 500))))
    assert np.array_equal(small.codes, np.unique(codes, axis=0))


def test_forty_features_to_depth_two():
    random = np.random.default_rng(1)
    codes = random.integers(0, 2, (400, 40))
    found = frequent_patterns(Coded(codes, (2,) * 40, np.ones((1, 400))), min_rows=1, max_depth=2)
    assert len(found.items) == 1 + 80 + 780 * 4  # every pair of values of every pair of features occurs


def test_too_many_patterns_are_refused(monkeypatch):
    monkeypatch.setattr(audit.search.patterns, "MAX_PATTERNS", 20)
    codes = np.random.default_rng(1).integers(0, 3, (300, 4))
    with pytest.raises(InputError, match=r"more than 20 patterns .* raise min_support, lower max_depth"):
        frequent_patterns(Coded(codes, (3,) * 4, np.ones((1, 300))), min_rows=1)


def test_patterns_that_no_row_shows_are_no_patterns():
    cells = Coded(np.array([[0]]), (1,), np.ones((1, 1)))
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="min_rows must be above 0"):
            frequent_patterns(cells, min_rows=wrong)


def test_a_slice_of_everything_is_found_and_a_constant_feature_changes_nothing():
    cells = Coded(np.zeros((5, 2), dtype=np.int64), (1, 1), np.ones((1, 5)))
    found = frequent_patterns(cells, min_rows=5)
    assert found.items.tolist() == [[ANY, ANY], [ANY, 0], [0, ANY], [0, 0]]
    assert found.sums.tolist() == [[5.0] * 4]
