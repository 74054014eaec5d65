"""What happened in training: one row per epoch, and the settings of each cycle."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import raise_violations
from trainer.fitting.augment import AugmentSettings, read_augment
from trainer.fitting.layers import LayerSettings, read_layers
from trainer.fitting.objective_settings import ObjectiveSettings, read_objective
from trainer.setting_checks import (
    above_zero_violations,
    is_number,
    is_whole,
    kind_violations,
    share_violations,
    whole_violations,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One line of the history of training.

    Parameters
    ----------
    epoch
        Counted from 1, on through later cycles.
    train_loss
        Mean objective over the epoch's steps, as the weights changed (cross-entropy in nats, unless another was asked
        for), of several models their mean. Steps of which a loss was not finite are left out.
    valid_loss
        Over the validation rows after the epoch, weighted as the train rows are; None where there are none, their
        weights are all 0, or it is not finite.
    metric, valid_value
        "accuracy", "label_accuracy" or "mean_absolute_error", and its value there; None as for `valid_loss`.
    samples_per_s
        Train rows per second of training, validation apart; after a stop within an epoch, of the rows since then.
    skipped_steps
        Steps left out because their gradient was not finite; of several models trained at once, added up over them.
    group_weights
        Of an objective that weighs groups as it goes, the mean weight of each in the epoch; None for others.
    roof
        `samples_per_s` as a share of the binding roof, where `Learner.roof` was asked before; else None.
    cycle
        Which cycle the epoch belongs to, counted from 1; a cycle that was broken off has fewer rows than epochs.
    valid_reason
        Why `valid_loss` or `valid_value` is None; None where both are there.

    Examples
    --------
    >>> row = EpochRow(epoch=1, train_loss=0.69, valid_loss=0.68, metric="accuracy", valid_value=0.7,
    ...                samples_per_s=4e4, skipped_steps=0)
    >>> row.train_loss, row.valid_accuracy
    (0.69, 0.7)
    """

    epoch: int
    train_loss: float | None
    valid_loss: float | None
    metric: str
    valid_value: float | None
    samples_per_s: float
    skipped_steps: int
    group_weights: Mapping[str, float] | None = None
    roof: float | None = None
    cycle: int = 1
    valid_reason: str | None = None

    @property
    def valid_accuracy(self) -> float | None:
        """Accuracy on the validation rows; None where the metric is another or there are none."""
        return self.valid_value if self.metric == "accuracy" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the steps of a cycle are taken; the defaults suit a table.

    Parameters
    ----------
    weight_decay
        Decoupled decay of the weight matrices, at least 0.
    clip
        Largest norm of the gradient; None for no limit.
    smoothing
        Share of each label that is given to all classes alike, in [0, 1).
    accumulate
        Parts into which a batch is cut to save memory; the step is that of the whole batch.
    objective
        What is minimised: the mean loss, or something that looks at groups.
    augment
        How images are changed each time they are shown; None for not at all.
    layers
        Which layers learn and how fast; None for all alike.
    ema
        Decay of a moving average of the weights, in [0, 1), such as 0.99: the average is what validates, predicts and
        is saved, and where a next cycle begins. None for the weights themselves.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Examples
    --------
    >>> Recipe(smoothing=1.0)
    Traceback (most recent call last):
    audit.errors.InputError: smoothing is a share in [0, 1); came 1.0
    """

    weight_decay: float = 0.05
    clip: float | None = 1.0
    smoothing: float = 0.0
    accumulate: int = 1
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    augment: AugmentSettings | None = None
    layers: LayerSettings | None = None
    ema: float | None = None

    def __post_init__(self) -> None:
        violations = [] if self.clip is None else above_zero_violations({"clip": self.clip})
        violations += whole_violations({"accumulate": self.accumulate})
        if not (is_number(self.weight_decay) and 0 <= self.weight_decay <= sys.float_info.max):
            violations.append(f"weight_decay must be at least 0 and finite; came {self.weight_decay!r}")
        violations += share_violations({"smoothing": self.smoothing})
        if self.ema is not None and not (is_number(self.ema) and 0 <= self.ema < 1):
            violations.append(f"ema is a decay in [0, 1), or None; came {self.ema!r}")
        violations += self._part_violations()
        if isinstance(self.objective, ObjectiveSettings) and is_whole(self.accumulate):
            violations += self.objective.accumulate_violations(self.accumulate)
        raise_violations(violations)

    def _part_violations(self) -> list[str]:
        objective: object = self.objective
        said = "ObjectiveSettings(kind=..., groups=...)"
        found = [] if isinstance(objective, ObjectiveSettings) else [f"objective must be {said}; came {objective!r}"]
        found += kind_violations("augment", self.augment, [AugmentSettings], "AugmentSettings(...) or None")
        return found + kind_violations("layers", self.layers, [LayerSettings], "LayerSettings(...) or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The settings of one call of `Learner.fit_one_cycle`, where they are explained.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Examples
    --------
    >>> Cycle(epochs=8, lr=-1.0, batch_size=256)
    Traceback (most recent call last):
    audit.errors.InputError: lr must be above 0 and finite; came -1.0
    """

    epochs: int
    lr: float
    batch_size: int
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        raise_violations(cycle_violations(self.epochs, self.lr, self.batch_size, self.recipe))

    def n_steps(self, n_rows: int) -> int:
        """Return the number of optimiser steps of the cycle; the last batch of an epoch may be smaller.

        Examples
        --------
        >>> Cycle(epochs=2, lr=1e-3, batch_size=256).n_steps(600)
        6
        """
        return math.ceil(n_rows / self.batch_size) * self.epochs


