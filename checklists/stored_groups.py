"""Which groups stored rows must show to hold, and which of them took no part in a gap or could not be compared."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from audit.gaps import group_label
from audit.measurement import Measurement
from audit.result import Result
from audit.rollup import GroupValues
from checklists.comparisons import comparison
from checklists.groups import combinations, excuses
from checklists.policy import Policy
from checklists.requirement import Requirement

_GAPS = ("_difference", "_ratio")


class Duty(NamedTuple):
    """Rows that must be shown to hold, what lacks for that, and the groups of which a PASS says nothing.

    `expired` is what must be said of excuses that no longer count.

    Examples
    --------
    >>> Duty((), ("b: no rows",), (), ()).lacking
    ('b: no rows',)
    """

    shown: tuple[Measurement, ...]
    lacking: tuple[str, ...]
    left_out: tuple[str, ...]
    expired: tuple[str, ...]


def by_duty(
    requirement: Requirement,
    policy: Policy,
    result: Result,
    rows: tuple[tuple[Measurement, ...], tuple[Measurement, ...]],
    *,
    today: date,
) -> Duty:
    """Return rows by what they are judged for.

    Groups are those of `expect`; where a feature has no expectation, every group that any row of the metric or its
    counts is about, and that a gap says it compared or could not compare.

    Parameters
    ----------
    requirement, policy, result, today
        As in `checklists.stored_rows.judge_rows`.
    rows
        The rows that the requirement speaks of: in all windows, and in those that it asks for.

    Examples
    --------
    >>> over = {"kind": "groups", "features": ["g"], "among": [["a"], ["b"]], "undefined": [["c"]]}
    >>> row = Measurement(metric="x_difference", against=over, value=0.1, low=0.0, high=0.2, n=99, level=0.95,
    ...                   method="m")
    >>> asked = Requirement(id="r", metric="x", compare="difference", groups=("g",), max=0.3)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> by_duty(asked, policy, Result(measurements=[row]), ((row,), (row,)), today=date(2027, 3, 1)).lacking
    ('x_difference: c could not be compared',)
    """
    every, found = rows
    features = requirement.groups
    named = {name: policy.expect[name] for name in features if name in policy.expect}
    own = dict.fromkeys(_group(row, features) for row in every if row.slice or not features)
    observed = tuple(own | dict.fromkeys(_known(requirement, result, every)))
    reference = tuple(requirement.against.get(name) for name in features) if requirement.against else None
    wanted = [group for group in combinations(features, named, observed) if not features or group != reference]
    excused = excuses(policy, features, wanted, today=today)
    must = [group for group in wanted if group not in excused.groups]
    lacking = []
    if own:
        now = {_group(row, features) for row in found if row.slice or not features}
        lacking = [
            f"{group_label(group)}: {'no row in the latest window' if group in own else 'no rows'}"
            for group in must
            if group not in now
        ]
    shown = [row for row in found if not features or not row.slice or _group(row, features) in must]
    for row in found:
        if features and not row.slice:
            lacking += unproven(row, requirement, policy, result, must)
    left_out = [f"{group_label(group)} (excused: {entry.reason})" for group, entry in excused.groups.items()]
    left_out += [f"{group_label(group)} (not in expect)" for group in observed if group not in {*wanted, reference}]
    return Duty(tuple(shown), tuple(lacking), tuple(left_out), excused.expired)


def unproven(
    row: Measurement, requirement: Requirement, policy: Policy, result: Result, must: list[GroupValues]
) -> list[str]:
    """Return why a row over all groups does not show that each of some groups keeps a limit; empty where it does.

    A group may have taken no part, been undefined, or be too weak by its own row of the metric. Where the row does not
    say which groups took part, the rows of the groups do, unless the policy names expected ones.

    Examples
    --------
    >>> row = Measurement(metric="x_difference", against={"kind": "groups", "features": ["g"]}, value=0.1, low=0.0,
    ...                   high=0.2, n=99, level=0.95, method="m")
    >>> asked = Requirement(id="r", metric="x", compare="difference", groups=("g",), max=0.3)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> unproven(row, asked, policy, Result(measurements=[row]), [])
    ['x_difference does not say which groups took part in it']
    """
    features, against = requirement.groups, row.against or {}
    weak = _weak(row, requirement, policy, result)
    undefined = set(_listed(row, "undefined", features))
    among = set(_listed(row, "among", features))
    if "among" not in against and not any(name in policy.expect for name in features):
        among = {group for group in _plain(row, requirement, result) if group not in undefined}
    if not among | undefined:
        return [f"{row.metric} does not say which groups took part in it"]
    labels = {group: group_label(group) for group in must}
    found = [f"{row.metric}: {labels[group]} could not be compared" for group in must if group in undefined]
    absent = sorted(labels[group] for group in must if group not in among | undefined)
    found += [f"took no part in {row.metric}: {', '.join(absent)}"] if absent else []
    return found + [f"{labels[group]}: {weak[group]}" for group in must if group in weak]


def too_weak(row: Measurement, requirement: Requirement, policy: Policy) -> str | None:
    """Return why a row is not judged: too few rows, undefined, or of too low a level; None where it is.

    Examples
    --------
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> row = Measurement(metric="accuracy", value=0.7, low=0.2, high=0.9, n=12, level=0.95, method="wilson")
    >>> too_weak(row, asked, Policy(schema="evenhanded/policy/1", requirements=(asked,)))
    'n = 12, fewer than 30'
    """
    level, min_n = requirement.level or policy.level, requirement.min_n or policy.min_n
    if row.metric == "count":
        return None
    if row.n < min_n:
        return f"n = {row.n}, fewer than {min_n}"
    if row.value is None and row.low is None and row.high is None:
        return row.reason
    if row.level is None:
        return "the row claims no level of confidence"
    if row.level < level:
        return f"the row is stored at level {row.level:g}, lower than the {level:g} asked for; measure it again at that"
    return None


def _group(row: Measurement, features: tuple[str, ...]) -> GroupValues:
    return tuple(dict(row.slice)[name] for name in features)


def _listed(row: Measurement, key: str, features: tuple[str, ...]) -> list[GroupValues]:
    against = row.against or {}
    if set(against.get("features") or ()) != set(features):
        return []
    order = [list(against["features"]).index(name) for name in features]
    return [tuple(group[place] for place in order) for group in against.get(key) or ()]


def _known(requirement: Requirement, result: Result, every: tuple[Measurement, ...]) -> list[GroupValues]:
    """Return the groups of the requirement's features that the result knows of, by any row that would hold them."""
    features = requirement.groups
    if not features:
        return []
    found = [group for row in every for key in ("among", "undefined") for group in _listed(row, key, features)]
    names, at = {"count", *_bases(requirement)}, tuple(sorted(requirement.at.items()))
    return found + [
        _group(row, features)
        for row in result.measurements
        if row.metric in names and row.against is None and (row.metric == "count" or row.at == at)
        and len(row.slice) == len(features) and {name for name, _ in row.slice} == set(features)
    ]  # fmt: skip


def _bases(requirement: Requirement) -> tuple[str, ...]:
    """Return the metrics that a requirement compares."""
    compared = comparison(requirement.metric, requirement.compare)
    if compared is not None:
        return compared.rests_on
    metric = requirement.metric
    return (metric, *(metric.removesuffix(gap) for gap in _GAPS if metric.endswith(gap)))


def _plain(row: Measurement, requirement: Requirement, result: Result) -> Mapping[GroupValues, list[Measurement]]:
    """Return the rows of the metrics that a gap compares, at its point and in its window, by group."""
    names, features = _bases(requirement), requirement.groups
    found: dict[GroupValues, list[Measurement]] = {}
    for each in result.measurements:
        plain = each.metric in names and each.against is None and each.at == row.at and each.window == row.window
        if plain and each.slice and {name for name, _ in each.slice} == set(features):
            found.setdefault(_group(each, features), []).append(each)
    return found


def _weak(
    row: Measurement, requirement: Requirement, policy: Policy, result: Result
) -> Mapping[GroupValues, str | None]:
    return {
        group: why
        for group, rows in _plain(row, requirement, result).items()
        for each in rows
        if (why := too_weak(each, requirement, policy))
    }
