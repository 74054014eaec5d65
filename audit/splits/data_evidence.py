"""What a simple model says about the data of a split: which features it leans on, and which labels look wrong."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.alternatives.baselines import fit_gradient_boosting
from audit.errors import raise_violations
from audit.inference.linearised import auc
from audit.measurement import Measurement
from audit.seeds import seed_violations
from audit.splits.cross_fit import cross_fitted
from audit.splits.importance import permutation_importance
from audit.splits.label_errors import Suspect, label_errors, suspect_row
from audit.splits.split_checks import not_checked
from audit.splits.split_table import SplitTable
from audit.splits.twins import vectors

MEASURED = 5_000
"""Importance is measured on at most so many test rows, drawn at random."""

STRONG = 0.8
"""A model that ranks unseen rows with a smaller AUC names hard cases, not wrong labels: then none are listed."""

FITTED = 50_000
"""Models are fitted to at most so many rows, drawn at random; labels are looked at among these."""


class DataEvidence(NamedTuple):
    """Rows for a result, and the labels to look at, the most suspicious first.

    Examples
    --------
    >>> DataEvidence((), ()).suspects
    ()
    """

    measurements: tuple[Measurement, ...]
    suspects: tuple[Suspect, ...]


def data_evidence(table: SplitTable, *, level: float = 0.95, random_state: int = 0) -> DataEvidence:
    """Return what gradient boosting on the features leans on, and the labels that it disagrees with.

    `permutation_importance` (log loss) of a model fitted to train, on test rows. Suspects from both parts, each row
    scored by a model that saw neither it nor its cluster (nor a row of the same features); each says its part, its
    line or place there (`SplitTable.place_name`), its id where there is one, and labels as the data spell them. None
    where these models are weaker than `STRONG`.

    Parameters
    ----------
    table
        Both parts.
    level
        Confidence level.
    random_state
        Seed of the models, folds and shuffles.

    Raises
    ------
    InputError
        If `random_state` is no seed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> part = pa.table({"x": [1.0, 2.0], "y": [0, 0]})
    >>> data_evidence(read_splits(part, part, y_true="y")).measurements[0].reason
    'not checked: the labels of train or test are all alike'
    """
    raise_violations(seed_violations(random_state))
    known = np.flatnonzero(~np.isnan(table.y))
    train, test = (known[table.test[known] == part] for part in (False, True))
    if min((len(np.unique(table.y[part])) for part in (train, test)), default=0) < 2:
        why = "not checked: the labels of train or test are all alike"
        return DataEvidence((not_checked("permutation_importance", why), not_checked("label_suspect_rate", why)), ())
    rng = np.random.default_rng(random_state)
    train, test = (np.sort(rng.permutation(part)[:most]) for part, most in ((train, FITTED), (test, MEASURED)))
    x, y = table.matrix, np.nan_to_num(table.y).astype(np.int64)
    predict = fit_gradient_boosting(x[train], y[train], random_state=random_state)
    codes = table.cluster if table.cluster is not None else vectors(table)
    cluster = codes[test] if len(np.unique(codes[test])) < len(test) else None
    places = {str(place): feature.name for place, feature in enumerate(table.features)}
    rows = permutation_importance(predict, x[test], y[test], cluster=cluster, level=level, random_state=random_state)
    named = tuple(_named(found, places) for found in rows)
    share, suspects = _suspects(table, codes, np.sort(rng.permutation(known)[:FITTED]), level, random_state)
    return DataEvidence((*named, share), suspects)


def _suspects(
    table: SplitTable,
    codes: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    level: float,
    random_state: int,
) -> tuple[Measurement, tuple[Suspect, ...]]:
    y = table.y[rows].astype(np.int64)
    groups = codes[rows]
    if len(np.unique(groups)) < 2:
        return not_checked("label_suspect_rate", "not checked: all rows are one cluster, or alike"), ()
    fitted = cross_fitted(fit_gradient_boosting, table.matrix[rows], y, groups, random_state=random_state)
    strength = auc(y, fitted.scores).value
    if not strength >= STRONG:
        why = (
            f"not checked: models of these features rank unseen rows with an AUC of {strength:.2f}, below {STRONG}: "
            f"too weak to tell wrong labels from hard cases"
        )
        return not_checked("label_suspect_rate", why), ()
    classes = list(table.spellings)
    found = label_errors([classes[label] for label in y], fitted.scores, classes=classes, row_ids=rows.tolist())
    suspects = tuple(each._replace(**_where(table, int(each.row_id))) for each in found)
    return suspect_row(suspects, len(rows), level=level), suspects


def _where(table: SplitTable, row: int) -> dict[str, Any]:
    """Return what a person finds a row by: part, line or place in it, id."""
    part = "test" if table.test[row] else "train"
    first = 0 if part == "train" else int((~table.test).sum())
    place = row - first + 1 if table.place is None else int(table.place[row])
    pairs = [("part", part), (table.place_name, str(place))]
    pairs += [] if table.ids is None else [(table.ids[0], table.ids[1][row])]
    return {"row_id": f"{part} {place}", "where": tuple(pairs)}


def _named(found: Measurement, names: dict[str, str]) -> Measurement:
    at = tuple((key, names[str(value)] if key == "feature" else value) for key, value in found.at)
    record = found.to_json() | {"at": dict(at)}
    return Measurement.from_json(record)
