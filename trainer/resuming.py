"""A loaded learner takes up the data that it was trained on, and the cycle that was not over."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from audit.errors import InputError, raise_violations
from trainer.checkpoint import Checkpoint, CheckpointError
from trainer.data.content import content_digest
from trainer.data.kinds import Data
from trainer.fitting.cycle import CycleRun
from trainer.fitting.kept import standing_of
from trainer.fitting.layers import freeze_only
from trainer.record import TrainingRecord

if TYPE_CHECKING:
    from trainer.learner import Learner


def take_up(
    learner: "Learner", data: Data, checkpoint: Checkpoint, *, content: str | None, streamed_rows: int | None
) -> CycleRun | None:
    """Give a learner the data, and return the cycle that was not over; None where there is none.

    Parameters
    ----------
    learner
        As it was loaded, without data.
    data
        The data that it was trained on.
    checkpoint
        What was loaded.
    content
        `content_digest` of the data that it was trained on; None where it was not recorded.
    streamed_rows
        As in `Learner`.

    Raises
    ------
    InputError
        If the data are others; all differences are listed.
    CheckpointError
        If the state of training does not fit the model.
    """
    split, violations = data.split.digest, []
    if split != learner.split_digest:
        violations.append(
            f"the split of the data is {split[:12]}, the model was trained on {learner.split_digest[:12]}"
        )
    if data.spec.record() != checkpoint.spec.record():
        violations.append("the data are read in another way than the model was trained on: other columns or rows")
    if not violations and content is not None and content != content_digest(data):
        violations.append(
            "the train or validation rows hold other inputs, labels or weights than those that the model was trained "
            "on: pass the same data, or train a new model on these"
        )
    raise_violations(violations)
    learner.hold(data, streamed_rows=streamed_rows)
    return None if checkpoint.state is None else _unfinished(learner, checkpoint)


def refreeze(model: nn.Module, record: TrainingRecord, path: Path) -> None:
    """Freeze the parameters that were frozen when the model was saved, and no others.

    Raises
    ------
    CheckpointError
        If the model has no parameter of a name.
    """
    try:
        freeze_only(model, record.frozen)
    except InputError as error:
        message = f"the record of training in {path} does not fit the model: {error}"
        raise CheckpointError(message) from error


def _unfinished(learner: "Learner", checkpoint: Checkpoint) -> CycleRun:
    state = checkpoint.state or {}
    try:
        first = standing_of(state).first_epoch
        run = CycleRun(learner.model, learner.plan(learner.cycles[-1], first=first))
        run.restore(state)
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        message = f"the state of training does not fit the model: {error}"
        raise CheckpointError(message) from error
    return run
