"""Rolling a tally up: its cells as arrays, and the slices that they fall into."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.label_sets import LabelSets, label_sets
from audit.measurement import Slice, as_slice
from audit.metrics.metric import Counts, ScoreCounts
from audit.tally import SLICE, Codes, Tally, joint_codes, sorted_codes

Floats = npt.NDArray[np.float64]

TP, FP, FN, TN, UP, UN = range(6)
GroupValues = tuple[str | None, ...]


class Pairs(NamedTuple):
    """Second moments of cells that share clusters: for cells `left`, `right` the sum of products of weights.

    Examples
    --------
    Two cells share one cluster, with weights 2 and 3 in it.

    >>> pairs = Pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([4.0, 6.0, 6.0, 9.0]))
    >>> pairs.moment.sum().item(), (2 + 3) ** 2
    (25.0, 25)
    """

    left: Codes
    right: Codes
    moment: Floats


class Cells(NamedTuple):
    """A tally as arrays, one entry per cell.

    `quadrant` is the position of the cell's count in `Counts`; -1 where the tally is not one of two decided labels, so
    that nothing is read into it. `sets` holds the labels of a tally with several (`audit.label_sets`); `features` maps
    a feature to each cell's code and the values that codes stand for. `exact_scores`: every score bin holds one
    distinct score. `score` and `score2`: weighted sums of the rows' scores and of their squares.

    Examples
    --------
    Three true positives and one false negative, without scores, features, weights or clusters.

    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FN]), n, n, n, None, 0, False, {}, False, None)
    >>> cells.plain, cells._replace(weighted=True).plain
    (True, False)
    """

    quadrant: Codes
    n: Codes
    w: Floats
    w2: Floats
    bins: Codes | None
    n_bins: int
    exact_scores: bool
    features: Mapping[str, tuple[Codes, list[str | None]]]
    weighted: bool
    pairs: Pairs | None
    sets: LabelSets | None = None
    score: Floats | None = None
    score2: Floats | None = None

    @property
    def plain(self) -> bool:
        """Whether rows are independent and count alike."""
        return not self.weighted and self.pairs is None


class Partition(NamedTuple):
    """Slices that every cell falls into exactly one of: `member` says into which, a place in the sorted `groups`.

    Examples
    --------
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1]))
    >>> slices.slice_of(1), np.bincount(slices.member).tolist()
    ((('sex', 'M'),), [2, 1])
    """

    features: tuple[str, ...]
    groups: tuple[GroupValues, ...]
    member: Codes

    def slice_of(self, place: int) -> Slice:
        """Return the slice at a place."""
        return as_slice(dict(zip(self.features, self.groups[place], strict=True)))


def cells_of(tally: Tally) -> Cells:
    """Return the cells of a tally as arrays.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1, 1, 0], "p": [1, 1, 1]})
    >>> cells = cells_of(count(PredictionLog.from_frame(frame, y_true="y", y_pred="p")))
    >>> cells.quadrant.tolist() == [FP, TP], cells.n.tolist()
    (True, [1, 2])
    """
    table = tally.cells
    scored = tally.bins is not None
    bins = table["score_bin"].to_numpy().astype(np.int64) if scored else None
    return Cells(
        quadrant=_quadrant(tally),
        n=table["n"].to_numpy(),
        w=table["w"].to_numpy(),
        w2=table["w2"].to_numpy(),
        bins=bins,
        n_bins=tally.bins or 0,
        exact_scores=bins is not None and _one_score_per_bin(tally, bins),
        features={name: sorted_codes(table[SLICE + name]) for name in tally.features},
        weighted=tally.weights == "sampling",
        pairs=_pairs(tally.pairs),
        sets=None if tally.task == "binary" else label_sets(tally),
        score=_weighed(tally, "score") if scored else None,
        score2=_weighed(tally, "score2") if scored else None,
    )


def partition(cells: Cells, features: Sequence[str]) -> Partition:
    """Return the observed groups of a combination of features; no features = everyone.

    Raises
    ------
    KeyError
        If a feature is not among those of the cells.

    Examples
    --------
    >>> n, sex = np.array([3.0, 1.0, 2.0]), (np.array([1, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([TP, TP, FN]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> slices = partition(cells, ["sex"])
    >>> slices.groups, slices.member.tolist(), partition(cells, []).groups
    ((('F',), ('M',)), [1, 0, 1], ((),))
    """
    codes = [cells.features[name][0] for name in features]
    values = [cells.features[name][1] for name in features]
    joint = joint_codes(codes, [len(column) for column in values], len(cells.n))
    _, first, index = np.unique(joint, return_index=True, return_inverse=True)
    groups = tuple(
        tuple(column[code[cell]] for code, column in zip(codes, values, strict=True)) for cell in first.tolist()
    )
    return Partition(tuple(features), groups, index.astype(np.int64))


def without_scores(cells: Cells) -> Cells:
    """Return cells that differ in their score bin only as one: far fewer, with the same sums.

    Examples
    --------
    >>> n = np.array([3.0, 1.0, 2.0])
    >>> cells = Cells(np.array([TP, TP, FN]), n, n, n, np.array([7, 8, 0]), 10, False, {}, False, None)
    >>> without_scores(cells).n.tolist()
    [4, 2]
    """
    if cells.bins is None:
        return cells
    codes = [*(code for code, _ in cells.features.values()), cells.quadrant]
    sizes = [*(len(values) for _, values in cells.features.values()), 6]
    joint = joint_codes(codes, sizes, len(cells.n))
    _, first, group = np.unique(joint, return_index=True, return_inverse=True)
    size = len(first)
    return cells._replace(
        quadrant=cells.quadrant[first],
        n=summed(group, cells.n, size).astype(np.int64),
        w=summed(group, cells.w, size),
        w2=summed(group, cells.w2, size),
        bins=None,
        n_bins=0,
        features={name: (code[first], values) for name, (code, values) in cells.features.items()},
        pairs=None if cells.pairs is None else _merged(cells.pairs, group, size),
        score=None,
        score2=None,
    )


def against_rest(cells: Cells, groups: Partition) -> tuple[Cells, Partition]:
    """Return dense cells of the slices 2g (group g) and 2g + 1 (everyone else), and those slices.

    Clusters are kept for cells without scores only.

    Examples
    --------
    >>> n, slices = np.array([3.0, 1.0, 2.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1]))
    >>> cells = Cells(np.array([TP, FN, TP]), n, n, n, None, 0, False, {}, False, None)
    >>> dense, halves = against_rest(cells, slices)
    >>> counts_of(dense, halves, dense.n).tp.tolist()  # F, all but F, M, all but M
    [3.0, 2.0, 2.0, 3.0]
    """
    size, bins = len(groups.groups), max(cells.n_bins, 1)
    width = 6 * bins
    key = cells.quadrant * bins + (0 if cells.bins is None else cells.bins)
    place = groups.member * width + key

    def halves(amount: Codes | Floats) -> Floats:
        return _halves(summed(place, amount, size * width).reshape(size, width))

    dense = cells._replace(
        quadrant=np.tile(np.arange(width) // bins, 2 * size),
        n=halves(cells.n).astype(np.int64),
        w=halves(cells.w),
        w2=halves(cells.w2),
        score=None if cells.score is None else halves(cells.score),
        score2=None if cells.score2 is None else halves(cells.score2),
        bins=None if cells.bins is None else np.tile(np.arange(width) % bins, 2 * size),
        features={},
        pairs=None if cells.pairs is None or cells.bins is not None else _rest_pairs(cells, groups),
    )
    names = tuple(group for group in groups.groups for _ in (0, 1))
    return dense, Partition(groups.features, names, np.repeat(np.arange(2 * size), width))


def counts_of(cells: Cells, slices: Partition, amount: Codes | Floats) -> Counts:
    """Return an amount per cell (n, w or w2) summed by slice and quadrant.

    Examples
    --------
    >>> n, slices = np.array([3.0, 1.0, 2.0]), Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1]))
    >>> cells = Cells(np.array([TP, FN, TP]), n, n, n, None, 0, False, {}, False, None)
    >>> counts = counts_of(cells, slices, cells.n)
    >>> counts.tp.tolist(), counts.fn.tolist()
    ([3.0, 2.0], [1.0, 0.0])
    """
    if len(cells.quadrant) and cells.quadrant.min() < 0:
        msg = "these counts are not of two labels that every row has a decision on; see audit.views.view_of"
        raise ValueError(msg)
    size = len(slices.groups)
    sums = np.bincount(slices.member * 6 + cells.quadrant, weights=amount, minlength=size * 6)
    return Counts(*sums.reshape(size, 6).T)


def scores_of(cells: Cells, slices: Partition) -> ScoreCounts:
    """Return the weighted labelled rows summed by slice and score bin, positives and negatives apart.

    Raises
    ------
    ValueError
        If the tally holds no scores.

    Examples
    --------
    >>> n = np.array([3.0, 1.0])
    >>> cells = Cells(np.array([TP, FP]), n, n, n, np.array([2, 0]), 3, False, {}, False, None)
    >>> scores = scores_of(cells, Partition((), ((),), np.array([0, 0])))
    >>> scores.positive.tolist(), scores.negative.tolist()
    ([[0.0, 0.0, 3.0]], [[1.0, 0.0, 0.0]])
    """
    if cells.bins is None:
        msg = "this tally holds no scores; name y_score when you make the log"
        raise ValueError(msg)
    size = len(slices.groups)
    place = slices.member * cells.n_bins + cells.bins
    sides = []
    for labels in ((TP, FN), (FP, TN)):
        weight = np.where((cells.quadrant == labels[0]) | (cells.quadrant == labels[1]), cells.w, 0.0)
        sides.append(np.bincount(place, weights=weight, minlength=size * cells.n_bins).reshape(size, cells.n_bins))
    return ScoreCounts(*sides)


def _weighed(tally: Tally, name: str) -> Floats:
    """Return sums of scores as if each row of a cell had the cell's mean weight: scores are summed without weights."""
    total, n, w = (tally.cells[column].to_numpy() for column in (name, "n", "w"))
    return np.asarray(total * (w / np.maximum(n, 1)), dtype=np.float64)


