"""Whether training went on too long: one rule for everything that advises about it."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Kind = Literal["one", "last", "falling", "unknown", "tie", "turned"]


class Turn(NamedTuple):
    """Where a cycle of training was best, and what that shows.

    Parameters
    ----------
    kind
        "one": there is one epoch only. "last": the last epoch is the best. "falling": an earlier epoch is, but the
        validation loss fell to the end, so that the model is short of training. "unknown": the metric has no standard
        error. "tie": the last epoch is within one standard error of the best. "turned": it is worse by more.
    best, lowest
        Place, from 1, of the best metric and of the lowest validation loss (None without losses); of equal ones the
        earliest.
    epochs
        How many there were.
    error
        Standard error of the best value; None where it is not known.

    Examples
    --------
    >>> Turn("last", 3, 3, 3, 0.01).best
    3
    """

    kind: Kind
    best: int
    lowest: int | None
    epochs: int
    error: float | None


def turn_of(
    values: Sequence[float], losses: Sequence[float | None], *, n: int, smaller: bool, independent: bool = True
) -> Turn:
    """Return where a cycle was best and whether it turned.

    A turn is claimed only where the share of right answers fell by more than ``sqrt(p (1 - p) / n)``, one standard
    error of its best value, and the validation loss rose before the end: a loss that still falls is that of a model
    that has not learnt enough, whatever chance does to the metric.

    Parameters
    ----------
    values
        Of the metric, by epoch, at least one.
    losses
        Of validation, by epoch; None where unknown.
    n
        Validation rows.
    smaller
        Whether the metric is an error in a unit of its own, of which smaller is better and no standard error is known.
    independent
        Whether the rows are; of clusters the standard error is not known here.

    Examples
    --------
    sqrt(.5 * .5 / 100) = .05

    >>> turn_of([0.3, 0.5, 0.4], [0.5, 0.3, 0.4], n=100, smaller=False)
    Turn(kind='turned', best=2, lowest=2, epochs=3, error=0.05)
    >>> turn_of([0.7, 0.9, 0.8], [0.5, 0.3, 0.2], n=900, smaller=False).kind
    'falling'
    """
    pick = min if smaller else max
    best, epochs = values.index(pick(values)) + 1, len(values)
    known = [(loss, place) for place, loss in enumerate(losses, 1) if loss is not None]
    lowest = min(known)[1] if known else None
    value, end = values[best - 1], values[-1]
    error = None if smaller or not independent else math.sqrt(max(value * (1.0 - value), 0.0) / max(n, 1))
    kind: Kind
    if epochs in (1, best):
        kind = "one" if epochs == 1 else "last"
    elif lowest == epochs:
        kind = "falling"
    elif error is None:
        kind = "unknown"
    else:
        kind = "tie" if abs(value - end) <= error else "turned"
    return Turn(kind, best, lowest, epochs, error)


def advice_of(turn: Turn, name: str, *, n: int) -> str:
    """Return what a turn means for a next run, in one sentence.

    Parameters
    ----------
    turn
        From `turn_of`.
    name
        Of the metric.
    n
        Validation rows.

    Examples
    --------
    >>> advice_of(turn_of([0.7, 0.9, 0.8], [0.5, 0.3, 0.2], n=900, smaller=False), "accuracy", n=900)
    'The accuracy was best after epoch 2 of 3, but the validation loss still fell in the last: the model is short of \
training; train longer, or at a larger learning rate (lr_find).'
    """
    where = f"was best after epoch {turn.best} of {turn.epochs}"
    fresh = "1 epoch" if turn.best == 1 else f"{turn.best} epochs"
    said: dict[Kind, str] = {
        "one": "There was one epoch only: there is nothing to compare it with.",
        "last": f"The {name} was still best in the last of {turn.epochs} epochs: a longer cycle may gain.",
        "falling": f"The {name} {where}, but the validation loss still fell in the last: the model is short of "
        "training; train longer, or at a larger learning rate (lr_find).",
        "unknown": f"The {name} {where}; its standard error is not known here, so no turn is claimed.",
        "tie": f"It {where}, but the last is within one standard error ({turn.error or 0.0:.2g}, n = {n:,}): no turn "
        "is shown.",
        "turned": f"The {name} turned after epoch {turn.best} of {turn.epochs}: make a fresh run of {fresh}, whose "
        "learning rate ends there, rather than stop this one in the middle of its cycle.",
    }
    return said[turn.kind]
