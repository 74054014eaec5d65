"""A seed that no generator takes is refused at every door that draws, in our own words, before anything is fitted."""

from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.alternatives.baseline_rows import baseline_rows
from audit.alternatives.baseline_run import run_baselines
from audit.alternatives.baseline_task import BaselineTask
from audit.alternatives.regression_baselines import regression_rows
from audit.causes.learning_curves import learning_curve
from audit.causes.samples import Sample
from audit.causes.worlds import hiring_world, planted_world, smile_world
from audit.errors import InputError
from audit.splits.contributions import contributions
from audit.splits.data_evidence import data_evidence
from audit.splits.importance import permutation_importance
from audit.splits.leakage import lint_splits
from audit.splits.out_of_bag import out_of_bag_rows
from audit.splits.partial_dependence import partial_dependence
from audit.splits.split_table import read_splits
from audit.stress.before_after import LabelledRows
from audit.stress.mitigation import constrained_mixture, group_thresholds, reweighed
from audit.stress.perturbations import missing_cells, noise, pixel_noise, unit_error
from audit.stress.robustness import Subjects, run_robustness
from audit.tasks.custom_metrics import MetricColumns, custom_metric_rows, run_custom_metric

X = np.arange(80.0).reshape(40, 2)
Y = np.resize([0, 1], 40)
FRAME = pd.DataFrame({"y": Y, "p": Y[::-1], "g": [*"ab"] * 20, "x": X[:, 0]})
COLUMNS = MetricColumns("y", "p", ("g",))
TABLE = pa.Table.from_pandas(FRAME[["x", "y", "p"]])
SPLITS = read_splits(TABLE, TABLE, y_true="y", y_score="p")
TASK = BaselineTask(x_train=X, y_train=Y, x_test=X, y_test=Y)
PART = LabelledRows(features=X, y_true=Y, sensitive_features={"g": FRAME["g"].to_numpy()})
SAMPLE = Sample(features=X, group=FRAME["g"].to_numpy(), y=Y)


def agreement(y, p):
    return float((y == p).mean())


def first(x):
    return np.asarray(x, dtype=float)[:, 0] / 100


def fit(x, y, weight=None):
    del x, y, weight
    return first


DOORS = {
    "custom metric rows": partial(custom_metric_rows, FRAME, agreement, name="agreement", columns=COLUMNS),
    "custom metric": partial(run_custom_metric, FRAME, agreement, name="agreement", columns=COLUMNS),
    "baseline rows": partial(baseline_rows, TASK),
    "baselines": partial(run_baselines, SPLITS),
    "regression baselines": partial(regression_rows, TASK),
    "lint": partial(lint_splits, SPLITS),
    "data evidence": partial(data_evidence, SPLITS),
    "contributions": partial(contributions, first, X[:1], X),
    "importance": partial(permutation_importance, first, X, Y),
    "out of bag": partial(out_of_bag_rows, X, Y, X, Y),
    "partial dependence": partial(partial_dependence, first, FRAME[["x"]], "x"),
    "robustness": partial(run_robustness, first, X, {"same": lambda x: x}, Subjects(y_true=Y, sensitive_features={})),
    "missing cells": partial(missing_cells, FRAME, columns=["x"], share=0.5),
    "noise": partial(noise, FRAME, columns=["x"], scale=0.5),
    "unit error": partial(unit_error, FRAME, column="x", factor=10),
    "pixel noise": partial(pixel_noise, np.zeros((2, 4, 4)), scale=0.1),
    "learning curve": partial(learning_curve, SAMPLE, fit, group="a"),
    "planted world": partial(planted_world, "measurement"),
    "smile world": smile_world,
    "hiring world": hiring_world,
    "reweighed": partial(reweighed, fit, PART, PART),
    "group thresholds": partial(group_thresholds, fit, PART, PART),
    "constrained mixture": partial(constrained_mixture, None, PART, PART),
}


@pytest.mark.parametrize("seed", [-1, 0.5, "7", True])
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_seed_is_refused_by_name(door, seed):
    with pytest.raises(InputError) as caught:
        DOORS[door](random_state=seed)
    assert [text for text in caught.value.violations if text.startswith("random_state must be a whole number")]
    assert f"; got {seed}" in str(caught.value)
