"""A world of places and weeks in which patrols find what they look for, at a loop gain that is known exactly."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_below, not_positive, not_shares
from monitors.simulators.clock import START

Array = NDArray[np.float64]

_MONTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicingWorld:
    """The settings of a world.

    Parameters
    ----------
    places, weeks
        How many places are patrolled for how many weeks; the allocation is computed anew in every period.
    units
        Units of patrol per week, over all places; one unit finds one incident on average.
    dither
        Standard deviation of the random shift of the log-allocation; 0 for a world without.
    reported
        Weight of the reported incidents in what is fed back; discovered ones weigh ``1 - reported``. In [0, 1].
    correction
        Whether discovered incidents are weighed by the inverse of the allocation that found them.
    cycle
        Amplitude of a cycle of the log-rate: over the week where a week has several periods, else over four weeks.
    overdispersion
        Variance of a count divided by its mean, at least 1 (Poisson).
    per_week
        Periods per week: 1, or 7 for days.
    spread
        Standard deviation of the logarithm of the places' shares.
    history
        Weeks of incidents that the first allocation rests on.

    Examples
    --------
    >>> PolicingWorld(reported=0.5).gain, PolicingWorld(correction=True).gain
    (0.5, 0.0)
    """

    places: int = 20
    weeks: int = 26
    units: float = 100.0
    dither: float = 0.3
    reported: float = 0.0
    correction: bool = False
    cycle: float = 0.0
    overdispersion: float = 1.0
    per_week: int = 1
    spread: float = 0.3
    history: float = 10.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(reported=self.reported)
        violations += not_below(2, places=self.places)
        violations += not_below(1, weeks=self.weeks, overdispersion=self.overdispersion, per_week=self.per_week)
        violations += not_below(0, dither=self.dither, cycle=self.cycle, spread=self.spread)
        violations += not_positive(units=self.units, history=self.history)
        raise_violations(violations)

    @property
    def gain(self) -> float:
        """The true loop gain: by what share of itself a small relative shift of attention comes back as signal."""
        return 0.0 if self.correction else 1 - self.reported

    @property
    def periods(self) -> int:
        """How many times the allocation is computed."""
        return self.weeks * self.per_week


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicingRun:
    """What happened in a world; every array has shape (periods, places).

    Parameters
    ----------
    planned
        Share of the units that the model gave to a place, before the dither.
    allocated
        Share that it got.
    dither
        ``log(allocated / planned)``.
    discovered, reported
        Counts of incidents.
    fed_back
        What the model was trained on: the weighted sum of both.

    Examples
    --------
    >>> run = policing_run(PolicingWorld(places=3, weeks=4), seed=1)
    >>> run.allocated.shape, run.allocated.sum(axis=1).round(6).tolist()
    ((4, 3), [1.0, 1.0, 1.0, 1.0])
    """

    planned: Array
    allocated: Array
    dither: Array
    discovered: Array
    reported: Array
    fed_back: Array


def policing_log(  # noqa: PLR0913 - the settings of a world, by name
    *,
    seed: int,
    places: int = 20,
    weeks: int = 26,
    units: float = 100.0,
    dither: float = 0.3,
    reported: float = 0.0,
    correction: bool = False,
    cycle: float = 0.0,
    overdispersion: float = 1.0,
    per_week: int = 1,
) -> pa.Table:
    """Return the decision log of a simulated world with a loop gain of ``1 - reported``, or 0 with the correction.

    A row is a place, a period and a source of outcomes. A source of weight zero has no rows; in a world with both, a
    place and period has two rows with the same allocation. What is fed back to training for a place and period is the
    sum of ``training_weight * outcome``.

    Columns: ``place`` ("place-00"), ``timestamp`` (start of the period, UTC), ``round`` (0, 1, ...), ``propensity``
    (share of the units that the model planned, before the dither), ``dither`` (log of allocation by plan: the random
    shift as it came to be within the fixed number of units), ``allocation`` (share of the units), ``exposure`` (units),
    ``outcome`` (incidents), ``outcome_source`` ("discovered", "reported"), ``training_weight``.

    Parameters
    ----------
    seed
        Of the random numbers.
    places, weeks, units, dither, reported, correction, cycle, overdispersion, per_week
        As in `PolicingWorld`.

    Returns
    -------
    pa.Table
        ``weeks * per_week * places`` rows for each source of positive weight.

    Raises
    ------
    InputError
        If settings are outside their ranges.

    Examples
    --------
    >>> log = policing_log(seed=1, places=4, weeks=3, reported=0.5)
    >>> log.num_rows, sorted(set(log["outcome_source"].to_pylist()))
    (24, ['discovered', 'reported'])
    """
    world = PolicingWorld(
        places=places, weeks=weeks, units=units, dither=dither, reported=reported, correction=correction,
        cycle=cycle, overdispersion=overdispersion, per_week=per_week,
    )  # fmt: skip
    return log_of(world, policing_run(world, seed=seed))


def policing_run(world: PolicingWorld, *, seed: int) -> PolicingRun:
    """Simulate a world.

    In each period the model plans shares p in proportion to everything fed back so far; place i gets the share
    q_i = p_i exp(d_i) / sum_j p_j exp(d_j) with d_i ~ N(0, dither²). Patrols find D_i with mean ``units * q_i`` (a
    unit finds as much everywhere, so that discovered incidents alone make a Polya urn); residents report R_i with
    mean ``units * share_i`` for fixed shares. Fed back is ``(1 - reported) * D_i + reported * R_i``, whose elasticity
    in q_i, averaged over the places by what they feed back, is ``1 - reported`` for any p; with the correction
    ``D_i / (places * q_i)`` stands in place of D_i, and its mean depends on q no more.

    Source: an urn after Ensign, Friedler, Neville, Scheidegger and Venkatasubramanian, Runaway feedback loops in
    predictive policing, FAT* 2018 (arXiv 1706.09847), with many places and the dither.

    Parameters
    ----------
    world
        The settings.
    seed
        Of the random numbers.

    Examples
    --------
    >>> policing_run(PolicingWorld(reported=1.0), seed=1).fed_back.shape
    (26, 20)
    """
    random = np.random.default_rng(seed)
    shape = (world.periods, world.places)
    logs = world.spread * random.standard_normal(world.places)
    shares = np.exp(logs) / np.exp(logs).sum()
    shifts = np.exp(world.dither * random.standard_normal(shape))
    units = world.units / world.per_week
    season = _season(world, random)
    reported = _counts(random, units * shares * season, world.overdispersion)
    planned, allocated, discovered, fed_back = (np.empty(shape) for _ in range(4))
    weights = world.history * world.units * shares
    for period in range(world.periods):
        planned[period] = weights / weights.sum()
        raw = planned[period] * shifts[period]
        allocated[period] = raw / raw.sum()
        discovered[period] = _counts(random, units * allocated[period] * season[period], world.overdispersion)
        found = discovered[period] * _training_weight(world, allocated[period])
        fed_back[period] = found + world.reported * reported[period]
        weights = weights + fed_back[period]
    return PolicingRun(
        planned=planned,
        allocated=allocated,
        dither=np.log(allocated / planned),
        discovered=discovered,
        reported=reported,
        fed_back=fed_back,
    )


def log_of(world: PolicingWorld, run: PolicingRun) -> pa.Table:
    """Return the decision log of a run; its columns are those of `policing_log`.

    Examples
    --------
    >>> world = PolicingWorld(places=2, weeks=1)
    >>> log_of(world, policing_run(world, seed=1))["place"].to_pylist()
    ['place-00', 'place-01']
    """
    sources = {
        "discovered": (run.discovered, _training_weight(world, run.allocated), world.reported < 1),
        "reported": (run.reported, np.full_like(run.reported, world.reported), world.reported > 0),
    }
    return pa.concat_tables(
        [_rows(world, run, name, counts, weights) for name, (counts, weights, used) in sources.items() if used]
    )


def _rows(world: PolicingWorld, run: PolicingRun, source: str, counts: Array, weights: Array) -> pa.Table:
    step = timedelta(weeks=1) / world.per_week
    rounds = np.repeat(np.arange(world.periods), world.places)
    starts = [START + step * period for period in range(world.periods)]
    names = [f"place-{place:02d}" for place in range(world.places)]
    return pa.table(
        {
            "place": names * world.periods,
            "timestamp": pa.array([starts[period] for period in rounds], pa.timestamp("us", "UTC")),
            "round": rounds,
            "propensity": run.planned.ravel(),
            "dither": run.dither.ravel(),
            "allocation": run.allocated.ravel(),
            "exposure": run.allocated.ravel() * world.units / world.per_week,
            "outcome": counts.ravel(),
            "outcome_source": [source] * rounds.size,
            "training_weight": weights.ravel(),
        }
    )


def _training_weight(world: PolicingWorld, allocated: Array) -> Array:
    """Return the weight of a discovered incident."""
    weight = 1 - world.reported
    return weight / (world.places * allocated) if world.correction else np.full_like(allocated, weight)


def _season(world: PolicingWorld, random: np.random.Generator) -> Array:
    """Return the factor of all rates by period and place; places are a little out of step."""
    length = world.per_week if world.per_week > 1 else _MONTH
    phases = random.normal(0.0, 0.5, world.places)
    return np.asarray(np.exp(world.cycle * np.sin(2 * np.pi * np.arange(world.periods)[:, None] / length + phases)))


def _counts(random: np.random.Generator, means: Array, overdispersion: float) -> Array:
    """Return counts with the means, and variances that are so many times as large."""
    if overdispersion > 1:
        excess = overdispersion - 1
        means = excess * random.standard_gamma(means / excess)
    return random.poisson(means).astype(np.float64)
