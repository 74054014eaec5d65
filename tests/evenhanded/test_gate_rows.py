"""A row of the gate says whose value and whose n it shows, and whom its gap does not count."""

import json

import pandas as pd
import pytest

SIZES = {"A": 400, "B": 300, "C": 32, "D": 18}
AUDIT = ("audit", "scored.csv", "--y-true", "true", "--y-pred", "said", "--sensitive", "race")


@pytest.fixture
def folder(tmp_path):
    """A is right in 60 %, the others in 90 %."""
    rows = [(race, int(place % 10 < (6 if race == "A" else 9))) for race, n in SIZES.items() for place in range(n)]
    pd.DataFrame(rows, columns=["race", "said"]).assign(true=1).to_csv(tmp_path / "scored.csv", index=False)
    return tmp_path


def policy(folder, *requirements, **extra):
    document = {"schema": "evenhanded/policy/1", "requirements": list(requirements), **extra}
    (folder / "policy.yaml").write_text(json.dumps(document))


def judged(call, folder, code, *more):
    return call(*AUDIT, "--policy", "policy.yaml", *more, cwd=folder, code=code)


def test_the_worst_group_and_the_group_of_the_smallest_n_are_named(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "groups": ["race"], "min": 0.7})
    lines = judged(call, folder, 1).stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("right "))
    assert "60.0 %" in lines[place]
    assert "32 (C)" in lines[place]
    assert lines[place + 1].strip() == "A"
    assert "- right: not counting D (n = 18): fewer than 30" in lines


def test_a_gap_says_whom_it_does_not_count(call, folder):
    policy(folder, {"id": "gap", "metric": "accuracy", "compare": "difference", "groups": ["race"], "max": 0.1})
    lines = judged(call, folder, 1).stdout.splitlines()
    assert "- gap: not counting D (n = 18): fewer than 30" in lines
    assert "smallest n" in next(line for line in lines if line.startswith("requirement"))


def test_the_json_of_a_verdict_holds_what_it_held(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "groups": ["race"], "min": 0.7})
    judged(call, folder, 1, "--out", "runs")
    (gate,) = (folder / "runs").glob("*/gate.json")
    (row,) = json.loads(gate.read_text())["rows"]
    assert (row["measurement"]["n"], row["measurement"]["reason"], row["reason"]) == (32, "A", "A")


def test_one_reason_for_all_stands_once(call, folder):
    needed = [{"id": name, "metric": "accuracy", "groups": ["race"], "min": 0.5} for name in ("first", "second")]
    policy(folder, *needed, expect={"race": ["A", "Z"]})
    shown = judged(call, folder, 4).stdout
    assert shown.count("absent from the data") == 1
    assert "- first, second: expected, and absent from the data: race=Z" in shown


def test_a_misspelled_feature_is_a_sentence(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "groups": ["rase"], "min": 0.5})
    shown = " ".join(judged(call, folder, 4).stdout.split())
    assert "- right: the result has no sensitive feature rase; it has race; did you mean 'race'?" in shown
    assert "error while judging" not in shown


def test_a_misspelled_metric_is_wrong_input_before_anything_is_written(call, folder):
    policy(folder, {"id": "right", "metric": "acuracy", "min": 0.5})
    done = judged(call, folder, 2, "--json", "r.json")
    assert "there is no metric 'acuracy'; did you mean 'accuracy'?" in done.stderr
    assert not (folder / "r.json").exists()
    call(*AUDIT, "--out", "runs", cwd=folder, code=0)
    for command in (("gate", "latest"), ("report", "latest")):
        assert "did you mean" in call(*command, "--policy", "policy.yaml", cwd=folder, code=2).stderr


def test_a_metric_of_ones_own_that_the_run_holds_is_no_slip(call, folder):
    from audit.measurement import Measurement
    from audit.result import Result

    row = Measurement(metric="acuracy", value=0.9, low=0.8, high=0.95, n=90, level=0.95, method="bootstrap")
    (folder / "own.json").write_text(Result(measurements=[row]).to_json())
    policy(folder, {"id": "own", "metric": "acuracy", "min": 0.5})
    call("gate", "own.json", "--policy", "policy.yaml", cwd=folder, code=0)


def test_a_verdict_is_kept_beside_a_run_that_is_saved_again(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "groups": ["race"], "min": 0.7})
    call(*AUDIT, "--out", "runs", cwd=folder, code=0)
    alone = call("gate", "latest", "--policy", "policy.yaml", cwd=folder, code=1)
    assert "this verdict is not kept: --out runs saves the run again with it" in alone.stdout
    assert not list((folder / "runs").glob("*/gate.json"))
    call("gate", "latest", "--policy", "policy.yaml", "--out", "runs", cwd=folder, code=1)
    (gate,) = (folder / "runs").glob("*/gate.json")
    assert json.loads(gate.read_text())["verdict"] == "FAIL"
    assert (gate.parent / "tally.parquet").is_file()
    assert len(list((folder / "runs").glob("*/result.json"))) == 2


def test_a_result_without_its_counts_cannot_be_saved_with_a_verdict(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "min": 0.7})
    call(*AUDIT, "--json", "r.json", cwd=folder, code=0)
    done = call("gate", "r.json", "--policy", "policy.yaml", "--out", "runs", cwd=folder, code=2)
    assert "needs the whole run" in done.stderr


def test_latest_says_which_run_it_is(call, folder):
    policy(folder, {"id": "right", "metric": "accuracy", "min": 0.1})
    call(*AUDIT, "--out", "runs", cwd=folder, code=0)
    (run,) = (path for path in (folder / "runs").iterdir() if path.is_dir())
    said = f"run {run.name}: audit of scored.csv\n"
    assert call("gate", "latest", "--policy", "policy.yaml", cwd=folder, code=0).stderr == said
    assert call("report", "latest", cwd=folder, code=0).stderr == said
    assert call("gate", run.name, "--policy", "policy.yaml", cwd=folder, code=0).stderr == ""
