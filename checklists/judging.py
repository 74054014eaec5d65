"""The verdict on one requirement, from a tally rolled up anew for the groups and the level that the policy names."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple, TypedDict

from audit.gaps import End, comparisons, extreme, group_label, group_values
from audit.largest import MAX_COMPARED
from audit.measurement import Measurement
from audit.pairs import Compare
from audit.rollup import GroupValues
from audit.tally import Tally
from audit.unknowns.bounded_gaps import bounded_extreme
from checklists.comparisons import Comparison
from checklists.groups import Excuses, Whom, excuses, whom
from checklists.needed import Needed, rows_needed, rows_needed_between
from checklists.policy import Policy
from checklists.requirement import MissingLabels, Requirement
from checklists.verdict import Verdict

_LISTED = 8


class Finding(NamedTuple):
    """A verdict and what it rests on; `compared` counts the rows that could have failed on their own.

    Examples
    --------
    >>> Finding("INSUFFICIENT", reason="no rows")._replace(reason="12 rows, fewer than 30").reason
    '12 rows, fewer than 30'
    """

    verdict: Verdict
    measurement: Measurement | None = None
    reason: str | None = None
    rows_needed: int | None = None
    compared: int = 1


class _Asked(TypedDict):
    """Who is compared with whom."""

    features: tuple[str, ...]
    compare: Compare
    among: tuple[GroupValues, ...] | None
    reference: GroupValues | None
    baseline: Tally | None


class Case(NamedTuple):
    """One requirement before one tally.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from checklists.comparisons import comparison
    >>> import pyarrow as pa
    >>> tally = count(PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p"))
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6, level=0.9)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,), min_n=50)
    >>> case = Case(asked, policy, comparison("accuracy", "value"), tally, baseline=None)
    >>> case.level, case.min_n
    (0.9, 50)
    """

    requirement: Requirement
    policy: Policy
    compared: Comparison
    tally: Tally
    baseline: Tally | None
    missing_labels: MissingLabels = "ignore"

    @property
    def level(self) -> float:
        """Confidence level that decides."""
        return self.requirement.level or self.policy.level

    @property
    def min_n(self) -> int:
        """Smallest denominator that is judged."""
        return self.requirement.min_n or self.policy.min_n


def judge_tally(case: Case, *, today: date) -> Finding:
    """Return the verdict on a requirement.

    FAIL if a comparison between groups with at least `min_n` rows lies wholly beyond a limit, whether or not they are
    expected (a missing value is a group only where it is expected); else INSUFFICIENT if any expected group that is not
    excused is too small, undefined or undecided; else PASS. All comparisons that could fail are counted in their
    Bonferroni bound.

    Raises
    ------
    EvidenceError, ValueError
        If the tally cannot answer.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> from checklists.comparisons import comparison
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1] * 100, "p": [1] * 90 + [0] * 10})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.8)
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    >>> found = judge_tally(Case(asked, policy, comparison("accuracy", "value"), tally, None), today=date(2027, 3, 1))
    >>> found.verdict, round(found.measurement.low, 3)
    ('PASS', 0.826)
    """
    concerned = whom(case.requirement, case.policy, case.tally)
    if concerned.absent:
        return Finding("INVALID", reason=f"expected, and absent from the data: {_listed(concerned.absent)}")
    if case.compared.compare == "baseline" and case.baseline is None:
        return Finding("INSUFFICIENT", reason="there is no earlier run to compare with; pass one with --baseline RUN")
    unmet = _unmet(case, concerned)
    excused = excuses(case.policy, concerned.features, concerned.expected, today=today)
    judged = tuple(group for group in concerned.expected if group not in unmet)
    could_fail = _that_could_fail(concerned, judged, unmet)
    rows = () if concerned.reference in unmet else _rows(case, concerned, could_fail)
    failing = [row for end, row in rows if beyond(row, case.requirement, end)]
    if failing:
        return Finding("FAIL", failing[0], failing[0].reason)
    blocking = {
        group: why
        for group, why in unmet.items()
        if group == concerned.reference or (group in concerned.expected and group not in excused.groups)
    }
    if blocking:
        texts = [f"{group_label(group)}: {why}" for group, why in blocking.items()]
        return Finding("INSUFFICIENT", rows[0][1] if rows else None, _joined(_listed(texts), *excused.expired))
    kept = tuple(group for group in judged if group not in excused.groups)
    shown = rows if set(kept) == set(could_fail) else _rows(case, concerned, kept)
    return _shown(case, concerned, (kept, could_fail), excused, shown)


def beyond(row: Measurement, requirement: Requirement, end: End) -> bool:
    """Return whether a row lies wholly beyond the limit at an end; never without a bound on the side of that limit.

    Examples
    --------
    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="wilson")
    >>> beyond(row, asked, "min"), beyond(row, Requirement(id="accuracy", metric="accuracy", min=0.61), "min")
    (False, True)
    """
    if end == "max":
        return requirement.max is not None and row.low is not None and row.low > requirement.max
    return requirement.min is not None and row.high is not None and row.high < requirement.min


def within(row: Measurement, requirement: Requirement, end: End) -> bool:
    """Return whether a row lies wholly within the limit at an end; a bound equal to the limit does.

    Never where the value is undefined, or there is a limit and no bound on its side.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, low=0.6, high=0.8, n=90, level=0.95, method="wilson")
    >>> [within(row, Requirement(id="accuracy", metric="accuracy", min=limit), "min") for limit in (0.6, 0.61)]
    [True, False]
    """
    if row.value is None:
        return False
    if end == "max":
        return requirement.max is None or (row.high is not None and row.high <= requirement.max)
    return requirement.min is None or (row.low is not None and row.low >= requirement.min)


def ends(requirement: Requirement) -> tuple[End, ...]:
    """Return the ends at which a requirement has a limit.

    Examples
    --------
    >>> ends(Requirement(id="accuracy", metric="accuracy", min=0.6))
    ('min',)
    >>> ends(Requirement(id="accuracy", metric="accuracy", min=0.6, max=0.9))
    ('max', 'min')
    """
    given: dict[End, float | None] = {"max": requirement.max, "min": requirement.min}
    return tuple(end for end, limit in given.items() if limit is not None)


def undecided(
    row: Measurement, requirement: Requirement, end: End, *, alone: bool = True, needed: Needed | None = None
) -> Finding:
    """Return the finding on a row whose interval contains the limit, or has no bound on that side.

    Parameters
    ----------
    row, requirement, end
        What is undecided, and at which end.
    alone
        Whether the row is one number, so that it says itself how many rows would show it.
    needed
        What would show it, where the row is the most extreme of many comparisons.

    Examples
    --------
    Half width .04 and distance .04: 100 rows touch the limit, 205 decide (`rows_needed`).

    >>> asked = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> row = Measurement(metric="accuracy", value=0.64, low=0.6, high=0.68, n=100, level=0.95, method="wilson")
    >>> found = undecided(row, asked, "min")
    >>> found.verdict, found.rows_needed
    ('INSUFFICIENT', 205)
    """
    limit = requirement.max if end == "max" else requirement.min
    if row.value is None or limit is None:
        return Finding("INSUFFICIENT", row, row.reason)
    bound = row.high if end == "max" else row.low
    if bound is None:
        return Finding("INSUFFICIENT", row, f"no bound towards the limit: {row.reason}")
    why = "the interval contains the limit" + (f" ({row.reason})" if row.reason else "")
    if beyond(row, requirement, end):  # a bound over the expected groups; a FAIL counts the others too
        why = f"{row.reason}: beyond the limit alone, but not among all comparisons that could fail"
    own = rows_needed(row, limit=limit, end=end) if alone else None
    if own is not None:
        needed = Needed(own.rows, own.verdict, "", "")
    if needed is None:
        return Finding("INSUFFICIENT", row, why)
    many = needed.between != needed.group
    if_true = "if the estimates were true and all samples grew alike" if many else "if the estimate were true"
    whose = (f" of {needed.group}" if needed.group else "") + (f" ({needed.between})" if many else "")
    more = f"{if_true}, n = {needed.rows:,}{whose} would show {needed.verdict} with 80 % power"
    return Finding("INSUFFICIENT", row, f"{why}; {more}", needed.rows)


def _that_could_fail(
    concerned: Whom, judged: tuple[GroupValues, ...], unmet: Mapping[GroupValues, str]
) -> tuple[GroupValues, ...]:
    """Return the groups with enough rows, expected or not; only expected ones where all are too many for pairs."""
    others = [group for group in concerned.unexpected if None not in group and group not in unmet]
    return judged if len(judged) + len(others) > MAX_COMPARED else (*judged, *others)


def _shown(
    case: Case,
    concerned: Whom,
    groups: tuple[tuple[GroupValues, ...], tuple[GroupValues, ...]],
    excused: Excuses,
    rows: tuple[tuple[End, Measurement], ...],
) -> Finding:
    """Return PASS or INSUFFICIENT: `groups` are those that must be shown to hold, which `rows` are of, and may fail."""
    kept, could_fail = groups
    if not rows:
        few = "every group is excused" if not kept else "a gap needs two groups; fewer can be judged"
        return Finding("INSUFFICIENT", reason=_joined(few, *excused.expired))
    for end, row in rows:
        if not within(row, case.requirement, end):
            needed = _needed(case, concerned, end, kept, could_fail)
            found = undecided(row, case.requirement, end, alone=False, needed=needed)
            return found._replace(reason=_joined(found.reason or "", *excused.expired))
    left_out = [f"{group_label(group)} (excused: {entry.reason})" for group, entry in excused.groups.items()]
    left_out += [f"{group_label(group)} (not in expect)" for group in concerned.unexpected]
    caveat = f"not shown for: {_listed(left_out)}" if left_out else ""
    return Finding("PASS", rows[0][1], _joined(caveat, *excused.expired) or None)


def _needed(
    case: Case, concerned: Whom, end: End, kept: tuple[GroupValues, ...], could_fail: tuple[GroupValues, ...]
) -> Needed | None:
    """Return what would show a verdict at an end; None where nothing would."""
    limit = case.requirement.max if end == "max" else case.requirement.min
    if limit is None:
        return None
    must, may = (
        comparisons(
            case.tally, case.compared.metric, level=case.level, **_asked(case, concerned, _others(concerned, of))
        )
        for of in (kept, could_fail)
    )
    return rows_needed_between(must, may, limit=limit, end=end, level=case.level)


def _others(concerned: Whom, groups: tuple[GroupValues, ...]) -> tuple[GroupValues, ...]:
    return tuple(group for group in groups if group != concerned.reference)


def _rows(case: Case, concerned: Whom, groups: tuple[GroupValues, ...]) -> tuple[tuple[End, Measurement], ...]:
    """Return the most extreme comparison among groups at each end that has a limit; none where there is none."""
    others = _others(concerned, groups)
    if not others or (case.compared.is_gap and concerned.reference is None and len(others) < 2):
        return ()
    asked = _asked(case, concerned, others)
    largest = bounded_extreme if case.missing_labels == "bounds" else extreme
    return tuple(
        (end, largest(case.tally, case.compared.metric, end=end, level=case.level, **asked))
        for end in ends(case.requirement)
    )


def _asked(case: Case, concerned: Whom, others: tuple[GroupValues, ...]) -> _Asked:
    return {
        "features": concerned.features,
        "compare": case.compared.compare,
        "among": others if concerned.features else None,
        "reference": concerned.reference,
        "baseline": case.baseline if case.compared.compare == "baseline" else None,
    }


def _unmet(case: Case, concerned: Whom) -> dict[GroupValues, str]:
    """Return the groups that cannot be judged, and why."""
    groups = [*concerned.expected, *concerned.unexpected]
    if concerned.reference is not None:
        groups.append(concerned.reference)
    sides = {"": case.tally}
    if case.compared.compare == "baseline" and case.baseline is not None:
        sides["in the earlier run "] = case.baseline
    found: dict[GroupValues, str] = {}
    for side, tally in sides.items():
        for metric in case.compared.rests_on:
            plain = _plain(tally, metric, concerned, case.level)
            for group in groups:
                why = _too_little(plain.get(group), case.min_n)
                if why:
                    found.setdefault(group, side + why)
    return found


def _plain(tally: Tally, metric: str, concerned: Whom, level: float) -> Mapping[GroupValues, Measurement]:
    rows = group_values(tally, metric, features=concerned.features, level=level)
    return {tuple(dict(row.slice)[name] for name in concerned.features): row for row in rows}


def _too_little(row: Measurement | None, min_n: int) -> str | None:
    if row is None:
        return "no rows"
    if row.n < min_n:
        return f"n = {row.n}, fewer than {min_n}" + (f" ({row.reason})" if row.value is None else "")
    return row.reason if row.value is None else None


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return "; ".join(every[:_LISTED]) + more


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
