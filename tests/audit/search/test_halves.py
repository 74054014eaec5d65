"""The split: random, free of the order of rows, by cluster where one is named, numbers cut by the search half alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.rollup import cells_of
from audit.search.halves import quantile_edges, split_halves


def frame(rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.integers(0, 2, rows),
            "p": rng.integers(0, 2, rows),
            "sex": np.array(["F", "M"])[rng.integers(0, 2, rows)],
            "age": rng.integers(18, 90, rows),
            "who": rng.integers(0, rows // 4, rows),
            "w": rng.integers(1, 5, rows) / 2,
        }
    )


def log_of(data, features=("sex",), **options):
    return PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=list(features), **options)


OPTIONS = {
    "cells": {},
    "clusters": {"cluster": "who"},
    "weights": {"sample_weight": "w"},
    "quantiles": {"features": ("sex", "age")},
    "frequency": {"sample_weight": "who", "weights": "frequency"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_both_halves_together_are_the_whole_and_the_order_of_rows_is_irrelevant(options):
    data = frame()
    halves = split_halves(log_of(data, **options), seed=3)
    again = split_halves(log_of(data.sample(frac=1, random_state=1), **options), seed=3)
    assert halves.tally.digest() == again.tally.digest()
    assert halves.edges == again.edges
    for one, two in ((halves.search, again.search), (halves.confirm, again.confirm)):
        assert np.array_equal(one.n, two.n)
        assert np.array_equal(one.w, two.w)
    whole = cells_of(halves.tally)
    for amount in ("n", "w", "w2"):
        parts = getattr(halves.search, amount).sum() + getattr(halves.confirm, amount).sum()
        assert parts == pytest.approx(getattr(whole, amount).sum())
    assert 0.4 < halves.search.n.sum() / whole.n.sum() < 0.6
    other = split_halves(log_of(data, **options), seed=4)
    assert not np.array_equal(halves.search.n, other.search.n)


def test_the_split_of_cells_is_that_of_rows_by_a_fair_coin():
    data = pd.DataFrame({"y": [1] * 60, "p": [1] * 60})
    sizes = [int(split_halves(log_of(data, ()), seed=seed).search.n.sum()) for seed in range(120)]
    assert abs(np.mean(sizes) - 30) < 4 * np.sqrt(15 / 120)
    assert 9 < np.var(sizes) < 22  # 60 x 1/2 x 1/2 = 15


def test_the_tally_is_the_one_of_a_plain_count():
    data = frame()
    assert split_halves(log_of(data), seed=0).tally.digest() == count(log_of(data)).digest()
    clustered = log_of(data, cluster="who")
    assert split_halves(clustered, seed=0).tally.digest() == count(clustered).digest()
    weighted = log_of(data, sample_weight="w")
    assert split_halves(weighted, seed=0).tally.digest() == count(weighted).digest()


def test_a_cluster_never_stands_in_both_halves():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": 1, "p": rng.integers(0, 2, 3000), "who": rng.integers(0, 300, 3000)})
    data["group"] = [f"g{who}" for who in data["who"]]  # the group gives the cluster away
    halves = split_halves(log_of(data, ["group"], cluster="who"), seed=1)
    sides = [{half.features["group"][1][code] for code in half.features["group"][0]} for half in halves[:2]]
    assert not sides[0] & sides[1]
    assert abs(len(sides[0]) - len(sides[1])) <= 1
    for half in halves[:2]:  # each cluster's moments are still there: the sum over clusters of its squared rows
        moments = {}
        for left, right, moment in zip(*half.pairs, strict=True):
            codes = half.features["group"][0]
            assert codes[left] == codes[right]
            moments[codes[left]] = moments.get(codes[left], 0) + moment
        sizes = np.bincount(half.features["group"][0], weights=half.n)
        assert all(moments[code] == sizes[code] ** 2 for code in moments)


def test_quantile_edges_rest_on_the_search_half_alone():
    data = frame(400)
    edges = split_halves(log_of(data, ("sex", "age")), seed=5).edges["age"]
    assert 2 <= len(edges) <= 3
    different = {split_halves(log_of(data, ("sex", "age")), seed=seed).edges["age"] for seed in range(6)}
    assert len(different) > 1  # each seed has other rows to take them from
    halves = split_halves(log_of(data, ("sex", "age")), seed=5)
    sizes = np.bincount(halves.search.features["age"][0], weights=halves.search.n)
    assert sizes[sizes > 0].min() > 0.15 * halves.search.n.sum()


@pytest.mark.parametrize("kind", ["text", "decimal", "polars", "file"])
def test_numbers_of_any_make_are_cut(kind, tmp_path):
    data = frame(600)
    if kind == "text":
        data["age"] = data["age"].map(lambda age: f" {age} ")
    if kind == "file":
        data.to_csv(tmp_path / "log.csv", index=False)
        log = PredictionLog.from_file(tmp_path / "log.csv", y_true="y", y_pred="p", sensitive_features=["age"])
    else:
        table = pa.Table.from_pandas(data, preserve_index=False)
        if kind == "decimal":
            place = table.column_names.index("age")
            table = table.set_column(place, "age", table["age"].cast(pa.decimal128(21, 2)))
        log = log_of(pytest.importorskip("polars").from_arrow(table) if kind == "polars" else table, ["age"])
    halves = split_halves(log, seed=0)
    assert len(halves.edges["age"]) == 3
    assert len(halves.search.features["age"][1]) == 4


def test_edges_that_are_given_are_kept_and_few_numbers_are_no_ranges():
    data = frame(600).assign(level=lambda table: table["age"] % 10)
    halves = split_halves(log_of(data, ("age", "level"), bins={"age": [40]}), seed=0)
    assert not halves.edges
    assert halves.search.features["age"][1] == ["<40", ">=40"]
    assert len(halves.search.features["level"][1]) == 10


def test_missing_numbers_stay_a_group():
    data = frame(600)
    data.loc[data.index % 3 == 0, "age"] = np.nan
    assert None in split_halves(log_of(data, ["age"]), seed=0).search.features["age"][1]


def test_a_feature_called_half_is_left_alone():
    data = frame(600).assign(half="x")
    halves = split_halves(log_of(data, ["half", "age"]), seed=0)
    assert list(halves.search.features) == ["half", "age"]
    assert halves.tally.features == ("half", "age")


def test_scores_beside_predictions_are_left_aside_and_make_them_where_there_are_none():
    data = frame(900).assign(s=lambda table: (table["age"] - 18) / 72)
    beside = split_halves(log_of(data, y_score="s"), seed=0)
    assert beside.tally.bins is None
    alone = PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["sex"])
    halves = split_halves(alone, seed=0)
    assert halves.search.bins is None
    assert len(halves.search.n) <= 8


@pytest.mark.parametrize(("options", "what"), [({}, "row"), ({"cluster": "who"}, "cluster")])
def test_too_few_rows_or_clusters_are_named(options, what):
    data = pd.DataFrame({"y": [1], "p": [1], "who": ["a"]})
    with pytest.raises(InputError, match=f"too few {what}s to search on one half"):
        split_halves(log_of(data, (), **options), seed=0)


def test_a_name_for_every_row_is_refused_before_it_is_counted():
    data = frame(1500).assign(name=[f"n{row}" for row in range(1500)])
    with pytest.raises(InputError, match="feature 'name' has 1,500 different values, more than 1,000; leave it out"):
        split_halves(log_of(data, ["sex", "name"]), seed=0)


def test_no_rows_at_all():
    for options in ({}, {"cluster": "who"}):
        with pytest.raises(InputError, match="no rows"):
            split_halves(log_of(frame(8).iloc[:0], **options), seed=0)


def test_values_are_still_checked():
    data = frame(100).assign(w=-1.0)
    with pytest.raises(InputError, match="sample_weight"):
        split_halves(log_of(data, sample_weight="w"), seed=0)
    nested = pa.table({"y": [1, 0] * 20, "p": [1, 0] * 20, "g": [[1]] * 40})
    with pytest.raises(InputError, match="expected text, numbers, booleans or dates"):
        split_halves(log_of(nested, ["g"]), seed=0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()), ([np.nan, np.inf], ()), ([5.0] * 30, ()), ([0] * 90 + [7, 8], (7.0,)),
        ([1e9 + step for step in range(8)], (1e9 + 1.75, 1e9 + 3.5, 1e9 + 5.25)), ([1, 2], (1.25, 1.5, 1.75)),
    ],
)  # fmt: skip
def test_edges_of_awkward_numbers(values, expected):
    assert quantile_edges(values, quantiles=4) == expected


def test_dropped_rows_are_counted():
    data = frame(400)
    data.loc[:9, "sex"] = None
    log = log_of(data, missing="drop")
    assert split_halves(log, seed=0).dropped == 10
    assert split_halves(replace(log, reading=replace(log.reading, missing="group")), seed=0).dropped == 0
