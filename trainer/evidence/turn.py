"""When the metric, and when the loss, of a cycle were best, and what follows for a next run."""

from collections.abc import Sequence
from typing import NamedTuple

from audit.inference.turns import Turn, advice_of, turn_of
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


def turn_rows(history: Sequence[EpochRow], *, n: int, cluster: str | None = None) -> tuple[HealthRow, ...]:
    """Return the epochs at which metric and loss of the last cycle were best, and what follows for a next run.

    Early stopping would take weights from the middle of a cycle, where the learning rate is still high; the advice is
    a cycle that ends there, and only where the metric fell by more than its standard error and the validation loss had
    turned (`audit.inference.turns.turn_of`).

    Parameters
    ----------
    history
        The epochs of one cycle.
    n
        Number of validation rows.
    cluster
        The column of rows that belong together, where the data name one: such rows are not independent, and the history
        does not hold who was answered rightly, so that there is no standard error.

    Examples
    --------
    >>> rows = [EpochRow(epoch=epoch, train_loss=0.5, valid_loss=loss, metric="accuracy", valid_value=value,
    ...                  samples_per_s=1.0, skipped_steps=0)
    ...         for epoch, loss, value in [(1, 0.6, 0.7), (2, 0.5, 0.8), (3, 0.6, 0.9), (4, 0.7, 0.85)]]
    >>> [(row.name, row.value) for row in turn_rows(rows, n=1000)]
    [('epoch of the best accuracy', 3.0), ('epoch of the lowest validation loss', 2.0)]
    """
    scored = [(row.valid_value, row) for row in history if row.valid_value is not None]
    if not scored:
        reason = "There are no epochs with a validation number: train with a validation part."
        return (HealthRow("epoch of the best metric", None, reason),)
    metric = scored[0][1].metric
    turn = turn_of(
        [value for value, _ in scored],
        [row.valid_loss for _, row in scored],
        n=n,
        smaller=metric == "mean_absolute_error",
        independent=cluster is None,
    )
    advice = advice_of(turn, metric, n=n)
    if turn.kind == "unknown" and cluster is not None:
        advice = f"{advice} Rows of one {cluster!r} are not independent, and the history does not hold who was right."
    rows = [HealthRow(f"epoch of the best {metric}", float(turn.best), advice)]
    if turn.lowest is not None:
        name = "epoch of the lowest validation loss"
        rows.append(HealthRow(name, float(turn.lowest), _loss_reading(turn, turn.lowest, metric)))
    return tuple(rows)


def _loss_reading(turn: Turn, lowest: int, metric: str) -> str:
    if lowest == turn.epochs:
        return "The validation loss was lowest in the last epoch: it did not turn."
    if lowest >= turn.best:
        return f"The loss turned no earlier than the {metric}."
    if metric == "mean_absolute_error":
        return f"The loss turned before the {metric}: from there on a few errors grow while most shrink."
    return (
        f"The loss turned before the {metric}: from there on the model grows too sure, which a temperature "
        "(calibrate) mends without giving up the later epochs."
    )
