"""The command line on COMPAS: published counts and rates, to six digits, out of the JSON that it writes."""

import csv
import gzip
import json
import subprocess
import sys

import pytest

# race: n, tp, fp, tn, fn (all 7,214 rows; positive = score Medium or High). ProPublica 2016; rates follow by division.
COUNTS = {
    "African-American": (3696, 1369, 805, 990, 532),
    "Caucasian": (2454, 505, 349, 1139, 461),
    "Hispanic": (637, 103, 87, 318, 129),
    "Other": (377, 43, 36, 208, 90),
    "Asian": (32, 6, 2, 21, 3),
    "Native American": (18, 9, 3, 5, 1),
}
AUC = {None: 0.702166, "African-American": 0.691834, "Caucasian": 0.693146, "Hispanic": 0.637926}
FILTERED = {
    "African-American": (3175, 0.423382, 0.284768, 0.576063),
    "Caucasian": (2103, 0.220141, 0.496350, 0.330956),
}
OPTIONS = (
    "--y-true", "two_year_recid", "--y-score", "decile_score", "--score-max", "10", "--threshold", "0.5",
    "--sensitive", "race", "--reference", "race=Caucasian",
)  # fmt: skip


def audited(data, folder, *more):
    command = [sys.executable, "-m", "evenhanded", "audit", str(data), *OPTIONS, *more, "--json", "r.json"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return json.loads((folder / "r.json").read_text())["measurements"]


def plain(rows, metric):
    return {
        row["slice"].get("race"): row["value"] for row in rows if row["metric"] == metric and row["against"] is None
    }


@pytest.fixture(scope="module")
def everyone(compas_file, tmp_path_factory):
    return audited(compas_file, tmp_path_factory.mktemp("all"))


@pytest.mark.parametrize("race", COUNTS)
def test_rates_of_all_rows(everyone, race):
    n, tp, fp, tn, fn = COUNTS[race]
    expected = {
        "count": n,
        "accuracy": (tp + tn) / n,
        "false_positive_rate": fp / (fp + tn),
        "false_negative_rate": fn / (fn + tp),
        "selection_rate": (tp + fp) / n,
        "false_discovery_rate": fp / (tp + fp),
        "false_omission_rate": fn / (fn + tn),
    }
    for metric, value in expected.items():
        assert plain(everyone, metric)[race] == pytest.approx(value, abs=5e-7), metric


def test_auc_of_all_rows(everyone):
    for race, value in AUC.items():
        assert plain(everyone, "roc_auc")[race] == pytest.approx(value, abs=5e-7)


def test_everyone(everyone):
    for metric, value in (("false_positive_rate", 0.323492), ("false_negative_rate", 0.374039), ("precision", 0.6135)):
        assert plain(everyone, metric)[None] == pytest.approx(value, abs=5e-5)


def test_ratios_to_the_reference(everyone):
    published = {"false_positive_rate": 1.912093, "false_negative_rate": 0.586416, "false_discovery_rate": 0.906085,
                 "false_omission_rate": 1.213154, "selection_rate": 1.690224}  # fmt: skip
    for metric, value in published.items():
        (row,) = (
            row
            for row in everyone
            if row["metric"] == f"{metric}_ratio" and row["slice"] == {"race": "African-American"}
            and (row["against"] or {}).get("kind") == "slice"
        )  # fmt: skip
        assert row["value"] == pytest.approx(value, abs=5e-7), metric


def test_values_of_both_predictions(everyone):
    """PPV and NPV; likelihood ratios follow from the rates: TPR / FPR and FNR / TNR."""
    assert plain(everyone, "negative_predictive_value")[None] == pytest.approx(0.688, abs=5e-4)
    sides = ("true_positive", "false_positive", "false_negative", "true_negative")
    tpr, fpr, fnr, tnr = (plain(everyone, f"{side}_rate")[None] for side in sides)
    assert tpr / fpr == pytest.approx(1.935, abs=5e-4)
    assert fnr / tnr == pytest.approx(0.5529, abs=5e-5)


def between(rows, metric):
    (row,) = (row for row in rows if row["metric"] == metric and (row["against"] or {}).get("kind") == "groups")
    return row["value"]


def test_two_races_alone(compas_file, tmp_path):
    rows = audited(kept(compas_file, tmp_path, lambda row: row["race"] in FILTERED), tmp_path)
    assert between(rows, "demographic_parity_difference") == pytest.approx(0.240200, abs=5e-7)
    assert between(rows, "equalized_odds_difference") == pytest.approx(0.213925, abs=5e-7)
    gap = pair(rows, "African-American", "Caucasian")
    assert gap["method"] == "agresti_caffo"
    assert (gap["low"], gap["high"]) == pytest.approx((0.182128, 0.245124), abs=5e-7)


def test_the_same_pair_among_fifteen(compas_file, tmp_path):
    gap = pair(audited(compas_file, tmp_path, "--all-pairs"), "African-American", "Caucasian")
    assert gap["method"] == "agresti_caffo, simultaneous over 15"
    assert (gap["low"], gap["high"]) == pytest.approx((0.1665, 0.2608), abs=5e-5)


def pair(rows, one, two):
    """Return the difference of the false positive rates of two races."""
    (row,) = (row for row in rows if row["metric"] == "false_positive_rate_difference" and row["slice"] == {"race": one}
              and row["against"] == {"kind": "slice", "slice": {"race": two}})  # fmt: skip
    return row


def test_rates_after_propublicas_filter(compas_file, tmp_path):
    rows = audited(kept(compas_file, tmp_path, keeps), tmp_path)
    assert plain(rows, "count")[None] == 6172
    assert plain(rows, "roc_auc")[None] == pytest.approx(0.709789, abs=5e-7)
    for race, values in FILTERED.items():
        metrics = ("count", "false_positive_rate", "false_negative_rate", "selection_rate")
        assert [plain(rows, metric)[race] for metric in metrics] == pytest.approx(values, abs=5e-7)
    rows = audited(kept(compas_file, tmp_path, lambda row: keeps(row) and row["race"] in FILTERED), tmp_path)
    assert between(rows, "demographic_parity_difference") == pytest.approx(0.245107, abs=5e-7)
    assert between(rows, "equalized_odds_difference") == pytest.approx(0.211582, abs=5e-7)


def kept(compas_file, folder, condition):
    """Write the rows that hold a condition and return the file."""
    path = folder / "filtered.csv"
    with gzip.open(compas_file, "rt", newline="") as stream, path.open("w", newline="") as target:
        reader = csv.DictReader(stream)
        writer = csv.DictWriter(target, reader.fieldnames)
        writer.writeheader()
        writer.writerows(row for row in reader if condition(row))
    return path


def keeps(row):
    days = row["days_b_screening_arrest"]
    in_time = days != "" and -30 <= float(days) <= 30
    return in_time and row["is_recid"] != "-1" and row["c_charge_degree"] != "O" and row["score_text"] != "N/A"
