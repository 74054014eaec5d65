"""The moving average of the weights, which predicts in place of the weights that training moves."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """Keeps one model at the moving average of another's weights; nothing in it waits for the host.

    After the step number t = 0, 1, ... that was taken, ``average += (1 - d_t) (weights - average)`` with
    ``d_t = min(decay, (1 + t) / (10 + t))``: the average forgets its random start quickly and then moves slowly. A
    skipped step changes neither. Buffers are copied as they are; those of a skipped step were set back before. `decay`
    is reached after (10 decay - 1) / (1 - decay) steps, 80 for 0.9 and 890 for 0.99: in a shorter cycle a larger one
    changes nothing.

    Parameters
    ----------
    model
        Whose weights the steps change.
    into
        A model of the same shape, changed in place: the average.
    decay
        In [0, 1); 0 copies the weights.

    Notes
    -----
    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging" (1992), doi:10.1137/0330046, average all
    steps alike; forgetting exponentially, and the growing decay at the start, are the usual practice in deep learning.

    Examples
    --------
    With the weights 1 after the first step, the average of 0 and 1 is 0.9; d_0 = 1/10.

    >>> model, into = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.ones_(model.weight), nn.init.zeros_(into.weight)
    >>> Average(model, into=into, decay=0.99).update(torch.tensor(True))
    >>> round(into.weight.item(), 4)
    0.9
    """

    def __init__(self, model: nn.Module, *, into: nn.Module, decay: float) -> None:
        self._decay = decay
        self._weights: list[Tensor] = list(model.parameters())
        self._averages: list[Tensor] = list(into.parameters())
        self._copied = list(zip(into.buffers(), model.buffers(), strict=True))
        self._taken = torch.zeros((), dtype=torch.float32, device=self._weights[0].device)

    @torch.no_grad()
    def update(self, taken: Tensor) -> None:
        """Move the average towards the weights, if the step was taken.

        Parameters
        ----------
        taken
            Boolean scalar on the device, as `GuardedAdamW.step` returns it.
        """
        decay = ((1.0 + self._taken) / (10.0 + self._taken)).clamp(max=self._decay)
        share = torch.where(taken, 1.0 - decay, 0.0)
        # Three kernels over all weights at once: torch's own for lerp takes a share that lies on the host.
        away = torch._foreach_sub(self._weights, self._averages)
        torch._foreach_mul_(away, share)
        torch._foreach_add_(self._averages, away)
        self._taken += taken
        for place, value in self._copied:
            place.copy_(value)

    def state(self) -> dict[str, Tensor]:
        """Return what must be kept beside both models to go on: the number of steps taken."""
        return {"taken": self._taken}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        self._taken.copy_(state["taken"])
