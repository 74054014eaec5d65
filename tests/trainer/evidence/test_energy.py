"""Energy, with a management library whose device uses a known power."""

import sys
import time
from contextlib import contextmanager

import pytest
import torch

from audit.errors import InputError
from trainer.evidence import energy
from trainer.evidence.energy import NO_GPU, NO_LIBRARY, Energy, emission, metered
from trainer.history import Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

CUDA = torch.device("cuda", 0)
SMALL = MLPSettings(hidden=(8,), frequencies=4)


class NvmlError(Exception):
    pass


class Library:
    """A device of 360 watts, as NVIDIA's library shows it; with or without what it can tell."""

    NVMLError = NvmlError

    def __init__(self, *, counter=True, power=True, there=True, fails_after=None, known="GPU-7"):
        self.counter, self.power, self.there, self.fails_after = counter, power, there, fails_after
        self.known, self.asked = known, []
        self.begun = time.perf_counter()

    def nvmlInit(self):  # noqa: N802
        if not self.there:
            message = "Driver Not Loaded"
            raise NvmlError(message)

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        self.asked.append(uuid)
        if uuid != self.known:
            message = "Not Found"
            raise NvmlError(message)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: ARG002, N802
        self.asked.append("counter")
        gone = self.fails_after is not None and self.asked.count("counter") > self.fails_after
        if not self.counter or gone:
            message = "Not Supported"
            raise NvmlError(message)
        return int((time.perf_counter() - self.begun) * 360_000) + 7_000_000

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: ARG002, N802
        self.asked.append("power")
        if not self.power:
            message = "Not Supported"
            raise NvmlError(message)
        return 360_000


def read(library, *, seconds=0.25):
    with metered(CUDA, nvml=library, uuid="7") as meter:
        time.sleep(seconds)
        return meter.read()


def test_the_counter_is_read_twice():
    library = Library()
    found = read(library)
    assert library.asked == ["GPU-7", "counter", "counter"]
    assert (found.how, found.reason) == ("counter", None)
    # 360 W for an hour are 0.36 kWh.
    assert found.kwh == pytest.approx(0.36 * found.seconds / 3600, rel=0.05)


def test_without_a_counter_power_is_sampled_and_said_so():
    library = Library(counter=False)
    found = read(library, seconds=0.35)
    assert found.how == "sampled"
    assert found.kwh == pytest.approx(0.36 * found.seconds / 3600, rel=0.05)
    assert library.asked.count("power") >= 4
    asked = len(library.asked)
    time.sleep(0.25)
    assert len(library.asked) == asked, "sampling ends with the measurement"


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        (Library(counter=False, power=False), "tells neither energy nor power"),
        (Library(there=False), "did not answer: Driver Not Loaded"),
        (Library(known="GPU-8"), "did not answer: Not Found"),
        (Library(known="MIG-7"), "a part of a GPU (MIG), whose counter does not tell its parts apart"),
        (Library(fails_after=1), "counter failed or went back"),
    ],
)
def test_what_is_not_known_is_not_zero(library, reason):
    found = read(library, seconds=0.0)
    assert (found.kwh, found.how) == (None, None)
    assert reason in found.reason


def test_a_counter_that_goes_back_is_not_believed(monkeypatch):
    library = Library()
    values = iter([9_000, 8_000])
    monkeypatch.setattr(library, "nvmlDeviceGetTotalEnergyConsumption", lambda _: next(values))
    assert "went back" in read(library, seconds=0.0).reason


def test_on_a_cpu_nothing_is_imported_or_measured(table, monkeypatch):
    monkeypatch.setattr(energy, "import_module", lambda _: pytest.fail("imported"))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(1, batch_size=64)
    assert [(reading.kwh, reading.how, reading.reason) for reading in learner.energy] == [(None, None, NO_GPU)]


def test_without_the_library_the_reason_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with metered(CUDA, uuid="7") as meter:
        assert meter.read().reason == NO_LIBRARY


def test_the_record_is_of_training_to_its_last_step(table, monkeypatch):
    """What is said in `Energy`: the validation after the last step is not in it."""
    order = []

    class Meter:
        def read(self):
            order.append("read")
            return Energy(kwh=1.0, how="counter", seconds=1.0)

    @contextmanager
    def counted(device):
        yield Meter()

    learner = Learner(table, network=SMALL, device="cpu")
    plain = learner.validate
    monkeypatch.setattr("trainer.fitting.training.metered", counted)
    monkeypatch.setattr(learner, "validate", lambda: order.append("validate") or plain(), raising=False)
    learner.fit_one_cycle(2, batch_size=64)
    assert order == ["read", "validate", "read", "validate"]


def test_each_call_of_training_is_in_the_record(table, tmp_path, monkeypatch):
    library = Library()

    def counted(device):
        return metered(CUDA, nvml=library, uuid="7")

    monkeypatch.setattr("trainer.fitting.training.metered", counted)
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(2, batch_size=64, saving=Saving(tmp_path))
    learner.fit_one_cycle(1, batch_size=64, recipe=Recipe(ema=0.9), saving=Saving(tmp_path))
    assert [reading.how for reading in learner.energy] == ["counter", "counter"]
    assert all(reading.kwh > 0 for reading in learner.energy)
    assert Learner.load(tmp_path, device="cpu").energy == learner.energy


def test_carbon_dioxide_needs_a_factor_and_its_source():
    counted = Energy(kwh=0.5, how="counter", seconds=10.0)
    unknown = Energy(kwh=None, how=None, seconds=10.0, reason=NO_GPU)
    found = emission([counted, counted, counted], kg_per_kwh=0.2, source="grid operator, mean of a year")
    assert (found.kg, found.kwh) == (pytest.approx(0.3), 1.5)
    assert found.source == "grid operator, mean of a year"
    partly = emission([counted, unknown], kg_per_kwh=0.2, source="grid operator")
    assert (partly.kg, partly.kwh, partly.reason) == (None, 0.5, NO_GPU)
    assert emission([], kg_per_kwh=0.2, source="grid operator").kg is None
    with pytest.raises(InputError) as raised:
        emission([counted], kg_per_kwh=float("nan"), source=" ")
    assert "kg_per_kwh must be at least 0 and finite; came nan" in str(raised.value)
    assert "source must say where the factor is from" in str(raised.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_it_is_measured_or_the_reason_is_given(table):
    learner = Learner(table, network=SMALL, device="cuda")
    learner.fit_one_cycle(2, batch_size=64)
    (reading,) = learner.energy
    assert (reading.kwh is None) == (reading.reason is not None)
    assert reading.kwh is None or reading.kwh >= 0
