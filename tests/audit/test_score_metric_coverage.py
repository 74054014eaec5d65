"""Coverage of the intervals of score metrics by seeded simulation: plain rows, weights, clusters, gaps of groups."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit, logit

from audit.counting import count
from audit.gaps import comparisons, group_values
from audit.metrics import METRICS
from audit.predictions import PredictionLog

SCORED = (
    "average_precision",
    "brier_score",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
)
DISTANCES = ("expected_calibration_error", "maximum_calibration_error")
LARGE = 1_500_000


def calibrated(random, n):
    score = random.beta(1.2, 2.5, n)
    return random.random(n) < score, score


def extreme(random, n):
    """Scores that are too extreme and too high: slope 0.5."""
    score = expit(random.normal(-1.5, 2.5, n))
    return random.random(n) < expit(0.5 * logit(score) - 0.3), score


def rare(random, n):
    """One positive in twelve, and scores that are too low."""
    score = random.beta(0.8, 12, n)
    return random.random(n) < np.clip(1.3 * score, 0, 1), score


WORLDS = {"calibrated": calibrated, "extreme": extreme, "rare": rare}


def tally(y, score, groups, **more):
    roles = {role: name for role, name in (("sample_weight", "w"), ("cluster", "c")) if name in more}
    table = pa.table({"y": y, "s": score, "g": groups, **more})
    log = PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"], **roles)
    return count(log)


def runs(replicates, n):
    return [f"r{place}" for place in np.repeat(np.arange(replicates), n)]


def truths(world, names):
    large = tally(*world(np.random.default_rng(99), LARGE), ["all"] * LARGE)
    return {name: group_values(large, name, features=[], level=0.95)[0].value for name in names}


def covered(rows, truth):
    defined = [row for row in rows if row.value is not None]
    assert len(defined) > 0.97 * len(rows)
    inside = [(row.low is None or row.low <= truth) and (row.high is None or truth <= row.high) for row in defined]
    return float(np.mean(inside))


def coverage(counted, truth):
    return {name: covered(group_values(counted, name, features=["g"], level=0.95), truth[name]) for name in truth}


@pytest.mark.parametrize("world", ["calibrated", "extreme"])
def test_plain_rows(world):
    truth = truths(WORLDS[world], SCORED + DISTANCES)
    y, score = WORLDS[world](np.random.default_rng(1), 500 * 200)
    found = coverage(tally(y, score, runs(500, 200)), truth)
    assert min(found.values()) >= 0.925, found  # .935 less two standard errors of 500 runs
    assert max(found[name] for name in SCORED) <= 0.985, found


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("world", WORLDS)
def test_plain_rows_at_length(world, n):
    truth = truths(WORLDS[world], SCORED + DISTANCES)
    found: dict[str, list[float]] = {name: [] for name in truth}
    for seed in range(4):
        y, score = WORLDS[world](np.random.default_rng(seed), 1000 * n)
        for name, share in coverage(tally(y, score, runs(1000, n)), truth).items():
            found[name].append(share)
    means = {name: float(np.mean(shares)) for name, shares in found.items()}
    # 200 rows of the rare world hold 16 positives: the slope and the average precision cover .92 there.
    assert min(means.values()) >= (0.91 if (world, n) == ("rare", 200) else 0.935), means


def weighted(random, replicates, n):
    y, score = extreme(random, replicates * n)
    return tally(y, score, runs(replicates, n), w=random.lognormal(0, 0.6, len(y)))


def clustered(random, replicates, people, visits):
    """People with a score of their own and a label that mostly comes again."""
    score = np.repeat(expit(random.normal(-1.0, 1.5, replicates * people)), visits)
    often = np.repeat(random.random(replicates * people), visits)
    again = random.random(len(score)) < 0.6
    y = np.where(again, often, random.random(len(score))) < expit(0.7 * logit(score))
    who = np.repeat(np.arange(replicates * people), visits)
    return tally(y, score, runs(replicates, people * visits), c=who), (y, score)


def test_sampling_weights():
    truth = truths(extreme, SCORED + DISTANCES)
    found = coverage(weighted(np.random.default_rng(3), 400, 300), truth)
    assert min(found.values()) >= 0.92, found


def test_clusters():
    random = np.random.default_rng(4)
    _, (y, score) = clustered(random, 1, LARGE // 5, 5)
    large = tally(y, score, ["all"] * len(y))
    truth = {name: group_values(large, name, features=[], level=0.95)[0].value for name in SCORED + DISTANCES}
    made, (y, score) = clustered(random, 300, 80, 5)
    found = coverage(made, truth)
    assert min(found.values()) >= 0.91, found
    naive = coverage(tally(y, score, runs(300, 400)), {"brier_score": truth["brier_score"]})
    assert naive["brier_score"] < found["brier_score"] - 0.05  # five visits of a person are not five people


@pytest.mark.slow
def test_weights_and_clusters_at_length():
    truth = truths(extreme, SCORED + DISTANCES)
    found = coverage(weighted(np.random.default_rng(5), 1000, 1000), truth)
    assert min(found.values()) >= 0.93, found
    random = np.random.default_rng(6)
    _, (y, score) = clustered(random, 1, LARGE // 5, 5)
    large = tally(y, score, ["all"] * len(y))
    truth = {name: group_values(large, name, features=[], level=0.95)[0].value for name in SCORED + DISTANCES}
    found = coverage(clustered(random, 1000, 200, 5)[0], truth)
    assert min(found.values()) >= 0.93, found


@pytest.mark.parametrize("name", SCORED + DISTANCES)
def test_the_gap_of_two_equal_groups_may_be_0(name):
    y, score = extreme(np.random.default_rng(7), 200 * 300)
    made = tally(y, score, runs(200, 300))
    (found,) = comparisons(made, name, features=["g"], compare="difference", level=0.95)
    first, second = np.triu_indices(200, k=1)
    apart = (second - first == 1) & (first % 2 == 0)  # a hundred pairs that share no row
    held = (found.plain.low[: len(first)] <= 0) & (found.plain.high[: len(first)] >= 0)
    assert held[apart].mean() >= 0.92
    assert held.mean() >= 0.93


def test_every_score_metric_has_its_coverage_here():
    assert {*SCORED, *DISTANCES} == {name for name, metric in METRICS.items() if metric.kind in {"scored", "distance"}}
