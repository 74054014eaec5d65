"""What a person reads in a terminal."""

from datetime import date
from io import StringIO

from rich.console import Console

from audit.measurement import Measurement
from checklists.gate_result import GateResult, Judgement
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement
from evenhanded.printing import print_gate


def printed(gate: GateResult) -> list[str]:
    text = StringIO()
    print_gate(gate, out=Console(file=text, width=200, markup=False, highlight=False, emoji=False))
    return text.getvalue().splitlines()


def gate() -> GateResult:
    needed = tuple(Requirement(id=name, metric="accuracy", min=0.6) for name in ("first", "second"))
    entry = NotAuditable(
        slice={"race": "Asian\x1b[31m"}, reason="23 negatives", owner="R. Sato", expires=date(2027, 3, 1)
    )
    row = Measurement(metric="accuracy", value=0.7, low=0.65, high=0.75, n=400, level=0.95, method="wilson")
    judgements = (
        Judgement(
            requirement=needed[0], verdict="PASS", measurement=row, reason="not shown for: Other (not in expect)"
        ),
        Judgement(requirement=needed[1], verdict="FAIL", measurement=row, reason="between a and b"),
    )
    policy = Policy(schema="evenhanded/policy/1", requirements=needed, not_auditable=(entry,))
    return GateResult(judgements=judgements, policy=policy, result="ab", false_fail_level=0.05)


def test_what_cannot_be_audited_stands_first_with_who_answers_for_it() -> None:
    first = printed(gate())[0]
    for text in ("not auditable", "race=Asian", "23 negatives", "R. Sato", "2027-03-01"):
        assert text in first
    assert "\x1b" not in first


def test_a_pass_says_of_whom_it_does_not_speak() -> None:
    lines = printed(gate())
    assert "- first: not shown for: Other (not in expect)" in lines
    assert "- second: between a and b" in lines
    assert lines[-1].startswith("Verdict: FAIL")


def test_a_ratio_without_an_upper_limit_is_printed() -> None:
    needed = Requirement(id="r", metric="selection_rate", compare="ratio", groups=("g",), max=1.25)
    row = Measurement(
        metric="selection_rate_ratio", value=None, low=30.0, n=400, level=0.95, method="koopman", reason="divided by 0"
    )
    judged = Judgement(requirement=needed, verdict="FAIL", measurement=row, reason=row.reason)
    policy = Policy(schema="evenhanded/policy/1", requirements=(needed,))
    lines = printed(GateResult(judgements=(judged,), policy=policy, result="ab", false_fail_level=0.05))
    assert any("undefined" in line and "fails" in line for line in lines)
    assert "selection_rate_ratio undefined [30, –] at level 0.95, n = 400" in judged.sentence()
