import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.result import Result
from trainer.data.splits import split_given
from trainer.data.table import Table
from trainer.evidence.training_rows import training_result
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
