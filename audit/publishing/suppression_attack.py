"""What a reader can find out about hidden counts: linear programming over every published margin."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array, kron, vstack

from audit.measurement import Slice
from audit.rollup import Floats

_RANDOM_AIMS = 12


class Known(NamedTuple):
    """What can be inferred of a hidden count: it lies in [low, high]; `by` are the published counts that say so.

    Examples
    --------
    >>> Known(0.0, 12.0, ()).high
    12.0
    """

    low: float
    high: float
    by: tuple[Slice, ...]


class System(NamedTuple):
    """The hidden counts as unknowns, and what the published ones say of them: ``matrix @ unknown = right``.

    `place` maps each hidden slice to its unknowns and to the published part of its sum; `names` are the slices that the
    rows of the matrix come from.

    Examples
    --------
    >>> system = system_of({(): 12.0}, [(("g", "a"),), (("g", "b"),)])
    >>> system.matrix.toarray().tolist(), system.right.tolist(), system.names
    ([[1.0, 1.0]], [12.0], ((),))
    """

    matrix: csr_array
    right: Floats
    names: tuple[Slice, ...]
    place: Mapping[Slice, tuple[tuple[int, ...], float]]
    size: int


def attack(
    published: Mapping[Slice, float],
    hidden: Iterable[Slice],
    *,
    among: Iterable[Slice] | None = None,
    enough: float = np.inf,
) -> dict[Slice, Known]:
    """Return the interval in which a reader of all published counts finds each hidden one.

    Counts are taken to be at least 0 and to add up: a slice is the sum of the slices that name one feature more.
    Combinations of features that nothing was published or hidden of are unknown to the reader. Fractions are allowed;
    an attack with whole numbers only finds the same in one-way and two-way tables, and at times a little more beyond.

    Parameters
    ----------
    published
        Published counts of slices of any number of features; () is everyone.
    hidden
        Slices whose counts are not published. Slices that stand in neither are known to be empty.
    among
        The hidden slices that are looked for; None = all.
    enough
        Stop looking at a slice once its interval is known to be this wide; the interval then is a part of the truth.

    Raises
    ------
    ValueError
        If the published counts contradict each other.

    Examples
    --------
    Of 52 women and men in two wards, the wards and the sexes are published, and one cell.

    >>> published = {(): 52, (("sex", "F"),): 30, (("sex", "M"),): 22, (("ward", "1"),): 40, (("ward", "2"),): 12,
    ...              (("sex", "F"), ("ward", "1")): 27}
    >>> hidden = [(("sex", sex), ("ward", ward)) for sex, ward in ("F2", "M1", "M2")]
    >>> [known[:2] for known in attack(published, hidden).values()]  # 30 - 27, 40 - 27, 22 - (40 - 27): found out
    [(3.0, 3.0), (13.0, 13.0), (9.0, 9.0)]
    """
    targets = list(dict.fromkeys(hidden if among is None else among))
    system = system_of(published, list(dict.fromkeys(hidden)))
    sums, known = _sums(system, targets)
    found = _intervals(system, sums, known, enough)
    return dict(zip(targets, found, strict=True))


class Counted(NamedTuple):
    """Published counts of something that rows of several `kinds` enter; `kinds` says how often each does.

    Examples
    --------
    >>> Counted((1.0, 0.0), {(): 12.0}).published[()]
    12.0
    """

    kinds: tuple[float, ...]
    published: Mapping[Slice, float]


def attack_together(
    facts: Sequence[Counted],
    asked: Sequence[Counted],
    hidden: Iterable[Slice],
    *,
    among: Iterable[Slice] | None = None,
    enough: float = np.inf,
) -> dict[Slice, Known]:
    """Return the narrowest interval of each hidden slice's asked counts that a reader of all the facts finds.

    As `attack`, with one unknown per hidden cell and kind of row: counts of the same people hold each other.

    Parameters
    ----------
    facts
        What is published, for the same slices each, from which everything else that is follows.
    asked
        Which counts of a hidden slice are looked for, each with its published numbers.
    hidden, among, enough
        As in `attack`.

    Raises
    ------
    ValueError
        If the published counts contradict each other.

    Examples
    --------
    Of 20 people 12 are chosen; group a (hidden) is told from b, which has 9 of whom 9 are chosen: a has 11, 3 chosen.

    >>> group = (("g", "b"),)
    >>> facts = [Counted((1, 1), {(): 20, group: 9}), Counted((1, 0), {(): 12, group: 9})]
    >>> attack_together(facts, facts, [(("g", "a"),)])[(("g", "a"),)][:2]
    (11.0, 11.0)
    """
    unseen = list(dict.fromkeys(hidden))
    targets = list(dict.fromkeys(unseen if among is None else among))
    systems = [system_of(fact.published, unseen) for fact in facts]
    kinds = [csr_array(np.array([fact.kinds])) for fact in facts]
    together = System(
        csr_array(vstack([kron(system.matrix, kind) for system, kind in zip(systems, kinds, strict=True)])),
        np.concatenate([system.right for system in systems]),
        tuple(name for system in systems for name in system.names),
        {},
        systems[0].size * len(facts[0].kinds),
    )
    parts = [(each.kinds, _sums(system_of(each.published, unseen), targets)) for each in asked]
    sums = csr_array(vstack([kron(sums, csr_array(np.array([kind]))) for kind, (sums, _) in parts]))
    found = _intervals(together, sums, np.concatenate([known for _, (_, known) in parts]), enough)
    narrowest: dict[Slice, Known] = {}
    for target, known in zip(targets * len(asked), found, strict=True):
        best = narrowest.get(target)
        if best is None or known.high - known.low < best.high - best.low:
            narrowest[target] = known
    return narrowest


def system_of(published: Mapping[Slice, float], hidden: Sequence[Slice]) -> System:
    """Return what the published counts say of the hidden ones as linear equations.

    Examples
    --------
    >>> system_of({(): 12.0, (("g", "a"),): 2.0}, [(("g", "b"),)]).right.tolist()
    [10.0]
    """
    blocks = finest([*published, *hidden])
    cells = [(block, cell) for block in blocks for cell in [*published, *hidden] if _names(cell) == block]
    unknown: dict[Slice, int] = {}
    sums: dict[Slice, dict[tuple[str, ...], tuple[list[int], float]]] = {}
    for block, cell in cells:
        if cell not in published:
            unknown.setdefault(cell, len(unknown))
        for margin in _margins(cell):
            places, known = sums.setdefault(margin, {}).get(block, ([], 0.0))
            if cell in published:
                known += published[cell]
            else:
                places.append(unknown[cell])
            sums[margin][block] = (places, known)
    rows: list[tuple[Slice, list[int], list[int], float]] = []
    for margin, by_block in sums.items():
        parts = list(by_block.values())
        if margin in published:
            rows += [(margin, places, [], published[margin] - known) for places, known in parts if places]
        rows += [(margin, parts[0][0], places, known - parts[0][1]) for places, known in parts[1:]]
    place = {cell: _place(cell, sums, unknown) for cell in hidden}
    return _system([row for row in rows if row[1] or row[2]], place, len(unknown))


def finest(slices: Iterable[Slice]) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of features that no other combination contains.

    Examples
    --------
    >>> finest([(), (("a", "1"),), (("a", "1"), ("b", "2")), (("c", "3"),)])
    (('a', 'b'), ('c',))
    """
    found = sorted({_names(one) for one in slices}, key=lambda names: (-len(names), names))
    return tuple(names for names in found if not any(set(names) < set(other) for other in found))


