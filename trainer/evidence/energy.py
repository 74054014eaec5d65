"""The electric energy a GPU used while it trained: counted by the device, or sampled and said so, never made up."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

import torch

from audit.errors import raise_violations

_JOULES_PER_KWH = 3.6e6
PERIOD = 0.1
"""Seconds between two samples of the power."""

NO_GPU = "energy is measured on CUDA devices only; this ran on a CPU"
NO_LIBRARY = "nvidia-ml-py is not installed, so the device was not asked: pip install 'evenhanded[energy]'"
PART_OF_GPU = "this is a part of a GPU (MIG), whose counter does not tell its parts apart"


class Nvml(Protocol):
    """What is used of NVIDIA's management library, as the module `pynvml` of the package nvidia-ml-py offers it."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:  # noqa: N802 - the library's own name
        """Open the library."""
        ...

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: ANN401, N802 - an opaque handle
        """Return the device of that id."""
        ...

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any) -> int:  # noqa: ANN401, N802
        """Return millijoules since the driver was loaded."""
        ...

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:  # noqa: ANN401, N802
        """Return milliwatts now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What one call of training used, from its first step to its last.

    The validation and the saving between epochs are in it; those after the last step are not.

    Parameters
    ----------
    kwh
        Kilowatt-hours of the device alone, without host and cooling, whatever else ran on it; None where it is unknown.
    how
        "counter": the device's own; "sampled": the power, asked ten times a second and added up, which misses short
        peaks. None where it is unknown.
    seconds
        Over which it was measured.
    reason
        Why it is unknown.

    Examples
    --------
    >>> Energy(kwh=None, how=None, seconds=2.0, reason=NO_GPU).kwh is None
    True
    """

    kwh: float | None
    how: Literal["counter", "sampled"] | None
    seconds: float
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """Carbon dioxide that the energy stands for, by a factor that someone answers for.

    Parameters
    ----------
    kg
        Kilograms of CO2; None where some of the energy is unknown.
    kwh
        The energy that is known.
    kg_per_kwh, source
        The factor and where it is from.
    reason
        Why `kg` is None.
    """

    kg: float | None
    kwh: float
    kg_per_kwh: float
    source: str
    reason: str | None = None


def emission(readings: Sequence[Energy], *, kg_per_kwh: float, source: str) -> Emission:
    """Return the carbon dioxide of several stretches of training: ``kWh x factor``. There is no factor by default.

    Parameters
    ----------
    readings
        Such as `Learner.energy`.
    kg_per_kwh
        Kilograms of CO2 per kilowatt-hour of the grid at that place and time, at least 0.
    source
        Where the factor is from; it is shown beside the number.

    Raises
    ------
    InputError
        If the factor is not a number of at least 0, or its source is not named.

    Examples
    --------
    >>> counted = Energy(kwh=0.5, how="counter", seconds=3600.0)
    >>> emission([counted, counted], kg_per_kwh=0.4, source="grid operator, yearly mean").kg
    0.4
    """
    violations = []
    if not 0 <= kg_per_kwh < math.inf:
        violations.append(f"kg_per_kwh must be at least 0 and finite; came {kg_per_kwh}")
    if not source.strip():
        violations.append("source must say where the factor is from; came an empty text")
    raise_violations(violations)
    known = [reading.kwh for reading in readings if reading.kwh is not None]
    reasons = [reading.reason or "unknown" for reading in readings if reading.kwh is None]
    reasons += [] if readings else ["nothing was trained"]
    kwh = math.fsum(known)
    return Emission(
        kg=None if reasons else kwh * kg_per_kwh,
        kwh=kwh,
        kg_per_kwh=kg_per_kwh,
        source=source,
        reason=reasons[0] if reasons else None,
    )


