"""What happened in training: one row per epoch, and the settings of each cycle."""

import math
from dataclasses import dataclass

from audit.errors import raise_violations


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One line of the history of training.

    Parameters
    ----------
    epoch
        Counted from 1, on through later cycles.
    train_loss
        Mean cross-entropy in nats over the epoch's steps, as the weights changed; None if every step was skipped.
    valid_loss, valid_accuracy
        Over the validation rows after the epoch; None where there are none.
    samples_per_s
        Train rows per second of training, validation apart.
    skipped_steps
        Steps left out because their gradient was not finite.

    Examples
    --------
    >>> row = EpochRow(epoch=1, train_loss=0.69, valid_loss=None, valid_accuracy=None, samples_per_s=4e4,
    ...                skipped_steps=0)
    >>> row.train_loss, row.valid_loss is None
    (0.69, True)
    """

    epoch: int
    train_loss: float | None
    valid_loss: float | None
    valid_accuracy: float | None
    samples_per_s: float
    skipped_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The settings of one call of `Learner.fit_one_cycle`, where they are explained.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Examples
    --------
    >>> Cycle(epochs=8, lr=-1.0, batch_size=256, weight_decay=0.05, clip=1.0)
    Traceback (most recent call last):
    audit.errors.InputError: lr must be above 0 and finite; came -1.0
    """

    epochs: int
    lr: float
    batch_size: int
    weight_decay: float
    clip: float | None

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size, "clip": self.clip}
        violations = [
            f"{name} must be above 0 and finite; came {value}"
            for name, value in positive.items()
            if value is not None and not 0 < value < math.inf
        ]
        if not 0 <= self.weight_decay < math.inf:
            violations.append(f"weight_decay must be at least 0 and finite; came {self.weight_decay}")
        raise_violations(violations)

    def n_steps(self, n_rows: int) -> int:
        """Return the number of optimiser steps of the cycle; the last batch of an epoch may be smaller.

        Examples
        --------
        >>> Cycle(epochs=2, lr=1e-3, batch_size=256, weight_decay=0.0, clip=None).n_steps(600)
        6
        """
        return math.ceil(n_rows / self.batch_size) * self.epochs
