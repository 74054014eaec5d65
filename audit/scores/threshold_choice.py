"""A threshold chosen on a smooth curve of utility, with the set of thresholds that are not shown to be worse.

The threshold with the largest observed utility follows the noise: on a bumpy curve the best point is a lucky one. Here
the curve is smoothed first, and what the data cannot tell apart is said.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference import intervals
from audit.rollup import FN, FP, TN, TP, Cells, Floats, Partition, cells_of, partition, summed
from audit.scores.outcome_means import effective_trials
from audit.scores.thresholds import all_thresholds, bins_of
from audit.scores.utility import Payoff
from audit.tally import Tally

Flags = npt.NDArray[np.bool_]
_REACH = 4.0


class Choice(NamedTuple):
    """The chosen threshold of each slice, and what speaks for it.

    `thresholds` has the shape (n_thresholds,); `utility`, `smooth` and `kept`, shape (n_slices, n_thresholds), are the
    observed and the smoothed expected utility and the confidence set: thresholds not shown to be worse than another.
    `decision`, of that shape too, numbers the different decisions: thresholds with no row between them share one.
    `best`, shape (n_slices,), is the place of the chosen one, -1 where a slice has no labelled row; `compared` how many
    different thresholds were compared; `bandwidth` that of the smoother, in units of the score.

    Examples
    --------
    >>> one = np.array([[0.5]])
    >>> everyone, nought = Partition((), ((),), np.array([0])), np.array([0])
    >>> Choice(np.array([0.0]), everyone, one, one, one > 0, np.array([[0]]), nought, nought, nought).best
    array([0])
    """

    thresholds: Floats
    slices: Partition
    utility: Floats
    smooth: Floats
    kept: Flags
    decision: npt.NDArray[np.int64]
    best: npt.NDArray[np.int64]
    compared: npt.NDArray[np.int64]
    bandwidth: Floats


class Steps(NamedTuple):
    """Payoff gained by acting on one more bin of a slice, and the second moments of these gains.

    `gain` and `number`, shape (bins,): the sum of weight x gain and of weight; `acted` the rows by label, (2, bins).
    `square`, shape (bins + 1, bins + 1): prefix sums of the moments of gains of two bins; `single`, shape (bins + 1,):
    of gains with everything; `all_` the moment of everything. Without clusters `square` is diagonal: its prefix sums
    are kept as (bins + 1,).

    Examples
    --------
    >>> zero = np.zeros(1)
    >>> Steps(zero, zero, np.zeros((2, 1)), np.zeros(2), np.zeros(2), 0.0, 0.0).gain.tolist()
    [0.0]
    """

    gain: Floats
    number: Floats
    acted: Floats
    square: Floats
    single: Floats
    all_: float
    rows: float


def choose_thresholds(tally: Tally, payoff: Payoff, *, features: Sequence[str] = (), level: float = 0.95) -> Choice:
    """Choose a threshold for every group on its smoothed curve of expected utility.

    The observed curve is smoothed with a Gaussian kernel over the threshold, which is to smooth the decision "score at
    least t" into Phi((score - t) / h). So smoothed, the chosen threshold comes nearer to the best one with n^(-2/5)
    instead of n^(-1/3): J. L. Horowitz (1992), A smoothed maximum score estimator for the binary response model,
    doi:10.2307/2951582; for cut-points with kernels R. Fluss, D. Faraggi and B. Reiser (2005), Estimation of the Youden
    index and its associated cutoff point, doi:10.1002/bimj.200410135. The bandwidth is h = 0.9 min(sd, IQR / 1.34)
    n^(-1/5) (Silverman 1986, Density estimation, eq. 3.31), at least one score bin; n is Kish's effective number of
    labelled rows. Acting on everyone and on nobody are no points of a smooth curve: they enter with the utility that
    was observed.

    The confidence set leaves a threshold out only where another is shown to be better: the lower end of the one-sided
    interval of their paired difference lies above 0, simultaneously over all others (Bonferroni). It holds the truly
    best threshold with probability `level` at least; it is the multiple comparison with the best of J. C. Hsu (1984),
    Constrained simultaneous confidence intervals for multiple comparisons with the best, doi:10.1214/aos/1176346732.
    The interval is that of `audit.scores.outcome_means.mean_interval`, of the three outcomes that two thresholds differ
    by. The chosen threshold is the best of the smoothed curve within the set, named by the highest edge that acts on
    the same rows (0 where that is everyone).

    Parameters
    ----------
    tally
        A tally with scores.
    payoff
        What the four outcomes are worth.
    features
        The features whose (crossed) groups get a threshold each; none = one for everyone.
    level
        Of the confidence set of each slice.

    Raises
    ------
    InputError
        If the tally holds no scores, a feature is unknown or the level lies outside (0, 1).

    Examples
    --------
    Scores of 0.1, 0.3, ... 0.9 whose chance of a true signal they are; acting pays from 0.5.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> pairs = [(s / 10, int(i < s * 10)) for s in (1, 3, 5, 7, 9) for i in range(100)]
    >>> frame = pa.table({"s": [s for s, _ in pairs], "y": [y for _, y in pairs]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> choice = choose_thresholds(tally, Payoff(tp=1, fp=-1, fn=0, tn=0))
    >>> bool(0.3 < choice.thresholds[choice.best[0]] <= 0.7)
    True
    """
    unknown = [f"unknown feature {name!r}; the tally has {list(tally.features)}" for name in features
               if name not in tally.features]  # fmt: skip
    raise_violations(unknown + ([] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]))
    cells = cells_of(tally)
    bins_of(cells)
    slices = partition(cells, features)
    thresholds = all_thresholds(cells.n_bins)
    found = [_chosen(_steps(cells, slices.member == place, payoff), payoff, level)
             for place in range(len(slices.groups))]  # fmt: skip
    utility, smooth, kept, decision, best, compared, width = (np.stack(column) for column in zip(*found, strict=True))
    return Choice(thresholds, slices, utility, smooth, kept, decision, best, compared, width)


def named_edge(edge: int, decision: npt.NDArray[np.int64]) -> int:
    """Return the edge to name a decision by: 0 for everyone, else the highest that acts on the same rows.

    Examples
    --------
    >>> named_edge(1, np.array([0, 1, 1, 2])), named_edge(0, np.array([0, 0, 1, 2]))
    (2, 0)
    """
    return 0 if decision[edge] == 0 else int(np.searchsorted(decision, decision[edge], side="right")) - 1


def _chosen(
    steps: Steps, payoff: Payoff, level: float
) -> tuple[Floats, Floats, Flags, npt.NDArray[np.int64], int, int, float]:
    bins = len(steps.gain)
    total = steps.number.sum()
    if total <= 0:
        undefined = np.full(bins + 1, np.nan)
        return undefined, undefined, np.zeros(bins + 1, bool), np.zeros(bins + 1, np.int64), -1, 0, np.nan
    waiting = (steps.acted[0].sum() * payoff.fn + steps.acted[1].sum() * payoff.tn) / total
    utility = waiting + np.append(np.cumsum(steps.gain[::-1])[::-1], 0.0) / total
    different, distinct = _distinct(steps.number)
    kept = _not_worse(steps, payoff, different, level)[distinct]
    width = _bandwidth(steps)
    smooth = _smoothed(utility, width * bins)
    inner = kept.copy()
    inner[[0, -1]] = False
    candidates = [int(np.argmax(np.where(inner, smooth, -np.inf)))] if inner.any() else []
    candidates += [end for end in (0, bins) if kept[end]]
    best = named_edge(max(candidates, key=lambda place: utility[place]), distinct)
    return utility, smooth, kept, distinct, best, len(different), width


def _steps(cells: Cells, inside: Flags, payoff: Payoff) -> Steps:
    """Return what acting on each bin brings in a slice; see `Steps`."""
    bins, width = bins_of(cells), cells.n_bins
    positive = (cells.quadrant == TP) | (cells.quadrant == FN)
    labelled = inside & (positive | (cells.quadrant == FP) | (cells.quadrant == TN))
    gain = np.where(positive, payoff.tp - payoff.fn, payoff.fp - payoff.tn)
    weight = np.where(labelled, cells.w, 0.0)
    acted = np.stack([summed(bins, weight * side, width) for side in (positive, ~positive)])
    if cells.pairs is None:
        second = np.where(labelled, cells.w2, 0.0)
        square = _prefix(summed(bins, second * gain**2, width))
        single = _prefix(summed(bins, second * gain, width))
        all_ = float(second.sum())
    else:
        left, right = cells.pairs.left, cells.pairs.right
        moment = np.where(labelled[left] & labelled[right], cells.pairs.moment, 0.0)
        joint = summed(bins[left] * width + bins[right], moment * gain[left] * gain[right], width * width)
        square = np.zeros((width + 1, width + 1))
        square[1:, 1:] = joint.reshape(width, width).cumsum(axis=0).cumsum(axis=1)
        single = _prefix(summed(bins[left], moment * gain[left], width))
        all_ = float(moment.sum())
    rows = float(cells.n[labelled].sum())
    return Steps(summed(bins, weight * gain, width), acted.sum(axis=0), acted, square, single, all_, rows)


def _prefix(values: Floats) -> Floats:
    return np.append(0.0, np.cumsum(values))


def _distinct(number: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return one edge per different decision, and for every edge the place of its decision among them."""
    between = np.append(True, number > 0)  # edge k differs from edge k - 1 where bin k - 1 holds rows
    return np.flatnonzero(between), np.cumsum(between) - 1


def _not_worse(steps: Steps, payoff: Payoff, edges: npt.NDArray[np.int64], level: float) -> Flags:
    """Return which of some edges are not shown to be worse than another of them."""
    if len(edges) < 2:
        return np.ones(len(edges), dtype=bool)
    total = steps.number.sum()
    first, last = np.minimum(edges[:, None], edges), np.maximum(edges[:, None], edges)
    sign = np.where(edges[:, None] > edges, 1.0, -1.0)  # of column minus row: who acts from a lower edge gains more
    share = np.stack([(_prefix(side)[last] - _prefix(side)[first]) / total for side in steps.acted])
    values = sign * np.array([payoff.tp - payoff.fn, payoff.fp - payoff.tn])[:, None, None]
    mean = (share * values).sum(axis=0)
    kish = total**2 / max(steps.all_, 1e-300)
    plain = kish >= steps.rows * (1 - 1e-9)
    df = np.inf if plain else max(kish - 1.0, 1.0)
    critical = float(intervals.quantile(2 * level - 1 if level > 0.5 else level, df=df, comparisons=len(edges) - 1))
    if plain:
        trials = np.full(mean.shape, steps.rows)
    else:
        variance = _difference_variance(steps, first, last, sign * mean, total) * (1 + 1 / df)
        trials = effective_trials((share * values**2).sum(axis=0) - mean**2, variance, kish, steps.rows)
    shrunk = (trials * share + critical**2 / 3) / (trials + critical**2)
    middle = (shrunk * values).sum(axis=0)
    spread = np.sqrt(np.maximum((shrunk * values**2).sum(axis=0) - middle**2, 0.0) / (trials + critical**2))
    better = np.minimum(middle, mean) - critical * spread > 0
    np.fill_diagonal(better, val=False)
    return np.asarray(~better.any(axis=1))


def _difference_variance(steps: Steps, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], mean: Floats,
                         total: float) -> Floats:  # fmt: skip
    """Return the linearised variance of mean gains between two edges: influence (gain inside - mean) / total."""
    if steps.square.ndim == 1:
        square = steps.square[last] - steps.square[first]
    else:
        corners = (steps.square[last, last], steps.square[first, last], steps.square[last, first])
        square = corners[0] - corners[1] - corners[2] + steps.square[first, first]
    single = steps.single[last] - steps.single[first]
    return np.maximum(square - 2 * mean * single + mean**2 * steps.all_, 0.0) / total**2


def _bandwidth(steps: Steps) -> float:
    """Return the normal reference bandwidth of the labelled scores, at least one bin."""
    bins, total = len(steps.number), steps.number.sum()
    place = (np.arange(bins) + 0.5) / bins
    mean = (steps.number * place).sum() / total
    deviation = np.sqrt((steps.number * (place - mean) ** 2).sum() / total)
    quartiles = place[np.searchsorted(np.cumsum(steps.number) / total, [0.25, 0.75])]
    between = (quartiles[1] - quartiles[0]) / 1.34
    scale = min(deviation, between) if between > 0 else deviation
    kish = max(total**2 / max(steps.all_, 1e-300), 1.0)
    return float(max(0.9 * scale * kish**-0.2, 1 / bins))


def _smoothed(curve: Floats, width: float) -> Floats:
    """Return a curve convolved with a Gaussian of a width in points; beyond its ends it goes on as it ends."""
    reach = int(np.ceil(_REACH * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.concatenate([np.full(reach, curve[0]), curve, np.full(reach, curve[-1])])
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
