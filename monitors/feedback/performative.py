"""By how much the next model moves because this one did: from the models' parameters, or from scores and thresholds."""

from collections.abc import Sequence
from math import isfinite, log, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import Measurement
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_sums import Floats

SENSITIVITY, SHIFT = "performative_sensitivity", "score_shift_per_threshold"
LIMIT = 1.0

FEWEST_SLOPE, FEWEST_INTERVAL = 4, 6
"""Models that a slope, and an interval of it, take."""

_CANNOT = "cannot be measured, because"
_GRID, _REACH = 61, 8.0
"""Slopes that are tried, and how many standard errors they reach to either side."""

_LARGEST = 3.0  # slopes beyond it either way are not tried: such a loop has left every range within a few rounds


class _Line(NamedTuple):
    slope: Floats
    error: Floats


def performative_sensitivity(
    theta: npt.ArrayLike, *, level: float = 0.95, draws: int = 999, seed: int = 0
) -> Measurement:
    r"""Return the slope of the next model's parameter on this one's, over retraining rounds.

    Below 1 in size, retraining again and again settles; at 1 or above it never does. Range (-inf, inf).

    Parameters
    ----------
    theta
        Parameter of each model in the order of rounds, shape (n_rounds,), or parameters on one scale (n_rounds,
        n_parameters): then one slope is fitted to all of them.
    level
        Confidence level, in (0, 1).
    draws
        Paths that are drawn for each slope of the grid.
    seed
        Of the paths.

    Returns
    -------
    Measurement
        Metric "performative_sensitivity"; n is the number of steps between models. Without a value where fewer than
        four models are given or they do not move at all; without an interval of fewer than six, or where the steps lie
        on a line without noise.

    Raises
    ------
    InputError
        If parameters are not finite numbers in one or two dimensions, or level or draws lie outside their ranges.

    Notes
    -----
    theta_{t+1} = a + b theta_t + noise; the least squares slope is biased and its t statistic far from Student's where
    b is near 1. The interval therefore holds all slopes under which the t statistic that was seen is no rarer than
    the level allows, by paths drawn under each slope of a grid: B. E. Hansen (1999), The grid bootstrap and the
    autoregressive model, doi:10.1162/003465399558463. Slope and limit: J. C. Perdomo, T. Zrnic, C. Mendler-Duenner &
    M. Hardt (2020), Performative prediction, arXiv:2002.06673. A slope needs a shock to show: parameters that only
    tremble about one value say little, and the interval is wide.

    Examples
    --------
    Each model moves half as far as the one before: 0, 2, 3, 3.5, 3.75.

    >>> row = performative_sensitivity([0.0, 2.0, 3.0, 3.5, 3.75])
    >>> round(row.value, 6), row.reason
    (0.5, 'no interval: the steps show no noise')
    """
    path = np.asarray(theta, dtype=np.float64)
    path = path[:, None] if path.ndim == 1 else path
    raise_violations(_violations(path, level, draws))
    steps = len(path) - 1
    if len(path) < FEWEST_SLOPE:
        why = f"{_CANNOT} {len(path)} models are fewer than {FEWEST_SLOPE}. Keep the parameters of each retraining."
        return Measurement(metric=SENSITIVITY, value=None, n=max(steps, 0), method="none", reason=why)
    if not np.ptp(path[:-1], axis=0).any():
        why = f"{_CANNOT} the parameters do not move. Change something by chance, or wait for a shock."
        return Measurement(metric=SENSITIVITY, value=None, n=steps, method="none", reason=why)
    line = _fit(path[None])
    value, error = float(line.slope[0]), float(line.error[0])
    ends, reason = None, f"no interval: {len(path)} models are fewer than {FEWEST_INTERVAL}"
    if error <= 1e-9 * max(1.0, abs(value)):
        reason = "no interval: the steps show no noise"
    elif len(path) >= FEWEST_INTERVAL:
        ends, reason = _grid_interval(path, value, error, level, (draws, seed)), ""
    return Measurement(
        metric=SENSITIVITY, value=value, low=ends[0] if ends else None, high=ends[1] if ends else None, n=steps,
        level=level, method="grid_bootstrap", reason=reason or None,
    )  # fmt: skip


