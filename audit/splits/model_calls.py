"""Calling any model that a user brings: tables or arrays in, one checked number per row out."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError

Floats = npt.NDArray[np.float64]
Predict = Callable[[Any], npt.ArrayLike]
"""From a DataFrame (or an array, whichever it is given) to one score per row."""

_FAILURES = (
    TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RuntimeError, AssertionError, NameError,
    OSError, ImportError,
)  # fmt: skip


def feature_names(x: pd.DataFrame | Floats) -> list[str]:
    """Return the names of the columns; "0", "1", ... of an array.

    Examples
    --------
    >>> feature_names(np.zeros((1, 2))), feature_names(pd.DataFrame({"age": [1]}))
    (['0', '1'], ['age'])
    """
    if isinstance(x, pd.DataFrame):
        return [str(name) for name in x.columns]
    return [str(place) for place in range(x.shape[1] if x.ndim == 2 else 0)]


def take(x: pd.DataFrame | Floats, rows: npt.ArrayLike) -> pd.DataFrame | Floats:
    """Return some rows of a table or array, as a copy.

    Examples
    --------
    >>> take(np.array([[1.0], [2.0]]), [1]).tolist()
    [[2.0]]
    """
    places = np.asarray(rows, dtype=np.int64)
    if isinstance(x, pd.DataFrame):
        return x.iloc[places].reset_index(drop=True)
    return x[places]


def called(predict: Callable[[Any], Any], rows: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - whatever it takes
    """Return what a model says of a copy of the rows, so that one that changes its argument changes nothing here.

    Raises
    ------
    InputError
        If it raises: the text names it.

    Examples
    --------
    >>> rows = [2, 1]
    >>> called(lambda given: given.sort() or given, rows).tolist(), rows
    ([1, 2], [2, 1])
    """
    return np.asarray(on_a_copy("predict", lambda given: np.asarray(predict(given)), rows))


def on_a_copy(name: str, function: Callable[[Any], Any], rows: Any) -> Any:  # noqa: ANN401 - whatever it takes
    """Return what a function of the user makes of a copy of the rows.

    Raises
    ------
    InputError
        If it raises, or the rows cannot be copied.

    Examples
    --------
    >>> on_a_copy("predict", lambda rows: rows[1], [0])
    Traceback (most recent call last):
    audit.errors.InputError: predict failed on 1 rows of a list: IndexError: list index out of range
    """
    try:
        given = rows.copy() if isinstance(rows, pd.DataFrame) else copy.deepcopy(rows)
    except (TypeError, RuntimeError) as error:
        msg = f"rows of type {type(rows).__name__} cannot be copied ({error}); pass a frame or an array"
        raise InputError([msg]) from error
    try:
        return function(given)
    except _FAILURES as error:
        msg = f"{name} failed on {len(rows)} rows of a {type(rows).__name__}: {type(error).__name__}: {error}"
        raise InputError([msg]) from error


def scores_of(predict: Predict, x: pd.DataFrame | Floats) -> Floats:
    """Return what a model says of each row, checked.

    Raises
    ------
    InputError
        If it is not one finite number per row.

    Examples
    --------
    >>> scores_of(lambda z: z[:, 0], np.array([[0.5], [1.0]])).tolist()
    [0.5, 1.0]
    """
    given = called(predict, x)
    try:
        scores = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError([f"predict returned no numbers ({error}); expected one score per row"]) from error
    if scores.shape != (len(x),):
        raise InputError([f"predict returned shape {scores.shape} for {len(x)} rows; expected one number per row"])
    if not np.isfinite(scores).all():
        raise InputError([f"predict returned {int((~np.isfinite(scores)).sum())} values that are no finite numbers"])
    return scores
