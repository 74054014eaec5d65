"""Whether a few items get more and more of all exposures, and more than where chance decides what is shown."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.measurement import At, Measurement
from audit.predictions import PredictionLog
from monitors.feedback.blocks import Estimate, Label, evidence, jackknife, limit_of, measured, refused
from monitors.feedback.concentration_indices import INDICES, TOP, index_differences, overdispersion
from monitors.feedback.concentration_tables import Exposures, exposures
from monitors.feedback.metric import LoopMetric
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.feedback.trends import FEWEST, trend

Floats = npt.NDArray[np.float64]

GINI_DIFFERENCE = 0.1
GINI_GROWTH = 0.01

_FEWEST = 50  # exposures of an arm in a round
_BUNCHED = 1.2
_GROWTH = "gini_index_growth"
_SMALL = "an index of few exposures is high by chance alone: do not compare it with that of a larger arm"
_NO_ARM = (
    "there is no arm to hold the model's exposures against; show a random choice of items to a small random share of "
    "the requests and log their arm as explore, or keep a holdout"
)


class Compared(NamedTuple):
    """Differences of the indices between the model's arm and another, by round.

    Examples
    --------
    >>> Compared("explore", {}, [0, 2], np.array([60.0, 80.0]), bunched=False).places
    [0, 2]
    """

    arm: str
    series: dict[str, Floats]
    """By index: shape (n_blocks + 1, n_rounds), first of all blocks, then without each."""

    places: list[int]
    weights: Floats
    """Exposures of the smaller arm by round."""

    bunched: bool
    """Whether exposures come in bundles (users with tastes), so that distinct items cannot be compared."""


def measure_concentration(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Measure how unevenly exposures fall on items, by arm and round, and against an arm that chance or nobody steers.

    Parameters
    ----------
    log
        With the role item; action, arm, round (or model_version), user and timestamp where it has them.
    settings
        Limits of `gini_index_difference` and `gini_index_growth`, window, level, seed.

    Returns
    -------
    LoopRows
        The indices as facts (no interval: all exposures were counted); their differences and the growth of Gini's with
        intervals of the delete-one-block jackknife over users.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 1, 1, 1], "what": ["a", "a", "a", "b"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", item="what")
    >>> measure_concentration(log, LoopSettings()).rows[0].value
    0.25
    """
    found = exposures(log, settings)
    arms = [arm for arm in sorted(found.cells) if found.cells[arm]]
    if not arms:
        none = "no row with an item was shown; log action=1 where an item was shown"
        return LoopRows(tuple(refused(metric.name, 0, none) for metric in FAMILY))
    rows = [row for arm in arms for row in _facts(found, arm)]
    compared = _compared(found, settings)
    if isinstance(compared, str):
        names = (*(f"{name}_difference" for name in INDICES), _GROWTH)
        refusals = (refused(name, int(found.counts(arms[0]).sum()), compared) for name in names)
        return LoopRows((*rows, *refusals))
    differences = [_difference(found, compared, name, settings) for name in INDICES]
    growth = _growth(found, compared, settings)
    answers = [*differences, growth]
    measured_rows = (row for each in answers for row in each.rows)
    return LoopRows((*rows, *measured_rows), tuple(each for answer in answers for each in answer.evidence))


def _facts(found: Exposures, arm: str) -> list[Measurement]:
    places: list[int | None] = [None, *sorted(found.cells[arm])] if len(found.rounds) > 1 else [None]
    rows = []
    for place in places:
        counts = found.counts(arm, place)
        n = int(counts.sum())
        where = None if place is None else found.rounds[place]
        for name, index in INDICES.items():
            value = float(index(counts))
            key: dict[str, str | int | float] = dict(where.at) if where else {}
            key |= {"arm": arm} if arm else {}
            key |= {"k": TOP} if name == "top_share" else {}
            at: At = tuple(sorted(key.items()))
            window = None if where is None else where.window
            if not np.isfinite(value):
                only = "the log names a single item, which cannot be more or less evenly shown; log all items"
                rows.append(refused(name, n, only, at=at, window=window))
                continue
            few = _SMALL if n < 10 * found.items else None
            rows.append(Measurement(metric=name, at=at, window=window, value=value, n=n, method="count", reason=few))
    return rows


