"""The verdict on one requirement from the rows that a result holds, where there is no tally to roll up anew."""

from collections.abc import Callable
from difflib import get_close_matches

from audit.measurement import Measurement, as_slice
from audit.metrics.catalog import METRICS
from audit.result import Result
from checklists.judging import Finding, beyond, ends, undecided, within
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.wording import legible


def judge_rows(requirement: Requirement, policy: Policy, result: Result) -> Finding:
    """Return the verdict on a requirement: all rows that it speaks of must hold.

    Rows are taken at the level at which they are stored; a lower one than the requirement's is INSUFFICIENT. A row
    without a level and interval is judged only if it is a plain count, which is exact.

    Parameters
    ----------
    requirement
        What must hold. Its groups are the rows of each group of those features; in a gap the row over them.
    policy
        Where the level, `min_n` and the expected groups stand.
    result
        The rows.
    """
    found = matching(requirement, result)
    if not found:
        return Finding("INVALID", reason=_absent(requirement, result))
    lacking = _groups_without_rows(requirement, policy, found)
    if lacking:
        return Finding("INVALID", reason=f"expected, and absent from the result: {'; '.join(lacking)}")
    checks = [(end, _exact(row)) for row in found for end in ends(requirement)]
    for end, row in checks:
        if not _too_weak(row, requirement, policy) and beyond(row, requirement, end):
            return Finding("FAIL", row, row.reason, compared=len(found))
    for end, row in checks:
        weak = _too_weak(row, requirement, policy)
        if weak:
            return Finding("INSUFFICIENT", row, weak, compared=len(found))
        if not within(row, requirement, end):
            return undecided(row, requirement, end, compared=len(found))
    return Finding("PASS", checks[0][1], compared=len(found))


def matching(requirement: Requirement, result: Result) -> tuple[Measurement, ...]:
    """Return the rows that a requirement speaks of, in the windows that it speaks of."""
    at = tuple(sorted(requirement.at.items()))
    wanted = _whom(requirement)
    rows = [row for row in result.measurements if row.metric in _names(requirement) and row.at == at and wanted(row)]
    if requirement.window == "latest":
        last = max((row.window[1] for row in rows if row.window), default=None)
        rows = [row for row in rows if (row.window[1] if row.window else None) == last]
    return tuple(rows)


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
    if row.method != "count" or row.value is None:
        return row
    return Measurement(
        metric=row.metric, slice=row.slice, at=row.at, against=row.against, window=row.window, value=row.value,
        low=row.value, high=row.value, n=row.n, level=None, method=row.method, reason=row.reason,
    )  # fmt: skip


def _too_weak(row: Measurement, requirement: Requirement, policy: Policy) -> str | None:
    level, min_n = requirement.level or policy.level, requirement.min_n or policy.min_n
    if row.method == "count":
        return None
    if row.n < min_n:
        return f"n = {row.n}, fewer than {min_n}"
    if row.value is None:
        return row.reason
    if row.level is None:
        return "the row claims no level of confidence"
    if row.level < level:
        return f"the row is stored at level {row.level:g}, lower than the {level:g} asked for; measure it again at that"
    return None


def _groups_without_rows(requirement: Requirement, policy: Policy, found: tuple[Measurement, ...]) -> list[str]:
    """Return expected values of single features that no row speaks of; rows over all groups speak of every one."""
    if any(not row.slice for row in found):
        return []
    return [
        f"{name}={value}"
        for name in requirement.groups
        for value in policy.expect.get(name, ())
        if not any((name, value) in row.slice for row in found)
    ]


def _absent(requirement: Requirement, result: Result) -> str:
    known = {row.metric for row in result.measurements}
    names = _names(requirement)
    if known.intersection(names):
        return f"the result holds {names[0]}, but not for this slice, comparison, point and window"
    near = get_close_matches(requirement.metric, sorted(known | set(METRICS)), n=1)
    return legible(f"the result holds no {names[0]}" + (f"; did you mean {near[0]!r}?" if near else ""))
