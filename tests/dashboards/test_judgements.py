import json

import pytest

from audit.errors import EvidenceError
from dashboards.judgements import judged_gate, read_gate, verdict_counts


def test_what_fails_comes_first(gate):
    judged = judged_gate(read_gate(gate.to_json()), min_cell=10)
    assert [row.verdict for row in judged.rows] == ["FAIL", "INVALID", "INSUFFICIENT", "PASS"]
    assert [row.id for row in judged.rows] == ["fpr-gap", "calibration", "accuracy-high", "accuracy"]
    assert judged.verdict == gate.verdict == "INVALID"
    assert verdict_counts(judged) == "1 fails, 1 has broken evidence, 1 not shown, 1 holds"


def test_rows_carry_the_numbers_of_the_record(gate):
    record = json.loads(gate.to_json())
    judged = {row.id: row for row in judged_gate(record, min_cell=0).rows}
    found = next(row["measurement"] for row in record["rows"] if row["id"] == "fpr-gap")
    assert judged["fpr-gap"].measured.value == f"{100 * found['value']:.1f} points"
    assert judged["fpr-gap"].measured.n == f"{found['n']:,}"
    assert judged["fpr-gap"].limit == "at most 1 point"
    assert judged["calibration"].measured is None
    assert "expected_calibration_error" in judged["calibration"].reason


def test_small_numbers_are_hidden_but_verdicts_are_not(gate):
    judged = judged_gate(read_gate(gate.to_json()), min_cell=100_000)
    assert {row.measured.value for row in judged.rows if row.measured} == {"hidden (n < 100000)"}
    assert [row.verdict for row in judged.rows] == ["FAIL", "INVALID", "INSUFFICIENT", "PASS"]
    assert all(not row.reason for row in judged.rows if row.measured)


def test_not_auditable_names_reason_owner_and_end():
    entry = {"slice": {"race": None}, "reason": "23 negatives", "owner": "risk", "expires": "2027-03-01"}
    record = {"verdict": "PASS", "rows": [], "not_auditable": [entry]}
    judged = judged_gate(record, min_cell=10)
    assert judged.not_auditable == ("race = (missing): 23 negatives (owner: risk; until 2027-03-01)",)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"schema": "evenhanded/gate/2"}', '{"schema": 3}'])
def test_a_broken_file_is_broken_evidence(text):
    with pytest.raises(EvidenceError, match="run the gate again"):
        read_gate(text)


@pytest.mark.parametrize(
    "change", [{"verdict": "OK"}, {"rows": [{}]}, {"rows": None}, {"not_auditable": [{"slice": {}}]}]
)
def test_a_malformed_record_is_broken_evidence(gate, change):
    with pytest.raises(EvidenceError, match="run the gate again"):
        judged_gate(json.loads(gate.to_json()) | change, min_cell=10)
