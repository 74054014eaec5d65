"""The predictive-policing urn: patrols are sent where incidents were found, and find incidents where they are sent."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_among, not_below, not_positive, not_shares

Array = NDArray[np.float64]

OAKLAND_RATES, OAKLAND_START = (3.68511, 2.816466), (609.0, 379.0)
"""Incidents per day, and the incidents known in the beginning, of the two places with most of them."""

Correction = Literal["none", "rejection", "propensity"]
Counts = Literal["poisson", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Urn:
    """The settings of an urn.

    Parameters
    ----------
    rates
        Mean incidents per draw, by place; at least two places.
    start
        Incidents that are known in the beginning, by place; positive.
    discovered, reported
        Share of the incidents found by the patrol, and of those told by residents (in every place), that are fed back;
        each in [0, 1].
    decay
        Share of the known incidents that is forgotten after each draw, in [0, 1]; no place falls below one.
    correction
        "rejection": a draw is fed back with a probability inverse to the chance of the visit; "propensity": its
        incidents are multiplied by 1 / (places * chance), up or down to a whole number by chance; "none".
    exploration
        Share of the draws whose place is drawn by chance alone, in [0, 1]; they are fed back like the others.
    holdout
        Share of the draws whose place is drawn by chance alone and which are never fed back, in [0, 1].
    counts
        "poisson", or "fixed": every visit finds, and every day residents report, the mean number exactly.

    Examples
    --------
    >>> Urn().places, round(Urn().true_shares[0], 4)
    (2, 0.5668)
    """

    rates: tuple[float, ...] = OAKLAND_RATES
    start: tuple[float, ...] = OAKLAND_START
    discovered: float = 1.0
    reported: float = 0.0
    decay: float = 0.01
    correction: Correction = "none"
    exploration: float = 0.0
    holdout: float = 0.0
    counts: Counts = "poisson"

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If settings are outside their ranges: all at once.
        """
        violations = not_shares(discovered=self.discovered, reported=self.reported, exploration=self.exploration)
        violations += not_shares(decay=self.decay, holdout=self.holdout)
        if len(self.rates) < 2 or len(self.rates) != len(self.start):
            violations.append(
                f"rates and start must name the same two or more places; got {len(self.rates)} and {len(self.start)}"
            )
        for rate, known in zip(self.rates, self.start, strict=False):
            violations += not_positive(rates=rate, start=known)
        violations += not_among(get_args(Correction), correction=self.correction)
        violations += not_among(get_args(Counts), counts=self.counts)
        if self.counts == "fixed" and self.decay > 0:
            violations.append(f"fixed counts go with decay=0 (chance forgets whole incidents); got {self.decay}")
        raise_violations(violations)

    @property
    def places(self) -> int:
        """Number of places."""
        return len(self.rates)

    @property
    def true_shares(self) -> tuple[float, ...]:
        """Share of all incidents that happen in each place."""
        return tuple(rate / sum(self.rates) for rate in self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrnRuns:
    """What became of many runs of one urn.

    Parameters
    ----------
    shares
        Shares of the places at the end, shape (runs, places).
    path
        Mean share over the runs after each draw, the start first, shape (draws + 1, places).
    holdout_visits, holdout_found
        Visits and incidents in the draws held out, shape (runs, places).

    Examples
    --------
    >>> runs = urn_runs(Urn(), runs=10, draws=5, seed=1)
    >>> runs.shares.shape, runs.path.shape, round(float(runs.path[0, 0]), 4)
    ((10, 2), (6, 2), 0.6164)
    """

    shares: Array
    path: Array
    holdout_visits: Array
    holdout_found: Array

    @property
    def holdout_shares(self) -> Array:
        """Shares of the incidents by the hold-out alone, shape (places,): mean found per visit; NaN without visits."""
        visits = self.holdout_visits.sum(axis=0)
        found = np.divide(self.holdout_found.sum(axis=0), visits, out=np.full(visits.shape, np.nan), where=visits > 0)
        return np.asarray(found / found.sum()) if found.sum() > 0 else np.full(visits.shape, np.nan)


def urn_runs(urn: Urn, *, runs: int = 1000, draws: int = 1000, seed: int = 0) -> UrnRuns:
    """Draw from many urns at once.

    In each draw a place is visited with the chance of its share of the known incidents (or by chance alone: share
    ``exploration``). The incidents that are found there, Poisson, and those that residents report in every place,
    Poisson, are added; then each known incident is forgotten with probability ``decay``.

    Source: Ensign, Friedler, Neville, Scheidegger and Venkatasubramanian, Runaway feedback loops in predictive
    policing, FAT* 2018 (arXiv 1706.09847), with rejection in section 4; for more than two places a draw is kept with
    probability (least chance of a visit) / (chance of this visit), which is theirs for two.

    Parameters
    ----------
    urn
        The settings.
    runs, draws
        Number of urns, and of draws from each; at least 1.
    seed
        Of the random numbers.

    Raises
    ------
    InputError
        If runs or draws are below 1.

    Examples
    --------
    Discovered incidents alone drive nearly all patrols to one place; corrected, the shares are those of the incidents.

    >>> round(float(urn_runs(Urn(), runs=200, draws=500, seed=1).shares[:, 0].mean()), 1)
    0.8
    >>> round(float(urn_runs(Urn(correction="rejection"), runs=200, draws=500, seed=1).shares[:, 0].mean()), 1)
    0.6
    """
    raise_violations(not_below(1, runs=runs, draws=draws))
    random = np.random.default_rng(seed)
    rates, rows = np.array(urn.rates), np.arange(runs)
    known = np.tile(np.array(urn.start), (runs, 1))
    path = np.empty((draws + 1, urn.places))
    visits, found = np.zeros_like(known), np.zeros_like(known)
    for draw in range(draws):
        shares = known / known.sum(axis=1, keepdims=True)
        path[draw] = shares.mean(axis=0)
        chances = shares if urn.exploration == 0 else (1 - urn.exploration) * shares + urn.exploration / urn.places
        held = random.random(runs) < urn.holdout
        visited = _visited(random, chances, held)
        incidents = _incidents(random, urn, rates[visited])
        _add(visits, rows, visited, held)
        _add(found, rows, visited, held * incidents)
        _add(known, rows, visited, ~held * _fed_back(random, urn, incidents, chances, visited))
        if urn.reported > 0:
            known += _incidents(random, urn, np.broadcast_to(rates * urn.reported, known.shape))
        if urn.decay > 0:
            known = np.maximum(known - random.binomial(known.astype(np.int64), urn.decay), 1.0)
    shares = known / known.sum(axis=1, keepdims=True)
    path[draws] = shares.mean(axis=0)
    return UrnRuns(shares=shares, path=path, holdout_visits=visits, holdout_found=found)


def _visited(random: np.random.Generator, chances: Array, held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the place that each run visits: by the chances, or any place alike where the draw is held out."""
    bounds = chances.cumsum(axis=1)
    drawn = random.random(len(chances))
    by_chance = np.minimum((drawn * chances.shape[1]).astype(np.int64), chances.shape[1] - 1)
    return np.asarray(np.where(held, by_chance, (drawn[:, None] > bounds[:, :-1]).sum(axis=1)))


def _incidents(random: np.random.Generator, urn: Urn, means: Array) -> Array:
    return means if urn.counts == "fixed" else random.poisson(means).astype(np.float64)


def _fed_back(
    random: np.random.Generator, urn: Urn, incidents: Array, chances: Array, visited: NDArray[np.int64]
) -> Array:
    """Return what is added for the incidents found: a part of them, corrected for the chance of the visit."""
    if urn.counts == "fixed":
        kept = incidents * urn.discovered
    else:
        kept = random.binomial(incidents.astype(np.int64), urn.discovered).astype(np.float64)
    if urn.correction == "none":
        return kept
    chance = chances[np.arange(len(chances)), visited]
    if urn.correction == "rejection":
        return np.asarray(kept * (random.random(len(kept)) < chances.min(axis=1) / chance))
    weighted = kept / (urn.places * chance)
    return np.asarray(np.floor(weighted + random.random(len(kept))))


def _add(table: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], values: Array | NDArray[np.bool_]) -> None:
    """Add a value to one cell of each row."""
    table[rows, columns] += values
