"""Published figures of COMPAS, through the one door: Larson et al. (ProPublica) 2016; Dressel & Farid 2018."""

import numpy as np
import pandas as pd
import pytest

from audit.gaps import extreme
from audit.predictions import PredictionLog
from audit.run import run_audit

# race: n, tp, fp, tn, fn, then the rates in the order of RATES
TABLE = {
    "African-American": (3696, 1369, 805, 990, 532, 0.638258, 0.448468, 0.279853, 0.588203, 0.370285, 0.349540),
    "Caucasian": (2454, 505, 349, 1139, 461, 0.669927, 0.234543, 0.477226, 0.348003, 0.408665, 0.288125),
    "Hispanic": (637, 103, 87, 318, 129, 0.660911, 0.214815, 0.556034, 0.298273, 0.457895, 0.288591),
    "Other": (377, 43, 36, 208, 90, 0.665782, 0.147541, 0.676692, 0.209549, 0.455696, 0.302013),
    "Asian": (32, 6, 2, 21, 3, 0.843750, 0.086957, 0.333333, 0.250000, 0.250000, 0.125000),
    "Native American": (18, 9, 3, 5, 1, 0.777778, 0.375000, 0.100000, 0.666667, 0.250000, 0.166667),
}
RATES = (
    "accuracy",
    "false_positive_rate",
    "false_negative_rate",
    "selection_rate",
    "false_discovery_rate",
    "false_omission_rate",
)
SIX_DIGITS = 5.1e-7


@pytest.fixture(scope="module")
def result(compas_file):
    log = PredictionLog.from_file(
        compas_file,
        y_true="two_year_recid",
        y_score="decile_score",
        score_max=10,
        threshold=0.5,
        sensitive_features=["race"],
    )
    return run_audit(log, reference={"race": "Caucasian"}, all_pairs=True)


@pytest.fixture(scope="module")
def filtered(compas_file):
    frame = pd.read_csv(compas_file, keep_default_na=False, na_values={"days_b_screening_arrest": ""})
    kept = frame[
        frame["days_b_screening_arrest"].between(-30, 30)
        & (frame["is_recid"] != -1)
        & (frame["c_charge_degree"] != "O")
        & (frame["score_text"] != "N/A")
    ].copy()
    kept["flagged"] = kept["score_text"] != "Low"
    log = PredictionLog.from_frame(
        kept,
        y_true="two_year_recid",
        y_pred="flagged",
        y_score="decile_score",
        score_max=10,
        sensitive_features=["race"],
    )
    return run_audit(log, reference={"race": "Caucasian"})


def pair(result, metric, group, other="Caucasian"):
    against = {"kind": "slice", "slice": {"race": other}}
    return next(
        row
        for row in result.measurements
        if row.metric == metric and row.against == against and row.slice == (("race", group),)
    )


def test_everyone(result):
    assert result.find("count").value == 7214
    assert result.find("false_positive_rate").value == pytest.approx(1282 / 3963, abs=1e-12)
    assert result.find("false_positive_rate").value == pytest.approx(0.323492, abs=SIX_DIGITS)
    assert result.find("false_negative_rate").value == pytest.approx(0.374039, abs=SIX_DIGITS)
    assert result.find("accuracy").value == pytest.approx((2681 + 2035) / 7214, abs=1e-12)
    assert result.find("accuracy").value == pytest.approx(0.654, abs=5e-4)  # Dressel & Farid
    assert result.find("precision").value == pytest.approx(0.6135, abs=5e-5)
    assert result.find("negative_predictive_value").value == pytest.approx(0.688, abs=5e-4)
    assert result.find("positive_likelihood_ratio").value == pytest.approx(1.935, abs=5e-4)
    assert result.find("negative_likelihood_ratio").value == pytest.approx(0.5529, abs=5e-5)


@pytest.mark.parametrize("race", TABLE)
def test_every_cell_of_the_table(result, race):
    n, tp, fp, tn, fn, *rates = TABLE[race]
    slice_values = {"race": race}
    assert result.find("count", slice_values).value == n
    for metric, expected in zip(RATES, rates, strict=True):
        assert result.find(metric, slice_values).value == pytest.approx(expected, abs=SIX_DIGITS)
    denominators = {"true_positive_rate": tp + fn, "false_positive_rate": fp + tn, "precision": tp + fp,
                    "false_omission_rate": tn + fn, "accuracy": n}  # fmt: skip
    for metric, denominator in denominators.items():
        assert result.find(metric, slice_values).n == denominator
    assert result.find("true_positive_rate", slice_values).value == pytest.approx(tp / (tp + fn), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "race", "percent"),
    [
        ("false_positive_rate", "African-American", 44.85),
        ("false_positive_rate", "Caucasian", 23.45),
        ("false_negative_rate", "African-American", 27.99),
        ("false_negative_rate", "Caucasian", 47.72),
    ],
)
def test_propublica_prints_percentages(result, metric, race, percent):
    assert round(100 * result.find(metric, {"race": race}).value, 2) == percent


def test_auc(result):
    expected = {None: 0.702166, "African-American": 0.691834, "Caucasian": 0.693146, "Hispanic": 0.637926}
    for race, value in expected.items():
        row = result.find("roc_auc", None if race is None else {"race": race})
        assert row.value == pytest.approx(value, abs=SIX_DIGITS)
        assert row.low < value < row.high


