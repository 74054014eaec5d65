"""Numbers as normal scores, learnt from the train rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
MAX_KNOTS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericEncoder:
    """Normal scores of one numeric column: monotone, so outliers cannot swamp the rest.

    Parameters
    ----------
    column
        Name of the column.
    values, scores
        Knots of a piecewise linear function, ascending; outside of them the first or last score holds.
    flagged
        Whether values were missing in the train rows: then a code column of its own says "known" (1) or not (0). If
        none were, there is no such column: a value that is missing later has the score 0, as the median has, and is
        counted in `Encoded.missing`.

    Examples
    --------
    Linear between the knots, constant outside of them.

    >>> age = NumericEncoder(column="age", values=(20.0, 30.0), scores=(-1.0, 1.0), flagged=False)
    >>> numeric_scores(np.array([20.0, 25.0, 99.0, np.nan]), age).tolist()
    [-1.0, 0.0, 1.0, 0.0]
    """

    column: str
    values: tuple[float, ...]
    scores: tuple[float, ...]
    flagged: bool


def fit_numeric(column: pd.Series) -> NumericEncoder:
    """Map each distinct value to the normal score of its mid-rank; keep at most `MAX_KNOTS` of them.

    Examples
    --------
    >>> [round(score, 3) for score in fit_numeric(pd.Series([20.0, 30.0, 40.0])).scores]
    [-0.967, 0.0, 0.967]
    """
    floats = as_floats(column)
    known = floats[~np.isnan(floats)]
    values, counts = np.unique(known, return_counts=True)
    scores = mid_rank_scores(counts)
    if len(values) > MAX_KNOTS:
        kept = np.unique(np.searchsorted(np.cumsum(counts), np.linspace(1, len(known), MAX_KNOTS)))
        values, scores = values[kept], scores[kept]
    return NumericEncoder(
        column=str(column.name),
        values=tuple(values.tolist()),
        scores=tuple(scores.tolist()),
        flagged=len(known) < len(floats),
    )


def mid_rank_scores(counts: npt.NDArray[np.int64]) -> Floats:
    """Return the normal score of the middle of each value's ranks, from how often the sorted values occur.

    Examples
    --------
    >>> mid_rank_scores(np.array([1, 1])).round(3).tolist()
    [-0.674, 0.674]
    """
    scores: Floats = ndtri((np.cumsum(counts) - counts / 2.0) / counts.sum())
    return scores


def numeric_scores(values: Floats, encoder: NumericEncoder) -> Floats:
    """Return the normal scores of numbers; 0, the median, where they are NaN."""
    return np.where(np.isnan(values), 0.0, np.interp(values, encoder.values, encoder.scores))


def is_number_column(column: pd.Series) -> bool:
    """Say whether a column holds real numbers; booleans are categories.

    Examples
    --------
    >>> is_number_column(pd.Series([1, 2])), is_number_column(pd.Series([True])), is_number_column(pd.Series(["1"]))
    (True, False, False)
    """
    kind = column.dtype
    return bool(
        pd.api.types.is_numeric_dtype(kind)
        and not pd.api.types.is_bool_dtype(kind)
        and not pd.api.types.is_complex_dtype(kind)
    )


def as_floats(column: pd.Series) -> Floats:
    """Return a numeric column as float64 with NaN for missing values.

    Examples
    --------
    >>> as_floats(pd.Series([1, None], dtype="Int64")).tolist()
    [1.0, nan]
    """
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def infinite_rows(column: pd.Series) -> list[int]:
    """Return the positions of infinite numbers in a numeric column.

    Examples
    --------
    >>> infinite_rows(pd.Series([1.0, float("inf"), float("nan")]))
    [1]
    """
    return [int(row) for row in np.flatnonzero(np.isinf(as_floats(column)))]


def row_list(rows: Sequence[int] | npt.NDArray[np.int64]) -> str:
    """Return row positions in words, in order: the first five, and how many more.

    Examples
    --------
    >>> row_list([3]), row_list([6, 5, 4, 3, 2, 1, 0])
    ('row 3, counted from 0', 'rows 0, 1, 2, 3, 4 and 2 more, counted from 0')
    """
    shown = ", ".join(str(row) for row in sorted(map(int, rows))[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}, counted from 0"
