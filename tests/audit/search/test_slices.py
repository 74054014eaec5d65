"""The search as a whole: what it finds, what it promises by simulation, and what it refuses."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from statsmodels.stats.proportion import proportion_confint

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Result
from audit.search.halves import split_halves
from audit.search.slice_search import inside
from audit.search.slices import is_candidate, is_confirmed, run_slices
from audit.store import load_run, save_run

NAMES = ["f0", "f1", "f2", "f3", "f4"]
HOSTILE = ["<script>alert(1)</script>", "=1+1", "a\nb", "\u202eabc", "x" * 500, "$x$"]


def world(rows, *, seed, planted=0.0):
    """Return rows of which every tenth is a false positive; three in ten in a slice of two values, 2 % of the rows."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(0, size, rows) for name, size in zip(NAMES, (2, 3, 4, 5, 10), strict=True)}
    columns["f4"] = np.where(rng.random(rows) < 0.1, 0, columns["f4"])
    wrong = np.full(rows, 0.1)
    columns["f3"] = rng.choice(5, rows, p=[0.105, 0.2, 0.2, 0.2, 0.295])
    wrong[(columns["f3"] == 0) & (columns["f4"] == 0)] += planted  # .105 x .19 = .02 of the rows
    return pa.table({**columns, "y": np.zeros(rows, dtype=int), "p": (rng.random(rows) < wrong).astype(int)})


def searched(rows, *, seed, planted=0.0, **options):
    table = world(rows, seed=seed, planted=planted)
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=NAMES)
    return run_slices(log, metric="false_positive_rate", seed=seed, **options)


def confirmed(result):
    return [row for row in result.measurements if is_confirmed(row)]


def noise(runs, rows, **options):
    return [bool(confirmed(searched(rows, seed=seed, **options))) for seed in range(runs)]


def found_and_confirmed(runs, rows):
    found = []
    for seed in range(runs):
        slices = [dict(row.slice) for row in confirmed(searched(rows, seed=seed, planted=0.2))]
        found.append({"f3": "0", "f4": "0"} in slices)
    return found


def test_on_pure_noise_nothing_is_confirmed():
    assert sum(noise(60, 4000)) <= 3


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "min_support"), [(20_000, 0.01), (2_000, 0.01), (2_000, 0.05), (400, 0.05)])
def test_on_pure_noise_nothing_is_confirmed_in_95_of_100_runs(rows, min_support):
    assert np.mean(noise(600, rows, min_support=min_support)) <= 0.05


def test_the_worst_slice_of_the_search_half_is_noise_that_looks_like_a_finding():
    """What the split is for: in-sample t of the best candidate is beyond 3 in most runs of pure noise."""
    best = []
    for seed in range(20):
        rows = searched(4000, seed=seed).measurements
        best.append(max(row.value for row in rows if row.metric == "exploratory_t"))
    assert np.mean(np.array(best) > 2.5) > 0.5


def test_a_planted_slice_of_two_percent_is_found_and_confirmed():
    assert sum(found_and_confirmed(20, 20_000)) >= 18


@pytest.mark.slow
def test_a_planted_slice_of_two_percent_is_found_and_confirmed_in_90_of_100_runs():
    assert np.mean(found_and_confirmed(200, 20_000)) >= 0.9


@pytest.mark.slow
def test_under_clusters_noise_is_not_confirmed_where_rows_taken_for_independent_would_be():
    """Forty rows of one person are right or wrong together; a slice is a property of the person."""
    rates = {}
    for cluster in (None, "who"):
        rung = []
        for seed in range(150):
            rng = np.random.default_rng(seed)
            people = pd.DataFrame({name: rng.integers(0, 4, 200) for name in NAMES})
            people["p"] = (rng.random(200) < 0.2).astype(int)
            rows = people.loc[np.repeat(np.arange(200), 40)].assign(y=0, who=np.repeat(np.arange(200), 40))
            roles = {} if cluster is None else {"cluster": cluster}
            log = PredictionLog.from_frame(rows, y_true="y", y_pred="p", sensitive_features=NAMES, **roles)
            result = run_slices(log, metric="false_positive_rate", seed=seed, min_support=0.05)
            rung.append(bool(confirmed(result)))
        rates[cluster] = np.mean(rung)
    assert rates["who"] <= 0.05
    assert rates[None] > 0.9


