"""The two sides of a comparison as one table, and the exact evidence that a classifier tells them apart."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.alternatives.baselines import fit_gradient_boosting
from audit.errors import raise_violations
from audit.splits.split_columns import Feature, clusters_of, feature_of
from audit.splits.split_table import SplitTable
from monitors.shift.samples import Drawn
from monitors.window_evidence import log_e_share_above

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_BLOCKS = 5


def pair_evidence(x: Floats, now: Codes, *, tolerated: float, random_state: int = 0) -> float:
    """Return the log of the e-value against "the classifier orders at most `tolerated` of new pairs rightly".

    Parameters
    ----------
    x
        Features of independent rows, shape (n_rows, n_features); NaN where missing.
    now
        1 for rows of now, 0 for rows of then, shape (n_rows,).
    tolerated
        Share of pairs of a row of now and one of then in which that of now scores higher, ties counting half.
    random_state
        Seed of the blocks, pairs and models.

    Returns
    -------
    float
        Its expectation as an e-value is at most 1, for any number of rows, features and any distribution.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> now = np.repeat([0, 1], 200)
    >>> alike, apart = rng.normal(size=(400, 1)), rng.normal(size=(400, 1)) + 3.0 * now[:, None]
    >>> pair_evidence(alike, now, tolerated=0.55) < 1, pair_evidence(apart, now, tolerated=0.55) > 30
    (True, True)
    """
    rng = np.random.default_rng(random_state)
    sides = [np.array_split(rng.permutation(np.flatnonzero(now == side)), _BLOCKS) for side in (0, 1)]
    right, pairs = 0.0, 0
    for block in range(1, _BLOCKS):
        seen = np.concatenate([part for side in sides for part in side[:block]])
        score = fit_gradient_boosting(x[seen], now[seen], random_state=random_state)
        size = min(len(side[block]) for side in sides)
        before, after = (score(x[side[block][:size]]) for side in sides)
        right += float(np.sum(after > before) + np.sum(after == before) / 2.0)
        pairs += size
    return float(log_e_share_above(right, pairs, limit=tolerated))


def both_sides(then: Drawn, now: Drawn) -> SplitTable:
    """Return the rows of then as the train part, and those of now as the test part, of one table.

    Raises
    ------
    InputError
        If a feature holds infinite values, or nothing that can be read as numbers or texts.

    Examples
    --------
    >>> then, now = (Drawn(columns={"x": pa.array([value])}, rows=1) for value in (1.0, 2.0))
    >>> both_sides(then, now).matrix.tolist(), both_sides(then, now).test.tolist()
    ([[1.0], [2.0]], [False, True])
    """
    violations: list[str] = []
    features = tuple(_joined(name, (then.columns[name], now.columns[name]), violations) for name in then.columns)
    raise_violations(violations)
    sizes = [len(side.columns[features[0].name]) for side in (then, now)]
    cluster = None
    if then.cluster is not None and now.cluster is not None:
        cluster = clusters_of(pa.concat_arrays([then.cluster, now.cluster]))
    test = np.repeat([False, True], sizes)
    return SplitTable(features=features, test=test, y=test.astype(np.float64), label="now", cluster=cluster)


def one_of_each(table: SplitTable, *, random_state: int) -> Codes:
    """Return one row of each cluster, drawn at random; all rows where no cluster is named.

    The exact e-value needs rows that are independent. A cluster with rows of both sides keeps one row of one side.

    Examples
    --------
    >>> then, now = (Drawn(columns={"x": pa.array([1.0, 2.0])}, cluster=pa.array(["a", who]), rows=2) for who in "ab")
    >>> len(one_of_each(both_sides(then, now), random_state=0))
    2
    """
    if table.cluster is None:
        return np.arange(len(table.test), dtype=np.int64)
    order = np.random.default_rng(random_state).permutation(len(table.test))
    return np.sort(order[np.unique(table.cluster[order], return_index=True)[1]])


def _joined(name: str, parts: Sequence[pa.Array], violations: list[str]) -> Feature:
    """Return a feature of both parts; where the parts have different types, as text."""
    if parts[0].type != parts[1].type:
        parts = [part.cast(pa.string()) for part in parts]
    return feature_of(name, pa.concat_arrays(list(parts)), violations)
