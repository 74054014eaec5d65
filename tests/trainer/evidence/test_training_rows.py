import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.result import Result
from trainer.data.columns import Columns
from trainer.data.sealing import seal_test
from trainer.data.splits import split_given, split_groups, split_rows
from trainer.data.table import Table
from trainer.evidence.ensemble import ensemble_row
from trainer.evidence.training_rows import training_result
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe, Saving
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=8)


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, seed=3, device="cpu")
    learner.fit_one_cycle(2, 5e-3, batch_size=64)
    return learner


def test_every_epoch_has_its_rows(learner):
    result = training_result(learner)
    for epoch in learner.history:
        at = {"round": epoch.epoch}
        assert result.find("train_loss", at=at).value == epoch.train_loss
        assert result.find("valid_loss", at=at).value == epoch.valid_loss
        row = result.find("valid_accuracy", at=at)
        n = len(learner.data.split.valid)
        expected = proportion_confint(round(epoch.valid_accuracy * n), n, method="wilson")
        assert (row.low, row.high) == pytest.approx(expected, abs=1e-6)
        assert (row.value, row.n, row.method) == (epoch.valid_accuracy, n, "wilson")


def test_it_is_a_result_like_any_other(learner):
    result = training_result(learner)
    again = Result.from_json(result.to_json())
    assert again.measurements == result.measurements
    given = result.provenance.given
    assert (given["model_version"], given["split"]) == (learner.model_version, learner.data.split.digest)
    assert given["cycles"][0]["batch_size"] == 64


def test_without_validation_rows_nothing_is_0(frame, columns):
    split = split_given(train=np.arange(300), valid=[], test=[])
    alone = Learner(Table.from_frame(frame, columns=columns, split=split), network=SMALL, device="cpu")
    alone.fit_one_cycle(1)
    row = training_result(alone).find("valid_accuracy", at={"round": 1})
    assert (row.value, row.n, row.reason) == (None, 0, "no validation rows")


def test_rows_of_one_cluster_get_no_interval_of_independent_rows(frame):
    columns = Columns(y="ill", features=["angle", "site"], cluster="person")
    table = Table.from_frame(frame, columns=columns, split=split_groups(frame["person"], seed=3))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(1)
    row = training_result(learner).find("valid_accuracy", at={"round": 1})
    assert row.value == learner.history[0].valid_value
    assert (row.low, row.high, row.level) == (None, None, None)
    assert row.reason == "no interval: rows of one 'person' are not independent; audit the model's log of these rows"


def test_a_loss_that_is_not_finite_is_undefined_and_saved(frame, tmp_path):
    split = split_given(train=np.arange(300), valid=np.arange(300, 400), test=[])
    numbers = frame.assign(price=np.where(np.arange(len(frame)) == 300, 1e25, frame["angle"]))
    table = Table.from_frame(numbers, columns=Columns(y="price", task="number", features=["age"]), split=split)
    learner = Learner(table, network=SMALL, device="cpu")
    (row,) = learner.fit_one_cycle(1, saving=Saving(tmp_path / "model"))
    assert row.valid_loss is None
    assert row.valid_value == pytest.approx(1e23, rel=1e-3)
    loss = training_result(learner).find("valid_loss", at={"round": 1})
    assert (loss.value, loss.reason) == (None, row.valid_reason)
    assert "beyond float32: look for extreme labels" in loss.reason
    assert Learner.load(tmp_path / "model", device="cpu").history == learner.history


def test_groups_of_sealed_rows_alone_have_no_name(frame, tmp_path):
    split = split_rows(len(frame), seed=3)
    frame = frame.assign(sex=np.where(np.arange(len(frame)) == split.test[0], "<script>", frame["sex"]))
    columns = Columns(y="ill", features=["angle"], sensitive_features=["sex"])
    sealed = seal_test(Table.from_frame(frame, columns=columns, split=split), tmp_path / "box", by="A. Reviewer")
    learner = Learner(sealed, network=SMALL, device="cpu")
    objective = ObjectiveSettings(kind="group_dro", groups=("sex",))
    (row,) = learner.fit_one_cycle(1, recipe=Recipe(objective=objective))
    assert list(row.group_weights) == ["sex=f", "sex=m"]
    rows = [row for row in training_result(learner).measurements if row.metric == "group_weight"]
    assert [dict(row.slice)["sex"] for row in rows] == ["f", "m"]
    assert sum(row.n for row in rows) == len(split.train)


def test_the_mean_of_several_models_has_no_interval_of_a_share(table):
    """It is no share of n rows; what predicts is their mean answer, and its row has one."""
    learners = {models: Learner(table, network=SMALL, models=models, device="cpu") for models in (None, 1, 2)}
    for models, learner in learners.items():
        learner.fit_one_cycle(1, 1e-2)
        row = training_result(learner).find("valid_accuracy", at={"round": 1})
        together = ensemble_row(learner)
        assert (row.low is None) == (models == 2)
        assert (together is None) == (models != 2)
    assert "the mean of what each of 2 models reaches alone" in row.reason
    assert together.low < together.value < together.high
