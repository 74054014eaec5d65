"""What a run of training says: its epochs, and where the metric, not the loss, was best."""

from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.tables import value_text
from dashboards.words import metric_title

LOSSES = ("train_loss", "valid_loss")
METRICS = ("valid_accuracy", "valid_label_accuracy", "valid_mean_absolute_error")
_LOWER_IS_BETTER = frozenset({"valid_mean_absolute_error"})


def epochs_of(result: Result, metric: str) -> tuple[Measurement, ...]:
    """Return the rows of a metric by epoch, in order.

    Examples
    --------
    >>> rows = [Measurement(metric="train_loss", at=(("round", epoch),), value=1 / epoch, n=9, method="x")
    ...         for epoch in (2, 1)]
    >>> [row.value for row in epochs_of(Result(measurements=rows), "train_loss")]
    [1.0, 0.5]
    """
    found = [row for row in result.measurements if row.metric == metric and "round" in dict(row.at)]
    return tuple(sorted(found, key=epoch_of))


def epoch_of(row: Measurement) -> int:
    """Return the epoch of a row."""
    return int(dict(row.at)["round"])


def is_training(result: Result) -> bool:
    """Whether a result is the history of a training.

    Examples
    --------
    >>> is_training(Result(measurements=()))
    False
    """
    return bool(epochs_of(result, "train_loss"))


def metric_of(result: Result) -> str | None:
    """Return the validation metric that a training has; None where it had no validation rows."""
    for name in METRICS:
        if any(row.value is not None for row in epochs_of(result, name)):
            return name
    return None


def lead_sentences(result: Result) -> tuple[str, ...]:
    """Return what a reader should know first: how it ended, where it was best, what was skipped.

    Examples
    --------
    >>> rows = [Measurement(metric="valid_accuracy", at=(("round", epoch),), value=value, n=40, method="x")
    ...         for epoch, value in ((1, 0.8), (2, 0.75))]
    >>> rows.append(Measurement(metric="train_loss", at=(("round", 2),), value=0.4, n=120, method="x"))
    >>> print(lead_sentences(Result(measurements=rows))[1])
    It was best after epoch 1 (80.0 %): a fresh run of 1 epoch may do better than this one stopped early.
    """
    name = metric_of(result)
    if name is None:
        return ("There were no validation rows: how well the model does on rows it has not seen is unknown.",)
    rows = [row for row in epochs_of(result, name) if row.value is not None]
    last, best = rows[-1], best_epoch(rows)
    title = metric_title(name)[:1].lower() + metric_title(name)[1:]
    said = [f"The {title} after the last of {epoch_of(last)} epochs is {value_text(last)} on {last.n:,} rows."]
    if epoch_of(best) < epoch_of(last):
        number = epoch_of(best)
        epochs = "1 epoch" if number == 1 else f"{number} epochs"
        said.append(
            f"It was best after epoch {number} ({value_text(best)}): a fresh run of {epochs} may do better than this "
            "one stopped early."
        )
    skipped = sum(int(row.value or 0) for row in epochs_of(result, "skipped_steps"))
    if skipped:
        steps = "1 step was" if skipped == 1 else f"{skipped:,} steps were"
        said.append(f"{steps} left out because the gradient was not finite: lower the learning rate.")
    return tuple(said)


def best_epoch(rows: Sequence[Measurement]) -> Measurement:
    """Return the row with the best value, the last of equal ones: training on did no harm."""
    sign = -1.0 if rows[0].metric in _LOWER_IS_BETTER else 1.0
    return max(rows, key=lambda row: (sign * float(row.value or 0.0), epoch_of(row)))
