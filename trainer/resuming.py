"""What is saved of a learner, and a loaded one: it takes up its data, and the cycle that was not over."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from audit.errors import InputError, raise_violations
from trainer.checkpoint import Checkpoint, CheckpointError, build_models
from trainer.data.content import content_digest
from trainer.data.kinds import Data
from trainer.fitting.cycle import CycleRun
from trainer.fitting.kept import standing_of
from trainer.fitting.layers import freeze_only, frozen_names
from trainer.fitting.row_weight_checks import as_weights, reweighing_violations
from trainer.fitting.row_weights import Reweighing
from trainer.record import TrainingRecord, read_record

if TYPE_CHECKING:
    from trainer.learner import Learner


def checkpoint_of(learner: "Learner") -> Checkpoint:
    """Return what is saved of a learner: the model, how it was trained, and where training stands."""
    run = learner._run
    record = TrainingRecord(
        seed=learner.seed,
        deterministic=learner._deterministic,
        split=learner.split_digest,
        cycles=learner.cycles,
        history=learner.history,
        looks=learner.looks,
        energy=learner.energy,
        environments=learner.environments,
        content=learner._content,
        frozen=frozen_names(learner.model),
        resample=learner.reweighing.resample,
        row_weights=learner.reweighing.digest,
    )
    return Checkpoint(
        spec=learner.spec,
        network=learner.network,
        models=learner.models,
        temperatures=learner.temperatures,
        weights={name: tensor.detach().cpu() for name, tensor in learner.model.state_dict().items()},
        training=asdict(record),
        state=learner._kept if run is None else None if run.over or run.broken else run.state(),
    )


def restore(learner: "Learner", checkpoint: Checkpoint, path: Path) -> TrainingRecord:
    """Make a learner that has a device and nothing else the one that was saved, without data; return its record.

    Raises
    ------
    CheckpointError
        If the record cannot be read, or does not fit the model.
    """
    record = read_record(checkpoint.training, path)
    learner.spec, learner.network, learner.models = checkpoint.spec, checkpoint.network, checkpoint.models
    learner.data, learner._source, learner._run = None, None, None
    learner.seed, learner.split_digest = record.seed, record.split
    learner.history, learner.cycles = record.history, record.cycles
    learner.looks, learner.energy, learner.environments = record.looks, record.energy, record.environments
    learner._content, learner._kept = record.content, checkpoint.state
    learner.temperatures, learner._deterministic = checkpoint.temperatures, record.deterministic
    learner.reweighing = Reweighing(resample=record.resample, digest=record.row_weights)
    models = build_models(checkpoint.spec, checkpoint.network, seeds=learner.seeds, models=checkpoint.models)
    learner.model = models.to(learner.device)
    learner.model.load_state_dict(dict(checkpoint.weights))
    refreeze(learner.model, record, path)
    return record


def take_up(
    learner: "Learner",
    data: Data,
    checkpoint: Checkpoint,
    record: TrainingRecord,
    *,
    streamed_rows: int | None,
    own: object = None,
) -> CycleRun | None:
    """Give a learner the data, and return the cycle that was not over; None where there is none.

    Parameters
    ----------
    learner
        As it was restored, without data.
    data
        The data that it was trained on.
    checkpoint, record
        What was loaded.
    streamed_rows
        As in `Learner`.
    own
        Its `row_weights`, where it was trained with any.

    Raises
    ------
    InputError
        If the data are others, or in other groups; all differences of rows and weights are listed.
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
    if not violations and record.content is not None and record.content != content_digest(data):
        violations.append(
            "the train or validation rows hold other inputs, labels or weights than those that the model was trained "
            "on: pass the same data, or train a new model on these"
        )
    violations += _own_violations(learner, own, n_train=len(data.split.train))
    raise_violations(violations)
    if own is not None:
        learner.reweighing = replace(learner.reweighing, row_weights=as_weights(own))
    learner.hold(data, streamed_rows=streamed_rows)
    learner._kept = None
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


def _own_violations(learner: "Learner", own: object, *, n_train: int) -> list[str]:
    how = learner.reweighing
    if how.resample is not None and own is not None:
        return ["the models drew samples of their own, which are drawn again: leave row_weights out"]
    if how.digest is None and own is not None:
        return ["the models were trained without row_weights: leave them out, or train new models with them"]
    if how.digest is not None and how.resample is None and own is None:
        return ["the models were trained with row_weights of their own, which are not saved: pass them with the data"]
    return reweighing_violations(None, own, models=learner.models, n_train=n_train)


def _unfinished(learner: "Learner", checkpoint: Checkpoint) -> CycleRun:
    state = checkpoint.state or {}
    try:
        first = standing_of(state).first_epoch
        run = CycleRun(learner.model, learner.plan(learner.cycles[-1], first=first))
        run.restore(state)
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        message = f"the state of training does not fit the model: {error}"
        raise CheckpointError(message) from error
    groups, before = run.groups().get("groups"), state.get("groups")
    if groups is not None and before is not None and not torch.equal(groups, before):
        columns = list(learner.cycles[-1].recipe.objective.groups)
        raise InputError([f"the train rows are in other groups of {columns} than before: pass the same data"])
    return run
