"""The decision log of a recommender: who was shown what, by which arm, with what chance, and who clicked."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from audit.errors import raise_violations
from monitors.simulators.checks import not_below, not_shares
from monitors.simulators.clock import times
from monitors.simulators.recommender import (
    GROUPS,
    Array,
    Correction,
    Recommender,
    appeals,
    chances_of,
    fed_back,
    volunteered,
)


def recommender_log(  # noqa: PLR0913 - the settings of a world, by name
    *,
    seed: int,
    users: int = 400,
    items: int = 50,
    rounds: int = 12,
    minority: float = 0.2,
    power: float = 1.5,
    exploration: float = 0.2,
    holdout: float = 0.0,
    withheld: float = 0.0,
    lift: float = 1.0,
    reported: float = 0.0,
    correction: Correction = "none",
    enthusiasm: float = 0.0,
) -> pa.Table:
    """Return the decision log of a recommender; ``power=0`` is the same world without a loop.

    A row is a user and an item in a week, which is a round. Users keep their arm. Columns: ``timestamp`` (UTC),
    ``round`` (0, 1, ...), ``user``, ``item``, ``group`` ("majority", "minority"), ``arm`` ("model"; "explore": any
    item by chance; "holdout": likewise, and not fed back), ``action`` (1 where the item was shown, 0 where chance
    withheld it), ``propensity`` (chance, within the user's arm, of this item and this action), ``y_score`` (the item's
    popularity in this round as a share of the largest), ``outcome`` (1 for a click, or for a choice of one's own where
    nothing was shown), ``training_weight`` (what the row's outcome added to the item's popularity, by its weight).

    Parameters
    ----------
    seed
        Of the random numbers.
    users, items, rounds, minority, power, exploration, holdout, reported, correction
        As in `Recommender`; under "rejection" the weight is 0 or 1 by chance.
    withheld
        Share of the rows whose item is not shown, by chance, in [0, 1].
    lift
        Share of the clicks that come of being shown: an item withheld is chosen with ``1 - lift`` times its appeal.
    enthusiasm
        Standard deviation of the logarithm of how many items a user is shown per round; 0: one each.

    Returns
    -------
    pa.Table
        ``rounds * users`` rows where enthusiasm is 0.

    Raises
    ------
    InputError
        If settings are outside their ranges.

    Examples
    --------
    >>> log = recommender_log(seed=1, users=20, items=5, rounds=2)
    >>> log.num_rows, sorted(set(log["arm"].to_pylist()))
    (40, ['explore', 'model'])
    """
    raise_violations(not_shares(withheld=withheld, lift=lift) + not_below(0, enthusiasm=enthusiasm))
    world = Recommender(
        users=users, items=items, rounds=rounds, minority=minority, power=power, exploration=exploration,
        holdout=holdout, reported=reported, correction=correction,
    )  # fmt: skip
    random = np.random.default_rng(seed)
    appeal = appeals(world, random, 1)
    group, arm = _people(world)
    visits = np.exp(enthusiasm * random.standard_normal(users)) if enthusiasm > 0 else np.ones(users)
    popularity = np.full((1, items), world.prior)
    tables = []
    for step in range(rounds):
        who = np.repeat(np.arange(users), random.poisson(visits) if enthusiasm > 0 else 1)
        chances = chances_of(world, popularity)[0]
        rows = _visits(random, chances, appeal[0], group[who], arm[who], (withheld, lift))
        weight = _weights(world, random, rows, arm[who])
        tables.append(_table(random, step, who, group[who], arm[who], rows, weight, popularity[0]))
        added = np.bincount(rows["item"], weights=weight * rows["outcome"], minlength=items)
        popularity = popularity + added + volunteered(world, random, appeal)
    return pa.concat_tables(tables)


def _people(world: Recommender) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return group (0, 1) and arm of each user."""
    groups: list[int] = []
    arms: list[str] = []
    for arm, sizes in world.arm_sizes.items():
        for group, size in enumerate(sizes):
            groups += [group] * size
            arms += [arm] * size
    return np.array(groups), np.array(arms)


def _visits(
    random: np.random.Generator,
    chances: Array,
    appeal: Array,
    group: NDArray[np.int64],
    arm: NDArray[np.str_],
    showing: tuple[float, float],
) -> dict[str, Array]:
    """Return item, action, outcome and propensity of each visit, the chance of its item, and the least of its arm."""
    withheld, lift = showing
    by_model = random.choice(len(chances), size=group.size, p=chances)
    item = np.where(arm == "model", by_model, random.integers(0, len(chances), group.size))
    chance = np.where(arm == "model", chances[item], 1 / len(chances))
    least = np.where(arm == "model", chances.min(), 1 / len(chances))
    action = random.random(group.size) >= withheld
    click = random.random(group.size) < appeal[group, item] * np.where(action, 1.0, 1 - lift)
    return {
        "item": item,
        "action": action,
        "outcome": click,
        "propensity": chance * np.where(action, 1 - withheld, withheld),
        "chance": chance,
        "least": least,
    }


def _weights(world: Recommender, random: np.random.Generator, rows: dict[str, Array], arm: NDArray[np.str_]) -> Array:
    """Return what a click of each row adds to the popularity of its item."""
    counted = (arm != "holdout") & (rows["action"] == 1)
    chance = rows["chance"]
    if world.correction == "rejection":
        kept = random.random(chance.size) < rows["least"] / chance
        return np.asarray(np.where(counted & kept, 1 - world.reported, 0.0))
    once = fed_back(world, random, np.ones((1, chance.size)), chance[None])[0]
    return np.where(counted, once, 0.0)


def _table(
    random: np.random.Generator,
    step: int,
    who: NDArray[np.int64],
    group: NDArray[np.int64],
    arm: NDArray[np.str_],
    rows: dict[str, Array],
    weight: Array,
    popularity: Array,
) -> pa.Table:
    return pa.table(
        {
            "timestamp": times(random, who.size, step=step),
            "round": np.full(who.size, step),
            "user": [f"user-{number:05d}" for number in who],
            "item": [f"item-{number:04d}" for number in rows["item"]],
            "group": [GROUPS[number] for number in group],
            "arm": arm.tolist(),
            "action": rows["action"].astype(np.int64),
            "propensity": rows["propensity"],
            "y_score": popularity[rows["item"]] / popularity.max(),
            "outcome": rows["outcome"].astype(np.int64),
            "training_weight": weight,
        }
    )
