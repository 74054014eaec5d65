"""How fast this device could train this network at best, and which of its limits is met first.

`roof` is a method of `trainer.learner.Learner`, kept in a file of its own.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from trainer.device import deterministic_kernels, seeded
from trainer.evidence.ceilings import Ceilings, measured
from trainer.evidence.embedding import one_of
from trainer.fitting.augment import augmentations
from trainer.fitting.cycle import CycleRun
from trainer.fitting.epoch import beside
from trainer.history import Cycle, Recipe

if TYPE_CHECKING:
    from trainer.learner import Learner

Limit = Literal["memory", "arithmetic", "launches"]

_MOVES = 10
"""Times that a weight is moved in a step: read twice, its gradient written; AdamW reads four numbers, writes three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What a step of training asks for at least.

    Parameters
    ----------
    rows
        Rows of the step, over all models.
    flops
        Of products and convolutions, forward and backward, as torch's `FlopCounterMode` counts them.
    bytes
        The rows read once; what each module without submodules returns, written once and read once backward; each
        weight moved ten times (read forward and backward, its gradient written, and read and written by AdamW).
    launches
        Operations that compute something: views are free.
    """

    rows: int
    flops: int
    bytes: int
    launches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The rates that each limit alone would allow, in rows per second; the smallest is the roof.

    Parameters
    ----------
    ceilings, cost
        What they are made of.

    Examples
    --------
    A step of 100 rows that moves 10 MB, at 1 GB/s, takes at least 10 ms; its 5 launches 5 ms.

    >>> roof = Roof(ceilings=Ceilings(bytes_per_s=1e9, flops_per_s=1e9, launch_s=1e-3),
    ...             cost=StepCost(rows=100, flops=1_000_000, bytes=10_000_000, launches=5))
    >>> roof.samples_per_s, roof.binds
    (10000.0, 'memory')
    """

    ceilings: Ceilings
    cost: StepCost

    @property
    def limits(self) -> Mapping[Limit, float]:
        """Rows per second by limit."""
        ceilings, cost = self.ceilings, self.cost
        seconds: dict[Limit, float] = {
            "memory": cost.bytes / ceilings.bytes_per_s,
            "arithmetic": cost.flops / ceilings.flops_per_s,
            "launches": cost.launches * ceilings.launch_s,
        }
        return {name: cost.rows / spent if spent > 0 else float("inf") for name, spent in seconds.items()}

    @property
    def samples_per_s(self) -> float:
        """The roof: what the limit that binds allows."""
        return min(self.limits.values())

    @property
    def binds(self) -> Limit:
        """The limit that is met first."""
        limits = self.limits
        return min(limits, key=lambda name: limits[name])


def roof(learner: "Learner", *, batch_size: int = 256, recipe: Recipe | None = None) -> Roof:
    """Measure what this device reaches, count what a step asks for, and say how fast training could be.

    It takes a second, after what torch loads once per process, and changes nothing in the model; later rows of the
    history have their speed as a share of this roof.

    Parameters
    ----------
    batch_size, recipe
        As in the fit that is planned.

    Returns
    -------
    Roof
        Rates that no step can pass, with one exception: values that stay in a cache need not go through memory, so
        where "memory" binds a small network on a CPU can be faster.

    Notes
    -----
    Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for multicore architectures"
    (2009), doi:10.1145/1498765.1498785, with the launches as a third limit, which binds small networks on a GPU.
    """
    size = min(batch_size, len(learner.rows("train")))
    cycle = Cycle(epochs=2, lr=1e-3, batch_size=size, recipe=recipe or Recipe())
    found = Roof(ceilings=measured(learner.device), cost=step_cost(learner, cycle))
    learner.ceiling = found.samples_per_s
    return found


def step_cost(learner: "Learner", cycle: Cycle) -> StepCost:
    """Count what the step of a cycle asks for, on a copy of the model.

    Parameters
    ----------
    learner
        Its weights and random states stay as they are.
    cycle
        Of two epochs at least.
    """
    plan, device, size = learner.plan(cycle), learner.device, cycle.batch_size
    run = CycleRun(copy.deepcopy(learner.model), plan)
    stepper = run.stepper
    stepper.augment = plan.augment or augmentations(cycle.recipe.augment, epochs=1)[0]
    stepper.model.train()
    launches, flops = _Launches(), FlopCounterMode(display=False)
    with seeded(0, device=device), deterministic_kernels(device=device, enabled=learner.deterministic):
        data, places = next(iter(plan.source.pieces(run.order(0), size)))
        stepper.take(data, places, size=size)  # the first step makes the optimiser's moments
        stepper.course.row.zero_()
        with launches, flops:
            stepper.take(data, places, size=size)
        inputs = data.take(places.flatten()[:size]).inputs
        single = copy.deepcopy(one_of(learner))
        per_model = sum(map(_bytes, inputs)) + 2 * _activation_bytes(single, inputs)
    weights = sum(_bytes(parameter) for parameter in learner.model.parameters())
    models = learner.models or 1
    return StepCost(
        rows=models * size,
        flops=flops.get_total_flops(),
        bytes=models * per_model + _MOVES * weights,
        launches=launches.number,
    )


class _Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that are no views."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.number = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's own signature
        types: Any,  # noqa: ANN401
        args: Any = (),  # noqa: ANN401
        kwargs: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        aliases = [item.alias_info for item in func._schema.returns]
        self.number += not any(alias is not None and not alias.is_write for alias in aliases)
        return func(*args, **(kwargs or {}))


def _activation_bytes(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    sizes: list[int] = []

    def seen(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(_bytes(output))

    for module in model.modules():
        if not any(module.children()):
            module.register_forward_hook(seen)
    inputs = beside(model, inputs)
    device = inputs[0].device.type
    with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        model.train()(*inputs)
    return sum(sizes)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
