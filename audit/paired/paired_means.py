"""The change of a mean loss without bounds on the same rows: log loss, and the errors of a regression."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.estimates import Estimates
from audit.inference.intervals import Interval
from audit.inference.paired_intervals import paired_square_and_add
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.rollup import Floats, Partition, summed
from audit.tally import Codes
from audit.tasks.mean_rows import Mean
from audit.tasks.means import mean_estimates, mean_interval
from audit.tasks.moments import Moments
from audit.tasks.regression import REGRESSION

FEW_CHANGED = 10
"""Of fewer rows that changed no interval is made: what one of them can cost has no bound, and was not seen."""

ENDLESS = "endless"
"""Name of the flag of rows whose loss is infinite."""

_REFUSED = "the log loss is infinite: {n} rows have a score of exactly 0 or 1 and the other label"

PAIRED_MEANS: Mapping[str, Mean] = MappingProxyType(
    {
        "log_loss": Mean("log_loss", "log_loss", "log", refused=(ENDLESS, _REFUSED)),
        **{name: mean for name, mean in REGRESSION.items() if name != "mean_pinball_loss"},
    }
)
"""Metrics that are means of a loss of each row (or the root of one) and are compared in pairs when they are named."""


class MeanChange(NamedTuple):
    """Mean losses under two models and the mean of each row's difference; arrays have one entry per slice.

    `root`: whether the metric is the root of the mean. `changed`: how many rows have another loss. `design`: what is
    said of rows that are not independent or do not count alike.

    Examples
    --------
    >>> one = Estimates(np.array([0.5]), np.array([40]), np.array([39.0]), error=np.array([0.1]))
    >>> MeanChange(one, one, one, np.array([12]), root=False, design="").changed.tolist()
    [12]
    """

    new: Estimates
    old: Estimates
    change: Estimates
    changed: Codes
    root: bool
    design: str


def mean_metric(name: str) -> Metric:
    """Return the facts about a mean loss as those of a metric of the catalog.

    Examples
    --------
    >>> mean_metric("mean_absolute_error").better, mean_metric("mean_error").better
    ('lower', 'neither')
    """
    bias = name == "mean_error"
    infinite = "the log loss is infinite: some row has a score of 0 or 1 and the other label"
    why = None if PAIRED_MEANS[name].refused is None else infinite
    return replace(
        METRICS["brier_score"], name=name, needs="labels", range=(-inf if bias else 0.0, inf),
        better="neither" if bias else "lower", source="see audit.tasks", unclear=why,
    )  # fmt: skip


def mean_change(moments: Moments, slices: Partition, *, root: bool) -> MeanChange:
    """Return how a mean loss changes; the moments hold the losses "new", "old", "change" and the flag "changed".

    Examples
    --------
    >>> import narwhals.stable.v2 as nw, pyarrow as pa
    >>> from audit.predictions import PredictionLog
    >>> from audit.tasks.moments import collect_moments
    >>> frame = pa.table({"y": [1.0, 4.0], "p": [2.0, 2.0]})
    >>> log, (new, old) = PredictionLog.from_frame(frame, y_true="y", y_pred="p"), (nw.col("y_true"), nw.col("y_pred"))
    >>> flags = {"changed": nw.when(new != old).then(1).otherwise(0)}
    >>> moments = collect_moments(log, {"new": new, "old": old, "change": new - old}, flags=flags)
    >>> found = mean_change(moments, Partition((), ((),), np.array([0])), root=False)
    >>> found.change.value.tolist(), found.changed.tolist()
    ([0.5], [2])
    """
    new, old, change = (mean_estimates(moments, name, slices) for name in ("new", "old", "change"))
    size = len(slices.groups)
    changed = summed(slices.member, moments.extra["changed"].to_numpy(), size).astype(np.int64)
    if ENDLESS in moments.extra:
        endless = summed(slices.member, moments.extra[ENDLESS].to_numpy(), size) > 0
        new, old, change = (each._replace(value=np.where(endless, np.nan, each.value)) for each in (new, old, change))
    if root:
        new, old = (each._replace(value=np.maximum(each.value, 0.0)) for each in (new, old))
    how = ", linearised weights" if moments.cells.weighted else ""
    return MeanChange(new, old, change, changed, root, ", cluster-robust" if moments.cluster is not None else how)


def changed_by(found: MeanChange) -> Floats:
    """Return the change of the metric in every slice.

    Examples
    --------
    Mean squared errors of 9 and 4.

    >>> new, old, change = (Estimates(np.array([z]), np.array([9]), np.array([8.0])) for z in (9.0, 4.0, 5.0))
    >>> [changed_by(MeanChange(new, old, change, np.array([9]), root, "")).tolist() for root in (True, False)]
    [[1.0], [5.0]]
    """
    return np.sqrt(found.new.value) - np.sqrt(found.old.value) if found.root else found.change.value


def mean_change_interval(found: MeanChange, *, level: float, comparisons: npt.ArrayLike = 1) -> Interval:
    r"""Return the interval of each change: of a mean, Student's t of the rows' differences; NaN where few rows changed.

    Of a root: both intervals (`audit.tasks.means.mean_interval`, on the log scale) squared and added with the
    correlation r of the two means (Zou 2007, doi:10.1037/1082-989X.12.4.399).

    Notes
    -----
    With v1, v2 the variances of the two means and v that of the mean difference, r = (v1 + v2 - v) / (2 sqrt(v1 v2)),
    under weights and clusters, too; roots have to first order the correlation of their squares. A loss without a bound
    may change by much in a row of a kind that the sample does not hold: see `audit.tasks.means.mean_interval`.

    Examples
    --------
    >>> same = Estimates(np.array([4.0]), np.array([40]), np.array([39.0]), error=np.array([0.5]))
    >>> change = Estimates(np.array([0.0]), np.array([40]), np.array([39.0]), error=np.array([0.1]))
    >>> found = MeanChange(same, same, change, np.array([40]), root=False, design="")
    >>> low, high = mean_change_interval(found, level=0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()  # 2.023 x 0.1
    ([-0.202], [0.202])
    >>> np.isnan(mean_change_interval(found._replace(changed=np.array([9])), level=0.95).low).tolist()
    [True]
    """
    if found.root:
        sides = []
        for side in (found.new, found.old):
            bounds = mean_interval(side, "log", level=level, comparisons=comparisons)
            sides.append((np.sqrt(side.value), Interval(np.sqrt(bounds.low), np.sqrt(bounds.high))))
        bounds = paired_square_and_add(sides[0], sides[1], _correlation(found))
    else:
        bounds = mean_interval(found.change, "identity", level=level, comparisons=comparisons)
    shown = (found.changed >= FEW_CHANGED) & np.isfinite(changed_by(found))
    return Interval(np.where(shown, bounds.low, np.nan), np.where(shown, bounds.high, np.nan))


def _correlation(found: MeanChange) -> Floats:
    new, old, change = (
        np.full(len(side.value), np.nan) if side.error is None else side.error
        for side in (found.new, found.old, found.change)
    )
    product = 2.0 * new * old
    shared = np.divide(new**2 + old**2 - change**2, product, out=np.zeros(len(product)), where=product > 0)
    return np.clip(shared, -1.0, 1.0)
