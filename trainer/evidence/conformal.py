"""Split conformal prediction: sets of classes that hold the true one as often as promised, overall or in each group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.result import Result
from audit.stress.prediction_sets import run_prediction_sets
from trainer.data.columns import Label
from trainer.data.splits import Part
from trainer.evidence.origin import (
    class_codes,
    classes_only,
    cluster_of,
    frame_of,
    provenance_of,
    share_violations,
)
from trainer.fitting.groups import group_name, grouping_of

if TYPE_CHECKING:
    from trainer.learner import Learner

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class PredictionSets(NamedTuple):
    """One set of labels per row, and why it is the full one where nothing else could be promised.

    Examples
    --------
    >>> PredictionSets((("no", "yes"),), ("too few rows",)).labels[0]
    ('no', 'yes')
    """

    labels: tuple[tuple[Label, ...], ...]
    reasons: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conformal:
    """Limits that were found on calibration rows: a class is in the set where 1 - its probability is within them.

    Parameters
    ----------
    alpha
        The share of rows whose set may miss the true class, in (0, 1).
    by
        Columns within whose groups the promise holds; empty for all rows together.
    by_class
        Whether it holds within each true class.
    groups
        Values of the groups.
    limits
        Shape (n_groups, n_classes), in [0, 1], or infinite where rows were too few: then the class is always in.
    n
        Shape (n_groups, n_classes): calibration rows that each limit rests on.
    model_version
        Of the model whose probabilities they belong to.

    Examples
    --------
    >>> found = Conformal(alpha=0.5, by=(), by_class=False, groups=((),), limits=np.array([[0.4, 0.4]]),
    ...                   n=np.array([[9, 9]]), model_version="ab12")
    >>> found.members(np.array([[0.7, 0.3], [0.5, 0.5]]), np.array([0, 0])).tolist()
    [[True, False], [False, False]]
    """

    alpha: float
    by: tuple[str, ...]
    by_class: bool
    groups: tuple[tuple[str | None, ...], ...]
    limits: Floats
    n: Codes
    model_version: str

    def members(self, probabilities: Floats, groups: Codes) -> Flags:
        """Return which classes are in each row's set, shape (n_rows, n_classes); a group of -1 is an unknown one."""
        limits = np.where(groups[:, None] < 0, np.inf, self.limits[groups])
        within: Flags = 1.0 - probabilities <= limits
        return within

    def sets(self, learner: "Learner", rows: pd.DataFrame | Part) -> PredictionSets:
        """Return the set of each row.

        Parameters
        ----------
        learner
            The model that was calibrated.
        rows
            A frame, or a part of the data; with the columns of `by`.

        Raises
        ------
        InputError
            If the model is another one, or columns are missing.
        """
        classes_only(learner, what="a prediction set")
        raise_violations(self._stale(learner))
        places = self._places(frame_of(learner, rows))
        held = self.members(learner.predict_proba(rows), places)
        classes = learner.spec.target.classes
        labels = tuple(tuple(classes[code] for code in np.flatnonzero(row)) for row in held)
        return PredictionSets(labels, tuple(self._reason(int(place)) for place in places))

    def audit(self, learner: "Learner", rows: pd.DataFrame | Part = "test", *, level: float = 0.95) -> Result:
        """Return how often the sets hold the true class, and how large they are, by group and by true class.

        Parameters
        ----------
        learner, rows
            As in `sets`; rows that neither trained nor calibrated the model.
        level
            Confidence level, in (0, 1).

        Returns
        -------
        Result
            Of `audit.stress.prediction_sets.run_prediction_sets`, whose slices are the sensitive features, the columns
            of `by`, and the true class under the name of the label's column. Intervals are cluster-robust where the
            data name a cluster.
        """
        classes_only(learner, what="a prediction set")
        frame, label = frame_of(learner, rows), learner.spec.columns.y
        raise_violations([] if label in frame.columns else [f"column {label!r} (the label) is missing from the rows"])
        features = list(dict.fromkeys([*learner.spec.columns.sensitive_features, *self.by, label]))
        cluster = cluster_of(learner, frame)
        carried = list(dict.fromkeys([*features, *([cluster] if cluster else [])]))
        shown = frame.loc[:, [name for name in carried if name in frame.columns]].copy()
        truth, sets = _free_names(carried)
        shown[truth] = frame[label]
        shown[sets] = [list(labels) for labels in self.sets(learner, rows).labels]
        options: dict[str, Any] = {"sensitive_features": features, "cluster": cluster, "level": level}
        found = run_prediction_sets(shown, y_true=truth, sets=sets, **options)
        n = int(self.n.sum() if self.by_class else self.n[:, 0].sum())
        given: dict[str, Any] = {"check": "prediction sets", "alpha": self.alpha, "by": list(self.by)}
        given |= {"by_class": self.by_class, "calibration_rows": n, "level": level, "sensitive_features": features}
        given |= {} if cluster is None else {"cluster": cluster}
        return replace(found, provenance=provenance_of(learner, given))

    def _places(self, frame: pd.DataFrame) -> Codes:
        """Return the place of each row's group; -1 where calibration met nobody of it."""
        if not self.by:
            return np.zeros(len(frame), dtype=np.int64)
        grouping = grouping_of(frame, self.by)
        known = {values: place for place, values in enumerate(self.groups)}
        return np.array([known.get(values, -1) for values in grouping.values], dtype=np.int64)[grouping.codes]

    def _reason(self, place: int) -> str | None:
        if place < 0:
            return "calibration met nobody of this group: the full set"
        few = ~np.isfinite(self.limits[place])
        if not few.any():
            return None
        whom = group_name(self.by, self.groups[place]) or "all rows"
        what = "some classes, which are always in the set" if self.by_class else "the full set"
        return f"{whom}: {int(self.n[place][few].min())} calibration rows, {rows_needed(self.alpha)} needed: {what}"

    def _stale(self, learner: "Learner") -> list[str]:
        if learner.model_version == self.model_version:
            return []
        return ["the limits belong to another model, or to this one before it was trained or calibrated further"]


