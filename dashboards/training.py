"""What a run of training says: its epochs, and where the metric, not the loss, was best."""

from collections.abc import Mapping
from typing import Any

from audit.inference.turns import Turn, advice_of, turn_of
from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label
from dashboards.tables import display_row, interval_text, value_text
from dashboards.words import metric_title

LOSSES = ("train_loss", "valid_loss")
METRICS = ("valid_accuracy", "valid_label_accuracy", "valid_mean_absolute_error")
MOST_TICKS = 12
_STEPS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)
_LOWER_IS_BETTER = frozenset({"valid_mean_absolute_error"})
_ADVISED = ("turned", "falling")
_OF_CLUSTERS = "not independent"
_NO_ROWS = "There were no validation rows: how well the model does on rows it has not seen is unknown."


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


def epoch_ticks(last: int) -> tuple[int, ...]:
    """Return the epochs that are named below a picture: all of few, else the first and those at round steps.

    Examples
    --------
    >>> epoch_ticks(3), epoch_ticks(25)
    ((1, 2, 3), (1, 5, 10, 15, 20, 25))
    """
    step = next((size for size in _STEPS if last <= MOST_TICKS * size), _STEPS[-1])
    return tuple(dict.fromkeys((1, *range(step, last + 1, step))))


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


def models_of(result: Result) -> int:
    """Return how many models were trained at once.

    Examples
    --------
    >>> models_of(Result(measurements=()))
    1
    """
    return max(len(result.provenance.given.get("seeds") or ()), 1)


def last_cycle(result: Result, metric: str) -> tuple[Measurement, ...]:
    """Return the rows of a metric in the last cycle, where they are known.

    An earlier cycle is taken to have run to its end; only the last may have been broken off.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> rows = [Measurement(metric="valid_loss", at=(("round", epoch),), value=1.0, n=9, method="x")
    ...         for epoch in range(1, 6)]
    >>> given = {"cycles": [{"epochs": 3}, {"epochs": 4}]}
    >>> result = Result(measurements=rows, provenance=Provenance(given=given))
    >>> [epoch_of(row) for row in last_cycle(result, "valid_loss")]
    [4, 5]
    """
    rows = epochs_of(result, metric)
    last = epoch_of(rows[-1]) if rows else 0
    lengths = [int(cycle.get("epochs", 0)) for cycle in result.provenance.given.get("cycles") or ()]
    before = sum(lengths[:-1])
    first = before if before < last else max(last - (lengths[-1] if lengths else last), 0)
    return tuple(row for row in rows if row.value is not None and epoch_of(row) > first)


def turn_in(result: Result) -> Turn | None:
    """Return where the last cycle was best, by the rule of `Learner.health`; None without validation numbers."""
    name = metric_of(result)
    rows = () if name is None else last_cycle(result, name)
    if name is None or not rows:
        return None
    losses = {epoch_of(row): row.value for row in epochs_of(result, "valid_loss")}
    return turn_of(
        [float(row.value or 0.0) for row in rows],
        [losses.get(epoch_of(row)) for row in rows],
        n=rows[-1].n,
        smaller=name in _LOWER_IS_BETTER,
        independent=not any(_OF_CLUSTERS in (row.reason or "") for row in rows),
    )


def lead_sentences(result: Result) -> tuple[str, ...]:
    """Return what a reader should know first: how it ended, what looks like a leak, what follows, what was skipped.

    Examples
    --------
    >>> rows = [Measurement(metric="valid_accuracy", at=(("round", epoch),), value=value, n=4000, method="x")
    ...         for epoch, value in ((1, 0.8), (2, 0.75))]
    >>> rows.append(Measurement(metric="train_loss", at=(("round", 2),), value=0.4, n=120, method="x"))
    >>> print(lead_sentences(Result(measurements=rows))[1].partition(":")[0])
    The accuracy on the validation rows turned after epoch 1 of 2
    """
    name = metric_of(result)
    if name is None:
        return (_NO_ROWS, *_leaks(result), *_skipped(result))
    turn, rows = turn_in(result), last_cycle(result, name)
    title = metric_title(name)[:1].lower() + metric_title(name)[1:]
    said = [_ended(result, name, title), *_leaks(result)]
    if turn is not None and turn.kind in _ADVISED:
        said.append(advice_of(turn, title, n=rows[-1].n))
    return (*said, *_skipped(result))


def _ended(result: Result, name: str, title: str) -> str:
    last = [row for row in epochs_of(result, name) if row.value is not None][-1]
    models = models_of(result)
    epochs = epoch_of(last)
    ended = f"the last of {epochs} epochs" if epochs > 1 else "its only epoch"
    when = f"The {title} after {ended} is {value_text(last)}"
    if models == 1:
        return f"{f'{when} {interval_text(last)}'.strip()} on {last.n:,} rows."
    together = epochs_of(result, name.replace("valid_", "valid_ensemble_", 1))
    alone = f"{when} as the mean of {models} single models, on {last.n:,} rows"
    if not together:
        return f"{alone}; how they do together, as they predict, was not measured."
    shown = display_row(together[-1])
    return f"{alone}; together, as they predict, they reach {f'{shown.value} {shown.interval}'.strip()}."


def leaks_of(result: Result) -> tuple[Mapping[str, Any], ...]:
    """Return what looked like a leak when the data were read.

    Examples
    --------
    >>> leaks_of(Result(measurements=()))
    ()
    """
    return tuple(result.provenance.given.get("leaks") or ())


def _leaks(result: Result) -> tuple[str, ...]:
    return tuple(
        f"A leak? “{safe_label(str(leak.get('column')), target='text', limit=60)}” {leak.get('kind')}, "
        f"{leak.get('rows'):,} rows: {safe_label(str(leak.get('note')), target='text', limit=300)}"
        for leak in leaks_of(result)
    )


def _skipped(result: Result) -> tuple[str, ...]:
    skipped = sum(int(row.value or 0) for row in epochs_of(result, "skipped_steps"))
    if not skipped:
        return ()
    steps = "1 step was" if skipped == 1 else f"{skipped:,} steps were"
    return (f"{steps} left out because the gradient was not finite: lower the learning rate.",)


def title_of(result: Result) -> str:
    """Return the title of the page on a training.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> title_of(Result(measurements=[], provenance=Provenance(data={"patients.csv": "00"})))
    'Training on patients.csv'
    """
    return f"Training on {', '.join(result.provenance.data) or 'data without a file'}"
