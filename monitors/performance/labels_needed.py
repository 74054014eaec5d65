"""How many labels to ask for, of everyone and of each group, before any are bought."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from audit.errors import InputError, raise_violations
from audit.estimates import estimate
from audit.inference import intervals
from audit.inference.sample_size import Certainty
from audit.measurement import Measurement, Slice
from audit.metrics.metric import Metric
from audit.rollup import cells_of, without_scores
from audit.rows import Row, measurement
from audit.tally import Tally
from audit.unknowns.outcome_coverage import everyone_and_groups
from audit.views import answers, view_of
from monitors.performance.window_tally import without_windows

NEEDED = "labels_needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelGoal:
    """What labels are asked for: an interval of a certain half width, or a decision about a tolerance.

    Parameters
    ----------
    metric
        A rate.
    half_width
        Half the width of its interval, a fraction; instead of `tolerance`.
    tolerance
        A risk beyond the upper bound of the reference's by this much more than the tolerance is to be found: the truth
        that is planned for lies twice the tolerance above that bound.
    level, power
        Confidence level, and chance to decide.

    Raises
    ------
    InputError
        If not exactly one of the two is given, or a number lies outside (0, 1).

    Examples
    --------
    >>> LabelGoal(half_width=0.05).metric
    'accuracy'
    """

    metric: str = "accuracy"
    half_width: float | None = None
    tolerance: float | None = None
    level: float = 0.95
    power: float = 0.8

    def __post_init__(self) -> None:
        found = []
        if (self.half_width is None) == (self.tolerance is None):
            found.append("name half_width or tolerance, one of the two")
        named = {"half_width": self.half_width, "tolerance": self.tolerance, "level": self.level, "power": self.power}
        found += [
            f"{name} must lie in (0, 1); got {value}"
            for name, value in named.items()
            if value is not None and not 0 < value < 1
        ]
        raise_violations(found)


def labels_needed(reference: Tally, *, goal: LabelGoal) -> tuple[Measurement, ...]:
    """Return how many rows of everyone and of each group must be labelled, drawn at random.

    Planned with the rate of the reference: for a half width with the value of its interval that is nearest to 1/2. Only
    some labelled rows count for some rates (negatives, for a false positive rate): the share in the reference is taken.

    Parameters
    ----------
    reference
        Labelled counts.
    goal
        What is to be known.

    Returns
    -------
    tuple of Measurement
        Metric "labels_needed": rows; no value where the group has no such rows in the reference. `n`: the rows that
        it was planned from.

    Raises
    ------
    InputError
        If the metric is no rate of these counts.

    Notes
    -----
    Half width h: n = z^2 p (1 - p) / h^2 rows in the denominator. Tolerance: n = ((z s(m) + z_b s(q)) / (q - m))^2 with
    s(p)^2 = p (1 - p), m the tolerated risk and q the suspected one (`audit.inference.sample_size`): for one look.
    Evidence that may be looked at every week asks for about twice as much.

    Examples
    --------
    1.96^2 x .5 x .5 / .05^2 = 384.1.

    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> halves = [50, 50]
    >>> raw = pa.table({"y_true": ["1", "1"], "y_pred": ["1", "0"], "n": halves, "w": halves, "w2": halves})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> [int(row.value) for row in labels_needed(tally, goal=LabelGoal(half_width=0.05))]
    [385]
    """
    whole = without_windows(reference)
    if whole.task != "binary" or whole.deferral:
        raise InputError(["labels are planned for two labels without deferral; look at one class against the rest"])
    if not answers(whole, goal.metric) or view_of(whole, goal.metric).metric.kind != "rate":
        msg = f"{goal.metric} is no rate of these counts; expected one such as accuracy or false_positive_rate"
        raise InputError([msg])
    view = view_of(whole, goal.metric)
    cells = without_scores(cells_of(view.tally))
    labelled = view_of(whole, "prevalence")
    rows: list[Measurement] = []
    for slices in everyone_and_groups(cells, whole.features):
        found, known = (estimate(metric, cells, slices) for metric in (view.metric, labelled.metric))
        for place in range(len(slices.groups)):
            share = float(found.n[place]) / max(float(known.n[place]), 1.0)
            counts = (float(_given(found.successes)[place]), float(_given(found.trials)[place]))
            rows.append(_needed(slices.slice_of(place), counts, share, int(found.n[place]), view.metric, goal))
    return tuple(rows)


def _needed(
    whom: Slice, counts: tuple[float, float], share: float, n: int, metric: Metric, goal: LabelGoal
) -> Measurement:
    row = Row(NEEDED, whom, None, goal.level)
    events, rows = counts
    if not rows:
        return measurement(row, value=np.nan, n=0, method="none", reason=f"no {metric.needs} in the reference")
    certainty = Certainty(level=goal.level, power=goal.power)
    ends = intervals.rate(events, rows, level=goal.level)
    if goal.half_width is not None:
        p = float(np.clip(0.5, ends.low, ends.high))
        size = float(intervals.quantile(goal.level)) ** 2 * p * (1 - p) / goal.half_width**2
        what = f"{metric.name} to within {goal.half_width:g}, at a rate of {p:.3g}"
    else:
        step = goal.tolerance or 0.0
        limit = min((1 - float(ends.low) if metric.better == "higher" else float(ends.high)) + step, 1.0)
        truth = min(limit + step, 1.0)
        distance = certainty.distance(*((p * (1 - p)) ** 0.5 for p in (limit, truth)))
        size = (distance / (truth - limit)) ** 2 if truth > limit else np.nan
        what = f"to find a risk of {truth:.3g} where {limit:.3g} is tolerated, behind {metric.name}"
    value = float(ceil(size / share - 1e-9)) if np.isfinite(size) else np.nan
    return Measurement(
        metric=NEEDED, slice=whom, value=value if np.isfinite(value) else None, n=n, method="sample size",
        reason=what if np.isfinite(value) else "every risk is tolerated",
    )  # fmt: skip


def _given(values: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    return np.zeros(1) if values is None else values
