"""The rows that a model gets most wrong, for a person to look at: wrong labels, odd cases, cases nobody thought of."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from trainer.data.splits import Part
from trainer.evidence.origin import frame_of
from trainer.predict import most_probable

if TYPE_CHECKING:
    from trainer.learner import Learner

ADDED = ("row", "answer", "probability", "loss")


def top_losses(learner: "Learner", part: Part = "valid", k: int = 10) -> pd.DataFrame:
    """Return the rows with the largest loss, largest first.

    A large loss is a row to look at, not a wrong label: it may be mislabelled, rare, or of a group that the model has
    not learnt. Rows near the top of the train part are the likeliest to be mislabelled.

    Parameters
    ----------
    part
        "train", "valid" or "test".
    k
        Rows to return, at least 1; all where there are fewer.

    Returns
    -------
    DataFrame
        ``row``: its place in the frame, from 0; ``answer``: of classes the most probable, of labels those at or above
        1/2, or the number; ``probability``: of the true class (of labels, of all that are right and no other, as if
        independent; of a number none); ``loss``: in nats, or the squared or absolute error in units of the target's
        scale, of several models the mean; then all columns of the frame, a name that is taken with "'" after it.

    Raises
    ------
    InputError
        If the part has no rows or k is below 1.
    """
    raise_violations([] if k >= 1 else [f"k must be at least 1; came {k}"])
    data, source = learner.training_data()
    frame, truth = frame_of(learner, part), source.take(learner.rows(part)).target.cpu().numpy()
    answers = learner.predict_each(part)
    losses = np.mean([_losses(each, truth, learner) for each in answers], axis=0)
    order = np.argsort(-losses, kind="stable")[:k]
    mean = answers.mean(axis=0)[order]
    added = pd.DataFrame({"row": data.split.rows(part)[order]}, index=frame.index[order])
    added["answer"] = _answers(mean, learner)
    added["probability"] = _probabilities(mean, truth[order], learner)
    added["loss"] = losses[order]
    shown = frame.iloc[order]
    return pd.concat([added, shown.rename(columns={name: f"{name}'" for name in ADDED})], axis=1)


def _losses(
    answer: npt.NDArray[np.float64], true: npt.NDArray[np.generic], learner: "Learner"
) -> npt.NDArray[np.float64]:
    """Return the loss of each row from probabilities or numbers; a probability of 0 costs what the least float does."""
    target, least = learner.spec.target, np.finfo(np.float64).tiny
    if target.kind == "classes":
        own: npt.NDArray[np.float64] = answer[np.arange(len(true)), true.astype(np.int64)]
        return -np.log(np.maximum(own, least))
    if target.kind == "labels":
        chances = np.maximum(np.where(true.astype(np.float64) > 0.5, answer, 1.0 - answer), least)
        found: npt.NDArray[np.float64] = -np.log(chances).mean(axis=1)
        return found
    return _number_losses(answer[:, 0], true.astype(np.float64), learner)


def _number_losses(
    answer: npt.NDArray[np.float64], true: npt.NDArray[np.float64], learner: "Learner"
) -> npt.NDArray[np.float64]:
    target, least = learner.spec.target, np.finfo(np.float64).tiny
    if target.loss == "log" and target.low is not None and target.high is not None:
        width = target.high - target.low
        said = (answer - target.low) / width
        share = np.clip((true * target.scale + target.center - target.low) / width, 0.0, 1.0)
        return -(share * np.log(np.maximum(said, least)) + (1.0 - share) * np.log(np.maximum(1.0 - said, least)))
    error = (answer - target.center) / target.scale - true  # the truth is held as it is learnt
    return np.abs(error) if target.loss == "absolute" else error**2


def _answers(mean: npt.NDArray[np.float64], learner: "Learner") -> list[Any]:
    target = learner.spec.target
    if target.kind == "classes":
        return list(most_probable(mean, classes=target.classes).tolist())
    if target.kind == "labels":
        return [[label for label, share in zip(target.classes, row, strict=True) if share >= 0.5] for row in mean]
    return list(mean[:, 0].tolist())


def _probabilities(
    mean: npt.NDArray[np.float64], true: npt.NDArray[np.generic], learner: "Learner"
) -> npt.NDArray[np.float64]:
    kind = learner.spec.target.kind
    if kind == "classes":
        own: npt.NDArray[np.float64] = mean[np.arange(len(true)), true.astype(np.int64)]
        return own
    if kind == "labels":
        chances: npt.NDArray[np.float64] = np.where(true.astype(np.float64) > 0.5, mean, 1.0 - mean).prod(axis=1)
        return chances
    return np.full(len(mean), np.nan)
