"""Whether a batch fits into the device's memory, found out before training and answered with smaller parts."""

import copy
import gc
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from audit.errors import InputError
from trainer.device import deterministic_kernels, seeded
from trainer.fitting.cycle import CycleRun, Plan
from trainer.history import Cycle

Trial = Callable[[int], None]
"""Takes a step with the batch cut into so many parts; raises torch.OutOfMemoryError where that does not fit."""


def parts_that_fit(trial: Trial, *, batch_size: int, accumulate: int = 1) -> int:
    """Return into how many parts a batch must be cut so that a step fits: doubled until it does.

    The step stays that of the whole batch; only the memory that it takes at once becomes smaller.

    Parameters
    ----------
    trial
        Tried with `accumulate`, then with twice as many parts, and so on; with as many parts as rows at last.
    batch_size
        Rows of a step.
    accumulate
        Parts to begin with.

    Returns
    -------
    int
        At least `accumulate`, at most `batch_size`.

    Raises
    ------
    InputError
        If not even one row at a time fits.

    Examples
    --------
    Where no more than 100 rows fit, 256 rows are taken in 4 parts of 64.

    >>> def trial(parts):
    ...     if 256 / parts > 100:
    ...         raise torch.OutOfMemoryError
    >>> parts_that_fit(trial, batch_size=256)
    4
    """
    parts = min(accumulate, batch_size)
    while not _fits(trial, parts):
        if parts >= batch_size:
            raise InputError(["one row at a time does not fit into the device's memory: use a smaller network"])
        parts = min(2 * parts, batch_size)
    return parts


def fitted_cycle(
    model: nn.Module, cycle: Cycle, plan: Callable[[Cycle], Plan], *, device: torch.device | None = None
) -> Cycle:
    """Return the cycle with as many parts per batch as the device's memory asks for; on a CPU as it is.

    A trial step on a copy of the model, forward, backward and update, shows it before training starts; training itself
    never retries. Weights and random state stay as they were. A cycle that is resumed goes on with the parts it was
    saved with, because others would be another sum: on a smaller device it may not fit.

    Parameters
    ----------
    model
        The network on the device; what an earlier cycle left there should be released before.
    cycle
        The settings, whose batch size stays.
    plan
        What a cycle trains on.
    device
        Whose memory counts; None for that of the weights.

    Returns
    -------
    Cycle
        Its `recipe.accumulate` is what was needed.

    Raises
    ------
    InputError
        If not even one row at a time fits, or the objective needs whole batches and they do not.
    """
    if (device or next(model.parameters()).device).type != "cuda":
        return cycle

    def with_parts(parts: int) -> Cycle:
        return cycle if parts == cycle.recipe.accumulate else replace(
            cycle, recipe=replace(cycle.recipe, accumulate=parts)
        )  # fmt: skip

    parts = parts_that_fit(
        lambda parts: trial_step(model, plan(with_parts(parts))),
        batch_size=cycle.batch_size,
        accumulate=cycle.recipe.accumulate,
    )
    return with_parts(parts)


def trial_step(model: nn.Module, plan: Plan) -> None:
    """Take one step of a plan on a copy of the model, on the first rows; weights and random state stay as they were.

    Raises
    ------
    torch.OutOfMemoryError
        If it does not fit.

    Examples
    --------
    >>> from trainer.data.resident import Resident
    >>> from trainer.data.target import Target
    >>> model = nn.Linear(1, 2)
    >>> before = model.weight.detach().clone()
    >>> data = Resident(inputs=(torch.ones(4, 1),), target=torch.tensor([0, 1, 0, 1]))
    >>> trial_step(model, Plan(source=data, train=torch.arange(4), target=Target(kind="classes", classes=(0, 1)),
    ...                        cycle=Cycle(epochs=1, lr=0.5, batch_size=2), seeds=(7,), first_epoch=0,
    ...                        deterministic=True))
    >>> torch.equal(model.weight, before)
    True
    """
    run = CycleRun(copy.deepcopy(model), plan)
    device = plan.train.device
    with seeded(0, device=device), deterministic_kernels(device=device, enabled=plan.deterministic):
        data, places = next(iter(plan.source.pieces(run.order(0), plan.cycle.batch_size)))
        run.stepper.model.train()
        run.stepper.take(data, places, size=min(plan.cycle.batch_size, places.shape[-1]))
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _fits(trial: Trial, parts: int) -> bool:
    try:
        trial(parts)
    except torch.OutOfMemoryError:
        fits = False
    else:
        fits = True
    # Outside of `except`: inside it, the error's traceback would keep the tensors of the failed step alive.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return fits
