"""The gap between two sides in a linear probability model with the controls as categories."""

import numpy as np
import numpy.typing as npt

from audit.causes.side_intervals import Contrast, Mask
from audit.rollup import Cells, Floats


def least_squares(
    cells: Cells, exposed: Mask, success: Mask, controls: tuple[npt.NDArray[np.int64], ...]
) -> Contrast | None:
    """Return the group's coefficient by partialling the controls out; None where they say who is exposed.

    Parameters
    ----------
    cells
        The cells; each stands for `n` rows of the weight w / n.
    exposed, success
        Which cells are of the group, and which are successes, shape (n_cells,).
    controls
        Codes of each control, shape (n_cells,).

    Notes
    -----
    Frisch & Waugh 1933, doi:10.2307/1907330: the coefficient is that of the outcome on what the controls leave of the
    group. A row's leverage is the sum of the two parts'.

    Examples
    --------
    One control that is alike for all: the difference of the means, 1 and 1/2, and leverages of 1/2 on both sides.

    >>> n, exposed, success = np.ones(4), np.array([1, 1, 0, 0]) > 0, np.array([1, 1, 1, 0]) > 0
    >>> cells = Cells(np.array([0, 0, 0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> found = least_squares(cells, exposed, success, (np.zeros(4, dtype=np.int64),))
    >>> round(found.value, 6), found.share.round(6).tolist(), found.leverage.round(6).tolist()
    (0.5, [0.5, 0.5, -0.5, -0.5], [0.5, 0.5, 0.5, 0.5])
    """
    w = cells.w
    if not len(w):
        return None
    # Controls are alike within their strata, so that the strata's means are all that they fit.
    strata, member = np.unique(np.stack(controls), axis=1, return_inverse=True)
    member = member.ravel()
    weight = np.asarray(np.bincount(member, weights=w), dtype=np.float64)
    basis = _basis(strata, weight)
    both = np.stack([exposed, success], axis=1).astype(np.float64)
    means = np.stack([np.bincount(member, weights=w * side) for side in both.T], axis=1)
    root = np.sqrt(np.where(weight > 0, weight, 1.0))[:, None]
    left = both - (basis @ (basis.T @ (means / root)) / root)[member]
    amount = float((w * left[:, 0] ** 2).sum())
    if amount <= 1e-9 * w.sum():
        return None
    share = left[:, 0] / amount
    value = float((w * share * success).sum())
    residual = left[:, 1] - left[:, 0] * value
    leverage = ((basis**2).sum(axis=1) / root[:, 0] ** 2)[member] + left[:, 0] ** 2 / amount
    leverage *= w / cells.n
    share[np.abs(share) * w.sum() < 1e-9] = 0.0
    added = w * share * success
    rates = -float(added[~exposed].sum()), float(added[exposed].sum())
    return Contrast(value, exposed, share, share * residual, leverage, rates)


def _basis(strata: npt.NDArray[np.int64], weight: Floats) -> Floats:
    """Return an orthonormal basis of what the controls can fit, rows of strata scaled by the root of their weight."""
    columns = [np.ones(len(weight))]
    for codes in strata:
        columns += [(codes == value).astype(np.float64) for value in np.unique(codes)[1:]]
    basis, sizes, _ = np.linalg.svd(np.stack(columns, axis=1) * np.sqrt(weight)[:, None], full_matrices=False)
    return np.asarray(basis[:, sizes > sizes[0] * 1e-10], dtype=np.float64)
