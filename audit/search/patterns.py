"""Every slice with enough rows: which combinations of feature values occur often enough, and what is summed over them.

The search is exhaustive. It walks the tree of feature sets; at each one it numbers the patterns that have enough rows,
drops the cells that fall into none of them, and counts the next feature within each by one `bincount`. A pattern that
is too rare is never extended: no extension of it has more rows. Features that the walk has left behind tell cells apart
no longer, so that cells melt together on the way; those with most values go first, for the walk is widest at its end.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import InputError
from audit.tally import joint_codes

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ANY = -1
"""The code of a feature that a pattern does not name."""

MAX_PATTERNS = 1_000_000
"""More patterns than this are refused: nobody reads them, and every one more costs confirmation its power."""


class Coded(NamedTuple):
    """Cells as codes: `codes` (n_cells, n_features) with values below `sizes`; `amounts` (n_amounts, n_cells).

    The first amount is the number of rows, which support is counted in.

    Examples
    --------
    >>> cells = Coded(np.array([[0, 1], [0, 1], [1, 0]]), (2, 2), np.array([[1.0, 2.0, 4.0]]))
    >>> deduplicated(cells).codes.tolist(), deduplicated(cells).amounts.tolist()
    ([[0, 1], [1, 0]], [[3.0, 4.0]])
    """

    codes: Codes
    sizes: tuple[int, ...]
    amounts: Floats


class Patterns(NamedTuple):
    """Patterns in order of length, then of their items; the first is the empty one, everyone.

    `items` (n_patterns, n_features) holds a code per feature, `ANY` where the pattern does not name it; `sums`
    (n_amounts, n_patterns) what the amounts add up to. `keys` tells patterns apart and `marks` (one array per feature)
    is what an item adds to the key: a pattern without an item has the key less the item's mark.

    Examples
    --------
    >>> cells = Coded(np.array([[0, 1], [1, 1]]), (2, 2), np.array([[3.0, 1.0]]))
    >>> found = frequent_patterns(cells, min_rows=2)
    >>> found.items.tolist(), found.sums.tolist(), found.lengths.tolist()
    ([[-1, -1], [-1, 1], [0, -1], [0, 1]], [[4.0, 4.0, 3.0, 3.0]], [0, 1, 1, 2])
    """

    items: npt.NDArray[np.int32]
    sums: Floats
    keys: npt.NDArray[np.uint64]
    marks: tuple[npt.NDArray[np.uint64], ...]

    @property
    def lengths(self) -> Codes:
        """How many items each pattern has."""
        return np.asarray(np.count_nonzero(self.items != ANY, axis=1), dtype=np.int64)

    def place(self, keys: npt.NDArray[np.uint64]) -> Codes:
        """Return the places of patterns by their keys, -1 where there is none."""
        order = np.argsort(self.keys)
        found = np.minimum(np.searchsorted(self.keys, keys, sorter=order), len(order) - 1)
        places = order[found]
        return np.where(self.keys[places] == keys, places, -1)

    def parents(self) -> Iterator[tuple[Codes, Codes]]:
        """Yield, for each feature, the places of the patterns that name it and of the same without that item."""
        for feature, marks in enumerate(self.marks):
            code = self.items[:, feature]
            places = np.flatnonzero(code != ANY)
            yield places, self.place(self.keys[places] - marks[code[places]])


class _Node(NamedTuple):
    """A set of features in the walk: the pattern of theirs that each remaining cell falls into.

    `columns` are the codes of all features; those before `first` are out of date.
    """

    depth: int
    first: int
    items: npt.NDArray[np.int32]
    member: Codes
    columns: tuple[Codes, ...]
    amounts: Floats


def frequent_patterns(cells: Coded, *, min_rows: float, max_depth: int | None = None) -> Patterns:
    """Return every pattern of at most `max_depth` items with at least `min_rows` rows, and the empty one.

    Parameters
    ----------
    cells
        The cells; several may share their codes.
    min_rows
        Smallest sum of the first amount, in rows; above 0.
    max_depth
        Most items of a pattern; None = as many as there are features.

    Raises
    ------
    InputError
        If there are more than `MAX_PATTERNS`.
    ValueError
        If `min_rows` is not above 0.

    Examples
    --------
    Of four rows, three share the value 1 of both features.

    >>> cells = Coded(np.array([[1, 1], [0, 0]]), (2, 2), np.array([[3.0, 1.0], [2.0, 1.0]]))
    >>> found = frequent_patterns(cells, min_rows=2)
    >>> found.items.tolist(), found.sums[1].tolist()
    ([[-1, -1], [-1, 1], [1, -1], [1, 1]], [3.0, 2.0, 2.0, 2.0])
    """
    if not min_rows > 0:
        msg = f"min_rows must be above 0; got {min_rows}: patterns that no row shows are no slices"
        raise ValueError(msg)
    order = sorted(range(len(cells.sizes)), key=lambda place: -cells.sizes[place])
    sizes = tuple(cells.sizes[place] for place in order)
    start = deduplicated(Coded(cells.codes[:, order], sizes, cells.amounts))
    depth = len(sizes) if max_depth is None else min(max_depth, len(sizes))
    none = np.full((1, len(sizes)), ANY, dtype=np.int32)
    items, sums = [none], [start.amounts.sum(axis=1, keepdims=True)]
    columns = tuple(np.ascontiguousarray(column) for column in start.codes.T)
    pending = [_Node(0, 0, none, np.zeros(len(start.codes), dtype=np.int64), columns, start.amounts)]
    total = 1
    while pending:
        node = pending.pop()
        for feature in range(node.first, len(sizes)):
            node = _melted(node, feature, sizes)
            key = node.member * sizes[feature] + node.columns[feature]
            span = len(node.items) * sizes[feature]
            counted = np.asarray(np.bincount(key, weights=node.amounts[0], minlength=span), dtype=np.float64)
            found = np.flatnonzero(counted >= min_rows - 1e-9)
            total += len(found)
            _refuse_too_many(total, node.depth + 1)
            if not len(found):
                continue
            items.append(_named(node, feature, found, sizes[feature]))
            sums.append(_summed(node, key, found, counted))
            if node.depth + 1 < depth and feature + 1 < len(sizes):
                pending.append(_child(node, feature, items[-1], found, key))
    return _sorted(np.concatenate(items)[:, np.argsort(order)], np.concatenate(sums, axis=1), cells.sizes)


def deduplicated(cells: Coded) -> Coded:
    """Return cells in which every combination of codes stands once, sorted.

    Examples
    --------
    >>> deduplicated(Coded(np.array([[1], [0], [1]]), (2,), np.array([[1.0, 1.0, 1.0]]))).amounts.tolist()
    [[1.0, 2.0]]
    """
    joint = joint_codes(list(cells.codes.T), cells.sizes, len(cells.codes))
    span = float(np.prod([float(size) for size in cells.sizes]))
    if span <= 8 * len(joint) + 1024:  # few combinations: counting them is faster than sorting the cells
        seen = np.bincount(joint, minlength=int(span))
        first = np.zeros(len(seen), dtype=np.int64)
        first[joint[::-1]] = np.arange(len(joint))[::-1]
        place = np.cumsum(seen > 0) - 1
        first, group = first[seen > 0], place[joint]
    else:
        _, first, group = np.unique(joint, return_index=True, return_inverse=True)
    amounts = np.zeros((len(cells.amounts), len(first)))
    for row, amount in enumerate(cells.amounts):
        amounts[row] = np.bincount(group, weights=amount, minlength=len(first))
    return Coded(cells.codes[first], cells.sizes, amounts)


def falls_into(
    codes: npt.NDArray[np.integer], pattern: Sequence[int] | npt.NDArray[np.integer]
) -> npt.NDArray[np.bool_]:
    """Return which cells fall into a pattern.

    Examples
    --------
    >>> falls_into(np.array([[0, 1], [1, 1]]), [1, ANY]).tolist()
    [False, True]
    """
    wanted = np.asarray(pattern)
    named = np.flatnonzero(wanted != ANY)
    inside: npt.NDArray[np.bool_] = np.all(codes[:, named] == wanted[named], axis=1)
    return inside


def _melted(node: _Node, feature: int, sizes: tuple[int, ...]) -> _Node:
    """Return a node whose cells differ in this feature and later ones, where that makes them far fewer."""
    span = len(node.items) * math.prod(sizes[feature:])
    if 2 * span > len(node.member):
        return node
    key = joint_codes([node.member, *node.columns[feature:]], [len(node.items), *sizes[feature:]], len(node.member))
    cells = np.flatnonzero(np.bincount(key, minlength=span))
    amounts = np.array([np.bincount(key, weights=amount, minlength=span)[cells] for amount in node.amounts])
    columns = list(node.columns)
    rest = cells
    for later in range(len(sizes) - 1, feature - 1, -1):
        rest, columns[later] = np.divmod(rest, sizes[later])
    return node._replace(first=feature, member=rest, columns=tuple(columns), amounts=amounts)


def _named(node: _Node, feature: int, found: Codes, size: int) -> npt.NDArray[np.int32]:
    items = node.items[found // size]
    items[:, feature] = found % size
    return items


def _summed(node: _Node, key: Codes, found: Codes, counted: Floats) -> Floats:
    others = [np.bincount(key, weights=amount, minlength=len(counted))[found] for amount in node.amounts[1:]]
    return np.array([counted[found], *others])


def _child(node: _Node, feature: int, items: npt.NDArray[np.int32], found: Codes, key: Codes) -> _Node:
    number = np.full(max(int(key.max()), int(found[-1])) + 1, -1, dtype=np.int64)
    number[found] = np.arange(len(found))
    member, columns, amounts = number[key], node.columns, node.amounts
    kept = member >= 0
    if not kept.all():
        later = [column[kept] for column in columns[feature + 1 :]]
        member, columns, amounts = member[kept], (*columns[: feature + 1], *later), amounts[:, kept]
    return _Node(node.depth + 1, feature + 1, items, member, columns, amounts)


def _sorted(items: npt.NDArray[np.int32], sums: Floats, sizes: tuple[int, ...]) -> Patterns:
    lengths = np.count_nonzero(items != ANY, axis=1)
    order = np.lexsort((*items.T[::-1], lengths))
    items, sums = items[order], sums[:, order]
    marks = _marks(sizes)
    keys = np.zeros(len(items), dtype=np.uint64)
    for feature, mark in enumerate(marks):
        code = items[:, feature]
        keys += np.where(code == ANY, np.uint64(0), mark[np.maximum(code, 0)])
    if len(np.unique(keys)) < len(keys):  # 64 random bits: once in some thousand million searches of full size
        msg = "two patterns share a key; leave a feature out or change its bins"
        raise InputError([msg])
    return Patterns(items, sums, keys, marks)


def _marks(sizes: tuple[int, ...]) -> tuple[npt.NDArray[np.uint64], ...]:
    """Return 64 random bits per item: sums of them tell patterns apart, and an item can be taken off again."""
    random = np.random.default_rng(20210614)
    return tuple(random.integers(0, 2**64, size=max(size, 1), dtype=np.uint64) for size in sizes)


def _refuse_too_many(total: int, depth: int) -> None:
    if total > MAX_PATTERNS:
        msg = (
            f"more than {MAX_PATTERNS:,} patterns have enough rows (reached at {depth} items); raise min_support, "
            f"lower max_depth, or name fewer features"
        )
        raise InputError([msg])
