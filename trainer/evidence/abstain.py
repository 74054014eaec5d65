"""When a model should not even try: a band of unsure answers that is left to people, chosen so that the rest is right.

The band is a limit on the probability of the answer; for two classes it is a band of scores around 1/2. Whom it leaves
to people, and how often the answers outside it are wrong, differs between groups: audit the log that it writes.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.inference.intervals import clopper_pearson
from audit.predictions import PredictionLog, RoleColumns
from audit.values import canonical
from trainer.data.splits import Part
from trainer.evidence.origin import class_codes, classes_only, cluster_of, frame_of, share_violations

if TYPE_CHECKING:
    from trainer.learner import Learner

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

ABSTAINS = "left to a person"
SHARES = tuple(share / 20 for share in range(20, 0, -1))
"""Shares of rows that the band may decide; few, because each is one more look at the same rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstainBand:
    """Which answers a model gives, and which it leaves to a person.

    Parameters
    ----------
    confidence
        Answers at or above this probability are given; None where no band reaches the accuracy, and all are left.
    wanted, level
        The accuracy that the answers given must have, and the confidence with which they have it.
    n, decided, right
        Rows that chose the band, those of them that it decides, and those that it decides rightly.
    low
        Lower bound of the accuracy of the rows decided, simultaneous over all bands looked at; None without a band.
    clusters
        Clusters among the rows that chose the band; None where every row stands for itself.
    reason
        Why there is no band; otherwise None.

    Examples
    --------
    >>> band = choose_band(np.linspace(0.5, 1.0, 400), np.arange(400) >= 100, wanted=0.9, level=0.95)
    >>> round(band.confidence, 2), band.decided, band.right, round(band.low, 3)
    (0.63, 300, 300, 0.98)
    """

    confidence: float | None
    wanted: float
    level: float
    n: int
    decided: int
    right: int
    low: float | None
    clusters: int | None = None
    reason: str | None = None

    def decides(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows are decided, of probabilities of shape (n_rows, n_classes)."""
        if self.confidence is None:
            return np.zeros(len(probabilities), dtype=bool)
        sure: npt.NDArray[np.bool_] = probabilities.max(axis=1) >= self.confidence
        return sure

    def log(self, learner: "Learner", rows: pd.DataFrame | Part = "test") -> PredictionLog:
        """Return predictions for an audit, in which rows inside the band are left to a person.

        The audit gives errors of the rows decided (``decided_<metric>``), and of all rows with those left counted as
        wrong, by group: see `audit.tasks.deferral`.

        Parameters
        ----------
        learner
            The model that the band was chosen for.
        rows
            A frame with features, labels and sensitive columns, or a part of the data.

        Raises
        ------
        InputError
            If columns are missing, or the model answers labels or numbers.
        """
        classes_only(learner, what="a band of unsure answers")
        frame, spec = frame_of(learner, rows), learner.spec
        probabilities = learner.predict_proba(rows)
        names = np.array([canonical(label) for label in spec.target.classes], dtype=object)
        abstains = ABSTAINS
        while abstains in names:
            abstains += "'"
        carried = [name for name in spec.columns.carried() if name in frame.columns]
        answers = np.where(self.decides(probabilities), names[probabilities.argmax(axis=1)], abstains)
        shown = frame.loc[:, carried].assign(y_pred=answers, model_version=learner.model_version)
        # An answer and a label are compared as texts, so that numbers can stand beside the word for none.
        shown[spec.columns.y] = [canonical(label) for label in frame[spec.columns.y]]
        roles: RoleColumns = {"y_true": spec.columns.y, "y_pred": "y_pred", "model_version": "model_version"}
        if spec.columns.cluster in carried:
            roles["cluster"] = str(spec.columns.cluster)
        if spec.columns.prediction_id in carried:
            roles["prediction_id"] = str(spec.columns.prediction_id)
        two = len(names) == 2
        return PredictionLog.from_frame(
            shown,
            sensitive_features=list(spec.columns.sensitive_features),
            task="binary" if two else "multiclass",
            positive=canonical(spec.positive) if two else None,
            labels=None if two else [str(name) for name in names],
            abstain=abstains,
            **roles,
        )


def abstain(learner: "Learner", accuracy: float, *, part: Part = "valid", level: float = 0.95) -> AbstainBand:
    """Choose the narrowest band of unsure answers outside which the model is as accurate as wanted, or none at all.

    Parameters
    ----------
    accuracy
        That the answers given must have, in (0, 1).
    part
        Rows that choose the band: not those that trained the model.
    level
        Confidence with which the accuracy is reached, in (0, 1).

    Returns
    -------
    AbstainBand
        Its ``log`` is what an audit reads. Where the data name a cluster, rows of one are not taken for independent.

    Raises
    ------
    InputError
        If a setting is out of range, there are no rows, or the model answers labels or numbers.
    """
    classes_only(learner, what="a band of unsure answers")
    raise_violations(share_violations(accuracy=accuracy, level=level))
    frame, probabilities = frame_of(learner, part), learner.predict_proba(part)
    right = probabilities.argmax(axis=1) == class_codes(learner, frame)
    name = cluster_of(learner, frame)
    cluster = None if name is None else pd.factorize(frame[name], use_na_sentinel=False)[0].astype(np.int64)
    return choose_band(probabilities.max(axis=1), right, wanted=accuracy, level=level, cluster=cluster)


def choose_band(
    confidence: Floats, right: npt.NDArray[np.bool_], *, wanted: float, level: float, cluster: Codes | None = None
) -> AbstainBand:
    r"""Return the band that decides the most rows, among those of `SHARES`, with the accuracy wanted.

    Parameters
    ----------
    confidence
        Shape (n,): probability of each row's answer.
    right
        Shape (n,): whether the answer is right.
    wanted, level
        In (0, 1).
    cluster
        Shape (n,): which rows belong together; None where every row stands for itself.

    Returns
    -------
    AbstainBand
        Without a `confidence` where no band reaches the accuracy.

    Raises
    ------
    InputError
        If a setting is out of range.

    Notes
    -----
    Of each band the lower Clopper-Pearson bound of the accuracy at 1 - (1 - level) / 20, one-sided, so that all bounds
    hold together and the best may be picked; the search divides the error by the number of its steps as that of Geifman
    & El-Yaniv 2017, Selective classification for deep neural networks, arXiv:1705.08500. Of clusters it is the bound of
    as many rows as there are clusters ((sum m)^2 / sum m^2 of them where their sizes m differ, Kish 1965): as if all
    rows of a cluster were right or wrong together, the most that they can vary. The spread that a few clusters happen
    to show is not relied on: near an accuracy of 1 it is often far too small.
    """
    raise_violations(share_violations(accuracy=wanted, level=level))
    ordered, clusters = np.sort(confidence), None if cluster is None else len(np.unique(cluster))
    for share in SHARES:
        limit = float(ordered[len(ordered) - max(1, round(share * len(ordered)))])
        decided = confidence >= limit
        n, x = int(decided.sum()), int(right[decided].sum())
        low = _low(right[decided], None if cluster is None else cluster[decided], alpha=2 * (1 - level) / len(SHARES))
        if low >= wanted:
            found = AbstainBand(confidence=limit, wanted=wanted, level=level, n=len(right), decided=n, right=x, low=low)
            return replace(found, clusters=clusters)
    rests = f"n = {len(right)}" + ("" if clusters is None else f" in {clusters} clusters")
    reason = f"no band of {len(SHARES)} is shown to be right in {wanted:g} of its rows ({rests}): all are left"
    none = AbstainBand(confidence=None, wanted=wanted, level=level, n=len(right), decided=0, right=0, low=None)
    return replace(none, clusters=clusters, reason=reason)


def _low(right: npt.NDArray[np.bool_], cluster: Codes | None, *, alpha: float) -> float:
    """Return the lower bound of a rate at 1 - alpha / 2, one-sided, with clusters as its independent units."""
    units = float(len(right))
    if cluster is not None:
        sizes = np.unique(cluster, return_counts=True)[1].astype(np.float64)
        units = float(sizes.sum() ** 2 / (sizes**2).sum())
    return float(clopper_pearson(round(float(right.mean()) * units, 9), units, alpha=alpha).low)
