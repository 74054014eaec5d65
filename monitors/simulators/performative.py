"""Performative prediction with one number: the model's guess moves the very mean that it guesses."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_among, not_below, not_shares

Array = NDArray[np.float64]

TrainOn = Literal["all", "shown", "holdout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performative:
    """The settings: people shown the guess theta are drawn from N(base + sensitivity * theta, noise²).

    Parameters
    ----------
    sensitivity
        By how much the mean moves when the guess moves by one; a finite number.
    base
        The mean where no guess is shown.
    noise
        Standard deviation of a person; at least 0.
    n
        People between two models.
    start
        Standard deviation of the first guess around ``base``; at least 0.
    dither
        Standard deviation of the random shift of each guess that is shown, in the same unit; at least 0.
    holdout
        Share of the people that are never shown a guess, in [0, 1).
    train_on
        "all" people alike, those "shown" the guess, or the "holdout".

    Examples
    --------
    >>> Performative(sensitivity=0.5).fixed_point, Performative(sensitivity=1.1).fixed_point
    (4.0, None)
    """

    sensitivity: float = 0.6
    base: float = 2.0
    noise: float = 1.0
    n: int = 1000
    start: float = 1.0
    dither: float = 0.0
    holdout: float = 0.0
    train_on: TrainOn = "all"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(holdout=self.holdout)
        violations += not_below(0, noise=self.noise, start=self.start, dither=self.dither)
        violations += not_below(2, n=self.n) + not_below(-np.inf, sensitivity=self.sensitivity, base=self.base)
        violations += not_among(get_args(TrainOn), train_on=self.train_on)
        if not violations and not self.held and self.train_on == "holdout":
            violations.append(f"training on the hold-out needs one; got holdout {self.holdout} of {self.n} people")
        if not violations and self.held == self.n:
            violations.append(f"holdout must leave people to show a guess to; got {self.holdout} of {self.n} people")
        raise_violations(violations)

    @property
    def held(self) -> int:
        """Number of people who are not shown a guess."""
        return round(self.holdout * self.n)

    @property
    def slope(self) -> float:
        """By how much the next model moves when this one does: the loop's gain."""
        return {"all": (1 - self.holdout) * self.sensitivity, "shown": self.sensitivity, "holdout": 0.0}[self.train_on]

    @property
    def fixed_point(self) -> float | None:
        """The guess to which repeated training is drawn, base / (1 - slope); None where it is drawn to none."""
        return self.base / (1 - self.slope) if abs(self.slope) < 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformativeRuns:
    """Many runs of repeated training.

    Parameters
    ----------
    parameters
        The models' guesses, the first included, shape (runs, rounds + 1).
    shown
        The guesses that were shown, with their dither, shape (runs, rounds).
    holdout_means
        Mean of the people not shown any, shape (runs, rounds); NaN without a hold-out.

    Examples
    --------
    >>> performative_runs(Performative(), runs=2, rounds=3, seed=1).parameters.shape
    (2, 4)
    """

    parameters: Array
    shown: Array
    holdout_means: Array


def performative_runs(world: Performative, *, runs: int = 1000, rounds: int = 25, seed: int = 0) -> PerformativeRuns:
    """Train again and again on what the last guess brought about (repeated risk minimisation of the squared error).

    theta_0 ~ N(base, start²); theta_{t+1} is the mean of those trained on. Without noise theta_{t+1} = base + slope *
    theta_t, which goes to base / (1 - slope) where abs(slope) < 1, and away for slopes of 1 and above.

    Source: Perdomo, Zrnic, Mendler-Dünner and Hardt, Performative prediction, ICML 2020 (arXiv 2002.06673).

    Parameters
    ----------
    world
        The settings.
    runs, rounds
        Number of runs, and of models after the first; at least 1.
    seed
        Of the random numbers.

    Examples
    --------
    >>> found = performative_runs(Performative(sensitivity=0.5, noise=0.0, start=0.0), runs=1, rounds=2)
    >>> found.parameters.tolist()
    [[2.0, 3.0, 3.5]]
    """
    random = np.random.default_rng(seed)
    held = world.held
    parameters, shown = np.empty((runs, rounds + 1)), np.empty((runs, rounds))
    holdout_means = np.full((runs, rounds), np.nan)
    parameters[:, 0] = world.base + world.start * random.standard_normal(runs)
    for step in range(rounds):
        shown[:, step] = parameters[:, step] + world.dither * random.standard_normal(runs)
        # Means of so many normal people, without drawing each.
        moved = world.base + world.sensitivity * shown[:, step]
        moved = moved + world.noise / (world.n - held) ** 0.5 * random.standard_normal(runs)
        if held:
            holdout_means[:, step] = world.base + world.noise / held**0.5 * random.standard_normal(runs)
        parameters[:, step + 1] = _trained(world, moved, holdout_means[:, step], held)
    return PerformativeRuns(parameters=parameters, shown=shown, holdout_means=holdout_means)


def sensitivity_of(found: PerformativeRuns) -> Array:
    """Return the slope of the next guess on the shown one by run, by least squares, shape (runs,).

    NaN where all guesses of a run are the same.

    Examples
    --------
    >>> found = performative_runs(Performative(sensitivity=0.5, noise=0.0), runs=1, rounds=5)
    >>> sensitivity_of(found).round(6).tolist()
    [0.5]
    """
    shown, following = found.shown, found.parameters[:, 1:]
    centred = shown - shown.mean(axis=1, keepdims=True)
    products = (centred * (following - following.mean(axis=1, keepdims=True))).sum(axis=1)
    squares = (centred**2).sum(axis=1)
    return np.asarray(np.divide(products, squares, out=np.full(squares.shape, np.nan), where=squares > 0))


def _trained(world: Performative, moved: Array, holdout_mean: Array, held: int) -> Array:
    if world.train_on == "holdout":
        return holdout_mean
    if world.train_on == "shown" or not held:
        return moved
    return np.asarray(((world.n - held) * moved + held * holdout_mean) / world.n)
