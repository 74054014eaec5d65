"""What a model uses: importance, partial dependence and contributions against hand-worked values and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence as sklearn_dependence
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression

from audit.errors import InputError
from audit.splits.contributions import EXACT, contributions
from audit.splits.importance import permutation_importance
from audit.splits.partial_dependence import extrapolation_caution, partial_dependence


def at(rows, feature, **slices):
    return next(r for r in rows if dict(r.at).get("feature") == feature and dict(r.slice) == slices)


def test_a_linear_model_loses_twice_the_variance_that_it_uses():
    """E (x' b - x b)^2 = 2 b^2 var(x) for independent columns, plus nothing for the noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3)) * [1.0, 2.0, 1.0]
    y = x[:, 0] + 0.5 * x[:, 1] + rng.normal(size=4000)
    rows = permutation_importance(lambda z: z[:, 0] + 0.5 * z[:, 1], x, y, loss="squared_error")
    assert [dict(row.at)["feature"] for row in rows][-1] == "2"
    for feature, truth in (("0", 2.0), ("1", 2.0)):
        assert at(rows, feature).low < truth < at(rows, feature).high
    unused = at(rows, "2")
    assert (unused.value, unused.low) == (0, None)
    assert "no spread" in unused.reason


def test_the_value_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    x = pd.DataFrame(rng.normal(size=(800, 3)), columns=list("abc"))
    y = 2 * x["a"] - x["b"] + rng.normal(size=800)
    model = LinearRegression().fit(x, y)
    rows = permutation_importance(model.predict, x, y, loss="squared_error", repeats=30)
    other = sklearn_importance(model, x, y, scoring="neg_mean_squared_error", n_repeats=30, random_state=5)
    for place, name in enumerate(x):
        assert at(rows, name).value == pytest.approx(other.importances_mean[place], rel=0.03, abs=0.01)


def coverage(runs, n, clusters=None):
    hits = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        who = None if clusters is None else rng.integers(0, clusters, n)
        x = rng.normal(size=(n, 1)) if who is None else rng.normal(size=clusters)[who][:, None]
        y = x[:, 0] + rng.normal(size=n)
        row = permutation_importance(
            lambda z: z[:, 0], x, y, loss="squared_error", cluster=who, repeats=5, random_state=seed
        )[0]
        hits += row.low <= 2.0 <= row.high
    return hits / runs


def test_intervals_cover():
    assert 0.90 < coverage(300, 300) < 0.99


@pytest.mark.slow
def test_intervals_cover_long():
    assert 0.93 < coverage(3000, 400) < 0.975
    assert 0.91 < coverage(1000, 2000, clusters=200) < 0.98


def test_columns_that_say_the_same_are_shuffled_together():
    rng = np.random.default_rng(2)
    x = pd.DataFrame({"city": rng.normal(size=600)})
    x["zip"], x["age"] = x["city"], rng.normal(size=600)
    y = (rng.random(600) < 1 / (1 + np.exp(-2 * x["city"]))).astype(int)

    def predict(frame):
        return 1 / (1 + np.exp(-(frame["city"] + frame["zip"])))

    together = permutation_importance(predict, x, y, columns={"address": ["city", "zip"], "age": ["age"]})
    alone = permutation_importance(predict, x, y)
    assert at(together, "address").value > 1.5 * at(alone, "zip").value
    assert [dict(row.at)["feature"] for row in together] == ["address", "age"]


def test_by_group_and_hostile_names():
    rng = np.random.default_rng(3)
    x = pd.DataFrame({"=1+1": rng.normal(size=400), "kind": rng.choice(["<b>", "c"], 400)})
    group = np.where(np.arange(400) < 10, "few", np.where(rng.random(400) < 0.5, "A", "<script>"))
    use = (group == "A").astype(float)
    y = use * x["=1+1"].to_numpy()

    def predict(frame):
        return np.where(frame["kind"] == "<b>", frame["=1+1"], frame["=1+1"]).astype(float)

    rows = permutation_importance(predict, x, y, loss="squared_error", by={"group": group})
    assert {dict(row.slice).get("group") for row in rows} == {None, "A", "<script>"}
    assert at(rows, "=1+1", group="A").low > 0.5
    assert abs(at(rows, "=1+1", group="<script>").value) < 0.3


def test_text_columns_of_a_frame_are_shuffled():
    x = pd.DataFrame({"kind": ["a", "b"] * 100, "when": pd.date_range("2026-01-01", periods=200)})
    y = (x["kind"] == "a").astype(int)
    rows = permutation_importance(lambda frame: 0.1 + 0.8 * (frame["kind"] == "a"), x, y)
    assert at(rows, "kind").low > 0
    assert at(rows, "when").value == 0


def test_callables_that_do_not_answer():
    x, y = np.zeros((4, 1)), np.zeros(4)
    with pytest.raises(InputError, match=r"returned shape \(4, 1\) for 4 rows"):
        permutation_importance(lambda z: z, x, y)
    with pytest.raises(InputError, match="no finite numbers"):
        permutation_importance(lambda z: np.full(len(z), np.nan), x, y)
    with pytest.raises(InputError, match="ValueError: no such model"):
        permutation_importance(broken, x, y)
    with pytest.raises(InputError) as error:
        permutation_importance(broken, x, [1.0, np.nan], columns={"a": ["nope"]}, by={"g": ["x"]}, repeats=0)
    assert len(error.value.violations) == 5
    with pytest.raises(InputError, match="at least 2"):
        permutation_importance(broken, x[:1], [1.0])


def broken(_):
    msg = "no such model"
    raise ValueError(msg)


def test_partial_dependence_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    x = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    model = LinearRegression().fit(x.assign(c=x["a"] * x["b"])[["a", "b"]], 3 * x["a"] + x["b"])
    grid = [-1.0, 0.0, 2.0]
    rows = partial_dependence(model.predict, x, "a", values=grid)
    other = sklearn_dependence(model, x, ["a"], custom_values={"a": np.array(grid)}, kind="average")["average"][0]
    means = [row for row in rows if row.metric == "partial_dependence"]
    assert [row.value for row in means] == pytest.approx(other)
    assert [dict(row.at)["bin"] for row in means] == grid


def test_individual_curves_show_what_the_mean_hides():
    """The model is a x b with b of both signs: the mean is flat, the curves of single rows are not."""
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.normal(size=500), rng.choice([-1.0, 1.0], 500)])
    rows = partial_dependence(lambda z: z[:, 0] * z[:, 1], x, "0", values=[2.0])
    found = {dict(row.at).get("k"): row for row in rows}
    assert abs(found[None].value) < 0.2
    assert (found[10].value, found[90].value) == (-2.0, 2.0)
    assert found[90].low == found[90].high == 2.0


