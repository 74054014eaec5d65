"""From probabilities to labels, and to the log that an audit reads."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from audit.errors import raise_violations
from audit.predictions import PredictionLog, RoleColumns
from trainer.data.columns import Label
from trainer.data.kinds import Spec
from trainer.data.ratings import with_newcomers
from trainer.data.target import NONE_OF_THEM
from trainer.data.truth import label_sets

LABEL_FROM = 0.5
"""A label is predicted from this probability on."""


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
        Shape (n_rows, n_classes), in the order of ``spec.target.classes``; of a number, shape (n_rows, 1).
    spec
        Roles of the columns; weights used in training are logged as `training_weight`, which an audit does not count.
    model_version
        Digest of the model.

    Returns
    -------
    PredictionLog
        `y_score` is the probability of the positive label; with several classes and none named positive there is no
        score, and the task is "multiclass". Of several labels per row, the task is "multilabel" and an empty set is
        "none of the above"; of a number it is "regression".

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
    columns, kind = spec.columns, spec.target.kind
    frame = with_newcomers(frame, spec)
    carried = [name for name in columns.carried() if name in frame.columns]
    scored = frame.loc[:, carried].assign(model_version=model_version)
    roles: RoleColumns = {"y_true": columns.y, "y_pred": "y_pred", "model_version": "model_version"}
    if columns.cluster in carried:
        roles["cluster"] = str(columns.cluster)
    if columns.prediction_id in carried:
        roles["prediction_id"] = str(columns.prediction_id)
    if columns.sample_weight in carried:
        roles["training_weight"] = str(columns.sample_weight)
    sensitive = list(columns.sensitive_features)
    if kind == "number":
        scored["y_pred"] = probabilities[:, 0]
        return PredictionLog.from_frame(scored, sensitive_features=sensitive, task="regression", **roles)
    if kind == "labels":
        return _label_log(frame, scored, probabilities, spec=spec, roles=roles)
    scored["y_pred"] = most_probable(probabilities, classes=spec.target.classes)
    if spec.positive is not None:
        scored["y_score"] = probabilities[:, spec.target.classes.index(spec.positive)]
        roles["y_score"] = "y_score"
    if spec.positive is None:
        return PredictionLog.from_frame(
            scored, sensitive_features=sensitive, task="multiclass", labels=spec.target.classes, **roles
        )
    return PredictionLog.from_frame(scored, sensitive_features=sensitive, positive=columns.positive, **roles)


def label_texts(
    chosen: npt.NDArray[np.bool_], *, classes: Sequence[Label], separator: str = "|", none: str = NONE_OF_THEM
) -> list[str]:
    """Return the labels of each row in one text; a row without any says so.

    Parameters
    ----------
    chosen
        Shape (n_rows, n_labels), as `Learner.predict` returns it.
    classes
        Name of each label.
    separator
        What stands between two labels.
    none
        The text of a row without labels. An audit reads the empty text so.

    Returns
    -------
    list of str
        One per row.

    Examples
    --------
    >>> label_texts(np.array([[True, True], [False, False]]), classes=("cat", "dog"))
    ['cat|dog', 'none of the above']
    """
    names = np.array([str(name) for name in classes], dtype=object)
    return [separator.join(names[row]) if row.any() else none for row in chosen]


def _label_log(
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    probabilities: npt.NDArray[np.float64],
    *,
    spec: Spec,
    roles: RoleColumns,
) -> PredictionLog:
    """Return the log of a model of several labels per row; an empty list is "none of the above", None not labelled."""
    columns, classes = spec.columns, spec.target.classes
    absent = [name for name in columns.truth if name not in frame.columns]
    raise_violations([f"column {name!r} (label) is missing: a log needs what is true of each row" for name in absent])
    of_truth = columns.y or "y_true"
    names = np.array([str(name) for name in classes], dtype=object)
    known = frame[list(columns.truth)].notna().all(axis=1).to_numpy()
    sets = iter(label_sets(frame.loc[known], columns=columns))
    scored = scored.drop(columns=list(columns.truth))
    scored[of_truth] = _lists([sorted(next(sets)) if labelled else None for labelled in known], scored.index)
    scored["y_pred"] = _lists([names[row].tolist() for row in probabilities >= LABEL_FROM], scored.index)
    roles["y_true"] = of_truth
    return PredictionLog.from_frame(
        scored,
        sensitive_features=list(columns.sensitive_features),
        task="multilabel",
        labels=classes,
        **roles,
    )


def _lists(labels: list[list[str] | None], index: pd.Index) -> pd.Series:
    """Return lists of texts as a column; typed, since a column of empty lists would not say what they are of."""
    return pd.Series(labels, index=index, dtype=pd.ArrowDtype(pa.list_(pa.string())))
