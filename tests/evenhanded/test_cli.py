"""The command line as its user meets it: real processes, real files, exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenhanded.__main__ import _failed

ROOT = Path(__file__).parents[2]
FIVE = {"demo", "audit", "gate", "report", "dashboard"}


def run(*arguments, cwd, code=None):
    command = [sys.executable, "-m", "evenhanded", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    if code is not None:
        assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def csv(tmp_path):
    """400 rows: women with the condition are missed in half of the cases, men never; false alarms alike."""
    rows = ["outcome,flagged,score,sex"]
    for i in range(100):
        rows += [f"1,{int(i < 50)},{0.9 if i < 50 else 0.2},F", "1,1,0.8,M"]
        rows += [f"0,{int(i < 20)},{0.7 if i < 20 else 0.1},F", f"0,{int(i < 20)},{0.7 if i < 20 else 0.1},M"]
    path = tmp_path / "scored.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def policy(folder, *requirements, **extra):
    document = {"schema": "evenhanded/policy/1", "requirements": list(requirements), **extra}
    path = folder / "policy.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


BASIC = ("--y-true", "outcome", "--y-pred", "flagged", "--sensitive", "sex")
MISSED = {"id": "missed", "metric": "false_negative_rate", "compare": "difference", "groups": ["sex"]}
ACCURATE = {"id": "accurate", "metric": "accuracy", "compare": "value", "min": 0.5}


def test_help_names_the_five_commands_and_all_the_rest(tmp_path):
    short = run("--help", cwd=tmp_path, code=0).stdout
    assert all(f"  {name} " in short for name in FIVE)
    assert "  doctor " not in short
    assert "  doctor " in run("--help", "--all", cwd=tmp_path, code=0).stdout


def test_audit_writes_result_page_and_run(csv, tmp_path):
    done = run("audit", csv, *BASIC, "--json", "r.json", "--html", "r.html", "--out", "runs", cwd=tmp_path, code=0)
    result = json.loads((tmp_path / "r.json").read_text())
    rates = {row["slice"].get("sex"): row for row in result["measurements"] if row["metric"] == "false_negative_rate"}
    assert (rates["F"]["value"], rates["F"]["n"], rates["M"]["value"]) == (0.5, 100, 0.0)
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert "50.0 %" in done.stdout
    assert done.stderr == ""  # no warnings, no chatter of a library
    (saved,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert {path.name for path in saved.iterdir()} == {"result.json", "tally.parquet", "report.html"}


@pytest.mark.parametrize(
    ("requirements", "extra", "code"),
    [
        ([ACCURATE], {}, 0),
        ([MISSED | {"max": 0.1}, ACCURATE], {}, 1),
        ([MISSED | {"max": 0.5}, ACCURATE], {}, 3),
        ([MISSED | {"max": 0.1}, MISSED | {"id": "undecided", "max": 0.5}], {}, 1),
        ([MISSED | {"max": 0.1}], {"expect": {"sex": ["F", "M", "X"]}}, 4),
        ([MISSED | {"max": 0.1}, {"id": "no-such", "metric": "velocity", "max": 1.0}], {}, 4),
    ],
    ids=["holds", "fails", "not shown", "fails before not shown", "absent group is invalid", "invalid before fails"],
)
def test_exit_code_is_the_verdict_by_precedence(csv, tmp_path, requirements, extra, code, call):
    call("audit", csv, *BASIC, "--policy", policy(tmp_path, *requirements, **extra), cwd=tmp_path, code=code)


def test_audit_without_a_policy_is_0_whatever_it_finds(csv, tmp_path, call):
    call("audit", csv, *BASIC, cwd=tmp_path, code=0)


def test_wrong_use_and_wrong_input_are_2_and_write_nothing(csv, tmp_path, call):
    for arguments in (
        ("audit",),
        ("audit", csv, *BASIC, "--no-such-option"),
        ("audit", tmp_path / "absent.csv", *BASIC),
        ("audit", csv, "--y-true", "outcome", "--y-pred", "nope", "--sensitive", "gender"),
        ("audit", csv, *BASIC, "--junit", "j.xml"),
        ("gate", "latest", "--policy", "p.yaml"),
        ("no-such-command",),
    ):
        done = call(*arguments, "--json", "r.json", cwd=tmp_path) if arguments[1:] else call(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "r.json").exists()


def test_one_error_lists_every_missing_column(csv, tmp_path, call):
    done = call(
        "audit", csv, "--y-true", "outcome", "--y-pred", "nope", "--sensitive", "gender,sex", cwd=tmp_path, code=2
    )
    assert "'nope' (y_pred) is missing" in done.stderr
    assert "'gender' (sensitive feature) is missing" in done.stderr


def test_a_policy_with_an_unknown_key_names_file_line_and_key(csv, tmp_path, call):
    path = tmp_path / "policy.yaml"
    path.write_text("schema: evenhanded/policy/1\nrequirements:\n  - {id: a, metric: accuracy, minimum: 0.6}\n")
    done = call("audit", csv, *BASIC, "--policy", path, cwd=tmp_path, code=2)
    assert "policy.yaml" in done.stderr
    assert "policy.yaml:3" in done.stderr
    assert "minimum" in done.stderr


def test_changed_evidence_is_4(csv, tmp_path, call):
    call("audit", csv, *BASIC, "--out", "runs", cwd=tmp_path, code=0)
    (saved,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    table = pq.read_table(saved / "tally.parquet")
    n = pa.array([value + 1 for value in table["n"].to_pylist()], pa.int64())
    pq.write_table(table.set_column(table.schema.get_field_index("n"), "n", n), saved / "tally.parquet")
    done = call("gate", "latest", "--policy", policy(tmp_path, ACCURATE), cwd=tmp_path, code=4)
    assert "was changed" in done.stderr or "digest differs" in done.stderr


def test_an_unexpected_error_is_4_and_never_1(csv, tmp_path):
    breaker = tmp_path / "broken" / "sitecustomize.py"
    breaker.parent.mkdir()
    breaker.write_text(
        "import audit.run\ndef boom(*a, **k):\n    raise ZeroDivisionError('unexpected')\naudit.run.run_audit = boom\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(breaker.parent), os.environ.get("PYTHONPATH", ""), str(ROOT)])
    }
    done = subprocess.run(
        [sys.executable, "-m", "evenhanded", "audit", str(csv), *BASIC],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "unexpected error, not a verdict" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("raised", "code"),
    [("import no_such_wings", 2), ("from audit.run import no_such_name", 4), ("import audit.no_such_module", 4)],
)
def test_what_is_not_installed_is_2_and_what_we_broke_is_4(raised, code):
    with pytest.raises(ImportError) as caught:
        exec(raised)  # noqa: S102 - one of the three lines above
    assert _failed(caught.value) == code


def test_interrupted_is_130(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "evenhanded", "demo", "--out", str(tmp_path / "runs"), "--epochs", "100"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "Traceback" not in errors


def test_options_from_a_file_and_the_command_line_wins(csv, tmp_path, call):
    config = tmp_path / "audit.yaml"
    config.write_text("y-true: outcome\ny-pred: flagged\nsensitive: [sex]\nreference: {sex: M}\nlevel: 0.8\n")
    call("audit", csv, "-c", config, "--level", "0.9", "--json", "r.json", cwd=tmp_path, code=0)
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["provenance"]["given"]["level"] == 0.9
    assert result["provenance"]["given"]["reference"] == {"sex": "M"}
    config.write_text("y-true: outcome\ny-predd: flagged\n")
    assert "unknown option 'y-predd'" in call("audit", csv, "-c", config, cwd=tmp_path, code=2).stderr


def test_scores_thresholds_bins_and_attributes(tmp_path, call):
    (tmp_path / "data.csv").write_text("id,y,decile\n" + "".join(f"{i},{i % 2},{1 + i % 10}\n" for i in range(100)))
    (tmp_path / "people.csv").write_text("id,age\n" + "".join(f"{i},{20 + i % 60}\n" for i in range(100)))
    call(
        "audit", "data.csv", "--y-true", "y", "--y-score", "decile", "--score-max", "10", "--threshold", "0.5",
        "--attributes", "people.csv", "--on", "id", "--sensitive", "age", "--bin", "age=25,45", "--json", "r.json",
        cwd=tmp_path, code=0,
    )  # fmt: skip
    rows = json.loads((tmp_path / "r.json").read_text())["measurements"]
    counts = {row["slice"]["age"]: row["n"] for row in rows if row["metric"] == "count" and row["slice"]}
    assert set(counts) == {"<25", "25-45", ">=45"}
    assert sum(counts.values()) == 100
    assert any(row["metric"] == "roc_auc" for row in rows)


def test_plan_then_policy_then_gate(csv, tmp_path, call):
    call("audit", csv, *BASIC, "--out", "runs", cwd=tmp_path, code=0)
    call("gate", "latest", "--plan", "--write", "policy.yaml", cwd=tmp_path, code=0)
    done = run(
        "gate",
        "latest",
        "--policy",
        "policy.yaml",
        "--json",
        "g.json",
        "--junit",
        "j.xml",
        cwd=tmp_path,
        code=1,
    )
    gate = json.loads((tmp_path / "g.json").read_text())
    failing = [row["id"] for row in gate["rows"] if row["verdict"] == "FAIL"]
    assert failing == ["sex-false-negative-rate-gap"]
    assert "<failure" in (tmp_path / "j.xml").read_text()
    assert "fails" in done.stdout
    undecided = [row["id"] for row in gate["rows"] if row["verdict"] == "INSUFFICIENT"]
    assert set(undecided) >= {"no-worse-false-negative-rate", "no-worse-selection-rate"}
    itself = call("gate", "latest", "--policy", "policy.yaml", "--baseline", "latest", cwd=tmp_path, code=2)
    assert "is the run that is judged" in itself.stderr
    again = call("gate", "latest", "--plan", "--write", "policy.yaml", cwd=tmp_path, code=2)
    assert "exists" in again.stderr


def test_report_of_a_saved_run(csv, tmp_path, call):
    call(
        "audit", csv, *BASIC, "--policy", policy(tmp_path, MISSED | {"max": 0.1}), "--out", "runs", cwd=tmp_path, code=1
    )
    run("report", "latest", "--html", "page.html", cwd=tmp_path, code=0)
    page = (tmp_path / "page.html").read_text()
    assert "missed" in page
    assert "fails" in page


def test_hostile_group_names_reach_no_terminal_and_no_markup(tmp_path):
    names = [
        "<script>alert(1)</script>",
        "=cmd()",
        "![x](http://x)",
        "[red]x[/red]",
        "\x1b[31mred",
        "a\u202eb",
        "x" * 10_000,
    ]
    table = pa.table(
        {"y": [1, 0] * 40 * len(names), "p": [1, 0] * 40 * len(names), "g": [n for n in names for _ in range(80)]}
    )
    pq.write_table(table, tmp_path / "data.parquet")
    done = run(
        "audit", "data.parquet", "--y-true", "y", "--y-pred", "p", "--sensitive", "g", "--json", "r.json",
        "--html", "r.html",
        cwd=tmp_path, code=0,
    )  # fmt: skip
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "<script" not in (tmp_path / "r.html").read_text()
    slices = {row["slice"].get("g") for row in json.loads((tmp_path / "r.json").read_text())["measurements"]}
    assert set(names) <= slices


def test_a_target_that_cannot_be_written_leaves_nothing_behind(csv, tmp_path, call):
    (tmp_path / "file").write_text("not a folder")
    done = call("audit", csv, *BASIC, "--html", "h.html", "--json", "no/j.json", "--out", "file", cwd=tmp_path, code=2)
    assert "file" in done.stderr
    assert "no" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "scored.csv"]


def test_a_dashboard_without_runs_or_on_a_taken_port_is_wrong_use(tmp_path):
    assert "does not exist" in run("dashboard", "--runs", "nope", cwd=tmp_path, code=2).stderr
    (tmp_path / "runs").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("dashboard", "--no-browser", "--port", port, cwd=tmp_path, code=2)
    assert f"port {port}" in done.stderr


def test_doctor_says_what_is_installed(tmp_path):
    done = run("doctor", cwd=tmp_path, code=0)
    assert "duckdb" in done.stdout
    assert "GPU path not yet run on hardware" in done.stdout


def test_a_module_named_audit_that_hides_ours_is_one_clear_error(tmp_path):
    (tmp_path / "audit.py").write_text("x = 1\n")
    done = run("doctor", cwd=tmp_path, code=2)
    assert str(tmp_path / "audit.py") in done.stderr
    assert str(Path("audit") / "__init__.py") in done.stderr
    assert "rename yours" in done.stderr
    assert "Traceback" not in done.stderr


def test_train_then_audit(csv, tmp_path, call):
    run(
        "train", csv, "--target", "outcome", "--features", "score", "--sensitive", "sex", "--epochs", "2",
        "--model", "m",
        "--predictions", "p.parquet", cwd=tmp_path, code=0,
    )  # fmt: skip
    assert (tmp_path / "m" / "config.json").is_file()
    call(
        "audit",
        "p.parquet",
        "--y-true",
        "y_true",
        "--y-pred",
        "y_pred",
        "--y-score",
        "y_score",
        "--sensitive",
        "sex",
        cwd=tmp_path,
        code=0,
    )
