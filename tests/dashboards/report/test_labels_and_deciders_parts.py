import re

import numpy as np
import pandas as pd
import pytest

from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.tasks.deciders import run_deciders
from dashboards.report import deciders_part, multiclass_part
from dashboards.report.render import render_report

LABELS = ["cat", "<script>alert(1)</script>", "=1+1", "$x$"]


def frame(n=2000, seed=0):
    random = np.random.default_rng(seed)
    g, y = random.choice(["north", "south"], n), random.choice(LABELS, n)
    right = random.random(n) < np.where((g == "south") & (y == "cat"), 0.4, 0.8)
    return pd.DataFrame({"y": y, "p": np.where(right, y, random.choice(LABELS, n)), "g": g})


def multiclass(data=None):
    log = PredictionLog.from_frame(
        frame() if data is None else data, y_true="y", y_pred="p", sensitive_features=["g"], task="multiclass"
    )
    return run_audit(log)


def two(n=3000, seed=1):
    random = np.random.default_rng(seed)
    g, y = random.choice(["north", "south"], n), random.integers(0, 2, n)
    m = np.where(random.random(n) < 0.8, y, 1 - y)
    f = np.where(random.random(n) < np.where(g == "south", 0.3, 0.05), 1 - m, m)
    return pd.DataFrame({"y": y, "m": m, "f": f, "g": g})


def test_the_label_and_group_that_are_found_worst_lead():
    (section,) = multiclass_part.sections(multiclass())
    assert section.text.startswith("Of 4 labels, “cat” is found least often: 72.0 % [68.0, 75.7]")
    assert "rows that truly are “cat” are found" in section.text
    assert re.search(r"found 33.0 points .−40.6, −24.8. below the rest for g = south", section.text)
    assert section.measurements[0].slice in {(("g", "south"),), (("g", "north"),)}
    picture = section.pictures[0].svg
    assert "&lt;script&gt;" in picture
    assert "<script" not in picture


def test_groups_that_do_not_differ_are_not_said_to():
    data = frame()
    data["p"] = data["y"].where(np.arange(len(data)) % 5 > 0, "cat")
    data["g"] = np.where(np.arange(len(data)) % 2 == 0, "even", "odd")
    (section,) = multiclass_part.sections(multiclass(data))
    assert "differ for sure from that of the rest" in section.text


def test_small_labels_are_hidden_in_the_picture():
    data = pd.DataFrame({"y": ["a"] * 50 + ["b"] * 50 + ["c"] * 3, "p": ["a"] * 50 + ["b"] * 50 + ["c"] * 3, "g": "x"})
    (section,) = multiclass_part.sections(multiclass(data))
    assert section.pictures[0].svg.count("hidden") == 3
    assert "“c”" not in section.text


def test_many_labels_have_no_picture():
    labels = [f"label {place}" for place in range(20)] * 15
    (section,) = multiclass_part.sections(multiclass(pd.DataFrame({"y": labels, "p": labels, "g": "x"})))
    assert section.pictures == ()


def test_harmful_overrides_are_named_with_the_group():
    log = PredictionLog.from_frame(two(), y_true="y", y_pred="m", action="f", sensitive_features=["g"])
    (section,) = deciders_part.sections(run_deciders(log))
    assert section.title == "Model, human and final decision"
    assert "That takes 10.5 points from the accuracy there." in section.text
    assert re.search(r"The harmful override rate of g = south lies 20.6 points above", section.text)
    assert [dict(row.at).get("model_version") for row in section.measurements][-2:] == ["model", "final"]


def test_deferral_says_what_a_deferred_row_counts_as():
    data = two().assign(
        m=lambda each: np.where((each.index % 3 == 0) & (each["g"] == "south"), "?", each["m"].astype(str))
    )
    log = PredictionLog.from_frame(data, y_true="y", y_pred="m", sensitive_features=["g"], abstain="?")
    (section,) = deciders_part.sections(run_audit(log))
    assert "A deferred row never counts as right" in section.text
    assert "The deferral rate of g = " in section.text
    assert [row.metric for row in section.measurements] == [
        "deferral_rate",
        "accuracy",
        "decided_accuracy",
        "accuracy_if_deferred_right",
    ]


@pytest.mark.parametrize("part", [multiclass_part, deciders_part])
def test_a_plain_audit_has_neither(part, result):
    assert part.sections(result) == ()


def test_the_whole_page_stands():
    page = render_report(multiclass(), title="Animals")
    assert "Several labels" in page
    assert "<script" not in page
    assert "Largest gap between any two groups" in page
