"""``evenhanded audit LOG``: it knows its columns, cites its version, and audits the same bytes again."""

import json

import numpy as np
import pandas as pd
import pytest

import evenhanded as eh
from audit.store import list_runs, load_run
from dashboards.commands import audit_command
from dashboards.report.background import provenance_table

pytest.importorskip("deltalake")

from monitors.log_store import receiving


def frame_of(seed, rows=400):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.4
    return pd.DataFrame(
        {
            "id": [f"{seed}-{row}" for row in range(rows)],
            "at": "2026-01-05T09:00:00Z",
            "y": truth.astype(int),
            "said": np.where(rng.random(rows) < 0.8, truth, ~truth).astype(int),
            "g": rng.choice(["a", "b"], rows),
            "h": rng.choice(["<i>x</i>", "=1+1"], rows),
        }
    )


@pytest.fixture
def folder(call, tmp_path):
    for seed in (1, 2):
        frame_of(seed).to_csv(tmp_path / f"{seed}.csv", index=False)
    columns = ("--id", "id", "--timestamp", "at", "--y-pred", "said", "--y-true", "y", "--sensitive", "g,h")
    call("ingest", "log", "1.csv", *columns, cwd=tmp_path, code=0)
    return tmp_path


def audited(call, folder, *more, name="r.json", code=0):
    done = call("audit", "log", "--json", name, *more, cwd=folder, code=code)
    return done, json.loads((folder / name).read_text())


def test_the_version_is_cited_and_can_be_audited_again_on_the_same_bytes(call, folder):
    done, first = audited(call, folder, "--out", "runs")
    assert "version 1.1 of log; the same bytes again: evenhanded audit log --log-version 1.1" in " ".join(
        done.stdout.split()
    )
    given = first["provenance"]["given"]
    assert (given["log"], given["log_version"]) == ("log", "1.1")
    call("ingest", "log", "2.csv", cwd=folder, code=0)
    _, newest = audited(call, folder, name="s.json")
    assert newest["provenance"]["given"]["log_version"] == "2.2"
    assert newest["measurements"] != first["measurements"]
    _, again = audited(call, folder, "--log-version", "1.1", name="t.json")
    assert again == first
    (entry,) = list_runs(folder / "runs")
    result = load_run(entry.path)
    assert audit_command(result) == "evenhanded audit log --log-version 1.1 --sensitive g,h"
    facts = {row.head: row.cells[0] for row in provenance_table(result).rows}
    assert facts["version of the prediction log"] == "1.1"


def test_an_audit_from_python_cites_its_version_in_the_report_too(folder):
    result = eh.run_audit(eh.LogStore.open(folder / "log").read())
    assert any(row.head == "version of the prediction log" for row in provenance_table(result).rows)


def test_the_numbers_are_those_of_the_file(call, folder):
    _, of_log = audited(call, folder)
    columns = ("--y-true", "y", "--y-pred", "said", "--sensitive", "g,h", "--prediction-id", "id")
    call("audit", "1.csv", *columns, "--json", "f.json", cwd=folder, code=0)
    of_file = json.loads((folder / "f.json").read_text())
    assert of_log["measurements"] == of_file["measurements"]


def test_some_of_the_sensitive_features_may_be_named_in_any_order(call, folder):
    _, some = audited(call, folder, "--sensitive", "h")
    assert {name for row in some["measurements"] for name in row["slice"]} == {"h"}
    _, both = audited(call, folder, name="a.json")
    _, turned = audited(call, folder, "--sensitive", "h,g", name="b.json")
    values = [{json.dumps([row["metric"], row["slice"]], sort_keys=True): row["value"] for row in each["measurements"]
               if row["against"] is None} for each in (both, turned)]  # fmt: skip
    assert values[0] == values[1]


