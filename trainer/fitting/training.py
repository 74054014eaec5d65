"""From the first step of a cycle to its last: epochs closed, progress told, training saved, energy measured."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from audit.errors import InputError
from trainer.evidence.energy import metered
from trainer.fitting.cycle import CycleRun
from trainer.fitting.epoch import EpochTotals
from trainer.fitting.objectives import group_weights
from trainer.history import EpochRow, Saving

if TYPE_CHECKING:
    from trainer.learner import Learner

OnEpoch = Callable[[EpochRow], object]


def train(
    learner: "Learner", run: CycleRun, *, on_epoch: OnEpoch | None, saving: Saving | None
) -> tuple[EpochRow, ...]:
    """Train to the end of the cycle, and return its rows; see `Learner.fit_one_cycle`."""
    learner.temperatures = None
    earlier = learner.energy
    start = time.perf_counter()
    with metered(learner.device) as meter:
        while not run.over:
            totals = run.advance(n_batches=None if saving is None else saving.every)
            learner.energy = (*earlier, meter.read())
            if totals is not None:
                seconds = time.perf_counter() - start
                close_epoch(learner, run, totals, seconds=seconds, on_epoch=on_epoch)
            if saving is not None:
                learner.save(saving.folder)
            if totals is not None:
                start = time.perf_counter()
    return learner.history[-learner.cycles[-1].epochs :]


def close_epoch(
    learner: "Learner", run: CycleRun, totals: EpochTotals, *, seconds: float, on_epoch: OnEpoch | None
) -> None:
    """Validate, and write the row of an epoch.

    Raises
    ------
    InputError
        If no step had a finite gradient.
    """
    epoch = len(learner.history) + 1
    if totals.loss is None:
        raise InputError([f"no step of epoch {epoch} had a finite gradient: lower lr, or set clip"])
    scored = learner.validate()
    samples_per_s = len(learner.training_data()[0].split.train) * (learner.models or 1) / seconds
    row = EpochRow(
        epoch=epoch,
        train_loss=totals.loss,
        valid_loss=scored.loss,
        metric=scored.metric,
        valid_value=scored.value,
        samples_per_s=samples_per_s,
        skipped_steps=totals.skipped_steps,
        group_weights=group_weights(run.stepper.objective),
        roof=None if learner.ceiling is None else samples_per_s / learner.ceiling,
    )
    learner.history = (*learner.history, row)
    if on_epoch is not None:
        on_epoch(row)
