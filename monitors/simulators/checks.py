"""What is wrong with the settings of a simulated world, in words; used by all simulators."""

from collections.abc import Sequence
from math import isfinite


def not_shares(**values: float) -> list[str]:
    """Return what is said of settings that do not lie in [0, 1].

    Examples
    --------
    >>> not_shares(usage=1.5, overlap=0.5)
    ['usage must lie in [0, 1]; got 1.5']
    """
    return [f"{name} must lie in [0, 1]; got {value}" for name, value in values.items() if not 0 <= value <= 1]


def not_below(least: float, **values: float) -> list[str]:
    """Return what is said of settings that are no finite number of at least some value.

    Examples
    --------
    >>> not_below(1, rounds=0, users=3)
    ['rounds must be a number of at least 1; got 0']
    """
    return [
        f"{name} must be a number of at least {least}; got {value}"
        for name, value in values.items()
        if not (isfinite(value) and value >= least)
    ]


def not_positive(**values: float) -> list[str]:
    """Return what is said of settings that are no finite number above 0.

    Examples
    --------
    >>> not_positive(prior=0.0)
    ['prior must be a positive number; got 0.0']
    """
    return [
        f"{name} must be a positive number; got {value}"
        for name, value in values.items()
        if not (isfinite(value) and value > 0)
    ]


def not_among(options: Sequence[str], **values: str) -> list[str]:
    """Return what is said of settings that are none of the options.

    Examples
    --------
    >>> not_among(("a", "b"), letter="c")
    ["letter must be one of a, b; got 'c'"]
    """
    return [
        f"{name} must be one of {', '.join(options)}; got {value!r}"
        for name, value in values.items()
        if value not in options
    ]


def not_a_split(exploration: float, holdout: float) -> list[str]:
    """Return what is said of an exploration share and a hold-out share that do not fit into one whole.

    Examples
    --------
    >>> not_a_split(0.6, 0.5)
    ['exploration and holdout must be at least 0 and together at most 1; got 0.6 and 0.5']
    """
    if exploration >= 0 and holdout >= 0 and exploration + holdout <= 1:
        return []
    return [f"exploration and holdout must be at least 0 and together at most 1; got {exploration} and {holdout}"]
