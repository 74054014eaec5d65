"""Rows with features, groups and labels, for questions that need a model to be fitted again."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.errors import InputError, raise_violations

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Names = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Predict = Callable[[Matrix], npt.NDArray[Any]]
Fit = Callable[[Matrix, Labels, Matrix], Predict]
"""``fit(X, y, sample_weight)`` returns ``predict(X)``: labels, or probabilities of label 1, which are cut at 0.5."""

MIN_AUDITED = 30
"""With fewer audited rows in a group nothing is said about its labels."""

TOLERATED = 0.01
"""An audit that finds fewer wrong labels than this leaves the recorded ones good enough to score by."""

MISSING_GROUP = "(missing)"
"""The group of rows whose sensitive value is missing."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows of one kind: development data, a benchmark, or what came in after deployment.

    Parameters
    ----------
    features
        Numbers, shape (n_rows, n_features).
    group
        The group of each row as text, shape (n_rows,).
    y
        The recorded label, 0 or 1, shape (n_rows,); None where there is none.
    audited
        The label after an audit, 0, 1 or NaN where nobody looked, shape (n_rows,); None where there was no audit.
    predicted, decision
        What the model said and what was done, 0 or 1, shape (n_rows,); None where not recorded.
    missing
        Share of the row's features that were missing before they were filled, shape (n_rows,); None where not known.
    labelled
        Which rows have a label in `y`, shape (n_rows,); None = all. The others count in the composition alone.

    Raises
    ------
    InputError
        If lengths differ, a number is not finite, or a label is not 0 or 1: all violations at once.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([0, 1]))
    >>> len(sample), sample.groups, len(sample.take(np.array([True, False])))
    (2, ('F', 'M'), 1)
    """

    features: Matrix
    group: Names
    y: Labels | None = None
    audited: Matrix | None = None
    predicted: Labels | None = None
    decision: Labels | None = None
    missing: Matrix | None = None
    labelled: Mask | None = None

    def __post_init__(self) -> None:
        raise_violations(_violations(self))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.group)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that occur, sorted."""
        return tuple(sorted(set(self.group.tolist())))

    def take(self, chosen: Mask | Labels) -> "Sample":
        """Return some of the rows."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {name: None if column is None else column[chosen] for name, column in columns.items()}
        return Sample(**taken)


def predictions(predict: Predict, features: Matrix) -> Labels:
    """Return the labels that a fitted model gives to rows.

    Raises
    ------
    InputError
        If the callable returns something else than one finite number per row.

    Examples
    --------
    >>> predictions(lambda x: x[:, 0], np.array([[0.2], [0.5], [0.9]])).tolist()
    [0, 1, 1]
    """
    found = np.asarray(predict(features))
    if found.shape != (len(features),) or found.dtype.kind not in "biuf":
        came = f"{found.dtype} of shape {found.shape}"
        msg = f"predict must return one number per row, shape ({len(features)},); it returned {came}"
        raise InputError([msg])
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).sum())
        raise InputError([f"predict returned {bad} values that are not finite; a probability of label 1 was expected"])
    return (found >= 0.5).astype(np.int64)


def fitted(fit: Fit, sample: Sample, weight: Matrix | None = None) -> Predict:
    """Fit a model on a sample; where all labels are the same, the model says that label.

    Raises
    ------
    InputError
        If the sample has no labels.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 1]))
    >>> fitted(lambda x, y, w: None, sample)(np.zeros((3, 1))).tolist()
    [1, 1, 1]
    """
    if sample.y is None or not len(sample):
        raise InputError(["a model can be fitted on labelled rows only; pass y"])
    labels = sample.y
    if (labels == labels[0]).all():
        return lambda features: np.full(len(features), labels[0])
    return fit(sample.features, labels, np.ones(len(sample)) if weight is None else weight)


def scored_rows(sample: Sample) -> tuple[Labels, Mask]:
    """Return the label that each row is scored against, and which rows are scored.

    All labelled rows with their recorded label; but where an audit found more than `TOLERATED` of the recorded labels
    wrong and looked at `MIN_AUDITED` rows of every group, the audited rows alone, with the audited label.

    Raises
    ------
    InputError
        If the sample has no labels.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((2, 1)), group=np.array(["F", "M"]), y=np.array([1, 0]))
    >>> [column.tolist() for column in scored_rows(sample)]
    [[1, 0], [True, True]]
    """
    if sample.y is None:
        raise InputError(["a model can be scored on labelled rows only; pass y"])
    everyone = np.ones(len(sample), dtype=np.bool_) if sample.labelled is None else sample.labelled
    if sample.audited is None:
        return sample.y, everyone
    known = ~np.isnan(sample.audited)
    enough = all((known & (sample.group == group)).sum() >= MIN_AUDITED for group in sample.groups)
    both = known & everyone
    if not enough or (sample.y[both] != sample.audited[both]).sum() <= TOLERATED * both.sum():
        return sample.y, everyone
    return np.nan_to_num(sample.audited).astype(np.int64), known


def folds_of(sample: Sample, folds: int, rng: np.random.Generator) -> Labels:
    """Return the fold of each row, random and spread evenly over every group.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((6, 1)), group=np.array(["F"] * 4 + ["M"] * 2))
    >>> found = folds_of(sample, 2, np.random.default_rng(0))
    >>> [np.bincount(found[sample.group == group]).tolist() for group in sample.groups]
    [[2, 2], [1, 1]]
    """
    found = np.empty(len(sample), dtype=np.int64)
    for group in sample.groups:
        rows = np.flatnonzero(sample.group == group)
        found[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return found


def _violations(sample: Sample) -> list[str]:
    size = len(sample.group)
    if sample.features.ndim != 2:
        return [f"features must have the shape (n_rows, n_features); got {sample.features.shape}"]
    violations = []
    for field in fields(sample):
        column = getattr(sample, field.name)
        if column is not None and len(column) != size:
            violations.append(f"{field.name} has {len(column)} rows, group has {size}; pass one value per row in each")
    if sample.features.size and not np.isfinite(sample.features).all():
        rows = np.flatnonzero(~np.isfinite(sample.features).all(axis=1))[:_SHOWN]
        violations.append(f"features must be finite numbers; rows {rows.tolist()} are not: fill or drop them")
    for name in ("y", "predicted", "decision", "audited"):
        column = getattr(sample, name)
        if column is not None:
            known = column[~np.isnan(column)] if name == "audited" else column
            if not np.isin(known, (0, 1)).all():
                odd = sorted(set(np.unique(known).tolist()) - {0, 1})[:_SHOWN]
                violations.append(f"{name} must hold 0 and 1 only; found {odd}")
    if any(not isinstance(group, str) for group in set(sample.group.tolist())):
        violations.append("group must hold texts; give rows of which the group is missing a name, or leave them out")
    return violations
