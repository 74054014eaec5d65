"""Does more data of a group help it? The error of a group as rows of it are added, by fitting the model again."""

from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import numpy as np

from audit.causes.samples import Fit, Labels, Mask, Matrix, Sample, fitted, folds_of, predictions, scored_rows
from audit.errors import raise_violations
from audit.inference.intervals import student
from audit.measurement import Measurement
from audit.seeds import seed_violations

Score = Literal["error_rate", "false_negative_rate", "false_positive_rate"]

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the group's training rows at which the model is fitted: each doubles the one before."""

FITTED = 3
"""The curve is fitted to the last points only: what the first rows brought says nothing of what the next will."""

MIN_ROWS = 40
"""With fewer scored rows of the group a learning curve is not drawn."""


class Gain(NamedTuple):
    """What a number of rows more would change in the group's error, with its interval; positive is better.

    Examples
    --------
    >>> Gain(rows=200, value=0.03, low=0.01, high=0.05, error=0.2).value
    0.03
    """

    rows: int
    value: float
    low: float
    high: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The losses of a group's rows at several sizes of its training data.

    Parameters
    ----------
    group
        The group whose rows are added; all rows of the others are in the training data throughout.
    score
        What is averaged: the error of all its rows, of those with label 1, or of those with label 0.
    sizes
        Rows of the group in the training data, shape (n_sizes,), ascending.
    losses
        How often each scored row was predicted wrongly, over the repeats, shape (n_rows, n_sizes).
    level
        Confidence level.

    Examples
    --------
    Ten rows: with 4 rows of training data half of them are wrong, with 16 a quarter of these.

    >>> losses = np.array([[1.0, 0.25]] * 5 + [[0.0, 0.0]] * 5)
    >>> curve = LearningCurve(group="F", score="error_rate", sizes=np.array([4, 16]), losses=losses, level=0.95)
    >>> curve.errors.tolist()
    [0.5, 0.125]

    a + b / k through (4, .5) and (16, .125) has b = 2 and loses 2 (1/16 - 1/64) from 16 to 64 rows.

    >>> round(curve.gain(64).value, 5), curve.gain(64).rows
    (0.09375, 48)
    """

    group: str
    score: Score
    sizes: Labels
    losses: Matrix
    level: float

    @property
    def errors(self) -> Matrix:
        """The mean loss at each size."""
        return np.asarray(self.losses.mean(axis=0), dtype=np.float64)

    def gain(self, rows: int) -> Gain:
        """Return by how much the error is expected to fall from the data at hand to `rows` rows of the group.

        A curve a + b k^-p is fitted by least squares to the last `FITTED` sizes, row by row, with p = 1 and with
        p = 1/2: between these two lie the rates at which common models converge. `value` and `low` are those of p = 1,
        which promises less; `high` is that of p = 1/2. The intervals are Student's t over the group's rows; they do not
        see how other training rows of the other groups would have changed them.
        """
        fast, slow = (self._gain(rows, power) for power in (1.0, 0.5))
        low, high = min(fast[1], slow[1]), max(fast[2], slow[2])
        return Gain(rows - int(self.sizes[-1]), fast[0], low, high, float(self.errors[-1]))

    def _gain(self, rows: int, power: float) -> tuple[float, float, float]:
        reached = self.sizes[-FITTED:].astype(np.float64) ** -power
        slope = reached - reached.mean()
        each = self.losses[:, -FITTED:] @ slope / (slope**2).sum() * (reached[-1] - rows**-power)
        value, count = float(each.mean()), len(each)
        half = float(student(self.level, df=max(count - 1, 1))) * float(each.std(ddof=1)) / count**0.5
        return value, value - half, value + half


def learning_curve(
    sample: Sample,
    fit: Fit,
    *,
    group: str,
    score: Score = "error_rate",
    level: float = 0.95,
    folds: int = 5,
    repeats: int = 3,
    random_state: int = 0,
) -> LearningCurve:
    """Fit the model again with more and more rows of one group, and score held-out rows of that group.

    In each repeat the group's rows are split into folds; each fold is scored by models fitted on all rows of the other
    groups and on a growing, nested part (`SHARES`) of the group's other rows. Which rows are scored, and against which
    label, is said by `audit.causes.samples.scored_rows`; models are always fitted on the recorded labels.

    Source of the idea and of the curve's form: Chen, Johansson & Sontag 2018, Why is my classifier discriminatory?,
    arXiv:1805.12002; of inverse powers as curves: Figueroa, Zeng-Treitler, Kandula & Ngo 2012,
    doi:10.1186/1472-6947-12-8. We fix the power (see `LearningCurve.gain`), so that few points leave a usable interval.

    Parameters
    ----------
    sample
        Development data with `y`.
    fit
        ``fit(X, y, sample_weight) -> predict``.
    group
        The group whose rows are added.
    score
        Which of its rows are scored.
    level
        Confidence level.
    folds, repeats
        How often each row is held out.
    random_state
        Seed of the folds and of the order in which rows are added.

    Returns
    -------
    LearningCurve
        Losses by row and size.

    Raises
    ------
    InputError
        If there is no such group, no label, fewer than `MIN_ROWS` scored rows of it, or `random_state` is no seed.

    Examples
    --------
    A model that learns nothing has a flat curve.

    >>> rng = np.random.default_rng(0)
    >>> sample = Sample(features=np.zeros((200, 1)), group=np.array(["F", "M"] * 100), y=rng.integers(0, 2, 200))
    >>> curve = learning_curve(sample, lambda x, y, w: lambda z: np.zeros(len(z)), group="F")
    >>> curve.sizes.tolist(), float(np.ptp(curve.errors))
    ([5, 10, 20, 40, 80], 0.0)
    """
    scored = _scored(sample, group, score)
    raise_violations([*_violations(sample, group, scored, level), *seed_violations(random_state)])
    truth, _ = scored_rows(sample)
    rng = np.random.default_rng(random_state)
    mine = np.flatnonzero(sample.group == group)
    others = np.flatnonzero(sample.group != group)
    total = np.zeros((len(sample), len(SHARES)))
    sizes = np.zeros(len(SHARES))
    for _ in range(repeats):
        fold = folds_of(sample, folds, rng)[mine]
        for place in range(folds):
            held, pool = mine[fold == place], rng.permutation(mine[fold != place])
            for step, share in enumerate(SHARES):
                used = pool[: max(ceil(share * len(pool)), 1)]
                predict = fitted(fit, sample.take(np.concatenate([others, used])))
                total[held, step] += predictions(predict, sample.features[held]) != truth[held]
                sizes[step] += len(used)
    return LearningCurve(
        group=group,
        score=score,
        sizes=np.rint(sizes / (folds * repeats)).astype(np.int64),
        losses=total[scored] / repeats,
        level=level,
    )


def curve_rows(curve: LearningCurve, *, feature: str) -> tuple[Measurement, ...]:
    """Return the curve as rows: ``learning_curve_<score>`` of the group at each ``at["k"]`` training rows of it.

    Examples
    --------
    >>> losses = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    >>> curve = LearningCurve(group="F", score="error_rate", sizes=np.array([4, 16]), losses=losses, level=0.95)
    >>> [(row.metric, dict(row.at), round(row.value, 2), row.n) for row in curve_rows(curve, feature="sex")]
    [('learning_curve_error_rate', {'k': 4}, 0.67, 3), ('learning_curve_error_rate', {'k': 16}, 0.33, 3)]
    """
    count = len(curve.losses)
    half = float(student(curve.level, df=max(count - 1, 1))) * curve.losses.std(axis=0, ddof=1) / np.sqrt(count)
    return tuple(
        Measurement(
            metric=f"learning_curve_{curve.score}", slice=((feature, curve.group),), at=(("k", int(size)),),
            value=float(value), low=max(float(value - width), 0.0), high=min(float(value + width), 1.0), n=count,
            level=curve.level, method="student, over rows",
        )
        for size, value, width in zip(curve.sizes, curve.errors, half, strict=True)
    )  # fmt: skip


def _scored(sample: Sample, group: str, score: Score) -> Mask:
    if sample.y is None:
        return np.zeros(len(sample), dtype=np.bool_)
    truth, counted = scored_rows(sample)
    mine = counted & (sample.group == group)
    if score != "error_rate":
        mine = mine & (truth == (1 if score == "false_negative_rate" else 0))
    return np.asarray(mine, dtype=np.bool_)


def _violations(sample: Sample, group: str, scored: Mask, level: float) -> list[str]:
    violations = []
    if sample.y is None:
        return ["a learning curve needs labels; pass y"]
    if group not in sample.groups:
        violations.append(f"there is no group {group!r}; expected one of {list(sample.groups)[:20]}")
    elif scored.sum() < MIN_ROWS:
        violations.append(f"group {group!r} has {int(scored.sum())} rows to score, fewer than {MIN_ROWS}; collect more")
    elif len(sample.groups) < 2:
        violations.append("a learning curve of a group needs rows of another; there is one group")
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations
