import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression

from audit.errors import InputError
from audit.result import Result
from audit.stress.before_after import Decisions, LabelledRows, before_and_after
from audit.stress.mitigation import constrained_mixture, group_thresholds, reweighed, reweighing_weights


def part(rows=1500, seed=0):
    """Rows whose label depends on a feature and on the group, with the group among the features."""
    random = np.random.default_rng(seed)
    group = random.choice(["F", "M"], rows, p=[0.4, 0.6])
    x = np.stack([random.normal(size=rows), (group == "M").astype(float)], axis=1)
    y = (x[:, 0] + 1.2 * x[:, 1] + random.normal(size=rows) > 0.8).astype(int)
    return LabelledRows(x, y, {"sex": group})


def fit(features, y_true, sample_weight):
    model = LogisticRegression().fit(features, y_true, sample_weight=sample_weight)
    return lambda rows: model.predict_proba(rows)[:, 1]


def rows_of(result, metric, *, at=None, kind=None, **where):
    return next(
        r
        for r in result.measurements
        if r.metric == metric
        and dict(r.slice) == where
        and dict(r.at).get("model_version") == at
        and (r.against["kind"] if r.against else None) == kind
    )


@pytest.fixture(scope="module")
def results():
    train, test = part(seed=1), part(seed=2)
    return {
        "reweighed": reweighed(fit, train, test),
        "group_thresholds": group_thresholds(fit, train, test, random_state=3),
        "constrained_mixture": constrained_mixture(LogisticRegression(), train, test, random_state=3),
    }


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc")), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_under_the_weights_label_and_group_are_independent(rows):
    labels, groups = np.array([y for y, _ in rows]), np.array([g for _, g in rows])
    weights = reweighing_weights(labels, list(groups))
    if len({*rows}) < len(set(labels)) * len(set(groups)):
        return  # a combination that does not occur cannot be weighed
    assert weights.sum() == pytest.approx(len(rows))
    for group in set(groups):
        inside = groups == group
        assert np.average(labels[inside], weights=weights[inside]) == pytest.approx(labels.mean())


@pytest.mark.parametrize("name", ["reweighed", "group_thresholds", "constrained_mixture"])
def test_each_method_narrows_the_gap_that_it_aims_at_and_shows_its_price(results, name):
    result = results[name]
    before, after = (
        rows_of(result, "demographic_parity_difference", at=side, kind="groups") for side in ("before", name)
    )
    assert before.low > 0.25
    assert after.high < before.low
    price = rows_of(result, "accuracy_difference", kind="model")
    assert price.low <= price.value <= price.high
    assert price.value < 0.02
    gained = rows_of(result, "selection_rate_difference", kind="model", sex="F")
    assert gained.low > 0
    change = rows_of(result, "selection_rate_change_difference", kind="groups")
    assert Result.from_json(result.to_json()) == result
    assert abs(change.value) == pytest.approx(before.value - after.value, abs=0.12)


def test_paired_intervals_are_narrower_than_those_of_two_samples(results):
    result = results["reweighed"]
    paired = rows_of(result, "accuracy_difference", kind="model")
    single = rows_of(result, "accuracy", at="before")
    unpaired = np.sqrt(2) * (single.high - single.low)
    assert paired.high - paired.low < 0.7 * unpaired


def test_the_brier_price_is_the_paired_t_interval():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 300)
    first, second = random.random((2, 300))
    test = LabelledRows(None, y, {"g": ["a", "b"] * 150})
    sides = [Decisions((s > 0.5).astype(int), s) for s in (first, second)]
    result = before_and_after(test, *sides, name="other")
    row = rows_of(result, "brier_score_difference", kind="model")
    theirs = stats.ttest_rel((second - y) ** 2, (first - y) ** 2)
    interval = theirs.confidence_interval(0.95)
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))
    assert rows_of(result, "brier_score", at="before").value == pytest.approx(np.mean((first - y) ** 2))


