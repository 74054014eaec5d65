"""The verdict on one requirement from the rows that a result holds, where there is no tally to roll up anew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from typing import NamedTuple

from audit.gaps import group_label
from audit.measurement import Measurement, as_slice
from audit.metrics.catalog import METRICS
from audit.result import Result
from audit.rollup import GroupValues
from checklists.comparisons import comparison, value_range
from checklists.groups import combinations, excuses
from checklists.judging import Finding, beyond, ends, undecided, within
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.wording import legible

_ROUNDING = 1e-9


class _Rows(NamedTuple):
    """Rows that must be shown to hold, what lacks for that, and the groups of which a PASS says nothing."""

    shown: tuple[Measurement, ...]
    lacking: tuple[str, ...]
    left_out: tuple[str, ...]


def judge_rows(requirement: Requirement, policy: Policy, result: Result, *, today: date) -> Finding:
    """Return the verdict on a requirement: FAIL if any row that it speaks of lies wholly beyond a limit, else as below.

    INVALID if a row is not what the catalog says of its metric. INSUFFICIENT if an expected group that is not excused
    has no row (in the latest window, where that is asked for) or one that is too weak or undecided, or if a row over
    all groups does not show that the expected ones took part. Rows are taken at the level at which they are stored; a
    lower one than the requirement's is INSUFFICIENT. A row without a level and interval is judged only if its metric
    is "count", which is exact.

    Parameters
    ----------
    requirement
        What must hold. Its groups are the rows of each group of those features; in a gap the row over them.
    policy
        Where the level, `min_n`, the expected groups and the excuses stand.
    result
        The rows.
    today
        The day on which excuses are looked at.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, low=0.65, high=0.75, n=400, level=0.95, method="wilson")
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> judge_rows(asked, policy, Result(measurements=[row]), today=date(2027, 3, 1)).verdict
    'PASS'
    >>> judge_rows(asked, policy, Result(measurements=[]), today=date(2027, 3, 1)).verdict
    'INVALID'
    """
    every = _spoken_of(requirement, result)
    if not every:
        return Finding("INVALID", reason=_absent(requirement, result))
    found = tuple(map(_exact, _in_window(requirement, every)))
    for row in found:
        if fault := _impossible(row):
            return Finding("INVALID", row, fault)
    compared = len(found)
    for end in ends(requirement):
        for row in found:
            if not _too_weak(row, requirement, policy) and beyond(row, requirement, end):
                return Finding("FAIL", row, row.reason, compared=compared)
    rows, expired = _by_duty(requirement, policy, every, found, today)
    first = rows.shown[0] if rows.shown else None
    if rows.lacking or first is None:
        texts = ["; ".join(rows.lacking) or "every group is excused", *expired]
        return Finding("INSUFFICIENT", first, "; ".join(texts), compared=compared)
    for row in rows.shown:
        missed = _not_shown(row, requirement, policy)
        if missed:
            return missed._replace(reason="; ".join([missed.reason or "", *expired]), compared=compared)
    left_out = [f"not shown for: {'; '.join(rows.left_out)}"] if rows.left_out else []
    return Finding("PASS", first, "; ".join([*left_out, *expired]) or None, compared=compared)


def matching(requirement: Requirement, result: Result) -> tuple[Measurement, ...]:
    """Return the rows that a requirement speaks of, in the windows that it speaks of.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, low=0.65, high=0.75, n=400, level=0.95, method="wilson")
    >>> women = replace(row, slice=(("sex", "F"),), n=200)
    >>> found = matching(Requirement(id="accuracy", metric="accuracy", min=0.6), Result(measurements=[row, women]))
    >>> [row.n for row in found]
    [400]
    """
    return _in_window(requirement, _spoken_of(requirement, result))


def _spoken_of(requirement: Requirement, result: Result) -> tuple[Measurement, ...]:
    at = tuple(sorted(requirement.at.items()))
    wanted, names = _whom(requirement), _names(requirement)
    return tuple(row for row in result.measurements if row.metric in names and row.at == at and wanted(row))


def _in_window(requirement: Requirement, rows: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
    if requirement.window != "latest":
        return rows
    last = max((row.window[1] for row in rows if row.window), default=None)
    return tuple(row for row in rows if (row.window[1] if row.window else None) == last)


def _by_duty(
    requirement: Requirement,
    policy: Policy,
    every: tuple[Measurement, ...],
    found: tuple[Measurement, ...],
    today: date,
) -> tuple[_Rows, tuple[str, ...]]:
    """Return the rows by what they are judged for, and what must be said of excuses that no longer count."""
    features = requirement.groups
    named = {name: policy.expect[name] for name in features if name in policy.expect}
    observed = tuple(dict.fromkeys(_group(row, features) for row in every if row.slice or not features))
    reference = tuple(requirement.against.get(name) for name in features) if requirement.against else None
    wanted = [group for group in combinations(features, named, observed) if not features or group != reference]
    excused = excuses(policy, features, wanted, today=today)
    must = {group for group in wanted if group not in excused.groups}
    lacking = []
    if observed:
        now = {_group(row, features) for row in found if row.slice or not features}
        here = set(observed)
        lacking = [
            f"{group_label(group)}: {'no row in the latest window' if group in here else 'no rows'}"
            for group in wanted
            if group in must and group not in now
        ]
    shown = []
    for row in found:
        if row.slice or not features:
            shown += [row] if _group(row, features) in must else []
            continue
        shown.append(row)
        lacking += [unproven] if named and (unproven := _unproven(row, features, must)) else []
    left_out = [f"{group_label(group)} (excused: {entry.reason})" for group, entry in excused.groups.items()]
    left_out += [f"{group_label(group)} (not in expect)" for group in observed if group not in {*wanted, reference}]
    return _Rows(tuple(shown), tuple(lacking), tuple(left_out)), excused.expired


def _group(row: Measurement, features: tuple[str, ...]) -> GroupValues:
    return tuple(dict(row.slice)[name] for name in features)


def _unproven(row: Measurement, features: tuple[str, ...], must: set[GroupValues]) -> str | None:
    """Return why a row over all groups does not show that some groups took part in it; None where it does."""
    against = row.against or {}
    order = [list(against["features"]).index(name) for name in features]
    among = {tuple(group[place] for place in order) for group in against.get("among") or ()}
    if not among:
        return f"{row.metric} does not say which groups took part in it"
    absent = [group_label(group) for group in must if group not in among]
    if absent:
        return f"took no part in {row.metric}: {', '.join(sorted(absent))}"
    return f"{row.metric}: {row.reason}" if "undefined" in (row.reason or "") else None


def _not_shown(row: Measurement, requirement: Requirement, policy: Policy) -> Finding | None:
    weak = _too_weak(row, requirement, policy)
    if weak:
        return Finding("INSUFFICIENT", row, weak)
    for end in ends(requirement):
        if not within(row, requirement, end):
            return undecided(row, requirement, end)
    return None


def _impossible(row: Measurement) -> str | None:
    """Return why a row is not what the catalog says of its metric; None where the catalog does not know it."""
    compared = comparison(row.metric, "value")
    if compared is None:
        return None
    low, high = value_range(compared, end="max", signed=True)
    for number in (row.value, row.low, row.high):
        if number is not None and not low - _ROUNDING <= number <= high + _ROUNDING:
            return f"{row.metric} {number:g} lies outside [{low:g}, {high:g}]"
    return "the row claims no level of confidence" if row.value is not None and row.level is None else None


def _names(requirement: Requirement) -> tuple[str, ...]:
    if requirement.compare in {"difference", "ratio"}:
        return (f"{requirement.metric}_{requirement.compare}",)
    return (f"{requirement.metric}_difference",) if requirement.compare == "baseline" else (requirement.metric,)


def _whom(requirement: Requirement) -> Callable[[Measurement], bool]:
    features, chosen = set(requirement.groups), as_slice(requirement.slice)
    kinds: dict[str, set[object]] = {
        "baseline": {"reference", "model"},
        "value": {None, "reference", "model", "window"},
    }

    def speaks_of(row: Measurement) -> bool:
        kind = None if row.against is None else row.against.get("kind")
        if requirement.against:
            of = {name for name, _ in row.slice} == features if features else row.slice == chosen
            return of and kind == "slice" and row.against is not None and row.against["slice"] == requirement.against
        gap = row.against is not None and kind == "groups" and set(row.against["features"]) == features
        if features and requirement.compare != "baseline" and gap and not row.slice:
            return True
        of = {name for name, _ in row.slice} == features if features else row.slice == chosen
        return of and kind in kinds.get(requirement.compare, set())

    return speaks_of


def _exact(row: Measurement) -> Measurement:
    return (
        row if row.metric != "count" or row.value is None else replace(row, low=row.value, high=row.value, level=None)
    )


def _too_weak(row: Measurement, requirement: Requirement, policy: Policy) -> str | None:
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


def _absent(requirement: Requirement, result: Result) -> str:
    known = {row.metric for row in result.measurements}
    names = _names(requirement)
    if known.intersection(names):
        return f"the result holds {names[0]}, but not for this slice, comparison, point and window"
    near = get_close_matches(requirement.metric, sorted(known | set(METRICS)), n=1)
    return legible(f"the result holds no {names[0]}" + (f"; did you mean {near[0]!r}?" if near else ""))
