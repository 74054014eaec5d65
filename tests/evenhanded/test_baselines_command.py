"""``evenhanded baselines`` as its user meets it, on COMPAS: two features do what the score does."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evenhanded as eh
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from dashboards.baseline_rows import alternatives, asked_sentence, lead_sentences
from dashboards.report.baselines_part import sections
from dashboards.report.render import render_report
from evenhanded.cli import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, part = rng.normal(size=1200), np.where(np.arange(1200) < 800, "train", "test")
    y = (rng.random(1200) < 1 / (1 + np.exp(-x))).astype(int)
    score = np.round(1 / (1 + np.exp(-x)), 3)
    pd.DataFrame({"x <b>": x, "zone": rng.choice(["=1+1", "b"], 1200), "y": y, "score": score, "part": part}).to_csv(
        "all.csv", index=False
    )
    return tmp_path


def made(*arguments):
    assert run(["baselines", *arguments, "--json", "r.json"]) == 0
    return Result.from_json(Path("r.json").read_text(encoding="utf-8"))


BASIC = ("all.csv", "--split", "part=test", "--y-true", "y", "--y-score", "score")


def test_it_leads_with_the_best_simple_alternative_and_says_whether_the_model_beats_it(folder, capsys):
    result = made(*BASIC, "--html", "r.html", "--out", "runs")
    lines = " ".join(capsys.readouterr().out.split())
    best = next(each for each in alternatives(result) if each.is_simple)
    assert best.values["accuracy"].value == max(
        each.values["accuracy"].value for each in alternatives(result) if each.is_simple
    )
    assert lines.startswith("The best simple alternative, ")
    assert "not shown to beat it" in lines.partition("Learned on the train rows")[0]
    assert "800 train and 400 test rows, 2 features (x <b>, zone)" in lines
    assert "accuracy of the model minus it" in lines
    page = Path("r.html").read_text(encoding="utf-8")
    assert "What a simple alternative achieves" in page
    assert "<b>" not in page
    saved = next(path for path in Path("runs").iterdir() if path.is_dir())
    assert run(["report", str(saved), "--html", "again.html"]) == 0
    assert "The best simple alternative" in Path("again.html").read_text(encoding="utf-8")


def test_without_scores_there_is_no_model_to_compare(folder, capsys):
    result = made(*BASIC[:5], "--features", "zone")
    shown = capsys.readouterr().out
    assert "the model" not in shown
    assert "minus it" not in shown
    assert not any(row.against for row in result.measurements)
    assert result.provenance.given["features"] == ["zone"]


def test_the_same_input_gives_the_same_result(folder):
    assert made(*BASIC).digest() == made(*BASIC).digest()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--score-max", "0.2"), "y_score must lie in"),
        (("--threshold", "7"), "threshold must lie in"),
        (("--features", "colour"), "column 'colour' .feature. is missing"),
        (("--split", "part=nothing"), "the test part has 0 rows"),
        (("--json", "nowhere/r.json"), "nowhere does not exist"),
    ],
)
def test_wrong_use_is_refused_and_nothing_is_written(folder, arguments, text):
    with pytest.raises(eh.InputError, match=text):
        run(["baselines", *BASIC, "--html", "r.html", *arguments])
    assert sorted(path.name for path in folder.iterdir()) == ["all.csv"]


def row(name, value, against=None, **ends):
    metric = "accuracy" if against is None else "accuracy_difference"
    other = None if against is None else {"kind": "model", "model_version": against}
    return Measurement(metric=metric, at=(("model_version", name),), against=other, value=value, n=90,
                       level=0.95 if ends else None, method="tango", **ends)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "shown to beat it"), (-0.2, -0.01, "shown to be worse"), (-0.1, 0.1, "not shown to beat it")],
)
def test_the_three_findings_in_words(low, high, words):
    rows = [row("the model", 0.7), row("majority", 0.6), row("one rule", 0.65), row("gradient boosting", 0.9),
            row("the model", 0.05, "one rule", low=low, high=high)]  # fmt: skip
    said = lead_sentences(Result(measurements=rows))
    assert "one rule on the feature that ranks best" in said[0]
    assert said[1].endswith(f"against it, {words}.")
    assert len(said) == 2


def test_a_report_of_hostile_names_is_harmless_and_others_have_no_section():
    facts = {"train": 9, "test": 9, "label": "<script>alert(1)</script>", "rows_without_label": 0}
    given = {"baselines": facts, "features": ["<script>", "\u202eabc", *map(str, range(40))]}
    result = Result(measurements=[row("majority", 0.6)], provenance=Provenance(given=given))
    page = render_report(result, title="x")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "and 30 more" in asked_sentence(result)
    assert sections(Result(measurements=[row("majority", 0.6)])) == ()


def test_compas_is_not_shown_to_beat_a_logistic_regression_on_two_features(compas_file, tmp_path, monkeypatch):
    """Dressel and Farid 2018 (doi:10.1126/sciadv.aao5580): age and prior counts do as well as COMPAS (.654)."""
    monkeypatch.chdir(tmp_path)
    with gzip.open(compas_file, "rt") as stream:
        data = pd.read_csv(stream)
    data["part"] = np.where(np.random.default_rng(0).random(len(data)) < 0.3, "test", "train")
    data.to_csv("compas.csv", index=False)
    result = made("compas.csv", "--split", "part=test", "--y-true", "two_year_recid", "--y-score", "decile_score",
                  "--score-max", "10", "--features", "age,priors_count")  # fmt: skip
    found = {each.name: each for each in alternatives(result)}
    logistic = found["logistic regression"]
    assert 0.64 < logistic.values["accuracy"].value < 0.70
    assert logistic.gains["accuracy"].low < 0
    assert found["majority"].gains["accuracy"].low > 0
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["provenance"]["given"]["score_max"] == 10