def compas(data_folder, **options):
    frame = pd.read_csv(data_folder / "compas" / "compas_discretized.csv")
    names = ["age", "charge", "race", "sex", "#prior", "stay"]
    log = PredictionLog.from_frame(frame, y_true="class", y_pred="predicted", sensitive_features=names)
    return log, run_slices(log, metric="false_positive_rate", min_support=0.05, max_depth=None, **options)


def test_compas_confirms_on_the_other_half_with_the_exact_intervals_of_both_sides(data_folder):
    log, result = compas(data_folder)
    rows = [row for row in result.measurements if is_candidate(row)]
    assert 3 <= len(confirmed(result)) <= len(rows) <= 20
    half = split_halves(log, seed=0).confirm
    for row in rows:
        mask = inside(half, row.slice)
        x, n = (
            np.array([half.n[side & np.isin(half.quadrant, kind)].sum() for side in (mask, ~mask)])
            for kind in ((1,), (1, 3))
        )
        ends = proportion_confint(x, n, alpha=0.05 / len(rows), method="beta")
        rate = x / n
        low = rate[0] - rate[1] - np.hypot(rate[0] - ends[0][0], ends[1][1] - rate[1])
        high = rate[0] - rate[1] + np.hypot(ends[1][0] - rate[0], rate[1] - ends[0][1])
        assert row.value == pytest.approx(rate[0] - rate[1])
        assert (row.low, row.high) == pytest.approx((max(low, -1), min(high, 1)))
        assert row.n == n.min()
        assert row.method.endswith(f"found on one half, confirmed on the other, simultaneous over {len(rows)}")


def test_rows_say_which_half_they_come_from_and_only_confirmed_ones_have_intervals(data_folder):
    _, result = compas(data_folder)
    exploratory = [row for row in result.measurements if row.metric.startswith("exploratory_")]
    assert exploratory
    assert all(row.low is None and row.level is None and "not confirmed" in row.method for row in exploratory)
    assert not any(is_confirmed(row) or is_candidate(row) for row in exploratory)
    searched = result.find("slices_searched")
    assert searched.value > 100
    assert 2800 < searched.n < 3400  # the rows of the search half
    assert result.find("count").value == 6172
    assert round(result.find("false_positive_rate").value, 6) == 0.088314
    for row in (row for row in result.measurements if is_candidate(row)):
        parts = [r.value for r in exploratory if r.metric == "exploratory_shapley" and r.slice == row.slice]
        whole = next(r for r in exploratory if r.metric == "exploratory_difference" and r.slice == row.slice)
        assert sum(parts) == pytest.approx(whole.value)
        assert len(parts) == len(row.slice)


def test_folded_and_overlapping_slices_name_the_slice_that_stands_for_them(data_folder):
    _, result = compas(data_folder)
    slices = {row.slice for row in result.measurements if is_candidate(row)}
    nested = [r for r in result.measurements if r.metric == "exploratory_difference" and r.against["slice"]]
    assert nested
    for row in nested:
        above = tuple(sorted(row.against["slice"].items()))
        assert above in slices
        assert set(above) < set(row.slice)
        assert row.slice not in slices
    overlaps = [row for row in result.measurements if row.metric == "exploratory_overlap"]
    assert all(0.5 <= row.value <= 1 and tuple(sorted(row.against["slice"].items())) in slices for row in overlaps)


def test_the_same_input_gives_the_same_result_and_it_can_be_saved(data_folder, tmp_path):
    log, result = compas(data_folder)
    again = run_slices(log, metric="false_positive_rate", min_support=0.05, max_depth=None)
    assert again.to_json() == result.to_json()
    assert result.provenance.seed == 0
    assert result.provenance.given["metric"] == "false_positive_rate"
    assert load_run(save_run(result, tmp_path)) == result
    assert Result.from_json(result.to_json()) == result
    assert compas(data_folder, seed=1)[1].to_json() != result.to_json()


@pytest.mark.parametrize("metric", ["accuracy", "true_positive_rate", "precision"])
def test_where_more_is_better_slices_with_less_are_looked_for(metric):
    rng = np.random.default_rng(0)
    old = rng.integers(0, 2, 6000)
    y = rng.integers(0, 2, 6000)
    p = np.where(rng.random(6000) < 0.1 + 0.3 * old, 1 - y, y)
    table = pa.table({"old": old, "y": y, "p": p})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["old"])
    rows = confirmed(run_slices(log, metric=metric))
    assert [(row.slice, row.high < 0) for row in rows] == [((("old", "1"),), True)]


def test_where_neither_is_better_both_sides_are_looked_for():
    rng = np.random.default_rng(0)
    old = rng.integers(0, 2, 6000)
    table = pa.table({"old": old, "y": rng.integers(0, 2, 6000), "p": (rng.random(6000) < 0.2 + 0.3 * old).astype(int)})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["old"])
    rows = confirmed(run_slices(log, metric="selection_rate"))
    assert sorted(row.slice for row in rows) == [(("old", "0"),), (("old", "1"),)]


def test_sampling_weights_count_and_their_intervals_are_linearised():
    rng = np.random.default_rng(0)
    old, w = rng.integers(0, 2, 8000), rng.integers(1, 9, 8000)
    table = pa.table({"old": old, "w": w, "y": [0] * 8000, "p": (rng.random(8000) < 0.1 + 0.2 * old).astype(int)})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["old"], sample_weight="w")
    (row,) = confirmed(run_slices(log, metric="false_positive_rate"))
    assert "linearised weights" in row.method
    half = split_halves(log, seed=0).confirm
    mask = inside(half, row.slice)
    rates = [half.w[side & (half.quadrant == 1)].sum() / half.w[side].sum() for side in (mask, ~mask)]
    assert row.value == pytest.approx(rates[0] - rates[1])


def test_features_can_be_chosen_among_those_of_the_log():
    table = world(6000, seed=1, planted=0.2)
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=NAMES, bins={"f4": [1, 5]})
    result = run_slices(log, metric="false_positive_rate", features=["f4", "f3"])
    assert {name for row in result.measurements for name, _ in row.slice} <= {"f3", "f4"}
    alone = PredictionLog.from_frame(
        table, y_true="y", y_pred="p", sensitive_features=["f4", "f3"], bins={"f4": [1, 5]}
    )
    assert result.measurements == run_slices(alone, metric="false_positive_rate").measurements


def test_hostile_names_are_kept_as_they_are():
    rng = np.random.default_rng(0)
    group = np.array(HOSTILE, dtype=object)[rng.integers(0, len(HOSTILE), 6000)]
    p = (rng.random(6000) < np.where(group == HOSTILE[0], 0.5, 0.1)).astype(int)
    table = pd.DataFrame({"=g\n": group, "y": 0, "p": p})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["=g\n"])
    result = run_slices(log, metric="false_positive_rate")
    assert confirmed(result)[0].slice == (("=g\n", HOSTILE[0]),)
    assert Result.from_json(result.to_json()) == result


def test_a_missing_value_is_a_slice_of_its_own():
    rng = np.random.default_rng(0)
    gone = rng.random(6000) < 0.2
    table = pd.DataFrame({"g": np.where(gone, None, "a"), "y": 0, "p": (rng.random(6000) < 0.1 + 0.3 * gone) * 1})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"])
    assert confirmed(run_slices(log, metric="false_positive_rate"))[0].slice == (("g", None),)


