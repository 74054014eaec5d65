"""Coverage of answers that are no metric of the catalog: bounds, payoffs, concentration, own metrics."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from coverage import Row, Z
from fairlearn.metrics import MetricFrame

from audit.inference.bootstrap import bca, difference, needed, replicates
from audit.inference.intervals import FloatArray, Interval, rate
from audit.metrics.catalog import METRICS
from audit.rollup import FN, FP, TN, TP, Cells, Partition
from audit.scores.concentration import concentration
from audit.scores.outcome_means import mean_interval
from audit.scores.utility import Payoff, utility_means
from audit.tally import Tally, collapse
from audit.unknowns.bounds import label_bounds


def cells_of_counts(counts: FloatArray) -> tuple[Cells, Partition]:
    """Return cells of many samples at once from their counts, shape (runs, 6 quadrants), each sample a slice."""
    runs = len(counts)
    n = counts.ravel().astype(np.float64)
    cells = Cells(np.tile(np.arange(6), runs), counts.ravel(), n, n, None, 0, **_PLAIN)
    return cells, Partition((), ((),) * runs, np.repeat(np.arange(runs), 6))


_PLAIN: dict[str, Any] = {"exact_scores": False, "features": {}, "weighted": False, "pairs": None}


def share(bounds: Interval, truth: float) -> float:
    """Return how often bounds hold the truth."""
    return float(np.mean((bounds.low <= truth + 1e-12) & (bounds.high >= truth - 1e-12)))


def bound_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often a rate of all rows is held where labels are missing because of what they would say."""
    runs, rng = (20_000 if full else 4000), np.random.default_rng(21)
    chances = np.array([0.24, 0.12, 0.16, 0.48])  # tp, fp, fn, tn of all rows
    for size in (100, 1000):
        for text, kept in (("at random", (0.7,) * 4), ("where errors are", (0.9, 0.5, 0.4, 0.9))):
            known = chances * kept
            hidden = [(chances * (1 - np.array(kept)))[list(side)].sum() for side in ((0, 1), (2, 3))]
            counts = rng.multinomial(size, [*known, *hidden], runs)
            for name, true, of, among in (("accuracy", 0.72, (TP, TN), (TP, FP, FN, TN)),
                                          ("true_positive_rate", 0.6, (TP,), (TP, FN)),
                                          ("false_positive_rate", 0.2, (FP,), (FP, TN))):  # fmt: skip
                labelled = rate(counts[:, of].sum(axis=1), counts[:, among].sum(axis=1))
                found = label_bounds(METRICS[name], *cells_of_counts(counts), level=0.95)
                setting = f"{name}, {size:,} rows, labels missing {text}"
                yield Row(setting, "labelled rows only", share(labelled, true),
                          share(Interval(found.low, found.high), true))  # fmt: skip


