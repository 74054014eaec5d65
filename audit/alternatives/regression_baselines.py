"""What a simple alternative achieves where a number is predicted, and by how much the model beats it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from audit.alternatives.baseline_rows import GROUP_RATE
from audit.alternatives.baseline_task import BaselineTask
from audit.alternatives.baselines import Matrix, Scores
from audit.alternatives.prototypes import group_rate
from audit.errors import raise_violations
from audit.inference.linearised import Place, bounds, difference, loss_bounds, mean, row
from audit.measurement import Measurement
from audit.seeds import seed_violations

Regression = Callable[[Matrix, Scores, Matrix, int], Scores]


def mean_of_train(x_train: Matrix, y_train: Scores, x_test: Matrix, random_state: int = 0) -> Scores:
    """Predict the mean of train for every row: what can be had without looking.

    Examples
    --------
    >>> mean_of_train(np.zeros((2, 1)), np.array([1.0, 3.0]), np.zeros((1, 1))).tolist()
    [2.0]
    """
    del x_train, random_state
    return np.full(len(x_test), np.mean(y_train))


def linear_regression(x_train: Matrix, y_train: Scores, x_test: Matrix, random_state: int = 0) -> Scores:
    """Predict by least squares; the mean of train stands in for missing values.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> linear_regression(x, np.array([1.0, 3.0, 5.0]), np.array([[3.0]])).round(6).tolist()
    [7.0]
    """
    del random_state
    model = make_pipeline(SimpleImputer(keep_empty_features=True), LinearRegression())
    predicted: Scores = model.fit(x_train, y_train).predict(x_test)
    return predicted


def boosted_regression(x_train: Matrix, y_train: Scores, x_test: Matrix, random_state: int = 0) -> Scores:
    """Predict by gradient boosted trees (scikit-learn's HistGradientBoostingRegressor, its defaults, one thread).

    Examples
    --------
    Fewer than 40 rows are not split: every prediction is the mean.

    >>> x = np.array([[0.0], [1.0]])
    >>> boosted_regression(x, np.array([1.0, 3.0]), x).round(6).tolist()
    [2.0, 2.0]
    """
    model = HistGradientBoostingRegressor(random_state=random_state)
    with threadpool_limits(limits=1, user_api="openmp"):
        predicted: Scores = model.fit(x_train, y_train).predict(x_test)
    return predicted


REGRESSIONS: Mapping[str, Regression] = MappingProxyType(
    {"mean": mean_of_train, "linear regression": linear_regression, "gradient boosting": boosted_regression}
)
"""Every baseline for numbers; the mean of each group comes with the groups."""

_LOSSES: Mapping[str, Callable[[Scores], Scores]] = MappingProxyType(
    {"mean_absolute_error": np.abs, "mean_squared_error": np.square}
)


def regression_rows(
    task: BaselineTask,
    y_pred: npt.ArrayLike | None = None,
    *,
    name: str = "model",
    baselines: Mapping[str, Regression] = REGRESSIONS,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return the mean absolute and squared error of every baseline (and the model), and the paired differences.

    As `audit.alternatives.baseline_rows.baseline_rows`, for labels that are numbers; smaller is better, in units of the
    label (and its square). Differences are model minus baseline: below 0 where the model is better. Student's t,
    simultaneous over the baselines.

    Raises
    ------
    InputError
        If predictions are missing, infinite, or not one per test row, or `random_state` is no seed.

    Examples
    --------
    >>> x, y = np.arange(4.0)[:, None], np.array([0.0, 2.0, 4.0, 6.0])
    >>> rows = regression_rows(BaselineTask(x_train=x, y_train=y, x_test=x, y_test=y), y)
    >>> [(row.metric, row.value) for row in rows if dict(row.at)["model_version"] == "mean"]
    [('mean_absolute_error', 2.0), ('mean_squared_error', 5.0)]
    """
    predictions = {} if y_pred is None else {name: np.asarray(y_pred, dtype=np.float64)}
    raise_violations(
        [*(text for said in predictions.values() for text in _violations(task, said)), *seed_violations(random_state)]
    )
    y = np.asarray(task.y_train, dtype=np.float64)
    for found, make in baselines.items():
        predictions[found] = make(task.x_train, y, task.x_test, random_state)
    if task.groups_train is not None and task.groups_test is not None:
        predictions[GROUP_RATE] = group_rate(task.groups_train, y, task.groups_test)
    rows: list[Measurement] = []
    others = len(predictions) - (y_pred is not None)
    for metric, loss in _LOSSES.items():
        losses = {said: mean(loss(p - task.y_test), cluster=task.cluster) for said, p in predictions.items()}
        for said, lost in losses.items():
            place = Place(at=(("model_version", said),))
            interval = loss_bounds(lost, level=level)
            rows.append(row(metric, lost, interval, method="student_t, log", level=level, place=place))
        for said in () if y_pred is None else [said for said in losses if said != name]:
            apart = difference(losses[name], losses[said])
            place = Place(at=(("model_version", name),), against={"kind": "model", "model_version": said})
            interval = bounds(apart, level=level, comparisons=others)
            how = f"paired_t, simultaneous over {others}"
            rows.append(row(f"{metric}_difference", apart, interval, method=how, level=level, place=place))
    return tuple(rows)


def _violations(task: BaselineTask, predicted: Scores) -> list[str]:
    if predicted.shape != (len(task.y_test),):
        return [f"y_pred has shape {predicted.shape}; expected ({len(task.y_test)},), one per test row"]
    gone = int(np.count_nonzero(~np.isfinite(predicted)))
    return [f"y_pred is missing or infinite in {gone} rows; complete it"] if gone else []
