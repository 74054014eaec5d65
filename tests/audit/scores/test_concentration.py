"""Concentration: the index and its variance against formulas on rows that were derived elsewhere; coverage."""

import numpy as np
import pandas as pd
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.scores.concentration import concentration, concentration_rows
from audit.scores.outcome_means import effective_trials
from audit.tally import collapse

ORDER = ["low", "middle", "high"]
HARM = {"false_positive": 1.0}


def frame(rows=900, seed=0, harm=(0.5, 0.3, 0.1)):
    rng = np.random.default_rng(seed)
    place = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    true = rng.random(rows) < 0.3
    wrong = rng.random(rows) < np.asarray(harm)[place]
    return pd.DataFrame({"y": true.astype(int), "p": (true ^ wrong).astype(int), "i": np.array(ORDER)[place]})


def tally_of(data, **roles):
    return count(PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=["i"], **roles))


def ranks(data):
    """Return each row's fractional rank; rows of one group share the middle of theirs."""
    place = data["i"].map({name: k for k, name in enumerate(ORDER)})
    return (place.rank(method="average") - 0.5) / len(data)


def test_the_index_is_twice_the_covariance_with_the_rank():
    data = frame()
    harm = ((data["p"] == 1) & (data["y"] == 0)).astype(float)
    rank = ranks(data)
    found = concentration(tally_of(data), "i", ORDER, HARM)
    assert found.value == pytest.approx(2 * np.cov(harm, rank, bias=True)[0, 1] / harm.mean())
    slope = np.polyfit(rank, 2 * rank.var(ddof=0) * harm / harm.mean(), 1)[0]  # the convenient regression
    assert found.value == pytest.approx(slope)
    assert found.affected == harm.sum()
    trapezoid = np.sum(np.diff(found.people) * (found.amount[1:] + found.amount[:-1]) / 2)
    assert found.value == pytest.approx(1 - 2 * trapezoid)


def test_the_variance_is_that_of_kakwani_wagstaff_and_van_doorslaer():
    """Their equation 14, row by row; ours comes from derivatives of counts."""
    data = frame(4000).assign(place=lambda it: it["i"].map({name: k for k, name in enumerate(ORDER)}))
    data = data.sort_values("place", ignore_index=True)
    harm = ((data["p"] == 1) & (data["y"] == 0)).astype(float)
    n, mean, rank = len(data), harm.mean(), ranks(data)
    index = 2 * (harm * rank).mean() / mean - 1
    upto = harm.groupby(data["place"]).transform("sum")
    share = harm.groupby(data["place"]).sum().cumsum() / harm.sum()
    high = data["place"].map(share)
    low = high - upto / harm.sum()
    a = harm / mean * (2 * rank - 1 - index) + 2 - low - high
    variance = ((a**2).mean() - (1 + index) ** 2) / n
    found = concentration(tally_of(data), "i", ORDER, HARM)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.02)  # c^2 harms are added


def test_clusters_of_copies_count_once():
    data = frame(500)
    copies = pd.concat([data.assign(who=np.arange(500).astype(str))] * 4)
    once, copied = (
        concentration(tally_of(data), "i", ORDER, HARM),
        concentration(tally_of(copies, cluster="who"), "i", ORDER, HARM),
    )
    assert copied.value == pytest.approx(once.value)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)
    weighted = concentration(tally_of(data.assign(w=2.5), sample_weight="w"), "i", ORDER, HARM)
    assert weighted.value == pytest.approx(once.value)
    assert weighted.high - weighted.low == pytest.approx(once.high - once.low, rel=0.02)


