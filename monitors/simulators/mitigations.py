"""The mitigations that can be tried in a simulator, side by side: one function for each simulator."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitors.simulators.fico import CreditTables
from monitors.simulators.hidden_loop import HiddenLoop, hidden_loop_runs
from monitors.simulators.lending import Lending, lending_runs
from monitors.simulators.mitigation import MitigationOutcome, outcome_of
from monitors.simulators.performative import Performative, performative_runs
from monitors.simulators.recommender import Recommender, RecommenderRuns, chances_of, gini, recommender_runs
from monitors.simulators.urn import Urn, UrnRuns, urn_runs

Array = NDArray[np.float64]


def urn_mitigations(
    urn: Urn | None = None, *, runs: int = 1000, draws: int = 1000, seed: int = 0, exploration: float = 0.1
) -> tuple[MitigationOutcome, ...]:
    """Return the mean share of the first place, and how often one place has all, under each mitigation.

    Parameters
    ----------
    urn
        The urn as it is: None for the two places of Oakland.
    runs, draws, seed
        As in `urn_runs`; each mitigation has the same seed.
    exploration
        Share of draws for "exploration", and for the permanent "holdout"; the hold-out changes nothing in the urn,
        but the share that it measures (figure "share_by_holdout") is that of the incidents.

    Returns
    -------
    tuple of MitigationOutcome
        Figures "share_of_first_place" (ideal: its share of the incidents) and "runaway" (share of the runs in which
        some place has more than .95; ideal 0) for "none", "exploration", "exploration_and_propensity", "holdout",
        "propensity_weighting", "rejection_correction", "half_reported" and "reported_only".

    Examples
    --------
    >>> found = urn_mitigations(runs=50, draws=200)
    >>> [row.mitigation for row in found if row.figure == "runaway"][:3]
    ['none', 'exploration', 'exploration_and_propensity']
    """
    plain = urn or Urn()
    worlds = {
        "none": plain,
        "exploration": replace(plain, exploration=exploration),
        "exploration_and_propensity": replace(plain, exploration=exploration, correction="propensity"),
        "holdout": replace(plain, holdout=exploration),
        "propensity_weighting": replace(plain, correction="propensity"),
        "rejection_correction": replace(plain, correction="rejection"),
        "half_reported": replace(plain, discovered=0.5, reported=0.5),
        "reported_only": replace(plain, discovered=0.0, reported=1.0),
    }
    rows: list[MitigationOutcome] = []
    for name, world in worlds.items():
        result = urn_runs(world, runs=runs, draws=draws, seed=seed)
        ideal = world.true_shares[0]
        rows.append(outcome_of("urn", name, "share_of_first_place", result.shares[:, 0], ideal=ideal))
        rows.append(outcome_of("urn", name, "runaway", result.shares.max(axis=1) > 0.95, ideal=0.0))
        if world.holdout > 0:
            rows.append(outcome_of("urn", name, "share_by_holdout", _by_holdout(result), ideal=ideal))
    return tuple(rows)


def hidden_loop_mitigations(
    loop: HiddenLoop | None = None, *, runs: int = 50, seed: int = 0, exploration: float = 0.5
) -> tuple[MitigationOutcome, ...]:
    """Return what the last model looks like, to the team and in truth, under each mitigation.

    Parameters
    ----------
    loop
        The loop as it is: None for the defaults with five times the rows (a part of a small window tests nothing).
    runs, seed
        As in `hidden_loop_runs`.
    exploration
        Share of rows for which the prediction is withheld, for "exploration".

    Returns
    -------
    tuple of MitigationOutcome
        Figures "r2_closed", "r2_holdout" and "self_agreement_gap" (ideal 0) for "none", "exploration" and
        "propensity_weighting" (training and test on unexposed rows, weighted by 1 / P(unexposed)); the permanent
        hold-out is part of all: without it the gap cannot be seen. What cannot be done, training on unexposed rows
        where there are none, is left out.

    Examples
    --------
    >>> [row.figure for row in hidden_loop_mitigations(runs=5)][:3]
    ['r2_closed', 'r2_holdout', 'self_agreement_gap']
    """
    plain = loop or HiddenLoop(rows=2700, holdout=300, step=100)
    worlds = {"none": plain, "exploration": replace(plain, exploration=exploration)}
    if plain.exposure < 1:
        worlds["propensity_weighting"] = replace(plain, train_on="unexposed")
    rows: list[MitigationOutcome] = []
    for name, world in worlds.items():
        found = hidden_loop_runs(world, runs=runs, seed=seed)
        figures = {"r2_closed": found.r2_closed, "r2_holdout": found.r2_holdout}
        rows += [outcome_of("hidden_loop", name, figure, values[:, -1]) for figure, values in figures.items()]
        gap = found.self_agreement_gap[:, -1]
        rows.append(outcome_of("hidden_loop", name, "self_agreement_gap", gap, ideal=0.0))
    return tuple(rows)


def performative_mitigations(
    world: Performative | None = None, *, runs: int = 1000, rounds: int = 25, seed: int = 0, holdout: float = 0.2
) -> tuple[MitigationOutcome, ...]:
    """Return how far the last guess is from the mean of people who are shown none, under each mitigation.

    Parameters
    ----------
    world
        The world as it is: None for the defaults.
    runs, rounds, seed
        As in `performative_runs`.
    holdout
        Share of people who are not shown the guess.

    Returns
    -------
    tuple of MitigationOutcome
        Figures "distance_from_base" (ideal 0) for "none", "exploration" (the hold-out is trained on like the others)
        and "holdout_only" (trained on those alone who saw no guess); "holdout_mean_less_base" (ideal 0), what the
        "permanent_holdout" tells though training leaves it out.

    Examples
    --------
    >>> [row.mitigation for row in performative_mitigations(runs=10, rounds=5)]
    ['none', 'exploration', 'holdout_only', 'permanent_holdout', 'permanent_holdout']
    """
    plain = world or Performative()
    worlds = {
        "none": plain,
        "exploration": replace(plain, holdout=holdout, train_on="all"),
        "holdout_only": replace(plain, holdout=holdout, train_on="holdout"),
        "permanent_holdout": replace(plain, holdout=holdout, train_on="shown"),
    }
    rows: list[MitigationOutcome] = []
    for name, changed in worlds.items():
        found = performative_runs(changed, runs=runs, rounds=rounds, seed=seed)
        distance = found.parameters[:, -1] - plain.base
        rows.append(outcome_of("performative", name, "distance_from_base", distance, ideal=0.0))
    known = found.holdout_means[:, -1] - plain.base
    return (*rows, outcome_of("performative", "permanent_holdout", "holdout_mean_less_base", known, ideal=0.0))


def recommender_mitigations(
    world: Recommender | None = None, *, runs: int = 50, seed: int = 0, exploration: float = 0.1
) -> tuple[MitigationOutcome, ...]:
    """Return how concentrated exposure is in the last round, and what the minority gets of it, under each mitigation.

    Parameters
    ----------
    world
        The world as it is: None for the defaults.
    runs, seed
        As in `recommender_runs`.
    exploration
        Share of users for "exploration".

    Returns
    -------
    tuple of MitigationOutcome
        Figures "gini" (of the chances to be shown; ideal: that of chances by true appeal over all users) and
        "group_gap" (`RecommenderRuns.calibration` of the majority less that of the minority; ideal 0) for "none",
        "exploration", "propensity_weighting", "rejection_correction", "half_reported" and "reported_only".

    Examples
    --------
    >>> len(recommender_mitigations(Recommender(users=100, items=10, rounds=3), runs=2))
    12
    """
    plain = world or Recommender()
    worlds = {
        "none": plain,
        "exploration": replace(plain, exploration=exploration, holdout=0.0),
        "propensity_weighting": replace(plain, correction="propensity"),
        "rejection_correction": replace(plain, correction="rejection"),
        "half_reported": replace(plain, reported=0.5),
        "reported_only": replace(plain, reported=1.0),
    }
    rows: list[MitigationOutcome] = []
    for name, changed in worlds.items():
        found = recommender_runs(changed, runs=runs, seed=seed)
        rows.append(
            outcome_of("recommender", name, "gini", found.chance_gini[:, -1], ideal=_ideal_gini(changed, found))
        )
        gap = found.calibration[:, -1, 0] - found.calibration[:, -1, 1]
        rows.append(outcome_of("recommender", name, "group_gap", gap, ideal=0.0))
    return tuple(rows)


def credit_mitigations(
    tables: CreditTables,
    world: Lending | None = None,
    *,
    runs: int = 200,
    seed: int = 0,
    exploration: float = 0.05,
    reported: float = 0.1,
) -> tuple[MitigationOutcome, ...]:
    """Return how many of the doubted group the model approves in the last round, under each mitigation.

    Parameters
    ----------
    tables
        The scores.
    world
        The world as it is: None for the defaults.
    runs, seed
        As in `lending_runs`.
    exploration
        Share of applicants for "exploration" and for the "permanent_holdout".
    reported
        Share of the refused whose outcome elsewhere is told, for "reported_outcomes".

    Returns
    -------
    tuple of MitigationOutcome
        Figures "approved_of_first_group" (ideal: what a lender who knows the chances approves) and
        "observed_of_first_group" for "none", "exploration", "permanent_holdout" and "reported_outcomes".

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> found = credit_mitigations(example_tables(), Lending(names=("A", "B")), runs=20)
    >>> [row.mitigation for row in found if row.figure == "approved_of_first_group"]
    ['none', 'exploration', 'permanent_holdout', 'reported_outcomes']
    """
    plain = world or Lending()
    worlds = {
        "none": plain,
        "exploration": replace(plain, exploration=exploration, holdout=0.0),
        "permanent_holdout": replace(plain, holdout=exploration, exploration=0.0),
        "reported_outcomes": replace(plain, reported=reported),
    }
    rows: list[MitigationOutcome] = []
    for name, changed in worlds.items():
        found = lending_runs(tables, changed, runs=runs, seed=seed)
        ideal = float(found.ideal[0])
        rows.append(outcome_of("credit", name, "approved_of_first_group", found.approved[:, -1, 0], ideal=ideal))
        rows.append(outcome_of("credit", name, "observed_of_first_group", found.observed[:, -1, 0]))
    return tuple(rows)


def _by_holdout(result: UrnRuns) -> Array:
    """Return the share of the first place that the hold-out of each run with visits to all places measured."""
    seen = (result.holdout_visits > 0).all(axis=1)
    means = result.holdout_found[seen] / result.holdout_visits[seen]
    return np.asarray(means[:, 0] / np.maximum(means.sum(axis=1), 1e-12))


def _ideal_gini(world: Recommender, found: RecommenderRuns) -> float:
    """Return the mean Gini index of chances in proportion to the true appeal over all users, to the same power."""
    overall = (1 - world.minority) * found.appeal[:, 0] + world.minority * found.appeal[:, 1]
    return float(gini(chances_of(world, overall)).mean())
