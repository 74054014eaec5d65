"""What ``evenhanded audit`` measures beside rates and gaps, what makes it again, and what is refused."""

import json
import shlex
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.store import load_run
from dashboards.commands import audit_command
from evenhanded.cli import run
from evenhanded.commands.audit import _PARTS, command

BASIC = ("--y-true", "b", "--y-pred", "f", "--sensitive", "g")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    binary = random.integers(0, 2, 400)
    score = np.round(np.clip(0.5 * binary + 0.5 * random.random(400), 0.001, 0.999), 3)
    pd.DataFrame(
        {
            "id": np.arange(400),
            "b": binary,
            "f": (score > 0.5).astype(int),
            "score": score,
            "h": 1 - binary,
            "e": binary,
            "m": np.where(random.random(400) < 0.1, "unsure", binary.astype(str)),
            "g": random.choice(["x", "<script>", "=1+1"], 400, p=[0.6, 0.3, 0.1]),
            "s": random.choice(["F", "M"], 400),
            "age": random.integers(18, 80, 400),
            "kind": random.choice(["cat", "dog", "eel"], 400),
            "other": random.choice(["cat", "dog", "eel"], 400),
            "query": np.arange(400) // 10,
        }
    ).to_csv("log.csv", index=False)
    Path("people.csv").write_text("g,share\nx,0.4\n<script>,0.5\nnobody here,0.1\n", encoding="utf-8")
    return tmp_path


def audited(*arguments):
    assert run(["audit", "log.csv", *arguments, "--json", "out.json"]) == 0
    return json.loads(Path("out.json").read_text(encoding="utf-8"))


def values(result, metric):
    return {tuple(row["slice"].values()): row for row in result["measurements"] if row["metric"] == metric}