def tally_of_counts(people, harmed):
    import pyarrow as pa

    groups = len(people)
    n = np.concatenate([harmed, people - harmed])
    raw = {"slice.i": np.tile([str(k) for k in range(groups)], 2), "y_true": ["0"] * 2 * groups,
           "y_pred": np.repeat(["1", "0"], groups), "n": n, "w": n.astype(float), "w2": n.astype(float)}  # fmt: skip
    table = pa.table(raw)
    return collapse(table.filter(pa.compute.greater(table["n"], 0)), features=("i",), positive="1", bins=None,
                    weights="none")  # fmt: skip


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 0.3, 0.6), (0.2,) * 5], ids=str)
@pytest.mark.parametrize(("base", "slope"), [(0.02, 0.0), (0.2, -0.3), (0.02, -0.03), (0.7, -0.2)])
def test_the_interval_covers(shares, base, slope):
    rng = np.random.default_rng(5)
    share = np.array(shares)
    rank = np.cumsum(share) - share / 2
    risk = base + slope * (rank - 0.5)
    truth = 2 * (share * risk / (share @ risk)) @ rank - 1
    order = [str(k) for k in range(len(shares))]
    inside, points = [], []
    for _ in range(150):
        people = rng.multinomial(1000, share)
        found = concentration(tally_of_counts(people, rng.binomial(people, risk)), "i", order, HARM)
        inside.append(found.low <= truth <= found.high)
        of_first = share[0] * risk[0] / (share @ risk)
        points.append(found.curve.low[1] <= of_first <= found.curve.high[1])
    assert np.mean(inside) >= 0.91  # .95 less three standard errors of 150 runs; .936 at least of 1,000
    assert np.mean(points) >= 0.91


def test_one_harm_alone_says_little():
    found = concentration(tally_of_counts(np.array([50, 50]), np.array([1, 0])), "i", ["0", "1"], HARM)
    assert found.value == -0.5
    assert found.high > 0


def test_no_harm_is_undefined_and_everyone_harmed_is_equal():
    none = concentration(tally_of_counts(np.array([9, 9]), np.array([0, 0])), "i", ["0", "1"], HARM)
    assert np.isnan(none.value)
    rows = concentration_rows(tally_of_counts(np.array([9, 9]), np.array([0, 0])), "i", ["0", "1"], harms=HARM,
                              benefits={"true_negative": 1})  # fmt: skip
    assert rows[0].value is None
    assert rows[0].reason == "no row bears any harm"
    everyone = concentration(tally_of_counts(np.array([9, 21]), np.array([9, 21])), "i", ["0", "1"], HARM)
    assert everyone.value == pytest.approx(0.0)


def test_harms_and_benefits_side_by_side():
    rows = concentration_rows(tally_of(frame()), "i", ORDER, harms=HARM, benefits={"true_positive": 2.0})
    names = {row.metric for row in rows}
    assert names == {"harm_concentration_index", "benefit_concentration_index", "people_cumulative_share",
                     "harm_cumulative_share", "benefit_cumulative_share"}  # fmt: skip
    harm = next(row for row in rows if row.metric == "harm_concentration_index")
    assert harm.high < 0
    last = [row.value for row in rows if row.at[-1] == ("k", 3)]
    assert last == pytest.approx([1.0, 1.0, 1.0])


def test_people_without_a_value_take_no_part():
    data = frame(300)
    more = pd.concat([data, pd.DataFrame({"y": [0] * 50, "p": [1] * 50, "i": [None] * 50})])
    assert (
        concentration(tally_of(more), "i", ORDER, HARM).value == concentration(tally_of(data), "i", ORDER, HARM).value
    )


def test_everything_wrong_is_said_at_once():
    with pytest.raises(InputError) as refused:
        concentration(
            tally_of(frame(90)), "i", ["low", "low", "<script>"], {"false_positive": -1, "nonsense": 1}, level=0
        )  # type: ignore[dict-item]
    text = str(refused.value)
    for part in ("group 'middle' of 'i' has no place", "'<script>', which 'i' does not hold", "names 'low' twice",
                 "unknown outcome 'nonsense'", "must be a finite number", "level must lie"):  # fmt: skip
        assert part in text
    with pytest.raises(InputError, match="unknown feature"):
        concentration(tally_of(frame(90)), "income", ORDER, HARM)
    with pytest.raises(InputError, match="every amount is 0"):
        concentration(tally_of(frame(90)), "i", ORDER, {})


def test_effective_trials_are_at_most_the_rows():
    assert effective_trials([1.0], [0.001], [5.0], [50]).tolist() == [50.0]
