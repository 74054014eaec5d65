"""How many people's decision depends on the seed: models that are equally good and do not agree."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.result import Result
from audit.tasks.shares import group_counts, share_rows
from trainer.data.splits import Part
from trainer.evidence.origin import cluster_of, features_of, frame_of, provenance_of, share_violations

if TYPE_CHECKING:
    from trainer.learner import Learner

DISAGREEMENT = "seed_disagreement_rate"
Decisions = npt.NDArray[np.int64]


def disagreement(
    learner: "Learner",
    rows: pd.DataFrame | Part = "test",
    *,
    by: str | tuple[str, ...] | list[str] | None = None,
    threshold: float = 0.5,
    level: float = 0.95,
) -> Result:
    """Return the share of rows that get another decision from at least one of the models, by group.

    Nothing but the seed differs between the models (initial weights, order of rows, dropout), and what rows weigh where
    each has its own (``resample``, ``row_weights``). Where one of them decides alone, these people's decision is
    arbitrary. The share grows with the number of models: give it with the share.

    Parameters
    ----------
    rows
        A frame, or a part of the data.
    by
        Columns whose groups are compared; None for the sensitive features.
    threshold
        Of two classes the positive one is chosen at or above it; of several the most probable. Of labels, each is
        given at or above it, and a row counts where any of them differs.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        ``seed_disagreement_rate`` in [0, 1], smaller is better, for every slice, with its gaps between groups
        (Wilson's interval, by the rules of `audit.tasks.shares`).

    Raises
    ------
    InputError
        If there is one model only, columns are missing, or the model answers numbers.

    Notes
    -----
    Ambiguity over the set of models at hand: Marx, Calmon & Ustun 2020, Predictive multiplicity in classification,
    arXiv:1909.06677, definition 3, with the vote of all in place of a baseline.
    """
    frame, features = frame_of(learner, rows), features_of(learner, by)
    raise_violations(_violations(learner, frame, features, threshold))
    decisions = decisions_of(learner, learner.predict_each(rows), threshold=threshold)
    groups = {name: frame[name].to_numpy(dtype=object) for name in features}
    cluster = cluster_of(learner, frame)
    clusters = None if cluster is None else frame[cluster].to_numpy()
    found: list[Measurement] = [*group_counts(groups, len(frame))]
    found += share_rows(DISAGREEMENT, differs(decisions), groups, cluster=clusters, level=level)
    given = {"check": "disagreement between seeds", "seeds": list(learner.seeds), "threshold": threshold}
    given |= {"rows": rows if isinstance(rows, str) else "a frame", "sensitive_features": list(features)}
    return Result(measurements=tuple(found), provenance=provenance_of(learner, given | {"level": level}))


def differs(decisions: Decisions) -> npt.NDArray[np.bool_]:
    """Return for each row whether the models do not all decide alike; decisions of shape (n_models, n_rows, ...).

    Examples
    --------
    >>> differs(np.array([[0, 1, 1], [0, 1, 0], [0, 1, 1]])).tolist()
    [False, False, True]
    """
    by_row = decisions.reshape(*decisions.shape[:2], -1)
    apart: npt.NDArray[np.bool_] = (by_row != by_row[:1]).any(axis=(0, 2))
    return apart


def decisions_of(learner: "Learner", answers: npt.NDArray[np.float64], *, threshold: float) -> Decisions:
    """Return the decision of each model for each row, as numbers: shape (n_models, n_rows), of labels one each."""
    target, positive = learner.spec.target, learner.spec.positive
    if target.kind == "labels":
        return (answers >= threshold).astype(np.int64)
    if positive is not None and len(target.classes) == 2:
        return (answers[..., target.classes.index(positive)] >= threshold).astype(np.int64)
    most: Decisions = answers.argmax(axis=-1).astype(np.int64)
    return most


def _violations(learner: "Learner", frame: pd.DataFrame, features: tuple[str, ...], threshold: float) -> list[str]:
    found = [f"column {name!r} (groups) is missing from the rows" for name in features if name not in frame.columns]
    if (learner.models or 1) < 2:
        found.append("one model cannot disagree with itself: train several, Learner(..., models=5)")
    if learner.spec.target.kind == "number":
        found.append("disagreement is counted on decisions; this model answers numbers")
    return found + share_violations(threshold=threshold)
