import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from dashboards.commands import audit_command, run_command
from evenhanded.cli import run
from evenhanded.commands.audit import command


def frame(path, rows=300):
    lines = ["out come,guess,score,age,sex,person"]
    lines += [f"{i % 2},{i % 3 == 0:d},{i % 11},{20 + i % 50},{'FM'[i % 5 > 2]},{i // 2}" for i in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_command_makes_the_same_tally_again(tmp_path, monkeypatch):
    path = frame(tmp_path / "my data.csv")
    log = PredictionLog.from_file(
        path,
        y_true="out come",
        y_pred="guess",
        y_score="score",
        score_max=10,
        cluster="person",
        sensitive_features=["sex", "age"],
        bins={"age": [30, 50]},
    )
    result = run_audit(log, reference={"sex": "F"}, level=0.9)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(audit_command(result))
    assert words[:3] == ["evenhanded", "audit", "my data.csv"]
    ran = CliRunner().invoke(command, [*words[2:], "--json", "again.json"], standalone_mode=False)
    assert ran.exception is None, ran.output
    again = Result.from_json((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert again.provenance.tally == result.provenance.tally
    assert again.measurements == result.measurements


def test_names_are_quoted_for_the_shell(build):
    line = audit_command(build(["a", "b"], rows=50, feature="$(reboot); `x`"), reference={"$(reboot); `x`": "'; rm"})
    words = shlex.split(line)
    assert "$(reboot); `x`,sex" in words
    assert words[-1] == "$(reboot); `x`='; rm"


SCORED = ("--y-true", "out come", "--y-score", "score", "--score-max", "10", "--bin", "age=30,50")
COSTS = ("--costs", "tp=5,fp=-1.25,fn=-5,tn=0")


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", *SCORED, "--threshold", "0.5", "--sensitive", "sex,age", "--level", "0.9", "--reference", "sex=F"),
        ("thresholds", *SCORED, "--sensitive", "sex,age", *COSTS, "--split", "--seed", "7", "--level", "0.9"),
        ("thresholds", *SCORED, "--sensitive", "sex,age", *COSTS, "--order", "sex=F,M", "--benefits", "tp=2"),
        ("thresholds", *SCORED, "--sensitive", "sex,age", *COSTS, "--held-out", "other.csv"),
        ("slices", *SCORED, "--threshold", "0.5", "--features", "sex,age", "--seed", "4", "--min-support", "0.05"),
        ("slices", *SCORED, "--threshold", "0.5", "--features", "sex,age", "--all-rows", "--max-depth", "2"),
    ],
)
def test_the_printed_command_of_every_kind_of_run_makes_the_same_rows(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame(Path("my data.csv"), rows=600)
    frame(Path("other.csv"), rows=400)
    assert run([arguments[0], "my data.csv", *arguments[1:], "--json", "first.json"]) == 0
    first = Result.from_json(Path("first.json").read_text(encoding="utf-8"))
    words = shlex.split(run_command(first))
    assert words[:2] == ["evenhanded", arguments[0]]
    assert run([*words[1:], "--json", "again.json"]) == 0
    again = Result.from_json(Path("again.json").read_text(encoding="utf-8"))
    assert again.measurements == first.measurements
    assert again.digest() == first.digest()
