"""Score metrics against scikit-learn and statsmodels on made tables, and what cannot be told from score bins."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from audit.counting import count
from audit.errors import InputError
from audit.estimates import MAX_SLACK, estimate
from audit.gaps import extreme, group_values, slice_value
from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of, partition
from audit.run import measure, run_audit
from audit.score_bins import moments_of

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=25)
# Scores of at most three decimals, one of each four thousandths: a bin of 1/250 holds one distinct score.
TABLES = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 249).map(lambda place: (4 * place + 1) / 1000), min_size=n, max_size=n),
        st.lists(st.floats(0.2, 5).map(lambda weight: round(weight, 3)), min_size=n, max_size=n),
    )
)


def tally(y, score, weight=None, **more):
    table = {"y": y, "s": score, **more} | ({} if weight is None else {"w": weight})
    roles = {role: name for role, name in (("sample_weight", "w"), ("cluster", "c")) if name in table}
    log = PredictionLog.from_frame(pa.table(table), y_true="y", y_score="s", threshold=0.5, **roles,
                                   sensitive_features=["g"] if "g" in more else [])  # fmt: skip
    return count(log)


def value(counted, name):
    return slice_value(counted, name, slice=(), level=0.95)


def near(number):
    return pytest.approx(number, abs=1e-9)


def overlap(y, x):
    sides = [x[y == label] for label in (0, 1)]
    return all(map(len, sides)) and all(one.max() > two.min() for one, two in (sides, sides[::-1]))


@EXAMPLES
@given(TABLES)
def test_values_are_those_of_scikit_learn_with_and_without_weights(table):
    y, score, weight = map(np.array, table)
    assume(len(set(y.tolist())) == 2)
    for weights in (None, weight):
        made = tally(y, score, weights)
        assert value(made, "brier_score").value == near(brier_score_loss(y, score, sample_weight=weights))
        assert value(made, "roc_auc").value == near(roc_auc_score(y, score, sample_weight=weights))
        found = value(made, "average_precision")
        assert found.value == near(average_precision_score(y, score, sample_weight=weights))
        mean = np.average(score, weights=weights) - np.average(y, weights=weights)
        assert value(made, "calibration_in_the_large").value == near(mean)


@EXAMPLES
@given(TABLES)
def test_slope_and_intercept_are_those_of_statsmodels_with_their_sandwich_error(table):
    y, score, weight = map(np.array, table)
    x = np.log(score / (1 - score))
    assume(overlap(y, x))
    for weights in (None, weight):
        made = tally(y, score, weights)
        cells = cells_of(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of var_weights beside a robust covariance
            family = sm.families.Binomial()
            both = sm.GLM(y, sm.add_constant(x), family, var_weights=weights).fit(tol=1e-13, cov_type="HC0")
            shift = sm.GLM(y, np.ones(len(y)), family, offset=x, var_weights=weights).fit(tol=1e-13, cov_type="HC0")
        for name, fit, place in (("calibration_slope", both, 1), ("calibration_intercept", shift, 0)):
            found = estimate(METRICS[name], cells, partition(cells, []))
            assert found.value[0] == pytest.approx(fit.params[place], abs=1e-6, rel=1e-6)
            if abs(fit.params[place]) < 20:
                few = 1 if weights is None else 1 + 1 / found.df[0]
                assert found.error[0] == pytest.approx(fit.bse[place] * np.sqrt(few), rel=1e-5)


@EXAMPLES
@given(TABLES, st.integers(0, 10_000))
def test_influences_are_what_the_value_changes_by(table, seed):
    """Differentiate each metric by the weight of one cell, numerically: the derivation is checked, not repeated."""
    y, score, weight = map(np.array, table)
    x = np.log(score / (1 - score))
    assume(overlap(y, x))
    cells = cells_of(tally(y, score, weight))
    everyone = partition(cells, [])
    moments = moments_of(cells, everyone)
    held = np.argwhere(moments.weight > 0)
    place = tuple(held[seed % len(held)])
    step = 1e-5 * moments.weight.sum()
    for name in ("average_precision", "brier_score", "calibration_in_the_large", "calibration_intercept"):
        function = METRICS[name].function
        values = []
        for sign in (1, -1):
            moved = moments.weight.copy()
            moved[place] += sign * step
            if (moved < 0).any():
                return
            values.append(function(moments._replace(weight=moved)).value[0])
        slope = (values[0] - values[1]) / (2 * step)
        total = moments.weight.sum()
        assert function(moments).influence[place] * total == pytest.approx(slope * total, abs=2e-3, rel=2e-3)
        assert (moments.weight * function(moments).influence).sum() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("rows", [300, 5_000])
def test_scores_within_a_bin_move_the_average_precision_by_no_more_than_its_slack(rows):
    random = np.random.default_rng(0)
    for _ in range(8):
        score = random.beta(1, 2, rows)
        y = random.random(rows) < score
        # At best the positives of each bin come first, at worst last.
        found = estimate(METRICS["average_precision"], *_everyone(tally(y, score)))
        bins = np.floor(score * 250)
        order = [average_precision_score(y, bins + sign * (0.25 * y)) for sign in (1, -1)]
        exact = average_precision_score(y, score)
        slack = found.slack[0]
        assert slack > 0
        for other in (exact, *order):
            assert abs(other - _value_anyway(y, score)) <= slack + 1e-9
        assert (
            max(abs(other - _value_anyway(y, score)) for other in order) >= 0.8 * slack
        )  # and hardly more than needed
        assert np.isnan(found.value[0]) == (slack > MAX_SLACK)


def _everyone(made):
    cells = cells_of(made)
    return cells, partition(cells, [])


def _value_anyway(y, score):
    return average_precision_score(y, np.floor(score * 250))


def test_brier_is_exact_and_its_error_that_of_the_rows_where_scores_differ_within_bins():
    random = np.random.default_rng(1)
    score = random.beta(2, 3, 4000).round(9)
    y = random.random(4000) < score
    loss = (score - y) ** 2
    found = estimate(METRICS["brier_score"], *_everyone(tally(y, score)))
    assert found.value[0] == pytest.approx(loss.mean(), abs=1e-9)
    assert found.error[0] == pytest.approx(loss.std() / np.sqrt(4000), rel=1e-4)
    promise = score - y
    found = estimate(METRICS["calibration_in_the_large"], *_everyone(tally(y, score)))
    assert found.value[0] == pytest.approx(promise.mean(), abs=1e-9)
    assert found.error[0] == pytest.approx(promise.std() / np.sqrt(4000), rel=1e-4)


def test_the_loss_within_a_bin_is_in_the_error_even_where_it_is_all_of_it():
    score = np.array([0.0005, 0.0035] * 200)  # one bin, no positives
    loss = score**2
    found = estimate(METRICS["brier_score"], *_everyone(tally(np.zeros(400, dtype=int), score)))
    assert found.error[0] == pytest.approx(loss.std() / 20, rel=0.2)  # the delta method's, of a curved loss


@pytest.mark.parametrize(
    ("y", "score", "name", "reason"),
    [
        ([1, 1, 1], [0.2, 0.5, 0.9], "calibration_slope", "no positive or no negative labels in slice"),
        ([1, 1, 1], [0.2, 0.5, 0.9], "calibration_intercept", "no positive or no negative labels in slice"),
        ([0, 0, 0], [0.2, 0.5, 0.9], "average_precision", "no positive labels in slice"),
        ([0, 0, 1, 1], [0.2, 0.3, 0.6, 0.9], "calibration_slope", "no overlap of the scores"),
        ([0, 0, 1, 1], [0.2, 0.5, 0.5, 0.9], "calibration_slope", "no overlap of the scores"),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], "calibration_slope", "no overlap of the scores"),
        ([0, 1, 0, 1], [0.0005, 0.0, 0.0009, 0.0002], "calibration_slope", "no overlap of the scores"),
    ],
)
def test_undefined_has_a_reason(y, score, name, reason):
    row = value(tally(y, score), name)
    assert row.value is None
    assert reason in row.reason
    assert (row.low, row.high) == (None, None)


def test_equal_scores_have_every_other_metric():
    made = tally([0, 1, 0, 1, 1], [0.5] * 5)
    found = {name: value(made, name) for name, metric in METRICS.items() if metric.needs_scores}
    assert found["brier_score"].value == pytest.approx(0.25)
    assert found["brier_score"].low is None  # every row has the same loss
    assert "no spread" in found["brier_score"].reason
    assert found["roc_auc"].value == 0.5
    assert found["average_precision"].value == pytest.approx(0.6)
    assert found["calibration_in_the_large"].value == pytest.approx(-0.1)
    assert found["calibration_intercept"].value == pytest.approx(np.log(1.5))
    assert found["expected_calibration_error"].value == pytest.approx(0.1)
    assert found["expected_calibration_error"].low == 0


def test_scores_of_0_and_1_are_taken_as_a_thousandth_from_them():
    y, score = np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 0.5, 0.5, 1, 1.0])
    fit = sm.Logit(
        y, sm.add_constant(np.log(np.array([1, 1, 500, 500, 999, 999]) / np.array([999, 999, 500, 500, 1, 1])))
    )
    expected = fit.fit(disp=False).params[1]
    assert value(tally(y, score), "calibration_slope").value == pytest.approx(expected, abs=1e-6)
    assert value(tally(y, score), "brier_score").value == pytest.approx(np.mean((y - score) ** 2))


def test_weights_of_0_are_no_rows_and_an_infinite_slope_is_none():
    made = tally([0, 1, 0, 1], [0.2, 0.3, 0.7, 0.6], [1.0, 1.0, 0.0, 1.0])
    row = value(made, "calibration_slope")
    assert row.value is None  # the only negative above a positive counts for nothing
    assert "no overlap" in row.reason
    groups = tally([0, 1, 0, 1], [0.2, 0.3, 0.7, 0.6], [1.0, 1.0, 0.0, 0.0], g=[*"aabb"])
    rows = {row.slice[0][1]: row for row in group_values(groups, "brier_score", features=["g"], level=0.95)}
    assert rows["b"].value is None
    assert rows["b"].reason == "all weights are 0 in slice"
    assert rows["a"].value == pytest.approx((0.04 + 0.49) / 2)


def test_a_slope_near_separation_is_found():
    # One positive a hair below one negative, many rows on the right side: the likelihood is nearly flat.
    y = np.array([0] * 200 + [1] * 200 + [1, 0])
    score = np.concatenate([np.linspace(0.05, 0.3, 200), np.linspace(0.7, 0.95, 200), [0.494, 0.506]]).round(3)
    x = np.log(score / (1 - score))
    made = tally(y, score)
    cells, everyone = _everyone(made)
    moments = moments_of(cells, everyone)
    found = value(made, "calibration_slope").value
    fit = sm.GLM(y, sm.add_constant(x), sm.families.Binomial()).fit(tol=1e-12, maxiter=200)
    assert found == pytest.approx(fit.params[1], rel=1e-3)
    assert moments.weight.sum() == 402


def test_scores_are_needed_and_said_so():
    table = pa.table({"y": [1, 0], "p": [1, 1]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p")
    assert not {row.metric for row in run_audit(log).measurements} & {n for n, m in METRICS.items() if m.needs_scores}
    with pytest.raises(InputError, match="brier_score needs scores; name y_score"):
        run_audit(log, metrics=["brier_score"])
    with pytest.raises(ValueError, match="this tally holds no scores"):
        extreme(count(log), "expected_calibration_error", features=[], compare="value", end="max", level=0.95)


def test_a_ratio_of_what_is_no_rate_is_refused():
    made = tally([0, 1, 0, 1], [0.2, 0.3, 0.7, 0.6], g=[*"aabb"])
    with pytest.raises(ValueError, match="ratios are defined for rates only"):
        extreme(made, "brier_score", features=["g"], compare="ratio", end="min", level=0.95)


def test_gaps_are_the_differences_of_the_rows_and_stand_in_the_audit():
    random = np.random.default_rng(2)
    score = random.random(900)
    made = tally(random.random(900) < score, score, g=random.choice([*"abc"], 900), c=np.arange(900) // 3)
    rows = measure(made, reference={"g": "a"})
    by = {(row.metric, row.slice): row for row in rows if row.against is None}
    for name in (name for name, metric in METRICS.items() if metric.needs_scores):
        for group in "bc":
            found = next(
                row
                for row in rows
                if row.metric == f"{name}_difference"
                and row.slice == (("g", group),)
                and row.against == {"kind": "slice", "slice": {"g": "a"}}
            )
            parts = [by[name, (("g", which),)].value for which in (group, "a")]
            assert found.value == pytest.approx(parts[0] - parts[1], abs=1e-12)
            assert found.low < found.value < found.high
