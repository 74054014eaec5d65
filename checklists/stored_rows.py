"""The verdict on one requirement from the rows that a result holds, where there is no tally to roll up anew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches

from audit.measurement import Measurement, as_slice
from audit.metrics.catalog import METRICS
from audit.result import Result
from checklists.comparisons import comparison, value_range
from checklists.judging import Finding, beyond, ends, undecided, within
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.stored_groups import by_duty, too_weak
from checklists.whole_windows import Whole, whole
from checklists.wording import legible

_ROUNDING = 1e-9


def judge_rows(requirement: Requirement, policy: Policy, result: Result, *, today: date) -> Finding:
    """Return the verdict on a requirement: FAIL if any row that it speaks of lies wholly beyond a limit, else as below.

    Windows that are not over are not judged, and a first one within which the log begins may fail, but need not show
    that anything holds (`checklists.whole_windows.whole`).

    INVALID if a row is not what the catalog says of its metric. INSUFFICIENT if an expected group that is not excused
    has no row (in the latest window, where that is asked for) or one that is too weak or undecided, or if a row over
    all groups does not show that each of them took part; without `expect`, groups are those that the result knows of.
    Rows are taken at the level at which they are stored; a lower one than the requirement's is INSUFFICIENT. A row
    without a level and interval is judged only if its metric is "count", which is exact.

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
    parts = whole(every, result)
    if not parts.over:
        return Finding("INSUFFICIENT", reason=f"no window is over yet; {parts.note}")
    found = tuple(map(_exact, _in_window(requirement, parts.over)))
    for row in found:
        if fault := _impossible(row):
            return Finding("INVALID", row, fault)
    compared = len(found)
    for end in ends(requirement):
        for row in found:
            if not too_weak(row, requirement, policy) and beyond(row, requirement, end):
                return Finding("FAIL", row, row.reason, compared=compared)
    return _shown(requirement, policy, result, parts, today)._replace(compared=compared)


def _shown(requirement: Requirement, policy: Policy, result: Result, parts: Whole, today: date) -> Finding:
    """Return whether the rows that must show it do: PASS or INSUFFICIENT."""
    asked = tuple(map(_exact, _in_window(requirement, parts.asked)))
    known = replace(result, measurements=whole(result.measurements, result).over)  # a group of later is not missed yet
    rows = by_duty(requirement, policy, known, (parts.asked, asked), today=today)
    notes = [*rows.expired, *filter(None, [parts.note])]
    first = rows.shown[0] if rows.shown else None
    if rows.lacking or first is None:
        texts = ["; ".join(rows.lacking) or "every group is excused", *notes]
        return Finding("INSUFFICIENT", first, "; ".join(texts))
    for row in rows.shown:
        missed = _not_shown(row, requirement, policy)
        if missed:
            return missed._replace(reason="; ".join([missed.reason or "", *notes]))
    left_out = [f"not shown for: {'; '.join(rows.left_out)}"] if rows.left_out else []
    own = [] if first.reason is None else [first.reason]
    return Finding("PASS", first, "; ".join([*left_out, *notes, *own]) or None)


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


def _not_shown(row: Measurement, requirement: Requirement, policy: Policy) -> Finding | None:
    weak = too_weak(row, requirement, policy)
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
    if comparison(requirement.metric, "value") is None:  # a number of monitors or loops that is a difference already
        kinds["value"].add("rest")

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


def _only_at_features(requirement: Requirement, result: Result) -> str:
    """Return how to name a feature where a metric is held of features only, and none is named; else nothing."""
    points = [dict(row.at).get("feature") for row in result.measurements if row.metric in _names(requirement)]
    if "feature" in requirement.at or not points or None in points:
        return ""
    known = list(dict.fromkeys(str(point) for point in points))
    more = f" and {len(known) - 10} more" if len(known) > 10 else ""
    return f"; it is of one feature at a time: write at: {{feature: {known[0]}}} (it has {', '.join(known[:10])}{more})"


def _absent(requirement: Requirement, result: Result) -> str:
    known = {row.metric for row in result.measurements}
    names = _names(requirement)
    if known.intersection(names):
        said = f"the result holds {names[0]}, but not for this slice, comparison, point and window"
        return legible(f"{said}{_only_at_features(requirement, result)}")
    near = get_close_matches(requirement.metric, sorted(known | set(METRICS)), n=1)
    return legible(f"the result holds no {names[0]}" + (f"; did you mean {near[0]!r}?" if near else ""))