def test_thresholds_are_those_of_fairlearn_around_a_model_of_its_own():
    train, test = part(seed=4), part(seed=5)
    ours = group_thresholds(fit, train, test, random_state=7)
    theirs = ThresholdOptimizer(
        estimator=LogisticRegression(), constraints="demographic_parity", predict_method="predict_proba"
    )
    theirs.fit(train.features, train.y_true, sensitive_features=train.sensitive_features["sex"])
    labels = theirs.predict(test.features, sensitive_features=test.sensitive_features["sex"], random_state=7)
    for sex in "FM":
        inside = test.sensitive_features["sex"] == sex
        assert rows_of(ours, "selection_rate", at="group_thresholds", sex=sex).value == pytest.approx(
            labels[inside].mean()
        )
    row = rows_of(ours, "brier_score_difference", kind="model")
    assert row.value is None
    assert row.reason == "group_thresholds changes decisions only, and claims no probability"


def test_drawn_decisions_are_seeded_and_counted():
    train, test = part(seed=6), part(seed=7)
    one, two, other = (
        group_thresholds(fit, train, test, constraint="equalized_odds", random_state=seed) for seed in (1, 1, 2)
    )
    assert one == two
    assert one.provenance.seed == 1
    share = rows_of(one, "randomised_share", at="group_thresholds")
    assert share.value > 0.01
    assert share.low <= share.value <= share.high
    assert one.measurements != other.measurements
    plain = before_and_after(test, *[Decisions(test.y_true)] * 2, name="same")
    assert rows_of(plain, "randomised_share", at="same").reason == "no decision is drawn at random"


def test_no_change_is_told_as_such():
    test = part(200)
    result = before_and_after(test, Decisions(test.y_true), Decisions(test.y_true), name="same")
    row = rows_of(result, "accuracy_difference", kind="model")
    assert row.value == 0
    assert row.low < 0 < row.high


def test_bad_input():
    good = part(50)
    with pytest.raises(InputError) as error:
        reweighed(fit, good._replace(y_true=good.y_true * 2), good._replace(sensitive_features={"sex": ["F"]}))
    assert error.value.violations == (
        "train: y_true must be 0 or 1; found [2]",
        "test: 'sex' has 1 values for 50 rows",
    )
    with pytest.raises(InputError, match=r"fit must predict probabilities in \[0, 1\]; 50 of 50 are none"):
        reweighed(lambda *_: lambda rows: np.full(len(rows), 3.0), good, good)
    with pytest.raises(InputError, match=r"must predict probabilities in \[0, 1\]; 50 of 50"):
        reweighed(lambda *_: lambda rows: np.full(len(rows), np.nan), good, good)
    for scores, text in ((np.nan, "values that are no finite numbers"), (3.0, "must predict probabilities")):
        with pytest.raises(InputError, match=text):  # before Fairlearn's search, which never ends on NaN
            group_thresholds(lambda *_, s=scores: lambda rows: np.full(len(rows), s), part(300), good)
    with pytest.raises(InputError, match=r"predict returned shape \(49,\) for 50 rows"):
        group_thresholds(lambda *_: lambda rows: np.full(len(rows) - 1, 0.5), good, good)
    unknown = good._replace(sensitive_features={"sex": np.where(np.arange(50) < 2, "<script>", "F")})
    with pytest.raises(InputError, match="test has the group '<script>', of which train has no row"):
        group_thresholds(fit, good, unknown)
    single = good._replace(y_true=np.where(good.sensitive_features["sex"] == "F", 1, good.y_true))
    with pytest.raises(InputError, match="train has only the label 1 in the group 'F'"):
        constrained_mixture(LogisticRegression(), single, good)
    with pytest.raises(InputError) as error:
        before_and_after(good, Decisions(good.y_true[:-1]), Decisions(good.y_true), name="sex")
    assert "no sensitive feature may be called 'sex'" in str(error.value)
    assert "before decides about 49 rows; the test has 50" in str(error.value)
    with pytest.raises(InputError, match="names no sensitive feature"):
        before_and_after(good._replace(sensitive_features={}), Decisions(good.y_true), Decisions(good.y_true), name="x")
    with pytest.raises(InputError, match="expected one label and one group per row"):
        reweighing_weights([], [])


def test_missing_groups_are_groups():
    groups = np.array(["F", None], dtype=object).repeat(100)
    y = np.tile([0, 1, 1, 0], 50)
    rows = LabelledRows(np.random.default_rng(0).normal(size=(200, 2)), y, {"sex": groups})
    result = reweighed(fit, rows, rows)
    assert rows_of(result, "accuracy", at="reweighed", sex=None).n == 100
