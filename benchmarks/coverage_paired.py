"""Coverage of paired intervals: a candidate and a baseline on the same rows, beside the usual ways that fail."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from coverage import Row, Z
from scipy.special import gammaln

from audit.estimates import interval
from audit.inference.gap_intervals import agresti_caffo, square_and_add
from audit.inference.intervals import FloatArray, Interval, quantile
from audit.inference.paired_intervals import paired_rates, tango
from audit.metrics.catalog import METRICS
from audit.paired.paired import Change, change, change_interval, growth_interval
from audit.paired.paired_log import count_together
from audit.paired.paired_models import joint_cells
from audit.paired.paired_tables import Asked
from audit.rollup import partition

PairedInterval = Callable[..., Interval]
SHARES = tuple((b, c) for b in (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4) for c in (0.001, 0.01, 0.05, 0.2, 0.4))
RATES = ("accuracy", "true_positive_rate", "false_positive_rate")
OTHERS = ("precision", "false_omission_rate", "f1", "matthews_corrcoef", "balanced_accuracy")


def textbook(gained: Any, lost: Any, n: Any, *, critical: Any) -> Interval:  # noqa: ANN401 - arrays or numbers
    """Return the Wald interval of a difference of paired rates."""
    d = (gained - lost) / n
    half = critical * np.sqrt(np.maximum((gained + lost) / n - d**2, 0) / n)
    return Interval(low=d - half, high=d + half)


def bonett_price(gained: Any, lost: Any, n: Any, *, critical: Any) -> Interval:  # noqa: ANN401
    """Return the interval of Bonett & Price 2012: Wald's after a gained and a lost row were added."""
    return textbook(gained + 1, lost + 1, n + 2, critical=critical)