def _quadrant(tally: Tally) -> Codes:
    if tally.positive is None or tally.deferral:
        return np.full(tally.cells.num_rows, -1, dtype=np.int64)
    positive = pa.scalar(tally.positive)
    predicted = pc.equal(tally.cells["y_pred"], positive).to_numpy()
    true = pc.fill_null(pc.equal(tally.cells["y_true"], positive), fill_value=False).to_numpy()
    labelled = pc.is_valid(tally.cells["y_true"]).to_numpy()
    with_label = np.where(true, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
    return np.where(labelled, with_label, np.where(predicted, UP, UN)).astype(np.int64)


def _one_score_per_bin(tally: Tally, bins: Codes) -> bool:
    n, first, second = (tally.cells[name].to_numpy() for name in ("n", "score", "score2"))
    mean = first / n
    if np.any(second / n - mean**2 > 1.6e-9):  # both are means of numbers rounded to 1e-9
        return False
    low, high = np.full(tally.bins or 0, np.inf), np.full(tally.bins or 0, -np.inf)
    np.minimum.at(low, bins, mean)
    np.maximum.at(high, bins, mean)
    seen = high >= low
    return bool(np.all(high[seen] - low[seen] < 1e-9))


def _pairs(pairs: pa.Table | None) -> Pairs | None:
    if pairs is None:
        return None
    sides = [pairs[side].to_numpy().astype(np.int64) for side in ("left", "right")]
    return Pairs(sides[0], sides[1], pairs["moment"].to_numpy())


def _merged(pairs: Pairs, group: Codes, size: int) -> Pairs:
    """Return the pairs of cells after each cell was merged into `group`."""
    code, inverse = np.unique(group[pairs.left] * size + group[pairs.right], return_inverse=True)
    return Pairs(code // size, code % size, summed(inverse, pairs.moment, len(code)))


def _halves(own: Floats) -> Floats:
    """Return each row and the sum of all other rows, in turn; no differences, so that an empty rest is exactly 0."""
    nothing = np.zeros((1, own.shape[1]))
    before = np.cumsum(np.concatenate([nothing, own[:-1]]), axis=0)
    after = np.cumsum(np.concatenate([nothing, own[:0:-1]]), axis=0)[::-1]
    return np.stack([own, before + after], axis=1).ravel()


def _rest_pairs(cells: Cells, groups: Partition) -> Pairs | None:
    """Return second moments within each group, within its rest, and across the two."""
    if cells.pairs is None:
        return None
    size, pairs = len(groups.groups), cells.pairs
    one, two = groups.member[pairs.left], groups.member[pairs.right]
    block = cells.quadrant[pairs.left] * 6 + cells.quadrant[pairs.right]
    inside = one == two
    within = np.bincount(one[inside] * 36 + block[inside], weights=pairs.moment[inside], minlength=size * 36)
    row = np.bincount(one * 36 + block, weights=pairs.moment, minlength=size * 36)
    within, row = within.reshape(size, 6, 6), row.reshape(size, 6, 6)
    column = row.transpose(0, 2, 1)
    across = row - within
    rest = row.sum(axis=0) - row - column + within
    moment = np.stack([within, across, across.transpose(0, 2, 1), rest], axis=1)
    group, first, second, left, right = np.indices((size, 2, 2, 6, 6)).reshape(5, -1)
    return Pairs((2 * group + first) * 6 + left, (2 * group + second) * 6 + right, moment.ravel())


def summed(place: Codes, amount: Codes | Floats, size: int) -> Floats:
    """Return an amount per cell summed by place, shape (size,).

    Examples
    --------
    >>> summed(np.array([0, 1, 0]), np.array([1, 2, 3]), 2).tolist()
    [4.0, 2.0]
    """
    return np.bincount(place, weights=amount, minlength=size).astype(np.float64, copy=False)
