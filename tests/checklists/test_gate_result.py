"""What a gate decided, as an exception, as JSON and as a table."""

import json
from typing import Any

import pytest

from checklists.gate import GateError, GateResult, judge
from checklists.policy import Policy
from checklists.requirement import Requirement

GAP: dict[str, Any] = {"metric": "false_negative_rate", "compare": "difference", "groups": ("race",), "max": 0.1}
EVEN = {"a": (800, 200, 200, 800), "b": (800, 200, 200, 800)}


def policy(*requirements: dict[str, Any], level: float = 0.95) -> Policy:
    needed = tuple(Requirement(**{"id": f"r{place}", **one}) for place, one in enumerate(requirements))
    return Policy(schema="evenhanded/policy/1", requirements=needed, level=level)


def whole_gate(result_of: Any) -> GateResult:
    data = result_of({**EVEN, "c": (500, 0, 500, 0)})
    few = {**GAP, "min_n": 5000}
    return judge(data, policy(GAP, {"metric": "accuracy", "min": 0.5}, few, level=0.9), stage="general")


def test_require_lists_what_does_not_hold_the_worst_first(result_of: Any) -> None:
    with pytest.raises(GateError) as error:
        whole_gate(result_of).require()
    head, first, second = str(error.value).splitlines()
    assert head == "the gate says FAIL (fails): 2 of 3 do not hold"
    assert first.startswith("  r0 fails: false_negative_rate_difference 0.3 [")
    assert second.startswith("  r2 not shown: nothing measured; limit at most 0.1; a: n = 1000, fewer than 5000")


def test_the_json_holds_what_the_schema_names(result_of: Any) -> None:
    gate = whole_gate(result_of)
    record = json.loads(gate.to_json())
    assert list(record) == [
        "schema", "verdict", "exit_code", "policy", "result", "stage", "look", "level", "false_fail_level",
        "min_cell", "rows", "not_auditable",
    ]  # fmt: skip
    assert (record["schema"], record["verdict"], record["exit_code"]) == ("evenhanded/gate/1", "FAIL", 1)
    assert record["policy"] == {"path": None, "digest": gate.policy.digest()}
    assert record["false_fail_level"] == pytest.approx(0.3)
    row = record["rows"][0]
    assert list(row) == ["id", "verdict", "asked", "limit", "measurement", "reason", "rows_needed", "line"]
    assert row["asked"] == {"metric": "false_negative_rate", "compare": "difference"}
    assert row["limit"] == {"min": None, "max": 0.1}
    assert row["measurement"]["value"] == pytest.approx(0.3)
    assert gate.to_json() == whole_gate(result_of).to_json()


def test_the_table_escapes_what_cannot_be_seen(result_of: Any) -> None:
    hostile = "x\n\x1b[31m\u202e"
    rows = judge(result_of({**EVEN, hostile: (5, 0, 5, 0)}), policy(GAP)).table()
    assert rows[0]["verdict"] == "INSUFFICIENT (not shown)"
    assert rows[0]["reason"] == "x\\n\\x1b[31m\\u202e: n = 10, fewer than 30"
