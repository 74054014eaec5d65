"""The slope of a series over rounds or windows, with an error that knows of dependent users and of restless weeks."""

import numpy as np
import numpy.typing as npt

from monitors.feedback.blocks import Estimate, jackknife

Floats = npt.NDArray[np.float64]

FEWEST = 8
"""Points of a series from which on its own restlessness can be told from a trend: six degrees of freedom."""

_MOST_CORRELATED = 0.9


def trend(series: Floats, *, deleted: Floats | None = None) -> Estimate:
    r"""Return the least-squares slope of a series per step, with the larger of two standard errors.

    Parameters
    ----------
    series
        One number per round or window, in order, shape (n_points,); NaN where there is none.
    deleted
        The series without each of the blocks, shape (n_blocks, n_points); None = the series alone speaks.

    Returns
    -------
    Estimate
        The slope. Its error is that of the residuals about the line, n - 2 degrees of freedom, widened by
        sqrt((1 + r) / (1 - r)) for their lag-one correlation r where that is positive; or that of the jackknife over
        blocks, where it is larger. NaN below `FEWEST` points.

    Notes
    -----
    r is the residuals' correlation with its small-sample bias of about -(2 + 4 r) / n taken back, and at most .9. The
    residuals hold whatever moves a whole week; the blocks hold users who come again every week. Sources: M. S. Bartlett
    (1946), doi:10.2307/2983611, for the widening; P. Shaman and R. Stine (1988), doi:10.2307/2289311, for the bias.

    Examples
    --------
    A line of slope 2 with residuals that alternate:

    >>> found = trend(np.array([0.1, 1.9, 4.1, 5.9, 8.1, 9.9, 12.1, 13.9]))
    >>> round(found.value, 2), round(found.standard_error, 4), found.df
    (1.99, 0.0174, 6)
    """
    known = np.isfinite(series)
    number = int(known.sum())
    if number < 3:
        return Estimate(float("nan"), float("nan"), 0)
    value = float(slopes(series[None])[0])
    if number < FEWEST:
        return Estimate(value, float("nan"), number - 2)
    error = _residual_error(np.flatnonzero(known).astype(np.float64), series[known])
    if deleted is None:
        return Estimate(value, error, number - 2)
    blocks = jackknife(value, slopes(deleted))
    if not np.isfinite(blocks.standard_error):
        return Estimate(value, error, number - 2)
    return Estimate(value, max(error, blocks.standard_error), min(number - 2, blocks.df))


def slopes(series: Floats) -> Floats:
    """Return the least-squares slope of each row over the places of its columns; NaN below two known points.

    Examples
    --------
    >>> slopes(np.array([[1.0, 3.0, np.nan, 7.0], [np.nan, 1.0, np.nan, np.nan]])).round(9).tolist()
    [2.0, nan]
    """
    known = np.isfinite(series)
    number = known.sum(axis=1)
    place = np.where(known, np.arange(series.shape[1], dtype=np.float64), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centred = np.where(known, place - (place.sum(axis=1) / number)[:, None], 0.0)
        return np.where(
            number > 1, (centred * np.where(known, series, 0.0)).sum(axis=1) / (centred**2).sum(axis=1), np.nan
        )


def _residual_error(place: Floats, values: Floats) -> float:
    number = values.size
    centred = place - place.mean()
    square = float((centred**2).sum())
    residual = values - values.mean() - centred * float((centred * values).sum()) / square
    scatter = float((residual**2).sum())
    if scatter == 0:
        return 0.0
    lag = float((residual[1:] * residual[:-1]).sum()) / scatter
    correlation = min(max((number * lag + 2.0) / (number - 4.0), 0.0), _MOST_CORRELATED)
    return float(np.sqrt(scatter / (number - 2) / square * (1.0 + correlation) / (1.0 - correlation)))
