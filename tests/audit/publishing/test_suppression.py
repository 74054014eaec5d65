"""Small cells of published tables: neither subtraction nor linear programming over all margins finds a hidden one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from audit.measurement import Measurement
from audit.publishing.suppression import exposed, published_of, suppressed
from audit.publishing.suppression_attack import attack


def sizes(counts, feature="g"):
    return [
        Measurement(metric="count", slice=((feature, name),), value=n, n=n, method="count")
        for name, n in counts.items()
    ]


def crossed(counts):
    return [
        Measurement(metric="count", slice=(("a", str(i)), ("b", str(j))), value=int(n), n=int(n), method="count")
        for (i, j), n in np.ndenumerate(counts)
    ]


def test_nothing_is_hidden_where_all_are_large():
    assert suppressed(sizes({"a": 10, "b": 400}), min_cell=10) == frozenset()
    assert suppressed(sizes({"a": 1, "b": 400}), min_cell=0) == frozenset()


def test_a_small_group_takes_the_smallest_other_along():
    hidden = suppressed(sizes({"a": 900, "b": 40, "c": 3, "d": 80}), min_cell=10)
    assert {value for ((_, value),) in hidden} == {"b", "c"}


def test_several_small_groups_hold_enough_together():
    assert {v for ((_, v),) in suppressed(sizes({"a": 900, "b": 7, "c": 8}), min_cell=10)} == {"b", "c"}
    assert {v for ((_, v),) in suppressed(sizes({"a": 900, "b": 2, "c": 3}), min_cell=10)} == {"a", "b", "c"}


def test_a_group_with_a_small_denominator_is_hidden_whole():
    rows = [*sizes({"a": 900, "b": 50, "c": 60})]
    rows += [Measurement(metric="false_positive_rate", slice=(("g", "b"),), value=0.5, n=4, method="wilson")]
    assert {v for ((_, v),) in suppressed(rows, min_cell=10)} == {"b", "c"}


def test_no_hidden_count_can_be_found_from_the_shown_ones_and_the_total():
    rng = np.random.default_rng(5)
    for _ in range(50):
        counts = {str(place): int(n) for place, n in enumerate(rng.geometric(0.02, rng.integers(2, 8)))}
        hidden = [value for ((_, value),) in suppressed(sizes(counts), min_cell=10)]
        if not hidden:
            assert min(counts.values()) >= 10
            continue
        total = sum(counts[name] for name in hidden)
        for place in range(len(hidden)):
            aim = np.eye(len(hidden))[place]
            ends = [
                linprog(sign * aim, A_eq=[np.ones(len(hidden))], b_eq=[total], bounds=(0, None)) for sign in (1, -1)
            ]
            assert -ends[1].fun - ends[0].fun >= min(10, sum(counts.values())) - 1e-6


def test_in_crossed_tables_every_row_and_column_hides_at_least_two():
    rng = np.random.default_rng(6)
    seen = 0
    for _ in range(100):
        counts = rng.geometric(0.01, (4, 3))
        hidden = {(int(a), int(b)) for ((_, a), (_, b)) in suppressed(crossed(counts), min_cell=10)}
        assert {(i, j) for (i, j), n in np.ndenumerate(counts) if n < 10} <= hidden
        for line in [[(i, j) for j in range(3)] for i in range(4)] + [[(i, j) for i in range(4)] for j in range(3)]:
            kept_back = [cell for cell in line if cell in hidden]
            seen += bool(kept_back)
            whole = len(kept_back) == len(line)
            assert not kept_back or whole or (len(kept_back) > 1 and sum(counts[cell] for cell in kept_back) >= 10)
    assert seen > 20


def cube(counts, *, metric="count"):
    """Return the rows of a table and of all its margins; empty cells are no groups."""
    rows = []
    for size in range(counts.ndim + 1):
        for axes in combinations(range(counts.ndim), size):
            margin = counts.sum(axis=tuple(set(range(counts.ndim)) - set(axes)))
            for place, n in np.ndenumerate(margin):
                if n or not size:
                    names = tuple(("abcd"[axis], str(value)) for axis, value in zip(axes, place, strict=True))
                    rows.append(Measurement(metric=metric, slice=names, value=int(n), n=int(n), method="count"))
    return rows


def width_by_brute_force(counts, rows, hidden, target):
    """Return how wide a hidden count is open: every cell a variable, every shown number an equation."""
    cells = [place for place, n in np.ndenumerate(counts) if n]
    matrix, right = [], []
    for row in rows:
        inside = [all(place["abcd".index(name)] == int(value) for name, value in row.slice) for place in cells]
        if row.slice == target:
            aim = np.array(inside, float)
        if row.slice not in hidden:
            matrix.append(inside)
            right.append(row.n)
    ends = []
    for sign in (1, -1):
        found = linprog(sign * aim, A_eq=np.array(matrix, float).reshape(-1, len(cells)), b_eq=right, bounds=(0, 1e7))
        assert found.status == 0
        ends.append(found.fun)
    return -ends[1] - ends[0]


SHAPES = st.sampled_from([(3,), (6,), (2, 4), (4, 3), (5, 6), (2, 3, 2), (3, 2, 4)])
COUNTS = st.one_of(st.integers(0, 14), st.integers(0, 60), st.integers(30, 3000))


@settings(max_examples=80, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays(np.int64, shape, elements=COUNTS)), st.sampled_from([3, 5, 10]))
def test_a_linear_program_over_all_tables_finds_no_hidden_cell(counts, min_cell):
    rows = cube(counts)
    hidden = suppressed(rows, min_cell=min_cell)
    small = {row.slice for row in rows if row.n < min_cell and row.slice}
    assert small <= hidden
    assert bool(hidden) == bool(small) or counts.sum() < min_cell
    if hidden == {row.slice for row in rows}:  # fewer than min_cell people in all: nothing is published
        return
    for target in hidden:
        assert width_by_brute_force(counts, rows, hidden, target) >= min_cell - 1 - 1e-6


@settings(max_examples=20, deadline=None)
@given(SHAPES.flatmap(lambda shape: arrays(np.int64, shape, elements=COUNTS)), st.integers(0, 9))
def test_counts_behind_every_rate_are_protected_too(counts, seed):
    rng = np.random.default_rng(seed)
    positives = rng.binomial(counts, 0.2)
    rows = [*cube(counts), *cube(positives, metric="true_positive_rate")]  # who has no positives has no row of it
    hidden = suppressed(rows, min_cell=5)
    assert {row.slice for row in rows if row.n < 5 and row.slice} <= hidden
    for each in (counts, positives):
        published = published_of([{row.slice: row.n for row in cube(each)}])
        if each.sum() >= 5:
            within = [one for one in hidden if one in published.sizes[0]]
            found = exposed(published, within, min_cell=5)
            assert not [one for one in found if published.least[one] < 5]


def test_what_is_hidden_in_one_table_is_not_given_away_by_another():
    """Sex and ward are safe alone, and so is their cross; together the cross gives the small ward away."""
    counts = np.array([[40, 30, 4], [50, 20, 3]])
    hidden = suppressed(cube(counts), min_cell=10)
    assert (("b", "2"),) in hidden
    assert len([one for one in hidden if len(one) == 1 and one[0][0] == "b"]) >= 2
    assert len([one for one in hidden if len(one) == 2]) >= 4


def test_attack_finds_what_subtraction_finds():
    published = {row.slice: row.n for row in cube(np.array([[27, 3], [13, 9]]))}
    target = (("a", "0"), ("b", "1"))
    known = attack({one: n for one, n in published.items() if one != target}, [target])[target]
    assert known.low == known.high == 3.0
    assert known.by


def test_attack_agrees_with_the_frechet_bounds_of_a_two_way_table():
    counts = np.array([[12, 5, 9], [3, 7, 1], [20, 2, 6]])
    rows = cube(counts)
    cells = [row.slice for row in rows if len(row.slice) == 2]
    found = attack({row.slice: row.n for row in rows if len(row.slice) < 2}, cells)
    total = counts.sum()
    for (i, j), _ in np.ndenumerate(counts):
        known = found[("a", str(i)), ("b", str(j))]
        margins = counts[i].sum(), counts[:, j].sum()
        assert (known.low, known.high) == (max(0, sum(margins) - total), min(margins))


def test_tables_that_contradict_each_other_are_refused():
    published = {(): 10.0, (("g", "a"),): 30.0}
    with pytest.raises(ValueError, match="contradict each other"):
        attack(published, [(("g", "b"),)])


def test_kinds_of_n_that_do_not_add_up_still_hide_what_is_small():
    rows = [*sizes({"a": 60, "b": 50, "c": 70})]
    rows += [
        Measurement(metric="roc_auc", slice=(("g", name),), value=0.5, n=n, method="delong")
        for name, n in (("a", 4), ("b", 20), ("c", 30))
    ]
    rows.append(Measurement(metric="roc_auc", value=0.5, n=80, method="delong"))  # not 54
    assert {v for ((_, v),) in suppressed(rows, min_cell=10)} == {"a", "b"}


def test_fewer_people_in_all_than_may_be_published():
    assert len(suppressed(cube(np.array([3, 4])), min_cell=10)) == 3


@pytest.mark.parametrize("name", ["<script>", "=1+1", "line\nbreak", "\u202eevil", "", None])
def test_names_do_not_matter(name):
    rows = [Measurement(metric="count", slice=(("g", value),), value=n, n=n, method="count")
            for value, n in (("A", 500), ("B", 40), (name, 3))]  # fmt: skip
    assert {value for ((_, value),) in suppressed(rows, min_cell=10)} == {"B", name}


def test_nothing_to_hide_in_nothing():
    assert suppressed([], min_cell=10) == frozenset()
