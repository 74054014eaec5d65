import pytest

from audit.errors import EvidenceError
from audit.store import list_runs
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