def _violations(path: Floats, level: float, draws: int) -> list[str]:
    found = []
    if path.ndim != 2 or not np.isfinite(path).all():
        found.append(f"theta must be finite numbers, one row per round; got shape {path.shape} with others among them")
    if not 0 < level < 1:
        found.append(f"level must lie in (0, 1); got {level}")
    if draws < 99:
        found.append(f"draws must be at least 99; got {draws}")
    return found


def _fit(paths: Floats) -> _Line:
    """Return the least squares slope of each path, shape (n_paths, n_rounds, n_parameters), and its error."""
    before, after = paths[:, :-1], paths[:, 1:]
    before = before - before.mean(axis=1, keepdims=True)
    after = after - after.mean(axis=1, keepdims=True)
    steep = (before**2).sum(axis=(1, 2))
    slope = (before * after).sum(axis=(1, 2)) / steep
    rest = after - slope[:, None, None] * before
    df = before.shape[1] * before.shape[2] - before.shape[2] - 1
    return _Line(slope, np.sqrt((rest**2).sum(axis=(1, 2)) / max(df, 1) / steep))


def _grid_interval(path: Floats, value: float, error: float, level: float, how: tuple[int, int]) -> tuple[float, float]:
    """Return the smallest and largest slope of the grid that is not rejected, each moved half a step outwards."""
    draws, seed = how
    noise = np.random.default_rng(seed).standard_normal((draws, len(path) - 1, path.shape[1]))
    reach = _REACH * error
    low, high = max(value - reach, min(-_LARGEST, value)), min(value + reach, max(_LARGEST, value))
    grid = np.linspace(low, high, _GRID)
    kept = [slope for slope in grid if _kept(path, float(slope), (value, error), level, noise)]
    half = (grid[1] - grid[0]) / 2
    return (float(min(kept)) - half, float(max(kept)) + half) if kept else (value - half, value + half)


def _kept(path: Floats, slope: float, seen: tuple[float, float], level: float, noise: Floats) -> bool:
    """Return whether the t statistic that was seen is usual among paths of a slope with the noise that is left."""
    rest = path[1:] - slope * path[:-1]
    start = rest.mean(axis=0)
    spread = np.sqrt(((rest - start) ** 2).sum(axis=0) / (len(rest) - 1))
    drawn = np.empty((len(noise), *path.shape))
    drawn[:, 0] = path[0]
    for step in range(len(path) - 1):
        drawn[:, step + 1] = start + slope * drawn[:, step] + spread * noise[:, step]
    line = _fit(drawn)
    t = (line.slope - slope) / line.error
    ends = np.quantile(t, [(1 - level) / 2, (1 + level) / 2])
    return bool(ends[0] <= (seen[0] - slope) / seen[1] <= ends[1])


