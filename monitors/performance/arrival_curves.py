"""How long labels take: the share of labels that are there at each age, although young rows show only the fast ones."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference import intervals
from monitors.performance.arrivals import Delays

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_LABELS = 30
"""Of fewer labels whose rows were watched for so long nothing is said about longer delays."""


class ArrivalCurve(NamedTuple):
    """The share of labels that have arrived by each age 0, 1, ..., in steps, of the labels that come within the last.

    `share`, `low` and `high` have the shape (n_steps + 1,) and rise from 0 to 1. `n` labels were used. Empty arrays
    where there are too few labels.

    Examples
    --------
    >>> ArrivalCurve(np.array([0.0, 0.5, 1.0]), np.zeros(3), np.ones(3), 40).age_of(0.9)
    2
    """

    share: FloatArray
    low: FloatArray
    high: FloatArray
    n: int

    @property
    def known(self) -> bool:
        """Whether there were labels enough."""
        return len(self.share) > 0

    @property
    def horizon(self) -> int:
        """The longest delay that is spoken of, in steps."""
        return len(self.share) - 1

    def age_of(self, share: float) -> int:
        """Return the first age at which this share of the labels is there; -1 where nothing is known."""
        return int(np.argmax(self.share >= share - 1e-12)) if self.known else -1

    def at(self, age: npt.ArrayLike) -> FloatArray:
        """Return the share at ages in steps; 1 beyond the horizon, NaN where nothing is known."""
        ages = np.asarray(age, dtype=np.int64)
        if not self.known:
            return np.full(ages.shape, np.nan)
        return np.asarray(self.share[np.clip(ages, 0, self.horizon)])


def arrival_curve(cells: Delays, chosen: npt.NDArray[np.bool_], *, level: float = 0.95) -> ArrivalCurve:
    r"""Return the arrival curve of the labels in some cells, from rows of every age.

    Among the labels that are there, fast ones of young rows are too many. Looked at backwards in time that is mended:
    of the labels with a delay of at most d steps, on rows watched for longer than that, the share with exactly d is
    unbiased. With e_d of those r_d labels,

    .. math:: F(a) = \prod_{d \ge a} (1 - e_d / r_d)

    is the share that has arrived by age a, of the labels that come within the horizon: the longest delay for which
    r_d is at least `MIN_LABELS`. How many labels never come it cannot say (see `label_coverage`). Assumed: delays do
    not depend on when a row was predicted.

    Parameters
    ----------
    cells
        The counts.
    chosen : ndarray, shape (n_cells,)
        Which cells take part; those without a timed label are left out.
    level
        Of the pointwise intervals: those of a rate with the effective count that Greenwood's variance gives.

    References
    ----------
    S. W. Lagakos, L. M. Barraj and V. De Gruttola (1988), Nonparametric analysis of truncated survival data, with
    application to AIDS, Biometrika 75, 515-523, doi:10.1093/biomet/75.3.515; the reverse-time product limit.

    Examples
    --------
    Rows watched for 2 steps: 30 labels after less than one step, 30 after one to two. Rows watched for 1 step show 40
    fast labels, which change nothing.

    >>> cells = Delays(n=np.array([30, 30, 40]), age=np.array([2, 2, 1]), delay=np.array([0, 1, 0]),
    ...                window=np.zeros(3, int), label=np.array(["1"] * 3, dtype=object))
    >>> arrival_curve(cells, np.ones(3, bool)).share.tolist()
    [0.0, 0.5, 1.0]
    """
    there = chosen & (cells.delay >= 0)
    n, delay, age = (values[there] for values in (cells.n, cells.delay, cells.age))
    whole = delay < age  # a step that is not over yet shows only its beginning
    steps = int(age.max(initial=0)) + 1
    watched = np.zeros((steps, steps), dtype=np.int64)
    np.add.at(watched, (delay[whole], age[whole]), n[whole])
    older = watched[:, ::-1].cumsum(axis=1)[:, ::-1]  # [d, a]: delay d, age at least a
    events = np.append(np.diagonal(older, offset=1), 0)  # delay d, age at least d + 1
    at_risk = np.append(np.diagonal(older.cumsum(axis=0), offset=1), 0)
    enough = np.flatnonzero(at_risk >= MIN_LABELS)
    if not len(enough):
        nothing = np.empty(0)
        return ArrivalCurve(nothing, nothing, nothing, int(n.sum()))
    last = _unbroken(at_risk)
    e, r = events[: last + 1].astype(np.float64), at_risk[: last + 1].astype(np.float64)
    return _with_bounds(e, r, level, int(n[whole & (delay <= last)].sum()))


def _unbroken(at_risk: IntArray) -> int:
    """Return the longest delay up to which enough labels are there without a gap after the first that has them."""
    return int(np.flatnonzero(at_risk >= MIN_LABELS)[-1])


def _with_bounds(events: FloatArray, at_risk: FloatArray, level: float, n: int) -> ArrivalCurve:
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(at_risk > 0, events / at_risk, 0.0)
        terms = np.where(at_risk > events, events / (at_risk * (at_risk - events)), 0.0)
    share = np.append(np.cumprod((1.0 - hazard)[::-1])[::-1], 1.0)
    variance = np.append(np.cumsum(terms[::-1])[::-1], 0.0)
    size = np.append(at_risk, at_risk[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = (1.0 - share) / (share * variance)
    effective = np.where(np.isfinite(effective) & (effective > 0), np.minimum(effective, n), np.maximum(size, 1.0))
    ends = intervals.rate(share * effective, effective, level=level)
    return ArrivalCurve(share, np.minimum(ends.low, share), np.maximum(ends.high, share), n)
