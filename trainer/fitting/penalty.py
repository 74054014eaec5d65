"""A penalty where groups differ in their mean score: overall, or among rows of the same class."""

import torch
from torch import Tensor, nn

from trainer.data.resident import Batch
from trainer.data.target import Target
from trainer.fitting.balance import GroupMeans, groups_of


class GapPenalty(nn.Module):
    r"""The mean loss, and beside it the squared difference between the mean scores of groups.

    Parameters
    ----------
    target
        What the model answers: a score is a probability, or a number as it is learnt, in units of its scale.
    n_groups
        Number of groups.
    strength
        Weight of the penalty.
    within_classes
        False: over all rows (demographic parity). True: among the rows of each class apart (equalized odds).

    Notes
    -----
    The penalty is the mean over pairs of groups of (m_g - m_h)^2, m_g the mean score of group g in the batch, averaged
    over labels (over classes: half the sum, which of two classes is the square of one); within classes, the mean of
    that over the classes in which two groups are there. The moment constraint of Zafar et al. 2017, arXiv:1507.05259,
    squared, on probabilities as in Beutel et al. 2019, arXiv:1901.04562. Groups that are absent from a batch take no
    part. The mean of a few rows strays from that of the group, by which the penalty is too large: take batches with
    some ten rows of each group. Equal mean scores are not equal rates of decisions: measure those.

    Examples
    --------
    Answers 0.5 and 0.25 for the groups: (1 / 4)^2, for each of the two classes, halved.

    >>> target = Target(kind="classes", classes=(0, 1))
    >>> objective = GapPenalty(target, n_groups=2, strength=1.0, within_classes=False)
    >>> output = torch.tensor([[0.0, 0.0], [1.0986123, 0.0]])
    >>> batch = Batch(inputs=(), target=torch.zeros(2).long(), weights=None, groups=torch.tensor([0, 1]))
    >>> round(objective(torch.zeros(2), output, batch).item(), 4)
    0.0625
    """

    def __init__(self, target: Target, *, n_groups: int, strength: float, within_classes: bool) -> None:
        super().__init__()
        self.target, self.strength, self.within_classes = target, strength, within_classes
        self.n_groups = n_groups
        self.means = GroupMeans(n_groups * (target.n_outputs if within_classes else 1))

    def forward(self, losses: Tensor, output: Tensor, batch: Batch) -> Tensor:
        """Return a scalar; parameters as in `trainer.fitting.objectives.MeanLoss`."""
        weighted = losses if batch.weights is None else losses * batch.weights
        total: Tensor = weighted.mean(dim=-1).sum() + self.strength * self.penalty(output, batch)
        return total

    def penalty(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the penalty, of several models added up."""
        number = self.target.kind == "number"
        scores = self.target.standard(output).unsqueeze(-1) if number else self.target.answer(output)
        groups = groups_of(batch)
        if self.within_classes:
            groups = batch.target * self.n_groups + groups
        means, there = self.means(scores, groups, batch.weights)
        means, there = means.unflatten(-2, (-1, self.n_groups)), there.unflatten(-1, (-1, self.n_groups))
        share = 0.5 if self.target.kind == "classes" else 1.0 / scores.shape[-1]
        squared = (means.unsqueeze(-2) - means.unsqueeze(-3)).square().sum(dim=-1) * share
        pairs = (there.unsqueeze(-1) & there.unsqueeze(-2)).to(squared.dtype)
        pairs = pairs - torch.diag_embed(there.to(squared.dtype))
        n_pairs = pairs.sum(dim=(-1, -2))
        gaps = (squared * pairs).sum(dim=(-1, -2)) / n_pairs.clamp(min=1.0)
        compared = (n_pairs > 0).to(gaps.dtype)
        total: Tensor = (gaps.sum(dim=-1) / compared.sum(dim=-1).clamp(min=1.0)).sum()
        return total
