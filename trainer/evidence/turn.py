"""When the metric, and when the loss, of a cycle were best, and what follows for a next run."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from trainer.history import EpochRow


class HealthRow(NamedTuple):
    """One finding.

    Parameters
    ----------
    name
        What was looked at.
    value
        None where there is nothing to measure.
    reading
        What it says, in a sentence.
    """

    name: str
    value: float | None
    reading: str


def turn_rows(history: Sequence[EpochRow], *, n: int) -> tuple[HealthRow, ...]:
    """Return the epochs at which metric and loss of the last cycle were best, and what follows for a next run.

    Early stopping would take weights from the middle of a cycle, where the learning rate is still high; the advice is
    a cycle that ends there. Where the last epoch's share of right answers is within one standard error of the best,
    ``sqrt(p (1 - p) / n)``, no turn is claimed.

    Parameters
    ----------
    history
        The epochs of one cycle.
    n
        Number of validation rows.

    Examples
    --------
    >>> rows = [EpochRow(epoch=epoch, train_loss=0.5, valid_loss=loss, metric="accuracy", valid_value=value,
    ...                  samples_per_s=1.0, skipped_steps=0)
    ...         for epoch, loss, value in [(1, 0.6, 0.7), (2, 0.5, 0.8), (3, 0.6, 0.9), (4, 0.7, 0.85)]]
    >>> [(row.name, row.value) for row in turn_rows(rows, n=1000)]
    [('epoch of the best accuracy', 3.0), ('epoch of the lowest validation loss', 2.0)]
    """
    scored = [(place, row) for place, row in enumerate(history, 1) if row.valid_value is not None]
    if not scored:
        reason = "There are no epochs with a validation number: train with a validation part."
        return (HealthRow("epoch of the best metric", None, reason),)
    metric = scored[0][1].metric
    sign = 1.0 if metric == "mean_absolute_error" else -1.0
    best = min(scored, key=lambda pair: sign * (pair[1].valid_value or 0.0))[0]
    losses = [(row.valid_loss, place) for place, row in scored if row.valid_loss is not None]
    lowest = min(losses)[1] if losses else None
    epochs, value, end = len(history), history[best - 1].valid_value or 0.0, scored[-1][1].valid_value or 0.0
    error = 0.0 if metric == "mean_absolute_error" else math.sqrt(max(value * (1.0 - value), 0.0) / max(n, 1))
    if best == epochs:
        advice = f"The {metric} was still best in the last of {epochs} epochs: a longer cycle may gain."
    elif abs(value - end) <= error:
        advice = (
            f"It was best after epoch {best} of {epochs}, but the last is within one standard error ({error:.2g}, "
            f"n = {n:,}): no turn is shown."
        )
    else:
        advice = (
            f"The {metric} turned after epoch {best} of {epochs}: make a fresh run of {best} epochs, whose learning "
            "rate ends there, rather than stop this one in the middle of its cycle."
        )
    rows = [HealthRow(f"epoch of the best {metric}", float(best), advice)]
    if lowest is not None:
        reading = _loss_reading(lowest, best, metric)
        rows.append(HealthRow("epoch of the lowest validation loss", float(lowest), reading))
    return tuple(rows)


def _loss_reading(lowest: int, best: int, metric: str) -> str:
    if lowest < best:
        return (
            f"The loss turned before the {metric}: from there on the model grows too sure, which a temperature "
            "(calibrate) mends without giving up the later epochs."
        )
    return f"The loss turned no earlier than the {metric}."
