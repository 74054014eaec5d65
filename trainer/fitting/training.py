"""From the first step of a cycle to its last: epochs closed, progress told, training saved, energy measured."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from audit.errors import raise_violations
from trainer.evidence.energy import metered
from trainer.fitting.cycle import CycleRun
from trainer.fitting.epoch import EpochTotals
from trainer.fitting.objectives import group_weights
from trainer.history import EpochRow, Saving, rows_of_cycle

if TYPE_CHECKING:
    from trainer.learner import Learner

OnEpoch = Callable[[EpochRow], object]


def train(
    learner: "Learner", run: CycleRun, *, on_epoch: OnEpoch | None, saving: Saving | None
) -> tuple[EpochRow, ...]:
    """Train to the end of the cycle, and return its rows; see `Learner.fit_one_cycle`."""
    learner.temperatures = None
    learner.note_environment()
    earlier, begun = learner.energy, run.batch
    start = time.perf_counter()
    with metered(learner.device) as meter:
        while not run.over:
            totals = run.advance(n_batches=None if saving is None else saving.every)
            learner.energy = (*earlier, meter.read())
            if totals is not None:
                seconds = time.perf_counter() - start
                left_out = begun * learner.cycles[-1].batch_size
                close_epoch(learner, run, totals, seconds=seconds, on_epoch=on_epoch, left_out=left_out)
                begun = 0
            if saving is not None:
                learner.save(saving.folder)
            if totals is not None:
                start = time.perf_counter()
    return rows_of_cycle(learner.history, len(learner.cycles))


def close_epoch(
    learner: "Learner",
    run: CycleRun,
    totals: EpochTotals,
    *,
    seconds: float,
    on_epoch: OnEpoch | None,
    left_out: int = 0,
) -> None:
    """Validate, and write the row of an epoch.

    Parameters
    ----------
    learner, run
        What is trained, and the cycle.
    totals
        What the epoch added up to.
    seconds
        How long it took.
    on_epoch
        Called with the row.
    left_out
        Train rows that were taken before `seconds` were counted.

    Raises
    ------
    InputError
        If a model took no step with a finite gradient: all stop, and the error names its seed.
    """
    epoch = len(learner.history) + 1
    run.broken = True  # until the row is there: a cycle without one of its rows is none to go on with
    raise_violations(_stuck(learner, totals, epoch))
    learner.note_environment()
    scored = learner.validate()
    n_rows = len(learner.training_data()[0].split.train) - left_out
    samples_per_s = n_rows * (learner.models or 1) / seconds
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
        cycle=len(learner.cycles),
        valid_reason=scored.reason,
    )
    learner.history = (*learner.history, row)
    run.broken = False
    if on_epoch is not None:
        on_epoch(row)


def _stuck(learner: "Learner", totals: EpochTotals, epoch: int) -> list[str]:
    """Return which models took no step; those beside them did, and are stopped with them."""
    mend = "lower lr, or set clip"
    if learner.models is None:
        found = totals.stuck or totals.loss is None
        return [f"no step of epoch {epoch} had a finite gradient: {mend}"] if found else []
    found_of = [
        f"the model of seed {learner.seeds[place]} took no step in epoch {epoch}, as none of its gradients was finite; "
        f"all {learner.models} models stop: {mend}, or train without that seed"
        for place in totals.stuck
    ]
    if not found_of and totals.loss is None:
        found_of.append(f"no step of epoch {epoch} had a finite loss in all {learner.models} models: {mend}")
    return found_of
