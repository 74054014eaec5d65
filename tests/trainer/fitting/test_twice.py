from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.twice import train_twice, upweighted
from trainer.history import Cycle, Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4, dropout=0.0)


@pytest.fixture(scope="module")
def misleading():
    """A background agrees with the label in 95 % of rows and is easy; what decides is there, and harder to see."""
    rng, n = np.random.default_rng(0), 4000
    y = rng.integers(0, 2, n)
    place = np.where(rng.uniform(size=n) < 0.95, y, 1 - y)
    shown = y + rng.normal(0, 0.35, n)
    frame = pd.DataFrame({"y": y, "place": np.where(place, "water", "land"), "shape": shown})
    return Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(n, seed=1))


def worst(learner):
    test = learner.data.part("test")
    right = learner.predict("test") == test["y"].to_numpy()
    return pd.Series(right, index=test.index).groupby([test["y"], test["place"]]).mean().min()


def fitted(table, objective=None, *, epochs=8, models=None):
    learner = Learner(table, network=SMALL, models=models, device="cpu")
    learner.fit_one_cycle(epochs, 1e-2, batch_size=64, recipe=Recipe(objective=objective or ObjectiveSettings()))
    return learner


def test_both_ways_to_look_at_the_worst_group_lift_it(misleading):
    plain = fitted(misleading)
    groups = ("y", "place")
    robust = fitted(misleading, ObjectiveSettings(kind="group_dro", groups=groups, eta=0.1))
    balanced = fitted(misleading, ObjectiveSettings(kind="group_balanced", groups=groups))
    start = Learner(misleading, network=SMALL, device="cpu")
    twice = train_twice(start, Cycle(epochs=8, lr=1e-2, batch_size=64), weight=20.0)
    assert worst(plain) < 0.75
    assert worst(robust) > worst(plain) + 0.1
    assert worst(balanced) > worst(plain) + 0.1
    assert worst(twice.learner) > worst(plain) + 0.1
    assert plain.validate("test").accuracy > robust.validate("test").accuracy


def test_the_errors_of_the_first_are_the_rows_that_weigh_more(misleading):
    start = Learner(misleading, network=SMALL, seed=4, device="cpu")
    found = train_twice(start, Cycle(epochs=1, lr=1e-2, batch_size=64), weight=4.0)
    wrong = found.first.predict("train") != misleading.part("train")["y"].to_numpy()
    assert (found.errors == misleading.split.train[wrong]).all()
    weights = found.data.resident.weights.numpy()[misleading.split.train]
    assert weights.mean() == pytest.approx(1.0, rel=1e-5)
    assert weights[wrong] / weights[~wrong][0] == pytest.approx(4.0)
    assert (found.data.resident.weights.numpy()[misleading.split.valid] == 1).all()
    alone = Learner(upweighted(misleading, found.errors, weight=4.0), network=SMALL, seed=4, device="cpu")
    alone.fit_one_cycle(1, 1e-2, batch_size=64)
    assert alone.model_version == found.learner.model_version


def test_weight_one_is_training_once(misleading):
    start = Learner(misleading, network=SMALL, seed=4, device="cpu")
    found = train_twice(start, Cycle(epochs=2, lr=1e-2, batch_size=64), weight=1.0)
    plain = Learner(misleading, network=SMALL, seed=4, device="cpu")
    plain.fit_one_cycle(2, 1e-2, batch_size=64)
    assert found.learner.predict_proba("test") == pytest.approx(plain.predict_proba("test"), abs=1e-5)


def test_the_second_training_can_be_resumed(misleading, tmp_path):
    start = Learner(misleading, network=SMALL, seed=4, device="cpu")
    found = train_twice(start, Cycle(epochs=2, lr=1e-2, batch_size=256))
    part = Learner(found.data, network=SMALL, seed=4, device="cpu")

    class StopError(Exception):
        pass

    def stop(_row):
        raise StopError

    with pytest.raises(StopError):
        part.fit_one_cycle(2, 1e-2, batch_size=256, saving=Saving(tmp_path, every=4), on_epoch=stop)
    rest = Learner.load(tmp_path, data=found.data, device="cpu")
    rest.resume()
    assert rest.model_version == found.learner.model_version


def test_own_weights_of_rows_are_kept(frame):
    weighed = frame.assign(w=np.where(frame["sex"] == "f", 3.0, 1.0))
    columns = Columns(y="ill", features=["angle"], sample_weight="w")
    table = Table.from_frame(weighed, columns=columns, split=split_rows(len(frame), seed=3))
    rows = table.split.train[:50]
    found = upweighted(table, rows, weight=2.0).resident.weights.numpy()
    ratio = found[rows] / weighed["w"].to_numpy()[rows]
    rest = found[table.split.train[50:]] / weighed["w"].to_numpy()[table.split.train[50:]]
    assert ratio == pytest.approx(2.0 * rest[0], rel=1e-5)
    assert found[table.split.train].mean() == pytest.approx(1.0, rel=1e-5)


def test_what_cannot_be_trained_twice_is_refused(misleading, frame, columns):
    trained = fitted(misleading, epochs=1, models=None)
    cycle = Cycle(epochs=1, lr=1e-2, batch_size=64)
    with pytest.raises(InputError, match=r"(?s)was trained for 1 epochs before.*first_epochs must.*weight must be at"):
        train_twice(trained, cycle, first_epochs=0, weight=0.5)
    easy = frame.assign(ill=(frame["angle"] > 0).astype(int))
    apart = easy[easy["angle"].abs() > 1].iloc[:500]
    rows = Table.from_frame(apart, columns=replace(columns, features=["angle"]), split=split_rows(500, seed=1))
    with pytest.raises(InputError, match="answers all 300 train rows rightly: fewer first_epochs"):
        train_twice(Learner(rows, network=SMALL, device="cpu"), cycle, first_epochs=20)
