"""How a model was trained, as it is kept beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.checkpoint import CheckpointError
from trainer.evidence.energy import Energy
from trainer.fitting.row_weight_checks import Resample
from trainer.history import Cycle, EpochRow, read_cycle
from trainer.setting_checks import is_number, is_whole

Environment = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """What decides the result of training, and what came of it.

    Parameters
    ----------
    seed
        Of the first model.
    deterministic
        Whether only kernels that repeat bit by bit were asked for; None: what is usual on the device.
    split
        Digest of the split.
    cycles
        Settings of each cycle.
    history
        One row per epoch.
    looks
        How often loss and metric on the validation part were looked at: each epoch is a look.
    energy
        What each call of training used.
    environments
        In what each cycle ran: its number ("cycle", from 1), libraries, device, number of threads, and whether only
        deterministic kernels were used. A cycle that was resumed elsewhere has several, one after the other. Bits are
        repeated only in the same environment.
    content
        Digest of inputs, target and weights of the train and validation rows; None where it was not recorded.
    frozen
        Names of the parameters that were frozen (`trainer.fitting.layers.freeze`).
    resample
        "bootstrap" where each model learnt from a sample of its own.
    row_weights
        SHA-256 of what rows weigh in each model (`trainer.fitting.row_weights.weights_digest`); None where they weigh
        alike in all.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> cycle = Cycle(epochs=1, lr=0.1, batch_size=8)
    >>> record = TrainingRecord(seed=7, deterministic=True, split="ab12", cycles=(cycle,), history=(), looks=1,
    ...                         environments=({"cycle": 1, "threads": 2},), frozen=("body.weight",))
    >>> read_record(asdict(record), Path("model")) == record
    True
    """

    seed: int
    deterministic: bool | None
    split: str
    cycles: tuple[Cycle, ...]
    history: tuple[EpochRow, ...]
    environments: tuple[Environment, ...]
    looks: int
    energy: tuple[Energy, ...] = ()
    content: str | None = None
    frozen: tuple[str, ...] = ()
    resample: Resample | None = None
    row_weights: str | None = None


def read_record(training: Mapping[str, Any], path: Path) -> TrainingRecord:
    """Return the record that a checkpoint holds.

    Raises
    ------
    CheckpointError
        If a field is missing or of another kind.
    """
    try:
        return TrainingRecord(
            seed=int(training["seed"]),
            deterministic=_choice(training["deterministic"]),
            split=str(training["split"]),
            cycles=tuple(read_cycle(cycle) for cycle in training["cycles"]),
            history=tuple(_epoch_row(row) for row in training["history"]),
            environments=tuple(dict(each) for each in training.get("environments", [training.get("environment", {})])),
            looks=int(training["looks"]),
            energy=tuple(Energy(**reading) for reading in training["energy"]),
            content=training.get("content"),
            frozen=tuple(str(name) for name in training.get("frozen", ())),
            resample=_resample(training.get("resample")),
            row_weights=training.get("row_weights"),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"the record of training in {path} cannot be read: {error!r}"
        raise CheckpointError(message) from error


def _epoch_row(row: Mapping[str, Any]) -> EpochRow:
    """Return one line of the history; numbers stay as they were written, so that all of it is written again alike."""
    found = EpochRow(**row)
    whole = {"epoch": found.epoch, "skipped_steps": found.skipped_steps, "cycle": found.cycle}
    known = {"samples_per_s": found.samples_per_s}
    known |= {name: getattr(found, name) for name in ("train_loss", "valid_loss", "valid_value", "roof")}
    weights = {} if found.group_weights is None else dict(found.group_weights)
    wrong = [name for name, value in whole.items() if not is_whole(value) or value < 0]
    wrong += [name for name, value in known.items() if value is not None and not is_number(value)]
    wrong += [f"group_weights of {name!r}" for name, value in weights.items() if not is_number(value)]
    texts = {"metric": found.metric, "valid_reason": found.valid_reason}
    wrong += [name for name, value in texts.items() if not isinstance(value, str | None)]
    if wrong or found.samples_per_s is None or found.metric is None:
        message = f"a row of the history holds what is none of its values: {', '.join(wrong) or 'null'}"
        raise ValueError(message)
    return found


def _resample(value: object) -> Resample | None:
    if value is None:
        return None
    if value == "bootstrap":
        return "bootstrap"
    message = f"resample is 'bootstrap' or null; came {value!r}"
    raise ValueError(message)


def _choice(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    message = f"deterministic is true, false or null; came {value!r}"
    raise ValueError(message)