def test_quantiles_have_distribution_free_bounds():
    hits = 0
    for seed in range(300):
        x = np.random.default_rng(seed).normal(size=(101, 2))
        row = next(r for r in partial_dependence(lambda z: z[:, 1], x, "0", values=[0.0]) if dict(r.at).get("k") == 50)
        hits += row.low <= 0 <= row.high
    assert hits / 300 > 0.92


def test_features_that_move_together_are_warned_of():
    rng = np.random.default_rng(6)
    x = pd.DataFrame({"age": rng.normal(40, 10, 200)})
    x["experience"], x["kind"], x["flat"] = x["age"] - 20, "a", 1.0
    assert "moves with experience" in extrapolation_caution(x, "age")
    rows = partial_dependence(lambda frame: frame["age"] / 100, x, "age")
    assert all("never occur" in row.reason for row in rows if row.metric == "partial_dependence")
    assert extrapolation_caution(x, "kind") is None
    assert extrapolation_caution(x.drop(columns="experience"), "age") is None


def test_categories_and_missing_features():
    x = pd.DataFrame({"kind": ["a", "a", "<b>"], "n": [1.0, 2.0, np.nan]})
    rows = partial_dependence(lambda frame: (frame["kind"] == "a").astype(float), x, "kind")
    means = {dict(row.at)["bin"]: row.value for row in rows if row.metric == "partial_dependence"}
    assert means == {"a": 1.0, "<b>": 0.0}
    with pytest.raises(InputError, match="feature 'nope' is unknown"):
        partial_dependence(lambda frame: frame["n"], x, "nope")
    with pytest.raises(InputError, match="has no values"):
        partial_dependence(lambda frame: frame["n"], x.assign(n=np.nan), "n")


