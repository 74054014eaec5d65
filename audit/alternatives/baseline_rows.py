"""What a simple alternative achieves on the same rows, and by how much the model beats it, with paired intervals."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from audit.alternatives.baseline_task import BaselineTask
from audit.alternatives.baselines import BASELINES, Baseline, Matrix, Scores
from audit.alternatives.prototypes import group_rate, nearest_prototype, random_projection
from audit.errors import raise_violations
from audit.inference.intervals import quantile
from audit.inference.linearised import (
    Linearised,
    Place,
    auc,
    auc_bounds,
    bounds,
    difference,
    loss_bounds,
    mean,
    rate_bounds,
    row,
)
from audit.inference.paired_intervals import paired_rates
from audit.measurement import Measurement
from audit.seeds import seed_violations

EVERY_BASELINE: Mapping[str, Baseline] = MappingProxyType(
    {**BASELINES, "nearest prototype": nearest_prototype, "random projection": random_projection}
)
"""Every baseline of features and labels; `baseline_rows` adds the rate of each group where groups are given."""

GROUP_RATE = "rate of the group"

_SMALLER_IS_BETTER = frozenset({"brier_score", "mean_absolute_error", "mean_squared_error"})

_UNCALIBRATED = frozenset({"one rule", "nearest prototype"})
"""Their scores order rows; a logistic regression of the train labels on the score makes probabilities of them."""


def baseline_rows(
    task: BaselineTask,
    y_score: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    name: str = "model",
    baselines: Mapping[str, Baseline] = EVERY_BASELINE,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return accuracy, AUC and Brier score of every baseline (and of the model), and what the model gains over each.

    Parameters
    ----------
    task
        Train and test rows; labels 0 and 1.
    y_score
        The model's probabilities of the test rows; None = baselines only.
    threshold
        The model predicts positive where its score reaches this; baselines where theirs reaches 0.5.
    name
        What the model is called in the rows.
    baselines
        By name; default all.
    level
        Confidence level.
    random_state
        Seed of what the baselines draw.

    Returns
    -------
    tuple of Measurement
        `accuracy` (share right), `roc_auc` and `brier_score` (mean squared difference of probability and label, smaller
        is better), each at its `model_version`; then ``<metric>_difference``, model minus baseline, against
        ``{"kind": "model", "model_version": <baseline>}``, paired on the same rows and simultaneous over the baselines:
        so that the one with the best baseline, whichever it is, holds at `level` too (`best_baseline`).

    Raises
    ------
    InputError
        If labels are not 0 and 1, train labels are all alike, scores are not probabilities of the same length, or
        `random_state` is no seed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 2))
    >>> y = (x[:, 0] > 0).astype(int)
    >>> task = BaselineTask(x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    >>> rows = baseline_rows(task, np.full(200, 0.5), baselines={"majority": BASELINES["majority"]})
    >>> [(row.metric, row.at[0][1], round(row.value, 2)) for row in rows][:3]
    [('accuracy', 'model', 0.46), ('roc_auc', 'model', 0.5), ('brier_score', 'model', 0.25)]
    """
    raise_violations([*_violations(task, y_score, threshold, baselines), *seed_violations(random_state)])
    scored = {found: _scores(task, found, make, random_state) for found, make in baselines.items()}
    if task.groups_train is not None and task.groups_test is not None:
        scored[GROUP_RATE] = group_rate(task.groups_train, task.y_train, task.groups_test)
    rows = []
    own = None if y_score is None else measured(task, np.asarray(y_score, dtype=np.float64), threshold)
    if own is not None:
        rows += _value_rows(own, name, level)
    others = {found: measured(task, scores, 0.5) for found, scores in scored.items()}
    for found, other in others.items():
        rows += _value_rows(other, found, level)
    if own is not None:
        for found, other in others.items():
            rows += _difference_rows(own, other, name, found, level, len(others))
    return tuple(rows)


def best_baseline(rows: Sequence[Measurement], metric: str = "roc_auc", *, name: str = "model") -> Measurement | None:
    """Return the difference of the model to the baseline that is best on a metric; None without one.

    Examples
    --------
    >>> best_baseline(()) is None
    True
    """
    wanted = [row for row in rows if row.metric == f"{metric}_difference" and dict(row.at).get("model_version") == name]
    sign = 1.0 if metric in _SMALLER_IS_BETTER else -1.0
    known = {sign * row.value: row for row in wanted if row.value is not None}
    return known[max(known)] if known else None


class Measured(NamedTuple):
    """The three metrics of one model on the test rows, with the influence of each row.

    Examples
    --------
    >>> x, y = np.ones((2, 1)), np.array([0, 1])
    >>> task = BaselineTask(x_train=x, y_train=y, x_test=x, y_test=y)
    >>> measured(task, np.array([0.25, 0.75]), 0.5).accuracy.value
    1.0
    """

    accuracy: Linearised
    roc_auc: Linearised
    brier_score: Linearised
    right: npt.NDArray[np.bool_]


