"""What a forward pass itself changes of a model, such as the running means of batch normalisation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Buffers:
    """Keeps a model's buffers as they were where a step is left out; nothing in it waits for the host.

    A batch with an infinite value leaves its mark on running means before the gradient shows that the step must be left
    out: without this, all predictions afterwards would be NaN. So does one whose spread overflows, though its gradient
    is finite (everything divided by infinity): it does not change the buffers either. Buffers that are not saved with
    the model (constants) are left alone, and a model without any others costs nothing.

    Parameters
    ----------
    model
        On the device; its buffers are changed in place.
    models
        Number of stacked models, the first dimension of every buffer; None for one that is not stacked.

    Examples
    --------
    >>> model = nn.BatchNorm1d(1)
    >>> buffers = Buffers(model)
    >>> kept = buffers.kept()
    >>> _ = model(torch.tensor([[1.0], [float("inf")]]))
    >>> buffers.restore(kept, torch.tensor([False]))
    >>> model.running_mean.tolist(), model.num_batches_tracked.item()
    ([0.0], 0)
    """

    def __init__(self, model: nn.Module, *, models: int | None = None) -> None:
        saved = model.state_dict()
        self._buffers = [buffer for name, buffer in model.named_buffers() if name in saved]
        self._stacked = models is not None

    def kept(self) -> list[Tensor]:
        """Return copies of the buffers, to `restore`."""
        return [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def restore(self, kept: Sequence[Tensor], finite: Tensor) -> None:
        """Set the buffers back where the step was left out, or one of them has just become infinite or NaN.

        Parameters
        ----------
        kept
            What `kept` returned before the step.
        finite
            Boolean on the device, shape (models,), as `GuardedAdamW.step` returns it.
        """
        pairs = list(zip(self._buffers, kept, strict=True))
        for buffer, before in pairs:
            if buffer.is_floating_point():
                sound = buffer.isfinite() | ~before.isfinite()
                finite = finite & (sound.view(len(finite), -1).all(dim=1) if self._stacked else sound.all())
        for buffer, before in pairs:
            taken = finite.view(-1, *[1] * (buffer.ndim - 1)) if self._stacked else finite.view([1] * buffer.ndim)
            buffer.copy_(torch.where(taken, buffer, before))