@pytest.mark.parametrize(
    "arguments",
    [
        "--y-true b --y-pred f --sensitive g,s --control age --bin age=30,50",
        "--y-true b --y-pred f --sensitive g --bounds --missing drop",
        "--y-true b --y-score score --threshold 0.4 --sensitive g --metrics accuracy,log_loss",
        "--y-true b --y-score score --threshold 0.4 --sensitive g --metrics log_loss --level 0.9",
        "--y-true b --y-pred f --human h --final e --sensitive g",
        "--y-true b --y-pred f --human h --final e --sensitive g,s --bounds --control age --bin age=40 --all-pairs "
        "--reference s=M",
        "--y-true b --y-pred f --sensitive g,s --impact-ratios --population g=people.csv --intersections 1",
        "--y-true b --y-score score --task ranking --cluster query --sensitive s --k 5",
        "--y-true age --y-pred score --task regression --sensitive s",
    ],
)
def test_the_command_that_a_page_shows_makes_the_same_result(folder, arguments):
    assert run(["audit", "log.csv", *arguments.split(), "--out", "runs"]) == 0
    (saved,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    result = load_run(saved)
    words = shlex.split(audit_command(result))
    assert words[:3] == ["evenhanded", "audit", "log.csv"]
    assert run([*words[1:], "--out", "again"]) == 0
    (second,) = [path for path in (folder / "again").iterdir() if path.is_dir()]
    assert load_run(second).digest() == result.digest()


def test_attributes_of_a_second_file_are_in_the_command(folder):
    data = pd.read_csv("log.csv")
    data[["id", "g"]].to_csv("a people.csv", index=False)
    data.drop(columns="g").to_csv("log.csv", index=False)
    arguments = ["--attributes", "a people.csv", "--on", "id", "--population", "g=people.csv"]
    assert run(["audit", "log.csv", *BASIC, *arguments, "--out", "runs"]) == 0
    (saved,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    result = load_run(saved)
    assert set(result.provenance.data) == {"log.csv", "people.csv", "a people.csv"}
    words = shlex.split(audit_command(result))
    assert words[2] == "log.csv"
    assert run([*words[1:], "--out", "again"]) == 0
    (second,) = [path for path in (folder / "again").iterdir() if path.is_dir()]
    assert load_run(second).digest() == result.digest()


def test_who_is_in_the_data_against_a_population(folder, capsys):
    result = audited(*BASIC, "--population", "g=people.csv", "--html", "r.html")
    share = pd.read_csv("log.csv")["g"].value_counts(normalize=True)
    ratios = values(result, "representation_ratio")
    assert ratios["x",]["value"] == pytest.approx(share["x"] / 0.4)
    assert ratios["<script>",]["value"] == pytest.approx(share["<script>"] / 0.5)
    nobody = values(result, "representation_share")["nobody here",]
    assert (nobody["value"], nobody["low"]) == (0, 0)
    assert nobody["high"] > 0
    assert ("=1+1",) not in ratios
    assert result["provenance"]["given"]["population"] == {"g": "people.csv"}
    assert set(result["provenance"]["data"]) == {"log.csv", "people.csv"}
    shown = capsys.readouterr().out
    assert "Who is in the data" in shown
    assert "not in the population" in shown
    page = Path("r.html").read_text(encoding="utf-8")
    assert "nobody here is underrepresented" in page
    assert "Not in the reference population: " in page
    assert "<script" not in page


@pytest.mark.parametrize(
    "arguments",
    [
        "--y-true kind --y-pred other --task multiclass",
        "--y-true kind --y-pred other --task multilabel",
        "--y-true b --y-pred m --abstain unsure",
    ],
)
def test_who_is_in_the_data_of_other_tasks(arguments, folder):
    result = audited(*arguments.split(), "--sensitive", "g", "--population", "g=people.csv")
    share = (pd.read_csv("log.csv")["g"] == "x").mean()
    row = values(result, "representation_share")["x",]
    assert (row["value"], row["n"]) == (pytest.approx(share), 400)


def test_impact_ratios_of_groups_and_of_groups_crossed(folder, capsys):
    result = audited("--y-true", "b", "--y-pred", "f", "--sensitive", "g,s", "--impact-ratios", "--html", "r.html")
    data = pd.read_csv("log.csv")
    found = [row for row in result["measurements"] if row["metric"] == "impact_ratio"]
    for names in (["g"], ["s"], ["g", "s"]):
        rates = data.groupby(names)["f"].mean()
        here = [row for row in found if sorted(row["slice"]) == names]
        assert len(here) == len(rates)
        for row in here:
            key = tuple(row["slice"][name] for name in names)
            assert row["value"] == pytest.approx(rates[key if len(key) > 1 else key[0]] / rates.max())
    assert "Impact ratios" in capsys.readouterr().out
    assert "Impact ratios by g" in Path("r.html").read_text(encoding="utf-8")
    single = audited(*BASIC[:-1], "g,s", "--impact-ratios", "--intersections", "1")
    assert {len(row["slice"]) for row in single["measurements"] if row["metric"] == "impact_ratio"} == {1}


def test_nothing_of_it_stands_where_it_was_not_asked_for(folder, capsys):
    metrics = {row["metric"] for row in audited(*BASIC)["measurements"]}
    assert not {name for name in metrics if name.startswith(("impact_", "representation_", "outcome_", "log_loss"))}
    assert "Impact ratios" not in capsys.readouterr().out


def test_log_loss_beside_other_metrics_is_scikit_learns(folder):
    from sklearn.metrics import log_loss

    result = audited("--y-true", "b", "--y-score", "score", "--threshold", "0.5", "--sensitive", "g", "--metrics",
                     "accuracy,log_loss")  # fmt: skip
    data = pd.read_csv("log.csv")
    assert values(result, "log_loss")[()]["value"] == pytest.approx(log_loss(data["b"], data["score"]))
    assert result["provenance"]["given"]["metrics"] == ["accuracy", "log_loss"]


def test_columns_held_fixed_are_cut_where_it_is_said(folder):
    result = audited(*BASIC, "--control", "age", "--bin", "age=30,50")
    assert result["provenance"]["given"]["control"] == ["age"]
    assert result["provenance"]["given"]["bins"] == {"age": [30.0, 50.0]}
    methods = {row["method"].split(",")[0] for row in result["measurements"]}
    assert {"mantel_haenszel", "least_squares"} <= methods


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--control colour", "column 'colour' .sensitive feature. is missing"),
        ("--y-true kind --y-pred other --task multiclass --bounds", "--bounds means nothing for the task 'multiclass'"),
        ("--y-true kind --y-pred other --task multiclass --impact-ratios", "--impact-ratios means nothing"),
        ("--y-true age --y-pred score --task regression --control s --final e", "2 problems with the input"),
        ("--y-pred m --abstain unsure --impact-ratios", "--impact-ratios speaks of two decisions, and --ab"),
        ("--y-true age --y-pred score --task regression --population g=people.csv", "--population means nothing"),
        ("--metrics log_loss", "log_loss"),
        ("--y-true kind --y-pred other --task multiclass --metrics log_loss", "log_loss"),
        ("--population s=people.csv", "--population names 's', which is not among --sensitive g"),
        ("--population g=none.csv", "none.csv cannot be read"),
        ("--k 3 --population s=people.csv", "2 problems with the input"),
        ("--task ranking --y-score score --cluster query --k 3 --bounds", "--bounds means nothing for the task 'rank"),
    ],
)
def test_wrong_use_is_refused_and_nothing_is_written(folder, arguments, message):
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InputError, match=message):
        run(["audit", "log.csv", *BASIC, *arguments.split(), "--json", "r.json", "--html", "r.html", "--out", "runs"])
    assert sorted(path.name for path in folder.iterdir()) == before


def test_every_option_stands_in_one_part_of_the_help():
    named = [name for part in _PARTS.values() for name in part]
    assert len(set(named)) == len(named)
    options = {each.name for each in command.params if isinstance(each, click.Option)}
    assert options == set(named) - {"help"}
    text = command.get_help(click.Context(command, info_name="audit"))
    assert "Other options" not in text
    first, _, rest = text.partition("More (")
    assert len(first.splitlines()) < 36
    assert "--sensitive" in first
    assert "--control" not in first
    assert "--control" in rest