@pytest.mark.parametrize("size", [3, EXACT, EXACT + 4])
def test_contributions_sum_to_prediction_minus_mean(size):
    rng = np.random.default_rng(7)
    background, one = rng.normal(size=(40, size)), rng.normal(size=(1, size))

    def predict(z):
        return np.tanh(z[:, 0] * z[:, 1]) + z.sum(axis=1) ** 2

    rows = contributions(predict, one, background, orders=3)
    found = {row.metric: row.value for row in rows if row.metric != "contribution"}
    total = sum(row.value for row in rows if row.metric == "contribution")
    assert total == pytest.approx(found["prediction"] - found["mean_prediction"])
    assert found["mean_prediction"] == pytest.approx(predict(background).mean())


def test_contributions_of_a_linear_model_are_known():
    """b_j (x_j - mean of the background), exactly, and by drawn orders too."""
    rng = np.random.default_rng(8)
    for size in (4, EXACT + 2):
        weights, background = rng.normal(size=size), rng.normal(size=(30, size))
        one = rng.normal(size=(1, size))
        rows = contributions(lambda z, w=weights: z @ w, one, background, orders=2)
        truth = weights * (one[0] - background.mean(axis=0))
        for place in range(size):
            assert at(rows, str(place)).value == pytest.approx(truth[place])
        sizes = [abs(row.value) for row in rows if row.metric == "contribution"]
        assert sizes == sorted(sizes, reverse=True)


def test_shapley_values_of_an_interaction_are_shared():
    """x0 x1 x2 at (1, 1, 1) against (0, 0, 0): a third each; a feature that is not used gets nothing."""
    rows = contributions(lambda z: z[:, 0] * z[:, 1] * z[:, 2], np.ones((1, 4)), np.zeros((2, 4)))
    assert [at(rows, str(place)).value for place in range(3)] == pytest.approx([1 / 3] * 3)
    assert at(rows, "3").value == 0


def test_drawn_orders_agree_with_all_subsets():
    rng = np.random.default_rng(9)
    background, one = rng.normal(size=(60, EXACT)), rng.normal(size=(1, EXACT))

    def predict(z):
        return np.exp(0.3 * z[:, 0] * z[:, 1]) + z[:, 2] * z[:, 3] + z[:, 4]

    exact = contributions(predict, one, background)
    wider, more = np.column_stack([background, np.zeros(60)]), np.column_stack([one, [[0.0]]])
    drawn = contributions(lambda z: predict(z[:, :EXACT]), more, wider, orders=20)
    assert drawn[0].method.startswith("shapley, 40 orders")
    for place in range(EXACT):
        assert at(drawn, str(place)).value == pytest.approx(at(exact, str(place)).value, abs=0.1)


def test_contributions_of_a_frame_with_text():
    background = pd.DataFrame({"kind": ["a", "b", "a", "a"], "n": [1.0, 2.0, 3.0, np.nan]})
    one = pd.DataFrame({"kind": ["b"], "n": [5.0]})
    rows = contributions(lambda f: 2.0 * (f["kind"] == "b") + f["n"].fillna(0), one, background)
    assert at(rows, "kind").value == pytest.approx(1.5)
    assert at(rows, "n").value == pytest.approx(5 - 1.5)
    with pytest.raises(InputError) as error:
        contributions(lambda f: f["n"], background, one[["n"]], orders=0)
    assert len(error.value.violations) == 3
