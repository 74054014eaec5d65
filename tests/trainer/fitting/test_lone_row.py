"""A batch of one row that batch norm cannot learn from is found before training, and only where it would come."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.images import Images
from trainer.data.splits import split_given
from trainer.data.table import Table
from trainer.fitting.layers import LayerSettings, freeze
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.head = nn.BatchNorm1d(1), nn.Linear(1, 2)

    def forward(self, _codes, numerics):
        return self.head(self.norm(numerics))


def learner(n=65, *, network=None, models=None):
    frame = pd.DataFrame({"x": np.arange(100.0), "y": [0, 1] * 50})
    split = split_given(train=range(n), valid=range(n, 100), test=[])
    table = Table.from_frame(frame, columns=Columns(y="y"), split=split)
    return Learner(table, network=network or Net(), device="cpu", models=models)


@pytest.mark.parametrize("models", [None, 2])
def test_a_last_batch_of_one_row_is_found_before_anything_is_trained(models):
    made = learner(models=models)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    wanted = r"last batch of an epoch has one row \(65 train rows in batches of 64\).*: take batch_size=63"
    with pytest.raises(InputError, match=wanted):
        made.fit_one_cycle(1, batch_size=64)
    assert (made.history, made.cycles) == ((), ())
    assert all(torch.equal(before[name], value) for name, value in made.model.state_dict().items())
    assert len(made.fit_one_cycle(1, batch_size=63)) == 1


@pytest.mark.parametrize(
    ("n", "options", "wanted"),
    [
        (64, {"batch_size": 1}, "take a larger batch_size"),
        (64, {"batch_size": 32, "recipe": Recipe(accumulate=32)}, "accumulate=32 cuts a batch into parts of one row"),
        (2, {"batch_size": 64, "recipe": Recipe(accumulate=2)}, "lower accumulate"),
    ],
)
def test_so_are_batches_and_parts_of_one_row(n, options, wanted):
    with pytest.raises(InputError, match=wanted):
        learner(n).fit_one_cycle(1, **options)


def test_where_one_row_is_enough_nothing_is_refused():
    assert len(learner(network=MLPSettings(hidden=(4,))).fit_one_cycle(1, batch_size=64)) == 1
    frozen = learner()
    freeze(frozen.model)
    assert len(frozen.fit_one_cycle(1, batch_size=64)) == 1
    layers = LayerSettings(frozen=1)
    assert len(learner().fit_one_cycle(1, batch_size=64, recipe=Recipe(layers=layers))) == 1


def test_an_image_of_many_places_is_enough_for_its_norm():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 8, 8)).astype(np.uint8)
    frame = pd.DataFrame({"y": [0, 1] * 20})
    split = split_given(train=range(33), valid=range(33, 40), test=[])
    images = Images.from_arrays(pixels, frame, columns=Columns(y="y"), split=split)
    made = Learner(images, network=CNNSettings(widths=(4, 8), dropout=0.0), device="cpu")
    assert len(made.fit_one_cycle(1, batch_size=32)) == 1
