"""Ceilings of the device: of this world, and of a clock that is known."""

import pytest
import torch

from trainer.evidence import ceilings
from trainer.evidence.ceilings import measured


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
        ),
    ],
)
def test_ceilings_are_of_this_world(device):
    found = measured(torch.device(device))
    assert 1e8 < found.bytes_per_s < 1e14
    assert 1e8 < found.flops_per_s < 1e16
    assert 1e-8 < found.launch_s < 1e-2


def test_the_best_of_several_times_is_taken(monkeypatch):
    monkeypatch.setattr(ceilings, "BUDGET", 0.0)
    times = iter([0.0, 10.0, 13.0, 20.0, 21.0, 30.0, 35.0, 40.0])  # begun, then start and end of three goes
    monkeypatch.setattr(ceilings.time, "perf_counter", lambda: next(times))
    assert ceilings._best(lambda: None, torch.device("cpu")) == 1.0
