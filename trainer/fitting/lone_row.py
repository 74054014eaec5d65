"""Batches of one row, of which batch normalisation can make no mean and no spread: found before training."""

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.device import seeded
from trainer.fitting.layers import held, layers_of
from trainer.fitting.stacked import StackedModels

if TYPE_CHECKING:
    from trainer.fitting.cycle import Plan


def lone_row_violations(model: nn.Module, plan: "Plan") -> list[str]:
    """Return why a cycle would end at a batch of one row, or nothing.

    The last batch of an epoch may have one row, and so may the parts into which a batch is cut. Whether that is too few
    is tried on a copy of the model, since batch norm over the places of an image is content with one.

    Parameters
    ----------
    model
        On the device.
    plan
        What a cycle trains on and how.

    Examples
    --------
    >>> from trainer.data.resident import Resident
    >>> from trainer.data.target import Target
    >>> from trainer.fitting.cycle import Plan
    >>> from trainer.history import Cycle
    >>> data = Resident(inputs=(torch.ones(5, 1),), target=torch.tensor([0, 1, 0, 1, 1]))
    >>> plan = Plan(source=data, train=torch.arange(5), target=Target(kind="classes", classes=(0, 1)),
    ...             cycle=Cycle(epochs=1, lr=0.1, batch_size=4), seeds=(7,), first_epoch=0, deterministic=True)
    >>> lone_row_violations(nn.BatchNorm1d(1), plan)[0].partition(",")[0]
    'the last batch of an epoch has one row (5 train rows in batches of 4)'
    >>> lone_row_violations(nn.Linear(1, 2), plan)
    []
    """
    n, size, parts = len(plan.train), plan.cycle.batch_size, plan.cycle.recipe.accumulate
    smallest = {rows: rows // min(parts, rows) for rows in (min(size, n), n % size) if rows}
    normalising = any(isinstance(layer, _BatchNorm) for _, layer in layers_of(model))
    if not normalising or 1 not in smallest.values() or _learns_from_one(model, plan):
        return []
    why = "of which batch norm can make no mean and spread"
    if 1 in smallest:
        fitting = next((each for each in range(min(size, n) - 1, 1, -1) if n % each != 1), None)
        mend = f"take batch_size={fitting}" if fitting and size > 1 else "take a larger batch_size"
        where = f"the last batch of an epoch has one row ({n:,} train rows in batches of {size:,})"
        return [f"{where}, {why}: {mend}, or a network with layer norm"]
    return [f"accumulate={parts} cuts a batch into parts of one row, {why}: lower accumulate, or take larger batches"]


def _learns_from_one(model: nn.Module, plan: "Plan") -> bool:
    rows, device = plan.train[:1], plan.train.device
    trial = copy.deepcopy(model).train()
    rows = rows.expand(len(plan.seeds), 1) if isinstance(model, StackedModels) else rows
    inputs = tuple(tensor.to(device) for tensor in plan.source.take(rows).inputs)
    try:
        with torch.no_grad(), seeded(0, device=device), held(trial, plan.cycle.recipe.layers):
            trial(*inputs)
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            return False
        raise
    return True