def _compared(found: Exposures, settings: LoopSettings) -> Compared | str:
    """Return the differences by round between the model's arm and the first of the others that can be used."""
    if not found.cells.get("model"):
        return "no exposures of the arm model are logged; log the arm of each row"
    for arm in ("explore", "holdout"):
        both = sorted(found.cells["model"].keys() & found.cells.get(arm, {}).keys())
        sizes = {p: min(found.counts("model", p).sum(), found.counts(arm, p).sum()) for p in both}
        places = [place for place in both if sizes[place] >= _FEWEST]
        if places and found.items > 1:
            break
    else:
        some = {arm for arm in ("explore", "holdout") if found.cells.get(arm)}
        few = f"no round has {_FEWEST} exposures in both arms; make the arm {' or '.join(sorted(some))} larger, or wait"
        return few if some else _NO_ARM
    rng = np.random.default_rng(settings.seed)
    series = {name: np.full((found.blocks + 1, len(places)), np.nan) for name in INDICES}
    bunched = False
    for column, place in enumerate(places):
        model, other = found.table("model", place), found.table(arm, place)
        bunched = bunched or max(overdispersion(model), overdispersion(other)) > _BUNCHED
        for name, values in index_differences(model, other, rng=rng).items():
            series[name][:, column] = values
    return Compared(arm, series, places, np.array([sizes[place] for place in places]), bunched)


def _difference(found: Exposures, compared: Compared, name: str, settings: LoopSettings) -> LoopRows:
    metric = f"{name}_difference"
    n = int(compared.weights.sum())
    if name == "aggregate_diversity" and compared.bunched:
        why = (
            "exposures come in bundles, as those of users with tastes of their own do, and the number of different "
            "items then depends on the number of users in an arm; read entropy_difference instead"
        )
        return LoopRows((refused(metric, n, why, at=(("arm", "model"),)),))
    values = _weighted_mean(compared.series[name], compared.weights)
    estimate = jackknife(float(values[0]), values[1:])
    at: At = (("arm", "model"), ("k", TOP)) if name == "top_share" else (("arm", "model"),)
    label = Label(metric, n, settings.level, at=at, against={"kind": "slice", "slice": {"arm": compared.arm}})
    row = measured(label, estimate, method="block_jackknife", bounds=(-1.0, 1.0))
    if name != "gini_index":
        return LoopRows((row,))
    limit = limit_of(settings.limits, metric, GINI_DIFFERENCE)
    since = found.rounds[_first_above(compared.series[name][0], compared.places, limit.value)].start
    return LoopRows((row,), evidence(row, estimate, limit, since))


def _growth(found: Exposures, compared: Compared, settings: LoopSettings) -> LoopRows:
    series = compared.series["gini_index"]
    n = int(compared.weights.sum())
    if len(compared.places) < FEWEST:
        why = (
            f"{len(compared.places)} rounds or windows have exposures in both arms, and a trend needs {FEWEST}; "
            "wait, or take shorter windows"
        )
        return LoopRows((refused(_GROWTH, n, why),))
    deleted = series[1:] if np.isfinite(series[1:]).all() else None
    estimate: Estimate = trend(series[0], deleted=deleted)
    against = {"kind": "slice", "slice": {"arm": compared.arm}}
    label = Label(_GROWTH, n, settings.level, at=(("arm", "model"),), against=against)
    row = measured(label, estimate, method="residual_and_block_jackknife")
    limit = limit_of(settings.limits, _GROWTH, GINI_GROWTH)
    found_evidence: tuple[Evidence, ...] = evidence(row, estimate, limit, found.rounds[compared.places[0]].start)
    return LoopRows((row,), found_evidence)


def _weighted_mean(series: Floats, weights: Floats) -> Floats:
    known = np.isfinite(series)
    total = np.where(known, weights, 0.0).sum(axis=1)
    mean = np.where(known, series * weights, 0.0).sum(axis=1) / np.where(total > 0, total, np.nan)
    return np.asarray(mean, dtype=np.float64)


