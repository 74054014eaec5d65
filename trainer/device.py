"""Where a model runs, under which seed, and with which kernels; the process is left as it was found."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from audit.errors import InputError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def resolve_device(name: str) -> torch.device:
    """Return the device of a name: "auto" is the current CUDA device where there is one, else the CPU.

    Parameters
    ----------
    name
        "auto", "cpu", "cuda" or "cuda:<number>".

    Returns
    -------
    torch.device
        With its number where it is a CUDA device.

    Raises
    ------
    InputError
        If the name is unknown or the device is not there.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    >>> resolve_device("abacus")
    Traceback (most recent call last):
    audit.errors.InputError: device must be "auto", "cpu", "cuda" or "cuda:<number>"; came 'abacus'
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise InputError([f'device must be "auto", "cpu", "cuda" or "cuda:<number>"; came {name!r}'])
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cpu" or (kind == "auto" and n_cuda == 0):
        return torch.device("cpu")
    index = int(number) if number else (torch.cuda.current_device() if n_cuda else 0)
    if index >= n_cuda:
        raise InputError([f'device {name!r} is not there; torch sees {n_cuda} CUDA devices: pass device="auto"'])
    return torch.device("cuda", index)


@contextmanager
def seeded(seed: int, *, device: torch.device) -> Iterator[None]:
    """Draw from fresh generators inside, and give the process its own generators back, untouched, at the end.

    Parameters
    ----------
    seed
        Seed of the generators of the CPU and of `device` inside.
    device
        The device that computes.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with seeded(7, device=torch.device("cpu")):
    ...     first = torch.rand(3)
    >>> with seeded(7, device=torch.device("cpu")):
    ...     second = torch.rand(3)
    >>> torch.equal(first, second), torch.equal(before, torch.get_rng_state())
    (True, True)
    """
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_cuda else []):
        # torch.manual_seed would reseed every CUDA device of the process, also those that nobody asked about.
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def deterministic_kernels(*, device: torch.device, enabled: bool) -> Iterator[None]:
    """Allow only kernels that give the same bits each time; the setting of the process is restored at the end.

    Parameters
    ----------
    device
        The device that computes.
    enabled
        Where False, nothing is changed.

    Raises
    ------
    InputError
        On CUDA, where the environment does not let cuBLAS be deterministic.

    Examples
    --------
    >>> with deterministic_kernels(device=torch.device("cpu"), enabled=True):
    ...     inside = torch.are_deterministic_algorithms_enabled()
    >>> inside, torch.are_deterministic_algorithms_enabled()
    (True, False)
    """
    if not enabled:
        yield
        return
    if device.type == "cuda" and os.environ.get(_WORKSPACE) not in (":4096:8", ":16:8"):
        raise InputError([f"deterministic=True on CUDA needs the environment variable {_WORKSPACE}=:4096:8 at start"])
    before = torch.get_deterministic_debug_mode()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(mode=True)
    # Filling fresh memory guards against reading it before writing, which no kernel used here does; it costs a pass.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Compute with so many CPU threads; the setting of the process is restored at the end.

    On steps as small as those of a tabular network a second thread gains little, and on a busy machine threads that
    wait for each other cost many times the work.

    Examples
    --------
    >>> with cpu_threads(1):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def environment(device: torch.device) -> dict[str, str | int]:
    """Return what besides the seed decides the last bits of a result: libraries, device and number of threads.

    Examples
    --------
    >>> sorted(environment(torch.device("cpu")))
    ['device', 'numpy', 'python', 'threads', 'torch']
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": name,
        "threads": torch.get_num_threads(),
    }
