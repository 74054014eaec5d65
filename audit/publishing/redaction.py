"""A result without what may not be published: which groups a report hides, and which rows speak of them."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from audit.measurement import Measurement, Slice, as_slice
from audit.publishing.quadrants import CHANGES
from audit.publishing.suppression import suppressed
from audit.result import Result

_MISSING = "(missing)"
_MODEL = "model_version"
_RATES_OF = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}


def hidden_slices(
    result: Result,
    *,
    metrics: Collection[str],
    compared: Collection[str] = (),
    checks: Collection[str] = (),
    min_cell: int,
) -> frozenset[Slice]:
    """Return the groups whose numbers a report of a result must hide (`audit.publishing.suppression.suppressed`).

    Parameters
    ----------
    result
        What the report is made of.
    metrics
        Whose values it shows.
    compared
        Whose values of every model it shows, with what changes from the one to the other (of everyone and of single
        features: more is not shown), where the result holds no values of groups without a model.
    checks
        Metrics with a point of their own (``at``) whose n is that of a group.
    min_cell
        The smallest n that may be published.

    Examples
    --------
    >>> rows = [Measurement(metric="count", slice=(("race", name),), value=n, n=n, method="count")
    ...         for name, n in (("A", 500), ("B", 40), ("C", 3))]
    >>> sorted(value for ((_, value),) in hidden_slices(Result(measurements=rows), metrics=["count"], min_cell=10))
    ['B', 'C']
    """
    plain = [row for row in result.measurements if _is_value(row) and not row.at and row.metric in metrics]
    rows = [*plain]
    if not any(row.slice and row.metric != "count" for row in plain):
        rows += [row for row in result.measurements if len(row.slice) <= 1 and _is_of_models(row, compared)]
    rows += [row for row in result.measurements if _is_value(row) and row.metric in checks and row.n]
    return suppressed(rows, min_cell=min_cell)


def redacted(result: Result, hidden: Collection[Slice]) -> Result:
    """Return a result without the rows, and the alarms, that speak of hidden groups; its tally is kept.

    Such rows are those of a hidden group, or of people within one; comparisons with one; the largest gap of a feature
    where it names one or where its n may be that of one; points of a curve over the groups of a feature with one; and
    what names one in its reason.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", slice=(("sex", name),), value=0.5, n=n, method="count")
    ...         for name, n in (("F", 90), ("M", 80), ("X", 3))]
    >>> against = {"kind": "groups", "features": ["sex"]}
    >>> gaps = [Measurement(metric="accuracy_difference", against=against, value=0.1, n=3, method="count",
    ...                     reason="between F and M")]
    >>> [row.slice[0][1] for row in redacted(Result(measurements=rows + gaps), {(("sex", "X"),)}).measurements]
    ['F', 'M']
    """
    if not hidden:
        return result
    speaks = speaking_of(result.measurements, hidden)
    kept = tuple(row for row in result.measurements if not speaks(row))
    away = {row.key() for row in result.measurements} - {row.key() for row in kept} if result.alarms else set()
    alarms = tuple(alarm for alarm in result.alarms if alarm.key not in away)
    return replace(result, measurements=kept, alarms=alarms)


def speaking_of(rows: Iterable[Measurement], hidden: Collection[Slice]) -> Callable[[Measurement], bool]:
    """Return what tells whether a row speaks of a hidden group, given all rows of its result.

    Examples
    --------
    >>> speaks = speaking_of([], {(("sex", "X"),)})
    >>> speaks(Measurement(metric="accuracy", slice=(("sex", "X"),), value=0.5, n=3, method="count"))
    True
    >>> speaks(Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.5, n=90, method="count"))
    False
    """
    away = frozenset(hidden)
    counted: set[Slice] = set()  # people within a hidden group whose number was looked at with all others
    sizes: dict[tuple[object, ...], set[int]] = {}
    for row in rows:
        if _is_value(row):
            if not row.at and row.metric == "count":
                counted.add(row.slice)
            if row.slice not in away:
                sizes.setdefault((row.metric, row.at, _names(row.slice)), set()).add(row.n)

    def speaks(row: Measurement) -> bool:
        return (
            _is_about(row.slice, away, counted)
            or _is_about(_other(row), away, counted)
            or names_hidden(row.reason, away, features=_features(row))
            or _is_curve(row, away)
            or _may_be_sized(row, away, sizes)
        )

    return speaks


def names_hidden(text: str | None, hidden: Collection[Slice], *, features: Collection[str] | None = None) -> bool:
    """Return whether a text names a hidden group (of some features) by its values: at worst too often.

    Examples
    --------
    >>> names_hidden("between A & F and B & M", {(("race", "A"), ("sex", "F"))})
    True
    >>> names_hidden("between Asian and B", {(("race", "A"),)})
    False
    """
    if not text:
        return False
    return any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
        for group in hidden
        if features is None or set(_names(group)) <= set(features)
        for name in _written(group)
    )


def _written(group: Slice) -> set[str]:
    """Return how reasons write a group, whatever the order of its features."""
    values = [_MISSING if value is None else value for _, value in group]
    return {" & ".join(order) for order in (values, values[::-1])} if len(values) > 1 else set(values)


def _is_value(row: Measurement) -> bool:
    return row.against is None and row.window is None


def _is_of_models(row: Measurement, metrics: Collection[str]) -> bool:
    if row.metric in CHANGES and metrics:
        return row.against is not None and row.against["kind"] == "model"
    return _is_value(row) and row.metric in metrics and [key for key, _ in row.at] == [_MODEL]


def _is_about(group: Slice | None, hidden: frozenset[Slice], counted: set[Slice]) -> bool:
    if not group:
        return False
    inside = group not in counted and any(set(one) < set(group) for one in hidden)
    return group in hidden or inside


def _other(row: Measurement) -> Slice | None:
    other = (row.against or {}).get("slice")
    return None if other is None else as_slice(other)


def _features(row: Measurement) -> set[str]:
    compared = (row.against or {}).get("features", ())
    return {*_names(row.slice), *compared, *(str(value) for key, value in row.at if key == "feature")}


def _is_curve(row: Measurement, hidden: frozenset[Slice]) -> bool:
    at = dict(row.at)
    single = {(str(at.get("feature")),)}
    return not row.slice and "k" in at and any(_names(group) in single for group in hidden)


def _may_be_sized(row: Measurement, hidden: frozenset[Slice], sizes: dict[tuple[object, ...], set[int]]) -> bool:
    """Whether n of a largest gap may be that of a hidden group: where no shown group has it."""
    against = row.against or {}
    if against.get("kind") != "groups":
        return False
    features = tuple(sorted(against["features"]))
    if not any(_names(group) == features for group in hidden):
        return False
    name = row.metric.removesuffix("_difference").removesuffix("_ratio")
    shown = [sizes.get((rate, row.at, features), set()) for rate in _RATES_OF.get(name, (name,))]
    return row.n not in set().union(*shown)


def _names(group: Slice) -> tuple[str, ...]:
    return tuple(name for name, _ in group)
