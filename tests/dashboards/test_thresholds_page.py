"""The page on thresholds: the slider recomputes from the tally, payoffs are inputs, prices are shown with the law."""

import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.scores.concentration import concentration_rows
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.store import save_run

APP = Path(dashboards.__file__).with_name("app.py")


def frame(groups, rows=1500):
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {"s": rng.random(rows), "g": np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)]}
    )
    data["y"] = (rng.random(rows) < data["s"]).astype(int)
    return data


def log_of(data):
    return PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])


def opened(**query):
    app = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/thresholds.py").run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    return tmp_path


def test_an_empty_store_and_a_run_without_scores_say_what_to_do(store):
    assert "No run is saved yet" in opened().info[0].value
    data = frame(["a", "b"]).assign(p=1)
    save_run(run_audit(PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=["g"])), store)
    assert "holds nothing for this page" in opened().info[0].value
    save_run(Result(measurements=()), store)
    assert opened().info


def test_the_slider_recomputes_at_once(store):
    data = frame(["a", "b"])
    save_run(run_audit(log_of(data)), store)
    app = opened(groups="g")
    begun = time.perf_counter()
    app.select_slider(key="threshold").set_value(0.8).run()
    assert time.perf_counter() - begun < 5  # the whole app is started anew in a test
    table = app.dataframe[0].value
    assert table["Group"].tolist() == ["a", "b"]
    expected = run_audit(PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.8,
                                                  sensitive_features=["g"]))  # fmt: skip
    for column, metric in (("Selection rate", "selection_rate"), ("Precision", "precision")):
        for name, cell in zip("ab", table[column], strict=True):
            row = expected.find(metric, {"g": name})
            assert cell == f"{100 * row.value:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def test_payoffs_are_inputs_and_change_what_pays(store):
    save_run(run_audit(log_of(frame(["a", "b"]))), store)
    app = opened(groups="everyone")
    assert any("pays most on the smoothed curve" in item.value for item in app.markdown)
    before = app.dataframe[1].value["Pays most at"][0]
    app.number_input(key="pay-fp").set_value(-9.0).run()
    assert not app.exception
    after = app.dataframe[1].value["Pays most at"][0]
    assert float(after) > float(before)
    assert any("Acting pays from a chance of 0.818" in item.value for item in app.caption)
    assert app.code[-1].value.endswith("--costs tp=1,fp=-9,fn=-1,tn=0")
    for name in ("fp", "tn"):
        app.number_input(key=f"pay-{name}").set_value(0.0)
    app.number_input(key="pay-tp").set_value(-1.0).run()
    assert not app.exception
    assert "acting changes nothing" in app.warning[0].value.replace("\\", "")


def test_group_thresholds_come_with_their_price_and_the_law(store):
    save_run(run_audit(log_of(frame(["a", "b", None]))), store)
    app = opened(groups="g")
    assert any("never applied" in item.value for item in app.markdown)
    price = app.dataframe[2].value
    assert price["Group"].tolist() == ["everyone", "(missing)", "a", "b"]
    assert all("optimistic" in note for note in price["Note"])


def test_payoffs_and_concentration_of_a_saved_run_are_shown(store):
    log = log_of(frame(["low", "high"]))
    result = run_thresholds(log, Payoff(tp=5, fp=-1, fn=-5, tn=0))
    rows = concentration_rows(result.tally, "g", ["low", "high"], harms={"false_positive": 1},
                              benefits={"true_positive": 1})  # fmt: skip
    save_run(
        Result(measurements=(*result.measurements, *rows), provenance=result.provenance, tally=result.tally), store
    )
    app = opened()
    assert app.number_input(key="pay-tp").value == 5.0
    assert any("Harms and benefits over g" in item.value for item in app.header)


def test_hostile_names_are_no_markdown(store, hostile_names):
    save_run(run_audit(log_of(frame([*hostile_names], rows=900))), store)
    app = opened(groups="g")
    for element in [*app.markdown, *app.caption, *app.header, *app.warning]:
        assert not re.search(r"(?<!\\)(<script|!\[|\]\(http)", element.value)
        assert not {"\x00", "\x1b", "\u202e"} & set(element.value)


def test_a_choice_that_was_made_on_other_rows_is_shown_as_it_is_stored(store):
    result = run_thresholds(log_of(frame(["a", "b"])), Payoff(tp=5, fp=-1, fn=-5, tn=0), split=True)
    save_run(result, store)
    app = opened(groups="g")
    stored = [result.find("best_threshold", {"g": name}).value for name in "ab"]
    assert [float(cell) for cell in app.dataframe[1].value["Pays most at"]] == pytest.approx(stored)
    gains = [row for row in result.measurements if row.metric == "group_threshold_gain"]
    assert len(app.dataframe[2].value) == len(gains)
    assert any("Chosen on the other half of the rows" in item.value for item in app.caption)
    assert " --split" in app.code[-1].value
    app.number_input(key="pay-fp").set_value(-9.0).run()
    assert not app.exception
    said = [item.value.replace("\\", "") for item in app.caption]
    assert any("Chosen and measured on the same rows" in text and "are not kept with it" in text for text in said)
