"""Two processes with half of every batch each end where one process ends; seeds apart are those of one process."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.checkpoint import CheckpointError
from trainer.data.resident import Resident
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.device import cpu_threads
from trainer.distributed import Place, Share, fit_seeds, fit_together, gather_seeds, own_device
from trainer.fitting.augment import AugmentSettings
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

ROOT = Path(__file__).parents[2]
NETWORK = MLPSettings(hidden=(16,), periodic=4, frequencies=4, dropout=0.0)
SCRIPT = """
import json, sys
import pandas as pd, torch
torch.set_num_threads(1)
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.distributed import fit_seeds, fit_together, processes
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

class Counting(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.drop = torch.nn.Linear(2, 2), torch.nn.Dropout(0.3)
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, codes, numerics):
        if self.training:
            self.seen += numerics.detach().sum(0)
        return self.drop(self.last(numerics))


folder = sys.argv[1]
frame = pd.read_parquet(f"{folder}/frame.parquet")
table = Table.from_frame(frame, columns=Columns(y="ill", features=["angle", "age", "site"], sample_weight="w"),
                         split=split_rows(len(frame), seed=3))
network = MLPSettings(hidden=(16,), periodic=4, frequencies=4, dropout=0.0)
with processes(backend="gloo") as place:
    learner = Learner(table, network=network, seed=5, device="cpu")
    rows = fit_together(learner, 2, 5e-3, batch_size=64)
    learner.save(f"{folder}/together-{place.rank}")
    own = Learner(table, network=Counting(), seed=5, device="cpu")
    fit_together(own, 1, 5e-3, batch_size=64)
    with open(f"{folder}/own-{place.rank}.json", "w") as file:
        json.dump([own.model_version, own.model.seen.tolist()], file)
    with open(f"{folder}/rows-{place.rank}.json", "w") as file:
        json.dump([row.train_loss for row in rows], file)
fit_seeds(table, lambda one: one.fit_one_cycle(1, 5e-3), seeds=range(4, 7), folder=folder, network=network,
          device="cpu")
