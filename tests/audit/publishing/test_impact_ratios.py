"""Impact ratios (G6): the worked example of Local Law 144, the Ricci exams, and holisticai's small case."""

import csv

import numpy as np
import pandas as pd
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.publishing.impact_ratios import Selected, disagreements, impact_ratios
from audit.run import run_audit

FEATURES = {"sex": ("sex",), "race_ethnicity": ("race",), "intersectional": ("sex", "race")}


@pytest.fixture(scope="module")
def law(data_folder):
    path = data_folder / "ll144" / "ll144_rule_example_selection.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    return {name: [line for line in lines if line["table"] == name] for name in FEATURES}


def values_of(line):
    return tuple(line["group"].split(" / "))


def records(lines, features):
    """Return one row per applicant."""
    rows = []
    for line in lines:
        n, chosen = int(line["applicants"]), int(line["selected"])
        named = dict(zip(features, values_of(line), strict=True))
        rows += [{**named, "selected": int(place < chosen), "hired": 0} for place in range(n)]
    return pd.DataFrame(rows)


def tally_of(data, features):
    log = PredictionLog.from_frame(data, y_true="hired", y_pred="selected", sensitive_features=list(features))
    return count(log)


@pytest.mark.parametrize("table", FEATURES)
def test_every_printed_rate_and_ratio_of_local_law_144_recomputes(law, table):
    features = FEATURES[table]
    data = records(law[table], features)
    ratios = {tuple(dict(row.slice)[name] for name in features): row
              for row in impact_ratios(tally_of(data, features), features)}  # fmt: skip
    log = PredictionLog.from_frame(data, y_true="hired", y_pred="selected", sensitive_features=list(features))
    audit = run_audit(log, metrics=["selection_rate"])
    assert len(ratios) == len(law[table])
    for line in law[table]:
        row = ratios[values_of(line)]
        assert row.value == pytest.approx(float(line["printed_impact_ratio"]), abs=0.0051)
        rate = audit.find("selection_rate", dict(zip(features, values_of(line), strict=True)))
        assert 100 * rate.value == pytest.approx(float(line["printed_rate_pct"]), abs=0.51)
        assert row.value == 1 or row.low <= row.value <= row.high


def test_the_three_tables_of_the_example_contradict_each_other(law):
    tables = {
        FEATURES[name]: {values_of(line): Selected(int(line["applicants"]), int(line["selected"])) for line in lines}
        for name, lines in law.items()
    }
    found = disagreements(tables)
    assert "sex: 2,571 applicants in all; race: 2,584" in found
    assert "race = Hispanic or Latino: 408 applicants; its lines in sex x race: 395" in found
    assert not any("sex = " in text and "applicants" in text for text in found)  # 1,390 and 1,181 do agree


def test_tables_of_the_same_people_agree():
    rng = np.random.default_rng(0)
    n, chosen = rng.integers(20, 90, (2, 3)), rng.integers(0, 20, (2, 3))
    cross = {(str(i), str(j)): Selected(int(n[i, j]), int(chosen[i, j])) for i, j in np.ndindex(2, 3)}
    margin = {(str(i),): Selected(int(n[i].sum()), int(chosen[i].sum())) for i in range(2)}
    assert disagreements({("sex",): margin, ("sex", "race"): cross}) == ()
    margin["1",] = margin["1",]._replace(selected=margin["1",].selected + 1)
    assert len(disagreements({("sex",): margin, ("sex", "race"): cross})) == 2


def test_impossible_tables_are_refused():
    with pytest.raises(InputError) as refused:
        disagreements({("sex",): {("F", "x"): Selected(9, 3), ("M",): Selected(4, 5)}})
    assert len(refused.value.violations) == 2


def test_ricci_by_position(data_folder):
    path = data_folder / "ricci" / "ricci.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    data = pd.read_csv(path).assign(passed=lambda it: (it["Combine"] >= 70).astype(int), promoted=0)
    ratios = {}
    for position, part in data.groupby("Position"):
        log = PredictionLog.from_frame(part, y_true="promoted", y_pred="passed", sensitive_features=["Race"])
        tally = count(log)
        found = {row.slice[0][1]: row for row in impact_ratios(tally, ["Race"])}
        ratios[position] = found["B"].value
        assert found["W"].value == 1
        rates = run_audit(log, metrics=["selection_rate"])
        if position == "Captain":
            assert [rates.find("selection_rate", {"Race": race}).value for race in "WBH"] == pytest.approx(
                [0.64, 0.375, 0.375]
            )
    assert sorted(round(value, 3) for value in ratios.values()) == [0.543, 0.586]


def test_holisticai():
    data = pd.DataFrame({"g": ["a"] * 4 + ["b"] * 6, "p": [1, 1, 1, 0, 1, 1, 0, 0, 0, 0], "y": 0})
    log = PredictionLog.from_frame(data, y_true="y", y_pred="p", sensitive_features=["g"])
    rows = run_audit(log, reference={"g": "b"}, metrics=["selection_rate"]).measurements
    against_b = {row.metric: row.value for row in rows if (row.against or {}).get("kind") == "slice"}
    assert against_b["selection_rate_ratio"] == pytest.approx(2.25)
    assert against_b["selection_rate_difference"] == pytest.approx(5 / 12)
    ratios = impact_ratios(count(log), ["g"])
    assert min(row.value for row in ratios) == pytest.approx(4 / 9)


def test_the_lowest_ratio_is_never_shown_surer_than_it_is():
    """Equal groups: the interval of every ratio to the observed best holds 1 in 95 % of samples."""
    rng = np.random.default_rng(2)
    held = []
    for _ in range(200):
        data = pd.DataFrame({"g": np.repeat(list("abcd"), 60), "p": rng.random(240) < 0.4, "y": False})
        rows = impact_ratios(tally_of(data.rename(columns={"p": "selected", "y": "hired"}), ["g"]), ["g"])
        held.append(all(row.low is None or row.low <= 1 <= (row.high or np.inf) for row in rows))
    assert np.mean(held) >= 0.95


def test_nobody_selected_and_nobody_known():
    data = pd.DataFrame({"g": ["a", "b"], "selected": [0, 0], "hired": [0, 1]})
    rows = impact_ratios(tally_of(data, ["g"]), ["g"])
    assert {row.reason for row in rows} == {"nobody is selected in any group"}
    assert impact_ratios(tally_of(data.assign(g=None), ["g"]), ["g"]) == ()
    with pytest.raises(InputError, match="unknown feature"):
        impact_ratios(tally_of(data, ["g"]), ["sex"])
