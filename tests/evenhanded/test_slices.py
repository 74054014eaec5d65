"""``evenhanded slices`` as its user meets it: real processes, real files, exit codes, words."""

import json
import subprocess
import sys

import numpy as np
import pytest

import evenhanded
from audit.search.slices import run_slices
from evenhanded.commands.slices import print_slices

BASIC = ("--y-true", "label", "--y-pred", "flagged", "--features", "sex,age,zone")
FPR = ("--metric", "false_positive_rate")


def run(*arguments, cwd, code=None):
    command = [sys.executable, "-m", "evenhanded", "slices", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    if code is not None:
        assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def csv(tmp_path):
    """6,000 negatives: a tenth is flagged, of women from 25 to 45 four tenths; the zone says nothing."""
    rng = np.random.default_rng(0)
    sex, age, zone = rng.choice(["F", "M"], 6000), rng.integers(18, 80, 6000), rng.choice(["<b>", "=1+1", "c"], 6000)
    wrong = np.where((sex == "F") & (age >= 25) & (age < 45), 0.4, 0.1)
    rows = zip(sex, age, zone, (rng.random(6000) < wrong).astype(int), strict=True)
    path = tmp_path / "scored.csv"
    lines = [f'{s},{a},"{z}",0,{p}' for s, a, z, p in rows]
    path.write_text("\n".join(["sex,age,zone,label,flagged", *lines]) + "\n")
    return path


def test_confirmed_slices_are_said_first_and_in_words(csv, tmp_path):
    done = run(csv, *BASIC, *FPR, "--bin", "age=25,45", "--json", "r.json", "--html", "r.html", "--out", "runs",
               cwd=tmp_path, code=0)  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Confirmed (")
    assert lines[1].startswith("- age = 25-45, sex = F: false positive rate ")
    assert "points higher than in the rest [+" in lines[1]
    assert "slices of sex, age and zone, at most 3 of them combined, each with at least 1 % of these" in done.stdout
    assert done.stderr == ""
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["provenance"]["seed"] == 0
    assert "Slices that differ from the rest" in (tmp_path / "r.html").read_text()
    (saved,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert {path.name for path in saved.iterdir()} == {"result.json", "tally.parquet", "report.html"}


def test_numbers_without_edges_are_cut_and_it_is_said(call, csv, tmp_path):
    done = call("slices", csv, *BASIC, *FPR, cwd=tmp_path, code=0)
    assert "Cut at quantiles of the search half: age at " in done.stdout
    assert "not saved as a run" in done.stdout


def test_nothing_to_find_is_said_and_the_code_is_0(call, tmp_path):
    (tmp_path / "same.csv").write_text("g,label,flagged\n" + "x,0,1\nx,1,1\n" * 50)
    done = call(
        "slices", "same.csv", "--y-true", "label", "--y-pred", "flagged", "--features", "g", cwd=tmp_path, code=0
    )
    assert done.stdout.startswith("No slice was confirmed.\n")
    assert "none of them stood out enough to be confirmed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--metric", "roc_auc"), "slices are searched by a rate"),
        (("--min-support", "0"), "min_support must lie in (0, 1]; got 0"),
        (("--min-support", "2", "--max-depth", "0"), "2 problems with the input"),
        (("--seed", "-1"), "Invalid value for '--seed'"),
        (("--features", "sex,sex"), "sensitive feature 'sex' is named twice"),
        (("--features", "sex,colour"), "column 'colour' (sensitive feature) is missing"),
        (("--bin", "age=young"), "--bin age=young: expected numbers, as in age=25,45"),
        (("--json", "none/r.json"), "does not exist"),
        (("--json", "."), "is a folder; name a file"),
        (("--y-pred", "nothing"), "column 'nothing' (y_pred) is missing"),
        (("--config", "none.yaml"), "none.yaml cannot be read"),
    ],
)
def test_wrong_use_ends_with_2_and_leaves_nothing_behind(call, arguments, text, csv, tmp_path):
    done = call("slices", csv, *BASIC, *arguments, "--out", "runs", cwd=tmp_path, code=2)
    assert text in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scored.csv"]


def test_options_come_from_a_file_too(call, csv, tmp_path):
    config = {"y_true": "label", "y_pred": "flagged", "features": ["sex", "zone"], "metric": "false_positive_rate"}
    (tmp_path / "slices.yaml").write_text(json.dumps(config | {"seed": 7}))
    call("slices", csv, "-c", "slices.yaml", "--json", "r.json", cwd=tmp_path, code=0)
    provenance = json.loads((tmp_path / "r.json").read_text())["provenance"]
    assert (provenance["seed"], provenance["given"]["features"]) == (7, ["sex", "zone"])


def test_the_front_door_offers_it():
    assert evenhanded.run_slices is run_slices


def test_what_is_printed_holds_no_markup(csv, tmp_path, capsys):
    log = evenhanded.PredictionLog.from_file(csv, y_true="label", y_pred="flagged", sensitive_features=["zone", "sex"])
    print_slices(run_slices(log, metric="false_positive_rate", min_support=0.01))
    assert "\x1b" not in capsys.readouterr().out
