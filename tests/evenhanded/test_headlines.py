"""What the terminal shows of each task: the metrics that the result holds, in their own units, and no blank column."""

import numpy as np
import pandas as pd
import pytest

from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from evenhanded.cli import run
from evenhanded.headlines import MAX_COLUMNS, headlines, main_gaps, units_sentence

LABELS = ["cat", "dog", "eel"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    y, number, b = random.choice(LABELS, 300), random.normal(size=300), random.integers(0, 2, 300)
    p = np.where(random.random(300) < 0.7, y, random.choice(LABELS, 300))
    columns = {
        "y": y, "p": p, "number": number, "near": number + np.tile([0.25, 0.25, 0.75, 0.75], 75), "b": b,
        "g": np.tile(["<x>", "y"], 150),
        "score": np.clip(0.3 * b + 0.7 * random.random(300), 0, 1), "sets": y, "found": p + ";" + y,
        "m": np.where(random.random(300) < 0.1, "unsure", b.astype(str)), "query": np.arange(300) // 10,
    }  # fmt: skip
    pd.DataFrame(columns).to_csv("log.csv", index=False)
    return tmp_path


def shown(capsys, arguments):
    assert run(["audit", "log.csv", "--sensitive", "g", *arguments.split()]) == 0
    return capsys.readouterr().out.splitlines()


REGRESSION = "--y-true number --y-pred near --task regression"
RANKING = "--y-true b --y-score score --task ranking --cluster query"
SCORES = "--y-true b --y-score score --threshold 0.5"


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (REGRESSION, ["Mean absolute error", "Mean error (bias)", "Root mean squared error"]),
        (f"{REGRESSION} --metrics mean_squared_error", ["Mean squared error"]),
        (RANKING, ["Exposure share", "Relevance share", "Ratio of exposure to relevance", "NDCG"]),
        (f"{RANKING} --k 5", ["Exposure share", "Relevance share", "Ratio of exposure to relevance", "NDCG"]),
        (f"{SCORES} --metrics log_loss,brier_score", ["Log loss", "Brier score"]),
        (f"{SCORES} --metrics precision,accuracy", ["Precision", "Accuracy"]),
        (SCORES, ["Selection rate", "False positive rate", "False negative rate", "Accuracy"]),
        ("--y-true y --y-pred p --task multiclass", ["Accuracy", "Balanced accuracy", "Macro F1"]),
        (
            "--y-true sets --y-pred found --task multilabel --separator ;",
            ["Accuracy", "Hamming loss", "Macro F1"],
        ),
        (
            "--y-true b --y-pred m --abstain unsure",
            ["Deferral rate", "decided", "Selection rate", "False positive rate", "False negative rate"],
        ),
    ],
)
def test_the_columns_of_each_task_hold_its_numbers(folder, capsys, arguments, columns):
    lines = shown(capsys, arguments)
    (head,) = (line for line in lines if line.startswith("group "))
    place = 0
    for column in columns:
        place = head.index(column, place) + len(column)
    assert head.split()[:2] == ["group", "rows"]
    assert head[place:].strip() == ""
    rows = {line.split()[0]: line for line in lines[lines.index(head) + 1 :][:4]}
    for group in ("<x>", "y"):
        of_groups = [column for column in columns if column != "NDCG"]  # one number of whole rankings
        assert rows[group].count("[") >= len(of_groups), rows[group]


def test_errors_of_numbers_are_in_the_unit_of_the_data(folder, capsys):
    lines = shown(capsys, REGRESSION)
    everyone = next(line for line in lines if line.startswith("everyone"))
    assert [float(number) for number in everyone.split()[2::3]] == [0.5, 0.5, 0.559]  # sqrt((.25^2 + .75^2) / 2)
    assert not any("%" in line for line in lines if "interval at" not in line)
    assert any(line.startswith("Numbers in their own unit [interval at 95 %]") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "gaps"),
    [
        (REGRESSION, {"Mean absolute error", "Mean error (bias)", "Root mean squared error"}),
        (RANKING, {"Ratio of exposure to relevance ratio"}),
        (f"{SCORES} --metrics log_loss,brier_score", {"Log loss", "Brier score"}),
        (f"{SCORES} --metrics precision", {"Precision"}),
        ("--y-true y --y-pred p --task multiclass", {"Accuracy", "Balanced accuracy", "Macro F1"}),
    ],
)
def test_the_largest_gaps_are_those_of_the_columns(folder, capsys, arguments, gaps):
    lines = shown(capsys, arguments)
    start = next(place for place, line in enumerate(lines) if line.startswith("largest gap"))
    named = {line.split("  ")[0].strip() for line in lines[start + 1 :] if " g " in line}
    assert named == gaps


def test_a_metric_that_stands_by_label_only_is_said_to(folder, capsys):
    lines = shown(capsys, "--y-true y --y-pred p --task multiclass --metrics confusion_rate")
    where = "--json FILE or --html FILE holds it."
    assert f"Share of a true label with a prediction stands by class and predicted: {where}" in lines
    assert lines[0].split() == ["group", "rows"]


def test_an_area_that_is_a_column_is_not_said_twice(folder, capsys):
    assert sum("ROC AUC" in line for line in shown(capsys, f"{SCORES} --metrics roc_auc")) == 2  # column and gap
    assert any(line.startswith("ROC AUC of everyone: ") for line in shown(capsys, SCORES))


def plain(name):
    return Measurement(metric=name, value=0.5, n=9, method="x")


def test_named_metrics_stand_first_and_no_table_is_wider_than_its_lines():
    names = ["accuracy", "f1", "precision", "prevalence", "roc_auc", "selection_rate", "false_positive_rate"]
    recorded = Provenance(given={"metrics": ["roc_auc", "f1", "gone"]})
    found = headlines(Result(measurements=[plain(name) for name in names], provenance=recorded))
    assert found == ("roc_auc", "f1", "selection_rate", "false_positive_rate", "accuracy")
    assert len(found) == MAX_COLUMNS
    own = [plain(f"mine_{number}") for number in range(9)]
    assert headlines(Result(measurements=own)) == tuple(f"mine_{number}" for number in range(MAX_COLUMNS))
    assert headlines(Result(measurements=[])) == ()
    assert main_gaps(Result(measurements=own)) == ()


def test_units_are_said():
    assert units_sentence(("accuracy", "recall_of_mine"), "90 %").startswith("Shares in percent, the others in")
