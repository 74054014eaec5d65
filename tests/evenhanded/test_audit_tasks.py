"""The command line for other tasks: from a file to numbers, a report and the command that makes them again."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.store import load_run
from dashboards.commands import audit_command
from evenhanded.cli import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    y, g = random.choice(["cat", "dog", "eel"], 300), random.choice(["x", "y"], 300)
    p = np.where(random.random(300) < 0.7, y, random.choice(["cat", "dog", "eel"], 300))
    binary = random.integers(0, 2, 300)
    pd.DataFrame(
        {
            "y": y,
            "p": p,
            "sets": np.where(y == "eel", "", y),
            "found": np.where(p == "eel", "", p + "; " + np.where(y == "eel", "cat", y)),
            "b": binary,
            "m": np.where(random.random(300) < 0.1, "unsure", binary.astype(str)),
            "h": 1 - binary,
            "f": binary,
            "g": g,
            "s": random.choice(["F", "M"], 300),
        }
    ).to_csv("log.csv", index=False)
    return tmp_path


def audited(*arguments):
    assert run(["audit", "log.csv", "--sensitive", "g", "--json", "out.json", *arguments]) == 0
    return json.loads(Path("out.json").read_text(encoding="utf-8"))


def metrics(result):
    return {row["metric"] for row in result["measurements"]}


def test_multiclass(folder, capsys):
    result = audited("--y-true", "y", "--y-pred", "p", "--task", "multiclass", "--html", "page.html")
    assert {"macro_f1", "balanced_accuracy", "confusion_rate"} <= metrics(result)
    assert result["provenance"]["given"]["task"] == "multiclass"
    shown = capsys.readouterr().out
    assert "Macro F1" in shown
    assert "Selection rate" not in shown
    assert "Several labels" in (folder / "page.html").read_text(encoding="utf-8")


def test_declared_labels(folder, capsys):
    result = audited("--y-true", "y", "--y-pred", "p", "--task", "multiclass", "--labels", "cat,dog,eel,fox")
    assert result["provenance"]["given"]["labels"] == ["cat", "dog", "eel", "fox"]
    row = next(row for row in result["measurements"] if row["metric"] == "balanced_accuracy")
    assert (row["value"], row["reason"]) == (None, "no true rows of 'fox' in slice")


def test_multilabel(folder):
    result = audited("--y-true", "sets", "--y-pred", "found", "--task", "multilabel", "--separator", ";")
    assert {"hamming_loss", "micro_f1"} <= metrics(result)
    assert {"(none of the above)"} <= {row["at"].get("class") for row in result["measurements"]}


def test_deferral_and_deciders(folder, capsys):
    result = audited("--y-true", "b", "--y-pred", "m", "--abstain", "unsure", "--human", "h", "--final", "f")
    assert {"deferral_rate", "decided_accuracy", "harmful_override_rate"} <= metrics(result)
    assert {"model", "human", "final"} <= {row["at"].get("model_version") for row in result["measurements"]}
    assert result["provenance"]["given"]["deciders"] == {"final": "f", "human": "h", "model": "m"}
    assert "Deferred rows never count as right" in capsys.readouterr().out


def test_regression_and_ranking(folder):
    frame = pd.read_csv("log.csv").assign(
        number=lambda each: np.arange(len(each)) % 7, near=lambda each: np.arange(len(each)) % 5
    )
    frame.assign(query=np.arange(len(frame)) // 10).to_csv("log.csv", index=False)
    result = audited("--y-true", "number", "--y-pred", "near", "--task", "regression")
    assert "mean_absolute_error" in metrics(result)
    ranked = audited("--y-true", "b", "--y-score", "near", "--task", "ranking", "--cluster", "query", "--k", "5")
    assert {"ndcg", "exposure_share"} <= metrics(ranked)
    assert {row["at"].get("k") for row in ranked["measurements"] if row["metric"] == "ndcg"} == {5}


def test_intersections(folder):
    result = audited("--y-true", "b", "--y-pred", "f", "--sensitive", "g,s", "--intersections", "1")
    assert max(len(row["slice"]) for row in result["measurements"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "--y-true y --y-pred p --task multiclass --labels cat,dog,eel --intersections 2 --sensitive g,s",
        "--y-true sets --y-pred found --task multilabel --separator ; --sensitive g",
        "--y-true b --y-pred m --abstain unsure --human h --final f --sensitive g",
    ],
)
def test_the_command_that_a_page_shows_makes_the_same_numbers(folder, arguments):
    assert run(["audit", "log.csv", *arguments.split(), "--out", "runs"]) == 0
    (saved,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    result = load_run(saved)
    command = shlex.split(audit_command(result))
    assert run([*command[1:], "--out", "again"]) == 0
    (second,) = [path for path in (folder / "again").iterdir() if path.is_dir()]
    assert load_run(second).digest() == result.digest()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--y-true y --y-pred p", "expected two labels; found 3"),
        ("--y-true y --y-pred p --task multiclass --positive cat", "positive is given in vain"),
        ("--y-true b --y-pred f --separator ;", "separator is given in vain"),
        ("--y-true b --y-pred f --final g", r"column 'g' \(action\) has decisions that are none of the labels"),
        ("--y-true b --y-pred f --intersections 0", "intersections must be at least 1"),
        ("--y-true b --y-pred f --k 3", "--k means nothing for the task 'binary'"),
        ("--y-pred f", "y_true is not named"),
        ("--y-true b --y-pred f --task ranking --cluster s --metrics ndcg", "metrics is given in vain"),
        ("--y-true b --y-pred f --task regression --all-pairs", "all_pairs is given in vain"),
    ],
)
def test_wrong_use_is_refused(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        run(["audit", "log.csv", "--sensitive", "g", *arguments.split()])
