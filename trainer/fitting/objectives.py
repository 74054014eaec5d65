"""What training minimises, from the losses of a batch: the mean, or something that looks at groups."""

from torch import Tensor, nn

from trainer.data.resident import Batch


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
