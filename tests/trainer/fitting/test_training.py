from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.evidence.group_weights import group_weight_rows
from trainer.fitting import training
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.objectives import MeanLoss
from trainer.history import Recipe, Saving, rows_of_cycle
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(8,), frequencies=4, periodic=4, dropout=0.0)
DRO = Recipe(objective=ObjectiveSettings(kind="group_dro", groups=("sex",)))


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("recipe", [None, DRO])
def test_the_loss_of_models_at_once_is_the_mean_of_theirs(table, recipe):
    together = Learner(table, network=SMALL, models=3, seed=5, device="cpu")
    rows = together.fit_one_cycle(2, 5e-3, batch_size=64, recipe=recipe)
    alone = [Learner(table, network=SMALL, seed=seed, device="cpu") for seed in (5, 6, 7)]
    each = [learner.fit_one_cycle(2, 5e-3, batch_size=64, recipe=recipe) for learner in alone]
    for epoch, row in enumerate(rows):
        assert row.train_loss == pytest.approx(np.mean([one[epoch].train_loss for one in each]), rel=1e-5)


def test_a_model_that_stays_without_a_gradient_stops_all_and_is_named(table):
    learner = Learner(table, network=SMALL, models=3, seed=11, device="cpu")
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter[1].fill_(float("nan"))
    with pytest.raises(InputError, match=r"the model of seed 12 took no step in epoch 1.*all 3 models stop") as caught:
        learner.fit_one_cycle(1, batch_size=64)
    assert len(caught.value.violations) == 1


def test_one_bad_step_of_one_model_leaves_the_others_as_they_are(table, monkeypatch):
    plain = Learner(table, network=SMALL, models=3, seed=11, device="cpu")
    plain.fit_one_cycle(2, 5e-3, batch_size=64)
    calls, forward = count(1), MeanLoss.forward

    def spoiled(self, losses, output, batch):
        if next(calls) == 5:
            losses = losses * torch.tensor([[1.0], [float("inf")], [1.0]])
        return forward(self, losses, output, batch)

    monkeypatch.setattr(MeanLoss, "forward", spoiled)
    learner = Learner(table, network=SMALL, models=3, seed=11, device="cpu")
    rows = learner.fit_one_cycle(2, 5e-3, batch_size=64)
    assert [row.skipped_steps for row in rows] == [1, 0]
    assert all(np.isfinite(row.train_loss) for row in rows)
    before, after = plain.predict_each("test"), learner.predict_each("test")
    assert (before[0] == after[0]).all()
    assert (before[2] == after[2]).all()
    assert np.isfinite(after[1]).all()
    assert 0 < np.abs(before[1] - after[1]).max() < 0.2


def test_speed_after_a_stop_counts_the_rows_since_then(table, tmp_path, monkeypatch):
    clock = count()
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    learner = Learner(table, network=SMALL, device="cpu")

    def save(path):
        Learner.save(learner, path)
        raise PowerCutError

    learner.save = save
    with pytest.raises(PowerCutError):
        learner.fit_one_cycle(2, batch_size=64, saving=Saving(tmp_path, 14))  # of 15: 896 of 900 rows
    rows = Learner.load(tmp_path, data=table, device="cpu").resume()
    assert [row.samples_per_s for row in rows] == [4.0, 900.0]


def test_a_cycle_that_was_broken_off_keeps_its_own_epochs(table):
    learner = Learner(table, network=SMALL, device="cpu")

    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.fit_one_cycle(3, batch_size=64, on_epoch=interrupt)
    rows = learner.fit_one_cycle(2, batch_size=64, recipe=DRO)
    assert [row.epoch for row in rows] == [2, 3]
    assert [(row.epoch, row.cycle) for row in learner.history] == [(1, 1), (2, 2), (3, 2)]
    assert rows_of_cycle(learner.history, 1) == learner.history[:1]
    assert [row.at for row in group_weight_rows(learner)] == [(("round", epoch),) for epoch in (2, 2, 3, 3)]
    (turn,) = [row for row in learner.health() if row.name == "epoch of the best accuracy"]
    assert turn.value in (1.0, 2.0)
    assert "of 3" not in turn.reading


def test_a_single_model_without_a_finite_step_is_told(table):
    learner = Learner(table, network=replace(SMALL), device="cpu")
    with torch.no_grad():
        next(learner.model.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="no step of epoch 1 had a finite gradient: lower lr"):
        learner.fit_one_cycle(1, batch_size=64)
