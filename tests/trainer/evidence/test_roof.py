"""The roof: what is counted against counts by hand, and that asking changes nothing but the history's share."""

import pytest
import torch
from torch import nn

from trainer.evidence import ceilings as ceilings_module
from trainer.evidence.ceilings import Ceilings
from trainer.evidence.roof import Roof, StepCost, step_cost
from trainer.history import Cycle
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(32,), embedding=4, frequencies=8, sigma=0.5, periodic=8, dropout=0.0)


class Plain(nn.Module):
    """Two dense layers on the numbers alone, so that everything can be counted by hand."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 32), nn.Linear(32, 2)

    def forward(self, codes, numerics):  # noqa: ARG002
        return self.last(self.first(numerics).relu())


def cost(table, network, *, models=None, batch_size=50):
    learner = Learner(table, network=network, device="cpu", models=models)
    return step_cost(learner, Cycle(epochs=2, lr=0.1, batch_size=batch_size))


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    monkeypatch.setattr(ceilings_module, "BUDGET", 0.0)


def test_counts_by_hand(table):
    found = cost(table, Plain())
    assert found.rows == 50
    # A product of (n, i) and (i, o) is 2 n i o; backward has one for the weights and, but for the first layer, one for
    # the inputs.
    assert found.flops == 2 * 50 * (2 * (2 * 32) + 3 * (32 * 2))
    codes = table.resident.inputs[0]
    read = 50 * (codes.shape[1] * codes.element_size() + 2 * 4)
    activations = 50 * (32 + 2) * 4
    weights = (2 * 32 + 32 + 32 * 2 + 2) * 4
    assert found.bytes == read + 2 * activations + 10 * weights
    assert 20 < found.launches < 150


def test_several_models_cost_several_times(table):
    one, three = cost(table, SMALL), cost(table, SMALL, models=3)
    assert three.rows == 3 * one.rows
    assert three.bytes == 3 * one.bytes
    assert three.flops == pytest.approx(3 * one.flops, rel=0.01)
    assert three.launches < 3 * one.launches, "they share their launches"


def test_the_smallest_rate_binds():
    ceilings = Ceilings(bytes_per_s=1e9, flops_per_s=1e12, launch_s=1e-6)
    small, large, wide = (
        Roof(ceilings=ceilings, cost=StepCost(rows=100, flops=flops, bytes=n_bytes, launches=50))
        for flops, n_bytes in ((10**4, 10**3), (10**4, 10**6), (10**10, 10**6))
    )
    assert [found.binds for found in (small, large, wide)] == ["launches", "memory", "arithmetic"]
    assert [found.samples_per_s for found in (small, large, wide)] == pytest.approx([2e6, 1e5, 1e4])
    assert set(small.limits) == {"memory", "arithmetic", "launches"}


def test_history_has_the_share_only_where_it_was_asked_for(table):
    plain, asked = (Learner(table, network=SMALL, seed=1, device="cpu") for _ in range(2))
    state = torch.get_rng_state()
    found = asked.roof(batch_size=64)
    assert torch.equal(state, torch.get_rng_state())
    for learner in (plain, asked):
        learner.fit_one_cycle(1, batch_size=64)
    assert plain.history[0].roof is None
    assert asked.history[0].roof == pytest.approx(asked.history[0].samples_per_s / found.samples_per_s)
    assert asked.model_version == plain.model_version


def test_a_batch_larger_than_the_train_part_is_the_train_part(table):
    assert Learner(table, network=SMALL, device="cpu").roof(batch_size=10**6).cost.rows == 900
