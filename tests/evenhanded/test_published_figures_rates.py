"""Published intervals and impact ratios (Wilson, Local Law 144, Ricci, holisticai) out of the command line's JSON."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

import evenhanded as eh
from audit.inference.intervals import quantile, wilson
from evenhanded.cli import run

TABLES = {"sex": ("sex",), "race_ethnicity": ("race",), "intersectional": ("sex", "race")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def audited(frame, *arguments):
    frame.to_csv("log.csv", index=False)
    assert run(["audit", "log.csv", *arguments, "--json", "r.json"]) == 0
    return json.loads(Path("r.json").read_text(encoding="utf-8"))["measurements"]


def impact(rows, names):
    return {
        tuple(row["slice"][name] for name in names): row
        for row in rows
        if row["metric"] == "impact_ratio" and sorted(row["slice"]) == sorted(names)
    }


@pytest.mark.parametrize(("right", "low", "high"), [(50, 0.4038, 0.5962), (70, 0.6042, 0.7811)])
def test_wilson_of_a_hundred_rows(folder, right, low, high):
    frame = pd.DataFrame({"y": [1] * 100, "p": [1] * right + [0] * (100 - right), "g": "all"})
    rows = audited(frame, "--y-true", "y", "--y-pred", "p", "--sensitive", "g")
    (row,) = (row for row in rows if row["metric"] == "true_positive_rate" and not row["slice"] and not row["against"])
    assert row["method"] == "wilson"
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=5e-5)


TEN = {"y": [0, 1, 1, 1, 0, 1, 0, 1, 0, 0], "p": [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]}
# metric: successes, trials, Wilson's interval
TEN_WILSON = {
    "true_positive_rate": (4, 5, 0.3755, 0.9638),
    "precision": (4, 6, 0.3, 0.9032),
    "false_positive_rate": (2, 5, 0.1176, 0.7693),
    "false_negative_rate": (1, 5, 0.0362, 0.6245),
}


def test_the_ten_row_example(folder):
    """Wilson's rows; of fewer than ten successes or failures an audit gives the exact interval, which is wider."""
    rows = audited(pd.DataFrame({**TEN, "g": "all"}), "--y-true", "y", "--y-pred", "p", "--sensitive", "g")
    for metric, (x, n, low, high) in TEN_WILSON.items():
        interval = wilson(x, n, critical=quantile(0.95))
        assert (float(interval.low), float(interval.high)) == pytest.approx((low, high), abs=5e-5), metric
        (row,) = (each for each in rows if each["metric"] == metric and not each["slice"] and not each["against"])
        assert row["value"] == pytest.approx(x / n)
        assert row["n"] == n
        assert row["method"] == "clopper_pearson"
        assert row["low"] < low < row["value"] < high < row["high"]


@pytest.mark.parametrize("table", TABLES)
def test_every_printed_impact_ratio_of_local_law_144(table, data_folder, folder):
    path = data_folder / "ll144" / "ll144_rule_example_selection.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    names = TABLES[table]
    with path.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["table"] == table]
    records = []
    for line in lines:
        group = dict(zip(names, line["group"].split(" / "), strict=True))
        chosen, n = int(line["selected"]), int(line["applicants"])
        records += [{**group, "selected": int(place < chosen), "hired": 0} for place in range(n)]
    rows = audited(pd.DataFrame(records), "--y-true", "hired", "--y-pred", "selected", "--sensitive", ",".join(names),
                   "--metrics", "selection_rate", "--impact-ratios")  # fmt: skip
    found = impact(rows, names)
    assert len(found) == len(lines)
    for line in lines:
        row = found[tuple(line["group"].split(" / "))]
        assert row["value"] == pytest.approx(float(line["printed_impact_ratio"]), abs=0.0051)


def test_ricci_by_position(data_folder, folder):
    path = data_folder / "ricci" / "ricci.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    data = pd.read_csv(path).assign(passed=lambda it: (it["Combine"] >= 70).astype(int), promoted=0)
    black = {}
    for position, part in data.groupby("Position"):
        rows = audited(part, "--y-true", "promoted", "--y-pred", "passed", "--sensitive", "Race", "--impact-ratios")
        found = impact(rows, ["Race"])
        assert found["W",]["value"] == 1
        black[position] = found["B",]["value"]
        if position == "Captain":
            rates = {row["slice"].get("Race"): row["value"] for row in rows
                     if row["metric"] == "selection_rate" and row["against"] is None}  # fmt: skip
            assert [rates[race] for race in "WBH"] == pytest.approx([0.64, 0.375, 0.375])
    assert sorted(round(value, 3) for value in black.values()) == [0.543, 0.586]


def test_holisticai_through_both_doors(folder):
    frame = pd.DataFrame({"g": ["a"] * 4 + ["b"] * 6, "p": [1, 1, 1, 0, 1, 1, 0, 0, 0, 0], "y": 0})
    rows = audited(frame, "--y-true", "y", "--y-pred", "p", "--sensitive", "g", "--reference", "g=b", "--impact-ratios")
    against = {row["metric"]: row["value"] for row in rows if (row["against"] or {}).get("kind") == "slice"
               and row["slice"] == {"g": "a"}}  # fmt: skip
    assert against["selection_rate_ratio"] == pytest.approx(2.25)
    assert against["selection_rate_difference"] == pytest.approx(5 / 12)
    assert impact(rows, ["g"])["b",]["value"] == pytest.approx(4 / 9)
    log = eh.PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    tally = eh.run_audit(log).tally
    assert min(row.value for row in eh.impact_ratios(tally, ["g"])) == pytest.approx(4 / 9)
