"""What training minimises, from the losses of a batch: the mean, or something that looks at groups."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from audit.errors import InputError, raise_violations
from trainer.data.kinds import Data
from trainer.data.resident import Batch, Resident
from trainer.fitting.balance import BalancedLoss
from trainer.fitting.group_dro import GroupDRO
from trainer.fitting.groups import Grouping, train_grouping
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.penalty import GapPenalty


class MeanLoss(nn.Module):
    """The mean loss over the rows of the batch, each with its weight: empirical risk.

    Weights have mean 1 over the train rows and are not divided by their sum in the batch, which would let a light
    batch pull as hard as a heavy one.

    Examples
    --------
    >>> import torch
    >>> batch = Batch(inputs=(), target=torch.zeros(2), weights=torch.tensor([0.5, 1.5]), groups=None)
    >>> MeanLoss()(torch.tensor([1.0, 2.0]), torch.zeros(2, 1), batch).item()
    1.75
    """

    def forward(self, losses: Tensor, output: Tensor, batch: Batch) -> Tensor:
        """Return a scalar.

        Parameters
        ----------
        losses
            Shape (n,), or (n_models, n): then each model's objective, added up, so that their gradients stay apart.
        output
            Of the network, shape (..., n, n_outputs).
        batch
            The rows.
        """
        del output
        weighted = losses if batch.weights is None else losses * batch.weights
        total: Tensor = weighted.mean(dim=-1).sum()
        return total


class Prepared(NamedTuple):
    """The objective, and the data with the groups that it looks at.

    Examples
    --------
    >>> import torch
    >>> Prepared(Resident(inputs=(), target=torch.zeros(3)), MeanLoss()).source.groups is None
    True
    """

    source: Resident
    objective: nn.Module


def prepare_objective(
    settings: ObjectiveSettings, data: Data, resident: Resident, *, models: int | None = None
) -> Prepared:
    """Return the objective that settings name, and the data with the groups that it looks at.

    Parameters
    ----------
    settings
        Kind, groups and strength.
    data
        Its frame holds the columns that make the groups.
    resident
        Its tensors on the device.
    models
        Number of stacked models; None for one that is not stacked.

    Returns
    -------
    Prepared
        The source shares all tensors but the groups with `resident`.

    Raises
    ------
    InputError
        If a column is missing, there is one group only among the train rows (or among those to which one of several
        models gives weight), or the answer is of another kind than the objective needs.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> frame = pd.DataFrame({"age": range(10), "sex": ["f", "m"] * 5, "paid": [0, 1] * 5})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(10, seed=1))
    >>> settings = ObjectiveSettings(kind="group_balanced", groups=("sex",))
    >>> found = prepare_objective(settings, table, table.resident)
    >>> type(found.objective).__name__, found.source.groups.tolist()[:4]
    ('BalancedLoss', [0, 1, 0, 1])
    """
    if settings.kind == "mean":
        return Prepared(resident, MeanLoss())
    target = data.spec.target
    if settings.kind in ("class_balanced", "equalized_odds") and target.kind != "classes":
        raise InputError([f"objective {settings.kind!r} needs one class per row; the model answers {target.kind}"])
    columns = (data.spec.columns.y,) if settings.kind == "class_balanced" else settings.groups
    grouping = train_grouping(data, columns)
    totals = _totals(grouping, data, resident)
    raise_violations([f"objective {settings.kind!r}: {text}" for text in _one_group(grouping, totals)])
    source = replace(resident, groups=grouping.tensor(resident.target.device))
    if settings.kind in ("class_balanced", "group_balanced"):
        return Prepared(source, BalancedLoss(totals))
    if settings.kind == "group_dro":
        return Prepared(source, GroupDRO(totals, names=grouping.names, eta=settings.eta, models=models))
    within = settings.kind == "equalized_odds"
    penalty = GapPenalty(target, n_groups=totals.shape[-1], strength=settings.strength, within_classes=within)
    return Prepared(source, penalty)


def group_weights(objective: nn.Module) -> dict[str, float] | None:
    """Return the mean weight of each group since this was last asked, where the objective weighs groups as it goes.

    Examples
    --------
    >>> group_weights(MeanLoss()) is None
    True
    """
    return objective.group_weights() if isinstance(objective, GroupDRO) else None


def _totals(grouping: Grouping, data: Data, resident: Resident) -> npt.NDArray[np.float64]:
    """Return the weight of each group, shape (n_groups,); of models that weigh rows otherwise (n_models, n_groups)."""
    train = data.split.train
    if resident.model_weights is None:
        return grouping.totals(train, weights=resident.weights)
    return np.stack([grouping.totals(train, weights=weights) for weights in resident.model_weights])


def _one_group(grouping: Grouping, totals: npt.NDArray[np.float64]) -> list[str]:
    there = (np.atleast_2d(totals) > 0).sum(axis=1)
    alone, columns = np.flatnonzero(there < 2), list(grouping.columns)
    if not len(alone):
        return []
    names = ", ".join(grouping.names[:3])
    if totals.ndim == 1 or len(grouping.names) == 1:
        return [f"the train rows are all of one group of {columns} ({names}): there is nothing to compare"]
    return [
        f"model {alone[0]}, counted from 0, gives weight to rows of one group of {columns} only: nothing to compare"
    ]
