"""Baselines of a split: the columns that each reads, the rows that count, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.alternatives.baseline_run import MODEL, design_of, run_baselines
from audit.errors import InputError
from audit.splits.split_table import read_splits


def frame(rows=900, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = (rng.random(rows) < 1 / (1 + np.exp(-2 * x))).astype(int)
    return pd.DataFrame({"x": x, "noise": rng.normal(size=rows), "y": y, "s": 1 / (1 + np.exp(-2 * x))})


def parts(data, share=2 / 3):
    cut = int(len(data) * share)
    return data.iloc[:cut], data.iloc[cut:]


def at(result, metric, name):
    return next(row for row in result.measurements if row.metric == metric and dict(row.at)["model_version"] == name)


def test_the_logistic_regression_is_scikit_learns():
    train, test = parts(frame())
    result = run_baselines(read_splits(train, test, y_true="y", y_score="s"))
    names = ["x", "noise"]
    other = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train[names], train["y"])
    scores = other.predict_proba(test[names])[:, 1]
    assert at(result, "roc_auc", "logistic regression").value == pytest.approx(roc_auc_score(test["y"], scores))
    right = accuracy_score(test["y"], scores >= 0.5)
    assert at(result, "accuracy", "logistic regression").value == pytest.approx(right)
    own = at(result, "accuracy", MODEL).value
    assert own == pytest.approx(accuracy_score(test["y"], test["s"] >= 0.5))
    gain = next(row for row in result.measurements if row.metric == "accuracy_difference"
                and row.against["model_version"] == "logistic regression")  # fmt: skip
    assert gain.value == pytest.approx(own - right)
    assert result.find("count").value == len(test)


def test_texts_are_values_and_not_numbers():
    """b says 1, a and c say 0: no order of the letters tells it, the values do."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"letter": rng.choice(list("abc"), 900)})
    data["y"] = (data["letter"] == "b").astype(int)
    result = run_baselines(read_splits(*parts(data), y_true="y"))
    for name in ("one rule", "logistic regression", "nearest prototype", "gradient boosting"):
        assert at(result, "accuracy", name).value == 1.0, name


def test_an_identifier_teaches_nothing():
    data = frame().assign(name=[f"person {place}" for place in range(900)])[["name", "y"]]
    result = run_baselines(read_splits(*parts(data), y_true="y"))
    for name in ("one rule", "logistic regression", "random projection"):
        assert at(result, "roc_auc", name).value == pytest.approx(0.5, abs=0.08), name


def test_rare_values_have_no_column_of_their_own():
    data = pd.DataFrame({"g": ["a"] * 30 + ["b"] * 9 + [None], "y": [0, 1] * 20})
    table = read_splits(data, data, y_true="y")
    design = design_of(table, ~table.test)
    assert (design.numbers, design.texts, design.x.shape[1]) == (0, 1, 2)  # the code, and g = a
    assert design.x[:, 1].sum() == 60


def test_rows_without_a_label_are_left_out_and_counted():
    train, test = parts(frame().assign(y=lambda it: it["y"].astype(float)))
    test = test.assign(y=np.where(np.arange(len(test)) < 100, np.nan, test["y"]))
    result = run_baselines(read_splits(train, test, y_true="y", y_score="s"))
    assert result.find("count").value == 200
    assert result.provenance.given["baselines"]["rows_without_label"] == 100


def test_scores_to_ten_and_a_threshold():
    train, test = parts(frame())
    plain = run_baselines(read_splits(train, test, y_true="y", y_score="s"), threshold=0.3)
    tens = run_baselines(read_splits(train, test.assign(s=test["s"] * 10), y_true="y", y_score="s"), threshold=0.3,
                         score_max=10)  # fmt: skip
    assert at(tens, "accuracy", MODEL).value == at(plain, "accuracy", MODEL).value
    assert tens.provenance.given["score_max"] == 10
    assert plain.provenance.defaulted == {"score_max": 1.0, "level": 0.95}


def test_the_difference_to_an_equal_model_holds_zero_and_to_a_useless_one_does_not():
    train, test = parts(frame(3000))
    result = run_baselines(read_splits(train, test, y_true="y", y_score="s"))
    gains = {row.against["model_version"]: row for row in result.measurements if row.metric == "roc_auc_difference"}
    assert gains["logistic regression"].low < 0 < gains["logistic regression"].high
    assert gains["majority"].low > 0
    assert all(row.method.endswith("simultaneous over 6") for row in gains.values())


def test_clusters_widen_the_intervals():
    train, test = parts(frame())
    test = pd.concat([test] * 5).assign(who=np.tile(np.arange(len(test)), 5))
    train = train.assign(who=np.arange(len(train)) + 10_000)
    rows = [run_baselines(read_splits(train, test, y_true="y", features=["x"], cluster=cluster))
            for cluster in (None, "who")]  # fmt: skip
    widths = [at(each, "accuracy", "one rule").high - at(each, "accuracy", "one rule").low for each in rows]
    assert widths[1] == pytest.approx(widths[0] * np.sqrt(5), rel=0.05)


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"y": 1}, {}, r"y_train is \[1\] in every row; a baseline needs both labels"),
        ({"s": 1.5}, {}, r"y_score must lie in \[0, 1\]; found 1.5 at row 0"),
        ({"s": np.nan}, {}, r"y_score must lie in \[0, 1\]; found nan"),
        ({}, {"threshold": 2}, r"threshold must lie in \[0, 1\]; got 2"),
        ({}, {"score_max": 0}, "score_max must be a number above 0; got 0"),
        ({}, {"level": 1}, r"level must lie in \(0, 1\); got 1"),
        ({"y": [0.0, 1.0] * 300 + [np.nan] * 300}, {}, "y_test has no rows"),
    ],
)
def test_wrong_input_is_named(change, options, text):
    with pytest.raises(InputError, match=text):
        run_baselines(read_splits(*parts(frame().assign(**change)), y_true="y", y_score="s"), **options)
