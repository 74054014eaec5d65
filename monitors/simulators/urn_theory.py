"""Two places and one patrol: where the share of attention drifts, where it stays, and how strongly it feeds itself."""

from dataclasses import dataclass
from math import isclose, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from audit.errors import raise_violations


class Additions(NamedTuple):
    """Mean incidents that a draw adds: a, b to places A and B if A is visited, c, d to A and B if B is.

    Examples
    --------
    >>> additions((4.0, 2.0), discovered=1.0, reported=0.0)
    Additions(a=4.0, b=0.0, c=0.0, d=2.0)
    """

    a: float
    b: float
    c: float
    d: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UrnTheory:
    """What the drift of the share of A says.

    Parameters
    ----------
    fixed_point
        The share at which the urn stays; None where every share is one.
    gain
        Local loop gain there; None likewise.
    amplification
        ``1 / (1 - gain)``: by what a lasting small push of the signal is multiplied in the log-odds of the share;
        None where the gain is at least 1, where no push dies out.

    Examples
    --------
    >>> urn_theory(additions((1.0, 1.0), discovered=0.5, reported=0.5)).fixed_point
    0.5
    """

    fixed_point: float | None
    gain: float | None
    amplification: float | None


def additions(rates: tuple[float, float], *, discovered: float, reported: float) -> Additions:
    """Return what a draw adds on average: discovered incidents in the place visited, reported ones in both.

    Parameters
    ----------
    rates
        Mean incidents per draw in A and B; positive.
    discovered, reported
        Weights of the two kinds; at least 0, not both 0.

    Raises
    ------
    InputError
        If rates or weights are outside their ranges.

    Examples
    --------
    >>> additions((4.0, 2.0), discovered=0.5, reported=0.5)
    Additions(a=4.0, b=1.0, c=2.0, d=2.0)
    """
    violations = [f"rates must be positive numbers; got {rate}" for rate in rates if not 0 < rate < np.inf]
    weights = (discovered, reported)
    if not all(0 <= weight < np.inf for weight in weights) or sum(weights) == 0:
        violations.append(f"discovered and reported must be numbers of at least 0, not both 0; got {weights}")
    raise_violations(violations)
    both, told = discovered + reported, reported
    return Additions(both * rates[0], told * rates[1], told * rates[0], both * rates[1])


def drift(share: float, adds: Additions) -> float:
    """Return the drift f(p) of the share of A, up to a positive factor: where it is positive, A's share grows.

    f(p) = p a + (1 - p) c - p [p (a + b) + (1 - p) (c + d)]: what A is given, less its share of all that is given.

    Parameters
    ----------
    share
        Share p of A, in [0, 1].
    adds
        What a draw adds.

    Examples
    --------
    Discovered incidents alone, and A has twice as many: A grows from any share.

    >>> drift(0.1, additions((4.0, 2.0), discovered=1.0, reported=0.0)) > 0
    True
    """
    total = share * (adds.a + adds.b) + (1 - share) * (adds.c + adds.d)
    return share * adds.a + (1 - share) * adds.c - share * total


def fixed_point(adds: Additions) -> float | None:
    """Return the share of A to which the urn is drawn: the stable root in [0, 1] of the drift.

    The root of (c + d - a - b) p² + (a - 2c - d) p + c = 0 at which the drift falls. None where the drift is 0 for
    every share (an urn of discovered incidents with equal rates: its limit is random, `polya_limit`).

    Source: Ensign et al. 2018 (arXiv 1706.09847), the urn with discovered and reported incidents.

    Examples
    --------
    >>> round(fixed_point(additions((3.68511, 2.816466), discovered=0.5, reported=0.5)), 4)
    0.5989
    """
    square, linear, constant = adds.c + adds.d - adds.a - adds.b, adds.a - 2 * adds.c - adds.d, adds.c
    size = adds.a + adds.b + adds.c + adds.d
    if abs(square) <= 1e-12 * size:
        return None if abs(linear) <= 1e-12 * size else _inside(-constant / linear)
    # Of a parabola's two roots the drift falls at this one, whichever way the parabola opens.
    root = (-linear - sqrt(max(linear * linear - 4 * square * constant, 0.0))) / (2 * square)
    return _inside(root)


def local_gain(share: float, adds: Additions) -> float:
    """Return the local loop gain g'(p): how much of a small shift of attention comes back as signal.

    g(p) = (p a + (1 - p) c) / (p (a + b) + (1 - p) (c + d)) is A's share of what a draw adds when its share of the
    attention is p; g'(p) = (a d - b c) / (p (a + b) + (1 - p) (c + d))². Below 1 shifts die out, at 1 and above they
    stay or grow.

    Parameters
    ----------
    share
        Share p of A, in [0, 1].
    adds
        What a draw adds.

    Examples
    --------
    >>> adds = additions((3.68511, 2.816466), discovered=0.5, reported=0.5)
    >>> round(local_gain(fixed_point(adds), adds), 3)
    0.322
    """
    total = share * (adds.a + adds.b) + (1 - share) * (adds.c + adds.d)
    return (adds.a * adds.d - adds.b * adds.c) / total**2


def urn_theory(adds: Additions) -> UrnTheory:
    """Return fixed point, local gain and amplification.

    Parameters
    ----------
    adds
        What a draw adds (`additions`).

    Examples
    --------
    >>> found = urn_theory(additions((1.0, 1.0), discovered=0.5, reported=0.5))
    >>> round(found.gain, 3), round(found.amplification, 3)
    (0.333, 1.5)
    """
    point = fixed_point(adds)
    if point is None:
        return UrnTheory(fixed_point=None, gain=None, amplification=None)
    gain = local_gain(point, adds)
    return UrnTheory(fixed_point=point, gain=gain, amplification=1 / (1 - gain) if gain < 1 else None)


def polya_limit(start: tuple[float, float], *, added: float) -> tuple[float, float]:
    """Return the two parameters of the Beta distribution of A's share in the long run, where rates are equal.

    A urn that adds ``added`` to the place that it draws, and nothing is forgotten, ends at Beta(n_A / added,
    n_B / added): at any share, by luck, although both places are alike.

    Parameters
    ----------
    start
        Incidents of A and B in the beginning.
    added
        What a draw adds.

    Examples
    --------
    >>> polya_limit((1.0, 1.0), added=1.0)
    (1.0, 1.0)
    """
    return start[0] / added, start[1] / added


def mixed_weight_for_gain(rates: tuple[float, float], gain: float) -> float:
    """Return the largest weight of discovered incidents (reported: the rest) whose local gain is no more than wanted.

    Parameters
    ----------
    rates
        Mean incidents per draw in A and B.
    gain
        The largest gain that is accepted, in (0, 1).

    Raises
    ------
    InputError
        If the gain is outside (0, 1).

    Examples
    --------
    With equal rates the gain of weight w is w / (2 - w).

    >>> round(mixed_weight_for_gain((1.0, 1.0), 0.5), 4)
    0.6667
    """
    raise_violations([] if 0 < gain < 1 else [f"gain must lie between 0 and 1; got {gain}"])

    def excess(weight: float) -> float:
        adds = additions(rates, discovered=weight, reported=1 - weight)
        point = fixed_point(adds)
        return (1.0 if point is None else local_gain(point, adds)) - gain

    if excess(1.0) <= 0:
        return 1.0
    return float(brentq(excess, 1e-9, 1.0))


def _inside(root: float) -> float:
    """Return a root in [0, 1]; what rounding has put a hair outside is brought back."""
    for end in (0.0, 1.0):
        if isclose(root, end, abs_tol=1e-9):
            return end
    return root