def _first_above(values: Floats, places: list[int], limit: float) -> int:
    above = np.flatnonzero(values > limit)
    return places[int(above[0])] if above.size else places[0]


_NEEDS_ARM = (
    "Show a random choice of items to a small random share of requests (arm explore), or keep some users whom the "
    "model never acts on (arm holdout), and log item, action and arm of every row."
)
_SOURCE = "Catalogue of loop metrics; Dixon et al. (1987), doi:10.2307/1939238, on Gini's index and its bias."
_NOT_WHEN = (
    "Not as a verdict by itself: some items may deserve more exposure. Not between arms of different size: a small arm "
    "looks uneven by chance; the rows named difference take that out."
)


def _fact(name: str, title: str, meaning: str) -> LoopMetric:
    return LoopMetric(
        name=name,
        title=title,
        question="is there a loop",
        needs=("item",),
        helps=("action", "arm", "round", "user", "timestamp"),
        meaning=meaning,
        why="It describes; what matters is whether it grows, and whether it is larger than where chance decides.",
        not_when=_NOT_WHEN,
        obtain="Log the item of every row, and action=1 where it was shown.",
        source=_SOURCE,
        measure=measure_concentration,
    )


def _gap(name: str, title: str, meaning: str, limit: float | None = None) -> LoopMetric:
    return LoopMetric(
        name=f"{name}_difference",
        title=title,
        question="how strong",
        needs=("item", "arm"),
        helps=("action", "round", "user", "timestamp"),
        meaning=meaning,
        limit=limit,
        why=(
            "A model that shows what was shown before makes a few items ever more popular. Above the limit a person "
            "looks at which items gain, and whether they are better or only seen more often."
        ),
        not_when=(
            "Not as proof of a loop by itself: a model that picks good items is more concentrated than chance from its "
            "first day; look at gini_index_growth. Not where the arm for comparison was steered by the model."
        ),
        obtain=_NEEDS_ARM,
        source=_SOURCE,
        measure=measure_concentration,
    )


FAMILY: tuple[LoopMetric, ...] = (
    _fact("gini_index", "How unequally items are shown", "0: all items are shown alike; near 1: one gets everything."),
    _fact(
        "herfindahl_index", "How likely two exposures are of one item", "The chance that two exposures show one item."
    ),
    _fact("top_share", "Share of the ten items shown most", "The part of all exposures that the ten top items get."),
    _fact(
        "entropy", "How evenly exposures are spread", "1: spread evenly over all items; 0: one item gets everything."
    ),
    _fact("aggregate_diversity", "Share of items shown at all", "The part of the items that anybody got to see."),
    _gap(
        "gini_index",
        "How much more unequal the model is than chance",
        "Inequality of what the model shows, less that of the random or untouched arm of equal size.",
        GINI_DIFFERENCE,
    ),
    _gap(
        "herfindahl_index", "Repeated items, model less chance", "Herfindahl's index of the model less that of chance."
    ),
    _gap("top_share", "Top ten items, model less chance", "Share of the ten top items, model less chance."),
    _gap("entropy", "Evenness, model less chance", "Evenness of what the model shows, less that of chance: below 0."),
    _gap("aggregate_diversity", "Items shown, model less chance", "Share of items shown, model less chance."),
    LoopMetric(
        name=_GROWTH,
        title="How fast inequality among items grows",
        question="is there a loop",
        needs=("item", "arm"),
        helps=("action", "round", "user", "timestamp"),
        meaning="By how much, each round, the model's exposures become more unequal than those of the random arm.",
        limit=GINI_GROWTH,
        why=(
            "Growth is what a loop does and a good model does not: .01 a round takes inequality from .5 to .6 in ten "
            "rounds. Look at what the newest model was trained on."
        ),
        not_when="Not with fewer than eight rounds or windows, and not where the list of items changes a lot.",
        obtain=_NEEDS_ARM,
        source=_SOURCE,
        measure=measure_concentration,
    ),
)
"""Concentration of exposures, as the catalog lists it."""
