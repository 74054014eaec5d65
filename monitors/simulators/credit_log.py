"""The decision log of a lender: who applied, what the model said, who got a loan and why, and what became of it."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitors.simulators.clock import times
from monitors.simulators.fico import HIGHEST, LOWEST, Array, CreditTables
from monitors.simulators.lending import Bands, Lending, bands_of, first_estimate


def credit_log(tables: CreditTables, world: Lending | None = None, *, seed: int) -> pa.Table:
    """Return the decision log of a simulated lender (`monitors.simulators.lending`).

    A row is an applicant in a month of four weeks, which is a round. Columns: ``timestamp`` (UTC), ``round`` (0, 1,
    ...), ``user``, ``group``, ``score`` (300 to 850), ``y_score`` (the lender's estimate of the chance of repaying),
    ``y_pred`` (1 where it exceeds break-even), ``arm`` ("model", "explore", "holdout"), ``action`` (1: granted),
    ``propensity`` (chance, over the arms, of the action taken), ``outcome`` (1 repaid, 0 not; null where never
    learned), ``outcome_observed``, ``outcome_source`` ("discovered" for loans, "audit" for those of the hold-out,
    "reported" for loans elsewhere; null where none), ``training_weight``, ``score_after`` and ``score_change`` (each
    change cut to stay between 300 and 850; 0 without a loan of this lender), ``profit`` (of the loan, in units of a
    repaid one).

    Parameters
    ----------
    tables
        The scores: `monitors.simulators.fico.read_fico`, or `example_tables` without data.
    world
        The settings; None for the defaults, with the groups of the tables, smallest first.
    seed
        Of the random numbers.

    Returns
    -------
    pa.Table
        ``rounds * applicants`` rows.

    Raises
    ------
    InputError
        If groups are not in the tables.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> log = credit_log(example_tables(), Lending(names=("A", "B"), applicants=50, rounds=2), seed=1)
    >>> log.num_rows, log["outcome"].null_count == 100 - sum(log["action"].to_pylist())
    (100, True)
    """
    if world is None:
        world = replace(Lending(), names=tuple(sorted(tables.groups, key=lambda name: tables.groups[name].size)))
    random = np.random.default_rng(seed)
    bands = bands_of(tables, world.names)
    loans = np.full(bands.shares.shape, world.prior)
    repaid = world.prior * first_estimate(world, bands)
    rounds = []
    for step in range(world.rounds):
        table, trained, good = _round(random, tables, bands, world, repaid / loans, step)
        rounds.append(table)
        loans, repaid = loans + trained, repaid + good
    return pa.concat_tables(rounds)


def _round(
    random: np.random.Generator, tables: CreditTables, bands: Bands, world: Lending, estimate: Array, step: int
) -> tuple[pa.Table, Array, Array]:
    """Return the rows of a round, and the loans and repaid loans that it adds by group and band."""
    count = world.applicants
    group = random.choice(len(world.names), size=count, p=bands.sizes)
    place = _places(random, tables, world.names, group)
    band, score = bands.band[place], tables.scores[place]
    chance = np.stack([tables.groups[name].repay for name in world.names])[group, place]
    y_score = estimate[group, band]
    y_pred = y_score > world.terms.break_even
    forced = world.exploration + world.holdout
    drawn = random.random(count)
    arm = np.where(drawn < world.exploration, "explore", np.where(drawn < forced, "holdout", "model"))
    action = y_pred | (arm != "model")
    told = ~action & (random.random(count) < world.reported)
    repays = random.random(count) < chance
    trained = (action & (arm != "holdout")) | told
    change = np.clip(score + np.where(repays, world.terms.repaid, world.terms.defaulted), LOWEST, HIGHEST) - score
    columns = {
        "timestamp": times(random, count, step=step, weeks=4),
        "round": np.full(count, step),
        "user": [f"{step:02d}-{row:06d}" for row in range(count)],
        "group": [world.names[number] for number in group],
        "score": score,
        "y_score": y_score,
        "y_pred": y_pred.astype(np.int64),
        "arm": arm.astype(str).tolist(),
        "action": action.astype(np.int64),
        "propensity": np.where(y_pred, 1.0, np.where(action, forced, 1 - forced)),
        "outcome": pa.array(repays.astype(np.int64), mask=~(action | told)),
        "outcome_observed": (action | told).astype(np.int64),
        "outcome_source": _sources(action, told, arm),
        "training_weight": trained.astype(np.float64),
        "score_after": score + np.where(action, change, 0.0),
        "score_change": np.where(action, change, 0.0),
        "profit": np.where(action, np.where(repays, 1.0, world.terms.ratio), 0.0),
    }
    return pa.table(columns), _by_band(bands, group, band, trained), _by_band(bands, group, band, trained & repays)


def _places(
    random: np.random.Generator, tables: CreditTables, names: tuple[str, ...], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the place of each applicant's score among the scores of the tables."""
    places = np.empty(group.size, dtype=np.int64)
    for number, name in enumerate(names):
        own = group == number
        places[own] = random.choice(tables.scores.size, size=int(own.sum()), p=tables.groups[name].shares)
    return places


def _sources(action: NDArray[np.bool_], told: NDArray[np.bool_], arm: NDArray[np.str_]) -> pa.Array:
    found = np.where(arm == "holdout", "audit", np.where(told, "reported", "discovered")).astype(str)
    return pa.array(found.tolist(), mask=~(action | told))


def _by_band(bands: Bands, group: NDArray[np.int64], band: NDArray[np.int64], rows: NDArray[np.bool_]) -> Array:
    """Return how many of some rows are in each group and band."""
    counts = np.zeros(bands.shares.shape)
    np.add.at(counts, (group[rows], band[rows]), 1.0)
    return counts
