"""The sweep of learning rates: it leaves no trace, stops where it must, and suggests what works."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.fitting.lr_find import LEAST_FALL, LrRow, suggested
from trainer.fitting.step import Stepper
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(32, 32), embedding=4, frequencies=8, sigma=0.5, periodic=8)


def learner(table, **options):
    return Learner(table, network=SMALL, seed=1, device="cpu", **options)


@pytest.mark.parametrize("models", [None, 2])
def test_a_fit_after_it_is_the_fit_without_it(table, models):
    plain, swept = learner(table, models=models), learner(table, models=models)
    before, state = copy.deepcopy(swept.model.state_dict()), torch.get_rng_state()
    first = swept.lr_find(batch_size=64)
    assert all(torch.equal(value, before[name]) for name, value in swept.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert (swept.history, swept.cycles, swept.looks, swept.energy) == ((), (), 0, ())
    assert all(parameter.grad is None for parameter in swept.model.parameters())
    assert swept.lr_find(batch_size=64) == first
    for each in (plain, swept):
        each.fit_one_cycle(2, 5e-3, batch_size=64)
    assert swept.model_version == plain.model_version
    swept.lr_find(batch_size=64)
    assert swept.model_version == plain.model_version


def test_the_suggestion_trains(table):
    fresh = learner(table)
    found = fresh.lr_find(batch_size=64)
    assert found.reason is None
    assert 1e-3 < found.suggestion < 0.1
    fresh.fit_one_cycle(10, found.suggestion, batch_size=64)
    assert fresh.validate("test").accuracy > 0.93


def test_rates_grow_by_the_same_factor_and_losses_are_smoothed(table):
    rows = learner(table).lr_find(low=1e-5, high=1e-2, steps=31, batch_size=64).rows
    assert len(rows) == 31
    assert [row.lr for row in rows] == pytest.approx([10 ** (-5 + place / 10) for place in range(31)])
    raw, weights = np.array([row.loss for row in rows]), 0.9 ** np.arange(31)[::-1]
    for place, row in enumerate(rows, 1):
        assert row.smoothed == pytest.approx(raw[:place] @ weights[-place:] / weights[-place:].sum())


def test_it_stops_where_the_loss_explodes(table):
    found = learner(table).lr_find(batch_size=64)
    assert "exploded: 4 times its smallest" in found.stopped
    assert 10 < len(found.rows) < 100
    smooth = [row.smoothed for row in found.rows]
    assert smooth[-1] > 4 * min(smooth)
    assert smooth[-2] <= 4 * min(smooth[:-1])


@pytest.mark.parametrize("spoiled", [float("nan"), float("inf")])
def test_it_stops_where_the_loss_is_not_finite(table, monkeypatch, spoiled):
    calls = []
    plain = Stepper.loss

    def loss(self, batch):
        calls.append(1)
        return plain(self, batch) * (spoiled if len(calls) >= 5 else 1.0)

    monkeypatch.setattr(Stepper, "loss", loss)
    found = learner(table).lr_find(batch_size=64)
    assert len(calls) == 5
    assert len(found.rows) == 4
    assert all(math.isfinite(row.loss) for row in found.rows)
    assert "not finite" in found.stopped
    assert (found.suggestion, found.reason) == (None, "only 4 steps had a finite loss: begin with a smaller rate")


def test_without_anything_to_learn_there_is_no_suggestion():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=2000), "y": rng.integers(0, 2, 2000)})
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(2000, seed=0))
    found = learner(table).lr_find(high=1e-2)
    assert found.suggestion is None
    assert "less than 5%" in found.reason


def test_a_straight_fall_is_steepest_where_it_is_straight():
    rates = np.geomspace(1e-5, 1.0, 51)
    curve = [1.0 if lr < 1e-3 else max(1.0 - math.log10(lr / 1e-3), 0.2) for lr in rates]
    curve[45:] = [2.0] * 6
    rows = [LrRow(lr=lr, loss=value, smoothed=value) for lr, value in zip(rates, curve, strict=True)]
    suggestion, _ = suggested(rows)
    assert 1e-3 <= suggestion <= 1e-2
    assert LEAST_FALL == 0.05


def test_streamed_data_and_small_parts_are_swept_too(table):
    plain = learner(table).lr_find(batch_size=64, steps=20)
    assert learner(table, streamed_rows=130).lr_find(batch_size=64, steps=20) == plain
    whole = learner(table).lr_find(batch_size=5000, steps=10, high=1e-3)
    assert len(whole.rows) == 10
    averaged = learner(table).lr_find(batch_size=64, steps=20, recipe=Recipe(ema=0.9))
    assert averaged == plain


def test_settings_out_of_range_are_all_named(table):
    with pytest.raises(InputError) as raised:
        learner(table).lr_find(low=0.0, steps=3, batch_size=0)
    for text in ("low must be above 0 and finite; came 0.0", "steps must be at least 10", "batch_size must be at"):
        assert text in str(raised.value)
