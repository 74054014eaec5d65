"""The moving average of the weights, against one worked out by hand and against one kept beside plain training."""

import copy

import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.fitting import step
from trainer.fitting.ema import Average
from trainer.history import Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16, 16), embedding=4, frequencies=4, sigma=0.5, periodic=4)
YES, NO = torch.tensor(True), torch.tensor(False)


def test_by_hand():
    model, into = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(into.weight)
    average = Average(model, into=into, decay=0.15)
    expected = 0.0
    # Decays of the steps taken: min(0.15, 1/10, 2/11, 3/12, ...); the skipped step changes nothing and does not count.
    for weight, taken, decay in [(1.0, YES, 0.1), (5.0, NO, 1.0), (2.0, YES, 0.15), (4.0, YES, 0.15)]:
        nn.init.constant_(model.weight, weight)
        average.update(taken)
        expected = decay * expected + (1.0 - decay) * weight
        assert into.weight.item() == pytest.approx(expected, rel=1e-6)
    assert average.state()["taken"].item() == 3


def test_buffers_are_copied_and_decay_zero_copies_weights():
    model, into = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    average = Average(model, into=into, decay=0.0)
    model(torch.randn(8, 2))
    nn.init.constant_(model.weight, 3.0)
    average.update(YES)
    for one, other in zip(model.state_dict().values(), into.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_shared_weights_are_averaged_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(1, 1, bias=False)
            self.second = self.first

    model = Tied()
    into = copy.deepcopy(model)
    nn.init.ones_(model.first.weight), nn.init.zeros_(into.first.weight)
    Average(model, into=into, decay=0.5).update(YES)
    assert into.first.weight.item() == pytest.approx(0.9)


def test_it_never_waits_for_the_host_and_does_not_grow_with_the_layers(never_waiting):
    models = [nn.Sequential(*(nn.Linear(3, 3) for _ in range(depth))) for depth in (2, 9)]
    counts = []
    for model in models:
        average = Average(model, into=copy.deepcopy(model), decay=0.9)
        with never_waiting() as watch:
            average.update(YES)
        counts.append(watch.operations)
    assert counts[0] > 3
    assert counts[0] == counts[1]


@pytest.mark.parametrize("models", [None, 2])
def test_the_average_of_the_weights_that_training_without_it_takes(table, models, monkeypatch):
    plain = Learner(table, network=SMALL, seed=2, device="cpu", models=models)
    averaged = copy.deepcopy(plain.model)
    kept = {name: value.clone().double() for name, value in averaged.named_parameters()}
    taken = 0
    whole_step = step.Stepper.take

    def watched(self, data, order, *, size, times=1):
        nonlocal taken
        for _ in range(times):
            whole_step(self, data, order, size=size)
            decay = min(0.5, (1 + taken) / (10 + taken))  # reached at the ninth step
            taken += 1
            for name, value in self.model.named_parameters():
                kept[name] = decay * kept[name] + (1 - decay) * value.detach().double()

    with monkeypatch.context() as patch:
        patch.setattr(step.Stepper, "take", watched)
        plain.fit_one_cycle(2, 5e-3, batch_size=64)
    with_average = Learner(table, network=SMALL, seed=2, device="cpu", models=models)
    with_average.fit_one_cycle(2, 5e-3, batch_size=64, recipe=Recipe(ema=0.5))
    assert taken == 30  # 900 train rows in batches of 64, twice
    for name, value in with_average.model.named_parameters():
        torch.testing.assert_close(value.detach().double(), kept[name], rtol=1e-4, atol=1e-6)
    assert [row.train_loss for row in plain.history] == [row.train_loss for row in with_average.history]
    assert plain.history[-1].valid_loss != with_average.history[-1].valid_loss
    assert with_average.history[-1].valid_loss == pytest.approx(with_average.validate().loss, abs=1e-12)


@pytest.mark.parametrize("stop", [5, 15])
def test_training_goes_on_bit_by_bit_with_its_average(table, tmp_path, stop):
    recipe = Recipe(ema=0.95)
    whole = Learner(table, network=SMALL, seed=4, device="cpu")
    whole.fit_one_cycle(3, 5e-3, batch_size=64, recipe=recipe)
    broken = Learner(table, network=SMALL, seed=4, device="cpu")

    def cut(row):
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.fit_one_cycle(3, 5e-3, batch_size=64, recipe=recipe, on_epoch=cut, saving=Saving(tmp_path, stop))
    halfway = Learner.load(tmp_path, device="cpu")
    resumed = Learner.load(tmp_path, data=table, device="cpu")
    assert halfway.predict_proba(table.part("test")).tolist() == resumed.predict_proba("test").tolist()
    resumed.resume()
    assert resumed.model_version == whole.model_version
    assert [row.valid_loss for row in resumed.history] == [row.valid_loss for row in whole.history]


@pytest.mark.parametrize("ema", [1.0, -0.1, float("nan")])
def test_a_decay_out_of_range_is_refused(ema):
    with pytest.raises(InputError, match=r"ema is a decay in \[0, 1\), or None; came"):
        Recipe(ema=ema)
