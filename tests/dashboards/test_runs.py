import json

import pytest

from audit.errors import EvidenceError
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from audit.store import list_runs, save_run
from dashboards.runs import NOT_JUDGED, entry_verdict, open_gate, open_run, runs_folder


def test_runs_open_with_tally_and_gate(runs, result, gate):
    entries = {entry.path: entry for entry in list_runs(runs_folder())}
    judged, plain = entries[runs["judged"]], entries[runs["plain"]]
    assert open_run(judged) == result
    assert open_run(judged).tally is not None
    assert open_gate(judged)["verdict"] == gate.verdict
    assert (entry_verdict(judged), entry_verdict(plain)) == ("▲ broken evidence", NOT_JUDGED)
    assert open_gate(plain) is None


def test_a_result_that_was_changed_is_broken_evidence(runs):
    entry = next(entry for entry in list_runs(runs_folder()) if entry.path == runs["plain"])
    path = runs["plain"] / "result.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"level": 0.95', '"level": 0.94', 1), encoding="utf-8")
    with pytest.raises(EvidenceError, match="no longer the one that was saved"):
        open_run(entry)


def test_the_folder_is_named_by_the_environment(monkeypatch):
    monkeypatch.delenv("EVENHANDED_RUNS", raising=False)
    assert runs_folder().name == "runs"


def test_runs_of_three_kinds_are_told_apart_by_what_they_were_made_of(tmp_path):
    given = {"columns": {"y_true": "y", "y_score": "risk"}, "payoffs": {"tp": 1.0}}
    made = [
        Provenance(data={"may.csv": "00"}, given={"columns": {"y_true": "y", "y_pred": "flag"}}),
        Provenance(data={"june.csv": "11"}, given=given),
        Provenance(data={"tr.csv": "22", "te.csv": "33"}, given={"lint": {"train": 9, "test": 3}}),
    ]
    for one in made:
        save_run(
            Result(measurements=[Measurement(metric="count", value=3, n=3, method="count")], provenance=one), tmp_path
        )
    found = {(entry.kind, entry.files, entry.model) for entry in list_runs(tmp_path)}
    assert found == {
        ("audit", ("may.csv",), "flag"),
        ("thresholds", ("june.csv",), "risk"),
        ("lint", ("tr.csv", "te.csv"), ""),
    }


def test_a_list_from_before_these_fields_is_read_again(tmp_path):
    path = save_run(Result(measurements=[], provenance=Provenance(data={"may.csv": "00"})), tmp_path)
    index = tmp_path / "index.jsonl"
    record = json.loads(index.read_text(encoding="utf-8"))
    for name in ("kind", "files", "model"):
        del record[name]
    index.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (entry,) = list_runs(tmp_path)
    assert (entry.run_id, entry.files) == (path.name, ("may.csv",))
