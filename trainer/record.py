"""How a model was trained, as it is kept beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.checkpoint import CheckpointError
from trainer.evidence.energy import Energy
from trainer.history import Cycle, EpochRow, read_cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """What decides the result of training, and what came of it.

    Parameters
    ----------
    seed
        Of the first model.
    deterministic
        Whether only kernels were used that repeat bit by bit.
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
    environment
        Library, device and number of threads.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> cycle = Cycle(epochs=1, lr=0.1, batch_size=8)
    >>> record = TrainingRecord(seed=7, deterministic=True, split="ab12", cycles=(cycle,), history=(), environment={},
    ...                         looks=1)
    >>> read_record(asdict(record), Path("model")) == record
    True
    """

    seed: int
    deterministic: bool
    split: str
    cycles: tuple[Cycle, ...]
    history: tuple[EpochRow, ...]
    environment: Mapping[str, str | int]
    looks: int
    energy: tuple[Energy, ...] = ()


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
            deterministic=bool(training["deterministic"]),
            split=str(training["split"]),
            cycles=tuple(read_cycle(cycle) for cycle in training["cycles"]),
            history=tuple(EpochRow(**row) for row in training["history"]),
            environment=dict(training["environment"]),
            looks=int(training["looks"]),
            energy=tuple(Energy(**reading) for reading in training["energy"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"the record of training in {path} cannot be read: {error!r}"
        raise CheckpointError(message) from error
