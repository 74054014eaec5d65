"""AdamW in one fused kernel that clips the gradient and skips a step whose gradient is not finite."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from audit.errors import raise_violations
from trainer.fitting.kept import unlike

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
        model is clipped by its own norm, and one whose gradient is not finite takes the step with a gradient of 0: the
        others go on, while its moments decay and it moves on by what is left of them. Where no gradient is finite,
        the step is skipped in all.
    guard
        "fused" or "host"; None takes "fused" where it works.
    names
        What each parameter is called in `state`; without it, its place.

    Notes
    -----
    Loshchilov & Hutter, "Decoupled weight decay regularization" (2019), arXiv:1711.05101. `models` and `taken` say how
    many models there are, and, as int64 of shape (models,) on the device, how many steps of each had a finite gradient
    since `taken` was last set to 0.

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
        names: Mapping[Tensor, str] | None = None,
    ) -> None:
        self._parameters = [parameter for group, _ in layers for parameter in group]
        self._names = [str(place) if names is None else names[item] for place, item in enumerate(self._parameters)]
        self._clip = clip
        self._stacked, self.models = models is not None, models or 1
        device = self._parameters[0].device
        self.taken = torch.zeros(self.models, dtype=torch.int64, device=device)
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
            Boolean on the device, shape (models,): whether the gradient was finite, and so the step was taken. Of
            stacked models the step is taken by all if any is True.
        """
        for group in self._adamw.param_groups:
            group["lr"] = lr if group["factor"] == 1.0 else lr * group["factor"]
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = self._norms(gradients) if self._stacked else get_total_norm(gradients)
        finite = torch.isfinite(norm).view(-1)
        self.taken += finite
        scale = torch.ones_like(norm) if self._clip is None else ((norm + _TINY) / self._clip).clamp(min=1.0)
        if self._stacked:
            for gradient in gradients:
                shape = (-1, *[1] * (gradient.ndim - 1))
                gradient.div_(scale.view(shape)).masked_fill_(~finite.view(shape), 0.0)
            scale = torch.ones_like(norm[0])
        if self.guard == "fused":
            _guarded_step(self._adamw, scale=scale, found_inf=(~finite.any()).float())
        elif bool(finite.any()):
            torch._foreach_div_(gradients, scale)
            self._adamw.step()
        return finite

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Return the moments and step counts by name, as they are: not copied; 0 where no step was taken yet."""
        kept: dict[str, Tensor] = {}
        for name, parameter in zip(self._names, self._parameters, strict=True):
            held = self._adamw.state.get(parameter) or _fresh(parameter)
            kept |= {f"{name}.{key}": value for key, value in held.items()}
        return kept

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over moments and step counts that `state` gave for parameters of the same names and shapes.

        Each is copied into memory laid out as its parameter is: the fused kernel reads them side by side.

        Raises
        ------
        ValueError
            If a name, a shape or a type of number is another; all of them are listed.
        """
        raise_violations(unlike(state, self.state()))
        for name, parameter in zip(self._names, self._parameters, strict=True):
            place = _fresh(parameter)
            for key, tensor in place.items():
                tensor.copy_(state[f"{name}.{key}"])
            self._adamw.state[parameter] = place

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


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    """Return what AdamW holds of a parameter before its first step."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter, requires_grad=False, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False, memory_format=torch.preserve_format),
    }
