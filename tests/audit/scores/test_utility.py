"""Expected utility: the mean payoff of the rows; its interval covers where the plain one forgets what is rare."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.rollup import Cells, Partition
from audit.scores.outcome_means import mean_interval, outcome_means
from audit.scores.utility import Payoff, utility_curve, utility_rows

PAYOFF = Payoff(tp=5, fp=-1, fn=-5, tn=0)
SHARES = (
    (0.25, 0.25, 0.25, 0.25),
    (0.1, 0.05, 0.02, 0.83),
    (0.01, 0.005, 0.002, 0.983),
    (0.4, 0.1, 0.0005, 0.4995),
)


def frame(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(rows)
    return pd.DataFrame(
        {
            "y": (rng.random(rows) < score).astype(int),
            "s": score,
            "g": rng.choice(["a", "b"], rows),
            "w": rng.lognormal(size=rows),
            "who": rng.integers(0, rows // 4, rows).astype(str),
        }
    )


def tally_of(data, **roles):
    return count(
        PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"], **roles)
    )


def payoffs(data, threshold):
    acts = data["s"] >= threshold
    return np.select([acts & (data["y"] == 1), acts, data["y"] == 1], [5.0, -1.0, -5.0], 0.0)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9, 1.5])
def test_it_is_the_mean_payoff_of_the_rows(threshold):
    data = frame()
    rows = utility_rows(tally_of(data), PAYOFF, features=["g"], thresholds=[threshold])
    for row in rows:
        inside = data["g"] == row.slice[0][1]
        assert row.value == pytest.approx(payoffs(data, threshold)[inside].mean())
        assert row.n == inside.sum()
        assert row.low <= row.value <= row.high


def test_weights_and_clusters_have_the_linearised_variance_of_statsmodels():
    """A weighted mean is a weighted regression on a constant; its sandwich covariance is computed there."""
    data = frame(800)
    value = payoffs(data, 0.3)
    for roles in ({"sample_weight": "w"}, {"cluster": "who"}, {"sample_weight": "w", "cluster": "who"}):
        weights = data["w"] if "sample_weight" in roles else np.ones(len(data))
        fit = sm.WLS(value, np.ones(len(data)), weights=weights)
        if "cluster" in roles:
            groups = pd.factorize(data["who"])[0]
            fitted = fit.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
        else:
            fitted = fit.fit(cov_type="HC0")
        (row,) = utility_rows(tally_of(data, **roles), PAYOFF, thresholds=[0.3])
        assert row.value == pytest.approx(fitted.params[0])
        half = 1.96 * fitted.bse[0]
        assert (row.high - row.low) / 2 == pytest.approx(half, rel=0.03)  # c^2 rows added, t and g / (g - 1)


def covered(payoff, shares, n, repetitions, rng, *, plain):
    values = np.array(payoff, dtype=float)
    counts = rng.multinomial(n, shares, repetitions)
    truth = values @ shares
    if plain:
        mean = counts @ values / n
        error = np.sqrt((counts @ values**2 / n - mean**2) / n)
        low, high = mean - 1.96 * error, mean + 1.96 * error
    else:
        cells = counts.ravel().astype(float)
        slices = Partition((), ((),) * repetitions, np.repeat(np.arange(repetitions), 4))
        made = Cells(np.tile(np.arange(4), repetitions), counts.ravel(), cells, cells, None, 0, False, {}, False, None)
        low, high = mean_interval(outcome_means(made, slices, made.quadrant, values), level=0.95)
    return np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high))


@pytest.mark.parametrize("payoff", [(5, -1, -5, 0), (1, -1, -100, 0), (0, -1, 0, 0), (10, -2, -3, 1), (100, -1, 0, 0)])
@pytest.mark.parametrize(
    "shares",
    [(0.25, 0.25, 0.25, 0.25), (0.1, 0.05, 0.02, 0.83), (0.01, 0.005, 0.002, 0.983), (0.4, 0.1, 0.0005, 0.4995)],
)
def test_the_interval_covers_at_every_size(payoff, shares):
    rng = np.random.default_rng(1)
    found = [covered(payoff, shares, n, 4000, rng, plain=False) for n in (20, 50, 200, 1000, 5000)]
    assert min(found) >= 0.92, found


def test_the_plain_interval_forgets_what_was_not_seen():
    assert covered((1, -1, -100, 0), (0.01, 0.005, 0.002, 0.983), 20, 4000, np.random.default_rng(1), plain=True) < 0.1


def test_who_acts_on_everyone_misses_nobody():
    """A miss of -1,000 cannot happen at threshold 0, so it must not widen the interval there."""
    data = frame(40)
    curve = utility_curve(tally_of(data), Payoff(tp=1, fp=0, fn=-1000, tn=0), thresholds=[0.0, 1.1])
    assert curve.low[0, 0] >= 0
    assert curve.high[0, 1] <= 0


def test_a_group_without_labels_has_no_utility():
    data = frame(40)
    data["y"] = data["y"].astype(object).where(data["g"] == "a", None)
    log = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, positive=1, sensitive_features=["g"])
    row = utility_rows(count(log), PAYOFF, features=["g"], thresholds=[0.5])[1]
    assert (row.value, row.low, row.n, row.reason) == (None, None, 0, "no labels in slice")


@pytest.mark.parametrize(
    ("payoffs_", "said"),
    [
        ({"tp": 1, "fp": 0, "fn": 0}, "payoff of tn is missing"),
        ({"tp": 1, "fp": 0, "fn": 0, "tn": 0, "tps": 4}, "unknown outcome 'tps'"),
        ({"tp": float("nan"), "fp": 0, "fn": 0, "tn": 0}, "payoff of tp must be a finite number"),
        ({"tp": 1, "fp": 0, "fn": 1, "tn": 0}, "acting changes nothing"),
    ],
)
def test_payoffs_that_make_no_sense(payoffs_, said):
    with pytest.raises(InputError, match=said):
        Payoff.from_mapping(payoffs_)


def test_break_even_is_where_acting_and_waiting_are_worth_the_same():
    chance = PAYOFF.break_even
    assert chance * PAYOFF.tp + (1 - chance) * PAYOFF.fp == pytest.approx(chance * PAYOFF.fn + (1 - chance) * PAYOFF.tn)
    assert Payoff(tp=0, fp=0, fn=1, tn=1).break_even is None
