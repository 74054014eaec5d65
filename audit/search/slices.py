"""Subgroup search, honest by default: slices are found on one half of the rows and confirmed on the other.

Exploratory where that is asked for: all rows are searched, every slice is listed, and nothing is confirmed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog, feature_column
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.search.confirmation import confirmed_row
from audit.search.halves import MAX_VALUES, Halves, all_rows, split_halves
from audit.search.slice_rows import (
    SEARCHED,
    everyone_rows,
    exploratory_rows,
    is_candidate,
    is_confirmed,
    is_exploratory,
    listed_rows,
)
from audit.search.slice_search import CANDIDATES, EPSILON, Explored, candidates, explored

__all__ = ["SEARCHED", "is_candidate", "is_confirmed", "is_exploratory", "run_slices"]

LEVEL = 0.95
METRIC = "accuracy"
MIN_SUPPORT = 0.01
MAX_DEPTH = 3
QUANTILES = 4
LISTED = 10_000
"""Most slices that a search of all rows lists."""


def run_slices(  # noqa: PLR0913 - one search, every choice of it named
    log: PredictionLog,
    *,
    metric: str = METRIC,
    features: Sequence[str] | None = None,
    min_support: float = MIN_SUPPORT,
    max_depth: int | None = MAX_DEPTH,
    seed: int = 0,
    level: float = LEVEL,
    limit: int | None = None,
    epsilon: float = EPSILON,
    quantiles: int = QUANTILES,
    confirm: bool = True,
) -> Result:
    """Find the slices with the worst rate on one half of the rows, and confirm them on the other.

    Parameters
    ----------
    log
        The predictions; its sensitive features are what slices are made of. Rows are split at random, whole clusters
        where a cluster is named.
    metric
        A rate of `audit.metrics.METRICS`. Slices on its worse side are looked for, on both sides where neither is
        worse (a selection rate).
    features
        Which of the log's sensitive features are combined; None = all.
    min_support
        Smallest share of the rows of the search half that a slice must hold, in (0, 1].
    max_depth
        Most features of one slice; None = all.
    seed
        Seed of the split. One seed, chosen before: who tries several until a slice is confirmed confirms noise.
    level
        Confidence level that the intervals of all candidates hold together, in (0, 1).
    limit
        Most slices that go to confirmation (see `audit.search.slice_search.candidates`), or that are listed; None =
        `CANDIDATES` of the one, `LISTED` of the other.
    epsilon
        Slices whose rate lies within it of one of their parts are folded under that part.
    quantiles
        A number with more than ten values and no edges of its own is cut into so many ranges of about as many rows,
        by the rows of the search half.
    confirm
        False searches all rows and lists every slice, the largest divergence first: exploratory, nothing has an
        interval, nothing is confirmed. The numbers are DivExplorer's; what they select is partly noise.

    Returns
    -------
    Result
        ``<metric>_difference`` of each candidate against the rest, with the value and the simultaneous interval of the
        confirming half: the slice is confirmed where the whole interval lies on the worse side of 0 (`is_confirmed`).
        Beside it what made it a candidate, from the search half and without an interval: ``exploratory_difference``
        (DivExplorer's divergence), ``exploratory_t``, ``exploratory_support``, ``exploratory_score`` (SliceLine's),
        ``exploratory_shapley`` per item, ``exploratory_folded`` (how many slices within it say the same; the first of
        them with their difference to it), ``exploratory_overlap``. ``slices_searched``: how many were looked at.

    Raises
    ------
    InputError
        If the log holds what it should not, an option names what does not exist or lies outside its range (every
        violation at once), or there are too few rows to split or too many slices to search.

    Examples
    --------
    Of the old women every second is judged wrongly, of all others nobody.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"sex": ["F", "M"] * 2000, "old": [0, 0, 1, 1] * 1000, "label": 1})
    >>> rows["said"] = [1, 1, 1, 1, 1, 1, 0, 1] * 500
    >>> log = PredictionLog.from_frame(rows, y_true="label", y_pred="said", sensitive_features=["sex", "old"])
    >>> result = run_slices(log, metric="accuracy")
    >>> [row.slice for row in result.measurements if is_confirmed(row)][0]
    (('old', '1'), ('sex', 'F'))
    """
    names = tuple(log.sensitive_features if features is None else features)
    settings: dict[str, Any] = {"metric": metric, "features": list(names), "min_support": min_support}
    most = limit if limit is not None else CANDIDATES if confirm else LISTED
    settings |= {"max_depth": max_depth, "level": level, "limit": most, "epsilon": epsilon, "quantiles": quantiles}
    settings |= {} if confirm else {"confirm": False}
    raise_violations([*_option_violations(settings, seed), *_log_violations(log, names)])
    one = _of_features(log, names)
    halves = split_halves(one, seed=seed, quantiles=quantiles) if confirm else all_rows(one, quantiles=quantiles)
    found = explored(METRICS[metric], halves.search, names, min_support=min_support, max_depth=max_depth)
    rows = everyone_rows(METRICS[metric], halves, found, level=level, confirm=confirm)
    if confirm:
        rows += _confirmed(found, halves, settings)
    else:
        rows += listed_rows(found, better=METRICS[metric].better, limit=most)
    return Result(measurements=tuple(rows), provenance=_provenance(log, halves, settings, seed), tally=halves.tally)


def _confirmed(found: Explored, halves: Halves, settings: Mapping[str, Any]) -> list[Measurement]:
    metric, rows = METRICS[settings["metric"]], list[Measurement]()
    limit, epsilon, level = (settings[name] for name in ("limit", "epsilon", "level"))
    chosen = candidates(found, halves.search, better=metric.better, limit=limit, epsilon=epsilon)
    for candidate in chosen:
        pairs = found.slice_of(candidate.place)
        rows.append(confirmed_row(metric, halves.confirm, pairs, level=level, comparisons=len(chosen)))
        rows += exploratory_rows(found, candidate)
    return rows


def _of_features(log: PredictionLog, names: tuple[str, ...]) -> PredictionLog:
    """Return a log whose sensitive features are the named ones alone."""
    if names == log.sensitive_features:
        return log
    places = [log.sensitive_features.index(name) for name in names]
    roles = {role: nw.col(role) for role in log.columns}
    chosen = {feature_column(new): nw.col(feature_column(old)) for new, old in enumerate(places)}
    bins = {name: edges for name, edges in log.reading.bins.items() if name in names}
    reading = replace(log.reading, bins=bins)
    return replace(log, table=log.table.select(**roles, **chosen), sensitive_features=names, reading=reading)


def _option_violations(settings: Mapping[str, Any], seed: int) -> list[str]:
    violations = []
    name = settings["metric"]
    rates = [metric.name for metric in METRICS.values() if metric.kind == "rate"]
    if name not in rates:
        violations.append(f"slices are searched by a rate; expected one of {', '.join(rates)}; got {name!r}")
    for option, highest in (("min_support", 1.0), ("level", None)):
        value = settings[option]
        if not (0 < value < 1 or value == highest):
            violations.append(f"{option} must lie in (0, 1{']' if highest else ')'}; got {value}")
    if not settings["epsilon"] >= 0:
        violations.append(f"epsilon must be at least 0; got {settings['epsilon']}")
    for option, value, smallest in (
        ("max_depth", settings["max_depth"], 1), ("limit", settings["limit"], 1),
        ("quantiles", settings["quantiles"], 2), ("seed", seed, 0),
    ):  # fmt: skip
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < smallest):
            violations.append(f"{option} must be a whole number, at least {smallest}; got {value!r}")
    if "confirm" in settings:
        violations += [
            f"{option} is given in vain: all rows are searched, nothing is split and nothing folded; leave it out"
            for option, value, default in (("seed", seed, 0), ("epsilon", settings["epsilon"], EPSILON))
            if value != default
        ]
    return violations


def _log_violations(log: PredictionLog, names: tuple[str, ...]) -> list[str]:
    violations = []
    if not names:
        violations.append("no features: name the columns whose values make slices (sensitive_features, --features)")
    violations += [
        f"feature {name!r} is no sensitive feature of the log; expected some of {list(log.sensitive_features)[:20]}"
        for name in names
        if name not in log.sensitive_features
    ]
    violations += [
        f"feature {name!r} is named {names.count(name)} times; name it once"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if log.reading.task != "binary" or log.reading.abstain is not None:
        violations.append(
            f"slices are searched among two labels of which every row has a prediction; got the task "
            f"{log.reading.task!r}{' with abstention' if log.reading.abstain is not None else ''}; name one label as "
            f"positive, or search a vector of errors with audit.search.slice_line.slice_line"
        )
    return violations


def _provenance(log: PredictionLog, halves: Halves, settings: Mapping[str, Any], seed: int) -> Provenance:
    reading, halved = log.reading, "confirm" not in settings
    most = CANDIDATES if halved else LISTED
    everything = {
        **settings,
        "columns": dict(log.columns),
        "positive": reading.positive,
        "threshold": reading.threshold,
        "score_max": reading.score_max,
        "bins": {name: list(edges) for name, edges in reading.bins.items()},
        "missing": reading.missing,
        "weights": reading.weights,
        "max_values": MAX_VALUES,
    }
    defaults: dict[str, Any] = {
        "metric": METRIC, "min_support": MIN_SUPPORT, "max_depth": MAX_DEPTH, "level": LEVEL, "limit": most,
        "epsilon": EPSILON, "quantiles": QUANTILES, "positive": None, "threshold": None, "score_max": 1.0, "bins": {},
        "missing": "group", "weights": "none", "max_values": MAX_VALUES,
    }  # fmt: skip
    defaulted = {name: value for name, value in everything.items() if name in defaults and value == defaults[name]}
    given = {name: value for name, value in everything.items() if name not in defaulted}
    if halves.edges:
        source = "the_search_half" if halved else "all_rows"
        given[f"edges_from_{source}"] = {name: list(edges) for name, edges in halves.edges.items()}
    if halves.dropped:
        given["rows_dropped_for_missing_sensitive_value"] = halves.dropped
    return Provenance(
        tally=halves.tally.digest(),
        data=file_digests(log.source),
        versions=recorded_versions(),
        seed=seed if halved else None,
        given=given,
        defaulted=defaulted,
    )
