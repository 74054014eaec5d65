import json

import pytest

from audit.errors import InputError
from audit.result import Result
from evenhanded.cli import run

ROWS = [(i % 2, ((7 * i) % 20) / 20 + 0.01, "FM"[i % 3 == 0]) for i in range(400)]


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["label,score,sex", *(f"{y},{score},{sex}" for y, score, sex in ROWS)]
    (tmp_path / "scored.csv").write_text("\n".join(lines), encoding="utf-8")
    shared = ["audit", "scored.csv", "--y-true", "label", "--sensitive", "sex", "--out", "runs"]
    assert run([*shared, "--y-score", "score", "--threshold", "0.5"]) == 0
    return tmp_path


def test_it_says_and_writes_what_is_shown(saved, capsys):
    capsys.readouterr()
    assert run(["calibration", "latest", "--json", "c.json", "--csv", "c.csv"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "everyone: All in all" in out
    assert "sex = F: " in out
    assert "written: c.json" in out
    found = Result.from_json((saved / "c.json").read_text(encoding="utf-8"))
    assert sum(row.metric == "observed_rate" for row in found.measurements) == 30
    assert found.find("brier_score").value == pytest.approx(
        sum((score - y) ** 2 for y, score, _ in ROWS) / len(ROWS), abs=1e-9
    )
    assert (saved / "c.csv").read_text(encoding="utf-8").count("observed_rate") == 30


def test_one_feature_may_be_named(saved, capsys):
    assert run(["calibration", "latest", "--sensitive", "sex", "--json", "c.json"]) == 0
    capsys.readouterr()
    rows = json.loads((saved / "c.json").read_text(encoding="utf-8"))["measurements"]
    assert any(row["metric"] == "mean_score" and row["slice"] == {"sex": "M"} for row in rows)


def test_what_is_missing_is_said(saved):
    with pytest.raises(InputError, match="no sensitive feature 'race'; the tally has"):
        run(["calibration", "latest", "--sensitive", "race"])
    with pytest.raises(InputError, match="is no folder; make it first"):
        run(["calibration", "latest", "--json", "nowhere/c.json"])
    with pytest.raises(InputError, match="no saved run"):
        run(["calibration", "elsewhere"])
    lines = ["label,flag,sex", *(f"{y},{y},{sex}" for y, _, sex in ROWS)]
    (saved / "flags.csv").write_text("\n".join(lines), encoding="utf-8")
    assert run(["audit", "flags.csv", "--y-true", "label", "--y-pred", "flag", "--sensitive", "sex", "--out", "r"]) == 0
    with pytest.raises(InputError, match="made without scores; audit it again and name y_score"):
        run(["calibration", "latest", "--runs", "r"])
