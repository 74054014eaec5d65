"""What the benchmark prints about a device, on this one: shares of the roof, energy or why not, equality."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from trainer.evidence.energy import Energy

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def speed():
    """Return the benchmark; benchmarks/ is no installed package, so it is loaded by path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location("trainer_speed_benchmark", FOLDER / "trainer_speed.py")
        found = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, found)
        spec.loader.exec_module(found)
        patch.setattr(found, "BATCH", 128)
        yield found


def test_the_table_of_a_device_has_roof_energy_and_equality(speed, capsys):
    speed.on_gpu(speed.table_of(600), speed.network_of("plain"), epochs=1, device="cpu", models=(2,))
    first, head, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("device ")
    assert "of roof" in head
    assert [row.split()[:2] for row in rows[:3]] == [["eager", "1"], ["replayed", "1"], ["replayed", "2"]]
    end = r"\d+\.\d%  *\d\.\d{4}  energy not measured: .*CUDA.*; (memory|arithmetic|launches) binds$"
    assert all(re.search(end, row) for row in rows[:3])
    assert rows[3] == "determinism: the same run twice, largest difference of a weight 0 (bitwise equal)"
    assert rows[4] == "equality: replayed against one by one, largest difference of a weight 0 (bitwise equal)"


def test_weights_that_differ_are_told(speed, monkeypatch):
    runs = iter([[torch.zeros(2)], [torch.tensor([0.0, 0.5])], [torch.tensor([0.25, 0.0])]])
    monkeypatch.setattr(speed, "repeated", lambda *_, **__: next(runs))
    said = speed.equality_lines(None, None, device="cpu")
    assert said[0].endswith("0.5 (NOT EQUAL)")
    assert said[1].endswith("0.25 (not bitwise)")


def test_energy_is_per_sample_and_never_0_for_no_counter(speed):
    counted = Energy(kwh=1e-6, how="counter", seconds=1.0)  # 3.6 J over 1,000 samples
    assert speed.energy_text(counted, 1000.0) == "3.6000 mJ/sample (counter)"
    assert speed.energy_text(Energy(kwh=None, how=None, seconds=1.0, reason="no counter"), 9.0) == (
        "energy not measured: no counter"
    )
