"""The verdict on a requirement about a candidate and a baseline on the same rows, from their joint tally."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from audit.gaps import End, group_label
from audit.measurement import Measurement
from audit.paired.paired import Change
from audit.paired.paired_gaps import bounded_changes, chosen_places, paired_changes, paired_extreme
from audit.paired.paired_means import PAIRED_MEANS
from audit.paired.paired_models import Models, models_of
from audit.result import Result
from audit.rollup import GroupValues
from audit.rows import Row
from audit.tally import Tally
from checklists.groups import Excuses, Whom, excuses, whom
from checklists.judging import Finding, beyond, ends, undecided, within
from checklists.needed import rows_needed_between
from checklists.policy import Policy
from checklists.requirement import Requirement

_LISTED = 8
_OF_ALL_ROWS = frozenset({"selection_rate"})


class PairedCase(NamedTuple):
    """One requirement before one comparison, and how much its metric changes in every group that it speaks of.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.comparison import run_compare
    >>> frame = pa.table({"y": [1] * 60, "new": [1] * 60, "old": [1, 0] * 30})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old")
    >>> asked = Requirement(id="recall", metric="true_positive_rate", compare="baseline", min=-0.02)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> case = paired_case(asked, policy, result, models_of(result))
    >>> case.found.value.tolist(), case.level
    ([0.5], 0.95)
    """

    requirement: Requirement
    policy: Policy
    tally: Tally
    models: Models
    concerned: Whom
    found: Change

    @property
    def level(self) -> float:
        """Confidence level that decides."""
        return self.requirement.level or self.policy.level


def paired_results(requirement: Requirement, results: Iterable[Result]) -> tuple[Result, ...]:
    """Return the results that hold the requirement's models on the same rows: they answer before two separate runs do.

    Examples
    --------
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> paired_results(asked, [Result(measurements=())])
    ()
    """
    if requirement.compare != "baseline" or requirement.metric in PAIRED_MEANS:  # of which only stored rows speak
        return ()
    return tuple(result for result in results if result.tally is not None and models_of(result) is not None)


def judge_paired(requirement: Requirement, policy: Policy, result: Result, *, today: date) -> Finding:
    """Return the verdict on a requirement `compare: baseline` from a comparison on the same rows.

    The rules are those of `checklists.judging.judge_tally`: FAIL if the change of any group with at least `min_n` rows
    lies wholly beyond a limit; else INSUFFICIENT if any expected group that is not excused is too small, undefined or
    undecided; else PASS.

    Raises
    ------
    EvidenceError, ValueError
        If the comparison cannot answer.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.comparison import run_compare
    >>> frame = pa.table({"y": [1] * 200, "new": [1] * 200, "old": [1, 0] * 100})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old")
    >>> asked = Requirement(id="recall", metric="true_positive_rate", compare="baseline", min=-0.02)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> judge_paired(asked, policy, result, today=date(2027, 3, 1)).verdict
    'PASS'
    """
    models = models_of(result)
    if models is None or result.tally is None:
        return Finding("INVALID", reason="the result compares no models on the same rows; run a comparison")
    unlabelled = result.tally.cells["y_true"].null_count and requirement.metric not in _OF_ALL_ROWS
    if unlabelled and (requirement.missing_labels or policy.missing_labels) == "bounds":
        why = "some rows have no true label, and a paired comparison has no bounds for them"
        return Finding("INSUFFICIENT", reason=f"{why}; missing_labels: ignore leaves them out")
    case = paired_case(requirement, policy, result, models)
    if case.concerned.absent:
        return Finding("INVALID", reason=f"expected, and absent from the data: {_listed(case.concerned.absent)}")
    return _judged(case, today)


def paired_case(requirement: Requirement, policy: Policy, result: Result, models: Models) -> PairedCase:
    """Return a requirement with the change of its metric in every group that it speaks of.

    Raises
    ------
    EvidenceError, ValueError
        If the comparison does not hold its metric, features or candidate.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.paired.comparison import run_compare
    >>> frame = pa.table({"y": [1] * 60, "new": [1] * 60, "old": [1, 0] * 30, "sex": list("FM") * 30})
    >>> result = run_compare(frame, y_true="y", candidate="new", baseline="old", sensitive_features=["sex"])
    >>> asked = Requirement(id="recall", metric="true_positive_rate", compare="baseline", groups=("sex",), min=-0.02)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> paired_case(asked, policy, result, models_of(result)).found.value.tolist()
    [0.0, 1.0]
    """
    if result.tally is None:
        msg = "the comparison has no tally; pass a saved run (its folder), not its result.json alone"
        raise ValueError(msg)
    concerned = whom(requirement, policy, result.tally)
    candidate = requirement.at.get("model_version")
    name = None if candidate is None else str(candidate)
    found = paired_changes(result.tally, models, requirement.metric, concerned.features, candidate=name)
    return PairedCase(requirement, policy, result.tally, models, concerned, found)


def _judged(case: PairedCase, today: date) -> Finding:
    concerned, unmet = case.concerned, _unmet(case)
    excused = excuses(case.policy, concerned.features, concerned.expected, today=today)
    judged = tuple(group for group in concerned.expected if group not in unmet)
    others = tuple(group for group in concerned.unexpected if None not in group and group not in unmet)
    could_fail = (*judged, *others)
    rows = _rows(case, could_fail)
    failing = [row for end, row in rows if beyond(row, case.requirement, end)]
    if failing:
        return Finding("FAIL", failing[0], failing[0].reason)
    blocking = [
        f"{group_label(group)}: {why}"
        for group, why in unmet.items()
        if group in concerned.expected and group not in excused.groups
    ]
    if blocking:
        return Finding("INSUFFICIENT", rows[0][1] if rows else None, _joined(_listed(blocking), *excused.expired))
    kept = tuple(group for group in judged if group not in excused.groups)
    return _shown(case, (kept, could_fail), excused, rows if set(kept) == set(could_fail) else _rows(case, kept))


def _shown(
    case: PairedCase,
    groups: tuple[tuple[GroupValues, ...], tuple[GroupValues, ...]],
    excused: Excuses,
    rows: tuple[tuple[End, Measurement], ...],
) -> Finding:
    kept, could_fail = groups
    if not rows:
        few = "every group is excused" if not kept else "no group can be judged"
        return Finding("INSUFFICIENT", reason=_joined(few, *excused.expired))
    for end, row in rows:
        if within(row, case.requirement, end):
            continue
        limit = case.requirement.max if end == "max" else case.requirement.min
        parts = [
            [bounded_changes(case.found, chosen_places(case.found.slices, of), level=case.level)]
            for of in (kept, could_fail)
        ]
        needed = None if limit is None else rows_needed_between(*parts, limit=limit, end=end, level=case.level)
        missed = undecided(row, case.requirement, end, alone=False, needed=needed)
        return missed._replace(reason=_joined(missed.reason or "", *excused.expired))
    left_out = [f"{group_label(group)} (excused: {entry.reason})" for group, entry in excused.groups.items()]
    left_out += [f"{group_label(group)} (not in expect)" for group in case.concerned.unexpected]
    caveat = f"not shown for: {_listed(left_out)}" if left_out else ""
    return Finding("PASS", rows[0][1], _joined(caveat, *excused.expired) or None)


def _rows(case: PairedCase, groups: tuple[GroupValues, ...]) -> tuple[tuple[End, Measurement], ...]:
    """Return the most extreme change among groups at each end that has a limit."""
    if not groups:
        return ()
    against: dict[str, object] = {"kind": "model", "model_version": case.models.baseline.name}
    if case.concerned.features:
        against |= {"features": list(case.concerned.features), "among": [list(group) for group in groups]}
    row = Row(f"{case.requirement.metric}_difference", against=against, level=case.level)
    return tuple((end, paired_extreme(case.found, row, end, among=groups)) for end in ends(case.requirement))


def _unmet(case: PairedCase) -> Mapping[GroupValues, str]:
    """Return the groups that cannot be judged, and why; the denominator is the smaller of the two models'."""
    found, min_n = case.found, case.requirement.min_n or case.policy.min_n
    places = {group: place for place, group in enumerate(found.slices.groups)}
    unmet: dict[GroupValues, str] = {}
    for group in (*case.concerned.expected, *case.concerned.unexpected):
        if group not in places:
            unmet[group] = "no rows"
            continue
        n, value = int(found.n[places[group]]), float(found.value[places[group]])
        why = f"no {found.metric.needs} in slice, under one of the models or both"
        if n < min_n:
            unmet[group] = f"n = {n}, fewer than {min_n}"
        elif value != value:  # noqa: PLR0124 - NaN differs from itself
            unmet[group] = why
    return unmet


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return "; ".join(every[:_LISTED]) + more


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