def test_constant_features_leave_nothing_to_compare():
    table = pa.table({"a": ["x"] * 50, "b": [1] * 50, "y": [0, 1] * 25, "p": [1, 0] * 25})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["a", "b"])
    result = run_slices(log, min_support=1.0)
    assert result.find("slices_searched").value == 3  # a, b, and both: each of them everyone
    assert not [row for row in result.measurements if is_candidate(row)]


def test_no_denominator_anywhere_is_no_finding():
    table = pa.table({"a": ["x", "z"] * 50, "y": [1] * 100, "p": [1, 0] * 50})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["a"])
    result = run_slices(log, metric="false_positive_rate")
    assert result.find("false_positive_rate").reason == "no negative labels in slice"
    assert not [row for row in result.measurements if is_candidate(row)]


def test_a_slice_that_the_confirming_half_lacks_says_so():
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(6), 200)
    group = np.where(cluster == 0, "rare", np.where(cluster % 2, "a", "b"))
    p = (rng.random(1200) < np.where(group == "rare", 0.9, 0.1)).astype(int)
    table = pd.DataFrame({"g": group, "y": 0, "p": p, "who": cluster})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"], cluster="who")
    seeds = (run_slices(log, metric="false_positive_rate", seed=seed) for seed in range(8))
    rows = [r for result in seeds for r in result.measurements if is_candidate(r) and r.slice == (("g", "rare"),)]
    lacking = [row for row in rows if row.value is None]
    assert lacking
    assert lacking[0].reason == "no negative labels in the slice on the confirming half"
    assert not is_confirmed(lacking[0])


def test_forty_features():
    rng = np.random.default_rng(0)
    names = [f"feature {place}" for place in range(40)]
    data = pd.DataFrame({name: rng.integers(0, 2, 3000) for name in names}).assign(y=0)
    data["p"] = (rng.random(3000) < 0.1 + 0.4 * ((data["feature 3"] == 1) & (data["feature 31"] == 1))).astype(int)
    log = PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=names)
    result = run_slices(log, metric="false_positive_rate", max_depth=2, min_support=0.05)
    assert result.find("slices_searched").value == 80 + 780 * 4
    assert (("feature 3", "1"), ("feature 31", "1")) in [row.slice for row in confirmed(result)]


def test_every_wrong_option_is_named_at_once():
    log = PredictionLog.from_frame(world(50, seed=0), y_true="y", y_pred="p", sensitive_features=NAMES)
    with pytest.raises(InputError) as raised:
        run_slices(
            log, metric="roc_auc", features=["f0", "f0", "nothing"], min_support=0, max_depth=0, seed=-1, level=1.0,
            limit=0, epsilon=-0.1, quantiles=1,
        )  # fmt: skip
    text = str(raised.value)
    for part in (
        "expected one of selection_rate, ",
        "got 'roc_auc'",
        "min_support must lie in (0, 1]; got 0",
        "level must lie in (0, 1); got 1.0",
        "epsilon must be at least 0",
        "max_depth must be a whole number, at least 1",
        "limit must be a whole number, at least 1",
        "quantiles must be a whole number, at least 2",
        "seed must be a whole number, at least 0",
        "feature 'nothing' is no sensitive feature",
        "feature 'f0' is named 2 times",
    ):
        assert part in text


@pytest.mark.parametrize("min_support", [-0.1, 0, 1.1, float("nan"), float("inf")])
def test_support_outside_its_range(min_support):
    log = PredictionLog.from_frame(world(50, seed=0), y_true="y", y_pred="p", sensitive_features=NAMES)
    with pytest.raises(InputError, match=r"min_support must lie in \(0, 1\]"):
        run_slices(log, min_support=min_support)


def test_no_features_and_several_labels_are_refused():
    with pytest.raises(InputError, match="no features: name the columns"):
        run_slices(PredictionLog.from_frame(world(50, seed=0), y_true="y", y_pred="p"))
    table = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "b"], "g": ["x", "x", "z"]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["g"], task="multiclass")
    with pytest.raises(InputError, match="two labels of which every row has a prediction; got the task 'multiclass'"):
        run_slices(log)
