"""The largest change among groups, and the largest growth of a gap, with the bounds that a limit is held against.

As with gaps (`audit.largest`): every group must keep the limit, so the upper end is the largest unadjusted upper bound,
and the lower end the largest Bonferroni-adjusted lower bound (Berger 1982, doi:10.1080/00401706.1982.10487790).
"""

from collections.abc import Sequence

import numpy as np

from audit.inference.intervals import Interval
from audit.largest import Bounded, End, group_label, most_extreme
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.paired.paired import (
    Change,
    change,
    change_interval,
    change_method,
    depends_on_model,
    growth,
    growth_interval,
)
from audit.paired.paired_losses import is_paired_loss
from audit.paired.paired_models import Models, joint_cells
from audit.pairs import Places
from audit.rollup import Cells, GroupValues, Partition, partition
from audit.rows import Row, measurement
from audit.tally import Tally

PAIRED_KINDS = frozenset({"rate", "smooth", "ranked"})
"""Kinds of metrics of which a joint tally holds all that a paired interval needs; of "scored" ones, the mean losses."""


def able_in_pairs() -> list[str]:
    """Return the names of the metrics that two models can be compared by in pairs.

    Examples
    --------
    >>> [name in able_in_pairs() for name in ("accuracy", "brier_score", "average_precision", "prevalence")]
    [True, True, False, False]
    """
    return [
        name
        for name, row in METRICS.items()
        if (row.kind in PAIRED_KINDS or is_paired_loss(row)) and depends_on_model(row)
    ]


def why_not_in_pairs(name: str) -> str | None:
    """Return why two models cannot be compared by a metric in pairs; None where they can.

    Examples
    --------
    >>> why_not_in_pairs("brier_score") is None
    True
    >>> why_not_in_pairs("calibration_slope").partition(";")[0]
    'calibration_slope has no paired interval: it is no mean over rows, and how two models share its error is not known'
    """
    if name in able_in_pairs():
        return None
    expected = f"expected some of {', '.join(able_in_pairs())}"
    metric: Metric | None = METRICS.get(name)
    if metric is None:
        return f"{name!r} cannot be compared in pairs: no metric has that name; {expected}"
    if not depends_on_model(metric):
        return f"{name!r} cannot be compared in pairs: no model changes it; {expected}"
    what = "it is no mean over rows, and how two models share its error is not known"
    return f"{name} has no paired interval: {what}; audit each model with its scores, or {expected}"


def paired_changes(
    tally: Tally, models: Models, metric: str, features: Sequence[str], *, candidate: str | None = None
) -> Change:
    """Estimate how much a metric changes from the baseline to a candidate in every group of some features.

    Parameters
    ----------
    tally, models
        The joint tally of a comparison.
    metric
        A metric of the catalog.
    features
        Whose groups; empty = everyone.
    candidate
        Which candidate; None where there is only one.

    Raises
    ------
    ValueError
        If there is no such metric, feature or candidate, or the counts cannot answer.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.paired_log import count_together
    >>> from audit.paired.paired_tables import Asked
    >>> frame = pa.table({"y": [1] * 4, "new": [1, 0, 1, 1], "old": [1, 1, 1, 0], "sex": ["F", "F", "M", "M"]})
    >>> found = count_together(frame, None, Asked(y_true="y", candidates=("new",), baseline="old", features=("sex",)))
    >>> paired_changes(found.tally, found.models, "true_positive_rate", ["sex"]).value.tolist()
    [-0.5, 0.5]
    """
    if (why := why_not_in_pairs(metric)) is not None:
        raise ValueError(why)
    scored = METRICS[metric].needs_scores
    if scored and not models.bins:
        msg = f"{metric} needs scores; the models were compared without"
        raise ValueError(msg)
    if is_paired_loss(METRICS[metric]) and any(model.moments is None for model in models.every):
        msg = f"{metric} needs what an earlier version did not count of the scores; compare the models again"
        raise ValueError(msg)
    unknown = [name for name in features if name not in models.features]
    if unknown:
        msg = f"no sensitive features {unknown}; the comparison has {list(models.features)}"
        raise ValueError(msg)
    first, second = sides(joint_cells(tally, models, scores=scored), models, candidate)
    return change(METRICS[metric], first, second, partition(first, features))


def sides(cells: Sequence[Cells], models: Models, candidate: str | None) -> tuple[Cells, Cells]:
    """Return the cells of a candidate and of the baseline.

    Raises
    ------
    ValueError
        If there is no such candidate, or there are several and none is named.

    Examples
    --------
    >>> from audit.paired.paired_models import Model
    >>> models = Models((Model("a"), Model("b")), Model("old"), ())
    >>> sides("abo", models, "b")
    ('b', 'o')
    """
    names = [model.name for model in models.candidates]
    if candidate is None and len(names) > 1:
        msg = f"there are several candidates; name one of {', '.join(names)} in at: {{model_version: ...}}"
        raise ValueError(msg)
    if candidate is not None and candidate not in names:
        msg = f"no candidate {candidate!r}; the comparison has {', '.join(names)}"
        raise ValueError(msg)
    return cells[0 if candidate is None else names.index(candidate)], cells[-1]


