"""Steps captured once as a CUDA graph and replayed: what is left per step is one launch.

A small network takes longer to launch kernel by kernel than to compute. A captured step has one shape and reads what
changes (where the batch begins, the learning rate, the random state) from the device, so that replaying it is training.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainer.data.resident import Resident
from trainer.fitting.epoch import Steps
from trainer.fitting.step import Stepper

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""From some work to what repeats it; the work itself is not done in capturing."""

WARM_UP = 3
UNROLL = 16
REFUSED = "a replayed step did not move the weights, so steps are taken one by one, which is slower: report the network"


class GraphSteps:
    """Takes steps as `Stepper` does, from the fourth of each shape on by replaying a graph.

    The first steps of a shape are real steps, taken one by one on a stream of their own: they make what is made once
    (the optimiser's moments, the libraries' workspaces), which must not happen in capturing. The first replay of each
    graph is checked: where it moves nothing, steps are taken one by one from there on, and a warning says so.

    Parameters
    ----------
    stepper
        The step; on a CUDA device, with the guard "fused".
    capture
        How work is captured; None for graphs of the stepper's device. Replaced in tests on a CPU.
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
        self._capture = capture or CudaCapture(stepper.course.step.device)
        self.refused = False
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
        cold = times if self.refused else min(times, max(WARM_UP - self._taken.get(key, 0), 0))
        self._taken[key] = self._taken.get(key, 0) + cold
        for _ in range(cold):
            _aside(lambda: self.stepper.take(data, held, size=size), held.device)
        left = times - cold
        for number in (self._unroll, 1):
            for _ in range(left // number):
                self._replay(data, held, size=size, number=number)
            left %= number

    def _replay(self, data: Resident, order: Tensor, *, size: int, number: int) -> None:
        key = (id(data), order.shape, size, number)
        if not self.refused and key in self._replays:
            self._replays[key]()
            return

        def work() -> None:
            self.stepper.take(data, order, size=size, times=number)

        if not self.refused:
            self._replays[key] = self._capture(work)
            self.refused = not self._moves(self._replays[key], number)
            if not self.refused:
                return
            warnings.warn(REFUSED, RuntimeWarning, stacklevel=2)
            self._replays.clear()
        work()

    def _moves(self, replay: Work, number: int) -> bool:
        """Replay for the first time; where course or weights stay, set the course back and return False."""
        course, weights = self.stepper.course, list(self.stepper.model.parameters())
        places = (course.step, course.row, course.totals)
        before, kept = [place.clone() for place in places], [weight.detach().clone() for weight in weights]
        replay()
        counted = bool(course.totals[1] > before[2][1])
        moved = any(not torch.equal(weight, old) for weight, old in zip(weights, kept, strict=True))
        # Where every gradient was not finite, nothing is counted and the weights stay as they should.
        if bool(course.step == before[0] + number) and (moved or not counted):
            return True
        for place, old in zip(places, before, strict=True):
            place.copy_(old)
        return False

    def _held(self, order: Tensor) -> Tensor:
        """Return the order where graphs look for it: one place per shape, filled when another order comes."""
        if order.shape not in self._orders:
            self._orders[order.shape] = (order.clone(), order)
        place, last = self._orders[order.shape]
        if last is not order:
            place.copy_(order)
            self._orders[order.shape] = (place, order)
        return place


class CudaCapture:
    """Captures work on a device as graphs that share their memory: what lives from step to step lies outside of it.

    Parameters
    ----------
    device
        Where the work runs, be it the current device or not.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None
        self._pool: _POOL_HANDLE | None = None

    def __call__(self, work: Work) -> Work:
        """Capture work, which is not done; what is returned does it."""
        with torch.cuda.device(self._device):
            if self._stream is None:
                # One stream for all: the libraries keep a workspace for each stream that they were called on.
                self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        return graph.replay


def capture_on(device: torch.device) -> Capture | None:
    """Return how steps are captured on a device; None where they are not.

    Examples
    --------
    >>> capture_on(torch.device("cpu")) is None
    True
    """
    return CudaCapture(device) if device.type == "cuda" else None


def fastest(stepper: Stepper, *, allowed: bool = True) -> Steps:
    """Return what takes the steps of a stepper: graphs, where its device captures them and its guard is "fused".

    Parameters
    ----------
    stepper
        What is captured is the step as it is now: for another `augment`, ask again.
    allowed
        Whether steps may be captured.

    Returns
    -------
    Steps
        The stepper itself where they are not.
    """
    capture = capture_on(stepper.course.step.device) if allowed and stepper.optimizer.guard == "fused" else None
    return stepper if capture is None else GraphSteps(stepper, capture=capture)


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
