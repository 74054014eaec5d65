"""Weights that give every group the same say, whatever its size."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.data.resident import Batch


class BalancedLoss(nn.Module):
    r"""The mean loss with weights by which each group counts as much as any other.

    Parameters
    ----------
    totals
        Shape (n_groups,): rows, or weight, of each group among the train rows; 0 where it has none. Shape
        (n_models, n_groups) where rows weigh otherwise in each of several models.

    Notes
    -----
    w_g = W / (G W_g), with W_g the total of group g, W their sum and G the groups that have any: the mean weight over
    the train rows is 1. As class weights: King & Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868. A fixed weight
    changes which solution a small model prefers; a model that separates the train rows ignores it (Byrd & Lipton 2019,
    arXiv:1812.03372).

    Examples
    --------
    >>> objective = BalancedLoss(np.array([3.0, 1.0]))
    >>> objective.weights.tolist()
    [0.6666666865348816, 2.0]
    >>> batch = Batch(inputs=(), target=torch.zeros(2), weights=None, groups=torch.tensor([0, 1]))
    >>> round(objective(torch.tensor([3.0, 1.0]), torch.zeros(2, 1), batch).item(), 4)
    2.0
    """

    weights: Tensor

    def __init__(self, totals: npt.NDArray[np.float64]) -> None:
        super().__init__()
        there = totals > 0
        whole = totals.sum(axis=-1, keepdims=True)
        number = there.sum(axis=-1, keepdims=True)
        weights = np.divide(whole, number * totals, out=np.zeros(totals.shape), where=there)
        # A constant of the data, no state: it is made again when training is resumed.
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)), persistent=False)

    def forward(self, losses: Tensor, output: Tensor, batch: Batch) -> Tensor:
        """Return a scalar; parameters as in `trainer.fitting.objectives.MeanLoss`."""
        del output
        groups = groups_of(batch)
        weights = self.weights[groups] if self.weights.ndim == 1 else self.weights.gather(-1, groups)
        weighted = losses * weights if batch.weights is None else losses * weights * batch.weights
        total: Tensor = weighted.mean(dim=-1).sum()
        return total


class GroupMeans(nn.Module):
    """Means by group as one product of matrices: fixed shapes, nothing that depends on which groups are there.

    Parameters
    ----------
    n_groups
        Number of groups.

    Examples
    --------
    >>> means = GroupMeans(3)
    >>> found, there = means(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2]), None)
    >>> found.squeeze(-1).tolist(), there.tolist()
    ([2.0, 0.0, 5.0], [True, False, True])
    """

    places: Tensor

    def __init__(self, n_groups: int) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(n_groups), persistent=False)

    def forward(self, values: Tensor, groups: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return means, shape (..., n_groups, n_values), 0 where there are no rows; and where there are any.

        Parameters
        ----------
        values
            Shape (..., n, n_values).
        groups
            Shape (..., n), int64.
        weights
            Shape (..., n); None for 1.
        """
        members = (groups.unsqueeze(-2) == self.places.unsqueeze(-1)).to(values.dtype)
        if weights is not None:
            members = members * weights.unsqueeze(-2)
        total = members.sum(dim=-1)
        there = total > 0
        means = members @ values / torch.where(there, total, 1.0).unsqueeze(-1)
        return means, there


def groups_of(batch: Batch) -> Tensor:
    """Return the groups of a batch.

    Raises
    ------
    ValueError
        If the data hold none: they come from `trainer.fitting.objectives.prepare_objective`.

    Examples
    --------
    >>> groups_of(Batch(inputs=(), target=torch.zeros(1), weights=None, groups=torch.tensor([3]))).tolist()
    [3]
    """
    if batch.groups is None:
        message = "the objective looks at groups and the batch has none: give Resident.groups"
        raise ValueError(message)
    return batch.groups
