"""Which learning rate to take: a sweep from far too small to far too large, on a copy of the model.

This is a method of `trainer.learner.Learner`, kept in a file of its own.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from audit.errors import raise_violations
from trainer.data.resident import Resident
from trainer.device import deterministic_kernels, seeded
from trainer.fitting.augment import augmentations
from trainer.fitting.cycle import CycleRun, Plan
from trainer.fitting.epoch import read_totals
from trainer.fitting.layers import held
from trainer.fitting.memory import fitted_cycle
from trainer.fitting.step import Course
from trainer.history import Cycle, Recipe
from trainer.seeds import derived_seed
from trainer.setting_checks import above_zero_violations, kind_violations, whole_violations

if TYPE_CHECKING:
    from trainer.learner import Learner

SMOOTHING = 0.9
EXPLODED = 4.0
"""The sweep stops where the smoothed loss is so many times its smallest."""
LEAST_FALL = 0.05
"""Share of its first value by which the smoothed loss must fall before a rate is suggested."""
FEWEST_ROWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LrRow:
    """One step of the sweep.

    Parameters
    ----------
    lr
        The learning rate of the step.
    loss
        The objective on its batch, before the step.
    smoothed
        The moving average of the losses so far, corrected for its start.
    """

    lr: float
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LrSweep:
    """What the sweep saw.

    Parameters
    ----------
    rows
        One per step with a finite loss.
    suggestion
        The largest rate of a cycle to try; None where the rule holds for none.
    reason
        Why there is no suggestion; None where there is one.
    stopped
        Why the sweep ended.
    """

    rows: tuple[LrRow, ...] = field(repr=False)
    suggestion: float | None
    reason: str | None
    stopped: str


def lr_find(
    learner: "Learner",
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 256,
    recipe: Recipe | None = None,
) -> LrSweep:
    """Take steps at growing learning rates on a copy, and suggest where the loss falls fastest.

    The model, its optimiser, the order of rows and all random states stay as they are: a fit after it is the fit
    without it, bit by bit. Validation rows are not looked at.

    Parameters
    ----------
    low, high
        First and last rate; between them each is the same multiple of the one before.
    steps
        Number of steps, at least 10; they go through the train rows as often as need be.
    batch_size, recipe
        As in the fit that is planned: both change which rate is right.

    Returns
    -------
    LrSweep
        Its suggestion is for the ``lr`` of `fit_one_cycle`.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Notes
    -----
    The range test of Smith, "Cyclical learning rates for training neural networks" (2017), arXiv:1506.01186, section
    3.3, with rates that grow exponentially, a smoothed loss and a stop at four times the smallest, as has become usual.
    The suggestion is the rate of the steepest fall of the smoothed loss over the logarithm of the rate, before its
    minimum; see `suggested`.
    """
    cycle = _cycle(learner, low, high, steps, batch_size=batch_size, recipe=recipe)
    cycle = fitted_cycle(learner.model, cycle, learner.plan)
    rates = np.geomspace(low, high, steps)
    losses, stopped = _sweep(learner, cycle, rates)
    rows = tuple(
        LrRow(lr=float(lr), loss=loss, smoothed=smooth)
        for lr, loss, smooth in zip(rates[: len(losses)], losses, smoothed(losses), strict=True)
    )
    suggestion, reason = suggested(rows)
    return LrSweep(rows=rows, suggestion=suggestion, reason=reason, stopped=stopped)


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the exponential moving average of losses, each divided by the weight that it has gathered so far.

    Examples
    --------
    (0.1 * 2 + 0.9 * 0.1 * 1) / (0.1 + 0.9 * 0.1) = 0.29 / 0.19

    >>> [round(value, 4) for value in smoothed([1.0, 2.0])]
    [1.0, 1.5263]
    """
    found, total, weight = [], 0.0, 0.0
    for loss in losses:
        total = SMOOTHING * total + (1.0 - SMOOTHING) * loss
        weight = SMOOTHING * weight + (1.0 - SMOOTHING)
        found.append(total / weight)
    return found


