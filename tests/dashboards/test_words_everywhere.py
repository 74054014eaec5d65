"""Every metric name that the code can emit has words: names in the source, names made of others, names of results."""

import ast
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from audit.causes.learning_curves import Score
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.scores.calibration import with_reliability
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.search.slices import run_slices
from audit.tasks.regression import run_regression
from dashboards.words import metric_sentence, metric_title, unit_of
from monitors.feedback.catalog import BY_NAME

ROOT = Path(__file__).parents[2]
SOURCES = [path for package in ("audit", "monitors", "trainer") for path in sorted((ROOT / package).rglob("*.py"))]
NAMING = {"row", "not_checked", "mean_row", "share_row", "difference_row", "number_rows", "share_rows"}
"""Functions whose first argument is the name of a metric."""


def names_in(text):
    """Return the metrics that calls name as text, by `metric=` or first in a function of `NAMING`; no docstrings."""
    found = set()
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call):
            given = [word.value for word in call.keywords if word.arg == "metric"]
            named = call.func.id if isinstance(call.func, ast.Name) else ""
            given += call.args[:1] if named in NAMING else []
            found |= {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


IN_SOURCE = {name for path in SOURCES for name in names_in(path.read_text(encoding="utf-8"))}


def unexplained(names):
    titles = {name: metric_title(name) for name in names}
    return sorted(name for name, title in titles.items() if "_" in title or not metric_sentence(name, "yes"))


def test_names_are_found_and_a_name_without_words_is_seen():
    assert names_in("row('lost'); Measurement(metric='won'); other('no')\n'''\n>>> row('docs')\n'''") == {"lost", "won"}
    assert {"action_ratio", "contribution", "cluster_overlap_rate"} <= IN_SOURCE
    assert len(IN_SOURCE) > 20
    assert unexplained(["accuracy", "no_such_metric"]) == ["no_such_metric"]


def test_every_name_in_the_source_has_words():
    assert unexplained(IN_SOURCE) == []


def test_names_made_of_others_have_words():
    endings = ("difference", "ratio", "group_max", "group_min", "change", "change_difference", "difference_group_max",
               "difference_group_min", "lower_bound", "upper_bound", "adjustment_support")  # fmt: skip
    made = [f"{name}_{ending}" for name in METRICS for ending in endings]
    made += [f"learning_curve_{score}" for score in get_args(Score)]
    made += [f"expected_{score}_reduction" for score in get_args(Score)]
    assert unexplained(made) == []


def test_every_metric_of_feedback_loops_has_the_words_of_its_catalog():
    beside = {"r2_score", "brier_skill_score", "mean_absolute_error", "accuracy", "outcome_if_acted",
              "outcome_if_not_acted"}  # fmt: skip
    assert unexplained({*BY_NAME, *beside}) == []
    of_an_audit = {name for name in BY_NAME if name.startswith("false_")} | {"outcome_coverage"}
    other = {name for name, metric in BY_NAME.items() if metric_title(name) != metric.title}
    assert other == of_an_audit
    units = {name: unit_of(name) for name in ("loop_gain", "usage", "usage_difference", "adherence_difference")}
    assert units == {"loop_gain": "number", "usage": "share", "usage_difference": "points",
                     "adherence_difference": "points"}  # fmt: skip


def frame():
    rows = pd.DataFrame({"sex": ["F", "M"] * 1000, "old": [0, 0, 1, 1] * 500, "y": [1, 0, 0, 1, 1] * 400})
    return rows.assign(p=[1, 1, 0, 1, 1, 1, 0, 1] * 250, s=[0.1, 0.9, 0.4, 0.6, 0.8] * 400)


def log_of(**roles):
    return PredictionLog.from_frame(frame(), y_true="y", sensitive_features=["sex", "old"], **roles)


MADE = {
    "audit": lambda: with_reliability(run_audit(log_of(y_pred="p", y_score="s"))),
    "slices": lambda: run_slices(log_of(y_pred="p"), metric="accuracy"),
    "slices of all rows": lambda: run_slices(log_of(y_pred="p"), metric="accuracy", confirm=False),
    "thresholds": lambda: run_thresholds(log_of(y_score="s", threshold=0.5), Payoff(tp=1, fp=-1, fn=0, tn=0)),
    "multiclass": lambda: run_audit(log_of(y_pred="p", task="multiclass")),
    "regression": lambda: run_regression(log_of(y_pred="s", task="regression")),
    "stored": lambda: Result.from_json((ROOT / "tests" / "data" / "result-1.json").read_text(encoding="utf-8")),
}


@pytest.mark.parametrize("name", MADE)
def test_every_metric_of_a_result_has_words(name):
    found = {row.metric for row in MADE[name]().measurements}
    assert found
    assert unexplained(found) == []


def test_slices_of_all_rows_are_not_said_to_come_from_a_half():
    found = {row.metric for row in MADE["slices of all rows"]().measurements if row.metric.startswith("exploratory_")}
    assert len(found) >= 4
    assert not [name for name in found if "half" in metric_title(name) + metric_sentence(name, "yes")]
    assert len({metric_title(name) for name in found}) == len(found)
