"""Calling any model that a user brings: tables or arrays in, one checked number per row out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError

Floats = npt.NDArray[np.float64]
Predict = Callable[[Any], npt.ArrayLike]
"""From a DataFrame (or an array, whichever it is given) to one score per row."""


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
    try:
        scores = np.asarray(predict(x), dtype=np.float64)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        msg = f"predict failed on {len(x)} rows of a {type(x).__name__}: {type(error).__name__}: {error}"
        raise InputError([msg]) from error
    if scores.shape != (len(x),):
        raise InputError([f"predict returned shape {scores.shape} for {len(x)} rows; expected one number per row"])
    if not np.isfinite(scores).all():
        raise InputError([f"predict returned {int((~np.isfinite(scores)).sum())} values that are no finite numbers"])
    return scores
