"""Gender Shades (Buolamwini & Gebru 2018, Table 4): three vendors, four groups; who fails whom."""

import csv
import json
import subprocess
import sys

import pandas as pd
import pytest

import evenhanded as eh

GROUPS = {"DF": ("darker", "female"), "DM": ("darker", "male"), "LF": ("lighter", "female"), "LM": ("lighter", "male")}
VENDORS = ("Microsoft", "Face++", "IBM")


@pytest.fixture(scope="module")
def published(data_folder):
    path = data_folder / "gender_shades" / "gender_shades_2018.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    with path.open(encoding="utf-8", newline="") as stream:
        return {(line["classifier"], line["subgroup"]): (float(line["error_rate_pct"]), int(line["n"]))
                for line in csv.DictReader(stream)}  # fmt: skip


@pytest.fixture(scope="module")
def faces(published):
    """Return one row per face and vendor: the published rate says how many are misgendered."""
    rows = []
    for (vendor, group), (percent, n) in published.items():
        skin, gender = GROUPS[group]
        other = {"female": "male", "male": "female"}[gender]
        wrong = round(n * percent / 100)
        rows += [(vendor, skin, gender, other if place < wrong else gender) for place in range(n)]
    return pd.DataFrame(rows, columns=["vendor", "skin", "gender", "predicted"])


def audited(faces, vendor):
    log = eh.PredictionLog.from_frame(
        faces[faces["vendor"] == vendor], y_true="gender", y_pred="predicted", positive="female",
        model_version="vendor", sensitive_features=["skin", "gender"],
    )  # fmt: skip
    return eh.run_audit(log, metrics=["accuracy", "false_negative_rate", "false_positive_rate"])


def accuracy_by_group(rows):
    return {
        (row["slice"]["skin"], row["slice"]["gender"]): row
        for row in rows
        if row["metric"] == "accuracy" and len(row["slice"]) == 2 and row["against"] is None and not row["at"]
    }


@pytest.fixture(scope="module")
def from_api(faces):
    return {vendor: [row.to_json() for row in audited(faces, vendor).measurements] for vendor in VENDORS}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_published_error_rate(published, from_api, vendor):
    found = accuracy_by_group(from_api[vendor])
    for group, key in GROUPS.items():
        percent, n = published[vendor, group]
        row = found[key]
        assert row["n"] == n
        assert 100 * (1 - row["value"]) == pytest.approx(percent, abs=0.051 + 50 / n)  # a face is 1 / n
        assert row["low"] <= row["value"] <= row["high"]
        assert row["high"] - row["low"] < 0.13


@pytest.mark.parametrize("vendor", VENDORS)
def test_who_fails_whom(from_api, vendor):
    """Every vendor fails darker women most, and surely: their interval lies below that of every other group."""
    found = accuracy_by_group(from_api[vendor])
    worst = found["darker", "female"]
    assert worst["value"] == min(row["value"] for row in found.values())
    assert all(worst["high"] < row["low"] for key, row in found.items() if key != ("darker", "female"))
    best = max(found, key=lambda key: found[key]["value"])
    assert best == (("darker", "male") if vendor == "Face++" else ("lighter", "male"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_darker_faces_fail_more_and_the_gap_has_an_interval(from_api, vendor):
    (gap,) = (
        row
        for row in from_api[vendor]
        if row["metric"] == "accuracy_difference"
        and row["slice"] == {"skin": "darker"}
        and row["against"] == {"kind": "rest"}
    )
    assert gap["value"] < -0.05
    assert gap["high"] < 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_command_line_says_the_same(faces, from_api, vendor, tmp_path):
    data = tmp_path / "faces.csv"
    faces[faces["vendor"] == vendor].to_csv(data, index=False)
    command = [sys.executable, "-m", "evenhanded", "audit", str(data), "--y-true", "gender", "--y-pred", "predicted",
               "--positive", "female", "--model-version", "vendor", "--sensitive", "skin,gender", "--metrics",
               "accuracy,false_negative_rate,false_positive_rate", "--json", "r.json"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["measurements"]
    assert accuracy_by_group(rows) == accuracy_by_group(from_api[vendor])
