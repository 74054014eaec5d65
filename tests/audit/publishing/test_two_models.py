"""Rates of a candidate and a baseline on the same people: one linear program, written here anew, tells no hidden n."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linprog

from audit.measurement import Measurement
from audit.publishing.quadrants import basis, count_programs, count_tables
from audit.publishing.suppression import suppressed

LABEL, NEW, OLD = (np.array([place >> bit & 1 for place in range(8)], bool) for bit in (2, 1, 0))
"""A person is one of eight: true label, the candidate's decision, the baseline's."""


def rates(decided):
    """Return numerator and denominator of each rate of one model, as 0 and 1 over the eight."""
    return {
        "selection_rate": (decided, np.ones(8, bool)),
        "accuracy": (decided == LABEL, np.ones(8, bool)),
        "false_positive_rate": (decided & ~LABEL, ~LABEL),
        "false_negative_rate": (~decided & LABEL, LABEL),
        "precision": (decided & LABEL, decided),
    }


CHANGES = {"became_right": (NEW == LABEL) & (OLD != LABEL), "became_wrong": (NEW != LABEL) & (OLD == LABEL)}


def slices(shape):
    """Return every slice of a crossed table and, per slice, which cells it holds."""
    found = {}
    for size in range(len(shape) + 1):
        for axes in combinations(range(len(shape)), size):
            for place in np.ndindex(*(shape[axis] for axis in axes)):
                inside = np.zeros(shape, bool)
                inside[tuple(place[axes.index(a)] if a in axes else slice(None) for a in range(len(shape)))] = True
                found[tuple(("abc"[axis], str(at)) for axis, at in zip(axes, place, strict=True))] = inside
    return found


def published(people):
    """Return the rows of a comparison: both models' rates and what changes, of every group that holds anybody."""
    rows = []
    for one, inside in slices(people.shape[:-1]).items():
        counts = people[inside].sum(axis=0)
        if not counts.sum():
            continue
        for model, decided in (("new", NEW), ("old", OLD)):
            for metric, (numerator, denominator) in rates(decided).items():
                n = int(counts[denominator].sum())
                value = counts[numerator].sum() / n if n else None
                at, reason = (("model_version", model),), None if n else "none"
                rows.append(
                    Measurement(metric=metric, slice=one, at=at, value=value, n=n, method="count", reason=reason)
                )
        against = {"kind": "model", "model_version": "old"}
        for metric, kinds in CHANGES.items():
            n, value = int(counts.sum()), float(counts[kinds].sum())
            rows.append(Measurement(metric=metric, slice=one, against=against, value=value, n=n, method="count"))
    return rows


def told(people, hidden):
    """Return how wide every denominator of each hidden slice is open to who solves one program over all rows."""
    members = slices(people.shape[:-1])
    cells = people.sum(axis=-1) > 0
    kinds = [kind for decided in (NEW, OLD) for pair in rates(decided).values() for kind in pair] + [*CHANGES.values()]
    facts = np.array([kind for kind in np.unique(np.array(kinds), axis=0) if kind.any()], float)
    matrix, right = [], []
    for one, inside in members.items():
        if one not in hidden and people[inside].sum():
            matrix += [np.kron(inside[cells], kind) for kind in facts]
            right += (facts @ people[inside].sum(axis=0)).tolist()
    asked = np.unique([pair[1] for decided in (NEW, OLD) for pair in rates(decided).values()], axis=0)
    for one in hidden:
        for kind in asked:
            aim = np.kron(members[one][cells], kind).astype(float)
            ends = [linprog(sign * aim, A_eq=np.array(matrix), b_eq=right) for sign in (1, -1)]
            assert [end.status for end in ends] == [0, 0]
            yield -ends[1].fun - ends[0].fun


def random_people(seed):
    rng = np.random.default_rng(seed)
    shape = [(2, 3), (3, 2), (5,), (2, 2), (3, 3)][seed % 5]
    few = rng.integers(0, 12, (*shape, 8)) * (rng.random((*shape, 8)) < 0.35)
    large = rng.integers(10, 40, (*shape, 8))
    return np.where(rng.random((*shape, 1)) < 0.55, large, few)


def each_alone(rows, min_cell):
    """Return what is hidden where the tables of the two models are looked at one by one."""
    return frozenset().union(
        *(
            suppressed([row for row in rows if dict(row.at).get("model_version") == model], min_cell=min_cell)
            for model in ("new", "old")
        )
    )


PLANTED = 43  # a table whose hidden groups are safe in either model's table and not in both


def hides_something(seed):
    people = random_people(seed)
    hidden = suppressed(published(people), min_cell=10)
    assert all(width >= 9 - 1e-6 for width in told(people, hidden)), seed
    return bool(hidden)


def test_both_models_together_tell_no_n_of_a_hidden_group():
    assert sum(hides_something(seed) for seed in range(6)) >= 3


@pytest.mark.slow
def test_both_models_together_tell_no_n_in_many_more_tables():
    assert sum(hides_something(seed) for seed in range(6, 80)) > 40


def test_two_tables_that_are_safe_alone_are_not_taken_for_safe_together():
    people = random_people(PLANTED)
    rows = published(people)
    alone = each_alone(rows, 10)
    assert min(told(people, alone)) < 9 - 1e-6
    together = suppressed(rows, min_cell=10)
    assert together != alone
    assert min(told(people, together)) >= 9 - 1e-6


def test_the_tables_hold_labels_and_both_decisions():
    people = random_people(3)
    (tables,) = count_programs(published(people))
    assert tables == count_tables(published(people))
    assert {len(table.cells) for table in tables} == {8}
    assert len(basis(tables)) == 7  # of eight unknowns: only who of either label is judged alike by both stays open
    whole = people.sum(axis=(0, 1))
    assert {table.counts[()] for table in tables} >= {int(whole[CHANGES["became_right"]].sum()), int(whole.sum())}


@pytest.mark.parametrize("models", [4, 6])
def test_more_models_are_each_held_against_the_baseline(models):
    rows = [
        Measurement(metric=metric, at=(("model_version", f"m{place}"),), value=0.5, n=20, method="count")
        for place in range(models)
        for metric in ("accuracy", "selection_rate")
    ]
    against = {"kind": "model", "model_version": "m2"}
    rows.append(Measurement(metric="became_right", at=(("model_version", "m0"),), against=against, value=3, n=20,
                            method="count"))  # fmt: skip
    programs = count_programs(rows)
    assert len(programs) == models - 1
    assert sum(any(table.counts[()] == 3 for table in tables) for tables in programs) == 1
