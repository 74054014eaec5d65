"""AdamW in one fused kernel that clips the gradient and skips a step whose gradient is not finite."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

Guard = Literal["fused", "host"]

# Keeps the division defined for a gradient of zero; the same constant as torch.nn.utils.clip_grad_norm_.
_TINY = 1e-6


class GuardedAdamW:
    """AdamW whose step clips by the global norm and leaves everything as it was on a NaN or infinite gradient.

    With the guard "fused", both happen inside the optimiser's own kernel, through the attributes `grad_scale` and
    `found_inf` that torch's gradient scaler uses: no extra pass over the parameters and no copy to the host. The
    attributes are not documented, so `fused_guard_works` tries them on one number first; where they fail, the guard
    "host" does the same with a branch on the host.

    Parameters
    ----------
    parameters
        What to optimise, all on one device.
    weight_decay
        Decoupled decay per unit of learning rate, applied to matrices only: biases and scales are left alone.
    clip
        Largest global norm of the gradient; None for no limit.
    guard
        "fused" or "host"; None takes "fused" where it works.

    Notes
    -----
    Loshchilov & Hutter, "Decoupled weight decay regularization" (2019), arXiv:1711.05101.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = GuardedAdamW([weight], weight_decay=0.0, clip=1.0)
    >>> weight.grad = torch.tensor([float("nan"), 1.0])
    >>> bool(optimizer.step(lr=0.1, beta1=0.9)), weight.tolist()
    (False, [1.0, 1.0])
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, weight_decay: float, clip: float | None, guard: Guard | None = None
    ) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._clip = clip
        device = self._parameters[0].device
        self.guard: Guard = guard or ("fused" if fused_guard_works(device) else "host")
        matrices = [parameter for parameter in self._parameters if parameter.ndim > 1]
        others = [parameter for parameter in self._parameters if parameter.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]], betas=(0.9, 0.99), eps=1e-5, fused=self.guard == "fused"
        )

    def step(self, *, lr: float, beta1: float) -> Tensor:
        """Update the parameters from their gradients.

        Parameters
        ----------
        lr, beta1
            Learning rate and momentum of this step.

        Returns
        -------
        Tensor
            Boolean scalar on the device: whether the gradient was finite, and so the step was taken.
        """
        for group in self._adamw.param_groups:
            group["lr"], group["betas"] = lr, (beta1, group["betas"][1])
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = get_total_norm(gradients)
        finite = torch.isfinite(norm)
        scale = torch.ones_like(norm) if self._clip is None else ((norm + _TINY) / self._clip).clamp(min=1.0)
        if self.guard == "fused":
            self._step_in_kernel(scale=scale, finite=finite)
        elif bool(finite):
            torch._foreach_div_(gradients, scale)
            self._adamw.step()
        return finite

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._adamw.zero_grad(set_to_none=True)

    def _step_in_kernel(self, *, scale: Tensor, finite: Tensor) -> None:
        _guarded_step(self._adamw, scale=scale, found_inf=(~finite).float())


def fused_guard_works(device: torch.device) -> bool:
    """Try on one number whether this torch's fused AdamW divides by `grad_scale` and obeys `found_inf`.

    Parameters
    ----------
    device
        Where the optimiser will run.

    Returns
    -------
    bool
        True only if a step marked as not finite changed nothing and a scaled step equals the plain one.

    Examples
    --------
    >>> fused_guard_works(torch.device("cpu"))
    True
    """
    moved = [torch.nn.Parameter(torch.ones(1, device=device)) for _ in range(2)]
    try:
        guarded, plain = (torch.optim.AdamW([item], lr=0.5, eps=1.0, fused=True) for item in moved)
    except RuntimeError:
        return False
    zero, one = torch.zeros((), device=device), torch.ones((), device=device)
    moved[0].grad = torch.full_like(moved[0], torch.nan)
    _guarded_step(guarded, scale=one, found_inf=one)
    untouched = torch.equal(moved[0], torch.ones_like(moved[0]))
    moved[0].grad = torch.full_like(moved[0], 6.0)
    _guarded_step(guarded, scale=one * 2.0, found_inf=zero)
    moved[1].grad = torch.full_like(moved[1], 3.0)
    plain.step()
    return untouched and torch.equal(moved[0], moved[1])


def _guarded_step(adamw: torch.optim.AdamW, *, scale: Tensor, found_inf: Tensor) -> None:
    adamw.grad_scale, adamw.found_inf = scale, found_inf  # type: ignore[attr-defined]
    adamw.step()
