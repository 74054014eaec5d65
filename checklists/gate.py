"""The gate: what a policy requires, held against what was measured."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple, get_args

from audit.errors import EvidenceError, InputError
from audit.inference.looks import level_of_look
from audit.measurement import canonical_json
from audit.result import Result
from checklists.answers import answer, in_its_words, refusal
from checklists.comparisons import comparison
from checklists.evidence import broken, made_otherwise
from checklists.gate_result import GateError, GateResult, Judgement
from checklists.judging import Case, Finding, judge_tally
from checklists.paired import judge_paired, paired_results
from checklists.policy import Policy, load_policy
from checklists.requirement import Requirement, Stage
from checklists.stored_labels import unlabelled_rows_of, with_unlabelled
from checklists.stored_rows import judge_rows, matching
from checklists.unlabelled import judge_with_unlabelled
from checklists.verdict import PRECEDENCE

__all__ = ["GateError", "GateResult", "Judgement", "judge"]


class _Evidence(NamedTuple):
    """What is judged and on which day."""

    policy: Policy
    results: tuple[Result, ...]
    baseline: Result | None
    today: date


def judge(
    result: Result | Sequence[Result],
    policy: Policy | str | Path,
    *,
    stage: str | None = None,
    baseline: Result | None = None,
    today: date | None = None,
    look: int | None = None,
) -> GateResult:
    """Hold one or more results against a policy.

    A result with a tally is rolled up anew for the groups and the level of each requirement; one without is judged by
    the rows that it holds. Where several results can answer, the worst verdict counts.

    Parameters
    ----------
    result
        What was measured.
    policy
        A policy, or the path of its YAML file.
    stage
        Stage of a rollout: requirements that name other stages only are left out. None = all are judged.
    baseline
        An earlier result, for requirements that compare with it.
    today
        The day on which entries of `not_auditable` are looked at; None = today, UTC.
    look
        The how-manieth look this is at data that grow (1, 2, ...), where the same policy is judged again and again: the
        k-th look uses 1 - (1 - level) / (k (k + 1)), so that all looks together keep the level
        (`audit.inference.looks.level_of_look`). A retry without new rows is the same look. None = the only look.

    Returns
    -------
    GateResult
        PASS: every comparison lies within its limits, for every expected group. FAIL: one with enough rows lies wholly
        beyond. INSUFFICIENT: something is not shown. INVALID: the evidence is missing or broken, or nothing applies.

    Raises
    ------
    InputError
        If the policy cannot be read, or there is no such stage or look.

    Examples
    --------
    >>> import pandas as pd
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> frame = pd.DataFrame({"label": [1, 1, 0, 0] * 100, "flagged": [1, 0, 0, 0] * 100, "sex": ["F", "M"] * 200})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> accurate = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> even = Requirement(id="even", metric="true_positive_rate", compare="difference", groups=("sex",), max=0.1)
    >>> gate = judge(run_audit(log), Policy(schema="evenhanded/policy/1", requirements=(accurate, even)))
    >>> [judgement.verdict for judgement in gate.judgements], gate.exit_code
    (['PASS', 'FAIL'], 1)
    """
    known = get_args(Stage)
    if stage is not None and stage not in known:
        msg = f"unknown stage {stage!r}; expected one of {', '.join(known)}"
        raise InputError([msg])
    asked_policy = policy if isinstance(policy, Policy) else load_policy(policy)
    evidence = _Evidence(
        asked_policy if look is None else _at_look(asked_policy, look),
        (result,) if isinstance(result, Result) else tuple(result),
        baseline,
        today or datetime.now(UTC).date(),
    )
    asked = [
        needed
        for needed in evidence.policy.requirements
        if stage is None or not needed.stages or stage in needed.stages
    ]
    fault = broken(evidence.policy, evidence.results, evidence.baseline)
    findings = [Finding("INVALID", reason=fault) if fault else _finding(needed, evidence) for needed in asked]
    return GateResult(
        judgements=tuple(_judgement(needed, found) for needed, found in zip(asked, findings, strict=True)),
        policy=asked_policy,
        result=_digest(evidence.results),
        stage=stage,
        look=look,
        false_fail_level=_false_fail_level(asked, findings, evidence.policy),
    )


def _at_look(policy: Policy, look: int) -> Policy:
    """Return a policy whose levels are those of the k-th look at growing data."""

    def level(own: float) -> float:
        return level_of_look(look, alpha=1 - own)

    requirements = tuple(
        needed if needed.level is None else replace(needed, level=level(needed.level)) for needed in policy.requirements
    )
    return replace(policy, level=level(policy.level), requirements=requirements)


def _finding(needed: Requirement, evidence: _Evidence) -> Finding:
    """Return the worst finding among the results that can answer; what goes wrong on the way is INVALID."""
    try:
        found = [_judged(needed, result, evidence) for result in _answering(needed, evidence.results)]
    except EvidenceError as error:  # says itself what is missing
        return Finding("INVALID", reason=str(error))
    except (ValueError, LookupError, ArithmeticError, TypeError) as error:
        return Finding("INVALID", reason=f"error while judging: {error}")
    worst = min(found, key=lambda finding: PRECEDENCE.index(finding.verdict))
    return worst._replace(compared=sum(finding.compared for finding in found))


def _answering(needed: Requirement, results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Return the results that can answer; the first where none can, so that it says what is missing."""
    if paired := paired_results(needed, results):
        return paired
    features = set(needed.groups) | set(needed.slice)
    able = [
        result
        for result in results
        if ((found := answer(needed, result, None)) is not None and features <= set(found.tally.features))
        or (found is None and matching(needed, result))
    ]
    return tuple(able) or results[:1]


