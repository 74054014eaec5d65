"""Paired log loss and paired errors of numbers: against the rows, scipy, statsmodels, and coverage by simulation."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_rel
from sklearn.metrics import log_loss, mean_absolute_error, root_mean_squared_error

from audit.errors import InputError
from audit.paired.comparison import run_compare
from audit.paired.paired_rows import outcome_of
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement


def numbers(rows, seed, better=0.8):
    rng = np.random.default_rng(seed)
    y = rng.normal(10, 3, rows)
    shared = rng.normal(size=rows)
    old, new = (y + shared + spread * rng.normal(size=rows) for spread in (1.0, better))
    return pd.DataFrame({"y": y, "old": old, "new": new, "g": rng.choice([*"abc"], rows)})


def compared(data, *metrics, other=None, **options):
    asked = {"y_true": "y", "candidate": "new", "baseline": "old", "sensitive_features": ["g"]}
    return run_compare(data, other, **(asked | options), metrics=metrics)


def row_of(result, metric, kind="model", at=(), **group):
    wanted = tuple(sorted(group.items()))
    (row,) = [
        row
        for row in result.measurements
        if (row.metric, row.slice, row.at) == (metric, wanted, at) and (row.against or {}).get("kind") == kind
    ]
    return row


def test_errors_are_those_of_the_rows_and_the_interval_is_scipys():
    data = numbers(900, 0)
    result = compared(data, "mean_absolute_error", "root_mean_squared_error", "mean_error")
    row = row_of(result, "mean_absolute_error_difference")
    theirs = ttest_rel(*((data[name] - data["y"]).abs() for name in ("new", "old"))).confidence_interval(0.95)
    assert (row.low, row.high) == pytest.approx((theirs.low, theirs.high))
    assert row.method == "paired_t"
    for metric, function in (
        ("mean_absolute_error", mean_absolute_error), ("root_mean_squared_error", root_mean_squared_error)
    ):  # fmt: skip
        for group in (None, *"abc"):
            own = data if group is None else data[data["g"] == group]
            sides = [function(own["y"], own[name]) for name in ("new", "old")]
            slice_ = {} if group is None else {"g": group}
            found = row_of(result, f"{metric}_difference", **slice_)
            assert found.value == pytest.approx(sides[0] - sides[1])
            assert found.n == len(own)
            at = (("model_version", "new"),)
            assert row_of(result, metric, None, at, **slice_).value == pytest.approx(sides[0])
    assert outcome_of(row) == "better"
    assert outcome_of(row_of(result, "mean_error_difference")) == "not shown"
    assert result.tally is None
    assert type(result).from_json(result.to_json()) == result


def test_pairing_narrows_it_and_clusters_widen_it():
    data = numbers(600, 1)
    alone = [row_of(compared(data, name), f"{name}_difference") for name in ("mean_squared_error", "mean_error")]
    for row, kind in zip(alone, ("squared", "plain"), strict=True):
        errors = [data[name] - data["y"] for name in ("new", "old")]
        losses = [each**2 if kind == "squared" else each for each in errors]
        unpaired = 2 * 1.96 * np.sqrt(sum(each.var() / 600 for each in losses))
        assert row.high - row.low < 0.8 * unpaired
    many = pd.concat([data] * 3)
    many["who"] = np.tile(np.arange(600), 3)
    plain, robust = (
        row_of(compared(many, "mean_absolute_error", **how), "mean_absolute_error_difference")
        for how in ({}, {"cluster": "who"})
    )
    assert robust.method == "paired_t, cluster-robust"
    assert (robust.high - robust.low) / (plain.high - plain.low) == pytest.approx(np.sqrt(3), rel=0.01)


def test_weighted_means_are_those_of_statsmodels():
    data = numbers(500, 2)
    data["w"] = np.random.default_rng(3).lognormal(0, 0.6, 500)
    row = row_of(compared(data, "mean_absolute_error", sample_weight="w"), "mean_absolute_error_difference")
    d = (data["new"] - data["y"]).abs() - (data["old"] - data["y"]).abs()
    fitted = sm.WLS(d, np.ones(500), weights=data["w"]).fit(cov_type="HC0")
    assert row.value == pytest.approx(fitted.params.iloc[0])
    assert (row.high - row.low) / 2 == pytest.approx(1.966 * fitted.bse.iloc[0], rel=0.01)


def test_a_group_that_gets_worse_is_found_and_the_growth_of_its_gap():
    data = numbers(1500, 4)
    further = np.random.default_rng(4).uniform(2, 4, 1500) * np.sign(data["old"] - data["y"])
    data["new"] = np.where(data["g"] == "b", data["old"] + further, data["new"])
    result = compared(data, "mean_absolute_error", "root_mean_squared_error", reference={"g": "a"})
    for metric in ("mean_absolute_error", "root_mean_squared_error"):
        assert outcome_of(row_of(result, f"{metric}_difference", g="b")) == "worse"
        worst = row_of(result, f"{metric}_difference_group_max", "groups")
        assert (worst.reason, worst.against["among"]) == ("b", [["a"], ["b"], ["c"]])
        assert worst.low > 2
        for kind in ("rest", "slice"):
            assert row_of(result, f"{metric}_change_difference", kind, g="b").low > 2
        assert row_of(result, f"{metric}_change_difference", "groups").low > 2


@pytest.mark.parametrize("metric", ["mean_absolute_error", "root_mean_squared_error"])
def test_coverage(metric):
    rows, repeats = 60, 700
    big = numbers(1_000_000, 5)
    errors = [big[name] - big["y"] for name in ("new", "old")]
    size = (lambda e: np.sqrt((e**2).mean())) if metric.startswith("root") else (lambda e: e.abs().mean())
    truth = size(errors[0]) - size(errors[1])
    data = numbers(rows * repeats, 6)
    data["g"] = np.repeat([f"r{place:03d}" for place in range(repeats)], rows)
    result = compared(data, metric, level=0.5)  # of which Bonferroni over the groups makes another level
    from_rows = [row for row in result.measurements if row.metric == f"{metric}_difference" and row.slice]
    assert len(from_rows) == repeats
    half = [(row.high - row.low) / 2 for row in from_rows]
    centre = [(row.high + row.low) / 2 for row in from_rows]
    assert np.mean(np.abs(np.array(centre) - truth) <= np.array(half)) >= 0.995  # 1 - .5 / 700 is promised


def scored(rows, seed):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-signal))).astype(int)
    sides = {name: 1 / (1 + np.exp(-signal - spread * rng.normal(size=rows))) for name, spread in
             (("old", 1.0), ("new", 0.5))}  # fmt: skip
    return pd.DataFrame({"y": y, **sides, "g": rng.choice([*"ab"], rows)})


def test_the_log_loss_is_scikit_learns_and_its_interval_scipys():
    data = scored(800, 7)
    result = compared(data, "log_loss", "accuracy", threshold=0.5)
    row = row_of(result, "log_loss_difference")
    assert row.value == pytest.approx(log_loss(data["y"], data["new"]) - log_loss(data["y"], data["old"]))
    losses = [-np.log(np.where(data["y"] == 1, data[name], 1 - data[name])) for name in ("new", "old")]
    theirs = ttest_rel(*losses).confidence_interval(0.95)
    assert (row.low, row.high) == pytest.approx((theirs.low, theirs.high))
    assert outcome_of(row) == "better"
    assert row_of(result, "accuracy_difference").method == "paired_score"
    assert result.tally is not None


def test_scores_in_columns_of_their_own_and_labels_in_words():
    data = scored(300, 8)
    words = data.assign(y=np.where(data["y"] == 1, "yes", "no"), s_new=data["new"], s_old=data["old"])
    for name in ("new", "old"):
        words[name] = np.where(data[name] > 0.5, "yes", "no")
    words.loc[:49, "y"] = None
    row = row_of(compared(words, "log_loss", scores=["s_new", "s_old"], positive="yes"), "log_loss_difference")
    known = data.iloc[50:]
    assert row.n == 250
    assert row.value == pytest.approx(log_loss(known["y"], known["new"]) - log_loss(known["y"], known["old"]))


def test_a_score_of_0_for_a_positive_has_no_log_loss():
    data = scored(200, 9)
    data.loc[data.index[(data["y"] == 1) & (data["g"] == "a")][0], "new"] = 0.0
    result = compared(data, "log_loss", threshold=0.5)
    row = row_of(result, "log_loss_difference", g="a")
    assert row.value is None
    assert "the log loss is infinite" in row.reason
    assert row_of(result, "log_loss_difference", g="b").value is not None
    worst = row_of(result, "log_loss_difference_group_max", "groups")
    assert (worst.against["among"], worst.against["undefined"]) == ([["b"]], [["a"]])


def test_few_changes_have_no_interval():
    data = numbers(100, 10)
    data["new"] = np.where(np.arange(100) < 9, data["new"], data["old"])
    row = row_of(compared(data, "mean_absolute_error"), "mean_absolute_error_difference")
    assert (row.low, row.high) == (None, None)
    assert row.reason.startswith("fewer than 10 rows changed")


def test_two_tables_and_several_candidates():
    data = numbers(120, 11).assign(id=np.arange(120))
    both = compared(data, "mean_absolute_error")
    new, old = data[["id", "y", "g", "new"]], data[["id", "old"]].sample(frac=1, random_state=0)
    joined = compared(new, "mean_absolute_error", other=old, on="id")
    rows = [row_of(each, "mean_absolute_error_difference") for each in (both, joined)]
    assert (rows[0].value, rows[0].low) == pytest.approx((rows[1].value, rows[1].low))
    several = compared(data.assign(third=data["y"]), "mean_absolute_error", candidate=["new", "third"])
    found = row_of(several, "mean_absolute_error_difference", at=(("model_version", "third"),))
    assert found.value == pytest.approx(-mean_absolute_error(data["y"], data["old"]))


@pytest.mark.parametrize(
    ("change", "metrics", "options", "message"),
    [
        ({"new": np.nan}, ["mean_error"], {}, "column 'new' holds no finite number in 30 rows"),
        ({"y": "x"}, ["mean_error"], {}, "column 'y' holds no finite number in 30 rows"),
        ({"y": np.nan}, ["mean_error"], {}, "y_true: every value is missing"),
        ({"new": -5.0}, ["root_mean_squared_log_error"], {}, "column 'new' holds negative numbers"),
        ({}, ["mean_error", "accuracy"], {}, "accuracy: not compared together with errors of numbers"),
        ({}, ["mean_error"], {"threshold": 0.5}, "threshold is given in vain: the models predict numbers"),
        ({}, ["mean_error"], {"baseline": "older"}, "column 'older' is missing; the data has"),
        ({}, ["log_loss"], {}, "log_loss needs scores; name a column of scores for each model"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, metrics, options, message):
    with pytest.raises(InputError, match=message):
        compared(numbers(30, 12).assign(**change), *metrics, **options)


@pytest.mark.parametrize("groups", [(), ("g",)])
@pytest.mark.parametrize(
    ("metric", "compare"), [("mean_absolute_error", "baseline"), ("mean_absolute_error_difference", "value"),
                            ("log_loss", "baseline"), ("log_loss_difference", "value")]
)  # fmt: skip
def test_a_gate_reads_the_rows(metric, compare, groups):
    result = (
        compared(scored(800, 7), "log_loss", threshold=0.5)
        if metric.startswith("log")
        else compared(numbers(900, 0), "mean_absolute_error")
    )
    for limit, verdict in ((0.12, "PASS"), (-5.0, "FAIL")):
        asked = Requirement(id="r", metric=metric, compare=compare, groups=groups, max=limit)
        assert judge(result, Policy(schema="evenhanded/policy/1", requirements=(asked,))).verdict == verdict
