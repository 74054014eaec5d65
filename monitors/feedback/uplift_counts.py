"""What acting changes, and how well a score orders people by it, from sums by bin of the score."""

from typing import Any

import numpy as np
import numpy.typing as npt

from monitors.feedback.moment_sums import Floats

Totals = npt.NDArray[Any]

MOMENTS = ("acted", "acted_outcome", "spared", "spared_outcome")
"""Sums of w a, w a y, w (1 - a) and w (1 - a) y, with weights w = 1 / chance of the action that was taken."""


def uplift(total: Totals) -> Any:  # noqa: ANN401 - a number, complex where it is differentiated
    """Return the mean outcome of those acted on less that of those spared, of totals in the order of `MOMENTS`.

    Examples
    --------
    Of 10 acted on 6 bought, of 20 spared 5.

    >>> round(float(uplift(np.array([10.0, 6.0, 20.0, 5.0]))), 6)
    0.35
    """
    return total[1] / total[0] - total[3] / total[2]


def if_acted(total: Totals) -> Any:  # noqa: ANN401 - as uplift
    """Return the mean outcome of those acted on.

    Examples
    --------
    >>> float(if_acted(np.array([10.0, 6.0, 20.0, 5.0])))
    0.6
    """
    return total[1] / total[0]


def if_spared(total: Totals) -> Any:  # noqa: ANN401 - as uplift
    """Return the mean outcome of those not acted on.

    Examples
    --------
    >>> float(if_spared(np.array([10.0, 6.0, 20.0, 5.0])))
    0.25
    """
    return total[3] / total[2]


def gain_curve(total: Totals) -> tuple[Totals, Totals]:
    """Return shares of people from the highest score on, and what acting on just them would bring per person.

    Parameters
    ----------
    total
        Sums by bin from the lowest score to the highest, shape (n_bins, 4), in the order of `MOMENTS`.

    Returns
    -------
    tuple of ndarray
        Shares and gains, shape (n_bins + 1,), both from 0; the gain of a share is the share times the uplift in it, and
        0 while it holds none of one kind.

    Examples
    --------
    The upper half gains .5, the lower nothing: half of it for all at half the people, and no more after that.

    >>> share, gain = gain_curve(np.array([[10.0, 5.0, 10.0, 5.0], [10.0, 9.0, 10.0, 4.0]]))
    >>> share.tolist(), gain.round(6).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.25, 0.25])
    """
    sums = np.cumsum(total[::-1], axis=0)
    both = (sums[:, 0].real > 0) & (sums[:, 2].real > 0)
    safe = np.where(both[:, None], sums, 1.0)
    share = (sums[:, 0] + sums[:, 2]) / (sums[-1, 0] + sums[-1, 2])
    gain = np.where(both, share * (safe[:, 1] / safe[:, 0] - safe[:, 3] / safe[:, 2]), 0.0)
    start = np.zeros(1, dtype=sums.dtype)
    return np.concatenate([start, share]), np.concatenate([start, gain])


def qini(total: Totals) -> Any:  # noqa: ANN401 - as uplift
    r"""Return the Qini coefficient: the area between the gain curve and that of an order by chance.

    :math:`\int_0^1 G(s)\,ds - G(1) / 2`, by trapezoids, in units of the outcome per person; larger is better, 0 is
    chance.

    Parameters
    ----------
    total
        As in `gain_curve`.

    References
    ----------
    N. J. Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal 1,
    14-21; the gain of a share is told per person here, with weights for unequal chances.

    Examples
    --------
    The curve of `gain_curve`: .25 / 4 + .25 / 2 - .25 / 2.

    >>> round(float(qini(np.array([[10.0, 5.0, 10.0, 5.0], [10.0, 9.0, 10.0, 4.0]]))), 6)
    0.0625
    """
    share, gain = gain_curve(total)
    return (np.diff(share) * (gain[1:] + gain[:-1])).sum() / 2.0 - gain[-1] / 2.0


def qini_influence(total: Floats) -> Floats:
    """Return by how much the coefficient moves with each sum, shape (n_bins, 4): complex steps, without error.

    A row moves it by the sum of its own four terms times these.

    Examples
    --------
    The coefficient does not change when all sums are doubled, so that its influences add up to 0.

    >>> total = np.array([[10.0, 5.0, 10.0, 5.0], [10.0, 9.0, 10.0, 4.0]])
    >>> abs(round(float((qini_influence(total) * total).sum()), 12))
    0.0
    """
    found = np.zeros(total.shape)
    for place in np.ndindex(*total.shape):
        moved = total.astype(np.complex128)
        moved[place] += 1e-20j
        found[place] = np.imag(qini(moved)) / 1e-20
    return found


def cuts(counts: npt.ArrayLike, parts: int) -> list[int]:
    """Return after which fine bins to cut so that about equally many rows lie between cuts.

    Parameters
    ----------
    counts
        Rows by fine bin, shape (n_fine,).
    parts
        How many parts are wanted; fewer come where many rows share a bin.

    Examples
    --------
    >>> cuts([5, 5, 0, 10, 1, 9], 3)
    [2, 4]
    """
    below = np.cumsum(np.asarray(counts, dtype=np.float64))
    if not len(below) or below[-1] == 0:
        return []
    wanted = below[-1] * np.arange(1, parts) / parts
    found = np.searchsorted(below, wanted - 1e-9 * below[-1], side="left") + 1
    return [int(place) for place in np.unique(found) if 0 < below[place - 1] < below[-1]]
