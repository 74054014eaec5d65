"""Coverage of the intervals of metrics that are no rates, and of the largest gap, by seeded simulation."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import ndtr

from audit.counting import count
from audit.gaps import extreme, group_values
from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.tally import collapse

CELLS = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"))  # tp, fp, fn, tn as (y_true, y_pred)
SMOOTH = (
    "balanced_accuracy",
    "f1",
    "matthews_corrcoef",
    "positive_likelihood_ratio",
    "negative_likelihood_ratio",
)
REPLICATES = 1000
SOUND = (0.28, 0.14, 0.12, 0.46)
SKEWED = (0.10, 0.08, 0.07, 0.75)


def tally(counts, groups, feature="g"):
    """Return the tally of counts of shape (groups, 4)."""
    labels = np.tile(np.array(CELLS), (len(groups), 1))
    n = pa.array(counts.ravel().astype(np.int64))
    w = n.cast(pa.float64())
    columns = {f"slice.{feature}": np.repeat(groups, 4), "y_true": labels[:, 0], "y_pred": labels[:, 1]}
    table = pa.table({name: pa.array(column.tolist(), pa.string()) for name, column in columns.items()})
    table = table.append_column("n", n).append_column("w", w).append_column("w2", w)
    return collapse(table, features=[feature], positive="1", bins=None, weights="none")


def coverage(rows, truth):
    """Return the share of intervals that hold the truth; a value without one is no success, and there are few."""
    defined = [row for row in rows if row.value is not None]
    bounded = [row for row in defined if row.low is not None and row.high is not None]
    assert len(defined) > 0.95 * len(rows)
    assert len(bounded) > 0.99 * len(defined)
    return np.mean([row.low - 1e-9 <= truth <= row.high + 1e-9 for row in bounded])


@pytest.mark.parametrize("cells", [SOUND, SKEWED], ids=["sound", "skewed"])
@pytest.mark.parametrize("metric", SMOOTH)
def test_smooth_metrics_of_200_rows(metric, cells):
    counts = np.random.default_rng(0).multinomial(200, cells, REPLICATES)
    large = tally(np.array([cells]) * 1e9, np.array(["all"]))
    truth = group_values(large, metric, features=["g"], level=0.95)[0].value
    rows = group_values(tally(counts, np.arange(REPLICATES).astype(str)), metric, features=["g"], level=0.95)
    assert coverage(rows, truth) >= 0.92
    # A tenth of the width must fail, so that the test can.
    narrow = np.mean([abs(row.value - truth) < (row.high - row.low) / 20 for row in rows if row.low is not None])
    assert narrow < 0.5


def matrix(positives, negatives, sensitivity, specificity):
    sides = positives * sensitivity, negatives * (1 - specificity), positives * (1 - sensitivity)
    return np.array([*sides, negatives * specificity])


EDGES = {
    "40 positives, 98 % of them found": matrix(40, 10_000, 0.98, 0.9),
    "40 positives, 93 % of them found": matrix(40, 10_000, 0.93, 0.9),
    "nearly all right": matrix(100, 900, 0.99, 0.99),
    "precision .99": np.array([99, 1, 5, 95]),
    "30 rows": 30 * np.array(SOUND),
    "50 rows": 50 * np.array(SKEWED),
}


@pytest.mark.parametrize("replicates", [500, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("world", EDGES)
def test_smooth_metrics_whose_rates_are_near_their_ends(world, replicates):
    # The linearised variance is 0 where a rate is: balanced accuracy of the first world covered in .54.
    expected = EDGES[world]
    shares = expected / expected.sum()
    counts = np.random.default_rng(2).multinomial(round(expected.sum()), shares, replicates)
    for metric in SMOOTH:
        large = tally(shares[None] * 1e9, np.array(["all"]))
        truth = group_values(large, metric, features=["g"], level=0.95)[0].value
        named = [row for row in counts if metric != "positive_likelihood_ratio" or row[1]]  # else it has no value
        made = tally(np.array(named), np.arange(len(named)).astype(str))
        assert coverage(group_values(made, metric, features=["g"], level=0.95), truth) >= 0.93, metric


def test_large_counts_have_the_interval_of_the_delta_method():
    cells = np.array([SOUND]) * 100_000
    rows = {name: group_values(tally(cells, np.array(["a"])), name, features=["g"], level=0.95)[0] for name in SMOOTH}
    positives, negatives = cells[0, 0] + cells[0, 2], cells[0, 1] + cells[0, 3]
    found, spared = cells[0, 0] / positives, cells[0, 3] / negatives
    error = np.sqrt(found * (1 - found) / positives + spared * (1 - spared) / negatives) / 2
    balanced = rows["balanced_accuracy"]
    assert balanced.high - balanced.low == pytest.approx(2 * 1.95996 * error, rel=0.001)
    ratio = rows["positive_likelihood_ratio"]
    log = np.sqrt((1 - found) / (found * positives) + spared / ((1 - spared) * negatives))
    assert np.log(ratio.high / ratio.low) == pytest.approx(2 * 1.95996 * log, rel=0.001)
    assert {row.method for row in rows.values()} == {"mover"}


def designed(random, replicates, *, weights):
    """Forty positives of which 98 % are found beside 2,000 negatives, weighed or in clusters of four equal rows."""
    y = np.tile(np.repeat([1, 0], [40, 2000]), replicates)
    p = np.where(y == 1, random.random(len(y)) < 0.98, random.random(len(y)) < 0.1).astype(int)
    columns = {"y": y, "p": p, "g": [f"r{place}" for place in np.repeat(np.arange(replicates), 2040)]}
    if weights:
        columns["w"] = random.lognormal(0, 0.6, len(y))
        return PredictionLog.from_frame(
            pa.table(columns), y_true="y", y_pred="p", sensitive_features=["g"], sample_weight="w"
        )
    four = {name: np.repeat(column, 4) for name, column in columns.items()}
    four["c"] = np.repeat(np.arange(len(y)), 4)
    return PredictionLog.from_frame(pa.table(four), y_true="y", y_pred="p", sensitive_features=["g"], cluster="c")


@pytest.mark.parametrize("weights", [True, False], ids=["weights", "clusters"])
def test_balanced_accuracy_at_its_end_under_weights_and_clusters(weights):
    log = designed(np.random.default_rng(3), 150, weights=weights)
    rows = group_values(count(log), "balanced_accuracy", features=["g"], level=0.95)
    assert coverage(rows, 0.94) >= 0.93


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_delong_auc_of_200_rows(shift):
    random = np.random.default_rng(1)
    y = random.random(REPLICATES * 200) < 0.4
    score = ndtr(random.normal(0, 1, len(y)) + shift * y - shift / 2)
    group = [f"r{value}" for value in np.repeat(np.arange(REPLICATES), 200)]
    frame = pa.table({"y": y, "s": score, "g": group})
    log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])
    rows = group_values(count(log), "roc_auc", features=["g"], level=0.95)
    covered = coverage(rows, float(ndtr(shift / np.sqrt(2))))
    assert 0.92 <= covered <= 0.985


def largest(counts, metric, end="max", level=0.95):
    groups = np.array([f"g{place}" for place in range(counts.shape[1])])
    return [
        extreme(tally(one, groups), metric, features=["g"], compare="difference", end=end, level=level)
        for one in counts
    ]


def draws(random, replicates, sizes, cells):
    return np.stack([random.multinomial(size, cells, replicates) for size in sizes], axis=1)


@pytest.mark.parametrize(
    "sizes", [(100, 100, 100), (300, 60, 40), (80,) * 8, (200,) + (50,) * 11], ids=lambda sizes: f"{len(sizes)} groups"
)
@pytest.mark.parametrize("metric", ["selection_rate", "equalized_odds_difference"])
def test_the_largest_gap_of_equal_groups(metric, sizes):
    rows = largest(draws(np.random.default_rng(7), 250, sizes, SOUND), metric)
    assert min(row.value for row in rows) >= 0
    assert np.mean([row.low <= 0 for row in rows]) >= 0.93
    # The greatest of many gaps is never 0: an interval around the estimate alone would hardly cover.
    assert np.mean([row.value <= 0.005 for row in rows]) < 0.1


@pytest.mark.parametrize("metric", ["selection_rate", "false_positive_rate"])
def test_the_largest_gap_of_unequal_groups(metric):
    random = np.random.default_rng(8)
    settings = [(0.28, 0.14, 0.12, 0.46), (0.30, 0.24, 0.10, 0.36), (0.25, 0.14, 0.15, 0.46)]
    counts = np.stack([random.multinomial(150, cells, 400) for cells in settings], axis=1)
    rates = {
        "selection_rate": [tp + fp for tp, fp, _, _ in settings],
        "false_positive_rate": [fp / (fp + tn) for _, fp, _, tn in settings],
    }[metric]
    truth = max(rates) - min(rates)
    rows = largest(counts, metric)
    assert np.mean([row.low <= truth <= row.high for row in rows]) >= 0.93
    assert np.mean([row.high >= truth for row in rows]) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("groups", [2, 4, 12, 20])
@pytest.mark.parametrize("p", [0.05, 0.3])
def test_the_largest_gap_at_length(groups, p):
    cells = (p / 2, p / 2, (1 - p) / 2, (1 - p) / 2)
    rows = largest(draws(np.random.default_rng(9), 1500, (120,) * groups, cells), "selection_rate")
    assert np.mean([row.low <= 0 for row in rows]) >= 0.93


def test_the_worst_group_is_bounded_by_all():
    random = np.random.default_rng(10)
    counts = draws(random, 300, (60,) * 6, SOUND)
    groups = np.array([f"g{place}" for place in range(6)])
    rows = [
        extreme(tally(one, groups), "accuracy", features=["g"], compare="value", end="min", level=0.95)
        for one in counts
    ]
    truth = SOUND[0] + SOUND[3]
    assert np.mean([row.high >= truth for row in rows]) >= 0.95  # all six are equal: the Bonferroni side
    assert np.mean([row.value <= truth for row in rows]) > 0.9  # the least of six estimates is biased downward


def test_every_metric_that_is_no_rate_has_its_coverage_here():
    # "scored" and "distance": test_score_metric_coverage.py
    assert {*SMOOTH, "roc_auc"} == {name for name, metric in METRICS.items() if metric.kind in {"smooth", "ranked"}}
