"""What intervals of means and of their gaps promise, by simulation; seeds are fixed."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from audit.estimates import Estimates
from audit.exact_sums import exact_sums
from audit.predictions import PredictionLog
from audit.rollup import partition
from audit.tasks.mean_rows import Mean, mean_rows
from audit.tasks.means import mean_covariance, mean_estimates, mean_interval
from audit.tasks.moments import collect_moments


def moments_of(frame, **roles):
    log = PredictionLog.from_frame(
        frame.assign(y=0.0), y_true="y", y_pred="z", sensitive_features=["g"], task="regression", **roles
    )
    return collect_moments(log, {"z": nw.col("y_pred")})


def everyone(moments):
    return mean_estimates(moments, "z", partition(moments.cells, []))


def test_sums_are_exact_in_any_order():
    random = np.random.default_rng(0)
    values = random.normal(size=3000) * 10.0 ** random.integers(-6, 6, 3000)
    table = pa.table({"x": values})
    totals = set()
    for _ in range(3):
        frame = nw.from_native(table.take(random.permutation(3000))).lazy()
        totals.add(exact_sums(frame, keys={}, terms={"x": nw.col("x")}, flags={})["x"][0].as_py())
    assert len(totals) == 1
    assert totals.pop() == pytest.approx(float(np.sum(values.astype(np.longdouble))), rel=1e-9)


def test_means_agree_with_scipy():
    frame = pd.DataFrame({"z": np.random.default_rng(1).normal(3, 2, 57), "g": "a"})
    found = everyone(moments_of(frame))
    theirs = stats.ttest_1samp(frame["z"], 0).confidence_interval(0.95)
    low, high = mean_interval(found, "identity", level=0.95)
    assert (low[0], high[0]) == pytest.approx((theirs.low, theirs.high))


def test_clusters_of_equal_rows_count_once():
    base = pd.DataFrame({"z": np.random.default_rng(2).normal(size=30), "g": "a", "who": np.arange(30)})
    repeated = pd.concat([base] * 4)
    plain, clustered = everyone(moments_of(base)), everyone(moments_of(repeated, cluster="who"))
    assert clustered.error == pytest.approx(plain.error)
    assert clustered.df == pytest.approx(plain.df)
    naive = everyone(moments_of(repeated))
    assert naive.error[0] < 0.6 * plain.error[0]


def test_a_cluster_in_two_groups_correlates_their_means():
    random = np.random.default_rng(3)
    person = random.normal(size=200)
    z = np.concatenate([person, person + random.normal(0, 0.1, 200)])
    frame = pd.DataFrame({"z": z, "g": np.repeat(["a", "b"], 200), "who": np.tile(np.arange(200), 2)})
    moments = moments_of(frame, cluster="who")
    slices = partition(moments.cells, ["g"])
    found = mean_estimates(moments, "z", slices)
    shared = mean_covariance(moments, "z", slices, [0], [1])[0]
    assert shared / found.error.prod() == pytest.approx(np.corrcoef(z[:200], z[200:])[0, 1], abs=0.01)
    rows = mean_rows(moments, [Mean("z", "z", "identity")], level=0.95)
    gap = next(r for r in rows if r.against and r.against["kind"] == "groups")
    paired = stats.ttest_rel(z[:200], z[200:]).confidence_interval(0.95)
    assert gap.high - gap.low == pytest.approx(paired.high - paired.low, rel=0.02)


DRAWS = {
    "bias": (lambda r, s: r.normal(0.5, 1, s), 0.5, "identity", 10, 0.94),
    "absolute": (lambda r, s: np.abs(r.normal(0, 1, s)), np.sqrt(2 / np.pi), "log", 10, 0.94),
    "squared": (lambda r, s: r.normal(0, 1, s) ** 2, 1.0, "log", 30, 0.92),
    "squared skewed, few": (lambda r, s: r.exponential(1, s) ** 2, 2.0, "log", 30, 0.87),
    "squared skewed": (lambda r, s: r.exponential(1, s) ** 2, 2.0, "log", 200, 0.915),
}


@pytest.mark.parametrize("name", DRAWS)
def test_coverage_of_a_mean_is_what_the_docstring_of_run_regression_says(name):
    draw, truth, scale, n, least = DRAWS[name]
    z = draw(np.random.default_rng(7), (6000, n))
    found = Estimates(z.mean(1), np.full(6000, n), np.full(6000, n - 1.0), error=z.std(1, ddof=1) / np.sqrt(n))
    low, high = mean_interval(found, scale, level=0.95)
    covered = np.mean((low <= truth) & (truth <= high))
    assert least <= covered <= 0.97
    if scale == "log":  # the reason for the scale: the symmetric interval is worse
        low, high = mean_interval(found, "identity", level=0.95)
        assert np.mean((low <= truth) & (truth <= high)) <= covered + 0.005


def shares_covered(samples, **roles):
    """Return how many intervals of the groups' means hold 1; every group is a sample of its own."""
    moments = moments_of(samples, **roles)
    found = mean_estimates(moments, "z", partition(moments.cells, ["g"]))
    low, high = mean_interval(found, "identity", level=0.95)
    return np.mean((low <= 1) & (high >= 1))


def test_coverage_with_weights_and_with_clusters():
    random = np.random.default_rng(8)
    sample = np.arange(1000)
    frame = pd.DataFrame({"z": random.normal(1, 1, 300_000), "g": sample.repeat(300)})
    assert 0.93 <= shares_covered(frame.assign(w=random.lognormal(0, 1, 300_000)), sample_weight="w") <= 0.97
    person = np.arange(40_000).repeat(8)
    z = 1 + random.normal(0, 1, 40_000)[person] + random.normal(0, 0.5, 320_000)
    frame = pd.DataFrame({"z": z, "g": sample.repeat(320), "who": person})
    assert 0.93 <= shares_covered(frame, cluster="who") <= 0.97
    assert shares_covered(frame) < 0.65


@pytest.mark.parametrize("repeats", [60, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("groups", [2, 5])
def test_the_largest_gap_of_equal_groups_reaches_0(groups, repeats):
    random = np.random.default_rng(9)
    covered = 0
    for _ in range(repeats):
        frame = pd.DataFrame({"z": random.exponential(1, 80 * groups), "g": np.arange(80 * groups) % groups})
        rows = mean_rows(moments_of(frame), [Mean("z", "z", "log")], level=0.95)
        gap = next(r for r in rows if r.against and r.against["kind"] == "groups")
        covered += gap.low <= 0 <= gap.high
    assert covered / repeats >= (0.93 if repeats > 500 else 0.9)


def test_what_no_row_shows_no_interval_of_a_mean_allows_for_and_no_look_at_the_sample_helps():
    # 1 % of rows are 100 off: the samples of 100 rows that hold none of them, .99^100 of all, are those that mislead.
    random = np.random.default_rng(10)
    z = np.where(random.random((4000, 100)) < 0.01, 100.0, np.abs(random.normal(0, 0.3, (4000, 100))))
    truth = 1 + 0.99 * 0.3 * np.sqrt(2 / np.pi)
    found = Estimates(z.mean(1), np.full(4000, 100), np.full(4000, 99.0), error=z.std(1, ddof=1) / 10)
    low, high = mean_interval(found, "log", level=0.95)
    unseen = (z < 50).all(axis=1)
    assert unseen.mean() == pytest.approx(0.99**100, abs=0.02)
    assert (high < truth)[unseen].all()
    assert (high >= truth)[~unseen].all()
    carried = z.sum(1) ** 2 / (z**2).sum(1)
    assert carried[unseen].min() > 40  # they look harmless
    assert carried[~unseen].max() < 10  # and to refuse what looks dangerous would refuse those that are right
    assert (low <= truth)[~unseen].mean() > 0.96
