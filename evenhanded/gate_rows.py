"""Whose value and whose n a gate's row shows, and which groups its largest gap does not count."""

from collections.abc import Mapping

from audit.measurement import Measurement
from audit.result import Result
from checklists.comparisons import comparison
from checklists.gate_result import Judgement
from checklists.policy import NotAuditable, Policy
from dashboards.judgements import asked_metric
from dashboards.labels import safe_label, slice_label
from dashboards.tables import interval_text, limit_text, value_text

_LIMIT = 60
_SHORT = 28
_MOST = 8
Values = tuple[str | None, ...]
"""The group of a row: its values, in the order of the features that are compared."""


def excuse(entry: NotAuditable) -> str:
    """Return who is not audited, why, and who answers for it until when.

    Examples
    --------
    >>> from datetime import date
    >>> entry = NotAuditable(slice={"race": "Asian"}, reason="23 negatives", owner="R. Sato", expires=date(2027, 3, 1))
    >>> excuse(entry)
    'not auditable: race=Asian (23 negatives); R. Sato answers for it until 2027-03-01'
    """
    parts = [("=".join(str(part) for part in pair)) for pair in entry.slice.items()]
    whom, reason, owner = (
        safe_label(text, target="terminal") for text in (", ".join(parts), entry.reason, entry.owner)
    )
    return f"not auditable: {whom} ({reason}); {owner} answers for it until {entry.expires}"


def gate_cells(judged: Judgement, result: Result | None) -> tuple[str, str, str, str]:
    """Return value, interval, limit and smallest n of a judgement as texts.

    Examples
    --------
    >>> from checklists.requirement import Requirement
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.59, n=90, level=0.95, method="wilson")
    >>> gate_cells(Judgement(requirement=needed, verdict="FAIL", measurement=row), None)
    ('50.0 %', '[40.0, 59.0]', 'at least 60 %', '90')
    """
    row, asked = judged.measurement, judged.requirement
    metric = row.metric if row else asked_metric(asked.metric, asked.compare)
    limit = limit_text(metric, low=asked.min, high=asked.max)
    numbers = ("", "") if row is None else (value_text(row), interval_text(row))
    return (*numbers, limit, whose_n(row, result))


def whose(row: Measurement | None) -> str:
    """Return whom the value of a row is of: the group, or the two groups, that decide, or a slice; "" for everyone.

    Examples
    --------
    >>> facts = {"value": 0.64, "n": 32, "method": "wilson"}
    >>> against = {"kind": "groups", "features": ["race"]}
    >>> whose(Measurement(metric="accuracy_group_min", against=against, reason="African-American", **facts))
    'African-American'
    >>> whose(Measurement(metric="accuracy", **facts)), whose(None)
    ('', '')
    """
    if row is None:
        return ""
    if _is_over_groups(row):
        text = (row.reason or "").removeprefix("between ")
        return safe_label(text, target="terminal", limit=_LIMIT) if text else ""
    return slice_label(row.slice, target="terminal", limit=_LIMIT) if row.slice else ""


def whose_n(row: Measurement | None, result: Result | None = None) -> str:
    """Return the n of a row; over several groups that is the smallest, with the group that has it where known.

    Examples
    --------
    >>> row = Measurement(metric="accuracy_group_min", against={"kind": "groups", "features": ["race"]}, value=0.64,
    ...                   n=32, method="wilson", reason="African-American")
    >>> of_group = Measurement(metric="accuracy", slice=(("race", "Asian"),), value=0.84, n=32, method="wilson")
    >>> whose_n(row, Result(measurements=[of_group])), whose_n(row)
    ('32 (Asian)', '32 (smallest)')
    """
    if row is None:
        return ""
    if not _is_over_groups(row):
        return f"{row.n:,}"
    sides = row.against or {}
    took_part = [*(sides.get("among") or []), *filter(None, [sides.get("reference")])]
    named = next(
        (
            group
            for group, n in _sizes(row, result).items()
            if n == row.n and (not took_part or list(group) in [list(each) for each in took_part])
        ),
        None,
    )
    return f"{row.n:,} ({'smallest' if named is None else _label(named)})"


def not_counted(judged: Judgement, policy: Policy, result: Result | None) -> str:
    """Return which groups with too few rows a comparison leaves out; "" where none, or its reason names them.

    Examples
    --------
    >>> from checklists.requirement import Requirement
    >>> needed = Requirement(id="gap", metric="accuracy", compare="difference", groups=("race",), max=0.1)
    >>> against = {"kind": "groups", "features": ["race"], "among": [["A"], ["B"]]}
    >>> gap = Measurement(metric="accuracy_difference", against=against, value=0.3, n=90, method="x")
    >>> sizes = {"A": 90, "B": 95, "C": 18}
    >>> rows = [Measurement(metric="accuracy", slice=(("race", group),), value=0.6, n=n, method="x")
    ...         for group, n in sizes.items()]
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(needed,))
    >>> judged = Judgement(requirement=needed, verdict="FAIL", measurement=gap)
    >>> not_counted(judged, policy, Result(measurements=rows))
    'not counting C (n = 18): fewer than 30'
    """
    row, fewest = judged.measurement, judged.requirement.min_n or policy.min_n
    if row is None or not _is_over_groups(row):
        return ""
    small = {group: n for group, n in _sizes(row, result).items() if n < fewest}
    texts = [f"{_label(group)} (n = {n:,})" for group, n in small.items() if not _is_named(group, judged.reason or "")]
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return f"not counting {', '.join(texts[:_MOST])}{more}: fewer than {fewest}" if texts else ""


def _sizes(row: Measurement, result: Result | None) -> Mapping[Values, int]:
    """Return the smallest n of each group over the metrics that a row rests on, from the plain rows of a result."""
    features = [str(name) for name in (row.against or {})["features"]]
    base = row.metric.removesuffix("_group_min").removesuffix("_group_max").removesuffix("_increase")
    compared = comparison(base, "value")
    metrics = {base} if compared is None else set(compared.rests_on)
    found: dict[Values, int] = {}
    for each in () if result is None else result.measurements:
        plain = each.against is None and each.window is None and each.at == row.at
        if plain and each.metric in metrics and {name for name, _ in each.slice} == set(features):
            group = tuple(dict(each.slice)[name] for name in features)
            found[group] = min(each.n, found.get(group, each.n))
    return found


def _is_over_groups(row: Measurement) -> bool:
    return (row.against or {}).get("kind") == "groups"


def _is_named(group: Values, reason: str) -> bool:
    label = " & ".join(str(value) for value in group)
    return any(mark in reason for mark in (f"{label}: n = ", f"{label} (excused", f"{label} (not in expect"))


def _label(group: Values) -> str:
    return " & ".join(safe_label(value, target="terminal", limit=_SHORT) for value in group)