def suggested(rows: Sequence[LrRow]) -> tuple[float | None, str | None]:
    """Return the rate at which the smoothed loss falls fastest, or None and the reason.

    At each row before the minimum the slope over log(lr) is that of a least-squares line through the row and its
    neighbours, a tenth of the sweep on either side. There is no suggestion where the loss fell by less than a twentieth
    of its first value, or too few steps were finite.

    Examples
    --------
    A loss that falls along an arc of tangent, fastest at a rate of 0.01.

    >>> rates = [10 ** (-4 + place / 10) for place in range(41)]
    >>> rows = [LrRow(lr=lr, loss=1.0, smoothed=1.0 - 0.3 * math.atan(2 * math.log10(lr / 0.01))) for lr in rates]
    >>> suggested(rows)
    (0.01, None)
    >>> suggested(rows[:3])
    (None, 'only 3 steps had a finite loss: begin with a smaller rate')
    """
    if len(rows) < FEWEST_ROWS:
        return None, f"only {len(rows)} steps had a finite loss: begin with a smaller rate"
    loss = np.array([row.smoothed for row in rows])
    lowest = int(loss.argmin())
    fall = (loss[0] - loss[lowest]) / abs(loss[0])
    if not fall >= LEAST_FALL:
        return None, (
            f"the loss fell by {fall:.1%} of its first value, less than {LEAST_FALL:.0%}: the model learns too little "
            "in so few steps to tell a good rate from noise; take more steps, or compare two fits"
        )
    reach = max(len(rows) // 10, 2)
    logs = np.log10([row.lr for row in rows])
    slopes = []
    for place in range(lowest + 1):
        near = slice(max(place - reach, 0), place + reach + 1)
        slopes.append(np.polyfit(logs[near] - logs[place], loss[near], 1)[0])
    return round_lr(rows[int(np.argmin(slopes))].lr), None


def round_lr(lr: float) -> float:
    """Return a rate with two digits: a sweep knows no more.

    Examples
    --------
    >>> round_lr(0.0023456)
    0.0023
    """
    return float(f"{lr:.1e}")


def _cycle(learner: "Learner", low: float, high: float, steps: int, *, batch_size: int, recipe: Recipe | None) -> Cycle:
    violations = above_zero_violations({"low": low, "high": high})
    if not violations and not low < high:
        violations = [f"rates must be 0 < low < high; came {low} and {high}"]
    violations += whole_violations({"steps": steps}, least=10) + whole_violations({"batch_size": batch_size})
    violations += kind_violations("recipe", recipe, [Recipe], "a Recipe, such as Recipe(ema=0.99)")
    raise_violations(violations)
    n_rows = len(learner.rows("train"))
    size = min(batch_size, n_rows)
    plain = replace(recipe or Recipe(), ema=None)
    return Cycle(epochs=-(-steps // (n_rows // size)), lr=high, batch_size=size, recipe=plain)


def _sweep(learner: "Learner", cycle: Cycle, rates: npt.NDArray[np.float64]) -> tuple[list[float], str]:
    model, plan = copy.deepcopy(learner.model), learner.plan(cycle)
    run = CycleRun(model, plan)
    stepper = run.stepper
    stepper.course = Course.begin(torch.from_numpy(rates.astype(np.float32)).to(learner.device))
    stepper.augment = plan.augment or augmentations(cycle.recipe.augment, epochs=1)[0]
    model.train()
    losses: list[float] = []
    with (
        seeded(derived_seed(learner.seed, purpose="lr_find"), device=learner.device),
        deterministic_kernels(device=learner.device, enabled=learner.deterministic),
        held(model, cycle.recipe.layers),
    ):
        for (data, order, row), lr in zip(_batches(run, plan), rates, strict=False):
            stepper.course.row.fill_(row)
            stepper.take(data, order, size=cycle.batch_size)
            loss = read_totals(stepper).loss
            if loss is None or not math.isfinite(loss):
                return losses, f"at a rate of {lr:.2g} the loss or its gradient was not finite"
            losses.append(loss)
            smooth = smoothed(losses)
            if smooth[-1] > EXPLODED * min(smooth):
                return losses, f"at a rate of {lr:.2g} the loss exploded: {EXPLODED:g} times its smallest"
    return losses, "at the largest rate"


def _batches(run: CycleRun, plan: Plan) -> Iterator[tuple[Resident, Tensor, int]]:
    """Yield whole batches without end: data, order, and the place in it where the batch begins."""
    size = plan.cycle.batch_size
    for epoch in count():
        for data, order in plan.source.pieces(run.order(epoch), size):
            for batch in range(order.shape[-1] // size):
                yield data, order, batch * size
