"""The interval that confirms a slice: of a difference of two rates, safe far out in the tails.

A search confirms at levels like 99.9 % (Bonferroni over twenty candidates), on slices of few rows, with rates near 0 or
1. Agresti-Caffo's interval, made for 95 %, is far too short there: where six in ten are judged wrongly, eight rows
confirm a slice that is no different eleven times as often as they may, at twenty candidates. Square-and-add of the two
Clopper-Pearson intervals stays below the error that it is given in every setting that was tried (exact computation in
the tests).
"""

import numpy as np
from scipy.special import ndtr

from audit.estimates import design
from audit.inference.gap_intervals import square_and_add
from audit.inference.intervals import Interval, clopper_pearson, quantile
from audit.measurement import Measurement, Slice
from audit.metrics.metric import Metric
from audit.pairs import Compared, compared, gaps
from audit.rollup import Cells, Partition
from audit.rows import Row, measurement, undefined_reason
from audit.search.slice_search import inside

SPLIT = ", found on one half, confirmed on the other"
"""What the method of a confirming row says; `audit.search.slices.is_candidate` knows such rows by it."""


def confirmed_row(metric: Metric, cells: Cells, pairs: Slice, *, level: float, comparisons: int) -> Measurement:
    """Return the difference of a slice to the rest of some cells, with an interval that holds with others together.

    Its value is None, with a reason, where the slice or the rest holds nothing that the metric rests on.

    Parameters
    ----------
    metric
        A metric that is a rate.
    cells
        The cells of the confirming half.
    pairs
        The slice.
    level
        Confidence level of all intervals together.
    comparisons
        How many slices are confirmed.

    Examples
    --------
    Of 40 women 20 are missed, of 40 men none.

    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([20.0, 20.0, 40.0]), (np.array([0, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2, 0]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> row = confirmed_row(METRICS["false_negative_rate"], cells, (("sex", "F"),), level=0.95, comparisons=1)
    >>> row.value, round(row.low, 2), row.n
    (0.5, 0.32, 40)
    """
    sides = Partition((), ((), ()), np.where(inside(cells, pairs), 0, 1))
    base = compared(metric, cells, sides)
    found = gaps(base, [0], [1], compare="difference")
    bounds = exact_difference(base, level=level, comparisons=comparisons)
    return measurement(
        Row(f"{metric.name}_difference", pairs, {"kind": "rest"}, level),
        value=float(found.value[0]),
        low=float(bounds.low),
        high=float(bounds.high),
        n=int(found.n[0]),
        method=f"exact_square_and_add{design(cells)}{SPLIT}, simultaneous over {comparisons}",
        reason=_why(base),
    )


def exact_difference(base: Compared, *, level: float, comparisons: int) -> Interval:
    """Return the interval of the first slice less the second: square-and-add of their Clopper-Pearson intervals.

    Under weights or clusters the counts are the effective ones, and the error that of Student's t. Clusters that stand
    in both slices are taken for two: conservative where they move both rates alike.

    Sources: Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404; Zou & Donner 2008, doi:10.1002/sim.3095.

    Raises
    ------
    ValueError
        If the metric is no rate.

    Examples
    --------
    0 of 1 and 1 of 1: [0, .975] and [.025, 1]; -1 -+ sqrt(.975^2 + .975^2), cut at -1 and 1.

    >>> from audit.metrics.catalog import METRICS
    >>> n, groups = np.array([1.0, 1.0]), Partition((), ((), ()), np.array([0, 1]))
    >>> cells = Cells(np.array([2, 0]), n, n, n, None, 0, False, {}, False, None)
    >>> bounds = exact_difference(compared(METRICS["true_positive_rate"], cells, groups), level=0.95, comparisons=1)
    >>> float(bounds.low), round(float(bounds.high), 3)
    (-1.0, 0.379)
    """
    left, right = base.left.take([0]), base.left.take([1])
    if left.successes is None or left.trials is None or right.successes is None or right.trials is None:
        msg = f"slices are confirmed by a rate; {base.metric.name} is {base.metric.kind!r}"
        raise ValueError(msg)
    df = np.minimum(left.df, right.df)
    alpha = 2 * ndtr(-quantile(level, df=df, comparisons=comparisons))
    sides = [
        clopper_pearson(successes, trials, alpha=alpha)
        for successes, trials in ((left.successes, left.trials), (right.successes, right.trials))
    ]
    low, high = square_and_add(left.value, sides[0], right.value, sides[1])
    return Interval(np.clip(low, -1.0, 1.0)[0], np.clip(high, -1.0, 1.0)[0])


def _why(base: Compared) -> str | None:
    """Return why there is no difference in the confirming half."""
    for side, name in enumerate(("the slice", "the rest")):
        estimate = base.left.take([side])
        reason = undefined_reason(base.metric, float(estimate.value[0]), n=int(estimate.n[0]))
        if reason is not None:
            return f"{reason.removesuffix(' in slice')} in {name} on the confirming half"
    return None
