"""What a model says about rows, whatever it says it in: labels, or scores that are cut at a threshold."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError, raise_violations
from audit.splits.model_calls import called
from audit.values import canonical

Predict = Callable[[Any], npt.ArrayLike]
"""From rows (a frame, or an array of images) to one label or score per row."""


class Answers(NamedTuple):
    """What a model says about rows: labels as text, positive or not (None where that is not known), scores.

    Examples
    --------
    >>> answers(lambda frame: [0.2, 0.8], [1, 2], 2, threshold=0.5).positive.tolist()
    [False, True]
    """

    labels: npt.NDArray[np.object_]
    positive: npt.NDArray[np.bool_] | None
    scores: npt.NDArray[np.float64] | None


def answers(
    predict: Predict,
    rows: Any,  # noqa: ANN401 - whatever the model takes
    n: int,
    *,
    threshold: float | None = None,
    positive: str | None = None,
) -> Answers:
    """Return what a model says about `n` rows.

    Parameters
    ----------
    predict
        The model.
    rows
        What it is given.
    n
        How many answers are expected.
    threshold
        The answers are scores; positive where they reach it. None = they are labels.
    positive
        The positive label; may be None where labels are 0/1 or true/false, or no direction is wanted.

    Raises
    ------
    InputError
        If the model raises, returns another number of answers, a score that is not finite, or fractions without a
        threshold: a score that moves by 1e-9 is another label, and every row would flip.

    Examples
    --------
    >>> answers(lambda rows: ["yes", "no"], [1, 2], 2, positive="yes").positive.tolist()
    [True, False]
    """
    given = called(predict, rows)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    raise_violations(
        []
        if given.shape == (n,)
        else [f"predict must return one answer per row, shape ({n},); it returned shape {given.shape}"]
    )
    if threshold is not None:
        scores = _scores(given, threshold)
        reached = scores >= threshold
        return Answers(np.where(reached, "1", "0").astype(object), reached, scores)
    raise_violations(_fraction_violations(given))
    labels = np.array([canonical(value) for value in given], dtype=object)
    missing = sum(label is None for label in labels)
    raise_violations([f"predict returned no label for {missing} rows; expected one for each"] if missing else [])
    binary = set(labels.tolist()) <= {"0", "1", "true", "false"}
    if positive is None and not binary:
        return Answers(labels, None, None)
    wanted = {canonical(positive)} if positive is not None else {"1", "true"}
    return Answers(labels, np.array([label in wanted for label in labels], dtype=bool), None)


def _scores(given: npt.NDArray[Any], threshold: float) -> npt.NDArray[np.float64]:
    try:
        scores = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"predict returned no numbers ({error}); with a threshold, it must return scores"
        raise InputError([msg]) from error
    bad = int(np.sum(~np.isfinite(scores)))
    violations = [f"predict returned {bad} scores that are not finite; expected numbers"] if bad else []
    if not np.isfinite(threshold):
        violations.append(f"threshold must be a finite number; got {threshold}")
    raise_violations(violations)
    return scores


def _fraction_violations(given: npt.NDArray[Any]) -> list[str]:
    numbers = (value for value in given.tolist() if isinstance(value, float))
    fractions = [value for value in numbers if np.isfinite(value) and value != np.floor(value)]
    if not fractions:
        return []
    return [
        f"predict returned {len(fractions)} fractions, such as {fractions[0]:g}: scores, no labels; pass the threshold "
        "from which on they are positive"
    ]


def missing_columns(frame: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """Return what is said of columns that a frame lacks.

    Examples
    --------
    >>> missing_columns(pd.DataFrame({"a": [1]}), ["a", "b"])
    ["column 'b' is missing; the data has 'a'"]
    """
    known = ", ".join(repr(str(column)) for column in list(frame.columns)[:20])
    return [f"column {name!r} is missing; the data has {known}" for name in dict.fromkeys(wanted) if name not in frame]