def conformal(
    learner: "Learner",
    alpha: float = 0.1,
    *,
    by: str | Sequence[str] | None = None,
    part: Part = "valid",
) -> Conformal:
    """Find the limits within which a class belongs to a row's set, so that sets hold the true class as promised.

    The promise, a share of at least 1 - alpha over calibration and test rows drawn alike, is about the average row:
    without `by`, a group may be covered far less often. Within groups it holds for each, at the price of larger sets.
    Where rows come in clusters (people, with several each), it strays further from 1 - alpha by chance than so many
    independent rows would let it, and asks for calibration and test people drawn alike: `audit` says how sure it is.

    Parameters
    ----------
    alpha
        The share of sets that may miss, in (0, 1).
    by
        Columns within whose groups it is to hold; the label's own column for each true class. None for all together.
    part
        Calibration rows: not those that trained the model. Where they also chose its settings or its temperature,
        the promise is a little optimistic.

    Returns
    -------
    Conformal
        Limits, and how many rows each rests on; ``audit`` measures what they deliver.

    Raises
    ------
    InputError
        If alpha is out of range, there are no rows, columns are missing, or the model answers labels or numbers.

    Notes
    -----
    The limit is the ceil((n + 1)(1 - alpha))-th smallest of 1 - p(true class): Vovk, Gammerman & Shafer 2005,
    Algorithmic learning in a random world, and Sadinle, Lei & Wasserman 2019, doi:10.1080/01621459.2017.1395341 (within
    classes); within groups Romano, Barber, Sabatti & Candes 2020, arXiv:1908.05428.
    """
    classes_only(learner, what="a prediction set")
    raise_violations(share_violations(alpha=alpha))
    frame, label = frame_of(learner, part), learner.spec.columns.y
    named = (by,) if isinstance(by, str) else tuple(by or ())
    columns, by_class = tuple(name for name in named if name != label), label in named
    grouping = grouping_of(frame, columns)
    truth, probabilities = class_codes(learner, frame), learner.predict_proba(part)
    n_classes, n_groups = probabilities.shape[1], len(grouping.values)
    scores = 1.0 - probabilities[np.arange(len(truth)), truth]
    cells = grouping.codes * n_classes + truth if by_class else grouping.codes
    limits, n = limits_of(scores, cells, alpha=alpha, n_cells=n_groups * (n_classes if by_class else 1))
    shape = (n_groups, n_classes)
    return Conformal(
        alpha=alpha,
        by=columns,
        by_class=by_class,
        groups=grouping.values,
        limits=np.broadcast_to(limits.reshape(n_groups, -1), shape),
        n=np.broadcast_to(n.reshape(n_groups, -1), shape),
        model_version=learner.model_version,
    )


def limits_of(scores: Floats, cells: Codes, *, alpha: float, n_cells: int) -> tuple[Floats, Codes]:
    """Return the limit of each cell, and its number of rows.

    Examples
    --------
    >>> limits, n = limits_of(np.arange(1, 20) / 20, np.zeros(19, dtype=int), alpha=0.1, n_cells=2)
    >>> limits.tolist(), n.tolist()  # the 18th smallest of 19; none of none
    ([0.9, inf], [19, 0])
    """
    n = np.bincount(cells, minlength=n_cells)
    limits = np.full(n_cells, np.inf)
    for cell in np.flatnonzero(n):
        place = _place(int(n[cell]), alpha)
        if place <= n[cell]:
            limits[cell] = np.partition(scores[cells == cell], place - 1)[place - 1]
    return limits, n


def rows_needed(alpha: float) -> int:
    """Return the smallest number of calibration rows with which a set can be less than the full one.

    Examples
    --------
    >>> rows_needed(0.1), rows_needed(0.05)
    (9, 19)
    """
    return math.ceil(round(1.0 / alpha - 1.0, 9))


def _place(n: int, alpha: float) -> int:
    # (n + 1)(1 - alpha) is meant as a number of decimals: 0.9 * 10 is 9, not a little more.
    return math.ceil(round((n + 1) * (1.0 - alpha), 9))


def _free_names(taken: Sequence[str]) -> tuple[str, str]:
    truth, sets = "true label", "set"
    while truth in taken or sets in taken:
        truth, sets = f"{truth}'", f"{sets}'"
    return truth, sets