"""


@pytest.fixture(scope="module")
def weighted(frame):
    """Return rows whose last batch is uneven (899 = 14 * 64 + 3 train rows), with weights."""
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(frame))
    return frame.assign(w=weights).iloc[:1497].reset_index(drop=True)


@pytest.fixture(scope="module")
def table_of_weighted(weighted, columns):
    return Table.from_frame(
        weighted, columns=replace(columns, sample_weight="w", sensitive_features=()),
        split=split_rows(len(weighted), seed=3),
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(weighted, tmp_path_factory):
    """Return the folder that two processes wrote."""
    folder = tmp_path_factory.mktemp("two")
    weighted.to_parquet(folder / "frame.parquet")
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(folder / "script.py"), str(folder)], capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_end_where_one_ends(two, table_of_weighted):
    one = Learner(table_of_weighted, network=NETWORK, seed=5, device="cpu")
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    with cpu_threads(1):
        rows = one.fit_one_cycle(2, 5e-3, batch_size=64)
    first, second = (Learner.load(two / f"together-{rank}", device="cpu") for rank in (0, 1))
    assert first.model_version == second.model_version, "bit by bit the same in both"
    state = first.model.state_dict()
    apart = max(float((state[name] - value).abs().max()) for name, value in one.model.state_dict().items())
    moved = max(float((before[name] - value).abs().max()) for name, value in one.model.state_dict().items())
    assert moved > 0.02
    assert apart < 2e-6, "a few roundings of float32, where weights moved by 0.07"
    losses = [json.loads((two / f"rows-{rank}.json").read_text()) for rank in (0, 1)]
    assert losses[0] == losses[1]
    assert losses[0] == pytest.approx([row.train_loss for row in rows], rel=1e-4)


def test_buffers_that_change_with_the_rows_and_dropout_end_the_same_in_both(two):
    first, second = (json.loads((two / f"own-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first[1] != [0.0, 0.0]


def test_batch_norm_is_refused_with_the_reason(table_of_weighted):
    class Normed(torch.nn.Module):
        def __init__(self, norm):
            super().__init__()
            self.norm, self.last = norm, torch.nn.Linear(2, 2)

        def forward(self, codes, numerics):  # noqa: ARG002
            return self.last(self.norm(numerics))

    for norm in (torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2, track_running_stats=False)):
        with pytest.raises(InputError, match="batch norm, whose means each process would take over its own share"):
            fit_together(Learner(table_of_weighted, network=Normed(norm), device="cpu"))
    with pytest.raises(InputError) as wrong:
        fit_together(Learner(table_of_weighted, network=Normed(torch.nn.LayerNorm(2)), device="cpu"))
    assert "batch norm" not in str(wrong.value)


def test_seeds_apart_are_those_of_one_process(two, table_of_weighted, weighted):
    single = Learner(table_of_weighted, network=NETWORK, seed=6, device="cpu")
    with cpu_threads(1):
        single.fit_one_cycle(1, 5e-3)
    assert Learner.load(two / "seed-6", device="cpu").model_version == single.model_version
    both = gather_seeds(two, seeds=range(4, 7), into=two / "all", device="cpu")
    each = [Learner.load(two / f"seed-{seed}", device="cpu").predict_proba(weighted) for seed in (4, 5, 6)]
    np.testing.assert_allclose(both.predict_proba(weighted), np.mean(each, axis=0), atol=1e-6)
    assert both.seeds == (4, 5, 6)
    assert both.history[0].valid_value == pytest.approx(
        np.mean([Learner.load(two / f"seed-{seed}", device="cpu").history[0].valid_value for seed in (4, 5, 6)])
    )


def test_what_cannot_be_gathered_is_refused(two, table_of_weighted, tmp_path):
    with pytest.raises(InputError, match=r"seeds go one after the other; came \[4, 6\]"):
        gather_seeds(two, seeds=[4, 6], into=tmp_path / "all")
    with pytest.raises(CheckpointError, match="seed-7"):
        gather_seeds(two, seeds=range(5, 8), into=tmp_path / "all")
    with cpu_threads(1):
        fit_seeds(table_of_weighted, lambda one: one.fit_one_cycle(1), seeds=[0, 1], folder=tmp_path, network=NETWORK,
                  device="cpu")  # fmt: skip
        fit_seeds(table_of_weighted, lambda one: one.fit_one_cycle(2), seeds=[2], folder=tmp_path, network=NETWORK,
                  device="cpu")  # fmt: skip
    other = Resident(inputs=table_of_weighted.resident.inputs, target=1 - table_of_weighted.resident.target)
    with cpu_threads(1):
        fit_seeds(replace(table_of_weighted, resident=other), lambda one: one.fit_one_cycle(1), seeds=[3],
                  folder=tmp_path, network=NETWORK, device="cpu")  # fmt: skip
        fit_seeds(table_of_weighted, lambda one: one.fit_one_cycle(2), seeds=[4], folder=tmp_path, network=NETWORK,
                  device="cpu")  # fmt: skip
    with pytest.raises(InputError, match="seed-3 was trained with another content of the rows than") as caught:
        gather_seeds(tmp_path, seeds=[2, 3], into=tmp_path / "all")
    assert "cycles" in str(caught.value)
    with pytest.raises(InputError, match="seed-2 was trained with another cycles than"):
        gather_seeds(tmp_path, seeds=range(3), into=tmp_path / "all")
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_shares_are_all_rows_once_and_their_mean_is_that_of_the_batch(world, size):
    data = Resident(inputs=(torch.arange(20.0),), target=torch.arange(20.0), weights=torch.linspace(0.5, 1.5, 20))
    rows = torch.arange(size) + 3
    batches = [Share(data, Place(rank=rank, world=world)).take(rows) for rank in range(world)]
    used = torch.cat([batch.target[batch.weights > 0] for batch in batches])
    assert used.tolist() == rows.tolist()
    means = [float((batch.target * batch.weights).mean()) for batch in batches]
    whole = data.take(rows)
    assert np.mean(means) == pytest.approx(float((whole.target * whole.weights).mean()), rel=1e-6)


def test_what_cannot_be_trained_together_is_refused_at_once(table_of_weighted):
    learner = Learner(table_of_weighted, network=NETWORK, models=2, device="cpu")
    objective = ObjectiveSettings(kind="group_dro", groups=("site",))
    with pytest.raises(InputError) as wrong:
        fit_together(learner, recipe=Recipe(objective=objective))
    text = str(wrong.value)
    for part in ("inside `with processes():`", "one model is trained together; came 2", "'group_dro' looks at a batch"):
        assert part in text


def test_places_and_devices(monkeypatch):
    assert Place.here() == Place(rank=0, world=1)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert Place.here().seeds(range(8)) == (2, 5)
    shares = [Place(rank=rank, world=3).seeds(range(8)) for rank in range(3)]
    assert sorted(seed for share in shares for seed in share) == list(range(8))
    assert own_device("cpu") == "cpu"


def test_images_that_each_process_would_change_for_itself_are_refused(table_of_weighted):
    learner = Learner(table_of_weighted, network=NETWORK, device="cpu")
    with pytest.raises(InputError, match=r"changed at random by each process .* Leave `augment` out, or train seeds"):
        fit_together(learner, recipe=Recipe(augment=AugmentSettings(shift=1)))


def test_what_training_together_used_is_written_down(two):
    for rank in (0, 1):
        (reading,) = Learner.load(two / f"together-{rank}", device="cpu").energy
        assert reading.seconds > 0
