from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.result import Result
from audit.store import save_run
from audit.stress.flips import counterfactual_flips
from audit.stress.prediction_sets import run_prediction_sets
from audit.stress.robustness import Subjects, run_robustness
from dashboards.robustness import Check, check_features, check_rows, checks, gap_sentence, largest_gap, lead_sentence

APP = Path(dashboards.__file__).with_name("app.py")
HOSTILE = ["<script>alert(1)</script>", "![x](http://evil.example)", "\u202egnp"]


def people(names=("F", "M"), rows=600):
    random = np.random.default_rng(0)
    return pd.DataFrame({"sex": np.resize([*names], rows), "x": random.normal(size=rows)})


def flips(names=("F", "M")):
    change = {"sex": {old: names[(place + 1) % len(names)] for place, old in enumerate(names)}}
    return counterfactual_flips(
        lambda rows: (rows["x"] + (rows["sex"] == names[-1]) > 0.5).astype(int), people(names), change=change
    )


def disturbed():
    frame = people()
    return run_robustness(
        lambda rows: (rows["x"] > 0).astype(int), frame,
        {"shift": lambda rows: rows.assign(x=rows["x"] + (rows["sex"] == "F")), "none": lambda rows: rows},
        Subjects((frame["x"] > 0).astype(int), {"sex": frame["sex"]}),
    )  # fmt: skip


def opened(tmp_path, monkeypatch, result, **query):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    if result is not None:
        save_run(result, tmp_path)
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/robustness.py").run()
    assert not app.exception, app.exception
    return app


def texts(app):
    kinds = ("title", "header", "markdown", "text", "caption", "info", "code")
    return [element.value for kind in kinds for element in getattr(app, kind)]


def test_checks_are_those_of_the_result():
    found = disturbed()
    assert checks(found) == (Check("perturbation", "shift"), Check("perturbation", "none"))
    assert check_features(found, Check("perturbation", "shift")) == (("sex",),)
    rows = check_rows(found, Check("perturbation", "shift"), "perturbation_error_increase", ["sex"])
    assert [row.slice[0][1] for row in rows] == ["F", "M"]
    assert rows[0].value > 0.2
    assert rows[1].value == 0
    gap = largest_gap(found, Check("perturbation", "shift"), "perturbation_error_increase", ["sex"])
    assert gap_sentence(gap).startswith("The groups are shown to differ: largest gap")
    none = largest_gap(found, Check("perturbation", "none"), "perturbation_error_increase", ["sex"])
    assert gap_sentence(none).startswith("The groups are not shown to differ")
    assert lead_sentence(Check("perturbation", "shift"), rows).startswith(
        "Increase of the error rate is highest for F: "
    )
    assert gap_sentence(None) == ""
    assert lead_sentence(Check("sets", ""), []) == "No group has enough data to say anything."


def test_coverage_is_worst_where_it_is_lowest():
    frame = pd.DataFrame({"y": [1.0] * 40, "low": [0.0] * 20 + [2.0] * 20, "high": [3.0] * 40, "g": [*"ab"] * 20})
    found = run_prediction_sets(frame, y_true="y", sets=("low", "high"), sensitive_features=["g"])
    assert checks(found) == (Check("sets", ""),)
    rows = check_rows(found, Check("sets", ""), "prediction_set_coverage", ["g"])
    assert "is lowest for" in lead_sentence(Check("sets", ""), rows)


def test_the_page_shows_the_numbers_of_the_result(tmp_path, monkeypatch):
    result = flips()
    app = opened(tmp_path, monkeypatch, result)
    rows = check_rows(result, Check("flips", "sex"), "counterfactual_flip_rate", ["sex"])
    table = app.dataframe[0].value
    assert table["Group"].tolist() == ["F", "M"]
    assert table["Value"].tolist() == [f"{100 * row.value:.1f} %" for row in rows]
    assert any(text.startswith("Share of decisions that flip is highest for") for text in texts(app))
    assert any('"change":{"sex":{"F":"M","M":"F"}}' in code.value for code in app.code)


def test_another_check_and_measure_are_chosen_by_hand_or_by_link(tmp_path, monkeypatch):
    app = opened(tmp_path, monkeypatch, disturbed())
    app.selectbox(key="check").select("Disturbed inputs: none").run()
    app.selectbox(key="measure").select("perturbation_flip_rate").run()
    assert not app.exception
    assert app.dataframe[0].value["Value"].tolist() == ["0.0 %", "0.0 %"]
    linked = opened(tmp_path, monkeypatch, None, check="Disturbed inputs: none")
    assert linked.selectbox(key="check").value == "Disturbed inputs: none"


def test_a_run_without_checks_says_how_one_is_made(tmp_path, monkeypatch):
    app = opened(tmp_path, monkeypatch, Result(measurements=()))
    assert "holds nothing for this page" in app.info[0].value
    assert "counterfactual_flips" in app.code[0].value
    empty = opened(tmp_path / "none", monkeypatch, None)
    assert "No run is saved yet" in empty.info[0].value


def test_a_check_without_groups(tmp_path, monkeypatch):
    frame = pd.DataFrame({"y": ["a", "b"] * 20, "s": [["a"]] * 40})
    app = opened(tmp_path, monkeypatch, run_prediction_sets(frame, y_true="y", sets="s"))
    assert app.dataframe[0].value["Group"].tolist() == ["everyone"]


def test_hostile_names_are_no_markup(tmp_path, monkeypatch):
    app = opened(tmp_path, monkeypatch, flips(HOSTILE))
    for element in [*app.markdown, *app.caption, *app.info, *app.header, *app.title]:
        assert "<script" not in element.value
        assert "![" not in element.value.replace("\\", "")
        assert "\u202e" not in element.value
    assert not any("\u202e" in text for text in texts(app))


@pytest.mark.parametrize("wanted", ["<script>", "../../etc"])
def test_a_check_that_is_not_there_is_not_opened(tmp_path, monkeypatch, wanted):
    app = opened(tmp_path, monkeypatch, disturbed(), check=wanted)
    assert app.selectbox(key="check").value == "Disturbed inputs: shift"
