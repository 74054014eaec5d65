"""What a reader of all rates together can tell of hidden groups: a linear program written here, not that of audit."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.publishing.quadrants import basis, count_tables
from audit.publishing.suppression import suppressed
from audit.publishing.suppression_attack import Counted, attack_together
from audit.run import run_audit

TP, FP, FN, TN, UP, UN = np.eye(6)
LABELLED = TP + FP + FN + TN
RATES = {
    "count": (LABELLED + UP + UN, LABELLED + UP + UN),
    "selection_rate": (TP + FP + UP, LABELLED + UP + UN),
    "false_positive_rate": (FP, FP + TN),
    "false_negative_rate": (FN, FN + TP),
    "precision": (TP, TP + FP),
    "accuracy": (TP + TN, LABELLED),
}
PLANTED = np.zeros((3, 3, 6), int)  # each table safe alone; together they told one of the groups within [0, 4]
PLANTED[..., :4] = [
    [[29, 38, 35, 34], [25, 20, 22, 37], [18, 21, 12, 20]],
    [[1, 19, 0, 1], [1, 17, 1, 0], [1, 12, 16, 0]],
    [[15, 0, 1, 15], [27, 28, 29, 22], [1, 0, 0, 0]],
]


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


def published(quadrants):
    """Return the rows of a report: every rate of every group and margin that holds anybody."""
    rows = []
    for one, inside in slices(quadrants.shape[:-1]).items():
        counts = quadrants[inside].sum(axis=0)
        for metric, (numerator, denominator) in RATES.items():
            if counts.sum():
                n, number = int(denominator @ counts), int(numerator @ counts)
                value = float(n) if metric == "count" else (number / n if n else None)
                reason = None if n else "none"
                rows.append(Measurement(metric=metric, slice=one, value=value, n=n, method="count", reason=reason))
    return rows


def widths(quadrants, hidden):
    """Return how wide n and every denominator of each hidden slice are open, quadrants of all cells being unknown.

    A quadrant that nobody of everyone is in is known to be empty, and so is a cell that has no row.
    """
    members = slices(quadrants.shape[:-1])
    cells = quadrants.sum(axis=-1) > 0
    held = quadrants.sum(axis=tuple(range(quadrants.ndim - 1))) > 0
    matrix, right = [], []
    for one, inside in members.items():
        if one not in hidden and quadrants[inside].sum():
            matrix += [np.kron(inside[cells], kind) for kind in np.eye(held.sum())]
            right += quadrants[inside].sum(axis=0)[held].tolist()
    facts = {"A_eq": np.array(matrix, float), "b_eq": right}
    for kind in {tuple(denominator[held]) for _, denominator in RATES.values()}:
        for one in hidden:
            aim = np.kron(members[one][cells], kind)
            ends = [linprog(sign * aim, **facts) for sign in (1, -1)]
            assert [end.status for end in ends] == [0, 0]
            yield one, kind, -ends[1].fun - ends[0].fun


def random_table(seed):
    """Return groups with many rows beside groups whose rows lie in one or two quadrants."""
    rng = np.random.default_rng(seed)
    shape = [(2, 3), (5,), (3, 2), (4,), (2, 2), (3,), (3, 3)][seed % 7]
    large, few = rng.integers(15, 40, (*shape, 6)), rng.integers(0, 2, (*shape, 6))
    some = np.where(rng.random((*shape, 6)) < 0.5, rng.integers(10, 16, (*shape, 6)), few)
    table = np.where(rng.random((*shape, 1)) < 0.6, large, some)
    if seed % 3:
        table[..., 4:] = 0  # everybody has a label
    return table


def check(quadrants, min_cell):
    rows = published(quadrants)
    hidden = suppressed(rows, min_cell=min_cell)
    assert {row.slice for row in rows if row.n < min_cell and row.slice} <= hidden
    assert () not in hidden
    for one, kind, width in widths(quadrants, hidden):
        assert width >= min_cell - 1 - 1e-6, (one, kind, width)
    return bool(hidden)


def test_a_planted_group_is_not_told_by_all_rates_together():
    assert check(PLANTED, 10)


def test_no_n_of_a_hidden_group_is_told_by_all_rates_together():
    assert sum(check(random_table(seed), 10) for seed in range(15)) > 8


@pytest.mark.slow
@pytest.mark.parametrize("min_cell", [3, 5, 10])
def test_no_n_of_a_hidden_group_is_told_in_many_more_tables(min_cell):
    for seed in range(100, 500):
        check(random_table(seed), min_cell)


def test_an_audit_of_the_planted_groups_hides_the_same():
    names = ("y", "p", "a", "b")
    kinds = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"))
    people = [
        dict(zip(names, (*kind, str(i), str(j)), strict=True))
        for i, j in np.ndindex(3, 3)
        for kind, n in zip(kinds, PLANTED[i, j], strict=False)
        for _ in range(n)
    ]
    columns = {name: [person[name] for person in people] for name in names}
    log = PredictionLog.from_frame(
        pa.table(columns), y_true="y", y_pred="p", positive="1", sensitive_features=["a", "b"]
    )
    rows = [row for row in run_audit(log).measurements if row.against is None and row.metric in RATES]
    assert suppressed(rows, min_cell=10) == suppressed(published(PLANTED), min_cell=10)


def test_all_counts_follow_from_the_rates():
    tables = count_tables(published(PLANTED))
    chosen = basis(tables)
    assert len(chosen) == 4
    cells = np.array([table.cells for table in chosen])
    for one, inside in slices((3, 3)).items():
        found = np.linalg.solve(cells, [table.counts[one] for table in chosen])
        np.testing.assert_allclose(found, PLANTED[inside].sum(axis=0)[:4], atol=1e-9)
    assert len(basis(count_tables(published(random_table(0))))) == 6


def test_weighted_rates_are_no_counts():
    rows = [
        Measurement(metric=metric, slice=one, value=value, n=n, method="count")
        for metric, value in (("selection_rate", 0.317), ("accuracy", 0.719))
        for one, n in (((), 70), ((("g", "a"),), 30), ((("g", "b"),), 40))
    ]
    assert count_tables(rows) == ()


def test_rows_of_different_people_neither_stop_nor_change_what_is_small():
    rows = [
        Measurement(metric=metric, slice=(("g", name),), value=value, n=n, method="count")
        for name, number in (("a", 90), ("b", 40), ("c", 4))
        for metric, value, n in (("count", number, number), ("accuracy", 1.0, 2 * number))
    ]
    assert {value for ((_, value),) in suppressed(rows, min_cell=10)} == {"b", "c"}


def test_facts_that_contradict_each_other_are_refused():
    facts = [Counted((1.0, 1.0), {(): 5.0}), Counted((1.0, 0.0), {(): 9.0})]
    with pytest.raises(ValueError, match="contradict each other"):
        attack_together(facts, facts, [(("g", "a"),)])
