import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.predictions import PredictionLog
from audit.scores.calibration import reliability, with_reliability
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.store import save_run
from dashboards.tables import value_text

APP = Path(dashboards.__file__).with_name("app.py")


def opened(**query):
    app = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/calibration.py").run()
    assert not app.exception, app.exception
    return app


def shown(app):
    kinds = ("title", "header", "subheader", "markdown", "text", "caption", "info", "error", "code")
    return [element.value for kind in kinds for element in getattr(app, kind)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_an_empty_store_says_what_to_run(folder):
    app = opened()
    assert not folder.exists()
    assert "No run is saved yet" in app.info[0].value


def test_a_run_without_scores_says_what_is_missing(runs):
    app = opened(run=runs["judged"].name)
    assert "holds nothing for this page" in app.info[0].value
    assert "--y-score" in app.code[0].value
    assert not app.dataframe


def test_the_worst_group_leads_and_the_numbers_are_those_of_the_result(scored, folder):
    save_run(scored, folder)
    app = opened()
    told = next(text for text in shown(app) if text.startswith("- Blue"))
    assert "promise too little" in told.replace("\\", "")
    table = app.dataframe[0].value
    assert table["Group"].iloc[0] == "Blue"
    by_group = table.set_index("Group")
    for name in ("Blue", "Green", "Red"):
        row = scored.find("calibration_slope", {"race": name})
        assert by_group.loc[name, "Calibration slope"] == f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        assert by_group.loc[name, "n"] == f"{scored.find('expected_calibration_error', {'race': name}).n:,}"
    bins = app.dataframe[1].value
    expected = [row for row in reliability(scored.tally, features=["race"]) if row.metric == "observed_rate" and row.n]
    assert len(bins) == len(expected)
    assert set(bins["Shown to be wrong"]) == {"◆ yes", "no"}
    assert app.code[-1].value.endswith("evenhanded calibration latest")
    assert "--y-score score" in app.code[-1].value


def test_everyone_and_intersections_are_chosen_by_hand(scored, folder):
    save_run(scored, folder)
    app = opened()
    app.selectbox(key="groups").select("everyone").run()
    assert app.dataframe[0].value["Group"].tolist() == ["everyone"]
    app.selectbox(key="groups").select("race and sex").run()
    assert not app.exception
    assert len(app.dataframe[0].value) == 6


def test_hostile_names_are_no_markdown(scored_log, hostile_names, folder):
    save_run(scored_log([*hostile_names], sizes=[120] * len(hostile_names)), folder)
    app = opened()
    for element in [*app.markdown, *app.caption, *app.info, *app.header, *app.title]:
        plain = element.value.replace("\\\\", "")
        assert "![" not in plain
        assert not re.search(r"(?<!\\)<script", plain)
        assert "](http" not in plain
        assert not {"\x00", "\x1b", "\u202e"} & set(plain)
    assert not any(element.allow_html for element in app.markdown)


def test_a_run_of_thresholds_has_a_calibration_as_the_command_line_says(folder):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"s": rng.random(900), "g": rng.choice(["a", "b"], 900)})
    data["y"] = (rng.random(900) < data["s"] ** 2).astype(int)
    log = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    result = run_thresholds(log, Payoff(tp=1, fp=-1, fn=0, tn=0))
    save_run(result, folder)
    app = opened(groups="g")
    assert not app.info
    told = with_reliability(result, features=["g"])
    assert value_text(told.find("brier_score", {"g": "a"})) in app.dataframe[0].value["Brier score"][0]
    assert app.code[-1].value.startswith("evenhanded thresholds ")
