"""AdamW in one fused kernel that clips the gradient and skips a step whose gradient is not finite."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from audit.errors import raise_violations
from trainer.fitting.kept import unlike

Guard = Literal["fused", "host"]

BETAS = (0.9, 0.99)
EPS = 1e-5
# Keeps the division defined for a gradient of zero; the same constant as torch.nn.utils.clip_grad_norm_.
_TINY = 1e-6


class GuardedAdamW:
    """AdamW whose step clips by the global norm and leaves everything as it was on a NaN or infinite gradient.

    With the guard "fused", both happen inside torch's own kernel, through its arguments `grad_scale` and `found_inf`,
    which are there for torch's gradient scaler: no extra pass over the parameters and no copy to the host. The kernel
    is called as it is, because what ``AdamW.step`` does around it takes longer than a small network. It is not
    documented, so `fused_guard_works` tries it on one number first; where it fails, the guard "host" does the same by
    ``AdamW.step`` and a branch on the host.

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
    Loshchilov & Hutter, "Decoupled weight decay regularization" (2019), arXiv:1711.05101. `stacked`, `models` and
    `taken` say whether models are stacked, how many there are, and, as int64 of shape (models,) on the device, how many
    steps of each had a finite gradient since `taken` was last set to 0.

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
        self._clip = None if clip is None else float(clip)  # whole numbers may be larger than a tensor takes
        self.stacked, self.models = models is not None, models or 1
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
            groups, betas=BETAS, eps=EPS, fused=self.guard == "fused", capturable=device.type == "cuda"
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
        norm = self._norms(gradients)
        finite = torch.isfinite(norm).view(-1)
        self.taken += finite
        scale = torch.ones_like(norm) if self._clip is None else ((norm + _TINY) / self._clip).clamp(min=1.0)
        if self.stacked:
            for gradient in gradients:
                shape = (-1, *[1] * (gradient.ndim - 1))
                gradient.div_(scale.view(shape)).masked_fill_(~finite.view(shape), 0.0)
            scale = torch.ones_like(norm[0])
        if self.guard == "fused":
            self._fused_step(scale=scale, found_inf=(~finite.any()).float())
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

    def _fused_step(self, *, scale: Tensor, found_inf: Tensor) -> None:
        held = self._adamw.state
        for group in self._adamw.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [held[item] if item in held else held.setdefault(item, _fresh(item)) for item in parameters]
            if parameters:
                fused_adamw(
                    parameters,
                    states,
                    lr=group["lr"],
                    weight_decay=group["weight_decay"],
                    scale=scale,
                    found_inf=found_inf,
                )

    def _norms(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return the norm of the whole gradient, a scalar; of stacked models that of each, shape (models,)."""
        if not self.stacked:
            norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
            return norm
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
    ours, theirs = (torch.nn.Parameter(torch.ones(1, device=device)) for _ in range(2))
    zero, one, lr = (torch.full((), value, device=device) for value in (0.0, 1.0, 0.5))
    state = [_fresh(ours)]
    try:
        plain = torch.optim.AdamW([theirs], lr=0.5, betas=BETAS, eps=EPS, weight_decay=0.1, fused=True)
        ours.grad = torch.full_like(ours, torch.nan)
        fused_adamw([ours], state, lr=lr, weight_decay=0.1, scale=one, found_inf=one)
        untouched = torch.equal(ours, torch.ones_like(ours))
        ours.grad, theirs.grad = torch.full_like(ours, 6.0), torch.full_like(theirs, 3.0)
        fused_adamw([ours], state, lr=lr, weight_decay=0.1, scale=one * 2.0, found_inf=zero)
        plain.step()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return untouched and torch.equal(ours, theirs)


@torch.no_grad()
def fused_adamw(
    parameters: Sequence[Tensor],
    states: Sequence[Mapping[str, Tensor]],
    *,
    lr: Tensor,
    weight_decay: float,
    scale: Tensor,
    found_inf: Tensor,
) -> None:
    """Take one step of AdamW in one kernel: gradients divided by `scale`, nothing done where `found_inf` is 1.

    Parameters
    ----------
    parameters
        With gradients; on one device.
    states
        What AdamW holds of each: `step`, `exp_avg`, `exp_avg_sq`, changed in place.
    lr, scale, found_inf
        Scalars on the device.
    weight_decay
        Decoupled decay per unit of learning rate.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> weight.grad = torch.ones(2)
    >>> zero, one = torch.tensor(0.0), torch.tensor(1.0)
    >>> fused_adamw([weight], [_fresh(weight)], lr=one / 10, weight_decay=0.0, scale=one, found_inf=zero)
    >>> [round(value, 3) for value in weight.tolist()]
    [0.9, 0.9]
    """
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, 1.0)
    torch._fused_adamw_(
        list(parameters),
        [parameter.grad for parameter in parameters if parameter.grad is not None],
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        lr=lr,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=weight_decay,
        eps=EPS,
        amsgrad=False,
        maximize=False,
        grad_scale=scale,
        found_inf=found_inf,
    )
    torch._foreach_sub_(steps, [found_inf] * len(steps))


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    """Return what AdamW holds of a parameter before its first step."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter, requires_grad=False, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False, memory_format=torch.preserve_format),
    }
