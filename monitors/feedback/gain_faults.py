"""Why a grid of places and periods cannot say how strong a loop is."""

import numpy as np
import numpy.typing as npt

from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.gain_counts import Grid
from monitors.feedback.gain_fit import log_past, within

Array = npt.NDArray[np.float64]

FEWEST_PLACES = 6
_LARGEST_CORRELATION, _LARGEST_T, _SURELY = 0.25, 4.0, 0.97
_LARGEST_PART = 0.5


def not_enough(counts: Array) -> str | None:
    """Return why counts are too few to compare: places, periods, or findings.

    Examples
    --------
    >>> not_enough(np.ones((5, 9)))[:49]
    'cannot be measured, because there are 5 places, a'
    """
    present = np.isfinite(counts)
    places, periods = int(present.any(axis=1).sum()), int(present.any(axis=0).sum())
    if places < FEWEST_PLACES:
        return (
            f"{CANNOT} there are {places} places, and fewer than {FEWEST_PLACES} do not show how much places differ by "
            "chance. Divide the places, or wait until there are more."
        )
    if periods < 2:
        return f"{CANNOT} there is a single period: nothing came back yet. Log at least two retraining rounds or weeks."
    if not np.nansum(counts) > 0:
        return f"{CANNOT} nothing was found in any place and period: what comes back is 0 throughout. Log outcomes."
    return None


def not_random(grid: Grid) -> str | None:
    """Return why a dither is none: it does not vary, or goes with what was known before it was drawn.

    Examples
    --------
    >>> still = np.zeros((6, 9))
    >>> not_random(Grid(still + 1, still, None, still, None, ordered=True, rows=54))[:58]
    'cannot be measured, because the dither is the same in all '
    """
    dither = np.full_like(grid.fed_back, np.nan) if grid.dither is None else grid.dither
    known = np.isfinite(dither) & np.isfinite(grid.fed_back)
    weights = known.astype(np.float64)
    own = within(np.nan_to_num(dither)[None], weights, place_effects=False)[0] * weights
    if float((own**2).sum()) <= 1e-12 * max(float(known.sum()), 1.0):
        return (
            f"{CANNOT} the dither is the same in all places of a period: without a random difference between places "
            "nothing tells the loop's part from theirs. Draw a dither for each place and period, such as N(0, 0.3)."
        )
    past = [("the planned attention", grid.plan)]
    if grid.ordered:
        earlier = np.full_like(dither, np.nan)
        earlier[:, 1:] = dither[:, :-1]
        past += [("the dither of the period before", earlier), ("what was fed back before", log_past(grid.fed_back))]
    for name, column in past:
        found = None if column is None else _correlation(dither, column, known)
        if found is not None:
            return (
                f"{CANNOT} the dither goes with {name} (correlation {found:.2f}): it is no random number that was "
                "drawn anew. Draw it by chance for each place and period, and log it as it was drawn."
            )
    return None


def _correlation(dither: Array, column: Array, known: npt.NDArray[np.bool_]) -> float | None:
    """Return the correlation within periods where it is too large for a dither that was drawn by chance."""
    weights = (known & np.isfinite(column)).astype(np.float64)
    columns = np.stack([np.nan_to_num(dither), np.nan_to_num(column)])
    one, two = within(columns, weights, place_effects=False) * weights
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    if scale <= 1e-12:
        return None
    by_place = (one * two).sum(axis=1)
    total = float(by_place.sum())
    # Columns that keep their values (a plan) make a place's products alike: the scatter is that between places.
    error = float(np.sqrt((by_place**2).sum()))
    large = abs(total) / scale > _LARGEST_CORRELATION and abs(total) > _LARGEST_T * error
    # Few places show no scatter that could be trusted: there, what cells drawn by chance would hardly ever show.
    by_chance = min(max(2 * _LARGEST_CORRELATION, _LARGEST_T / float(np.sqrt(weights.sum()))), _SURELY)
    return total / scale if large or abs(total) / scale > by_chance else None


def one_place(part: float) -> str | None:
    """Return that one place holds most of what an estimate rests on, where it does.

    Examples
    --------
    >>> one_place(0.4) is None, one_place(0.9)[28:50]
    (True, 'one place holds 90% of')
    """
    if part <= _LARGEST_PART:
        return None
    return (
        f"{CANNOT} one place holds {part:.0%} of what the estimate rests on, so that nothing shows how much places "
        "differ. Divide that place."
    )