def measured(task: BaselineTask, scores: Scores, threshold: float) -> Measured:
    """Return accuracy, AUC and Brier score of probabilities; positive is predicted where they reach the threshold.

    Examples
    --------
    >>> x, y = np.ones((2, 1)), np.array([0, 1])
    >>> found = measured(BaselineTask(x_train=x, y_train=y, x_test=x, y_test=y), np.array([0.25, 0.5]), 0.6)
    >>> found.accuracy.value, found.roc_auc.value, found.brier_score.value  # (.25^2 + .5^2) / 2
    (0.5, 1.0, 0.15625)
    """
    right = (scores >= threshold) == (task.y_test == 1)
    return Measured(
        mean(right, cluster=task.cluster),
        auc(task.y_test, scores, cluster=task.cluster),
        mean((scores - task.y_test) ** 2, cluster=task.cluster),
        right,
    )


def _value_rows(found: Measured, name: str, level: float) -> list[Measurement]:
    place = Place(at=(("model_version", name),))
    ranked, how = auc_bounds(found.roc_auc, level=level)
    lost = loss_bounds(found.brier_score, level=level)
    rate, counted = rate_bounds(found.accuracy, level=level)
    suffix = "" if found.accuracy.cluster is None else ", cluster-robust"
    return [
        row("accuracy", found.accuracy, rate, method=counted, level=level, place=place),
        row("roc_auc", found.roc_auc, ranked, method=how, level=level, place=place),
        row("brier_score", found.brier_score, lost, method=f"student_t, log{suffix}", level=level, place=place),
    ]  # fmt: skip


def _difference_rows(
    own: Measured, other: Measured, name: str, baseline: str, level: float, comparisons: int
) -> list[Measurement]:
    place = Place(at=(("model_version", name),), against={"kind": "model", "model_version": baseline})
    told = f", simultaneous over {comparisons}" if comparisons > 1 else ""
    told = told if own.accuracy.cluster is None else f", cluster-robust{told}"
    rows = []
    for metric, how in (("accuracy", "tango"), ("roc_auc", "paired_delong"), ("brier_score", "paired_t")):
        found = difference(getattr(own, metric), getattr(other, metric))
        interval = bounds(found, level=level, comparisons=comparisons)
        if metric == "accuracy" and found.cluster is None:
            gained, lost = (
                int((one & ~two).sum()) for one, two in ((own.right, other.right), (other.right, own.right))
            )
            interval = paired_rates(gained, lost, found.n, critical=quantile(level, comparisons=comparisons))
        rows.append(row(f"{metric}_difference", found, interval, method=f"{how}{told}", level=level, place=place))
    return rows


def _scores(task: BaselineTask, name: str, make: Baseline, random_state: int) -> Scores:
    y = np.asarray(task.y_train, dtype=np.int64)
    train, test = np.asarray(task.x_train, np.float64), np.asarray(task.x_test, np.float64)
    if name != "gradient boosting":
        middle = _medians(train)
        train, test = (np.where(np.isnan(x), middle, x) for x in (train, test))
    if name not in _UNCALIBRATED:
        return make(train, y, test, random_state)
    both = make(train, y, np.concatenate([train, test]), random_state)[:, None]
    model = LogisticRegression(max_iter=1000).fit(both[: len(y)], y)
    probabilities: Scores = model.predict_proba(both[len(y) :])[:, 1]
    return probabilities


def _medians(x: Matrix) -> Scores:
    known = np.isfinite(x).any(axis=0)
    middle = np.zeros(x.shape[1])
    middle[known] = np.nanmedian(x[:, known], axis=0)
    return middle


def _violations(
    task: BaselineTask, y_score: npt.ArrayLike | None, threshold: float, baselines: Mapping[str, Baseline]
) -> list[str]:
    violations = [] if 0 <= threshold <= 1 else [f"threshold must lie in [0, 1]; got {threshold}"]
    violations += [] if baselines or task.groups_train is not None else ["no baselines are given; name at least one"]
    for part, labels in (("train", task.y_train), ("test", task.y_test)):
        found = np.unique(labels)
        if not set(found.tolist()) <= {0, 1}:
            violations.append(f"y_{part} must hold 0 and 1; got {found[:5].tolist()}; for numbers use regression_rows")
        elif part == "train" and len(found) < 2:
            violations.append(f"y_train is {found.tolist()} in every row; a baseline needs both labels to learn from")
    if y_score is not None:
        scores = np.asarray(y_score, dtype=np.float64)
        if scores.shape != (len(task.y_test),):
            violations.append(f"y_score has shape {scores.shape}; expected ({len(task.y_test)},), one per test row")
        elif not np.all((scores >= 0) & (scores <= 1)):
            place = int(np.argmin((scores >= 0) & (scores <= 1)))
            violations.append(f"y_score must lie in [0, 1]; found {scores[place]} at row {place}; pass probabilities")
    return violations