class EnergyMeter:
    """Measures from its start to each reading.

    Parameters
    ----------
    nvml
        The library, opened; None where there is none.
    handle
        The device.
    reason
        Why there is no library.

    Examples
    --------
    >>> EnergyMeter(None, reason=NO_GPU).read().reason
    'energy is measured on CUDA devices only; this ran on a CPU'
    """

    def __init__(self, nvml: Nvml | None, *, handle: object = None, reason: str | None = None) -> None:
        self._nvml, self._handle, self._reason = nvml, handle, reason
        self._begun = time.perf_counter()
        self._first = None if nvml is None else self._counter(nvml)
        self._sampler: _Sampler | None = None
        if nvml is not None and self._first is None:
            self._sampler = _Sampler(nvml, handle)

    def read(self) -> Energy:
        """Return what was used since the start."""
        seconds = time.perf_counter() - self._begun
        if self._nvml is None:
            return Energy(kwh=None, how=None, seconds=seconds, reason=self._reason)
        if self._sampler is not None:
            joules = self._sampler.joules()
            if joules is None:
                return Energy(kwh=None, how=None, seconds=seconds, reason="the device tells neither energy nor power")
            return Energy(kwh=joules / _JOULES_PER_KWH, how="sampled", seconds=seconds)
        now = self._counter(self._nvml)
        if now is None or self._first is None or now < self._first:
            return Energy(kwh=None, how=None, seconds=seconds, reason="the device's energy counter failed or went back")
        return Energy(kwh=(now - self._first) / 1000.0 / _JOULES_PER_KWH, how="counter", seconds=seconds)

    def stop(self) -> None:
        """End the sampling, where there is any."""
        if self._sampler is not None:
            self._sampler.stop()

    def _counter(self, nvml: Nvml) -> int | None:
        try:
            return int(nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except nvml.NVMLError:
            return None


class _Sampler:
    """Adds up power over time in a thread, by the trapezoidal rule."""

    def __init__(self, nvml: Nvml, handle: object) -> None:
        self._nvml, self._handle = nvml, handle
        self._joules: float | None = 0.0
        self._last = (time.perf_counter(), self._watts())
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)
        self._thread.start()

    def joules(self) -> float | None:
        """Return the sum up to now; None where a sample failed."""
        self._sample()
        return self._joules

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(PERIOD):
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            watts, now = self._watts(), time.perf_counter()
            then, before = self._last
            if watts is None or before is None or self._joules is None:
                self._joules = None
            else:
                self._joules += (now - then) * (watts + before) / 2.0
            self._last = (now, watts)

    def _watts(self) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000.0
        except self._nvml.NVMLError:
            return None


@contextmanager
def metered(device: torch.device, *, nvml: Nvml | None = None, uuid: str | None = None) -> Iterator[EnergyMeter]:
    """Measure the energy of a device inside.

    Parameters
    ----------
    device
        On a CPU nothing is measured, and the reading says so.
    nvml, uuid
        The library and the device's id as torch gives it, without a prefix; None to find both.

    Examples
    --------
    >>> with metered(torch.device("cpu")) as meter:
    ...     pass
    >>> meter.read().kwh is None
    True
    """
    meter = _meter(device, nvml=nvml, uuid=uuid)
    try:
        yield meter
    finally:
        meter.stop()


def _meter(device: torch.device, *, nvml: Nvml | None, uuid: str | None) -> EnergyMeter:
    if device.type != "cuda":
        return EnergyMeter(None, reason=NO_GPU)
    if nvml is None:
        try:
            found: Any = import_module("pynvml")
        except ImportError:
            return EnergyMeter(None, reason=NO_LIBRARY)
        nvml = found
    if uuid is None:
        # By id, because the numbers of torch's devices follow CUDA_VISIBLE_DEVICES and the library's do not.
        uuid = str(torch.cuda.get_device_properties(device).uuid)
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except nvml.NVMLError as error:
        unknown = PART_OF_GPU if _is_part(nvml, uuid) else f"NVIDIA's management library did not answer: {error}"
        return EnergyMeter(None, reason=unknown)
    return EnergyMeter(nvml, handle=handle)


def _is_part(nvml: Nvml, uuid: str) -> bool:
    try:
        nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")
    except nvml.NVMLError:
        return False
    return True
