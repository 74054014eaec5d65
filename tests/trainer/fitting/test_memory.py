"""The search for parts that fit, with a device of a known size."""

import copy
from dataclasses import replace

import pytest
import torch

from audit.errors import InputError
from trainer.fitting import memory
from trainer.fitting.memory import fitted_cycle, parts_that_fit, trial_step
from trainer.history import Cycle, Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4)


class Device:
    """Holds so many rows at once, and remembers what it was asked."""

    def __init__(self, room, batch_size):
        self.room, self.batch_size, self.asked = room, batch_size, []

    def __call__(self, parts):
        self.asked.append(parts)
        if -(-self.batch_size // parts) > self.room:
            message = "CUDA out of memory"
            raise torch.OutOfMemoryError(message)


@pytest.mark.parametrize(
    ("room", "begun", "asked"),
    [
        (256, 1, [1]),
        (255, 1, [1, 2]),
        (100, 1, [1, 2, 4]),
        (100, 3, [3]),
        (1, 1, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    ],
)
def test_parts_double_until_a_step_fits(room, begun, asked):
    device = Device(room, 256)
    assert parts_that_fit(device, batch_size=256, accumulate=begun) == asked[-1]
    assert device.asked == asked


def test_parts_end_at_one_row_each():
    device = Device(1, 100)
    assert parts_that_fit(device, batch_size=100, accumulate=3) == 100
    assert device.asked == [3, 6, 12, 24, 48, 96, 100]
    with pytest.raises(InputError, match="one row at a time does not fit into the device's memory"):
        parts_that_fit(Device(0, 8), batch_size=8)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def broken(parts):
        message = "shapes do not match"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="shapes do not match"):
        parts_that_fit(broken, batch_size=8)


def test_on_a_cpu_nothing_is_tried(table, monkeypatch):
    learner = Learner(table, network=SMALL, device="cpu")
    monkeypatch.setattr(memory, "trial_step", lambda *_: pytest.fail("tried"))
    cycle = Cycle(epochs=1, lr=0.1, batch_size=64)
    assert fitted_cycle(learner.model, cycle, learner.plan) is cycle


def test_where_memory_is_scarce_the_cycle_has_the_parts_that_were_found(table, monkeypatch):
    learner, device, tried = Learner(table, network=SMALL, device="cpu"), Device(20, 64), []

    def scarce(model, plan):
        tried.append((model is learner.model, plan.cycle.batch_size))
        device(plan.cycle.recipe.accumulate)

    monkeypatch.setattr(memory, "trial_step", scarce)
    cycle = Cycle(epochs=1, lr=0.1, batch_size=64, recipe=Recipe(weight_decay=0.3))
    found = fitted_cycle(learner.model, cycle, learner.plan, device=torch.device("cuda"))
    assert found == replace(cycle, recipe=Recipe(weight_decay=0.3, accumulate=4))
    assert device.asked == [1, 2, 4]
    assert tried == [(True, 64)] * 3
    assert fitted_cycle(learner.model, found, learner.plan, device=torch.device("cuda")) is found


def test_the_search_for_a_rate_is_fitted_too(table, monkeypatch):
    def halved(model, cycle, plan):
        return replace(cycle, recipe=replace(cycle.recipe, accumulate=2))

    seen, plain = [], memory.CycleRun.__init__
    monkeypatch.setattr("trainer.fitting.lr_find.fitted_cycle", halved)
    monkeypatch.setattr(memory.CycleRun, "__init__", lambda run, *a: seen.append(a[1].cycle.recipe) or plain(run, *a))
    Learner(table, network=SMALL, device="cpu").lr_find(steps=10, batch_size=64)
    assert [recipe.accumulate for recipe in seen] == [2]


def test_a_trial_leaves_no_trace(table):
    learner = Learner(table, network=SMALL, device="cpu")
    before, state = copy.deepcopy(learner.model.state_dict()), torch.get_rng_state()
    trial_step(learner.model, learner.plan(Cycle(epochs=1, lr=0.1, batch_size=64)))
    assert all(torch.equal(value, before[name]) for name, value in learner.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in learner.model.parameters())


def test_what_fits_is_what_is_recorded(table, monkeypatch):
    """As on a device that holds 20 rows: the batch stays 64 and is cut into 4."""
    learner = Learner(table, network=replace(SMALL, dropout=0.0), seed=1, device="cpu")
    device = Device(20, 64)

    def tried(model, cycle, plan):
        parts = parts_that_fit(device, batch_size=cycle.batch_size)
        return replace(cycle, recipe=replace(cycle.recipe, accumulate=parts))

    monkeypatch.setattr("trainer.learner.fitted_cycle", tried)
    learner.fit_one_cycle(1, 5e-3, batch_size=64)
    assert (learner.cycles[0].batch_size, learner.cycles[0].recipe.accumulate) == (64, 4)
    other = Learner(table, network=replace(SMALL, dropout=0.0), seed=1, device="cpu")
    monkeypatch.undo()
    other.fit_one_cycle(1, 5e-3, batch_size=64, recipe=Recipe(accumulate=4))
    assert learner.model_version == other.model_version


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_trial_changes_nothing_but_the_parts(table, monkeypatch):
    device, plain = Device(20, 64), memory.trial_step

    def scarce(model, plan):
        plain(model, plan)
        device(plan.cycle.recipe.accumulate)

    monkeypatch.setattr(memory, "trial_step", scarce)
    learner = Learner(table, network=SMALL, device="cuda")
    rows = learner.fit_one_cycle(1, batch_size=64)
    assert learner.cycles[0].recipe.accumulate == 4
    assert rows[0].train_loss is not None
