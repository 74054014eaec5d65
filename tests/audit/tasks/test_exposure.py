import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Result
from audit.tasks.exposure import ranked, run_ranking


def log_of(frame, features=("g",), **options):
    roles = {"y_true": "y", "y_score": "s", "cluster": "q"} | options
    roles = {role: column for role, column in roles.items() if column is not None}
    return PredictionLog.from_frame(frame, sensitive_features=list(features), task="ranking", **roles)


def row_of(result, metric, kind=None, **where):
    return next(
        r
        for r in result.measurements
        if r.metric == metric and dict(r.slice) == where and (r.against["kind"] if r.against else None) == kind
    )


def market(queries=200, seed=0, push=1.0, items=8):
    """Queries in which the group A is scored `push` higher than it is relevant."""
    random = np.random.default_rng(seed)
    n = queries * items
    group = random.choice(["A", "B"], n, p=[0.5, 0.5])
    merit = random.normal(size=n)
    y = (merit > 0.3).astype(float) + (merit > 1.2)
    s = merit + push * (group == "A") + random.normal(size=n)
    return pd.DataFrame({"q": np.repeat(np.arange(queries), items), "s": s, "y": y, "g": group})


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=12),
    st.integers(1, 12),
)
def test_ndcg_with_ties_is_that_of_scikit_learn(pairs, k):
    score, relevance = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    if not relevance.any():
        return
    places = ranked(np.zeros(len(score), dtype=np.int64), score, relevance, k=k)
    ours = (relevance * places.discount).sum() / (relevance * places.ideal).sum()
    assert ours == pytest.approx(ndcg_score([relevance], [score], k=k), abs=1e-12)


def test_the_mean_over_queries_by_the_group_of_who_asks():
    frame = market(60).assign(user=lambda f: np.where(f["q"] < 30, "old", "young"))
    for gains, gain in (("linear", frame["y"]), ("exponential", 2 ** frame["y"] - 1)):
        result = run_ranking(log_of(frame, ["g", "user"]), k=5, gains=gains, query_features=["user"])
        by_query = {}
        for query, part in frame.assign(gain=gain).groupby("q"):
            if part["gain"].any():
                by_query[query] = ndcg_score([part["gain"]], [part["s"]], k=5)
        row = row_of(result, "ndcg")
        assert row.value == pytest.approx(np.mean(list(by_query.values())))
        assert row.n == len(by_query)
        assert row.at == (("k", 5),)
        old = [value for query, value in by_query.items() if query < 30]
        assert row_of(result, "ndcg", user="old").value == pytest.approx(np.mean(old))
        assert row_of(result, "ndcg_difference", "groups").low <= 0
        assert result.provenance.given["queries_without_relevance"] == 60 - len(by_query)


def test_exposure_of_one_query_by_hand():
    # Ranks 1, 2, 3, 4: exposure 1, .631, .5, .431; A stands first and third.
    frame = pd.DataFrame({"q": [1] * 4, "s": [4.0, 3.0, 2.0, 1.0], "y": [1, 1, 0, 0], "g": [*"ABAB"]})
    result = run_ranking(log_of(frame))
    total = sum(1 / math.log2(1 + rank) for rank in (1, 2, 3, 4))
    assert row_of(result, "exposure_share", g="A").value == pytest.approx(1.5 / total)
    assert row_of(result, "item_share", g="A").value == 0.5
    assert row_of(result, "relevance_share", g="A").value == 0.5
    assert row_of(result, "exposure_to_relevance_ratio", g="A").value == pytest.approx(3 / total)
    assert row_of(result, "exposure_share", g="A").low is None  # one query has no spread
    ratio = row_of(result, "exposure_to_relevance_ratio_ratio", "groups")
    assert ratio.value == pytest.approx(1.5 / (total - 1.5))
    assert ratio.reason.startswith("between A and B")
    first = run_ranking(log_of(frame), k=1)
    assert row_of(first, "exposure_share", g="A").value == 1
    assert row_of(first, "exposure_to_relevance_ratio", g="B").value == 0


def test_ranks_instead_of_scores_and_no_relevance():
    frame = market(40).assign(rank=lambda f: f.groupby("q")["s"].rank(ascending=False))
    by_score = run_ranking(log_of(frame))
    by_rank = run_ranking(log_of(frame, y_score="rank"), order="rank")
    assert by_rank.measurements == by_score.measurements
    without = run_ranking(log_of(frame, y_true=None))
    assert {row.metric for row in without.measurements} == {"count", "exposure_share", "item_share"}


def test_a_pushed_group_is_shown_above_its_merit():
    result = run_ranking(log_of(market(300, push=1.5)))
    assert row_of(result, "exposure_to_relevance_ratio", g="A").low > 1.02
    assert row_of(result, "exposure_to_relevance_ratio", g="B").high < 0.98
    assert row_of(result, "exposure_to_relevance_ratio_ratio", "groups").low > 1.05
    assert Result.from_json(result.to_json()) == result


