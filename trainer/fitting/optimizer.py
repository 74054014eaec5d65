"""AdamW in one fused kernel that clips the gradient and skips a step whose gradient is not finite."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

Guard = Literal["fused", "host"]

BETAS = (0.9, 0.99)
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
    layers
        Groups of parameters, each with the factor by which its learning rate differs; all on one device.
    weight_decay
        Decoupled decay per unit of learning rate, applied to matrices only: biases and scales are left alone.
    clip
        Largest norm of the gradient; None for no limit.
    models
        Where parameters of several models are stacked, their number: the first dimension of every parameter. Each
        model is clipped by its own norm; a step that is not finite in one is skipped in all.
    guard
        "fused" or "host"; None takes "fused" where it works.

    Notes
    -----
    Loshchilov & Hutter, "Decoupled weight decay regularization" (2019), arXiv:1711.05101.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = GuardedAdamW([([weight], 1.0)], weight_decay=0.0, clip=1.0)
    >>> weight.grad = torch.tensor([float("nan"), 1.0])
    >>> bool(optimizer.step(torch.tensor(0.1))), weight.tolist()
    (False, [1.0, 1.0])
    """

    def __init__(
        self,
        layers: Sequence[tuple[Sequence[Tensor], float]],
        *,
        weight_decay: float,
        clip: float | None,
        models: int | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._parameters = [parameter for group, _ in layers for parameter in group]
        self._clip = clip
        self._stacked = models is not None
        device = self._parameters[0].device
        self.guard: Guard = guard or ("fused" if fused_guard_works(device) else "host")
        plain = 1 if models is None else 2  # dimensions of a bias
        groups = [
            {"params": chosen, "weight_decay": decay, "factor": factor}
            for group, factor in layers
            for decay, chosen in (
                (weight_decay, [item for item in group if item.ndim > plain]),
                (0.0, [item for item in group if item.ndim <= plain]),
            )
            if chosen
        ]
        self._adamw = torch.optim.AdamW(
            groups, betas=BETAS, eps=1e-5, fused=self.guard == "fused", capturable=device.type == "cuda"
        )

    def step(self, lr: Tensor) -> Tensor:
        """Update the parameters from their gradients.

        Parameters
        ----------
        lr
            Scalar on the device: the learning rate of this step.

        Returns
        -------
        Tensor
            Boolean scalar on the device: whether the gradient was finite, and so the step was taken.
        """
        for group in self._adamw.param_groups:
            group["lr"] = lr if group["factor"] == 1.0 else lr * group["factor"]
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = self._norms(gradients) if self._stacked else get_total_norm(gradients)
        finite = torch.isfinite(norm).all()
        scale = torch.ones_like(norm) if self._clip is None else ((norm + _TINY) / self._clip).clamp(min=1.0)
        if self._stacked:
            for gradient in gradients:
                gradient.div_(scale.view(-1, *[1] * (gradient.ndim - 1)))
            scale = torch.ones_like(norm[0])
        if self.guard == "fused":
            _guarded_step(self._adamw, scale=scale, found_inf=(~finite).float())
        elif bool(finite):
            torch._foreach_div_(gradients, scale)
            self._adamw.step()
        return finite

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._adamw.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Return the moments and step counts by name, as they are: not copied."""
        return {
            f"{place}.{name}": value
            for place, parameter in enumerate(self._parameters)
            for name, value in self._adamw.state[parameter].items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over moments and step counts that `state` gave for the same parameters."""
        for name, value in state.items():
            place, _, key = name.partition(".")
            parameter = self._parameters[int(place)]
            of_parameter: dict[str, Any] = self._adamw.state[parameter]
            of_parameter[key] = value.to(parameter.device, copy=True)

    def _norms(self, gradients: Sequence[Tensor]) -> Tensor:
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in gradients]
        return torch.stack(squares).sum(dim=0).sqrt()


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
