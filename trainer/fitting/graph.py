"""Steps captured once as a CUDA graph and replayed: what is left per step is one launch.

A small network takes longer to launch kernel by kernel than to compute. A captured step has one shape and reads what
changes (where the batch begins, the learning rate, the random state) from the device, so that replaying it is training.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.data.resident import Resident
from trainer.fitting.step import Stepper

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""From some work to what repeats it; the work itself is not done in capturing."""

WARM_UP = 3
UNROLL = 16


class GraphSteps:
    """Takes steps as `Stepper` does, from the fourth of each shape on by replaying a graph.

    The first steps of a shape are real steps, taken one by one on a stream of their own: they make what is made once
    (the optimiser's moments, the libraries' workspaces), which must not happen in capturing.

    Parameters
    ----------
    stepper
        The step; on a CUDA device, with the guard "fused".
    capture
        How work is captured; replaced in tests on a CPU.
    unroll
        Steps in one graph where so many are left, to spare launches.

    Examples
    --------
    On a CPU nothing is captured; here the work is repeated as it is.

    >>> from torch import nn
    >>> from trainer.data.target import Target
    >>> from trainer.fitting.objectives import MeanLoss
    >>> from trainer.fitting.optimizer import GuardedAdamW
    >>> from trainer.fitting.step import Course
    >>> model = nn.Linear(1, 2)
    >>> stepper = Stepper(model=model, target=Target(kind="classes", classes=(0, 1)), objective=MeanLoss(),
    ...                   optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.0, clip=1.0),
    ...                   course=Course.begin(torch.full((6,), 0.1)))
    >>> data = Resident(inputs=(torch.zeros(12, 1),), target=torch.tensor([0, 1] * 6))
    >>> GraphSteps(stepper, capture=lambda work: work).take(data, torch.arange(12), size=2, times=6)
    >>> stepper.course.step.item(), stepper.course.totals[1].item()
    (6, 12.0)
    """

    def __init__(self, stepper: Stepper, *, capture: Capture | None = None, unroll: int = UNROLL) -> None:
        self.stepper = stepper
        self._capture = capture or captured
        self._unroll = unroll
        self._taken: dict[tuple[int, int], int] = {}
        self._replays: dict[tuple[int, torch.Size, int, int], Work] = {}
        self._orders: dict[torch.Size, tuple[Tensor, Tensor]] = {}
        # Data that a graph reads must live as long as the graph.
        self._kept: list[Resident] = []

    def take(self, data: Resident, order: Tensor, *, size: int, times: int = 1) -> None:
        """Take the next `times` steps of `size` rows each; see `Stepper.take`."""
        held = self._held(order)
        key = (id(data), size)
        if key not in self._taken:
            self._kept.append(data)
        cold = min(times, max(WARM_UP - self._taken.get(key, 0), 0))
        self._taken[key] = self._taken.get(key, 0) + cold
        for _ in range(cold):
            _aside(lambda: self.stepper.take(data, held, size=size), held.device)
        left = times - cold
        for number in (self._unroll, 1):
            for _ in range(left // number):
                self._replay(data, held, size=size, number=number)()
            left %= number

    def _replay(self, data: Resident, order: Tensor, *, size: int, number: int) -> Work:
        key = (id(data), order.shape, size, number)
        if key not in self._replays:
            self._replays[key] = self._capture(lambda: self.stepper.take(data, order, size=size, times=number))
        return self._replays[key]

    def _held(self, order: Tensor) -> Tensor:
        """Return the order where graphs look for it: one place per shape, filled when another order comes."""
        if order.shape not in self._orders:
            self._orders[order.shape] = (order.clone(), order)
        place, last = self._orders[order.shape]
        if last is not order:
            place.copy_(order)
            self._orders[order.shape] = (place, order)
        return place


def captured(work: Work) -> Work:
    """Capture work on the current CUDA device; what is returned repeats it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _aside(work: Work, device: torch.device) -> None:
    """Do work on a stream of its own, as capturing asks of what comes before it; on a CPU, do it."""
    if device.type != "cuda":
        work()
        return
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    current = torch.cuda.current_stream(device)
    aside.wait_stream(current)
    with torch.cuda.stream(aside):
        work()
    current.wait_stream(aside)
