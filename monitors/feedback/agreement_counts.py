"""How good predictions are from sums, and how fast the gap between two kinds of data grows by round."""

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.feedback.moment_estimates import Estimate, Function, estimate
from monitors.feedback.moment_sums import Floats, Moments, moments_of

Quality = Literal["r2_score", "brier_skill_score", "accuracy"]

FEWEST_ROUNDS = 3
"""Rounds of a trend, below which none is told."""

Totals = npt.NDArray[Any]


def skill(total: Totals) -> Any:  # noqa: ANN401 - a number, complex where it is differentiated
    r"""Return 1 - sum (y - s)^2 / sum (y - mean y)^2 of totals (n, sum y, sum y^2, sum (y - s)^2, ...).

    R squared of a number; of a chance of a label the Brier skill score against its base rate. At most 1; 0 for one who
    always says the mean.

    Examples
    --------
    Labels 0, 1, 1, 0 with the errors .1, .1, .2, .2: 1 - .1 / 1.

    >>> round(float(skill(np.array([4.0, 2.0, 2.0, 0.1]))), 6)
    0.9
    """
    return 1.0 - total[3] / (total[2] - total[1] ** 2 / total[0])


def accuracy(total: Totals) -> Any:  # noqa: ANN401 - as skill
    """Return the share of right labels of totals, whose errors are 0 or 1.

    Examples
    --------
    >>> float(accuracy(np.array([4.0, 2.0, 2.0, 1.0])))
    0.75
    """
    return 1.0 - total[3] / total[0]


def quality_of(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, quality: Quality = "r2_score") -> Estimate:
    """Return how good predictions are, with its standard error: what a round's side is measured by.

    Examples
    --------
    >>> round(quality_of([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 2.0]).value, 2)  # 1 - 1 / 5
    0.8
    """
    y, s = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    y, s = y - y.mean(), s - y.mean()
    e = y - s
    return quality_estimate(moments_of(np.column_stack([np.ones_like(y), y, y * y, e * e, np.abs(e)])), quality)


class Weights(NamedTuple):
    """What each round counts in the mean gap and in its slope, shape (n_rounds,).

    Examples
    --------
    >>> weights_of([Estimate(0.1, 0.01, 100, 99.0, False)]).mean.tolist()
    [1.0]
    """

    mean: Floats
    slope: Floats | None
    """None of fewer than three rounds."""


def weights_of(gaps: Sequence[Estimate]) -> Weights:
    r"""Return weights of rounds by their rows n: n / sum n, and for the least squares slope on the number of the round.

    Rows, not errors, weigh: the error of R squared depends on its value, so that weights by errors would favour one
    side. Rounds without a gap weigh nothing.

    Examples
    --------
    >>> rising = [Estimate(gap, 0.01, 500, 499.0, False) for gap in (0.0, 0.1, 0.2)]
    >>> weights_of(rising).slope.tolist()
    [-0.5, 0.0, 0.5]
    """
    usable = np.array([isfinite(gap.value) and gap.error > 0 for gap in gaps])
    rows = np.where(usable, [float(gap.n) for gap in gaps], 0.0)
    mean = rows / max(rows.sum(), 1.0)
    if usable.sum() < FEWEST_ROUNDS:
        return Weights(mean, None)
    place = np.arange(len(gaps), dtype=np.float64)
    centred = rows * (place - mean @ place)
    return Weights(mean, centred / float(centred @ place))


def combined(gaps: Sequence[Estimate], weights: Floats, *, error: float | None = None) -> Estimate:
    """Return the weighted sum of gaps of rounds.

    Parameters
    ----------
    gaps, weights
        By round.
    error
        Its standard error where rounds share people; None = of independent rounds.

    Examples
    --------
    >>> found = combined([Estimate(gap, 0.03, 500, 499.0, False) for gap in (0.0, 0.2)], np.array([0.5, 0.5]))
    >>> round(found.value, 6), round(found.error, 4)
    (0.1, 0.0212)
    """
    used = [(weight, gap) for weight, gap in zip(weights, gaps, strict=True) if isfinite(gap.value) and gap.error > 0]
    alone = sqrt(sum((weight * gap.error) ** 2 for weight, gap in used))
    return Estimate(
        float(sum(weight * gap.value for weight, gap in used)),
        alone if error is None else error,
        sum(gap.n for _, gap in used),
        min(gap.df for _, gap in used),
        any(gap.clustered for _, gap in used),
    )


def trend(gaps: Sequence[Estimate], *, error: float | None = None) -> Estimate | None:
    r"""Return the least squares slope per round of gaps; None of fewer than three.

    Its error is that of these very rounds, however steeply the next ones rise. Where gaps scatter about the line more
    than their own errors say, it grows by the root of that ratio.

    Parameters
    ----------
    gaps
        By round.
    error
        Standard error of the slope where rounds share people; None = of independent rounds.

    Examples
    --------
    >>> found = trend([Estimate(gap, 0.01, 500, 499.0, False) for gap in (0.0, 0.1, 0.2)])
    >>> round(found.value, 6), round(found.error, 6)  # .01 / sqrt(2)
    (0.1, 0.007071)
    """
    weights = weights_of(gaps)
    if weights.slope is None:
        return None
    found = combined(gaps, weights.slope, error=error)
    level = combined(gaps, weights.mean).value
    middle = float(weights.mean @ np.arange(len(gaps)))
    used = [(place, gap) for place, gap in enumerate(gaps) if isfinite(gap.value) and gap.error > 0]
    rest = [(gap.value - level - found.value * (place - middle)) / gap.error for place, gap in used]
    scatter = max(1.0, sum(each**2 for each in rest) / max(len(used) - 2, 1))
    return found._replace(error=found.error * sqrt(scatter))


def function_of(quality: Quality) -> Function:
    """Return the function of totals that a quality is.

    Examples
    --------
    >>> function_of("accuracy") is accuracy
    True
    """
    return accuracy if quality == "accuracy" else skill


def quality_estimate(moments: Moments, quality: Quality) -> Estimate:
    """Return how good the predictions of rows are whose moments are (1, y, y^2, (y - s)^2, ...).

    Examples
    --------
    >>> rows = moments_of([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    >>> quality_estimate(rows, "accuracy").value
    0.5
    """
    return estimate(moments, function_of(quality))