def _judged(needed: Requirement, result: Result, evidence: _Evidence) -> Finding:
    if paired_results(needed, [result]):
        found_in_pairs = judge_paired(needed, evidence.policy, result, today=evidence.today)
        return with_unlabelled(found_in_pairs, needed, evidence.policy, unlabelled_rows_of(needed, result))
    compared, then = comparison(needed.metric, needed.compare), evidence.baseline
    differs = then is not None and compared is not None and compared.compare == "baseline"
    found = answer(needed, result, None)
    if found is None:
        return _from_rows(needed, result, evidence)
    differing = made_otherwise(result, then) if then is not None and differs else None
    if differing:
        return Finding("INVALID", reason=differing)
    found = answer(needed, result, then if differs else None) or found
    case = Case(needed, evidence.policy, found.compared, found.tally, found.baseline)
    if not found.over_labels:
        return in_its_words(judge_with_unlabelled(case, today=evidence.today), needed, found)
    missing = found.tally.cells["y_true"].null_count
    if missing and (needed.missing_labels or evidence.policy.missing_labels) == "bounds":
        why = f"some rows have no true label, and {needed.metric} has no bounds for them"
        return Finding("INSUFFICIENT", reason=f"{why}; missing_labels: ignore leaves them out")
    judged = in_its_words(judge_tally(case, today=evidence.today), needed, found)
    return with_unlabelled(judged, needed, evidence.policy, unlabelled_rows_of(needed, result))


def _from_rows(needed: Requirement, result: Result, evidence: _Evidence) -> Finding:
    why = None if result.tally is None or matching(needed, result) else refusal(needed, result.tally)
    if why is not None:
        return Finding("INVALID", reason=why)
    found = judge_rows(needed, evidence.policy, result, today=evidence.today)
    for each in (result, evidence.baseline if needed.compare == "baseline" else None):
        if each is not None:
            found = with_unlabelled(found, needed, evidence.policy, unlabelled_rows_of(needed, each))
    return found


def _judgement(needed: Requirement, found: Finding) -> Judgement:
    return Judgement(
        requirement=needed,
        verdict=found.verdict,
        measurement=found.measurement,
        reason=found.reason,
        rows_needed=found.rows_needed,
    )


def _digest(results: tuple[Result, ...]) -> str | None:
    digests = [result.digest() for result in results]
    if len(digests) > 1:
        return hashlib.sha256(canonical_json(digests).encode()).hexdigest()
    return digests[0] if digests else None


def _false_fail_level(asked: Sequence[Requirement], findings: Sequence[Finding], policy: Policy) -> float:
    errors = [
        (1 - (needed.level or policy.level)) * found.compared for needed, found in zip(asked, findings, strict=True)
    ]
    return round(min(sum(errors), 1.0), 12)
