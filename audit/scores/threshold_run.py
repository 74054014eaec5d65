"""Thresholds and utility as a result: curves by group, a chosen threshold, and the price of group thresholds."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from audit.counting import count
from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.rollup import Floats
from audit.run import measure
from audit.scores.threshold_choice import choose_thresholds
from audit.scores.threshold_prices import Chosen, choice_rows, chosen_for, halves, price_rows
from audit.scores.thresholds import sweep_rows
from audit.scores.utility import OUTCOMES, Payoff, utility_rows
from audit.seeds import seed_violations
from audit.tally import Tally

IN_USE = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
"""What is audited at the threshold in use."""

BINS = 500
"""Score bins: every threshold of two decimals is an edge."""

STEPS = 50
"""How many steps the stored curves have; the tally of a saved run gives every edge."""


def run_thresholds(
    log: PredictionLog,
    payoff: Payoff,
    *,
    held_out: PredictionLog | None = None,
    split: bool = False,
    random_state: int = 0,
    level: float = 0.95,
) -> Result:
    """Return utility and rates by group over thresholds, a threshold chosen on a smooth curve, and what others cost.

    Parameters
    ----------
    log
        The predictions, with scores and true labels.
    payoff
        What the four outcomes are worth.
    held_out
        Other predictions of the same model, on which the chosen thresholds are measured.
    split
        Choose on one random half of the rows and measure on the other; instead of `held_out`. Without either, the
        thresholds are measured on the rows that they were chosen on, and every gain says so.
    random_state
        Seed of the split.
    level
        Level of every interval and confidence set.

    Returns
    -------
    Result
        For everyone and every group of each sensitive feature: the audit's headline rates at the threshold in use;
        ``expected_utility`` and the rates of `audit.scores.thresholds.HEADLINES` `at` every step of a grid and at the
        chosen thresholds; ``best_threshold``; ``group_threshold_gain`` against one threshold for everyone. The tally of
        the rows that were measured is attached.

    Raises
    ------
    InputError
        If there are no scores or labels, both `held_out` and `split` are given, the two logs are read in different
        ways, weighted or clustered rows are to be split, or the seed is negative.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"y": [0, 0, 1, 1] * 25, "s": [0.1, 0.4, 0.6, 0.9] * 25, "sex": ["F", "M"] * 50})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["sex"])
    >>> result = run_thresholds(log, Payoff(tp=1, fp=-1, fn=0, tn=0))
    >>> [(row.slice, row.value) for row in result.measurements if row.metric == "group_threshold_gain"][0]
    ((), 0.0)
    """
    wrong = _violations(log, held_out, split=split, level=level)
    raise_violations([*wrong, *seed_violations(random_state)])
    whole = count(log, bins=BINS)
    chosen_on, measured_on = whole, whole
    if held_out is not None:
        measured_on = count(held_out, bins=BINS)
    elif split:
        chosen_on, measured_on = halves(whole, random_state=random_state)
    apart = split or held_out is not None
    rows = threshold_rows(chosen_on, measured_on, payoff, apart=apart, level=level)
    settings = _settings(log, payoff, level=level, split=split, held_out=held_out)
    provenance = Provenance(
        tally=measured_on.digest(),
        data=file_digests([*log.source, *(() if held_out is None else held_out.source)]),
        versions=recorded_versions(),
        seed=random_state if split else None,
        given=settings,
    )
    return Result(measurements=rows, provenance=provenance, tally=measured_on)


def threshold_rows(
    chosen_on: Tally, measured_on: Tally, payoff: Payoff, *, apart: bool, level: float = 0.95
) -> tuple[Measurement, ...]:
    """Return the rows of `run_thresholds` from tallies.

    Parameters
    ----------
    chosen_on, measured_on
        The rows that thresholds are chosen on, and those that everything is measured on.
    payoff, level
        As in `run_thresholds`.
    apart
        Whether the two hold different rows.

    Raises
    ------
    InputError
        If there are no scores or labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [0, 1] * 20, "s": [0.2, 0.8] * 20})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> rows = threshold_rows(tally, tally, Payoff(tp=1, fp=-1, fn=0, tn=0), apart=False)
    >>> sorted({row.metric for row in rows})[:3]
    ['accuracy', 'best_threshold', 'count']
    """
    grid = _grid(measured_on.bins or 0)
    everyone = choose_thresholds(chosen_on, payoff, level=level)
    rows = [
        *measure(measured_on, level=level, metrics=IN_USE, intersections=1),
        *choice_rows(chosen_on, everyone, level=level),
    ]
    common = everyone.thresholds[everyone.best[everyone.best >= 0]]
    rows += _curves(measured_on, payoff, (), np.union1d(grid, common), level)
    for feature in measured_on.features:
        chosen, _, own = chosen_for(chosen_on, payoff, feature, level=level)
        rows += choice_rows(chosen_on, own, level=level)
        rows += _curves(measured_on, payoff, (feature,), grid, level)
        rows += _own_rows(measured_on, payoff, chosen, set(grid.tolist()), level)
        rows += price_rows(measured_on, payoff, chosen, held_out=apart, level=level)
    return tuple(rows)


def _curves(
    tally: Tally, payoff: Payoff, features: tuple[str, ...], thresholds: Floats, level: float
) -> Iterator[Measurement]:
    yield from utility_rows(tally, payoff, features=features, thresholds=thresholds, level=level)
    yield from sweep_rows(tally, features=features, thresholds=thresholds, level=level)


def _own_rows(tally: Tally, payoff: Payoff, chosen: Chosen, known: set[float], level: float) -> Iterable[Measurement]:
    """Return what the curves of the groups are at the common threshold and at their own, unless it is known."""
    wanted = np.unique([chosen.common, *chosen.groups.values()])
    new = np.array([value for value in wanted.tolist() if value not in known])
    if not len(new):
        return
    for row in _curves(tally, payoff, (chosen.feature,), new, level):
        own = chosen.groups.get((row.slice[0][1],), chosen.common)
        if row.at[0][1] in {own, chosen.common}:
            yield row


def _grid(bins: int) -> Floats:
    """Return the edges that stored curves show, and one beyond 1."""
    edges = np.unique(np.rint(np.linspace(0, bins, STEPS + 1))[:-1])
    return np.append(edges / bins, (bins + 1) / bins)


def _violations(log: PredictionLog, held_out: PredictionLog | None, *, split: bool, level: float) -> list[str]:
    violations = []
    if "y_score" not in log.columns:
        violations.append("there are no scores to sweep thresholds over; name y_score (--y-score)")
    if split and held_out is not None:
        violations.append("split and held_out are both given; drop one: held out rows need no split")
    if held_out is not None and (held_out.sensitive_features, held_out.reading) != (
        log.sensitive_features,
        log.reading,
    ):
        violations.append("the held out log is read in another way; name the same features and options for both")
    if held_out is not None and "y_score" not in held_out.columns:
        violations.append("the held out log has no scores; name its y_score")
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations


def _settings(
    log: PredictionLog, payoff: Payoff, *, level: float, split: bool, held_out: PredictionLog | None
) -> dict[str, Any]:
    reading = log.reading
    return {
        "columns": dict(log.columns),
        "sensitive_features": list(log.sensitive_features),
        "positive": reading.positive,
        "threshold": reading.threshold,
        "score_max": reading.score_max,
        "bins": {name: list(edges) for name, edges in reading.bins.items()},
        "missing": reading.missing,
        "weights": reading.weights,
        "score_bins": BINS,
        "payoffs": dict(zip(OUTCOMES, payoff.values, strict=True)),
        "level": level,
        "measured_on": "held out rows" if held_out is not None else "a random half" if split else "all rows",
    }