def _intervals(system: System, sums: csr_array, known: Floats, enough: float) -> list[Known]:
    """Return the interval of each sum of unknowns, and of what is known of it."""
    aims = _random_aims(system.size, len(known))
    seen = np.stack([known + sums @ _solved(system, aim)[0] for aim in aims])
    lows, highs = seen.min(axis=0), seen.max(axis=0)
    found = []
    for number, (low, high) in enumerate(zip(lows, highs, strict=True)):
        by: set[Slice] = set()
        for sign in (1.0, -1.0):
            if high - low >= enough:
                break
            aim = sums[[number]].toarray()[0]
            point, rows = _solved(system, sign * aim)
            value = known[number] + aim @ point
            low, high = min(low, value), max(high, value)  # noqa: PLW2901 - the interval grows
            by.update(system.names[row] for row in rows)
        found.append(Known(round(float(low), 6), round(float(high), 6), tuple(sorted(by, key=str))))
    return found


def _names(cell: Slice) -> tuple[str, ...]:
    return tuple(name for name, _ in cell)


def _margins(cell: Slice) -> Iterable[Slice]:
    for size in range(len(cell) + 1):
        yield from combinations(cell, size)


def _place(
    cell: Slice, sums: Mapping[Slice, Mapping[tuple[str, ...], tuple[list[int], float]]], unknown: Mapping[Slice, int]
) -> tuple[tuple[int, ...], float]:
    if cell in unknown:
        return (unknown[cell],), 0.0
    places, known = next(iter(sums[cell].values()))
    return tuple(places), known


