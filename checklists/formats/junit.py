"""JUnit XML of a gate: one test case per requirement, so that any CI server shows what held and what did not."""

from xml.etree import ElementTree as ET

from checklists.gate_result import GateResult, Judgement
from checklists.verdict import WORDS
from checklists.wording import legible


def junit(gate: GateResult) -> str:
    r"""Return a gate as JUnit XML.

    PASS is a test that passes. FAIL and INSUFFICIENT are failures of that type: what was not shown never counts as
    skipped or passed. INVALID is an error. A gate without requirements is one error. Value, bounds, n, limits and level
    are properties of each test case.

    Parameters
    ----------
    gate
        What was decided.

    Examples
    --------
    >>> from checklists.policy import Policy
    >>> from checklists.requirement import Requirement
    >>> needed = Requirement(id="accuracy", metric="accuracy", min=0.6)
    >>> gate = GateResult(
    ...     judgements=(Judgement(requirement=needed, verdict="INSUFFICIENT", reason="12 rows, fewer than 30"),),
    ...     policy=Policy(schema="evenhanded/policy/1", requirements=(needed,)), result="ab12", false_fail_level=0.05)
    >>> '<failure type="INSUFFICIENT"' in junit(gate)
    True
    """
    verdicts = [judgement.verdict for judgement in gate.judgements]
    counts = {
        "tests": max(len(verdicts), 1),
        "failures": sum(verdict in {"FAIL", "INSUFFICIENT"} for verdict in verdicts),
        "errors": verdicts.count("INVALID") if verdicts else 1,
        "skipped": 0,
    }
    shown = {name: str(count) for name, count in counts.items()}
    suites = ET.Element("testsuites", {"name": "evenhanded gate", **shown})
    suite = ET.SubElement(suites, "testsuite", {"name": _suite_name(gate), **shown})
    _properties(suite, {"verdict": gate.verdict, "policy": gate.policy.digest(), "result": gate.result or ""})
    for judgement in gate.judgements:
        _case(suite, judgement, gate)
    if not verdicts:
        case = ET.SubElement(suite, "testcase", {"classname": "evenhanded.gate", "name": "requirements"})
        ET.SubElement(case, "error", {"type": "INVALID", "message": "no requirement applies"})
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _suite_name(gate: GateResult) -> str:
    path = "policy" if gate.policy.source is None else gate.policy.source.path
    return legible(path if gate.stage is None else f"{path}, stage {gate.stage}")


def _case(suite: ET.Element, judgement: Judgement, gate: GateResult) -> None:
    needed, found = judgement.requirement, judgement.measurement
    attributes = {"classname": "evenhanded.gate", "name": needed.id}
    line = gate.policy.line(needed.id)
    if gate.policy.source is not None and line is not None:
        attributes |= {"file": legible(gate.policy.source.path), "line": str(line)}
    case = ET.SubElement(suite, "testcase", attributes)
    facts: dict[str, object] = {"verdict": judgement.verdict, "min": needed.min, "max": needed.max}
    facts["rows_needed"] = judgement.rows_needed
    if found is not None:
        facts |= {"metric": found.metric, "value": found.value, "low": found.low, "high": found.high, "n": found.n}
        facts |= {"level": found.level, "method": found.method}
    _properties(case, facts)
    if judgement.verdict != "PASS":
        kind = "error" if judgement.verdict == "INVALID" else "failure"
        message = f"{WORDS[judgement.verdict]}: {judgement.reason or 'the limit is missed'}"
        element = ET.SubElement(case, kind, {"type": judgement.verdict, "message": legible(message)})
        element.text = judgement.sentence()
    elif judgement.reason:
        ET.SubElement(case, "system-out").text = legible(judgement.reason)


def _properties(parent: ET.Element, facts: dict[str, object]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        if value is not None:
            ET.SubElement(properties, "property", {"name": name, "value": legible(str(value))})
