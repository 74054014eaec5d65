"""``evenhanded thresholds`` as its user meets it: a real process, real files, exit codes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

BASIC = ("--y-true", "y", "--y-score", "s", "--sensitive", "g", "--costs", "tp=5,fp=-1,fn=-5,tn=0")


def run(*arguments, cwd, code=0):
    command = [sys.executable, "-m", "evenhanded", "thresholds", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"s": rng.random(800), "g": rng.choice(["low", "high", "<script>"], 800)})
    frame["y"] = (rng.random(800) < frame["s"]).astype(int)
    frame.to_csv(tmp_path / "scored.csv", index=False)
    return tmp_path


def test_it_writes_the_result_the_page_and_the_run(data):
    done = run("scored.csv", *BASIC, "--split", "--json", "r.json", "--html", "r.html", "--out", "runs", cwd=data)
    assert "pays most on the smoothed curve" in done.stdout
    assert "never applied" in done.stdout
    result = json.loads((data / "r.json").read_text(encoding="utf-8"))
    assert result["provenance"]["given"]["payoffs"] == {"tp": 5.0, "fp": -1.0, "fn": -5.0, "tn": 0.0}
    assert result["provenance"]["given"]["measured_on"] == "a random half"
    assert result["provenance"]["seed"] == 0
    metrics = {row["metric"] for row in result["measurements"]}
    assert {"expected_utility", "best_threshold", "group_threshold_gain", "selection_rate"} <= metrics
    page = (data / "r.html").read_text(encoding="utf-8")
    assert "Thresholds by g, and their price" in page
    assert "<script" not in page
    assert len(list((data / "runs").glob("*/result.json"))) == 1


def test_who_bears_the_harms(call, data):
    order = ("--order", "g=<script>,low,high", "--harms", "fp=1", "--benefits", "tp=2,tn=1")
    call("thresholds", "scored.csv", *BASIC, *order, "--json", "r.json", "--html", "r.html", cwd=data, code=0)
    result = json.loads((data / "r.json").read_text(encoding="utf-8"))
    rows = {(row["metric"], row["slice"].get("g")): row for row in result["measurements"]}
    assert rows["harm_concentration_index", None]["low"] < rows["harm_concentration_index", None]["high"]
    assert result["provenance"]["given"]["order"] == {"g": ["<script>", "low", "high"]}
    assert set(result["provenance"]["data"]) == {"scored.csv"}
    page = (data / "r.html").read_text(encoding="utf-8")
    assert "Who bears the harms, who has the benefits, by g" in page


def test_the_same_input_gives_the_same_bytes(call, data):
    for name in ("a.json", "b.json"):
        call("thresholds", "scored.csv", *BASIC, "--split", "--seed", "3", "--json", name, cwd=data, code=0)
    assert (data / "a.json").read_bytes() == (data / "b.json").read_bytes()


def test_held_out_rows(call, data):
    pd.read_csv(data / "scored.csv").head(200).to_csv(data / "later.csv", index=False)
    done = call("thresholds", "scored.csv", *BASIC, "--held-out", "later.csv", "--json", "r.json", cwd=data, code=0)
    assert "optimistic" not in done.stdout
    result = json.loads((data / "r.json").read_text(encoding="utf-8"))
    assert next(row["n"] for row in result["measurements"] if row["metric"] == "group_threshold_gain") == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--costs", "tp=5,fp=x"), "expected tp=5,fp=-1,fn=-5,tn=0"),
        (("--costs", "tp=5,tp=6"), "each once"),
        (("--costs", "tp=5,fp=-1"), "the payoff of fn is missing"),
        (("--costs", "tp=0,fp=0,fn=0,tn=0"), "acting changes nothing"),
        (("--order", "race=a,b"), "--order names 'race', which is not among --sensitive g"),
        (("--order", "g=low,high"), "group '<script>' of 'g' has no place in the order"),
        (("--population", "g=none.csv"), "No such option"),
        (("--split", "--held-out", "scored.csv"), "split and --held-out are both given"),
        (("--level", "7"), "level must lie in (0, 1)"),
        (("--split", "--seed", "-1"), "Invalid value for '--seed'"),
        (("--html", "nowhere/r.html"), "nowhere does not exist"),
        (("--y-score", "nonsense"), "column 'nonsense' (y_score) is missing"),
    ],
)
def test_wrong_use_ends_with_two_and_writes_nothing(call, data, arguments, said):
    done = call("thresholds", "scored.csv", *BASIC, *arguments, "--json", "r.json", cwd=data, code=2)
    assert said in (done.stdout + done.stderr).replace("\n", " ").replace("  ", " ")
    assert not (data / "r.json").exists()
