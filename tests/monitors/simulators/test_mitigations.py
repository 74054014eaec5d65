"""Mitigations side by side: each does in its world what it is for, and no more."""

import math

import pytest

from monitors.simulators.fico import example_tables
from monitors.simulators.hidden_loop import HiddenLoop
from monitors.simulators.lending import Lending
from monitors.simulators.mitigation import outcome_of
from monitors.simulators.mitigations import (
    credit_mitigations,
    hidden_loop_mitigations,
    performative_mitigations,
    recommender_mitigations,
    urn_mitigations,
)
from monitors.simulators.recommender import Recommender
from monitors.simulators.urn import Urn


def table(outcomes):
    found = {(row.mitigation, row.figure): row for row in outcomes}
    assert len(found) == len(outcomes)
    return found


def test_urn():
    found = table(urn_mitigations(runs=100, draws=1000))
    share = {name: row.value for (name, figure), row in found.items() if figure == "share_of_first_place"}
    ideal = Urn().true_shares[0]
    for name in ("propensity_weighting", "rejection_correction", "reported_only", "exploration_and_propensity"):
        assert share[name] == pytest.approx(ideal, abs=0.02)
    assert share["none"] > share["exploration"] > share["half_reported"] > ideal
    assert share["holdout"] > 0.85
    assert found["holdout", "share_by_holdout"].value == pytest.approx(ideal, abs=0.03)
    assert found["none", "runaway"].value > 0.3
    assert found["rejection_correction", "runaway"].value == 0


def test_hidden_loop():
    found = table(hidden_loop_mitigations(HiddenLoop(rows=2700, holdout=300, step=200), runs=15))
    gap = {name: row.value for (name, figure), row in found.items() if figure == "self_agreement_gap"}
    assert gap["none"] > 0.15
    assert 0.02 < gap["exploration"] < 0.6 * gap["none"]
    assert gap["propensity_weighting"] == pytest.approx(0, abs=0.06)


def test_hidden_loop_where_all_are_exposed_has_no_rows_to_weigh():
    found = hidden_loop_mitigations(HiddenLoop(usage=1.0), runs=2)
    assert {row.mitigation for row in found} == {"none", "exploration"}


def test_performative():
    found = table(performative_mitigations(runs=200))
    distance = {name: row.value for (name, figure), row in found.items() if figure == "distance_from_base"}
    assert distance["none"] == pytest.approx(2 / 0.4 - 2, abs=0.02)
    assert distance["exploration"] == pytest.approx(2 / (1 - 0.8 * 0.6) - 2, abs=0.02)
    assert distance["holdout_only"] == pytest.approx(0, abs=0.02)
    assert distance["permanent_holdout"] == pytest.approx(distance["none"], abs=0.02)
    assert found["permanent_holdout", "holdout_mean_less_base"].value == pytest.approx(0, abs=0.02)


def test_recommender():
    found = table(recommender_mitigations(Recommender(users=1000, items=40), runs=20))
    gini = {name: row for (name, figure), row in found.items() if figure == "gini"}
    for name in ("propensity_weighting", "reported_only"):
        assert abs(gini[name].value - gini[name].ideal) < 0.1
    assert gini["none"].value > gini["none"].ideal + 0.3
    assert gini["none"].value > gini["half_reported"].value > gini["reported_only"].value
    gaps = {name: row.value for (name, figure), row in found.items() if figure == "group_gap"}
    assert gaps["propensity_weighting"] < gaps["none"] - 0.1


def test_credit():
    found = table(credit_mitigations(example_tables(), Lending(names=("A", "B"), rounds=24), runs=60))
    approved = {name: row.value for (name, figure), row in found.items() if figure == "approved_of_first_group"}
    assert approved["exploration"] > approved["none"] + 0.05
    assert approved["reported_outcomes"] > approved["none"] + 0.05
    assert approved["permanent_holdout"] == pytest.approx(approved["none"], abs=0.02)
    observed = {name: row.value for (name, figure), row in found.items() if figure == "observed_of_first_group"}
    assert observed["permanent_holdout"] > observed["none"]


def test_errors_are_those_of_means():
    row = outcome_of("urn", "none", "runaway", [0.0, 0.0, 1.0, 1.0])
    assert row.standard_error == pytest.approx(math.sqrt(1 / 3) / 2)
    assert math.isnan(outcome_of("urn", "none", "runaway", [1.0]).standard_error)
