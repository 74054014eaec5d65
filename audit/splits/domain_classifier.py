"""A classifier that tells test rows from train rows: what it can tell apart is no fair test of what was trained."""

import numpy as np
import numpy.typing as npt

from audit.alternatives.baselines import fit_gradient_boosting
from audit.inference.linearised import Linearised, Place, auc, auc_bounds, bounds, difference, row
from audit.measurement import Measurement
from audit.splits.cross_fit import CrossFitted, cross_fitted
from audit.splits.split_checks import not_checked
from audit.splits.split_table import SplitTable
from audit.splits.twins import vectors

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

FITTED = 20_000
"""The classifier is fitted to at most so many rows of each part, drawn at random."""

SHOWN = 10
"""So many features that give the test part away are measured, those with the largest drop."""

_REPEATED = 20
"""Where vectors repeat more often than this on average, rows stand for themselves: they are values, not persons."""


def domain_rows(table: SplitTable, *, level: float, random_state: int = 0) -> list[Measurement]:
    """Return how well test rows can be told from train rows, and by which features.

    Gradient boosting with five folds; each row is scored by a model that saw neither it nor its cluster, nor (where no
    cluster is named) a row with the same features: otherwise the two years of one person, both in train, would give
    each other away on a clean split.

    Parameters
    ----------
    table
        Both parts.
    level
        Confidence level.
    random_state
        Seed of the rows drawn, of the folds, of the models and of the shuffled columns.

    Returns
    -------
    list of Measurement
        `split_roc_auc`, 0.5 where the parts are alike, 1 where each row can be told; with DeLong's interval over the
        same units. Where it is shown to be above 0.5: `split_roc_auc_drop` of the features, the fall when the column is
        shuffled within the held-out rows (paired interval); those with the largest fall first. Shuffling one of two
        columns that say the same shows little for either.

    Notes
    -----
    A classifier two-sample test: Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests, arXiv:1610.06545. It
    orders no decision by a p-value: the AUC and its interval are the finding.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> x = np.arange(200.0)
    >>> parts = [pa.table({"x": x + shift, "y": np.arange(200) % 2}) for shift in (0, 300)]
    >>> rows = domain_rows(read_splits(*parts, y_true="y"), level=0.95)
    >>> [(found.metric, found.value > 0.4) for found in rows]
    [('split_roc_auc', True), ('split_roc_auc_drop', True)]
    """
    chosen = _chosen(table.test, random_state)
    member = table.test[chosen].astype(np.int64)
    groups = _groups(table)[chosen]
    if len(np.unique(groups)) < 10:
        return [not_checked("split_roc_auc", "not checked: fewer than 10 clusters or different rows")]
    x = table.matrix[chosen]
    fitted = cross_fitted(fit_gradient_boosting, x, member, groups, random_state=random_state)
    cluster = None if len(np.unique(groups)) == len(groups) else groups
    whole = auc(member, fitted.scores, cluster=cluster)
    interval, how = auc_bounds(whole, level=level)
    drawn = (
        f"on {len(chosen):,} of {len(table.test):,} rows, drawn at random" if len(chosen) < len(table.test) else None
    )
    rows = [row("split_roc_auc", whole, interval, method=how, level=level, reason=drawn)]
    if float(interval.low) <= 0.5:
        return rows
    drops = _drops(fitted, x, member, cluster, random_state=random_state)
    order = sorted(range(len(drops)), key=lambda place: -(whole.value - drops[place].value))[:SHOWN]
    return rows + [
        _drop_row(difference(whole, drops[place]), table.features[place].name, level=level) for place in order
    ]


def _drop_row(found: Linearised, name: str, *, level: float) -> Measurement:
    place = Place(at=(("feature", name),))
    interval = bounds(found, level=level)
    return row("split_roc_auc_drop", found, interval, method="paired_delong", level=level, place=place)


def _drops(
    fitted: CrossFitted, x: Floats, member: Codes, cluster: Codes | None, *, random_state: int
) -> list[Linearised]:
    """Return the AUC of the same models when one column after the other is shuffled among the held-out rows."""
    rng = np.random.default_rng(random_state)
    found = []
    for place in range(x.shape[1]):
        scores = fitted.scores.copy()
        for fold, model in enumerate(fitted.models):
            inside = np.flatnonzero(fitted.fold == fold)
            shuffled = x[inside]
            shuffled[:, place] = rng.permutation(shuffled[:, place])
            scores[inside] = model(shuffled)
        found.append(auc(member, scores, cluster=cluster))
    return found


def _chosen(test: npt.NDArray[np.bool_], random_state: int) -> Codes:
    rng = np.random.default_rng(random_state)
    parts = (np.flatnonzero(~test), np.flatnonzero(test))
    return np.concatenate([np.sort(rng.permutation(part)[:FITTED]) for part in parts])


def _groups(table: SplitTable) -> Codes:
    if table.cluster is not None:
        return table.cluster
    codes = vectors(table)
    few = len(codes) > _REPEATED * len(np.unique(codes))
    return np.arange(len(codes), dtype=np.int64) if few else codes
