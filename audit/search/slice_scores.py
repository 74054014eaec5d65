"""What makes a slice stand out: DivExplorer's divergence and t, the Shapley value of each item, what says nothing new.

All of them are exploratory: computed on the rows that the slices were found on, they order a search and decide nothing.
"""

from itertools import combinations
from math import factorial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.search.patterns import ANY, Codes, Patterns

Floats = npt.NDArray[np.float64]


class Divergence(NamedTuple):
    """How far the rate of each pattern lies from that of everyone (the first pattern); NaN where undefined.

    `rate` is x / n, `difference` the rate less that of everyone, `mean` and `variance` those of Beta(x + 1, n - x + 1),
    `t` their distance from everyone's in standard errors, always at least 0.

    Examples
    --------
    >>> found = divergence(np.array([10.0, 9.0]), np.array([100.0, 30.0]))
    >>> found.difference.round(3).tolist()
    [0.0, 0.2]
    """

    rate: Floats
    difference: Floats
    mean: Floats
    variance: Floats
    t: Floats


def divergence(successes: npt.ArrayLike, trials: npt.ArrayLike) -> Divergence:
    r"""Return the divergence of a rate in each pattern from everyone, the first one.

    Parameters
    ----------
    successes, trials : array_like, shape (n_patterns,)
        x and n of the rate, 0 <= x <= n; real-valued allowed.

    Notes
    -----
    t = \|m - M\| / sqrt(v + V), m and v mean and variance of Beta(x + 1, n - x + 1) in the pattern, M and V in
    everyone: with a = x + 1 and b = n - x + 1, m = a / (a + b) and v = a b / ((a + b)^2 (a + b + 1)). Source: E.
    Pastor, L. de Alfaro and E. Baralis (2021), Looking for trouble: analyzing classifier behavior via pattern
    divergence, SIGMOD 2021, doi:10.1145/3448016.3457284. A pattern lies within everyone, so t is no test; it orders.

    Examples
    --------
    1 of 2 in the pattern, 1 of 4 in everyone: m = 2/4, v = 1/20; M = 2/6, V = 8/252.

    >>> found = divergence([1, 1], [4, 2])
    >>> found.difference.tolist(), round(float(found.t[1]), 6) == round((1 / 2 - 1 / 3) / (1 / 20 + 8 / 252) ** 0.5, 6)
    ([0.0, 0.25], True)
    """
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    rate = np.divide(x, n, out=np.full(len(n), np.nan), where=n > 0)
    a, b = x + 1.0, n - x + 1.0
    mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1.0))
    t = np.abs(mean - mean[0]) / np.sqrt(variance + variance[0])
    return Divergence(rate, rate - rate[0], mean, variance, np.where(np.isnan(rate), np.nan, t))


def shapley(patterns: Patterns, difference: Floats, place: int) -> dict[int, float]:
    r"""Return how much each item of a pattern adds to its divergence, by feature; the parts add up to it.

    NaN where the divergence of some part of the pattern is undefined.

    Parameters
    ----------
    patterns
        All patterns; every part of a pattern is among them.
    difference
        The divergence of each (`Divergence.difference`).
    place
        Which pattern.

    Notes
    -----
    phi(i) = sum over subsets S of the other items of \|S\|! (k - \|S\| - 1)! / k! (d(S with i) - d(S)), d(nothing) = 0.
    Sources: L. S. Shapley (1953), A value for n-person games, Contributions to the Theory of Games II, 307-317; Pastor,
    de Alfaro and Baralis (2021), doi:10.1145/3448016.3457284.

    Examples
    --------
    Two of three rows fall into the pattern; both items alone diverge as much as both together: half each.

    >>> from audit.search.patterns import Coded, frequent_patterns
    >>> cells = Coded(np.array([[1, 1], [0, 0]]), (2, 2), np.array([[2.0, 1.0], [2.0, 0.0]]))
    >>> found = frequent_patterns(cells, min_rows=1)
    >>> of_pattern = divergence(found.sums[1], found.sums[0]).difference
    >>> place = found.items.tolist().index([1, 1])
    >>> of_pattern[place].round(3).item(), {f: round(part, 3) for f, part in shapley(found, of_pattern, place).items()}
    (0.333, {0: 0.167, 1: 0.167})
    """
    features = np.flatnonzero(patterns.items[place] != ANY).tolist()
    marks = {f: patterns.marks[f][patterns.items[place, f]] for f in features}
    subsets = [part for size in range(len(features) + 1) for part in combinations(features, size)]
    keys = np.array([np.sum([marks[f] for f in part], dtype=np.uint64) for part in subsets], dtype=np.uint64)
    worth = dict(zip(subsets, difference[patterns.place(keys)].tolist(), strict=True))
    k = len(features)
    parts = dict.fromkeys(features, 0.0)
    for part in subsets[1:]:
        weight = factorial(len(part) - 1) * factorial(k - len(part)) / factorial(k)
        for f in part:
            parts[f] += weight * (worth[part] - worth[tuple(other for other in part if other != f)])
    return parts


def folded(patterns: Patterns, difference: Floats, *, epsilon: float) -> Codes:
    """Return under which pattern each one is folded: itself where it stands alone.

    A pattern is folded under a pattern with fewer of its items (more rows) whose divergence is within epsilon of its
    own: the further items say nothing new. Everything is folded under a pattern that stands alone, so that no chain of
    small steps hides a large one; of several, under the one with the closest divergence, then the first.

    Parameters
    ----------
    patterns, difference
        As in `shapley`; a pattern with an undefined divergence stands alone.
    epsilon
        Largest difference in the rate, at least 0.

    Examples
    --------
    The second feature adds nothing to the first.

    >>> from audit.search.patterns import Coded, frequent_patterns
    >>> cells = Coded(np.array([[1, 0], [1, 1], [0, 0], [0, 1]]), (2, 2), np.array([[9.0] * 4, [9.0, 9.0, 0.0, 0.0]]))
    >>> found = frequent_patterns(cells, min_rows=1)
    >>> leader = folded(found, divergence(found.sums[1], found.sums[0]).difference, epsilon=0.01)
    >>> [found.items[place].tolist() for place in sorted(set(leader.tolist()))]
    [[-1, -1], [0, -1], [1, -1]]
    """
    leader = np.arange(len(difference))
    lengths = patterns.lengths
    steps = list(patterns.parents())
    for length in range(1, int(lengths.max(initial=0)) + 1):
        closest = np.full(len(leader), np.inf)
        chosen = leader.copy()
        for places, above in steps:
            here = lengths[places] == length
            child, top = places[here], leader[above[here]]
            distance = np.abs(difference[child] - difference[top])
            near = (distance <= epsilon + 1e-12) & (distance < closest[child])
            closest[child[near]], chosen[child[near]] = distance[near], top[near]
        leader = chosen
    return leader
