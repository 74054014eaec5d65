"""SliceLine: the score that weighs the mean error of a slice against its size, and the slices that have the highest.

Exploratory: computed on the rows that the slices are found on, it orders a search and decides nothing.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.search.patterns import ANY, Coded, Codes, falls_into, frequent_patterns

Floats = npt.NDArray[np.float64]
ALPHA = 0.95
"""SliceLine's weight of the error against the size of a slice."""

DIGITS = 12
"""Decimals of a score; what lies beyond is rounding."""


class SliceLine(NamedTuple):
    """A slice found by `slice_line`: its items by feature, score, sum and maximum of its errors, and its size in rows.

    Examples
    --------
    >>> SliceLine(items={0: 2}, score=0.3, total=2.8, largest=0.9, size=4).size
    4
    """

    items: dict[int, int]
    score: float
    total: float
    largest: float
    size: int


def slice_line_score(
    total: npt.ArrayLike, size: npt.ArrayLike, *, everyone: float, rows: float, alpha: float = ALPHA
) -> Floats:
    """Return SliceLine's score of slices: large where the mean error is high and the slice is not small.

    0 is the score of everyone; slices above 0 are problematic. NaN where a slice is empty or nobody errs.

    Parameters
    ----------
    total, size : array_like, shape (n_slices,)
        Sum of the errors (at least 0) and number of rows of each slice.
    everyone, rows
        Sum of the errors and number of rows of everyone.
    alpha
        Weight of the error against the size, in (0, 1].

    Notes
    -----
    score = alpha (mean error of the slice / mean error - 1) - (1 - alpha) (n / size - 1). Source: S. Sagadeeva and
    M. Boehm (2021), SliceLine: fast, linear-algebra-based slice finding for ML model debugging, SIGMOD 2021,
    doi:10.1145/3448016.3457323.

    Examples
    --------
    A quarter of the rows with twice the mean error: .95 x 1 - .05 x 3.

    >>> slice_line_score([50.0], [25.0], everyone=100.0, rows=100.0).round(3).tolist()
    [0.8]
    """
    size = np.asarray(size, dtype=np.float64)
    safe = np.where(size > 0, size, np.nan)
    mean = everyone / rows if everyone > 0 and rows > 0 else np.nan
    score = alpha * (np.asarray(total) / safe / mean - 1) - (1 - alpha) * (rows / safe - 1)
    return np.asarray(score, dtype=np.float64)


def slice_line(
    codes: Codes,
    errors: npt.ArrayLike,
    *,
    min_rows: int,
    top: int = 10,
    alpha: float = ALPHA,
    max_depth: int | None = None,
) -> list[SliceLine]:
    """Return the slices with the highest positive scores, the highest first; ties by length, then by items.

    Parameters
    ----------
    codes : array, shape (n_samples, n_features)
        The values of the features as whole numbers, at least 0.
    errors : array_like, shape (n_samples,)
        The error of each row, real-valued or 0/1, at least 0.
    min_rows
        Fewest rows of a slice, at least 1.
    top
        How many slices.
    alpha, max_depth
        As in `slice_line_score` and `audit.search.patterns.frequent_patterns`.

    Raises
    ------
    ValueError
        If shapes differ, an error is negative or not finite, a code is negative, or alpha lies outside (0, 1].

    Examples
    --------
    The two rows with the value 1 have all errors: .95 x (1 / .5 - 1) - .05 x (4 / 2 - 1).

    >>> found = slice_line(np.array([[0], [1], [1], [0]]), [0.0, 1.0, 1.0, 0.0], min_rows=1)
    >>> [(each.items, round(each.score, 2), each.total, each.size) for each in found]
    [({0: 1}, 0.9, 2.0, 2)]
    """
    grid, e = np.asarray(codes, dtype=np.int64), np.asarray(errors, dtype=np.float64)
    _check(grid, e, alpha)
    sizes = tuple(int(column.max()) + 1 for column in grid.T)
    found = frequent_patterns(
        Coded(grid, sizes, np.stack([np.ones(len(e)), e])), min_rows=min_rows, max_depth=max_depth
    )
    size, total = found.sums
    score = slice_line_score(total, size, everyone=float(e.sum()), rows=len(e), alpha=alpha)
    # What rounding alone lifts above 0 is no slice: everyone, and whoever errs as often as everyone. Nor is everyone.
    rounded = np.where(found.lengths > 0, np.nan_to_num(score).round(DIGITS), 0.0)
    order = [place for place in np.argsort(-rounded, kind="stable").tolist() if rounded[place] > 0]
    return [
        SliceLine(
            items={int(f): int(found.items[place, f]) for f in np.flatnonzero(found.items[place] != ANY)},
            score=float(score[place]),
            total=float(total[place]),
            largest=float(e[falls_into(grid, found.items[place])].max()),
            size=int(size[place]),
        )
        for place in order[:top]
    ]


def _check(codes: Codes, errors: Floats, alpha: float) -> None:
    if codes.ndim != 2 or errors.shape != codes.shape[:1] or not len(errors):
        msg = f"expected codes (n_samples, n_features) and one error per row; got {codes.shape} and {errors.shape}"
        raise ValueError(msg)
    bad = np.flatnonzero(~(np.isfinite(errors) & (errors >= 0)))
    if len(bad):
        msg = f"errors must be finite and at least 0; found {errors[bad[0]]} in row {bad[0] + 1}"
        raise ValueError(msg)
    if codes.size and codes.min() < 0:
        msg = f"codes must be at least 0; found {codes.min()}"
        raise ValueError(msg)
    if not 0 < alpha <= 1:
        msg = f"alpha must lie in (0, 1]; got {alpha}"
        raise ValueError(msg)
