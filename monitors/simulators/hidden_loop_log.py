"""The decision log of a hidden loop: predictions that some people use, and outcomes that follow them."""

import numpy as np
import pyarrow as pa

from audit.errors import raise_violations
from monitors.simulators.checks import not_below
from monitors.simulators.clock import times
from monitors.simulators.hidden_loop import Arrivals, HiddenLoop, TrainOn, original, rounds_of
from monitors.simulators.ridge import FEATURES, Ridge


def hidden_loop_log(
    *,
    seed: int,
    rounds: int = 12,
    rows: int = 300,
    usage: float = 0.7,
    adherence: float = 0.2,
    holdout: float = 0.1,
    exploration: float = 0.0,
    train_on: TrainOn = "all",
    noise: float = 2.0,
) -> pa.Table:
    """Return the decision log of a hidden loop; ``usage=0`` is the same world without a loop.

    A row is a case in a week, which is a round. Columns: ``timestamp`` (within the week, UTC), ``round`` (0, 1, ...),
    ``model_version`` ("model-00"), ``user`` (each its own), ``arm`` ("model"; "explore" where chance withheld the
    prediction; "holdout": never shown, never trained on), ``exposed`` (1 where the prediction swayed the outcome),
    ``action`` (1 where the prediction was shown or could have been: arm "model"), ``propensity`` (chance of this arm),
    ``y_pred``, ``earlier_score`` (what the model of the round before says of this row; null in the first),
    ``outcome``, ``y_true`` (the outcome, as training has it), ``training_weight`` (0 for the hold-out, and for exposed
    rows where training is on the unexposed), ``x0`` ... ``x9``.

    Parameters
    ----------
    seed
        Of the random numbers.
    rounds, rows
        Number of weeks, and of rows of the arms "model" and "explore" in each. The first model is trained on two
        weeks of rows from before, each later one on the latest two weeks.
    usage, adherence, exploration, train_on, noise
        As in `HiddenLoop`; ``usage`` is a share of the rows that are not explored.
    holdout
        Rows of the hold-out as a share of all rows, in [0, 1).

    Returns
    -------
    pa.Table
        ``rounds * (rows + held)`` rows, with ``held = round(rows * holdout / (1 - holdout))``.

    Raises
    ------
    InputError
        If settings are outside their ranges.

    Examples
    --------
    >>> log = hidden_loop_log(seed=1, rounds=2, rows=90)
    >>> log.num_rows, sorted(set(log["arm"].to_pylist()))
    (200, ['holdout', 'model'])
    """
    violations = not_below(1, rounds=rounds) + not_below(FEATURES, rows=rows)
    violations += [] if 0 <= holdout < 1 else [f"holdout must lie in [0, 1); got {holdout}"]
    raise_violations(violations)
    loop = HiddenLoop(
        usage=usage, adherence=adherence, rows=20 * rows, window=0.1, step=rows, noise=noise,
        exploration=exploration, train_on=train_on,
    )  # fmt: skip
    random = np.random.default_rng(seed)
    held = round(rows * holdout / (1 - holdout))
    tables: list[pa.Table] = []
    previous: Ridge | None = None
    for number, arrivals in enumerate(rounds_of(loop, random, runs=1, rounds=rounds)):
        tables += [
            _stream(loop, random, arrivals, previous, number, holdout),
            _held(loop, random, arrivals, previous, number, held),
        ]
        previous = arrivals.fit.model
    return pa.concat_tables(tables)


def _stream(
    loop: HiddenLoop, random: np.random.Generator, arrivals: Arrivals, previous: Ridge | None, number: int, held: float
) -> pa.Table:
    """Return the rows of a round that the model speaks of."""
    exposed = arrivals.rows.exposed[0]
    # Exposure was drawn at usage * (1 - exploration): a row unexposed was explored with this chance.
    chance = loop.exploration / (1 - loop.exposure) if loop.exposure < 1 else 0.0
    explored = ~exposed & (random.random(exposed.size) < chance)
    arm = np.where(explored, "explore", "model")
    share = np.where(explored, loop.exploration, 1 - loop.exploration) * (1 - held)
    weight = np.where(exposed & (loop.train_on == "unexposed"), 0.0, 1.0)
    return _table(random, arrivals, previous, number, arm=arm, propensity=share, training_weight=weight)


def _held(
    loop: HiddenLoop, random: np.random.Generator, arrivals: Arrivals, previous: Ridge | None, number: int, held: int
) -> pa.Table:
    """Return the rows of a round that are held out."""
    rows = original(random, (1, held), loop.noise)
    kept = Arrivals(rows, arrivals.fit.model.predict(rows.features), arrivals.fit)
    share = np.full(held, held / (held + loop.step))
    arm = np.full(held, "holdout")
    return _table(random, kept, previous, number, arm=arm, propensity=share, training_weight=np.zeros(held))


def _table(
    random: np.random.Generator,
    arrivals: Arrivals,
    previous: Ridge | None,
    number: int,
    **columns: np.ndarray,
) -> pa.Table:
    features = arrivals.rows.features[0]
    count = len(features)
    earlier = pa.nulls(count, pa.float64()) if previous is None else previous.predict(arrivals.rows.features)[0]
    return pa.table(
        {
            "timestamp": times(random, count, step=number),
            "round": np.full(count, number),
            "model_version": [f"model-{number:02d}"] * count,
            "user": [f"{number:02d}-{columns['arm'][row]}-{row:05d}" for row in range(count)],
            "arm": columns["arm"].astype(str).tolist(),
            "exposed": arrivals.rows.exposed[0].astype(np.int64),
            "action": (columns["arm"] == "model").astype(np.int64),
            "propensity": columns["propensity"],
            "y_pred": arrivals.y_pred[0],
            "earlier_score": earlier,
            "outcome": arrivals.rows.outcome[0],
            "y_true": arrivals.rows.outcome[0],
            "training_weight": columns["training_weight"],
            **{f"x{place}": features[:, place] for place in range(FEATURES)},
        }
    )