@pytest.mark.parametrize("repeats", [120, pytest.param(1500, marks=pytest.mark.slow)])
def test_coverage_with_queries_as_units(repeats):
    big = market(60_000, seed=1)
    large = run_ranking(log_of(big))
    names = ("exposure_share", "exposure_to_relevance_ratio")
    truth = {name: row_of(large, name, g="A").value for name in names} | {"ndcg": row_of(large, "ndcg").value}
    gap = row_of(large, "exposure_to_relevance_ratio_ratio", "groups").value
    covered = dict.fromkeys([*truth, "largest"], 0)
    for seed in range(repeats):
        found = run_ranking(log_of(market(50, seed=10 + seed)))
        for name in names:
            row = row_of(found, name, g="A")
            covered[name] += row.low <= truth[name] <= row.high
        row = row_of(found, "ndcg")
        covered["ndcg"] += row.low <= truth["ndcg"] <= row.high
        row = row_of(found, "exposure_to_relevance_ratio_ratio", "groups")
        covered["largest"] += row.low <= gap <= row.high
    least = 0.93 if repeats > 1000 else 0.88
    assert min(covered.values()) / repeats >= least, covered


def test_whole_queries_are_the_units():
    frame = market(40)
    repeated = pd.concat([frame, frame.assign(q=frame["q"] + 1000)])
    one, two = (row_of(run_ranking(log_of(f)), "exposure_share", g="A") for f in (frame, repeated))
    assert two.value == pytest.approx(one.value)
    assert (two.high - two.low) / (one.high - one.low) == pytest.approx(1 / math.sqrt(2), rel=0.03)


def test_degenerate_rankings():
    frame = market(10)
    none = run_ranking(log_of(frame.assign(y=0)))
    assert row_of(none, "ndcg").reason == "no relevant items in any of 10 queries"
    assert row_of(none, "relevance_share", g="A").reason == "the amount sums to 0 over all queries"
    assert row_of(none, "exposure_to_relevance_ratio", g="A").reason == "no relevant items in group"
    equal = run_ranking(log_of(frame.assign(s=1.0)))
    shares = frame.groupby("q")["g"].apply(lambda g: (g == "A").sum()).sum() / len(frame)
    assert row_of(equal, "exposure_share", g="A").value == pytest.approx(shares)
    hostile = run_ranking(log_of(frame.assign(g=np.resize(["<script>", "=1", "a\nb", None], len(frame)))))
    assert {dict(r.slice).get("g") for r in hostile.measurements if r.metric == "exposure_share"} == {
        "<script>", "=1", "a\nb", None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"s": np.nan}, {}, r"\(y_score\): expected finite numbers; 80 rows hold none: row 1, row 2"),
        ({"y": -1.0}, {}, r"\(y_true\): expected finite numbers >= 0; 80 rows"),
        ({"q": None}, {}, "80 rows belong to no query"),
        ({}, {"k": 0}, "k must be a whole number of places, at least 1; got 0"),
        ({}, {"order": "up", "gains": "big", "level": 2}, r"level must lie[\s\S]*order must[\s\S]*gains must"),
        ({}, {"query_features": ["x"]}, "'x' is no sensitive feature"),
        ({}, {"query_features": ["g"]}, "'g' is named as a feature of queries and has several values within one"),
        ({}, {"query": "place"}, "no column names the query: give it the role 'place'"),
    ],
)
def test_bad_input(change, options, text):
    with pytest.raises(InputError, match=text):
        run_ranking(log_of(market(10).assign(**change)), **options)


def test_readings_that_rankings_do_not_have():
    frame = market(10).assign(w=1.0, age=30)
    log = PredictionLog.from_frame(
        frame, y_true="y", y_score="s", cluster="q", sample_weight="w", sensitive_features=["age"], bins={"age": [20]},
        missing="drop", task="ranking",
    )  # fmt: skip
    with pytest.raises(InputError) as error:
        run_ranking(log)
    assert len(error.value.violations) == 3
    with pytest.raises(InputError, match="the data has no rows"):
        run_ranking(log_of(frame.iloc[:0].astype({"g": str})))


def test_exposure_for_one_group_and_none_for_another_has_no_upper_limit_and_is_not_left_out():
    queries = 40
    frame = pd.DataFrame({"q": np.repeat(np.arange(queries), 3), "s": [3, 2, 1] * queries, "g": [*"ABC"] * queries,
                          "y": np.random.default_rng(0).integers(0, 3, 3 * queries)})  # fmt: skip
    row = row_of(run_ranking(log_of(frame), k=2), "exposure_to_relevance_ratio_ratio", "groups")
    assert (row.value, row.high) == (None, None)
    assert row.reason == "between A and C; no upper limit: divided by 0"
    assert row.low > 1  # A stands before B in every query
    assert row.against["among"] == [["A"], ["B"], ["C"]]
    assert "undefined" not in row.against
    unwanted = frame.assign(y=frame["y"].where(frame["g"] != "C", 0))
    without = row_of(run_ranking(log_of(unwanted)), "exposure_to_relevance_ratio_ratio", "groups")
    assert without.against["undefined"] == [["C"]]
