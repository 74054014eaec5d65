"""What the first screen adds to judged gaps: the two rates, what a policy speaks of, and what would show it."""

from collections.abc import Iterable

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.labels import MISSING
from dashboards.report.groups import hidden_groups
from dashboards.tables import plain_rows, value_text
from dashboards.words import base_metric

_SAME_AS = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
_OTHER_SIDE = {
    "true_positive_rate": "false_negative_rate",
    "true_negative_rate": "false_positive_rate",
    "false_discovery_rate": "precision",
}
"""Rates that add up to 1 have the same gap: who limits one has spoken of the other."""

_MORE = "; if the estimate"


def judged_rates(row: Measurement | None, result: Result, *, min_cell: int) -> str:
    """Return the rates behind a largest gap, in the order in which its reason names the two groups.

    "" where the gap is none of a rate between two groups that the report may show.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", slice=(("sex", name),), value=value, n=40, method="count")
    ...         for name, value in (("F", 0.6), ("M", 0.7))]
    >>> gap = Measurement(metric="accuracy_difference", against={"kind": "groups", "features": ["sex"]}, value=0.1,
    ...                   n=40, method="count", reason="between M and F")
    >>> judged_rates(gap, Result(measurements=rows), min_cell=10)
    'That is 70.0 % against 60.0 %.'
    """
    if row is None or row.at or row.slice or row.reason is None or (row.against or {}).get("kind") != "groups":
        return ""
    features = tuple((row.against or {})["features"])
    name = base_metric(row.metric)[0]
    metrics = _SAME_AS.get(name, (name,))
    hidden = hidden_groups(result, features, min_cell=min_cell)
    rates = {
        _name(each.slice, features): each
        for each in plain_rows(result, features=features, metrics=metrics)
        if len(metrics) == 1 and each.slice not in hidden and each.value is not None and each.n >= min_cell
    }
    for first, one in rates.items():
        start = f"between {first} and "
        other = rates.get(row.reason.removeprefix(start)) if row.reason.startswith(start) else None
        if other is not None:
            return f"That is {value_text(one)} against {value_text(other)}."
    return ""


def spoken_of(rows: Iterable[Measurement | None]) -> frozenset[tuple[str, str]]:
    """Return the metrics and single features that requirements speak of, by the rows that were judged.

    Examples
    --------
    >>> gap = Measurement(metric="equal_opportunity_difference", against={"kind": "groups", "features": ["sex"]},
    ...                   value=0.1, n=40, method="count")
    >>> sorted(spoken_of([gap, None]))
    [('false_negative_rate', 'sex'), ('true_positive_rate', 'sex')]
    """
    found = set()
    for row in rows:
        if row is None:
            continue
        against = row.against or {}
        features = tuple(against.get("features", ())) or tuple(name for name, _ in row.slice)
        if len(features) == 1:
            name = base_metric(row.metric)[0]
            found |= {(each, features[0]) for same in _SAME_AS.get(name, (name,)) for each in _both_sides(same)}
    return frozenset(found)


def without_rows_needed(reason: str) -> str:
    """Return why something was not shown, without what would show it.

    Examples
    --------
    >>> without_rows_needed("the interval contains the limit; if the estimate were true, n = 90 would show FAIL")
    'the interval contains the limit'
    """
    return reason.partition(_MORE)[0]


def rows_needed_of(reason: str) -> str:
    """Return what would show it, out of the reason that says so; "" where it does not.

    Examples
    --------
    >>> rows_needed_of("the interval contains the limit; if the estimate were true, n = 90 would show FAIL")
    'if the estimate were true, n = 90 would show FAIL'
    """
    _, sign, more = reason.partition(_MORE)
    return f"{sign.removeprefix('; ')}{more}"


def _both_sides(name: str) -> tuple[str, ...]:
    sides = [pair for pair in _OTHER_SIDE.items() if name in pair]
    return sides[0] if sides else (name,)


def _name(group: Slice, features: tuple[str, ...]) -> str:
    """Return a group's name as the reason of a gap writes it."""
    values = dict(group)
    return " & ".join(MISSING if values[name] is None else str(values[name]) for name in features)
