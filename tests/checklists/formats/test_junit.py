"""JUnit XML: read back by a parser that knows nothing of gates."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from audit.measurement import Measurement
from checklists.formats.junit import junit
from checklists.gate_result import GateResult, Judgement
from checklists.policy import Policy, load_policy
from checklists.requirement import Requirement
from checklists.verdict import Verdict

ROW = Measurement(
    metric="accuracy", value=0.55, low=0.5, high=0.59, n=1795, level=0.95, method="wilson", reason="a caveat"
)


def gate(*verdicts: Verdict, reason: str | None = "why") -> GateResult:
    needed = [Requirement(id=f"r{place}", metric="accuracy", min=0.6, max=0.9) for place in range(len(verdicts))]
    judged = tuple(
        Judgement(requirement=one, verdict=verdict, measurement=ROW, reason=reason, rows_needed=12)
        for one, verdict in zip(needed, verdicts, strict=True)
    )
    policy = Policy(
        schema="evenhanded/policy/1", requirements=tuple(needed) or (Requirement(id="x", metric="f1", min=0.1),)
    )
    return GateResult(judgements=judged, policy=policy, result="ab12", stage="expand", false_fail_level=0.05)


def suite(text: str) -> ET.Element:
    (found,) = ET.fromstring(text)  # noqa: S314 - our own output
    return found


def test_one_case_per_requirement_and_nothing_unshown_passes_or_is_skipped() -> None:
    found = suite(junit(gate("PASS", "FAIL", "INSUFFICIENT", "INVALID")))
    assert {name: found.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "2", "errors": "1", "skipped": "0",
    }  # fmt: skip
    cases = found.findall("testcase")
    assert [case.attrib["name"] for case in cases] == ["r0", "r1", "r2", "r3"]
    outcomes = [[(child.tag, child.attrib["type"]) for child in case if "type" in child.attrib] for case in cases]
    assert outcomes == [[], [("failure", "FAIL")], [("failure", "INSUFFICIENT")], [("error", "INVALID")]]
    assert not found.findall(".//skipped")
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "fails: why"
    assert (failure.text or "").startswith(
        "r1 fails: accuracy 0.55 [0.5, 0.59] at level 0.95, n = 1795; limit at least"
    )


def test_properties_carry_the_number_and_what_it_is_held_against() -> None:
    case = suite(junit(gate("FAIL"))).find("testcase")
    assert case is not None
    properties = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
    assert properties == {
        "verdict": "FAIL", "min": "0.6", "max": "0.9", "rows_needed": "12", "metric": "accuracy", "value": "0.55",
        "low": "0.5", "high": "0.59", "n": "1795", "level": "0.95", "method": "wilson",
    }  # fmt: skip


def test_a_gate_without_requirements_is_an_error() -> None:
    found = suite(junit(gate()))
    assert (found.attrib["tests"], found.attrib["errors"]) == ("1", "1")
    assert found.find("testcase/error") is not None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<b>&\"']]>", "<b>&\"']]>"),
        ("a\x00b\x1b[31m\x0b", "a\\x00b\\x1b[31m\\x0b"),
        ("line\nbreak\r\n", "line\\nbreak\\r\\n"),
        ("\u202ereversed\ufffe\ud800", "\\u202ereversed\\ufffe\\ud800"),
        ("Île 日本 😀", "Île 日本 😀"),
    ],
)
def test_names_of_groups_can_neither_break_nor_deceive(name: str, shown: str) -> None:
    text = junit(gate("FAIL", reason=f"between {name} and b"))
    text.encode("utf-8")
    failure = suite(text).find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == f"fails: between {shown} and b"
    passed = suite(junit(gate("PASS", reason=name))).find("testcase/system-out")
    assert passed is not None
    assert passed.text == shown


def test_file_and_line_of_the_requirement_are_named(tmp_path: Any) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("schema: evenhanded/policy/1\nrequirements:\n  - {id: r0, metric: accuracy, min: 0.6}\n")
    policy = load_policy(path)
    judged = Judgement(requirement=policy.requirements[0], verdict="PASS")
    text = junit(GateResult(judgements=(judged,), policy=policy, result=None, false_fail_level=0.05))
    case = suite(text).find("testcase")
    assert case is not None
    assert (case.attrib["file"], case.attrib["line"]) == (str(path), "3")
    assert text == junit(GateResult(judgements=(judged,), policy=policy, result=None, false_fail_level=0.05))
