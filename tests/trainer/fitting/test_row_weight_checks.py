"""What is wrong with weights of several models is said before anything is trained, all of it at once."""

import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.row_weight_checks import reweighing_violations
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), embedding=4, frequencies=4, sigma=0.5, periodic=4)


@pytest.fixture(scope="module")
def weighed(frame):
    """A table with weights of its own, one in ten of them 0."""
    weights = (np.random.default_rng(1).random(len(frame)) > 0.1).astype(float)
    columns = Columns(y="ill", features=["angle"], sample_weight="w")
    return Table.from_frame(frame.assign(w=weights), columns=columns, split=split_rows(len(frame), seed=3))


def wrong(changes, shape=(2, 900)):
    weights = np.ones(shape)
    for place, value in changes.items():
        weights[place] = value
    return weights


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resample": "jackknife"}, "resample must be 'bootstrap', or None; came 'jackknife'"),
        ({"resample": True}, "resample must be 'bootstrap', or None; came True"),
        ({"resample": "bootstrap", "row_weights": np.ones((2, 900))}, "give one of the two"),
        ({"resample": "bootstrap", "models": None}, "resample makes models that differ"),
        ({"row_weights": np.ones((2, 900)), "models": None}, "row_weights makes models that differ"),
        ({"row_weights": np.ones((900, 2))}, r"here \(2, 900\); came \(900, 2\)"),
        ({"row_weights": np.ones(900)}, r"here \(2, 900\); came \(900,\)"),
        ({"row_weights": np.ones((2, 0))}, r"here \(2, 900\); came \(2, 0\)"),
        ({"row_weights": [[1.0], [1.0, 2.0]]}, "came rows of unequal length"),
        ({"row_weights": "bootstrap"}, "must be an array of numbers"),
        ({"row_weights": [["1"] * 900] * 2}, "must be an array of numbers.* came <U1"),
        ({"row_weights": wrong({(1, 5): np.nan})}, "not so in model 1 at row 5, counted from 0, of the train rows"),
        ({"row_weights": wrong({(0, 5): -1.0})}, "not so in model 0 at row 5"),
        ({"row_weights": wrong({(0, 899): np.inf})}, "not so in model 0 at row 899"),
        ({"row_weights": wrong({1: 0.0})}, "row_weights of model 1 are 0 in every train row"),
        ({"row_weights": wrong({(1, 3): 1e308, (1, 4): 1e-308})}, "the model of seed 1: its weights span more than"),
    ],
)
def test_what_is_wrong_with_weights_is_said(table, given, said):
    with pytest.raises(InputError, match=said):
        Learner(table, **{"network": SMALL, "models": 2, "device": "cpu", **given})


def test_all_that_is_wrong_is_said_at_once(table):
    weights = wrong({(0, 5): np.nan, 1: 0.0})
    with pytest.raises(InputError) as caught:
        Learner(table, models=2, seed=-1, device="cpu", resample="jackknife", row_weights=weights)
    assert len(caught.value.violations) == 5


def test_a_model_that_is_left_with_one_class_or_one_group_is_named(table, weighed):
    ill = (table.part("train")["ill"] == 1).to_numpy()
    with pytest.raises(InputError, match="the model of seed 8: its rows are all of the class 1; at least two"):
        Learner(table, models=2, seed=7, device="cpu", row_weights=np.stack([np.ones(900), ill]))
    zero = (weighed.part("train")["w"] == 0).to_numpy()
    with pytest.raises(InputError, match="the model of seed 7: its rows have no weight in the data"):
        Learner(weighed, models=2, seed=7, device="cpu", row_weights=np.stack([zero, np.ones(900)]))
    women = (table.part("train")["sex"] == "f").to_numpy()
    learner = Learner(table, models=2, network=SMALL, device="cpu", row_weights=np.stack([np.ones(900), women]))
    recipe = Recipe(objective=ObjectiveSettings(kind="group_balanced", groups=("sex",)))
    with pytest.raises(InputError, match="'group_balanced': model 1, counted from 0, gives weight to rows of one"):
        learner.fit_one_cycle(1, recipe=recipe)
    one = Recipe(objective=ObjectiveSettings(kind="group_dro", groups=("site", "sex")))
    learner.fit_one_cycle(1, recipe=one)
    q = learner._run.stepper.objective.q
    assert (q[1][[1, 3, 5]] == 0).all(), "groups of men have no weight in the second model"
    assert (q[0] > 0).all()


def test_a_tensor_that_numpy_does_not_read_is_refused_in_words():
    found = reweighing_violations(None, torch.ones(1, 3, requires_grad=True), models=1, n_train=3)
    assert "of shape (models, train rows): Can't call numpy() on Tensor that requires grad" in found[0]