def test_a_policy_a_baseline_and_a_population_go_with_a_log(call, folder):
    (folder / "p.yaml").write_text(
        "schema: evenhanded/policy/1\nrequirements:\n  - {id: right, metric: accuracy, min: 0.5, groups: [g]}\n"
    )
    (folder / "g.csv").write_text("group,share\na,0.5\nb,0.5\n")
    more = ("--policy", "p.yaml", "--population", "g=g.csv", "--bounds", "--sensitive", "g", "--control", "h")
    done, found = audited(call, folder, *more)
    assert "holds" in done.stdout
    assert found["provenance"]["given"]["log_version"] == "1.1"
    assert any(name.startswith("predictions/_delta_log/") for name in found["provenance"]["data"])
    assert "g.csv" in found["provenance"]["data"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("log", "--y-true", "y", "--bin", "g=1,2"), "--bin is for a file, and log knows its own columns"),
        (("log", "--weights", "sampling"), "--weights is for a file"),
        (("log", "--sensitive", "wealth"), "'wealth' is no sensitive feature of log, which has g, h"),
        (("log", "--log-version", "newest"), "expected a version such as '12.7'"),
        (("log", "--log-version", ""), "expected a version such as '12.7'"),
        (("log", "--log-version", "7.1"), "log never had a version 7.1: its newest is 1.1 (predictions 0 to 1,"),
        (("1.csv", "--y-true", "y", "--y-pred", "said", "--sensitive", "g", "--log-version", "1.1"), "1.csv is none"),
        (("1.csv", "--y-true", "y", "--y-pred", "said"), "Missing option '--sensitive'"),
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(call, folder, words, said):
    before = {path.name for path in folder.iterdir()}
    done = call("audit", *words, "--json", "r.json", cwd=folder, code=2)
    assert said in " ".join(done.stderr.split())
    assert {path.name for path in folder.iterdir()} == before


def test_a_version_that_is_gone_is_broken_evidence(call, folder):
    next((folder / "log" / "predictions").glob("**/*.parquet")).unlink()
    assert "missing" in call("audit", "log", "--out", "runs", cwd=folder, code=4).stderr
    assert not (folder / "runs").exists()


def test_a_version_that_was_erased_is_told_as_such(call, folder):
    rows = pd.read_csv(folder / "1.csv")
    call("ingest", "log", "--erase", str(rows["id"].iloc[0]), "--yes", cwd=folder, code=0)
    told = call("audit", "log", "--log-version", "1.1", cwd=folder, code=2).stderr
    assert "version 1.1 of log can no longer be read: erasing or retention removed rows of it" in " ".join(told.split())


def test_a_log_with_a_label_that_cannot_be_read_names_it_and_can_be_mended(call, folder, monkeypatch):
    ids = pd.read_csv(folder / "1.csv")["id"].astype(str)
    store = eh.LogStore.open(folder / "log")
    with monkeypatch.context() as before:
        before.setattr(receiving, "check_labels", lambda *_, **__: None)  # as logs were written without the check
        store.correct(pd.DataFrame({"id": ids[:2], "said": "maybe"}))
        store.append_labels(pd.DataFrame({"id": ids[:1], "y_true": "banana"}), correct=True)
    told = " ".join(call("audit", "log", cwd=folder, code=2).stderr.split())
    assert f"predictions in log: 2 rows hold 'maybe' ('{ids[0]}', '{ids[1]}'); expected 0, 1, true or false" in told
    assert f"true labels in log: 1 row holds 'banana' ('{ids[0]}')" in told
    pd.DataFrame({"id": ids[:2], "said": 1}).to_csv(folder / "mended.csv", index=False)
    pd.DataFrame({"id": ids[:1], "y": 1}).to_csv(folder / "labels.csv", index=False)
    call("ingest", "log", "mended.csv", "--correct", cwd=folder, code=0)
    call("ingest", "log", "labels.csv", "--labels", "--correct", cwd=folder, code=0)
    call("audit", "log", cwd=folder, code=0)
