"""A step that is left out leaves no mark: neither on weights nor on what the forward pass itself changes."""

import pandas as pd
import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.resident import Resident
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.data.target import Target
from trainer.fitting.buffers import Buffers
from trainer.fitting.ema import Average
from trainer.fitting.objectives import MeanLoss
from trainer.fitting.optimizer import GuardedAdamW
from trainer.fitting.stacked import StackedModels
from trainer.fitting.step import Course, Stepper
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings, TabularMLP


class Normalising(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.norm, self.head = nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)

    def forward(self, *inputs):
        return self.head(torch.relu(self.norm(self.body(inputs[-1]))))


def stepper(*, models=None, ema=None, accumulate=1):
    model = Normalising() if models is None else StackedModels([Normalising() for _ in range(models)])
    into = Normalising()
    return Stepper(
        model=model,
        target=Target(kind="classes", classes=(0, 1)),
        objective=MeanLoss(),
        optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.1, clip=1.0, models=models),
        course=Course.begin(torch.full((20,), 0.01)),
        accumulate=accumulate,
        average=None if ema is None else Average(model, into=into, decay=ema),
    ), into


def poisoned(bad):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(32, 1, generator=generator)
    values[9] = bad  # in the second batch of 8
    return Resident(inputs=(values,), target=torch.randint(0, 2, (32,), generator=generator))


@pytest.mark.parametrize("bad", [float("inf"), float("nan"), 1e38])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_left_out_leaves_running_means_and_their_average_where_they_were(bad, accumulate):
    step, average = stepper(ema=0.5, accumulate=accumulate)
    data, order = poisoned(bad), torch.arange(32)
    step.take(data, order, size=8)
    before = {name: value.clone() for name, value in step.model.state_dict().items()}
    assert before["norm.running_mean"].any()
    assert int(before["norm.num_batches_tracked"]) == accumulate
    step.take(data, order, size=8)
    after = step.model.state_dict()
    assert step.course.totals[2] == (bad != 1e38), "infinite spread has a finite gradient: of 0"
    kept = [name for name in before if bad != 1e38 or name.startswith(("norm.running", "norm.num"))]
    assert all(torch.equal(after[name], before[name]) for name in kept)
    assert torch.equal(average.norm.running_var, before["norm.running_var"])
    step.take(data, order, size=8)
    assert not torch.equal(step.model.norm.running_mean, before["norm.running_mean"])
    assert step.model.norm.running_var.isfinite().all()


def test_of_stacked_models_only_the_one_that_is_left_out_is_set_back():
    step, _ = stepper(models=2)
    data, order = poisoned(float("inf")), torch.stack([torch.arange(32), torch.arange(32).roll(16)])
    step.take(data, order, size=8)
    before = step.model.norm__running_mean.clone()
    step.take(data, order, size=8)
    moved = [not torch.equal(now, then) for now, then in zip(step.model.norm__running_mean, before, strict=True)]
    assert moved == [False, True]
    assert step.model.norm__running_mean.isfinite().all()


def test_steps_with_buffers_never_wait_for_the_host(never_waiting):
    step, _ = stepper(ema=0.9)
    data, order = poisoned(0.0), torch.arange(32)
    step.take(data, order, size=8)
    with never_waiting() as watch:
        step.take(data, order, size=8)
    assert watch.operations > 20


def test_a_model_without_buffers_that_are_saved_costs_nothing():
    settings = MLPSettings(hidden=(8,), frequencies=4)
    model = TabularMLP(n_codes=(3,), n_numeric=1, n_classes=2, settings=settings)
    assert Buffers(model).kept() == []


class Overflowing(Normalising):
    """Overflows in training for some rows, and in no prediction."""

    def forward(self, _codes, numerics):
        far = torch.where((numerics > 2.0) & self.training, 1e38, 1.0)
        return self.head(torch.relu(self.norm(self.body(numerics) * far * far)))


@pytest.mark.parametrize("ema", [None, 0.5])
def test_training_that_left_steps_out_predicts_and_is_saved(ema, tmp_path):
    frame = pd.DataFrame({"x": range(400), "y": [0] * 200 + [1] * 200})
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(400, seed=1))
    learner = Learner(table, network=Overflowing(), device="cpu")
    (row,) = learner.fit_one_cycle(1, batch_size=32, recipe=Recipe(ema=ema))
    assert 0 < row.skipped_steps < 8
    assert row.valid_loss is not None
    assert learner.model.norm.running_var.isfinite().all()
    assert ((learner.predict_proba("valid") > 0) & (learner.predict_proba("valid") < 1)).all()
    learner.save(tmp_path / "model")
    assert Learner.load(tmp_path / "model", network=Overflowing(), device="cpu").model_version == learner.model_version


class Replacing(nn.Module):
    """Keeps a running mean as one should not: each forward pass makes a new tensor of it."""

    def __init__(self, *, in_place):
        super().__init__()
        self.in_place, self.head = in_place, nn.Linear(1, 2)
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, *inputs):
        numbers = inputs[-1][..., :1]
        if self.training:
            moved = 0.9 * self.mean + 0.1 * numbers.detach().mean(dim=0)
            if self.in_place:
                self.mean.copy_(moved)
            else:
                self.mean = moved
        return self.head(numbers - self.mean)


@pytest.mark.parametrize("models", [None, 2])
def test_a_buffer_that_is_replaced_is_refused_and_one_that_is_changed_is_kept(models, table):
    """Side by side such models would answer with the buffers that they began with, and say nothing."""
    learner = Learner(table, network=Replacing(in_place=False), models=models, device="cpu")
    with pytest.raises(InputError, match=r"puts a new tensor in the place of its buffer 'mean': change it in place"):
        learner.fit_one_cycle(1, batch_size=64)
    learner = Learner(table, network=Replacing(in_place=True), models=models, device="cpu")
    learner.fit_one_cycle(1, 1e-2, batch_size=64)
    assert (learner.model.mean.abs() > 0).all()


def test_models_at_once_with_buffers_are_those_of_runs_alone(table):
    network = Replacing(in_place=True)
    together = Learner(table, network=network, models=2, seed=5, device="cpu")
    together.fit_one_cycle(2, 1e-2, batch_size=64)
    for place, seed in enumerate((5, 6)):
        alone = Learner(table, network=network, seed=seed, device="cpu")
        alone.fit_one_cycle(2, 1e-2, batch_size=64)
        assert together.model.mean[place] == pytest.approx(alone.model.mean, abs=1e-6)
        assert together.predict_each("test")[place] == pytest.approx(alone.predict_proba("test"), abs=1e-5)
