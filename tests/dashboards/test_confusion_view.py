from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.store import save_run

APP = Path(dashboards.__file__).with_name("app.py")
LABELS = ["cat", "<script>alert(1)</script>", "=1+1"]


def make_result(task="multiclass"):
    random = np.random.default_rng(0)
    y = random.choice(LABELS, 600)
    p = np.where(random.random(600) < 0.7, y, random.choice(LABELS, 600))
    frame = pd.DataFrame({"y": y, "p": p, "g": random.choice(["north", "![x](http://evil)"], 600)})
    return run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], task=task))


def opened(**query):
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/confusion.py").run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    return tmp_path


def test_an_empty_store_says_what_to_run(folder):
    assert "No run is saved yet" in opened().info[0].value


def test_a_run_of_two_labels_says_that_it_has_no_matrix(folder, result):
    save_run(result, folder)
    app = opened()
    assert "holds nothing for this page" in app.info[0].value
    assert "--task multiclass" in app.code[0].value


def test_the_matrix_of_everyone_and_of_a_group(folder):
    result = make_result()
    save_run(result, folder)
    app = opened()
    cells = app.dataframe[0].value
    assert len(cells) == 9
    assert cells["True"].iloc[0] != cells["Predicted"].iloc[0]
    assert set(app.dataframe[1].value["Label"]) == set(LABELS)
    everyone = app.dataframe[1].value["True positive rate"].tolist()
    box = app.selectbox(key="confusion_group")
    assert len(box.options) == 3
    box.select(box.options[1]).run()
    assert not app.exception
    assert app.dataframe[1].value["True positive rate"].tolist() != everyone
    assert "--task multiclass" in app.code[0].value


def test_several_labels_per_row_have_no_matrix_but_rates(folder):
    random = np.random.default_rng(1)
    sets = ["a", "a|b", "", "b"]
    frame = pd.DataFrame({"y": random.choice(sets, 200), "p": random.choice(sets, 200)})
    save_run(run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", task="multilabel")), folder)
    app = opened()
    assert app.dataframe[0].value["Label"].tolist() == ["(none of the above)", "a", "b"]


def test_names_from_data_are_never_markdown(folder):
    save_run(make_result(), folder)
    texts = [element.value for element in (*opened().markdown, *opened().caption)]
    assert not any("](http://evil)" in text or "<script>" in text for text in texts)
