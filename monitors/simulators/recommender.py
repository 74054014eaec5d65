"""A recommender that shows what was clicked: a popularity loop over two groups of users with tastes of their own."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_a_split, not_among, not_below, not_positive, not_shares

Array = NDArray[np.float64]

ARMS = ("model", "explore", "holdout")
GROUPS = ("majority", "minority")
Correction = Literal["none", "rejection", "propensity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommender:
    """The settings of a recommender.

    Parameters
    ----------
    users, items, rounds
        Users who each are shown one item in each round; items; rounds, each ending with new popularities.
    minority
        Share of the users that are of the minority, in [0, 1].
    overlap
        How alike the two groups' tastes are: 1 the same, 0 drawn apart.
    power
        An item is shown with a chance in proportion to its popularity to this power; 0 shows all alike (no loop).
    prior
        Clicks that each item has in the beginning; positive.
    exploration, holdout
        Share of the users (for good) who are shown any item by chance alone; clicks of "explore" count for the
        popularities, those of "holdout" do not. Both at least 0, together at most 1.
    reported
        Weight of choices that users make on their own, outside of what is shown, in [0, 1]; clicks on what is shown
        weigh the rest.
    correction
        "propensity": a click counts 1 / (items * chance of the item); "rejection": it is kept with a probability of
        (least chance of an item) / (chance of the item); "none".

    Examples
    --------
    >>> Recommender(users=100, exploration=0.1).arm_sizes
    {'model': (72, 18), 'explore': (8, 2), 'holdout': (0, 0)}
    """

    users: int = 2000
    items: int = 100
    rounds: int = 30
    minority: float = 0.2
    overlap: float = 0.3
    power: float = 1.5
    prior: float = 10.0
    exploration: float = 0.0
    holdout: float = 0.0
    reported: float = 0.0
    correction: Correction = "none"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(overlap=self.overlap, reported=self.reported, minority=self.minority)
        violations += not_below(2, users=self.users, items=self.items) + not_below(1, rounds=self.rounds)
        violations += not_below(0, power=self.power) + not_positive(prior=self.prior)
        violations += not_a_split(self.exploration, self.holdout)
        violations += not_among(get_args(Correction), correction=self.correction)
        raise_violations(violations)

    @property
    def arm_sizes(self) -> dict[str, tuple[int, int]]:
        """Users of the majority and of the minority by arm."""
        minority = round(self.users * self.minority)
        sizes = np.array([self.users - minority, minority])
        explore, holdout = (np.round(sizes * share).astype(int) for share in (self.exploration, self.holdout))
        arms = dict(zip(ARMS, (sizes - explore - holdout, explore, holdout), strict=True))
        return {arm: (int(both[0]), int(both[1])) for arm, both in arms.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommenderRuns:
    """What was shown and clicked in many runs, in the arm of the model.

    Parameters
    ----------
    appeal
        Chance of a click by group and item, shape (runs, 2, items).
    shown, clicked
        Counts, shape (runs, rounds, 2, items); groups in the order of `GROUPS`.
    chances
        Chance of each item to be shown, shape (runs, rounds, items).

    Examples
    --------
    >>> recommender_runs(Recommender(users=50, items=5, rounds=4), runs=2).gini.shape
    (2, 4)
    """

    appeal: Array
    shown: Array
    clicked: Array
    chances: Array

    @property
    def gini(self) -> Array:
        """Gini index of what was shown, by run and round, shape (runs, rounds)."""
        return gini(self.shown.sum(axis=2))

    @property
    def chance_gini(self) -> Array:
        """Gini index of the chances, without the noise of a finite audience, shape (runs, rounds)."""
        return gini(self.chances)

    @property
    def click_rates(self) -> Array:
        """Clicks per shown item by run, round and group, shape (runs, rounds, 2)."""
        return np.asarray(self.clicked.sum(axis=3) / np.maximum(self.shown.sum(axis=3), 1))

    @property
    def calibration(self) -> Array:
        """Mean appeal of what is shown, as a share of its mean under a group's own ideal chances.

        The ideal shows items in proportion to the group's appeal; shape (runs, rounds, 2).
        """
        ideal = (self.appeal**2).sum(axis=2) / self.appeal.sum(axis=2)
        got = np.einsum("rti,rgi->rtg", self.chances, self.appeal)
        return np.asarray(got / ideal[:, None])


def gini(counts: Array) -> Array:
    """Return the Gini index along the last axis, in [0, 1 - 1/n]; NaN where all is 0.

    sum_i (2 i - n - 1) x_(i) / (n sum x) for x sorted upwards.

    Examples
    --------
    >>> gini(np.array([[1.0, 1.0], [0.0, 2.0]])).tolist()
    [0.0, 0.5]
    """
    n = counts.shape[-1]
    weighted = (np.sort(counts, axis=-1) * (2 * np.arange(1, n + 1) - n - 1)).sum(axis=-1)
    total = n * counts.sum(axis=-1)
    return np.asarray(np.divide(weighted, total, out=np.full(total.shape, np.nan), where=total > 0))


def appeals(world: Recommender, random: np.random.Generator, runs: int) -> Array:
    """Return chances of a click between .02 and .5 for either group, shape (runs, 2, items).

    Examples
    --------
    >>> appeals(Recommender(items=4), np.random.default_rng(1), 3).shape
    (3, 2, 4)
    """
    own = random.beta(1.0, 4.0, (runs, 2, world.items))
    shared = world.overlap * own[:, 0] + (1 - world.overlap) * own[:, 1]
    return np.clip(0.02 + 0.5 * np.stack([own[:, 0], shared], axis=1), 0.02, 0.5)


def chances_of(world: Recommender, popularity: Array) -> Array:
    """Return the chance of each item to be shown, along the last axis.

    Examples
    --------
    >>> chances_of(Recommender(power=1.0), np.array([1.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    raised = (popularity / popularity.max(axis=-1, keepdims=True)) ** world.power
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def recommender_runs(world: Recommender, *, runs: int = 100, seed: int = 0) -> RecommenderRuns:
    """Simulate a recommender many times.

    Each round every user is shown one item, drawn by popularity (or by chance alone outside the model's arm), and
    clicks with the appeal that the item has for the user's group. Popularities grow by the clicks.

    Parameters
    ----------
    world
        The settings.
    runs
        Number of runs.
    seed
        Of the random numbers.

    Examples
    --------
    >>> found = recommender_runs(Recommender(), runs=20, seed=1)
    >>> bool(found.gini[:, -1].mean() > 1.5 * found.gini[:, 0].mean())
    True
    """
    random = np.random.default_rng(seed)
    appeal = appeals(world, random, runs)
    popularity = np.full((runs, world.items), world.prior)
    sizes = world.arm_sizes
    uniform = np.full((runs, world.items), 1 / world.items)
    shown, clicked = (np.empty((runs, world.rounds, 2, world.items)) for _ in range(2))
    chances = np.empty((runs, world.rounds, world.items))
    for step in range(world.rounds):
        chances[:, step] = chances_of(world, popularity)
        shown[:, step] = _shown(random, chances[:, step], sizes["model"])
        clicked[:, step] = random.binomial(shown[:, step].astype(np.int64), appeal)
        explored = random.binomial(_shown(random, uniform, sizes["explore"]).astype(np.int64), appeal)
        signal = fed_back(world, random, clicked[:, step].sum(axis=1), chances[:, step])
        signal = signal + fed_back(world, random, explored.sum(axis=1).astype(np.float64), uniform)
        popularity = popularity + signal + volunteered(world, random, appeal)
    return RecommenderRuns(appeal=appeal, shown=shown, clicked=clicked, chances=chances)


def fed_back(world: Recommender, random: np.random.Generator, clicks: Array, chances: Array) -> Array:
    """Return what clicks add to popularities.

    Parameters
    ----------
    world
        The settings.
    random
        Random numbers.
    clicks, chances
        Clicks on each item, and its chance to be shown, shape (runs, items).

    Examples
    --------
    >>> clicks, chances = np.array([[4.0, 4.0]]), np.array([[0.25, 0.75]])
    >>> fed_back(Recommender(items=2, correction="propensity"), np.random.default_rng(1), clicks, chances).round(3)
    array([[8.   , 2.667]])
    """
    weight = 1 - world.reported
    if world.correction == "propensity":
        return np.asarray(weight * clicks / (world.items * chances))
    if world.correction == "rejection":
        least = chances.min(axis=1, keepdims=True)
        return np.asarray(weight * random.binomial(clicks.astype(np.int64), least / chances))
    return np.asarray(weight * clicks)


def volunteered(world: Recommender, random: np.random.Generator, appeal: Array) -> Array:
    """Return what choices that users make on their own add: each user meets one item by chance, and likes it or not.

    Examples
    --------
    >>> volunteered(Recommender(), np.random.default_rng(1), np.full((1, 2, 100), 0.5)).sum()
    np.float64(0.0)
    """
    if world.reported == 0:
        return np.zeros((len(appeal), world.items))
    sizes = np.array(world.arm_sizes["model"])
    means = sizes[None, :, None] / world.items * appeal
    return np.asarray(world.reported * random.poisson(means).sum(axis=1))


def _shown(random: np.random.Generator, chances: Array, sizes: tuple[int, int]) -> Array:
    """Return how often each item is shown to either group, shape (runs, 2, items)."""
    return np.stack([random.multinomial(size, chances) for size in sizes], axis=1).astype(np.float64)
