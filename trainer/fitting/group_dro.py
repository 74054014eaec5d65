"""Group distributionally robust optimisation: minimise the loss of the groups that fare worst."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer.data.resident import Batch
from trainer.fitting.balance import GroupMeans, groups_of


class GroupDRO(nn.Module):
    r"""The loss of groups, weighted by q, which follows the groups whose loss is large.

    Parameters
    ----------
    totals
        Shape (n_groups,): rows, or weight, of each group among the train rows; groups without any get no weight. Shape
        (n_models, n_groups) where rows weigh otherwise in each of several models.
    names
        What each group is called.
    eta
        How fast q follows.
    models
        Number of stacked models, each with its own q; None for one that is not stacked.

    Notes
    -----
    q_g <- q_g exp(eta L_g), normalised to sum 1, with L_g the mean loss of group g in the batch, and the objective is
    sum_g q_g L_g: Sagawa, Koh, Hashimoto & Liang 2020, Distributionally robust neural networks for group shifts,
    arXiv:1911.08731, algorithm 1. A group that is absent from the batch neither moves q nor counts. A batch with a
    loss that is not finite leaves q where it was, as the optimiser leaves the weights. The buffer is log q, in float64:
    q itself would round to 0 where one group dominates for long, and never come back. They found that it helps where
    regularisation is strong: a network that fits all train rows has no worst group left to look at.

    Examples
    --------
    Two groups; the second loses log 2 more and gets twice the weight at eta = 1. The third is absent.

    >>> objective = GroupDRO(np.array([5.0, 5.0, 5.0]), names=["a", "b", "c"], eta=1.0)
    >>> batch = Batch(inputs=(), target=torch.zeros(2), weights=None, groups=torch.tensor([0, 1]))
    >>> _ = objective(torch.tensor([0.0, 0.6931472]), torch.zeros(2, 1), batch)
    >>> objective.q.tolist()
    [0.25, 0.5, 0.25]
    """

    log_q: Tensor
    total: Tensor
    steps: Tensor

    def __init__(
        self, totals: npt.NDArray[np.float64], *, names: Sequence[str], eta: float, models: int | None = None
    ) -> None:
        super().__init__()
        self.names, self.eta, self.means = tuple(names), eta, GroupMeans(totals.shape[-1])
        start = torch.from_numpy((totals > 0) / (totals > 0).sum(axis=-1, keepdims=True))
        start = start if models is None else start.expand(models, -1).clone()
        self.register_buffer("log_q", start.log())
        self.register_buffer("total", torch.zeros_like(start))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, losses: Tensor, output: Tensor, batch: Batch) -> Tensor:
        """Return a scalar; parameters as in `trainer.fitting.objectives.MeanLoss`."""
        del output
        found, there = self.means(losses.unsqueeze(-1), groups_of(batch), batch.weights)
        by_group = found.squeeze(-1)
        q = self._followed(by_group.detach(), there)
        total: Tensor = (q * by_group).sum()
        return total

    @torch.no_grad()
    def _followed(self, by_group: Tensor, there: Tensor) -> Tensor:
        """Move q and return it: a copy, since the buffer may move on before the gradient is taken."""
        if self.training:
            losses = torch.where(there, by_group, 0.0).double()
            fine = losses.isfinite().all(dim=-1, keepdim=True)
            followed = (self.log_q + self.eta * torch.where(fine, losses, 0.0)).log_softmax(dim=-1)
            self.log_q.copy_(torch.where(fine, followed, self.log_q))
            self.total += self.log_q.exp()
            self.steps += 1
        return self.q

    @property
    def q(self) -> Tensor:
        """The weights of the groups, shape (n_groups,) or (n_models, n_groups), float32."""
        return self.log_q.exp().float()

    def group_weights(self) -> dict[str, float]:
        """Return the mean q of each group since it was last asked, of several models their mean; waits for the host.

        Examples
        --------
        >>> GroupDRO(np.array([5.0, 5.0]), names=["a", "b"], eta=1.0).group_weights()
        {'a': 0.5, 'b': 0.5}
        """
        steps = int(self.steps.item())
        mean = self.total / steps if steps else self.q.double()
        mean = mean if mean.ndim == 1 else mean.mean(dim=0)
        self.total.zero_()
        self.steps.zero_()
        return dict(zip(self.names, mean.tolist(), strict=True))
