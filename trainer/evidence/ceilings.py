"""What a device reaches at best: copying, multiplying, and one tiny operation after another."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

BUDGET = 0.2
"""Seconds for each of the three measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a device reaches at best in what it is asked for here.

    Parameters
    ----------
    bytes_per_s
        Read plus written in copying much more than its caches hold.
    flops_per_s
        Of a large product of matrices: bfloat16 on CUDA, float32 on a CPU.
    launch_s
        Seconds for one tiny operation after another: on CUDA replayed in a graph, as training does it.
    """

    bytes_per_s: float
    flops_per_s: float
    launch_s: float


def measured(device: torch.device) -> Ceilings:
    """Measure the ceilings of a device, with as many threads as torch uses now: the best of what fits into 0.6 s.

    Examples
    --------
    >>> found = measured(torch.device("cpu"))
    >>> found.bytes_per_s > 0, found.flops_per_s > 0, 0 < found.launch_s < 1
    (True, True, True)
    """
    on_cuda = device.type == "cuda"
    n_bytes = min(2**30, torch.cuda.mem_get_info(device)[0] // 8) if on_cuda else 2**26
    source = torch.arange(n_bytes // 8, dtype=torch.int64, device=device)
    place = torch.empty_like(source)
    copying = _best(lambda: place.copy_(source), device)
    width = 8192 if on_cuda else 512
    values = torch.arange(width * width, device=device).remainder(7).view(width, width)
    matrix = values.to(torch.bfloat16 if on_cuda else torch.float32)
    product = torch.empty_like(matrix)
    multiplying = _best(lambda: torch.mm(matrix, matrix, out=product), device)
    return Ceilings(
        bytes_per_s=2 * source.numel() * 8 / copying,
        flops_per_s=2 * width**3 / multiplying,
        launch_s=_launch_seconds(device),
    )


def _launch_seconds(device: torch.device) -> float:
    number = 200
    one = torch.zeros(1, device=device)

    def chain() -> None:
        for _ in range(number):
            one.add_(1.0)

    work: Callable[[], object] = chain
    if device.type == "cuda":
        chain()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            chain()
        work = graph.replay
    return _best(work, device) / number


def _best(work: Callable[[], object], device: torch.device) -> float:
    """Return the least seconds that the work took, of at least three times and of as many as fit into the budget."""
    best, begun, times = float("inf"), time.perf_counter(), 0
    while times < 3 or time.perf_counter() - begun < BUDGET:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best, times = min(best, time.perf_counter() - start), times + 1
    return best