def score_shift_per_threshold(
    counts: npt.ArrayLike, thresholds: Sequence[float], *, level: float = 0.95
) -> tuple[Measurement, ...]:
    r"""Return how far scores moved per change of the threshold, from one round to the next.

    The Wasserstein distance of the two rounds' scores over the size of the change: 0 where people do not react to the
    threshold, 1 where their scores move as far as it does. Range [0, inf).

    Parameters
    ----------
    counts
        Rows by round and equal bin of the score on [0, 1], shape (n_rounds, n_bins).
    thresholds
        Of each round, in [0, 1], shape (n_rounds,).
    level
        Of each interval, in (0, 1).

    Returns
    -------
    tuple of Measurement
        One "score_shift_per_threshold" for each round after the first (``at`` its place from 1 under "round"); without
        a value where the threshold did not change or a round has no rows.

    Raises
    ------
    InputError
        If shapes do not fit, counts are negative or not finite, or thresholds lie outside [0, 1]: all at once.

    Notes
    -----
    :math:`W_1 = \int |F_1 - F_2|`, of binned scores. With probability at least `level` both distribution functions lie
    within :math:`\sqrt{\log(4 / (1 - level)) / (2 n)}` of their estimates everywhere (P. Massart 1990,
    doi:10.1214/aop/1176990746), so that the distance is off by no more than the sum of the two. It is the empirical
    form of the sensitivity of Perdomo and others (2020), which bounds :math:`W_1(D(\theta), D(\theta')) / |\theta -
    \theta'|` for all pairs; a shift has other causes too, and then lies above it.

    Examples
    --------
    All scores move up by one of ten bins, as does the threshold.

    >>> counts = np.zeros((2, 10)); counts[0, 4] = counts[1, 5] = 1000
    >>> [round(row.value, 6) for row in score_shift_per_threshold(counts, [0.5, 0.6])]
    [1.0]
    """
    table, levels = np.asarray(counts, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    raise_violations(_shift_violations(table, levels, level))
    return tuple(
        _shift(table[place - 1 : place + 1], float(levels[place] - levels[place - 1]), level, place)
        for place in range(1, len(table))
    )


def _shift_violations(table: Floats, levels: Floats, level: float) -> list[str]:
    found = []
    if table.ndim != 2 or levels.shape != table.shape[:1]:
        found.append(f"expected counts by round and bin, a threshold each; got shapes {table.shape} and {levels.shape}")
    if not (np.isfinite(table).all() and (table >= 0).all()):
        found.append("counts must be at least 0 and finite")
    if not ((levels >= 0) & (levels <= 1)).all():
        found.append(f"thresholds must lie in [0, 1]; got {levels.tolist()}")
    if not 0 < level < 1:
        found.append(f"level must lie in (0, 1); got {level}")
    return found


def _shift(pair: Floats, change: float, level: float, place: int) -> Measurement:
    rows = pair.sum(axis=1)
    at = (("round", place),)
    n = int(rows.min())
    if n == 0 or change == 0:
        said = "a round has no rows" if n == 0 else "the threshold did not change, so that nothing can follow it"
        return Measurement(metric=SHIFT, at=at, value=None, n=n, method="none", reason=f"{_CANNOT} {said}.")
    shares = np.cumsum(pair / rows[:, None], axis=1)
    distance = float(np.abs(shares[0] - shares[1]).sum()) / pair.shape[1]
    band = float(sum(sqrt(log(4 / (1 - level)) / (2 * size)) for size in rows))
    ends = (max(0.0, distance - band) / abs(change), min(1.0, distance + band) / abs(change))
    high = ends[1] if isfinite(ends[1]) else None
    return Measurement(
        metric=SHIFT, at=at, value=distance / abs(change), low=ends[0], high=high, n=n, level=level, method="dkw_band",
        reason=None if high is not None else "no upper end: the threshold hardly changed",
    )  # fmt: skip


_SOURCE = "J. C. Perdomo, T. Zrnic, C. Mendler-Duenner & M. Hardt (2020), Performative prediction, arXiv:2002.06673."

FAMILY: Family = (
    LoopMetric(
        name=SENSITIVITY,
        title="Whether retraining again and again settles",
        question="how strong",
        needs=("round",),
        meaning="How far the next model moves for each step that this one moved.",
        limit=LIMIT,
        why="At 1 or above each retraining answers the last with a step as large: the models never come to rest.",
        not_when="Fewer than six retrainings, or parameters that hardly moved: the interval is too wide then.",
        obtain=(
            "Keep the parameters of every retrained model and pass them to "
            "monitors.feedback.performative.performative_sensitivity."
        ),
        source=_SOURCE,
        measure=None,
        of_a_log=False,
    ),
    LoopMetric(
        name=SHIFT,
        title="How far people's scores follow the threshold",
        question="how strong",
        needs=("round", "y_score"),
        meaning="How far the scores of people moved for each step that the threshold moved.",
        why="Near 1 people follow the threshold: what is measured is the effort to pass it.",
        not_when="Something else changed between the rounds as well, such as a season or who applies.",
        obtain=(
            "Count scores by retraining round and note the threshold of each; pass both to "
            "monitors.feedback.performative.score_shift_per_threshold."
        ),
        source=_SOURCE,
        measure=None,
        of_a_log=False,
    ),
)
