"""Learning rate and momentum of every step, computed before the first one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One learning rate and one beta1 for each optimiser step.

    Parameters
    ----------
    lr, beta1
        One value per step, in order.

    Examples
    --------
    >>> schedule = Schedule(lr=(0.04, 1.0), beta1=(0.95, 0.85))
    >>> list(zip(schedule.lr, schedule.beta1, strict=True))
    [(0.04, 0.95), (1.0, 0.85)]
    """

    lr: tuple[float, ...]
    beta1: tuple[float, ...]


def one_cycle(
    n_steps: int,
    *,
    lr: float,
    pct_start: float = 0.25,
    div: float = 25.0,
    final_div: float = 1e5,
    momentum: tuple[float, float] = (0.95, 0.85),
) -> Schedule:
    """Return the one-cycle schedule: a cosine rise to the largest rate, a long cosine fall, momentum the other way.

    The rate goes from ``lr / div`` up to ``lr`` at step ``pct_start * n_steps - 1`` and down to ``lr / final_div`` at
    the last step; each half is ``end + (start - end) / 2 * (1 + cos(pi * u))`` with u from 0 to 1. Beta1 falls from
    ``momentum[0]`` to ``momentum[1]`` and returns. Where ``pct_start * n_steps`` is at most 1 there is no rise:
    the first step is the largest.

    Parameters
    ----------
    n_steps
        Number of optimiser steps, at least 1.
    lr
        The largest learning rate, above 0.
    pct_start
        Share of the steps in which the rate rises, in [0, 1).
    div, final_div
        By how much the first and the last rate are smaller than the largest.
    momentum
        Beta1 at the ends and at the peak.

    Returns
    -------
    Schedule
        ``n_steps`` rates and betas.

    Raises
    ------
    ValueError
        If `n_steps` is below 1 or `pct_start` lies outside [0, 1).

    Notes
    -----
    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning rates" (2018),
    arXiv:1708.07120, with the cosine halves and the constants of fastai. Step positions are those of
    ``torch.optim.lr_scheduler.OneCycleLR``, whose ``final_div_factor`` is ``final_div / div``.

    Examples
    --------
    >>> schedule = one_cycle(5, lr=1.0, pct_start=0.4, div=25, final_div=100)
    >>> [round(value, 4) for value in schedule.lr]
    [0.04, 1.0, 0.7525, 0.2575, 0.01]
    >>> schedule.beta1[1]
    0.85
    """
    if n_steps < 1 or not 0.0 <= pct_start < 1.0:
        message = f"n_steps must be at least 1 and pct_start in [0, 1); came {n_steps} and {pct_start}"
        raise ValueError(message)
    peak = pct_start * n_steps - 1.0
    step = np.arange(n_steps, dtype=np.float64)
    rising = step < peak
    share_up = step / max(peak, 1.0)
    share_down = (step - max(peak, 0.0)) / max(n_steps - 1.0 - max(peak, 0.0), 1.0)
    rates = np.where(rising, _cosine(lr / div, lr, share_up), _cosine(lr, lr / final_div, share_down))
    slow, fast = momentum
    betas = np.where(rising, _cosine(slow, fast, share_up), _cosine(fast, slow, share_down))
    return Schedule(lr=tuple(rates.tolist()), beta1=tuple(betas.tolist()))


def _cosine(start: float, end: float, share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = end + (start - end) / 2.0 * (1.0 + np.cos(np.pi * share))
    return values
