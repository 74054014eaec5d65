"""Rows of a log as plain pandas columns, such as Evidently reads without falling over them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from audit.predictions import PredictionLog
from audit.splits.split_columns import numbers_of
from monitors.counts.watched import Watched, watched

_DEFUSED = str.maketrans({"<": "‹", ">": "›", "&": "＆", "\x00": " "})


class Frames(NamedTuple):
    """Both sides with the same columns: float64 with NaN, or objects that are texts or None.

    `numeric` and `categorical` are columns, defused; `names` what each is called in the log; `empty` what has no value
    on one side, and is in neither frame.

    Examples
    --------
    >>> Frames(pd.DataFrame(), pd.DataFrame(), (), (), {}, ("x",)).empty
    ('x',)
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    names: Mapping[str, str]
    empty: tuple[str, ...]


def defused(text: str) -> str:
    """Return a text that can neither end a script nor start a tag, with letters that look alike.

    Evidently writes names and categories into the scripts of its pages as they are, where a category called
    ``</script>`` would end the script and the next would run.

    Examples
    --------
    >>> defused("</script><script>alert(1)")
    '‹/script›‹script›alert(1)'
    """
    return text.translate(_DEFUSED)


def columns_of(log: PredictionLog) -> dict[str, Watched]:
    """Return what is watched of a log, by name.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1], "x": [2]}), y_true="y", y_pred="p", features=["x"])
    >>> list(columns_of(log))
    ['x', 'y_pred', 'y_true']
    """
    return {item.feature: item for item in watched(log)}


def frames(
    reference: Mapping[str, pa.Array], current: Mapping[str, pa.Array], watched_of: Mapping[str, Watched]
) -> Frames:
    """Return both sides as plain frames; a column is numeric where all its values on both sides are numbers.

    Nullable dtypes never reach Evidently, whose summary fails on their NA. Labels are texts. Infinite values are
    missing, as it drops them in its drift and cannot draw them in its summary.

    Parameters
    ----------
    reference, current
        Watched feature -> values.
    watched_of
        How each is read (`columns_of`).

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1], "x": [2]}), y_true="y", y_pred="p", features=["x"])
    >>> then = {"x": pa.array([1, None]), "y_true": pa.array([0, 1])}
    >>> now = {"x": pa.array([2]), "y_true": pa.array([None])}
    >>> found = frames(then, now, columns_of(log))
    >>> found.numeric, found.categorical, found.empty, str(found.reference["x"].dtype)
    (('x',), (), ('y_true',), 'float64')
    """
    numeric: dict[str, tuple[pd.Series, pd.Series]] = {}
    texts: dict[str, tuple[pd.Series, pd.Series]] = {}
    empty, names = [], {}
    for name, item in watched_of.items():
        if name not in reference or name not in current:
            continue
        sides = (reference[name], current[name])
        values = [None if item.labels != "none" else numbers_of(side) for side in sides]
        known = defused(name)
        names[known] = name
        if values[0] is not None and values[1] is not None:
            first, second = (pd.Series(np.where(np.isinf(side), np.nan, side)) for side in values if side is not None)
            numeric[known] = (first, second)
        else:
            first, second = (_texts(item, side) for side in sides)
            texts[known] = (first, second)
        if first.isna().all() or second.isna().all():
            empty.append(name)
            numeric.pop(known, None)
            texts.pop(known, None)
    both = numeric | texts
    reference_frame, current_frame = (
        pd.DataFrame({name: pair[side] for name, pair in both.items()}) for side in (0, 1)
    )
    return Frames(reference_frame, current_frame, tuple(numeric), tuple(texts), names, tuple(empty))


def _texts(item: Watched, values: pa.Array) -> pd.Series:
    encoded = item.texts(values)
    words = [None if word is None else defused(word) for word in encoded.dictionary.to_pylist()]
    return pd.Series([None if code is None else words[code] for code in encoded.indices.to_pylist()], dtype=object)