def payoff_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of the mean payoff of a row; the usual way is the normal interval of a mean."""
    runs, rng = (20_000 if full else 4000), np.random.default_rng(22)
    payoff = Payoff(tp=5, fp=-1, fn=-20, tn=0)
    for size, chances in (
        (50, (0.2, 0.1, 0.1, 0.6)),
        (100, (0.05, 0.1, 0.02, 0.83)),
        (1000, (0.05, 0.1, 0.005, 0.845)),
    ):
        counts = np.zeros((runs, 6), dtype=np.int64)
        counts[:, :4] = rng.multinomial(size, chances, runs)
        worth = np.array([5.0, -1.0, -20.0, 0.0])
        mean = counts[:, :4] @ worth / size
        error = np.sqrt((counts[:, :4] @ worth**2 / size - mean**2) / (size - 1))
        ours = mean_interval(utility_means(*cells_of_counts(counts), payoff), level=0.95)
        true = float(np.array(chances) @ worth)
        text = f"payoff of a row, {size:,} rows, misses {chances[2]:.1%} (20 times a false alarm)"
        yield Row(text, "normal", share(Interval(mean - Z * error, mean + Z * error), true), share(ours, true))
    for size, harms in ((200, (0.1, 0.1, 0.1, 0.1)), (200, (0.3, 0.2, 0.1, 0.05)), (2000, (0.02, 0.01, 0.01, 0.005))):
        yield _concentration(size, np.array(harms), runs // 10, rng)


def _concentration(size: int, harms: FloatArray, runs: int, rng: np.random.Generator) -> Row:
    order = [f"q{place}" for place in range(4)]
    people = np.full(4, 0.25)
    rank = people.cumsum() - people / 2
    true = float(2 * (people * harms) @ rank / (people @ harms) - 1)
    held = naive = 0
    for _ in range(runs):
        each = rng.multinomial(size, people)
        harmed = rng.binomial(each, harms)
        found = concentration(
            _tally(order, np.stack([harmed, each - harmed], axis=1)), "g", order, {"false_positive": 1}
        )
        held += found.low <= true <= found.high
        weights = harmed / max(harmed.sum(), 1)
        at = 2 * (each.cumsum() - each / 2) / size - 1
        centre = weights @ at
        half = Z * np.sqrt(max(weights @ at**2 - centre**2, 0) / max(harmed.sum(), 1))
        naive += centre - half <= true <= centre + half
    text = f"concentration, {size:,} rows in 4 groups, harms {', '.join(f'{harm:g}' for harm in harms)}"
    return Row(text, "ranks as known", naive / runs, held / runs)


def _tally(groups: list[str], counts: Any) -> Tally:  # noqa: ANN401 - integers (groups, 2): false positives, true negatives
    n = pa.array(np.asarray(counts).ravel().astype(np.int64))
    w = n.cast(pa.float64())
    names = pa.array(np.repeat(groups, 2).tolist())
    columns = {"slice.g": names, "y_true": ["0"] * len(names), "y_pred": ["1", "0"] * len(groups)}
    table = pa.table({**columns, "n": n, "w": w, "w2": w})
    return collapse(table, features=["g"], positive="1", bins=None, weights="none")


def mean_prediction(y_true: Any, y_pred: Any) -> float:  # noqa: ANN401, ARG001 - as Fairlearn calls a metric
    """Return the mean prediction: the plainest metric that a person may bring."""
    return float(np.mean(y_pred))


def own_metric_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often the largest gap of a metric of one's own may be 0 where groups are equal.

    The intervals are those that `audit.tasks.custom_metrics` makes its rows of.
    """
    runs, few = (1000, 100) if full else (60, 4)
    for groups in (2, 3):
        rng = np.random.default_rng([24, groups])
        ours = theirs = 0
        for seed in range(runs):
            values = rng.normal(size=(groups, 60))
            ours += _largest_low(values, rng) <= 0
            if seed < few:
                frame = MetricFrame(metrics=mean_prediction, y_true=np.ones(values.size), y_pred=values.ravel(),
                                    sensitive_features=np.repeat([*"abc"[:groups]], 60), n_boot=50,
                                    ci_quantiles=[0.025, 0.975], random_state=seed)  # fmt: skip
                theirs += frame.difference_ci()[0] <= 0
        text = f"own metric, {groups} equal groups of 60: a gap of 0 is not excluded"
        yield Row(text, "Fairlearn's difference_ci", theirs / few, ours / runs)


def _largest_low(values: FloatArray, rng: np.random.Generator) -> float:
    """Return the lower end of the largest gap of means: that of the largest simultaneous lower bound of a pair."""
    pairs = list(combinations(range(len(values)), 2))
    boots = needed(0.95, len(pairs))
    drawn = [replicates(lambda places, own=own: float(own[places].mean()), np.arange(len(own)), n_boot=boots,
                        random_state=rng, value=float(own.mean())) for own in values]  # fmt: skip
    bounds = [bca(difference(drawn[one], drawn[two]), level=0.95, comparisons=len(pairs)) for one, two in pairs]
    return max(max(float(low), -float(high)) for low, high in bounds)
