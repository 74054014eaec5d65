"""What a forward pass itself changes of a model, such as the running means of batch normalisation."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from audit.errors import raise_violations


class Buffers:
    """Keeps a model's buffers as they were where a step is left out; nothing in it waits for the host.

    A batch with an infinite value leaves its mark on running means before the gradient shows that the step must be left
    out: without this, all predictions afterwards would be NaN. So does one whose spread overflows, though its gradient
    is finite (everything divided by infinity): it does not change the buffers either. Buffers that are not saved with
    the model (constants) are left alone, and a model without any others costs nothing.

    A module whose forward pass puts a new tensor in the place of a buffer is refused: neither models side by side nor a
    captured step would ever read the new one.

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
        saved, modules = model.state_dict(), dict(model.named_modules())
        self._places = {
            name: (modules[name.rpartition(".")[0]], name.rpartition(".")[2], buffer)
            for name, buffer in model.named_buffers()
            if name in saved
        }
        self._buffers = [buffer for _, _, buffer in self._places.values()]
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

        Raises
        ------
        InputError
            If the forward pass has replaced one of them.
        """
        places = self._places.items()
        raise_violations(
            replaced_violations(name for name, (owner, key, was) in places if owner._buffers[key] is not was)
        )
        pairs = list(zip(self._buffers, kept, strict=True))
        for buffer, before in pairs:
            if buffer.is_floating_point():
                sound = buffer.isfinite() | ~before.isfinite()
                finite = finite & (sound.view(len(finite), -1).all(dim=1) if self._stacked else sound.all())
        for buffer, before in pairs:
            taken = finite.view(-1, *[1] * (buffer.ndim - 1)) if self._stacked else finite.view([1] * buffer.ndim)
            buffer.copy_(torch.where(taken, buffer, before))


def replaced_violations(names: Iterable[str]) -> list[str]:
    """Return a sentence for each buffer in whose place a forward pass has put a new tensor.

    Examples
    --------
    >>> replaced_violations(["mean"])[0].partition(":")[0]
    "the forward pass of the network puts a new tensor in the place of its buffer 'mean'"
    """
    mend = "change it in place, as self.NAME.copy_(...) does, or models side by side and captured steps lose it"
    return [
        f"the forward pass of the network puts a new tensor in the place of its buffer {name!r}: {mend}"
        for name in names
    ]