def _system(
    rows: Sequence[tuple[Slice, list[int], list[int], float]],
    place: Mapping[Slice, tuple[tuple[int, ...], float]],
    size: int,
) -> System:
    """Return rows (name, unknowns added, unknowns subtracted, right side) as a system."""
    entries: list[tuple[int, int, float]] = []
    for number, (_, added, subtracted, _) in enumerate(rows):
        entries += [(number, column, 1.0) for column in added] + [(number, column, -1.0) for column in subtracted]
    at, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
    matrix = csr_array((np.array(values, np.float64), (at, columns)), shape=(len(rows), size))
    return System(matrix, np.array([row[3] for row in rows]), tuple(row[0] for row in rows), place, size)


def _sums(system: System, targets: Sequence[Slice]) -> tuple[csr_array, Floats]:
    """Return which unknowns each target is the sum of, and the part of it that is known."""
    entries = [(row, column) for row, target in enumerate(targets) for column in system.place[target][0]]
    at, columns = zip(*entries, strict=True) if entries else ((), ())
    shape = (len(targets), system.size)
    matrix = csr_array((np.ones(len(entries)), (np.array(at, int), np.array(columns, int))), shape=shape)
    return matrix, np.array([system.place[target][1] for target in targets])


def _random_aims(size: int, targets: int) -> list[Floats]:
    """Return directions that show the width of many unknowns at once, fixed so that the same table looks the same."""
    if targets < _RANDOM_AIMS:
        return [np.zeros(size)]
    rng = np.random.default_rng(0)
    aims = [rng.choice([-1.0, 1.0], size) for _ in range(_RANDOM_AIMS // 2)]
    return [side * aim for aim in aims for side in (1.0, -1.0)]


def _solved(system: System, aim: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the unknowns where an aim is smallest, and the equations that hold it there."""
    if not system.size:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    bound = float(np.abs(system.right).sum()) + 1e6  # without an upper bound a hidden total has no end
    facts = {"A_eq": system.matrix, "b_eq": system.right, "bounds": (0, bound)}
    found = linprog(
        aim, **facts, method="highs-ds", options={"presolve": False}
    )  # small programs: presolving costs more
    if not found.success:
        found = linprog(aim, **facts, method="highs")
    if not found.success:
        msg = f"the published counts contradict each other: {found.message}"
        raise ValueError(msg)
    return np.asarray(found.x), np.flatnonzero(np.abs(found.eqlin.marginals) > 1e-9)
