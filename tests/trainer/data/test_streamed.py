"""Data that pass through the device: training is, bit by bit, that on data that lie there."""

import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.resident import Resident
from trainer.data.splits import split_rows
from trainer.data.streamed import Streamed, placed
from trainer.data.table import Table
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16, 16), embedding=4, frequencies=4, sigma=0.5, periodic=4)
CPU = torch.device("cpu")


def fitted(table, *, streamed_rows, models=None, device="cpu", **options):
    learner = Learner(table, network=SMALL, seed=1, device=device, models=models, streamed_rows=streamed_rows)
    learner.fit_one_cycle(2, 5e-3, batch_size=64, **options)
    return learner


@pytest.mark.parametrize("models", [None, 2])
@pytest.mark.parametrize("rows", [1, 64, 200, 449, 900, 10_000])  # 900 train rows: 14 batches of 64 and one of 4
def test_training_streamed_is_training_resident(table, rows, models):
    plain, streamed = (fitted(table, streamed_rows=number, models=models) for number in (None, rows))
    assert streamed.model_version == plain.model_version
    assert [row.train_loss for row in streamed.history] == [row.train_loss for row in plain.history]
    assert [row.valid_loss for row in streamed.history] == [row.valid_loss for row in plain.history]
    assert (streamed.predict_proba("test") == plain.predict_proba("test")).all()


def test_weights_and_groups_come_along(frame):
    weighted = frame.assign(weight=np.linspace(0.5, 1.5, len(frame)))
    columns = Columns(y="ill", features=["angle", "age", "site"], sample_weight="weight")
    table = Table.from_frame(weighted, columns=columns, split=split_rows(len(frame), seed=3))
    recipe = Recipe(objective=ObjectiveSettings(kind="group_balanced", groups=("sex",)))
    plain, streamed = (fitted(table, streamed_rows=number, recipe=recipe) for number in (None, 150))
    assert streamed.model_version == plain.model_version


@pytest.mark.parametrize("stop", [1, 5, 14])
def test_it_goes_on_bit_by_bit_within_an_epoch(table, tmp_path, stop):
    plain = fitted(table, streamed_rows=None)
    broken = Learner(table, network=SMALL, seed=1, device="cpu", streamed_rows=200)

    def cut(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.fit_one_cycle(2, 5e-3, batch_size=64, on_epoch=cut, saving=Saving(tmp_path, stop))
    resumed = Learner.load(tmp_path, data=table, device="cpu", streamed_rows=130)
    resumed.resume(saving=Saving(tmp_path, stop))
    assert resumed.model_version == plain.model_version


def data(n=50):
    return Resident(inputs=(torch.arange(float(n))[:, None], torch.arange(n)), target=torch.arange(n) % 2)


def test_two_chunks_are_used_in_turn_and_hold_the_order():
    streamed = Streamed(data(), device=CPU, rows=17)  # batches of 5: chunks of 15
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        seen, chunks, lengths = [], [], []
        for piece, places in streamed.pieces(order, 5):
            seen += piece.take(places).inputs[1].tolist()
            chunks.append(id(piece))
            lengths.append(len(places))
        assert seen == order.tolist()
        assert lengths == [15, 15, 15, 5]
        assert chunks[0] == chunks[2]
        assert chunks[1] == chunks[3]
        assert len(set(chunks)) == 2


def test_each_of_several_models_has_its_own_rows():
    streamed = Streamed(data(), device=CPU, rows=10)
    order = torch.stack([torch.arange(25), torch.arange(49, 24, -1)])
    seen = [piece.take(places).inputs[1].clone() for piece, places in streamed.pieces(order, 10)]
    assert [part.shape[1] for part in seen] == [10, 10, 5]
    assert torch.equal(torch.cat(seen, dim=1), order)


@pytest.mark.parametrize("models", [None, 8, 32])
def test_chunks_of_all_models_together_take_their_share_of_the_memory(models):
    free = 2_000_000  # 108 bytes a row, of 20,000 rows: more than half of it
    wide = Resident(inputs=(torch.zeros(20_000, 25),), target=torch.zeros(20_000, dtype=torch.int64))
    streamed = placed(wide, device=CPU, free=free)
    order = torch.arange(20_000) if models is None else torch.arange(20_000).expand(models, 20_000)
    piece, places = next(streamed.holding(wide).pieces(order, 16))
    taken = 2 * sum(tensor.numel() * tensor.element_size() for tensor in (*piece.inputs, piece.target))
    assert 0.05 * free < taken <= 0.1 * free
    assert places.shape[:-1] == order.shape[:-1]


def test_rows_of_a_stretch_that_are_given_are_those_of_each_model():
    streamed = placed(data(), device=CPU, streamed_rows=10)
    assert next(streamed.pieces(torch.arange(50).expand(4, 50), 5))[1].shape == (4, 10)


def test_what_lies_before_is_not_gathered(monkeypatch):
    gathered = []
    plain = torch.index_select
    monkeypatch.setattr(torch, "index_select", lambda *a, **k: gathered.append(len(a[2])) or plain(*a, **k))
    streamed = Streamed(data(), device=CPU, rows=15)
    pieces = [piece.take(places).inputs[1].tolist() for piece, places in streamed.pieces(torch.arange(50), 5, begin=7)]
    assert gathered == [15] * 3 + [5] * 3  # two inputs and the target, of the last two chunks
    assert pieces[2] == list(range(30, 45))
    assert pieces[3] == list(range(45, 50))


def test_where_data_go():
    small = data(100)  # 4 + 8 + 8 bytes a row
    assert isinstance(placed(small, device=CPU), Resident)
    assert isinstance(placed(small, device=CPU, free=4000), Resident)
    streamed = placed(small, device=CPU, free=3999)
    assert isinstance(streamed, Streamed)
    assert streamed.rows == 9  # two chunks in a tenth of the free bytes
    assert placed(small, device=CPU, streamed_rows=7).rows == 7


@pytest.mark.parametrize("rows", [0, -5])
def test_a_stretch_has_a_row(table, rows):
    with pytest.raises(InputError, match=f"streamed_rows must be at least 1; came {rows}"):
        Learner(table, network=SMALL, device="cpu", streamed_rows=rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("models", [None, 2])
def test_on_a_gpu_streaming_changes_nothing(table, models):
    plain, streamed = (fitted(table, streamed_rows=number, models=models, device="cuda") for number in (None, 200))
    assert streamed.predict_proba("test") == pytest.approx(plain.predict_proba("test"), abs=1e-3)
