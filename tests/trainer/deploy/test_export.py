"""An exported model answers on a CPU as it did, and holds neither data nor the state of training."""

import json

import pytest
from torch import nn

from audit.errors import InputError
from trainer.device import cpu_threads
from trainer.history import Saving
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(8,), periodic=2, frequencies=2)


def test_it_answers_as_it_did_without_data(table, frame, tmp_path):
    learner = Learner(table, network=SMALL, models=2, device="cpu")
    with cpu_threads(1):
        learner.fit_one_cycle(1)
    version = learner.export(tmp_path / "model")
    loaded = Learner.load(tmp_path / "model", device="cpu")
    assert version == learner.model_version == loaded.model_version
    assert loaded.predict_proba(frame).tolist() == learner.predict_proba(frame).tolist()
    assert loaded.data is None
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".safetensors"}
    assert json.loads((tmp_path / "model" / "config.json").read_text())["state"] is None


def test_what_cannot_leave_is_refused(table, tmp_path):
    with pytest.raises(InputError, match="was never trained"):
        Learner(table, network=SMALL, device="cpu").export(tmp_path / "model")

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = nn.Linear(2, 2)

        def forward(self, codes, numerics):
            del codes
            return self.dense(numerics)

    with pytest.raises(InputError, match="a Own of your own: a machine without its code cannot build it"):
        Learner(table, network=Own(), device="cpu").export(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_cycle_that_stopped_in_the_middle_is_resumed_first(table, tmp_path):
    class StopError(Exception):
        pass

    def stop(row):
        raise StopError(row)

    learner = Learner(table, network=SMALL, device="cpu")
    with cpu_threads(1), pytest.raises(StopError):
        learner.fit_one_cycle(3, on_epoch=stop, saving=Saving(tmp_path / "kept"))
    with pytest.raises(InputError, match="stopped in the middle of a cycle: resume"):
        learner.export(tmp_path / "model")
