"""From probabilities to labels, and to the log that an audit reads."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.predictions import PredictionLog, RoleColumns
from trainer.data.columns import Label
from trainer.data.kinds import Spec


def most_probable(probabilities: npt.NDArray[np.float64], *, classes: tuple[Label, ...]) -> npt.NDArray[np.generic]:
    """Return the label of the largest probability in each row; of equal ones the first in the class list.

    Parameters
    ----------
    probabilities
        Shape (n_rows, n_classes).
    classes
        Label of each column.

    Returns
    -------
    ndarray
        Shape (n_rows,), of the labels' own type where they share one.

    Examples
    --------
    >>> most_probable(np.array([[0.2, 0.8], [0.7, 0.3]]), classes=("no", "yes")).tolist()
    ['yes', 'no']
    """
    one_type = len({type(label) for label in classes}) == 1
    labels: npt.NDArray[np.generic] = np.array(classes, dtype=None if one_type else np.object_)
    predicted: npt.NDArray[np.generic] = labels[probabilities.argmax(axis=1)]
    return predicted


def prediction_log(
    frame: pd.DataFrame, probabilities: npt.NDArray[np.float64], *, spec: Spec, model_version: str
) -> PredictionLog:
    """Put predictions beside what the audit needs of a frame: labels, sensitive features, cluster, id.

    Parameters
    ----------
    frame
        The rows that were predicted, with their label and sensitive columns.
    probabilities
        Shape (n_rows, n_classes), in the order of ``spec.target.classes``.
    spec
        Roles of the columns; weights used in training are logged as `training_weight`, which an audit does not count.
    model_version
        Digest of the model.

    Returns
    -------
    PredictionLog
        `y_score` is the probability of the positive label; with several classes and none named positive there is no
        score.

    Raises
    ------
    InputError
        If a column is missing from the frame.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.encoders import TableEncoder
    >>> from trainer.data.spec import TableSpec
    >>> from trainer.data.target import Target
    >>> spec = TableSpec(columns=Columns(y="paid", sensitive_features=["sex"]),
    ...                  encoder=TableEncoder(numeric=(), category=()), target=Target(kind="classes", classes=(0, 1)))
    >>> frame = pd.DataFrame({"paid": [1, 0], "sex": ["f", "m"]})
    >>> log = prediction_log(frame, np.array([[0.2, 0.8], [0.7, 0.3]]), spec=spec, model_version="ab12")
    >>> log.columns["y_score"], log.sensitive_features
    ('y_score', ('sex',))
    """
    columns = spec.columns
    carried = [name for name in columns.carried() if name in frame.columns]
    scored = frame.loc[:, carried].assign(
        y_pred=most_probable(probabilities, classes=spec.target.classes), model_version=model_version
    )
    roles: RoleColumns = {"y_true": columns.y, "y_pred": "y_pred", "model_version": "model_version"}
    if spec.positive is not None:
        scored["y_score"] = probabilities[:, spec.target.classes.index(spec.positive)]
        roles["y_score"] = "y_score"
    if columns.cluster in carried:
        roles["cluster"] = str(columns.cluster)
    if columns.prediction_id in carried:
        roles["prediction_id"] = str(columns.prediction_id)
    if columns.sample_weight in carried:
        roles["training_weight"] = str(columns.sample_weight)
    return PredictionLog.from_frame(
        scored, sensitive_features=list(columns.sensitive_features), positive=columns.positive, **roles
    )
