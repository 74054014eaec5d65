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
    """Return the share of intervals that hold the truth; a value without one is no success, and there are few."""
    defined = [row for row in rows if row.value is not None]
    bounded = [row for row in defined if row.low is not None and row.high is not None]
    assert len(defined) > 0.97 * len(rows)
    assert len(bounded) > 0.98 * len(defined)
    return float(np.mean([row.low - 1e-9 <= truth <= row.high + 1e-9 for row in bounded]))


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


MEANS = ("brier_score", "calibration_in_the_large")


def uniform(least, most):
    def drawn(random, n):
        score = random.uniform(least, most, n)
        return random.random(n) < score, score

    return drawn


def rare_negatives(random, n):
    y, score = rare(random, n)
    return ~y, 1 - score


def blind(random, n):
    """Scores that spread widely and promise ten times what happens."""
    score = random.beta(1.2, 2.5, n)
    return random.random(n) < score / 10, score


RARE = {
    "one in a hundred": uniform(0.005, 0.015),
    "one in five hundred": uniform(0.001, 0.003),
    "one in 25": uniform(0.03, 0.05),
    "rare": rare,
    "rare negatives": rare_negatives,
    "blind": blind,
}


@pytest.mark.parametrize("world", RARE)
def test_rare_labels(world):
    # Residuals alone cover in .30 to .63 where one in a hundred of 50 to 100 rows is positive.
    truth = truths(RARE[world], MEANS)
    y, score = RARE[world](np.random.default_rng(11), 300 * 100)
    found = coverage(tally(y, score, runs(300, 100)), truth)
    assert min(found.values()) >= 0.935, found


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 100, 300])
@pytest.mark.parametrize("world", RARE)
def test_rare_labels_at_length(world, n):
    truth = truths(RARE[world], MEANS)
    found: dict[str, list[float]] = {name: [] for name in truth}
    for seed in range(12, 15):  # a sample is a group, and a feature has at most a thousand
        y, score = RARE[world](np.random.default_rng(seed), 1000 * n)
        for name, share in coverage(tally(y, score, runs(1000, n)), truth).items():
            found[name].append(share)
    shares = {name: float(np.mean(each)) for name, each in found.items()}
    assert min(shares.values()) >= 0.93, shares


def test_rare_labels_under_weights_and_clusters():
    truth = truths(rare, MEANS)
    random = np.random.default_rng(13)
    y, score = rare(random, 300 * 150)
    found = coverage(tally(y, score, runs(300, 150), w=random.lognormal(0, 0.6, len(y))), truth)
    assert min(found.values()) >= 0.935, found
    y, score = (column.repeat(4) for column in rare(random, 300 * 50))
    found = coverage(tally(y, score, runs(300, 200), c=np.arange(300 * 50).repeat(4)), truth)
    assert min(found.values()) >= 0.935, found


def test_without_a_positive_a_brier_score_is_not_known_to_two_digits():
    score = np.random.default_rng(14).uniform(0.005, 0.015, 100)
    (brier,) = group_values(
        tally(np.zeros(100, dtype=bool), score, ["a"] * 100), "brier_score", features=[], level=0.95
    )
    assert brier.value < 0.0002
    assert brier.low <= brier.value
    assert 0.03 < brier.high < 0.04  # Clopper-Pearson's .0362 of rows, at a loss of nearly 1 each
    assert brier.method == "mover, rare label"


def halves(random, n):
    """Half the rows score .55 and are always positive, half score 0 and never: .225 in all, .45 at most."""
    score = np.where(random.random(n) < 0.5, 0.55, 0.0)
    return score > 0, score


def thirds(random, n):
    score = random.choice([0.25, 0.55, 0.95], n, p=[0.2, 0.3, 0.5])
    return score > 0.5, score


def certain(random, n):
    """All rows are positive, and their scores lie all over one bin."""
    return np.ones(n, dtype=bool), random.uniform(0.5, 0.6, n)


CERTAIN = {"halves": (halves, 0.225, 0.45), "thirds": (thirds, 0.21, 0.45), "certain": (certain, 0.45, 0.45)}


@pytest.mark.parametrize("n", [200, 2000])
@pytest.mark.parametrize("world", CERTAIN)
def test_the_shares_of_bins_are_estimated_too(world, n):
    # With shares and mean scores for known, halves of 5,000 rows cover in .23.
    draw, *truth = CERTAIN[world]
    y, score = draw(np.random.default_rng(15), 200 * n)
    found = coverage(tally(y, score, runs(200, n)), dict(zip(DISTANCES, truth, strict=True)))
    assert min(found.values()) >= 0.935, found


def test_the_shares_of_bins_under_weights_and_clusters():
    random = np.random.default_rng(16)
    y, score = halves(random, 200 * 600)
    found = coverage(tally(y, score, runs(200, 600), w=random.lognormal(0, 0.6, len(y))), {DISTANCES[0]: 0.225})
    assert min(found.values()) >= 0.935, found
    y, score = (column.repeat(4) for column in halves(random, 200 * 150))
    found = coverage(tally(y, score, runs(200, 600), c=np.arange(200 * 150).repeat(4)), {DISTANCES[0]: 0.225})
    assert min(found.values()) >= 0.935, found


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
