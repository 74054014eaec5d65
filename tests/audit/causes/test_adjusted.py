import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t
from statsmodels.stats.contingency_tables import StratifiedTable

from audit.causes.adjusted import adjusted_gap_rows
from audit.errors import InputError
from audit.inference.gap_intervals import agresti_caffo, gap_of_rates
from audit.inference.intervals import quantile
from audit.inference.mantel_haenszel import Strata, influence, klingenberg, risk_difference, strata_of
from audit.predictions import PredictionLog

BERKELEY = {
    "A": ((512, 313), (89, 19)),
    "B": ((353, 207), (17, 8)),
    "C": ((120, 205), (202, 391)),
    "D": ((138, 279), (131, 244)),
    "E": ((53, 138), (94, 299)),
    "F": ((22, 351), (24, 317)),
}
"""Admitted and refused men, women in the six largest departments, Berkeley 1973 (Bickel, Hammel & O'Connell 1975)."""


def berkeley():
    parts = [
        pd.DataFrame({"admitted": [label] * n, "sex": sex, "dept": dept})
        for dept, of_sex in BERKELEY.items()
        for sex, counts in zip(("Male", "Female"), of_sex, strict=True)
        for label, n in zip((1, 0), counts, strict=True)
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["y"] = 1
    return frame


def log_of(frame, *features, **options):
    return PredictionLog.from_frame(frame, y_true="y", y_pred="admitted", sensitive_features=[*features], **options)


def found(rows, metric="selection_rate_difference", group="Female"):
    return {row.against["by"]: row for row in rows if row.metric == metric and row.slice[0][1] == group}


def test_berkeley_women_are_refused_more_often_and_yet_not_within_departments():
    frame = berkeley()
    assert len(frame) == 4526
    rows = adjusted_gap_rows(
        log_of(frame, "sex", "dept"), control=["dept"], reference={"sex": "Male"}, metrics=["selection_rate"]
    )
    gap = found(rows)
    assert gap["nothing"].value == pytest.approx(557 / 1835 - 1198 / 2691)  # 30.4 % against 44.5 %
    assert gap["nothing"].high < -0.11
    for by in ("strata", "regression"):
        assert 0 < gap[by].value < 0.04
        assert gap[by].low < 0.01
        assert gap[by].against["adjusted_for"] == ["dept"]
    support = next(row for row in rows if row.metric == "selection_rate_adjustment_support")
    assert (support.value, support.n, support.reason) == (1.0, 4526, None)
    assert not any("p_value" in row.metric for row in rows)


def test_the_stratified_gap_agrees_with_the_risk_ratio_and_odds_of_statsmodels():
    tables = [np.array([women, men]) for men, women in BERKELEY.values()]
    strata = Strata(
        *(
            np.array(column, float)
            for column in zip(*((w[0], sum(w), m[0], sum(m)) for m, w in BERKELEY.values()), strict=True)
        )
    )
    ratio = StratifiedTable(tables).riskratio_pooled
    size = strata.n1 + strata.n0
    other = (strata.x0 * strata.n1 / size).sum()  # both estimators share their numerator: R - S = S (R / S - 1)
    weight = (strata.n1 * strata.n0 / size).sum()
    assert risk_difference(strata) == pytest.approx(other * (ratio - 1) / weight)


@pytest.mark.parametrize("design", ["plain", "clusters"])
def test_the_regression_is_least_squares_with_the_sandwich_of_statsmodels(design):
    rng = np.random.default_rng(1)
    size, per = 1200, 4
    who = np.repeat(np.arange(size // per), per)
    shared = rng.normal(size=size // per)[who]
    frame = pd.DataFrame({"a": rng.choice(["u", "v", "w"], size), "b": rng.choice(["x", "y"], size), "who": who})
    frame["sex"] = np.where(rng.random(size) < 0.3 + 0.3 * (frame["a"] == "v"), "F", "M")
    frame["admitted"] = (rng.normal(size=size) + shared + (frame["a"] == "v") - 0.5 * (frame["sex"] == "F") > 0).astype(
        int
    )
    frame["y"] = 1
    roles = {"cluster": "who"} if design == "clusters" else {}
    rows = adjusted_gap_rows(
        log_of(frame, "sex", "a", "b", **roles), control=["a", "b"], reference={"sex": "M"}, metrics=["selection_rate"]
    )
    ours = found(rows, group="F")["regression"]
    x = pd.get_dummies(frame[["a", "b"]], drop_first=True).astype(float).assign(F=(frame["sex"] == "F") * 1.0, one=1.0)
    model = sm.OLS(frame["admitted"], x)
    if design == "plain":
        theirs = model.fit(cov_type="HC2")
        half = 1.959964 * theirs.bse["F"]
        tolerance = 1e-3  # a success and a failure more on each side
    else:
        theirs = model.fit(cov_type="cluster", cov_kwds={"groups": who})
        women = frame.loc[frame["sex"] == "F", "who"]  # of both sides the one with fewer effective clusters
        df = len(women) ** 2 / (women.value_counts() ** 2).sum() - 1
        half = t.ppf(0.975, df) * theirs.bse["F"]
        tolerance = 0.01  # their G counts all clusters, their (n - 1) / (n - k) stands for our leverages
    assert ours.value == pytest.approx(theirs.params["F"])
    assert (ours.high - ours.low) / 2 == pytest.approx(half, rel=tolerance)


def test_the_adjusted_gap_is_close_to_the_margin_of_a_logistic_regression():
    frame = berkeley()
    rows = adjusted_gap_rows(
        log_of(frame, "sex", "dept"), control=["dept"], reference={"sex": "Male"}, metrics=["selection_rate"]
    )
    x = (
        pd.get_dummies(frame["dept"], drop_first=True)
        .astype(float)
        .assign(woman=(frame["sex"] == "Female") * 1.0, one=1.0)
    )
    fitted = sm.Logit(frame["admitted"], x).fit(disp=0)
    margin = float((fitted.predict(x.assign(woman=1.0)) - fitted.predict(x.assign(woman=0.0))).mean())
    assert found(rows)["regression"].value == pytest.approx(margin, abs=0.01)


def test_klingenberg_is_the_inverted_test_with_satos_variance():
    strata = Strata(*(np.array(column, float) for column in ([8, 3, 1], [12, 9, 4], [3, 2, 2], [10, 8, 9])))
    low, high = klingenberg(strata, critical=1.96)
    size = strata.n1 + strata.n0
    weight = (strata.n1 * strata.n0 / size).sum()
    p = (
        (strata.n1**2 * strata.x0 - strata.n0**2 * strata.x1 + strata.n1 * strata.n0 * (strata.n0 - strata.n1) / 2)
        / size**2
    ).sum()
    q = ((strata.x1 * (strata.n0 - strata.x0) + strata.x0 * (strata.n1 - strata.x1)) / (2 * size)).sum()
    for end in (low, high):
        assert (risk_difference(strata) - end) ** 2 == pytest.approx(1.96**2 * (end * p + q) / weight**2)


def test_the_influence_is_the_derivative():
    rng = np.random.default_rng(2)
    exposed, success, stratum = rng.random(40) < 0.5, rng.random(40) < 0.4, rng.integers(0, 5, 40)
    weight = rng.random(40) + 0.5
    analytic = influence(strata_of(weight, exposed, success, stratum), exposed, success, stratum)
    for place in range(40):
        moved = weight.copy()
        moved[place] += 1e-6
        sides = [risk_difference(strata_of(each, exposed, success, stratum)) for each in (moved, weight)]
        assert analytic[place] == pytest.approx((sides[0] - sides[1]) / 1e-6, abs=1e-4)


def simpson(rng, size, strata, effect, **options):
    """Draw a world in which the stratum decides both the group and the outcome."""
    of = rng.integers(0, strata, size)
    place = of / max(strata - 1, 1)
    group = rng.random(size) < 0.2 + 0.6 * place
    admitted = rng.random(size) < 0.2 + 0.4 * place + effect * group
    return pd.DataFrame(
        {"sex": np.where(group, "F", "M"), "dept": np.char.add("d", of.astype(str)), "admitted": admitted * 1, "y": 1}
    )


@pytest.mark.parametrize(("size", "strata"), [(400, 4), (300, 60)])
def test_adjusted_intervals_cover_the_effect_and_the_raw_gap_misses_it(size, strata):
    rng = np.random.default_rng(9)
    runs, effect = 150, -0.1
    hits = dict.fromkeys(("nothing", "strata", "regression"), 0)
    for _ in range(runs):
        frame = simpson(rng, size, strata, effect)
        rows = adjusted_gap_rows(
            log_of(frame, "sex", "dept"), control=["dept"], reference={"sex": "M"}, metrics=["selection_rate"]
        )
        for by, row in found(rows, group="F").items():
            hits[by] += row.low <= effect <= row.high
    assert hits["strata"] / runs >= 0.90
    assert hits["regression"] / runs >= 0.90
    assert hits["nothing"] / runs < 0.75


def test_clusters_widen_the_stratified_interval_enough():
    rng = np.random.default_rng(4)
    runs, hits, wide = 120, 0, 0
    for _ in range(runs):
        who = np.repeat(np.arange(100), 5)
        person = rng.random(100)
        dept = rng.integers(0, 3, 100)
        group = rng.random(100) < 0.3 + 0.15 * dept
        level = np.clip(0.2 + 0.2 * dept + 0.5 * (person - 0.5), 0, 1)
        frame = pd.DataFrame({
            "sex": np.where(group, "F", "M")[who], "dept": dept.astype(str)[who], "who": who, "y": 1,
            "admitted": (rng.random(500) < level[who]) * 1,
        })  # fmt: skip
        for roles in ({}, {"cluster": "who"}):
            rows = adjusted_gap_rows(
                log_of(frame, "sex", "dept", **roles),
                control=["dept"],
                reference={"sex": "M"},
                metrics=["selection_rate"],
            )
            row = found(rows, group="F")["strata"]
            if roles:
                hits += row.low <= 0 <= row.high
            else:
                wide += row.low <= 0 <= row.high
    assert hits / runs >= 0.90
    assert wide < hits


def test_no_stratum_with_both_sides_leaves_the_adjusted_gaps_undefined_with_a_reason():
    frame = pd.DataFrame(
        {"sex": ["F"] * 50 + ["M"] * 50, "dept": ["A"] * 50 + ["B"] * 50, "admitted": [0, 1] * 50, "y": 1}
    )
    rows = adjusted_gap_rows(
        log_of(frame, "sex", "dept"), control=["dept"], reference={"sex": "M"}, metrics=["selection_rate"]
    )
    gap = found(rows, group="F")
    assert gap["nothing"].value == 0.0
    assert (gap["strata"].value, gap["strata"].reason) == (None, "no stratum of dept holds both sides")
    assert (gap["regression"].value, gap["regression"].reason) == (None, "dept says which side a row is on")
    assert rows[-1].value == 0.0
    assert rows[-1].reason == "100 of 100 rows lie in strata of dept that hold one side only"


def test_frequency_weights_equal_repeated_rows():
    frame = berkeley().groupby(["admitted", "sex", "dept", "y"]).size().rename("w").reset_index()
    log = PredictionLog.from_frame(
        frame, y_true="y", y_pred="admitted", sensitive_features=["sex", "dept"], sample_weight="w", weights="frequency"
    )
    asked = {"control": ["dept"], "metrics": ["selection_rate"]}
    assert adjusted_gap_rows(log, **asked) == adjusted_gap_rows(log_of(berkeley(), "sex", "dept"), **asked)


@pytest.mark.parametrize(("options", "said"), [
    ({"control": []}, "control must name at least one feature"),
    ({"control": "dept"}, "control must name at least one feature as a list"),
    ({"control": ["age"]}, "control 'age' is no feature of the log, which has sex, dept"),
    ({"control": ["sex", "dept"]}, "every feature is a control"),
    ({"control": ["dept"], "reference": {"sex": "X"}}, "reference sex='X' is no group that is compared"),
    ({"control": ["dept"], "metrics": ["f1", "no"]}, "'f1' is no rate; adjusted gaps are of rates: selection_rate"),
    ({"control": ["dept"], "level": 1.0}, "level must lie in"),
])  # fmt: skip
def test_wrong_questions_are_refused(options, said):
    with pytest.raises(InputError) as error:
        adjusted_gap_rows(log_of(berkeley().head(700), "sex", "dept"), **options)
    assert said in str(error.value)


def test_hostile_names_and_missing_values_are_groups_like_others():
    frame = simpson(np.random.default_rng(3), 300, 3, 0.0)
    frame["dept"] = frame["dept"].map({"d0": "<script>", "d1": "=1+1", "d2": None})
    frame.loc[:20, "sex"] = None
    rows = adjusted_gap_rows(log_of(frame, "sex", "dept"), control=["dept"])
    assert {row.slice[0][1] for row in rows} == {"F", "M"}  # the rest holds those of whom nobody knows
    assert all(row.value is not None for row in rows if row.metric == "selection_rate_difference")
    one = log_of(frame.head(1).assign(sex="F"), "sex", "dept")
    assert adjusted_gap_rows(one, control=["dept"]) == ()


def test_the_raw_gap_of_few_events_is_the_wider_interval():
    """Six of eight, beside a group of two thousand: the interval is that of any audit at that level."""
    frame = pd.DataFrame({"g": ["few"] * 8 + ["half"] * 100 + ["many"] * 2000, "s": "x", "y": 1})
    frame["admitted"] = [1] * 6 + [0] * 2 + [1, 0] * 50 + [1] * 1600 + [0] * 400
    rows = adjusted_gap_rows(
        log_of(frame, "g", "s"), control=["s"], reference={"g": "many"}, metrics=["selection_rate"]
    )
    raw = found(rows, group="few")["nothing"]
    theirs = gap_of_rates(6, 8, 1600, 2000, level=0.95, comparisons=2)
    narrower = agresti_caffo(6, 8, 1600, 2000, critical=quantile(0.95, comparisons=2))
    assert (raw.low, raw.high) == pytest.approx((float(theirs.low), float(theirs.high)))
    assert raw.low < float(narrower.low)
