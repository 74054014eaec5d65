"""Coverage of rates and gaps under clusters and sampling weights, by simulation, beside intervals that ignore both.

All replicates of a setting are counted at once: the replicate is a feature, and its clusters are its own.
"""

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import quantile, rate
from audit.metrics import METRICS
from audit.pairs import compared, gap_interval, gaps
from audit.predictions import PredictionLog
from audit.rollup import cells_of, partition

REPLICATES = 800
METRIC = METRICS["selection_rate"]
CORRELATION = 0.15


def clusters(random, number, p):
    """Return the rate of each cluster: beta with mean p and the intra-cluster correlation above."""
    strength = 1 / CORRELATION - 1
    return random.beta(p * strength, (1 - p) * strength, number)


def sizes(random, number):
    """Return unequal sizes: one to thirty rows, 8 on average."""
    return 1 + random.poisson(random.gamma(1.5, 4.7, number))


def clustered(p, *, span, per_group=50, seed=0):
    """Return rows of replicates with two groups; clusters lie in one group each, or span both."""
    random = np.random.default_rng(seed)
    total = REPLICATES * 2 * per_group
    size = sizes(random, total)
    cluster = np.repeat(np.arange(total), size)
    group = random.integers(0, 2, len(cluster)) if span else (cluster % 2)
    flagged = random.random(len(cluster)) < clusters(random, total, p)[cluster]
    return {"rep": cluster // (2 * per_group), "g": group, "k": cluster, "p": flagged}


def weighted(p, *, rows=400, seed=0):
    random = np.random.default_rng(seed)
    total = REPLICATES * rows
    flagged = random.random(total) < p
    return {
        "rep": np.repeat(np.arange(REPLICATES), rows),
        "g": random.integers(0, 2, total),
        "w": random.lognormal(0, 0.9, total),
        "p": flagged,
    }


def estimates(columns, **roles):
    """Return the metric in each replicate and group."""
    names = pa.array([f"r{place}" for place in range(REPLICATES)])  # numbers of more than 50 values are refused
    frame = pa.table({**columns, "rep": names.take(pa.array(columns["rep"])), "y": columns["p"]})
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["rep", "g"], **roles)
    cells = cells_of(count(log))
    return compared(METRIC, cells, partition(cells, ["rep", "g"]))


def rate_coverage(base, p):
    from_rows = base.left.n
    ours = rate(base.left.successes, base.left.trials, level=0.95, df=base.left.df)
    naive = rate(base.left.value * from_rows, from_rows, level=0.95)
    return covers(ours, p), covers(naive, p)


def gap_coverage(base):
    first = np.arange(0, len(base.left.value), 2)
    ours = gap_interval(base, gaps(base, first, first + 1, compare="difference"), compare="difference", level=0.95)
    x, n = base.left.value * base.left.n, base.left.n
    naive = agresti_caffo(x[first], n[first], x[first + 1], n[first + 1], critical=quantile(0.95))
    return covers(ours, 0), covers(naive, 0), (ours.high - ours.low).mean()


def covers(bounds, value):
    assert np.isfinite(bounds.low).all()
    return float(np.mean((bounds.low <= value) & (value <= bounds.high)))


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_clusters_within_groups(p):
    base = estimates(clustered(p, span=False), cluster="k")
    ours, naive = rate_coverage(base, p)
    gap, naive_gap, _ = gap_coverage(base)
    assert ours >= 0.92
    assert gap >= 0.92
    assert naive < 0.88
    assert naive_gap < 0.88


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_clusters_that_span_groups(p):
    base = estimates(clustered(p, span=True), cluster="k")
    ours, naive = rate_coverage(base, p)
    gap, _, width = gap_coverage(base)
    assert ours >= 0.92
    assert naive < 0.88
    assert gap >= 0.92
    # What two groups share cancels in their difference: the interval knows it.
    apart = base._replace(cells=base.cells._replace(pairs=None))
    assert width < 0.85 * gap_coverage(apart)[2]


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.1, 0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("span", [False, True])
def test_few_clusters(p, span):
    base = estimates(clustered(p, span=span, per_group=20, seed=3), cluster="k")
    assert rate_coverage(base, p)[0] >= 0.92
    assert gap_coverage(base)[0] >= 0.92


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_sampling_weights(p):
    base = estimates(weighted(p), sample_weight="w")
    ours, naive = rate_coverage(base, p)
    gap, naive_gap, _ = gap_coverage(base)
    assert ours >= 0.92
    assert gap >= 0.92
    assert naive < 0.88
    assert naive_gap < 0.88


def test_weights_and_clusters_together():
    columns = clustered(0.3, span=False, seed=5)
    columns["w"] = np.random.default_rng(6).lognormal(0, 0.5, len(columns["p"]))
    base = estimates(columns, cluster="k", sample_weight="w")
    ours, naive = rate_coverage(base, 0.3)
    assert ours >= 0.92
    assert naive < 0.88
    assert gap_coverage(base)[0] >= 0.92


def test_rows_in_clusters_of_one_are_independent_rows_but_for_one_degree_of_freedom():
    columns = weighted(0.3, rows=100)
    columns["k"] = np.arange(len(columns["p"]))
    del columns["w"]
    single, plain = estimates(columns, cluster="k"), estimates({**columns})
    np.testing.assert_allclose(single.left.value, plain.left.value)
    np.testing.assert_allclose(single.left.trials, plain.left.trials - 1, rtol=1e-6)  # variance over n - 1, not n
