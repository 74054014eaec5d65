"""Thresholds: chosen on a smooth curve, with a set that holds the best one, and the price of one for each group."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.scores.threshold_choice import choose_thresholds
from audit.scores.threshold_prices import chosen_for, halves, price_rows
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.tally import Tally, collapse

BINS = 250
EVEN = Payoff(tp=1, fp=-1, fn=0, tn=0)
PAYOFFS = (EVEN, Payoff(tp=5, fp=-1, fn=-5, tn=0), Payoff(tp=1, fp=-20, fn=0, tn=0))


def world(payoff):
    """Return shares of bins with a true and a false signal, and the utility of every threshold; scores are chances."""
    score = (np.arange(BINS) + 0.5) / BINS
    density = score * (1 - score)
    density /= density.sum()
    gain = density * (score * (payoff.tp - payoff.fn) + (1 - score) * (payoff.fp - payoff.tn))
    return np.concatenate([density * score, density * (1 - score)]), np.append(np.cumsum(gain[::-1])[::-1], 0.0)


def tally_of_counts(counts) -> Tally:
    import pyarrow as pa

    seen = counts > 0
    raw = {
        "y_true": np.repeat(["1", "0"], BINS)[seen],
        "y_pred": np.repeat("0", 2 * BINS)[seen],
        "score_bin": np.tile(np.arange(BINS), 2)[seen],
        "n": counts[seen],
        "w": counts[seen].astype(float),
        "w2": counts[seen].astype(float),
        "score": np.zeros(seen.sum()),
        "score2": np.zeros(seen.sum()),
    }
    return collapse(pa.table(raw), features=(), positive="1", bins=BINS, weights="none")


def choices(payoff, n, repetitions, level=0.95):
    shares, truth = world(payoff)
    rng = np.random.default_rng(7)
    for _ in range(repetitions):
        yield choose_thresholds(tally_of_counts(rng.multinomial(n, shares)), payoff, level=level), truth


@pytest.mark.parametrize("payoff", PAYOFFS, ids=str)
@pytest.mark.parametrize("n", [200, 5000])
def test_the_set_holds_the_best_threshold_and_the_smooth_choice_loses_less(payoff, n):
    held, smooth_loss, raw_loss, kept = [], [], [], []
    for choice, truth in choices(payoff, n, 80):
        best = int(np.argmax(truth))
        held.append(choice.kept[0, best])
        kept.append(choice.kept[0].mean())
        smooth_loss.append(truth[best] - truth[choice.best[0]])
        raw_loss.append(truth[best] - truth[int(np.argmax(choice.utility[0]))])
        assert choice.kept[0, choice.best[0]]
    assert np.mean(held) >= 0.95
    assert np.mean(smooth_loss) <= np.mean(raw_loss) + 0.001
    assert np.mean(kept) < (0.75 if n == 200 else 0.3)  # it says something


def test_a_low_level_makes_a_smaller_set_that_still_holds():
    wide = [choice.kept.sum() for choice, _ in choices(EVEN, 2000, 20, level=0.99)]
    found = list(choices(EVEN, 2000, 20, level=0.6))
    assert np.mean([choice.kept.sum() for choice, _ in found]) < np.mean(wide)
    assert np.mean([choice.kept[0, np.argmax(truth)] for choice, truth in found]) >= 0.6


@pytest.mark.parametrize("roles", [{"sample_weight": "w"}, {"cluster": "who"}], ids=str)
def test_weights_and_clusters_widen_the_set(roles):
    rng = np.random.default_rng(3)
    score = np.repeat(rng.beta(2, 2, 400), 5)  # five rows of each person, with the same score and the same truth
    data = pd.DataFrame({"s": score, "y": np.repeat((rng.random(400) < score[::5]).astype(int), 5)})
    data["who"], data["w"] = np.repeat(np.arange(400), 5).astype(str), rng.lognormal(sigma=1.5, size=2000)
    kept = []
    for extra in ({}, roles):
        log = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, **extra)
        kept.append(choose_thresholds(count(log), PAYOFFS[1]).kept.sum())
    assert kept[1] > kept[0]


def test_unit_weights_and_clusters_of_one_change_nothing():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"s": rng.random(500), "w": 2.0, "who": np.arange(500).astype(str)})
    data["y"] = (rng.random(500) < data["s"]).astype(int)
    found = []
    for extra in ({}, {"sample_weight": "w"}, {"cluster": "who"}):
        log = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, **extra)
        found.append(choose_thresholds(count(log), EVEN))
    for other in found[1:]:
        assert np.array_equal(other.kept, found[0].kept)
        assert np.array_equal(other.best, found[0].best)


def grouped(rows=6000, seed=0):
    """Scores that mean the same chance in group a, and half of it in group b."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"s": rng.random(rows), "g": rng.choice(["a", "b"], rows)})
    data["y"] = (rng.random(rows) < np.where(data["g"] == "a", data["s"], data["s"] / 2)).astype(int)
    return data


