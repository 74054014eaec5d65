"""What is known of models that answer several labels or a number, and of several classes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.evidence.disagreement import DISAGREEMENT
from trainer.evidence.prices import prices
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)
SPLIT = split_rows(1500, seed=3)


def learner_of(frame, columns, objective="mean", models=2):
    learner = Learner(Table.from_frame(frame, columns=columns, split=SPLIT), network=SMALL, models=models, device="cpu")
    groups = () if objective == "mean" else ("sex",)
    recipe = Recipe(objective=ObjectiveSettings(kind=objective, groups=groups))
    learner.fit_one_cycle(3, 1e-2, batch_size=64, recipe=recipe)
    return learner


@pytest.fixture(scope="module")
def labels(frame):
    both = frame.assign(signs=np.where(frame["angle"] > 0, "up|", "") + frame["site"])
    return both, Columns(y="signs", features=["angle", "age", "site"], sensitive_features=["sex"], task="labels")


@pytest.fixture(scope="module")
def number(frame):
    return frame.assign(height=frame["angle"] ** 2), Columns(y="height", features=["angle", "site"], task="number")


def test_labels_are_calibrated_listed_and_compared(labels):
    learner = learner_of(*labels)
    before = learner.validate("valid").loss
    found = learner.calibrate()
    assert learner.validate("valid").loss <= before
    assert np.mean(found.loss_after) == pytest.approx(learner.validate("valid").loss, rel=1e-5)
    losses = learner.top_losses("test", 10**6)
    assert losses["loss"].mean() == pytest.approx(learner.validate("test").loss, rel=1e-5)
    assert isinstance(losses["answer"].iloc[0], list)
    row = learner.disagreement("test").find(DISAGREEMENT)
    each = learner.predict_each("test") >= 0.5
    assert row.value == pytest.approx((each[0] != each[1]).any(axis=1).mean())


@pytest.mark.parametrize("kind", ["group_balanced", "group_dro", "demographic_parity"])
def test_labels_and_numbers_are_trained_with_groups(kind, labels, number):
    for data in (labels, number):
        assert np.isfinite(learner_of(*data, objective=kind).history[-1].valid_loss)


def test_the_largest_errors_of_a_number_come_first(number):
    learner = learner_of(*number, models=None)
    found = learner.top_losses("test", 10**6)
    assert found["loss"].mean() == pytest.approx(learner.validate("test").loss, rel=1e-5)
    assert found["probability"].isna().all()
    assert (found["answer"] - found["height"]).abs().is_monotonic_decreasing


def test_what_needs_classes_says_what_came(labels, number):
    for data, kind in ((labels, "labels"), (number, "number")):
        learner = learner_of(*data)
        with pytest.raises(InputError, match=f"a prediction set needs one class per row; this model answers {kind}"):
            learner.conformal()
        with pytest.raises(InputError, match=f"a band of unsure answers needs one class per row; .* answers {kind}"):
            learner.abstain(0.9)
        with pytest.raises(InputError, match="has no two classes with a positive one"):
            prices({"a": learner, "b": learner}, by=["sex"])
        with pytest.raises(InputError, match=f"needs one class per row; the model answers {kind}"):
            learner.fit_one_cycle(1, recipe=Recipe(objective=ObjectiveSettings(kind="class_balanced")))
    with pytest.raises(InputError, match="decisions; this model answers numbers"):
        learner.disagreement("test", by="sex")
    with pytest.raises(InputError, match="a temperature is for probabilities; the model answers numbers"):
        learner.calibrate()


def test_of_several_classes_everything_but_prices(frame):
    kinds = frame.assign(kind=pd.cut(frame["angle"], 3, labels=["a", "b", "c"]).astype(str))
    learner = learner_of(kinds, Columns(y="kind", features=["angle", "age"], sensitive_features=["sex"]))
    learner.calibrate()
    losses = learner.top_losses("test", 10**6)
    truth, mean = learner.data.part("test")["kind"], learner.predict_proba("test")
    assert losses["loss"].mean() >= log_loss(truth, mean) - 1e-9
    for by in (None, "kind", "sex"):
        cover = learner.conformal(0.1, by=by).audit(learner, "test").find("prediction_set_coverage")
        assert cover.high >= 0.9
    each = learner.predict_each("test").argmax(axis=-1)
    assert learner.disagreement("test").find(DISAGREEMENT).value == pytest.approx((each[0] != each[1]).mean())
