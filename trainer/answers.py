"""What a learner answers about rows: probabilities, labels or numbers, and the log that an audit reads.

These are methods of `trainer.learner.Learner`, kept in a file of their own.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.errors import raise_violations
from audit.predictions import PredictionLog
from trainer.data.kinds import Rows
from trainer.data.numeric import row_list
from trainer.data.splits import Part
from trainer.device import deterministic_kernels
from trainer.fitting.epoch import PREDICT_ROWS, outputs_of
from trainer.predict import most_probable, prediction_log

if TYPE_CHECKING:
    from trainer.learner import Learner


def predict_proba(learner: "Learner", rows: Rows | Part) -> npt.NDArray[np.float64]:
    """Return the probability of each class, in the order of ``spec.classes``; of several models their mean.

    A category that training never saw is read as unknown; ``encode(frame, encoder=learner.spec.encoder).unseen``
    counts such rows by column.

    Parameters
    ----------
    rows
        A frame with the feature columns, or the name of a part of the data.

    Returns
    -------
    ndarray
        Shape (n_rows, n_classes), float64; each row adds up to 1 where one of the classes is right. Of a number,
        shape (n_rows, 1). Without rows, shape (0, n_classes).

    Raises
    ------
    InputError
        If a feature is missing or not of the kind it had in training, or an answer is no finite number.
    """
    answers = predict_each(learner, rows)
    mean: npt.NDArray[np.float64] = answers.mean(axis=0)
    return mean


def predict_each(learner: "Learner", rows: Rows | Part) -> npt.NDArray[np.float64]:
    """Return what `predict_proba` returns, of each model apart: shape (n_models, n_rows, n_classes).

    Every answer about the part "valid", here and in what rests on it, counts as a look at it (`learner.looks`).
    """
    with deterministic_kernels(device=learner.device, enabled=learner.deterministic):
        output = _outputs(learner, rows).double()
    # Whoever sees answers for the validation part may choose by them.
    learner.looks += isinstance(rows, str) and rows == "valid" and output.shape[-2] > 0
    target = learner.spec.target
    width = 1 if target.kind == "number" else len(target.classes)
    answers = target.answer(output).view(learner.models or 1, output.shape[-2], width)
    found: npt.NDArray[np.float64] = answers.cpu().numpy()
    raise_violations(_no_answers(found))
    return found


def _outputs(learner: "Learner", rows: Rows | Part) -> Tensor:
    """Return what the network says of rows, shape (..., n_rows, n_outputs), with a piece of them at a time."""
    model = learner.answering()
    if not isinstance(rows, str):
        return outputs_of(model, learner.spec.inputs(rows))
    source, places = learner.training_data()[1], learner.rows(rows)
    return torch.cat([outputs_of(model, source.take(some).inputs) for some in torch.split(places, PREDICT_ROWS)], -2)


def _no_answers(answers: npt.NDArray[np.float64]) -> list[str]:
    """Return which rows got no finite answer: the most probable of such classes would be the first one, for no reason.

    Examples
    --------
    >>> _no_answers(np.array([[[0.5, 0.5], [np.nan, np.nan]]]))[0].partition(":")[0]
    'the model answers row 1, counted from 0 with what is no finite number'
    """
    lost = np.flatnonzero(~np.isfinite(answers).all(axis=(0, 2)))
    if not len(lost):
        return []
    mend = "look for extreme inputs there; where it is every row, training diverged: train again with a lower lr"
    return [f"the model answers {row_list(lost)} with what is no finite number: {mend}"]


def predict(learner: "Learner", rows: Rows | Part) -> npt.NDArray[np.generic]:
    """Return the answer for each row: the most probable label, the labels at or above 1/2, or the number.

    Parameters
    ----------
    rows
        A frame with the feature columns, or the name of a part of the data.

    Returns
    -------
    ndarray
        Shape (n_rows,); with several labels per row shape (n_rows, n_labels), boolean.
    """
    answers = predict_proba(learner, rows)
    if learner.spec.target.kind == "number":
        return answers[:, 0]
    if learner.spec.target.kind == "labels":
        return answers >= 0.5
    return most_probable(answers, classes=learner.spec.target.classes)


def predict_log(learner: "Learner", rows: pd.DataFrame | Part) -> PredictionLog:
    """Return predictions as an audit reads them, with the digest of this model as their `model_version`.

    Parameters
    ----------
    rows
        A frame with features, labels and sensitive columns, or the name of a part of the data.

    Returns
    -------
    PredictionLog
        `y_true`, `y_pred`, `y_score` of the positive label, the sensitive features, and what `Columns` named.
    """
    frame = learner.training_data()[0].part(rows) if isinstance(rows, str) else rows
    answers = predict_proba(learner, rows)
    return prediction_log(frame, answers, spec=learner.spec, model_version=learner.model_version)