def log_of(data, **more):
    return PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"], **more)


def test_group_thresholds_gain_what_the_rows_gain():
    data = grouped()
    tally = count(log_of(data))
    chosen, _, _ = chosen_for(tally, EVEN, "g")
    assert chosen.groups["a",] == pytest.approx(0.5, abs=0.1)
    assert chosen.groups["b",] > 0.85
    own = data["g"].map({group[0]: value for group, value in chosen.groups.items()})
    change = ((data["s"] >= own).astype(int) - (data["s"] >= chosen.common).astype(int)) * (2 * data["y"] - 1)
    rows = price_rows(tally, EVEN, chosen, held_out=False)
    assert [row.value for row in rows] == pytest.approx(
        [change.mean(), change[data["g"] == "a"].mean(), change[data["g"] == "b"].mean()]
    )
    assert all("optimistic" in row.reason for row in rows)
    assert rows[0].low > 0


@pytest.mark.parametrize("worlds", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_the_price_covers_on_held_out_rows(worlds):
    payoff, truth = EVEN, grouped(200_000, seed=99)
    inside = []
    for seed in range(worlds):
        data = grouped(800, seed)
        one, two = halves(count(log_of(data)), random_state=seed)
        chosen, _, _ = chosen_for(one, payoff, "g")
        own = truth["g"].map({group[0]: value for group, value in chosen.groups.items()})
        change = ((truth["s"] >= own).astype(int) - (truth["s"] >= chosen.common).astype(int)) * (2 * truth["y"] - 1)
        row = price_rows(two, payoff, chosen, held_out=True)[0]
        inside.append(row.low <= change.mean() <= row.high)
    assert binom.cdf(sum(inside), worlds, 0.95) > 0.01


def test_halves_are_a_random_split_of_the_rows():
    tally = count(log_of(grouped(1001)))
    one, two = halves(tally, random_state=5)
    assert (one.rows, two.rows) == (500, 501)
    again = halves(tally, random_state=5)[0]
    assert one.digest() == again.digest() != halves(tally, random_state=6)[0].digest()
    assert (one + two).cells["n"].to_pylist() == tally.cells["n"].to_pylist()


def test_weighted_or_clustered_counts_are_not_split():
    data = grouped(100).assign(w=1.5, who="x")
    for extra in ({"sample_weight": "w"}, {"cluster": "who"}):
        with pytest.raises(InputError, match="pass the second part as held out"):
            run_thresholds(log_of(data, **extra), EVEN, split=True)


def test_run_measures_on_the_held_out_rows():
    result = run_thresholds(log_of(grouped(2000)), EVEN, held_out=log_of(grouped(600, seed=8)))
    assert result.find("count").value == 600
    gains = [row for row in result.measurements if row.metric == "group_threshold_gain"]
    assert len(gains) == 3
    assert not any("optimistic" in row.reason for row in gains)
    best = next(row for row in result.measurements if row.metric == "best_threshold" and not row.slice)
    assert best.low <= best.value <= best.high
    assert best.n == 2000
    common = [row for row in result.measurements if row.metric == "expected_utility" and not row.slice]
    assert best.value in {row.at[0][1] for row in common}


def test_run_refuses_everything_at_once():
    data = grouped(50)
    unscored = PredictionLog.from_frame(data.assign(p=1), y_true="y", y_pred="p", sensitive_features=["g"])
    with pytest.raises(InputError) as refused:
        run_thresholds(unscored, EVEN, held_out=unscored, split=True, level=7)
    assert len(refused.value.violations) == 4
    with pytest.raises(InputError, match="read in another way"):
        run_thresholds(log_of(data), EVEN, held_out=log_of(data.assign(g="z"), missing="drop"))
    with pytest.raises(InputError, match="random_state must be a whole number from 0 to 4294967295; got -1"):
        run_thresholds(log_of(data), EVEN, split=True, random_state=-1)


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"y": [1], "s": [0.4], "g": ["=1+1"]}),
        pd.DataFrame({"y": [1, 1, 1], "s": [0.4, 0.4, 0.4], "g": ["<script>", "a\nb", "\u202ex"]}),
        pd.DataFrame({"y": [0, 0], "s": [0.0, 1.0], "g": [None, None]}),
    ],
    ids=["one row", "all scores equal", "one class, group missing"],
)
def test_degenerate_data_gives_rows_and_no_crash(data):
    result = run_thresholds(log_of(data), EVEN)
    best = next(row for row in result.measurements if row.metric == "best_threshold" and not row.slice)
    assert best.value is not None
    assert best.low <= best.high


def test_without_any_label_there_is_nothing_to_choose_by():
    data = pd.DataFrame({"y": [None, None], "s": [0.1, 0.9], "g": ["a", "b"]})
    with pytest.raises(InputError, match="every label is missing"):
        run_thresholds(log_of(data, positive=1), EVEN)
