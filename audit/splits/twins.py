"""Rows of the test part that have a twin in train: exact and near duplicates, and what twins share beyond features."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import KDTree

from audit.alternatives.baselines import fit_gradient_boosting
from audit.inference.linearised import (
    Linearised,
    Place,
    bounds,
    mean,
    part_difference,
    rate_bounds,
    row,
)
from audit.measurement import Measurement
from audit.splits.cross_fit import cross_fitted
from audit.splits.split_table import SplitTable

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

NEAR = 0.01
"""Rows are near duplicates where no number differs by more than this part of its standard deviation in train."""

SEARCHED = 5_000
"""Near duplicates are looked for among so many rows of each part, drawn at random."""

FITTED = 100_000
"""What twins share is looked for among about so many rows; all rows with the same features, or none of them."""

_FAR = 1e6
_AGAINST_TRAIN = {"kind": "slice", "slice": {"split": "train"}}


def vectors(table: SplitTable) -> Codes:
    """Return codes of the feature vectors: equal where all features are equal, missing values included.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> part = pa.table({"a": [1.0, None, 1.0, None], "b": ["u", "v", "u", "w"], "y": [0, 1, 0, 1]})
    >>> vectors(read_splits(part, part, y_true="y")).tolist()
    [0, 1, 0, 2, 0, 1, 0, 2]
    """
    codes = np.zeros(len(table.test), dtype=np.int64)
    for feature in table.features:
        values = pd.factorize(feature.values, use_na_sentinel=False)[0]
        codes = pd.factorize(codes * (int(values.max(initial=0)) + 1) + values)[0].astype(np.int64)
    return codes


def twin_rows(table: SplitTable, *, level: float, random_state: int = 0) -> list[Measurement]:
    """Return how many test rows have a twin in train, against how many train rows have another one.

    Parameters
    ----------
    table
        Both parts.
    level
        Confidence level.
    random_state
        Seed of the rows that near duplicates are looked for among, and of the folds.

    Returns
    -------
    list of Measurement
        `duplicate_rate`: share of test rows whose features all equal those of a train row. `duplicate_rate_difference`:
        the same minus the share of train rows with an equal other train row; 0 in expectation when both parts are
        drawn alike, however often values repeat. The same with `near_`. `twin_residual_correlation` and
        `twin_shared_error`: see `twin_correlation` and `shared_error`. Vectors are the clusters of these intervals:
        rows of one vector share their twins.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> train, test = (pa.table({"a": [1.0, 2.0, 3.0], "y": [0, 1, 0]}), pa.table({"a": [1.0, 7.0], "y": [0, 1]}))
    >>> [found.value for found in twin_rows(read_splits(train, test, y_true="y"), level=0.95)[:2]]
    [0.5, 0.5]
    """
    codes = vectors(table)
    exact = _has_twin(codes, table.test)
    rows = _share_rows("duplicate_rate", exact, codes, table.test, level)
    picked = _picked(table.test, random_state)
    near = np.zeros(len(codes), dtype=bool)
    near[picked] = _has_neighbour(_scaled(table), table.test, picked)
    rows += _share_rows("near_duplicate_rate", near[picked], codes[picked], table.test[picked], level)
    return [*rows, *_shared_rows(table, codes, level=level, random_state=random_state)]


class Twins(NamedTuple):
    """What test rows' labels, and those of their train twins, have over from what the features tell.

    `own`: a test row's label minus its cross-fitted prediction; `twin`: the mean of the same over its train twins, 0
    where it has none (`has_twin`); `vector`: which rows share their features. All of shape (n_test_rows,).

    Examples
    --------
    >>> twins = Twins(own=np.array([0.5]), twin=np.array([0.5]), has_twin=np.array([True]), vector=np.array([3]))
    >>> twins.vector.tolist()
    [3]
    """

    own: Floats
    twin: Floats
    has_twin: Flags
    vector: Codes


def shared_error(twins: Twins) -> Linearised:
    """Return the share of the squared error on test rows that agreement with train twins explains, at most 1.

    sum over rows with twins of (own x twin) / sum over all test rows of own^2. About 0 where rows that look alike are
    different people whom the features describe, or where few rows have a twin; for copies it is their share of the
    error. NaN without error.

    Examples
    --------
    Half of the rows are copies, with as much error as the others.

    >>> own, half = np.array([0.5, -0.5, 0.5, -0.5]), np.array([True, True, False, False])
    >>> shared_error(Twins(own, np.where(half, own, 0.0), half, np.arange(4))).value
    0.5
    """
    total = float(np.sum(twins.own**2))
    units = len(np.unique(twins.vector))
    if total == 0 or units < 2:
        return Linearised(np.nan, np.zeros(len(twins.own)), len(twins.own), units, 1.0, twins.vector)
    product = np.where(twins.has_twin, twins.own * twins.twin, 0.0)
    value = float(product.sum() / total)
    influence = (product - value * twins.own**2) / total * np.sqrt(units / (units - 1))
    return Linearised(value, influence, len(twins.own), units, float(units - 1), twins.vector)


def twin_correlation(twins: Twins) -> Linearised:
    """Return the correlation of the residuals of test rows with the mean residual of their train twins, in [-1, 1].

    sum(own x twin) / sqrt(sum(own^2) sum(twin^2)) over the rows with twins; not centred, as residuals have mean 0. 1
    where twins are copies. A model too coarse for rows that repeat makes it positive as well, so that it is shown and
    not judged: `shared_error` is. NaN without twins.

    Examples
    --------
    >>> same = np.array([0.5, -0.5, 0.25, -0.25])
    >>> round(twin_correlation(Twins(same, same, np.full(4, True), np.arange(4))).value, 6)
    1.0
    """
    own, twin = (column[twins.has_twin] for column in (twins.own, twins.twin))
    vector = twins.vector[twins.has_twin]
    scale = np.sqrt(np.sum(own**2) * np.sum(twin**2))
    if len(own) < 2 or scale == 0:
        return Linearised(np.nan, np.zeros(len(own)), len(own), len(np.unique(vector)), 1.0, vector)
    value = float(np.sum(own * twin) / scale)
    units = len(np.unique(vector))
    factor = np.sqrt(units / (units - 1)) if units > 1 else np.nan
    influence = own * twin / scale - value / 2 * (own**2 / np.sum(own**2) + twin**2 / np.sum(twin**2))
    return Linearised(value, influence * factor, len(own), units, float(units - 1), vector)


def _shared_rows(table: SplitTable, codes: Codes, *, level: float, random_state: int) -> list[Measurement]:
    names = ("twin_residual_correlation", "twin_shared_error")
    if not _has_twin(codes, table.test)[table.test].any():
        why = "no test row has a twin in train, so twins can give nothing away"
        return [Measurement(metric=name, value=None, n=0, method="not_checked", reason=why) for name in names]
    known = _some_vectors(codes, ~np.isnan(table.y), random_state)
    y = table.y[known].astype(np.int64)
    groups = np.arange(len(known)) if table.cluster is None else table.cluster[known]
    if len(np.unique(y)) < 2 or len(np.unique(groups)) < 2:
        why = "not checked: the labels are all alike, or all rows are one cluster"
        return [Measurement(metric=name, value=None, n=0, method="not_checked", reason=why) for name in names]
    fitted = cross_fitted(fit_gradient_boosting, table.matrix[known], y, groups, random_state=random_state)
    twins = _twins(y - fitted.scores, codes[known], table.test[known])
    how = "linearised, cluster-robust"
    found = (twin_correlation(twins), shared_error(twins))
    return [
        row(name, each, bounds(each, level=level), method=how, level=level)
        for name, each in zip(names, found, strict=True)
    ]


def _some_vectors(codes: Codes, known: Flags, random_state: int) -> Codes:
    """Return rows with labels, at most about `FITTED`: vectors are drawn whole, so that twins stay together."""
    rows = np.flatnonzero(known)
    if len(rows) <= FITTED:
        return rows
    order = np.random.default_rng(random_state).permutation(int(codes.max()) + 1)
    sizes = np.cumsum(np.bincount(codes[rows], minlength=len(order))[order])
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[: max(1, int(np.searchsorted(sizes, FITTED)))]] = True
    return rows[chosen[codes[rows]]]


def _twins(residual: Floats, codes: Codes, test: Flags) -> Twins:
    size = int(codes.max(initial=0)) + 1
    count = np.bincount(codes[~test], minlength=size)
    total = np.bincount(codes[~test], weights=residual[~test], minlength=size)
    has_twin = count[codes] > 0
    twin = (total / np.maximum(count, 1))[codes]
    return Twins(residual[test], twin[test], has_twin[test], codes[test])


def _share_rows(name: str, twin: Flags, codes: Codes, test: Flags, level: float) -> list[Measurement]:
    share = mean(twin[test], cluster=codes[test])
    interval, how = rate_bounds(share, level=level)
    found = [row(name, share, interval, method=how, level=level)]
    excess = part_difference(twin, test, cluster=codes)
    place = Place(slice=(("split", "test"),), against=_AGAINST_TRAIN)
    how = "linearised, cluster-robust"
    difference = row(f"{name}_difference", excess, bounds(excess, level=level), method=how, level=level, place=place)
    return [*found, difference]


def _has_twin(codes: Codes, test: Flags) -> Flags:
    """Return which rows have a twin among the (other) train rows."""
    count = np.bincount(codes[~test], minlength=int(codes.max(initial=0)) + 1)[codes]
    return count > np.where(test, 0, 1)


def _picked(test: Flags, random_state: int) -> Codes:
    rng = np.random.default_rng(random_state)
    parts = (np.flatnonzero(~test), np.flatnonzero(test))
    return np.concatenate([np.sort(rng.permutation(part)[:SEARCHED]) for part in parts])


def _scaled(table: SplitTable) -> Floats:
    """Return the features in units of `NEAR`; texts and missing values lie far from anything else."""
    columns = []
    for feature in table.features:
        train = feature.values[~table.test]
        spread = 1e-3 if feature.is_text else float(np.nanstd(train)) if np.isfinite(train).any() else 0.0
        columns.append(np.nan_to_num(feature.values / ((spread or 1.0) * NEAR), nan=-_FAR))
    return np.column_stack(columns)


def _has_neighbour(scaled: Floats, test: Flags, picked: Codes) -> Flags:
    """Return which of the picked rows have an (other) train row within 1 in every column."""
    tree = KDTree(scaled[~test])
    # A train row finds itself first.
    distance = tree.query(scaled[picked], k=2, p=np.inf, distance_upper_bound=1.0 + 1e-9)[0]
    return np.asarray(np.isfinite(np.where(test[picked], distance[:, 0], distance[:, 1])), dtype=np.bool_)