def cycle_violations(epochs: object, lr: object, batch_size: object, recipe: object) -> list[str]:
    """Return what is wrong with the settings of a cycle.

    Examples
    --------
    >>> cycle_violations("5", 0.1, 0, Recipe())
    ["epochs must be a whole number; came '5'", 'batch_size must be at least 1; came 0']
    """
    found = whole_violations({"epochs": epochs, "batch_size": batch_size}) + above_zero_violations({"lr": lr})
    return found + (
        [] if isinstance(recipe, Recipe) else [f"recipe must be a Recipe, such as Recipe(); came {recipe!r}"]
    )


class Saving(NamedTuple):
    """Where training is saved as it goes, and after how many batches each; None for once per epoch.

    Examples
    --------
    >>> Saving("model").every is None
    True
    """

    folder: str | Path
    every: int | None = None


def rows_of_cycle(history: Sequence[EpochRow], number: int) -> tuple[EpochRow, ...]:
    """Return the epochs that a cycle really ran; `number` counts cycles from 1.

    Examples
    --------
    >>> rows = [EpochRow(epoch=epoch, cycle=cycle, train_loss=0.5, valid_loss=0.5, metric="accuracy", valid_value=0.7,
    ...                  samples_per_s=1.0, skipped_steps=0) for epoch, cycle in [(1, 1), (2, 2), (3, 2)]]
    >>> [row.epoch for row in rows_of_cycle(rows, 2)]
    [2, 3]
    """
    return tuple(row for row in history if row.cycle == number)


def read_cycle(record: Mapping[str, Any]) -> Cycle:
    """Return the cycle whose fields a checkpoint holds.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> cycle = Cycle(epochs=2, lr=1e-3, batch_size=256)
    >>> read_cycle(asdict(cycle)) == cycle
    True
    """
    recipe = {**record["recipe"], "objective": read_objective(record["recipe"].get("objective", {}))}
    recipe["augment"] = read_augment(record["recipe"].get("augment"))
    recipe["layers"] = read_layers(record["recipe"].get("layers"))
    return Cycle(**{**record, "recipe": Recipe(**recipe)})
