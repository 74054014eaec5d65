"""A lender who learns from the loans it grants: where it refuses, it never finds out that it was wrong."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_a_split, not_below, not_positive, not_shares
from monitors.simulators.credit import Terms
from monitors.simulators.fico import Array, CreditTables

_WIDTH = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lending:
    """The settings of a lender.

    Parameters
    ----------
    names
        The groups that apply, by their sizes in the tables; the lender doubts the first.
    doubt
        By how much the lender underrates, in the beginning, the first group's chance of repaying; in [0, 1].
    applicants, rounds
        People who apply in each round; rounds, each ending with a new estimate.
    prior
        Loans that the first estimate counts as, in each band of 50 points; positive.
    exploration, holdout
        Share of applicants who are granted a loan whatever the model says; those of "explore" are trained on, those
        of "holdout" are not. Both at least 0, together at most 1.
    reported
        Share of the refused who get a loan elsewhere, and whose outcome the lender is told and trains on; in [0, 1].
    terms
        What loans bring.

    Examples
    --------
    >>> Lending(names=("A", "B")).doubt
    0.15
    """

    names: tuple[str, ...] = ("Black", "White")
    doubt: float = 0.15
    applicants: int = 2000
    rounds: int = 12
    prior: float = 20.0
    exploration: float = 0.0
    holdout: float = 0.0
    reported: float = 0.0
    terms: Terms = field(default_factory=Terms)

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(doubt=self.doubt, reported=self.reported)
        violations += not_a_split(self.exploration, self.holdout)
        violations += not_below(1, applicants=self.applicants, rounds=self.rounds) + not_positive(prior=self.prior)
        if not self.names:
            violations.append("names holds no group; name at least one")
        raise_violations(violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class LendingRuns:
    """What became of many runs.

    Parameters
    ----------
    approved
        Share of each group whom the model would grant a loan, shape (runs, rounds, groups).
    observed
        Share of the applicants whose outcome the lender learns, shape (runs, rounds, groups).
    ideal
        Share of each group whom a lender who knows the chances would grant a loan, shape (groups,).

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> lending_runs(example_tables(), Lending(names=("A", "B"), rounds=3), runs=2).approved.shape
    (2, 3, 2)
    """

    approved: Array
    observed: Array
    ideal: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """The tables by bands of 50 points.

    Parameters
    ----------
    band
        Band of each score of the tables, shape (scores,).
    shares, repay
        Share of a group in each band, and mean chance of repaying, shape (groups, bands).
    sizes
        Share of each group of all applicants, shape (groups,).

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> bands_of(example_tables(), ("A", "B")).shares.shape
    (2, 11)
    """

    band: NDArray[np.int64]
    shares: Array
    repay: Array
    sizes: Array


def bands_of(tables: CreditTables, names: tuple[str, ...]) -> Bands:
    """Return the groups by bands of 50 points, the highest score in the last band.

    Raises
    ------
    InputError
        If groups are not in the tables.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> bands_of(example_tables(), ("A", "B")).sizes.tolist()
    [0.2, 0.8]
    """
    raise_violations(
        [
            f"group {name!r} is not in the tables; expected one of {sorted(tables.groups)}"
            for name in names
            if name not in tables.groups
        ]
    )
    band = np.minimum(((tables.scores - tables.scores[0]) // _WIDTH).astype(np.int64), 10)
    groups = [tables.groups[name] for name in names]
    shares = np.stack([np.bincount(band, weights=group.shares) for group in groups]).astype(np.float64)
    repaid = np.stack([np.bincount(band, weights=group.shares * group.repay) for group in groups])
    sizes = np.array([group.size for group in groups])
    repay = np.divide(repaid, shares, out=np.zeros_like(repaid), where=shares > 0)
    return Bands(band=band, shares=shares, repay=repay, sizes=sizes / sizes.sum())


def first_estimate(world: Lending, bands: Bands) -> Array:
    """Return the lender's first estimate of the chances, shape (groups, bands): the first group's are too low.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> world = Lending(names=("A", "B"))
    >>> bands = bands_of(example_tables(), world.names)
    >>> (bands.repay - first_estimate(world, bands))[:, -1].round(2).tolist()
    [0.15, 0.0]
    """
    doubts = np.zeros(len(world.names))
    doubts[0] = world.doubt
    return np.clip(bands.repay - doubts[:, None], 0.0, 1.0)


def lending_runs(tables: CreditTables, world: Lending, *, runs: int = 200, seed: int = 0) -> LendingRuns:
    """Simulate a lender many times.

    Applicants come in each band by its share. Where the estimate for group and band exceeds break-even they are
    granted a loan; the estimate is the mean of the first one (as ``prior`` loans) and all outcomes trained on.

    Source: the problem of selective labels, Lakkaraju, Kleinberg, Leskovec, Ludwig and Mullainathan, KDD 2017
    (doi 10.1145/3097983.3098066), on the tables of Liu et al. 2018.

    Parameters
    ----------
    tables
        The scores.
    world
        The settings.
    runs
        Number of runs.
    seed
        Of the random numbers.

    Examples
    --------
    A group that is doubted stays refused; without doubt the lender does what is best.

    >>> from monitors.simulators.fico import example_tables
    >>> found = lending_runs(example_tables(), Lending(names=("A", "B")), runs=20)
    >>> bool(found.approved[:, -1, 0].mean() < 0.5 * found.ideal[0])
    True
    """
    random = np.random.default_rng(seed)
    bands = bands_of(tables, world.names)
    chances = np.broadcast_to((bands.sizes[:, None] * bands.shares).ravel(), (runs, bands.shares.size))
    shape = (runs, *bands.shares.shape)
    loans = np.full(shape, world.prior)
    repaid = world.prior * np.broadcast_to(first_estimate(world, bands), shape)
    approved, observed = (np.empty((runs, world.rounds, len(world.names))) for _ in range(2))
    arms = (1 - world.exploration - world.holdout, world.exploration, world.holdout)
    for step in range(world.rounds):
        grants = repaid / loans > world.terms.break_even
        came = random.multinomial(world.applicants, chances).reshape(shape)
        by_arm = random.multinomial(came, arms)
        by_model, told = by_arm[..., 0] * grants, random.binomial(by_arm[..., 0] * ~grants, world.reported)
        trained = by_model + by_arm[..., 1] + told
        approved[:, step] = (grants * bands.shares).sum(axis=2)
        observed[:, step] = (trained + by_arm[..., 2]).sum(axis=2) / np.maximum(came.sum(axis=2), 1)
        loans = loans + trained
        repaid = repaid + random.binomial(trained, bands.repay)
    ideal = ((bands.repay > world.terms.break_even) * bands.shares).sum(axis=1)
    return LendingRuns(approved=approved, observed=observed, ideal=ideal)
