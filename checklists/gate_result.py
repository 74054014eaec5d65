"""What a gate decided: one judgement per requirement, and what they come to."""

import json
from dataclasses import dataclass
from typing import Any

from audit.inference.looks import level_of_look
from audit.measurement import Measurement
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.verdict import EXIT_CODES, PRECEDENCE, WORDS, Verdict, overall
from checklists.wording import interval, legible, limits, measured, number

SCHEMA = "evenhanded/gate/1"


class GateError(RuntimeError):
    """A gate that did not pass; the text lists every row that does not hold.

    Examples
    --------
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> missed = Judgement(requirement=needed, verdict="INSUFFICIENT", reason="12 rows, fewer than 30")
    >>> policy = Policy(schema="evenhanded/policy/1", requirements=(needed,))
    >>> GateResult(judgements=(missed,), policy=policy, result="ab12", false_fail_level=0.05).require()
    Traceback (most recent call last):
    checklists.gate_result.GateError: the gate says INSUFFICIENT (not shown): 1 of 1 do not hold
      accuracy not shown: nothing measured; limit at least 0.6; 12 rows, fewer than 30
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one requirement and what it rests on.

    Parameters
    ----------
    requirement
        What had to hold.
    verdict
        PASS, FAIL, INSUFFICIENT or INVALID.
    measurement
        The number that decided: the worst one. None where nothing could be measured.
    reason
        Why it is no PASS, or what a PASS does not speak of; in plain words.
    rows_needed
        How large the denominator n of the group that `reason` names must become for 80 % power if the estimates were
        true and all samples grew alike; None where nothing is undecided, or where an estimate equals the limit.

    Examples
    --------
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> row = Measurement(metric="accuracy", value=0.5, low=0.4, high=0.59, n=90, level=0.95, method="wilson")
    >>> Judgement(requirement=needed, verdict="FAIL", measurement=row).sentence()
    'accuracy fails: accuracy 0.5 [0.4, 0.59] at level 0.95, n = 90; limit at least 0.6'
    """

    requirement: Requirement
    verdict: Verdict
    measurement: Measurement | None = None
    reason: str | None = None
    rows_needed: int | None = None

    def sentence(self) -> str:
        """Return the judgement as one line of plain words."""
        limit = limits(self.requirement)
        text = f"{self.requirement.id} {WORDS[self.verdict]}: {measured(self.measurement)}; limit {limit}"
        return legible(f"{text}; {self.reason}" if self.reason else text)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The judgements of one policy on one or more results.

    Parameters
    ----------
    judgements
        One per requirement that applies, in the order of the policy.
    policy
        What was asked.
    result
        Digest of the result that was judged; of the list of digests where there were several.
    stage
        The stage of a rollout that was asked for.
    false_fail_level
        Upper bound on the chance that some requirement fails although all hold: the sum over what was compared of
        (1 - level).
    look
        Which look at growing data it was; None where it was the only one.

    Examples
    --------
    >>> from checklists.requirement import Requirement
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> gate = GateResult(
    ...     judgements=(Judgement(requirement=needed, verdict="INSUFFICIENT", reason="12 rows, fewer than 30"),),
    ...     policy=Policy(schema="evenhanded/policy/1", requirements=(needed,)), result="ab12", false_fail_level=0.05)
    >>> gate.verdict, gate.exit_code
    ('INSUFFICIENT', 3)
    """

    judgements: tuple[Judgement, ...]
    policy: Policy
    result: str | None
    stage: str | None = None
    false_fail_level: float
    look: int | None = None

    @property
    def verdict(self) -> Verdict:
        """What the judgements come to; INVALID where there are none."""
        return overall(judgement.verdict for judgement in self.judgements)

    @property
    def level(self) -> float:
        """Confidence level of the requirements that name none of their own, at this look."""
        level = self.policy.level
        return level if self.look is None else level_of_look(self.look, alpha=1 - level)

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 FAIL, 3 INSUFFICIENT, 4 INVALID."""
        return EXIT_CODES[self.verdict]

    def require(self) -> None:
        """Do nothing where every requirement holds.

        Raises
        ------
        GateError
            If the verdict is anything but PASS; the text lists each row that does not hold, the worst first.
        """
        if self.verdict == "PASS":
            return
        missed = [judgement for judgement in self.judgements if judgement.verdict != "PASS"]
        missed.sort(key=lambda judgement: PRECEDENCE.index(judgement.verdict))
        head = (
            f"the gate says {self.verdict} ({WORDS[self.verdict]}): {len(missed)} of {len(self.judgements)} do not hold"
        )
        if not self.judgements:
            head = (
                f"the gate says {self.verdict} ({WORDS[self.verdict]}): no requirement applies to stage {self.stage!r}"
            )
        raise GateError("\n".join([head, *(f"  {self._where(row)}{row.sentence()}" for row in missed)]))

    def table(self) -> tuple[dict[str, str], ...]:
        """Return one row of texts per requirement, for printing; what cannot be seen in a name is escaped."""
        return tuple(
            {
                "requirement": row.requirement.id,
                "verdict": f"{row.verdict} ({WORDS[row.verdict]})",
                "value": number(row.measurement.value if row.measurement else None),
                "interval": interval(row.measurement) if row.measurement else "–",
                "n": str(row.measurement.n) if row.measurement else "–",
                "limit": limits(row.requirement),
                "reason": legible(row.reason or ""),
            }
            for row in self.judgements
        )

    def to_json(self) -> str:
        """Return the gate as strict JSON of schema ``evenhanded/gate/1``; equal gates give equal text."""
        path = None if self.policy.source is None else self.policy.source.path
        record = {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "policy": {"path": path, "digest": self.policy.digest()},
            "result": self.result,
            "stage": self.stage,
            "look": self.look,
            "level": self.level,
            "false_fail_level": self.false_fail_level,
            "min_cell": self.policy.min_cell,
            "rows": [self._row(judgement) for judgement in self.judgements],
            "not_auditable": [entry.to_json() for entry in self.policy.not_auditable],
        }
        return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def _row(self, judgement: Judgement) -> dict[str, Any]:
        needed, found = judgement.requirement, judgement.measurement
        return {
            "id": needed.id,
            "verdict": judgement.verdict,
            "asked": {"metric": needed.metric, "compare": needed.compare},
            "limit": {"min": needed.min, "max": needed.max},
            "measurement": None if found is None else found.to_json(),
            "reason": judgement.reason,
            "rows_needed": judgement.rows_needed,
            "line": self.policy.line(needed.id),
        }

    def _where(self, judgement: Judgement) -> str:
        line = self.policy.line(judgement.requirement.id)
        return "" if line is None or self.policy.source is None else f"{self.policy.source.path}:{line}: "