def exact_coverage(
    function: PairedInterval, n: int, shares: tuple[tuple[float, float], ...], critical: npt.ArrayLike = Z
) -> FloatArray:
    """Return the exact (trinomial) coverage per pair of shares of gained and lost rows."""
    b, c = (side.ravel() for side in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    b, c = b[b + c <= n], c[b + c <= n]
    bounds = function(b, c, n, critical=critical)
    log = gammaln(n + 1) - gammaln(b + 1) - gammaln(c + 1) - gammaln(n - b - c + 1)
    found = []
    for gained, lost in shares:
        weight = np.exp(log + b * np.log(gained) + c * np.log(lost) + (n - b - c) * np.log(1 - gained - lost))
        held = (bounds.low <= gained - lost + 1e-12) & (bounds.high >= gained - lost - 1e-12)
        found.append(float(weight @ held))
    return np.array(found)


def exact_rows(*, full: bool) -> Iterator[Row]:
    """Yield least and mean coverage over a grid with rare discordance, and at the levels of many comparisons."""
    sizes = (20, 30, 50, 100, 200, *((400, 800) if full else ()))
    for n in sizes:
        ours, wald = exact_coverage(paired_rates, n, SHARES), exact_coverage(textbook, n, SHARES)
        yield Row(f"{n} rows, least over the grid", "textbook (Wald)", float(wald.min()), float(ours.min()))
        yield Row(f"{n} rows, mean over the grid", "textbook (Wald)", float(wald.mean()), float(ours.mean()))
    for name, other in (("Tango as published", tango), ("Bonett & Price", bonett_price)):
        for n in (20, 100):
            found = exact_coverage(other, n, SHARES)
            ours = exact_coverage(paired_rates, n, SHARES)
            yield Row(f"{n} rows, least over the grid", name, float(found.min()), float(ours.min()))
    for m in (6, 15):
        z = quantile(0.95, comparisons=m)
        for n in (30, 100):
            usual, ours = (exact_coverage(way, n, SHARES, z).min() for way in (bonett_price, paired_rates))
            yield Row(f"{n} rows, level {1 - 0.05 / m:.4f}, least", "Bonett & Price", float(usual), float(ours))


def world(rng: np.random.Generator, rows: int, *, cluster: int = 1) -> dict[str, npt.NDArray[Any]]:
    """Return labels and the scores of two models that see nearly the same; clusters share a part of the signal."""
    shared = np.repeat(rng.normal(0, 0.7, rows // cluster + 1), cluster)[:rows]
    signal = rng.normal(size=rows) + shared
    y = (rng.random(rows) < 1 / (1 + np.exp(0.5 - signal))).astype(int)
    old = signal + rng.normal(0, 0.8, rows)
    new = 0.4 * signal + 0.6 * old + rng.normal(0, 0.3, rows)
    scores = {"so": 1 / (1 + np.exp(0.5 - old)), "sn": 1 / (1 + np.exp(0.4 - new))}
    return {"y": y, **scores, "o": (scores["so"] >= 0.5).astype(int), "n": (scores["sn"] >= 0.5).astype(int)}


def changes_of(
    columns: Mapping[str, Any],
    metrics: tuple[str, ...],
    features: tuple[str, ...] = (),
    **asked: Any,  # noqa: ANN401
) -> dict[str, Change]:
    """Return the change of each metric in every group of the features."""
    scored = bool({"roc_auc", "brier_score"} & {*metrics})
    question = Asked("y", ("n",), "o", features, ("sn", "so") if scored else (), **asked)
    found = count_together(pa.table(dict(columns)), None, question)
    cells = joint_cells(found.tally, found.models, scores=scored)
    slices = partition(cells[0], features)
    return {metric: change(METRICS[metric], cells[0], cells[-1], slices) for metric in metrics}


def replicated(reps: int, size: int, seed: int, *, cluster: int = 1) -> dict[str, Any]:
    """Return the rows of many replicates, which a feature tells apart."""
    names = pa.array([f"r{place}" for place in range(reps)])
    rep = names.take(pa.array(np.repeat(np.arange(reps), size)))
    return {**world(np.random.default_rng(seed), reps * size, cluster=cluster), "rep": rep}


@cache
def truth(*, cluster: int = 1, scored: bool = False) -> Mapping[str, float]:
    """Return the true changes: those of very many rows."""
    rows = 400_000 if scored else 1_500_000
    metrics = ("roc_auc", "brier_score") if scored else (*RATES, *OTHERS)
    columns = world(np.random.default_rng(99), rows, cluster=cluster)
    return {name: float(found.value[0]) for name, found in changes_of(columns, metrics).items()}


def _unpaired(found: Change) -> Interval:
    """Return the interval that takes the two models for separate samples: right only by being too wide."""
    left, right = found.left, found.right
    if found.gained is not None:
        return agresti_caffo(left.successes, left.trials, right.successes, right.trials, critical=Z)  # type: ignore[arg-type]
    sides = [interval(found.metric, side, level=0.95) for side in (left, right)]
    return square_and_add(left.value, sides[0], right.value, sides[1])


def _covered(bounds: Interval, value: float) -> float:
    known = np.isfinite(bounds.low) & np.isfinite(bounds.high)
    return float(((bounds.low <= value) & (value <= bounds.high))[known].mean())


def simulated_rows(*, full: bool) -> Iterator[Row]:
    """Yield the coverage of every kind of metric; the usual way is the Wald interval with independent samples."""
    reps = 2000 if full else 700
    for size in (50, 300):
        columns = replicated(reps, size, seed=size)
        for name, found in changes_of(columns, (*RATES, *OTHERS), ("rep",)).items():
            ours = change_interval(found, level=0.95)
            yield Row(f"{name}, {size} rows", "two separate samples", _covered(_unpaired(found), truth()[name]),
                      _covered(ours, truth()[name]), _width(ours, _unpaired(found)))  # fmt: skip
    scored = changes_of(replicated(reps // 3, 150, seed=4), ("roc_auc", "brier_score"), ("rep",))
    for name, found in scored.items():
        true, ours = truth(scored=True)[name], change_interval(found, level=0.95)
        yield Row(f"{name}, 150 rows", "two separate samples", _covered(_unpaired(found), true), _covered(ours, true),
                  _width(ours, _unpaired(found)))  # fmt: skip


def designed_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage under clusters and sampling weights, beside intervals that take rows for independent and equal."""
    reps, size = (800 if full else 300), 400
    weight = np.random.default_rng(3).lognormal(0, 0.8, reps * size)
    for name, columns, asked, cluster in (
        ("clusters of 8", {"k": np.arange(reps * size) // 8}, {"cluster": "k"}, 8),
        ("lognormal weights", {"w": weight}, {"sample_weight": "w"}, 1),
    ):
        rows = {**replicated(reps, size, seed=2, cluster=cluster), **columns}
        if cluster == 8:
            rows |= _alike_within_clusters(rows, columns["k"])
        metrics = ("accuracy", "precision", "f1")
        true = _truth_alike() if cluster == 8 else truth()
        right, naive = changes_of(rows, metrics, ("rep",), **asked), changes_of(rows, metrics, ("rep",))
        for metric in metrics:
            usual = change_interval(naive[metric]._replace(value=right[metric].value), level=0.95)
            ours = change_interval(right[metric], level=0.95)
            if name.endswith("weights"):
                shift = right[metric].value - naive[metric].value  # the weighted estimate with the unweighted width
                usual = Interval(low=usual.low + shift, high=usual.high + shift)
            yield Row(f"{metric}, {size} rows, {name}", "independent rows", _covered(usual, true[metric]),
                      _covered(ours, true[metric]))  # fmt: skip


def _alike_within_clusters(rows: Mapping[str, Any], cluster: npt.NDArray[Any]) -> dict[str, Any]:
    """Return predictions in which whole clusters lose what the baseline found: one cause, many rows."""
    hit = np.random.default_rng(8).random(int(cluster.max()) + 1) < 0.1
    return {"n": np.where(hit[cluster], 0, rows["o"])}


@cache
def _truth_alike() -> Mapping[str, float]:
    rows = world(np.random.default_rng(98), 1_500_000, cluster=8)
    rows |= _alike_within_clusters(rows, np.arange(1_500_000) // 8)
    return {name: float(found.value[0]) for name, found in changes_of(rows, ("accuracy", "precision", "f1")).items()}


def group_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often all groups' intervals hold together, how often the largest change is covered, and growths."""
    reps = 1500 if full else 500
    for sizes in ((200, 200), (400, 150, 40), (500, 200, 100, 60, 40, 30)):
        names = np.repeat([f"g{place}" for place in range(len(sizes))], sizes)
        rows = {**replicated(reps, len(names), seed=len(sizes)), "g": np.tile(names, reps)}
        found = changes_of(rows, ("accuracy",), ("rep", "g"))["accuracy"]
        place = np.array([int(group[1][1:]) for group in found.slices.groups])  # type: ignore[index]
        rep = np.unique([group[0] for group in found.slices.groups], return_inverse=True)[1]
        true = truth()["accuracy"]
        held = []
        for m in (1, len(sizes)):
            bounds = change_interval(found, level=0.95, comparisons=m)
            inside = (bounds.low <= true) & (true <= bounds.high)
            held.append(float(np.mean(np.bincount(rep, weights=~inside) == 0)))
        text = " + ".join(map(str, sizes))
        yield Row(f"accuracy, all groups at once, {text} rows", "unadjusted", held[0], held[1])
        first, second = (np.flatnonzero(place == which)[np.argsort(rep[place == which])] for which in (0, 1))
        bounds = growth_interval(found, first, second, level=0.95)
        apart = _unpaired(found)
        sides = [(found.value[at], Interval(apart.low[at], apart.high[at])) for at in (first, second)]
        usual = square_and_add(*sides[0], *sides[1])
        yield Row(f"growth of the gap of two groups, {sizes[0]} + {sizes[1]} rows", "two separate samples",
                  _covered(usual, 0.0), _covered(bounds, 0.0), _width(bounds, usual))  # fmt: skip


def _width(ours: Interval, usual: Interval) -> str:
    known = np.isfinite(ours.low + ours.high + usual.low + usual.high)
    share = (ours.high - ours.low)[known].mean() / (usual.high - usual.low)[known].mean()
    return f"{share:.2f} of its width"
