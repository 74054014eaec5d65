"""Rolling a tally up: its cells as arrays, and the slices that they fall into."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.measurement import Slice, as_slice
from audit.metrics.metric import Counts, ScoreCounts
from audit.tally import SLICE, Codes, Tally, joint_codes, sorted_codes

Floats = npt.NDArray[np.float64]

TP, FP, FN, TN, UP, UN = range(6)
GroupValues = tuple[str | None, ...]


class Pairs(NamedTuple):
    """Second moments of cells that share clusters: for cells `left`, `right` the sum of products of weights."""

    left: Codes
    right: Codes
    moment: Floats


class Cells(NamedTuple):
    """A tally as arrays, one entry per cell.

    `quadrant` is the position of the cell's count in `Counts`; `features` maps a feature to each cell's code and the
    values that codes stand for. `exact_scores`: every score bin holds one distinct score.
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

    @property
    def plain(self) -> bool:
        """Whether rows are independent and count alike."""
        return not self.weighted and self.pairs is None


class Partition(NamedTuple):
    """Slices that every cell falls into exactly one of: `member` says into which, a place in the sorted `groups`."""

    features: tuple[str, ...]
    groups: tuple[GroupValues, ...]
    member: Codes

    def slice_of(self, place: int) -> Slice:
        """Return the slice at a place."""
        return as_slice(dict(zip(self.features, self.groups[place], strict=True)))


def cells_of(tally: Tally) -> Cells:
    """Return the cells of a tally as arrays."""
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
    )


def partition(cells: Cells, features: Sequence[str]) -> Partition:
    """Return the observed groups of a combination of features; no features = everyone."""
    codes = [cells.features[name][0] for name in features]
    values = [cells.features[name][1] for name in features]
    joint = joint_codes(codes, [len(column) for column in values], len(cells.n))
    _, first, index = np.unique(joint, return_index=True, return_inverse=True)
    groups = tuple(
        tuple(column[code[cell]] for code, column in zip(codes, values, strict=True)) for cell in first.tolist()
    )
    return Partition(tuple(features), groups, index.astype(np.int64))


def against_rest(cells: Cells, groups: Partition) -> tuple[Cells, Partition]:
    """Return cells repeated once per group, and slices 2g (group g) and 2g + 1 (everyone else) of them."""
    size, copies = len(cells.n), len(groups.groups)
    copy = np.repeat(np.arange(copies), size)
    index = 2 * copy + (np.tile(groups.member, copies) != copy)
    pairs = cells.pairs
    if pairs is not None:
        shift = np.repeat(np.arange(copies) * size, len(pairs.left))
        sides = [np.tile(side, copies) + shift for side in (pairs.left, pairs.right)]
        pairs = Pairs(sides[0], sides[1], np.tile(pairs.moment, copies))
    tiled = cells._replace(
        quadrant=np.tile(cells.quadrant, copies),
        n=np.tile(cells.n, copies),
        w=np.tile(cells.w, copies),
        w2=np.tile(cells.w2, copies),
        bins=None if cells.bins is None else np.tile(cells.bins, copies),
        features={},
        pairs=pairs,
    )
    names = tuple(group for group in groups.groups for _ in (0, 1))
    return tiled, Partition(groups.features, names, index)


def counts_of(cells: Cells, slices: Partition, amount: Codes | Floats) -> Counts:
    """Return an amount per cell (n, w or w2) summed by slice and quadrant."""
    size = len(slices.groups)
    sums = np.bincount(slices.member * 6 + cells.quadrant, weights=amount, minlength=size * 6)
    return Counts(*sums.reshape(size, 6).T)


def scores_of(cells: Cells, slices: Partition) -> ScoreCounts:
    """Return the weighted labelled rows summed by slice and score bin, positives and negatives apart.

    Raises
    ------
    ValueError
        If the tally holds no scores.
    """
    if cells.bins is None:
        msg = "this tally holds no scores; name y_score when you make the log"
        raise ValueError(msg)
    size = len(slices.groups)
    place = slices.member * cells.n_bins + cells.bins
    sides = []
    for labels in ((TP, FN), (FP, TN)):
        weight = np.where(np.isin(cells.quadrant, labels), cells.w, 0.0)
        sides.append(np.bincount(place, weights=weight, minlength=size * cells.n_bins).reshape(size, cells.n_bins))
    return ScoreCounts(*sides)


def _quadrant(tally: Tally) -> Codes:
    positive = pa.scalar(tally.positive)
    predicted = pc.equal(tally.cells["y_pred"], positive).to_numpy()
    true = pc.fill_null(pc.equal(tally.cells["y_true"], positive), fill_value=False).to_numpy()
    labelled = pc.is_valid(tally.cells["y_true"]).to_numpy()
    with_label = np.where(true, np.where(predicted, TP, FN), np.where(predicted, FP, TN))
    return np.where(labelled, with_label, np.where(predicted, UP, UN)).astype(np.int64)


def _one_score_per_bin(tally: Tally, bins: Codes) -> bool:
    w, first, second = (tally.cells[name].to_numpy() for name in ("n", "score", "score2"))
    mean = first / w
    if tally.weights == "frequency" or np.any(second / w - mean**2 > 1e-9):
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
