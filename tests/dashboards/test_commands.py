import shlex

from click.testing import CliRunner

from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from dashboards.commands import audit_command
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
