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
    inside = [
        (row.low is None or row.low <= truth) and (row.high is None or truth <= row.high)
        for row in rows
        if row.value is not None
    ]
    assert len(inside) > 0.95 * len(rows)
    return np.mean(inside)


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
