"""What a look at a network finds, in networks that are ill in a known way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.data.target import Target
from trainer.evidence.health import constant_metric, dead_units
from trainer.fitting.step import Stepper
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(32, 32), embedding=4, frequencies=8, sigma=0.5, periodic=8)


def rows_of(learner):
    return {row.name: row for row in learner.health()}


@pytest.fixture(scope="module")
def healthy(table):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(6, 1e-2, batch_size=64)
    return learner


def test_a_healthy_network(table, healthy):
    before, state = healthy.model_version, torch.get_rng_state()
    found = rows_of(healthy)
    assert found["accuracy on train"].value == healthy.validate("train").accuracy
    assert "better than a constant answer" in found["accuracy on train"].reading
    assert found["accuracy on validation"].value == healthy.history[-1].valid_accuracy
    assert found["accuracy on validation"].reading.startswith("On n = 300 rows;")
    assert {name for name in found if name.startswith("dead")} == {"dead units of dense.1", "dead units of dense.4"}
    assert 0 <= found["dead units of dense.1"].value < 0.5
    assert found["gradient of dense.0"].value > 0
    assert found["skipped steps"].value == 0
    assert healthy.model_version == before
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in healthy.model.parameters())


def test_units_are_dead_that_were_killed(table):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    with torch.no_grad():
        learner.model.dense[0].bias[:24] = -1e6
        learner.model.dense[3].bias[:] = -1e6
    found = rows_of(learner)
    assert found["dead units of dense.1"].value == pytest.approx(24 / 32, abs=0.1)
    assert "most of the layer is idle" in found["dead units of dense.1"].reading
    assert found["dead units of dense.4"].value == 1.0
    # Behind a layer that is 0 throughout only the last biases learn.
    assert found["gradient of dense.0"].value == 0
    assert found["gradient of dense.0"].reading == "It is 0: nothing reaches this layer."
    assert found["gradient of dense.6"].value > 0


def test_gradients_are_those_of_the_mean_loss(table, healthy):
    batch = table.resident.take(torch.tensor(table.split.train))
    model = healthy.model.eval()
    model.zero_grad()
    nn.functional.cross_entropy(model(*batch.inputs), batch.target).backward()
    layer = model.dense[0]
    expected = torch.sqrt(layer.weight.grad.square().sum() + layer.bias.grad.square().sum()).item()
    model.zero_grad()
    assert rows_of(healthy)["gradient of dense.0"].value == pytest.approx(expected, rel=1e-3)  # 900 rows < the sample


def test_several_models_are_averaged(table):
    together = Learner(table, network=replace(SMALL, dropout=0.0), seed=3, models=2, device="cpu")
    alone = [Learner(table, network=replace(SMALL, dropout=0.0), seed=seed, device="cpu") for seed in (3, 4)]
    each = [rows_of(learner) for learner in alone]
    for name in ("dead units of dense.1", "dead units of dense.4"):
        assert rows_of(together)[name].value == pytest.approx(np.mean([one[name].value for one in each]))


def test_what_does_not_even_fit_is_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400), "y": np.repeat([0, 1], 200)})
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(400, seed=0))
    learner = Learner(table, network=SMALL, device="cpu")
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.zero_()
    reading = rows_of(learner)["accuracy on train"].reading
    assert "no better than a constant answer" in reading
    assert "lr_find" in reading


def test_skipped_steps_add_up(table, monkeypatch):
    calls, plain = [], Stepper.loss

    def spoiled(self, batch):
        calls.append(1)
        return plain(self, batch) * (float("nan") if len(calls) in (3, 20, 21) else 1.0)

    monkeypatch.setattr(Stepper, "loss", spoiled)
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(2, batch_size=64)
    found = rows_of(learner)["skipped steps"]
    assert found.value == 3
    assert "left out" in found.reading


def test_looks_at_validation_are_counted_and_saved(table, tmp_path):
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(3, batch_size=64, recipe=Recipe())
    assert learner.looks == 3
    learner.validate()
    learner.validate("train")
    learner.validate("test")
    assert learner.looks == 4
    assert rows_of(learner)["looks at validation"].value == 5
    learner.save(tmp_path)
    loaded = Learner.load(tmp_path, data=table, device="cpu")
    assert loaded.looks == 5
    loaded.fit_one_cycle(1)
    assert (loaded.looks, learner.looks) == (6, 5)


def test_without_validation_rows_or_relu_there_is_a_reason(frame, columns):
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(2, 2)

        def forward(self, codes, numerics):  # noqa: ARG002
            return self.last(numerics)

    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), valid=0, test=0.5))
    learner = Learner(table, network=Flat(), device="cpu")
    learner.fit_one_cycle(1)
    found = rows_of(learner)
    assert learner.looks == 0
    assert found["dead units"].value is None
    assert found["accuracy on validation"].value is None
    assert found["epoch of the best metric"].value is None
    assert all(row.reading for row in found.values())


def test_a_learner_without_data_is_refused(table, healthy, tmp_path):
    healthy.save(tmp_path)
    with pytest.raises(InputError, match="loaded without data"):
        Learner.load(tmp_path, device="cpu").health()


def test_each_place_of_a_map_is_a_unit():
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU())
    network[0].weight.data.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    assert dead_units(network, (torch.ones(2, 1, 3, 3),)) == {"1": 0.5}


def test_a_constant_answer_of_labels():
    target = Target(kind="labels", classes=("cat", "dog"))
    truth = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert constant_metric(truth, target) == 0.75  # "cat" for all is right in 3 of 4, no "dog" in 3 of 4
