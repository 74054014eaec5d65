"""The command that compares models: what it prints, writes, judges and refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.result import Result
from evenhanded.cli import run

POLICY = """
schema: evenhanded/policy/1
requirements:
  - {id: no-worse, metric: false_negative_rate, compare: baseline, groups: [sex], max: LIMIT}
"""


@pytest.fixture
def scored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    y = rng.random(3000) < 0.4
    old = rng.random(3000) < 0.2 + 0.5 * y
    sex = np.where(rng.random(3000) < 0.5, "F", "M")
    new = old & ~((sex == "F") & (rng.random(3000) < 0.2))
    frame = pd.DataFrame({"id": range(3000), "y": y, "old": old, "new": new, "sex": sex})
    frame.to_csv("scored.csv", index=False)
    frame[["id", "y", "new", "sex"]].rename(columns={"new": "flag"}).to_csv("v2.csv", index=False)
    frame[["id", "old"]].rename(columns={"old": "flag"}).iloc[:-7].to_csv("v1.csv", index=False)
    return tmp_path


ASKED = ["compare", "scored.csv", "--y-true", "y", "--baseline", "old", "--candidate", "new", "--sensitive", "sex"]


def test_who_got_worse_leads(scored, capsys):
    assert run(ASKED) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "With new instead of old"
    assert lines[2].startswith("✕ worse")
    assert "sex = F" in lines[2]
    assert any("became right" in line for line in lines)


def test_files_and_a_saved_run(scored, capsys):
    assert run([*ASKED, "--json", "r.json", "--html", "r.html", "--out", "runs"]) == 0
    result = Result.from_json((scored / "r.json").read_text())
    assert any(row.metric == "false_negative_rate_difference" for row in result.measurements)
    assert list(result.provenance.data) == ["scored.csv"]
    assert "got worse for sure" in (scored / "r.html").read_text()
    capsys.readouterr()
    (scored / "p.yaml").write_text(POLICY.replace("LIMIT", "0.5"))
    assert run(["gate", "latest", "--policy", "p.yaml"]) == 0
    (scored / "p.yaml").write_text(POLICY.replace("LIMIT", "0.01"))
    assert run(["gate", "latest", "--policy", "p.yaml"]) == 1


@pytest.mark.parametrize(("limit", "code"), [("0.5", 0), ("0.01", 1), ("0.14", 3)])
def test_the_exit_code_is_the_verdict(scored, limit, code):
    (scored / "p.yaml").write_text(POLICY.replace("LIMIT", limit))
    assert run([*ASKED, "--policy", "p.yaml", "--junit", "j.xml"]) == code
    assert "no-worse" in (scored / "j.xml").read_text()


def test_two_files(scored, capsys):
    asked = ["compare", "v2.csv", "v1.csv", "--on", "id", "--y-true", "y", "--baseline", "flag", "--candidate", "flag"]
    assert run([*asked, "--sensitive", "sex", "--json", "r.json"]) == 0
    out = capsys.readouterr().out
    assert "With v2 instead of v1" in out
    assert "left out: 7 rows of the candidate's file" in out
    assert sorted(json.loads((scored / "r.json").read_text())["provenance"]["data"]) == ["v1.csv", "v2.csv"]


def test_what_is_refused(scored):
    with pytest.raises(InputError, match="column 'nobody'"):
        run([*ASKED[:-1], "nobody"])
    with pytest.raises(InputError, match="--junit writes verdicts"):
        run([*ASKED, "--junit", "j.xml"])
    with pytest.raises(InputError, match="on joins two tables"):
        run([*ASKED, "--on", "id"])
    assert run(ASKED[:4]) == 2