def bounded_changes(found: Change, places: Places, *, level: float) -> Bounded:
    """Return the changes of the groups at some places, with unadjusted and Bonferroni-adjusted intervals.

    Examples
    --------
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([0, 0, 0, 2], [0, 0, 0, 0]))  # the first model misses half of the positives of M
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> bounded = bounded_changes(change(METRICS["true_positive_rate"], one, two, slices), np.array([0, 1]), level=0.95)
    >>> bounded.value.tolist(), bounded.label(1), bounded.together
    ([0.0, -0.5], 'M', 2)
    """
    kept = np.asarray(places)[np.isfinite(found.value[places])]
    together = max(len(kept), 1)
    bounds = [change_interval(found, level=level, comparisons=m) for m in (1, together)]
    plain, adjusted = (Interval(low=both.low[kept], high=both.high[kept]) for both in bounds)
    name = change_method(found) + ", largest change"

    def label(place: int) -> str:
        return group_label(found.slices.groups[int(kept[place])])

    n = found.n[kept] if len(kept) else np.atleast_1d(found.n[places].min(initial=0))
    undefined = len(places) - len(kept)
    return Bounded(found.value[kept], n, plain, adjusted, label, lambda _: name, label, undefined, together)


def bounded_growth(found: Change, places: Places, *, level: float) -> Bounded:
    """Return by how much the gap of every ordered pair of groups grew, with intervals as `bounded_changes`.

    Examples
    --------
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([0, 0, 0, 2], [0, 0, 0, 0]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> bounded = bounded_growth(change(METRICS["true_positive_rate"], one, two, slices), np.array([0, 1]), level=0.95)
    >>> bounded.value.tolist(), bounded.label(0), bounded.together
    ([0.5, -0.5], 'between F and M', 1)
    """
    kept = np.asarray(places)[np.isfinite(found.value[places])]
    first, second = (kept[side] for side in np.nonzero(~np.eye(len(kept), dtype=bool)))
    together = max(len(first) // 2, 1)
    plain, adjusted = (growth_interval(found, first, second, level=level, comparisons=m) for m in (1, together))
    name = change_method(found) + ", square_and_add, largest growth"

    def label(place: int) -> str:
        one, two = (group_label(found.slices.groups[int(side[place])]) for side in (first, second))
        return f"between {one} and {two}"

    def smallest(place: int) -> str:
        one, two = int(first[place]), int(second[place])
        return group_label(found.slices.groups[one if found.n[one] <= found.n[two] else two])

    n = np.minimum(found.n[first], found.n[second])
    n = n if len(n) else np.atleast_1d(found.n[places].min(initial=0))
    value, undefined = growth(found, first, second), len(places) - len(kept)
    return Bounded(value, n, plain, adjusted, label, lambda _: name, smallest, undefined, together)


def paired_extreme(found: Change, row: Row, end: End, *, among: Sequence[GroupValues] | None = None) -> Measurement:
    """Return the most extreme change over groups as one row, with the bounds that a limit is held against.

    Parameters
    ----------
    found
        From `paired_changes`.
    row
        What the row is called and compared with, and its level.
    end
        "max" or "min": which change, and which bounds.
    among
        The groups that take part; None = all whose values are known.

    Examples
    --------
    >>> n = np.array([50.0, 50.0, 50.0, 50.0])
    >>> one, two = (Cells(np.array(labels), n, n, n, None, 0, False, {}, False, None)
    ...             for labels in ([0, 0, 0, 2], [0, 0, 0, 0]))
    >>> slices = Partition(("sex",), (("F",), ("M",)), np.array([0, 0, 1, 1]))
    >>> found = change(METRICS["true_positive_rate"], one, two, slices)
    >>> row = paired_extreme(found, Row("true_positive_rate_difference"), "min")
    >>> row.value, row.n, row.reason
    (-0.5, 100, 'M')
    """
    bounded = bounded_changes(found, chosen_places(found.slices, among), level=row.level)
    if not len(bounded.value):
        reason = f"no {found.metric.needs} in any slice, under one of the models or both"
        return measurement(row, value=np.nan, n=int(bounded.n.min()), method="none", reason=reason)
    return most_extreme([bounded], row, end, found.metric)


def chosen_places(slices: Partition, among: Sequence[GroupValues] | None) -> Places:
    """Return the places of groups; of all whose values are known where none are named.

    Raises
    ------
    ValueError
        If a named group has no rows.

    Examples
    --------
    >>> slices = Partition(("sex",), ((None,), ("F",)), np.array([0, 1]))
    >>> chosen_places(slices, None).tolist(), chosen_places(slices, [(None,)]).tolist()
    ([1], [0])
    """
    if among is None:
        return np.array([place for place, group in enumerate(slices.groups) if None not in group], dtype=np.int64)
    absent = [group for group in among if tuple(group) not in slices.groups]
    if absent:
        msg = f"groups {absent} of {slices.features} have no rows; found {list(slices.groups)[:20]}"
        raise ValueError(msg)
    return np.array([slices.groups.index(tuple(group)) for group in among], dtype=np.int64)