def test_ratios_against_caucasian(result):
    expected = {
        "false_positive_rate_ratio": 1.912093,
        "false_negative_rate_ratio": 0.586416,
        "false_discovery_rate_ratio": 0.906085,
        "false_omission_rate_ratio": 1.213154,
        "selection_rate_ratio": 1.690224,
    }
    for metric, value in expected.items():
        row = pair(result, metric, "African-American")
        assert row.value == pytest.approx(value, abs=SIX_DIGITS)
        assert row.low < value < row.high


def test_disparity_of_two_groups_only(result):
    among = [("African-American",), ("Caucasian",)]
    parity = extreme(
        result.tally, "demographic_parity_difference", features=["race"], compare="difference", end="max", level=0.95,
        among=among,
    )  # fmt: skip
    odds = extreme(
        result.tally, "equalized_odds_difference", features=["race"], compare="difference", end="max", level=0.95,
        among=among,
    )  # fmt: skip
    assert parity.value == pytest.approx(0.240200, abs=SIX_DIGITS)
    assert odds.value == pytest.approx(0.213925, abs=SIX_DIGITS)
    assert odds.reason == "between African-American and Caucasian"


def test_interval_of_one_gap_alone_and_among_fifteen_pairs(result):
    alone = extreme(
        result.tally, "false_positive_rate", features=["race"], compare="difference", end="max", level=0.95,
        among=[("African-American",), ("Caucasian",)],
    )  # fmt: skip
    assert [alone.low, alone.high] == pytest.approx([0.182128, 0.245124], abs=SIX_DIGITS)
    row = pair(result, "false_positive_rate_difference", "African-American")
    assert row.method == "agresti_caffo, simultaneous over 15"
    assert [row.low, row.high] == pytest.approx([0.1665, 0.2608], abs=5e-5)


def test_the_largest_gap_over_six_races_comes_from_the_smallest_groups(result):
    rows = {
        row.metric: row
        for row in result.measurements
        if row.against is not None and row.against["kind"] == "groups" and row.metric.endswith(("difference", "ratio"))
    }
    assert rows["selection_rate_difference"].value == pytest.approx(0.457118, abs=SIX_DIGITS)
    assert rows["false_negative_rate_difference"].value == pytest.approx(0.576692, abs=SIX_DIGITS)
    assert rows["false_positive_rate_difference"].value == pytest.approx(0.361511, abs=SIX_DIGITS)
    assert rows["false_positive_rate_ratio"].value == pytest.approx(0.193897, abs=SIX_DIGITS)
    assert rows["demographic_parity_difference"].value == rows["selection_rate_difference"].value
    assert rows["equalized_odds_difference"].value == rows["true_positive_rate_difference"].value
    assert rows["false_negative_rate_difference"].n == 9
    assert rows["false_negative_rate_difference"].reason == "between Other and Native American"


def test_the_same_rows_in_a_frame_give_the_same_result(result, compas_file):
    log = PredictionLog.from_frame(
        pd.read_csv(compas_file),
        y_true="two_year_recid",
        y_score="decile_score",
        score_max=10,
        threshold=0.5,
        sensitive_features=["race"],
    )
    frame = run_audit(log, reference={"race": "Caucasian"}, all_pairs=True)
    assert frame.measurements == result.measurements
    assert frame.provenance.tally == result.provenance.tally


@pytest.mark.parametrize(
    ("race", "n", "fpr", "fnr", "selected"),
    [("African-American", 3175, 0.423382, 0.284768, 0.576063), ("Caucasian", 2103, 0.220141, 0.496350, 0.330956)],
)
def test_propublicas_filter_by_race(filtered, race, n, fpr, fnr, selected):
    found = {metric: filtered.find(metric, {"race": race}).value for metric in ("count", *RATES)}
    assert found["count"] == n
    expected = [fpr, fnr, selected]
    assert [found[metric] for metric in RATES[1:4]] == pytest.approx(expected, abs=SIX_DIGITS)


def test_propublicas_filter_over_all(filtered):
    among = [("African-American",), ("Caucasian",)]
    values = [
        extreme(
            filtered.tally, metric, features=["race"], compare="difference", end="max", level=0.95, among=among
        ).value
        for metric in ("demographic_parity_difference", "equalized_odds_difference")
    ]
    assert filtered.find("count").value == 6172
    assert filtered.find("roc_auc").value == pytest.approx(0.709789, abs=SIX_DIGITS)
    assert values == pytest.approx([0.245107, 0.211582], abs=SIX_DIGITS)


def test_printed_wilson_intervals():
    # Ten rows whose intervals are printed in another project's tests; few events take Clopper-Pearson here instead.
    y, p = [0, 1, 1, 1, 0, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    frame = pd.DataFrame({"y": np.tile(y, 1), "p": p})
    result = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    printed = {"true_positive_rate": (0.3755, 0.9638), "precision": (0.3, 0.9032),
               "false_positive_rate": (0.1176, 0.7693), "false_negative_rate": (0.0362, 0.6245)}  # fmt: skip
    for metric, (low, high) in printed.items():
        row = result.find(metric)
        assert row.method == "clopper_pearson"
        assert row.low < low < high < row.high
