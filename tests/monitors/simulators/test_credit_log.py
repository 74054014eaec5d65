"""The lender's log: what is seen and unseen, with the chances that were drawn."""

import numpy as np
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.decisions import decision_facts
from monitors.simulators.credit_log import credit_log
from monitors.simulators.fico import example_tables
from monitors.simulators.lending import Lending, lending_runs

WORLD = Lending(names=("A", "B"), exploration=0.1, holdout=0.05, reported=0.2)


@pytest.fixture(scope="module")
def rows():
    return credit_log(example_tables(), WORLD, seed=1).to_pandas()


def test_outcomes_are_known_of_loans_and_reports_alone(rows):
    known = rows.outcome.notna()
    assert (known == (rows.outcome_observed == 1)).all()
    assert known[rows.action == 1].all()
    refused = rows[rows.action == 0]
    assert set(refused.outcome_source.dropna()) == {"reported"}
    assert refused.outcome.notna().mean() == pytest.approx(0.2, abs=0.02)
    assert set(rows.outcome_source[rows.arm == "holdout"]) == {"audit"}


def test_propensities_are_the_shares_taken(rows):
    refused_by_model = rows[rows.y_pred == 0]
    assert refused_by_model.action.mean() == pytest.approx(0.15, abs=0.01)
    assert refused_by_model.propensity[refused_by_model.action == 1].unique() == pytest.approx([0.15])
    assert refused_by_model.propensity[refused_by_model.action == 0].unique() == pytest.approx([0.85])
    assert (rows.propensity[rows.y_pred == 1] == 1).all()


def test_weighted_loans_have_the_repayment_of_all(rows):
    """Inverse propensities of the loans of the first round give the share of all who would repay."""
    tables = example_tables()
    first = rows[(rows["round"] == 0) & (rows.action == 1)]
    for name, group in tables.groups.items():
        own = first[first.group == name]
        weighted = np.average(own.outcome, weights=1 / own.propensity)
        assert weighted == pytest.approx(group.repaid, abs=4 * own.outcome.std() / len(own) ** 0.5 + 0.05)


def test_scores_move_with_loans_alone(rows):
    assert (rows.score_change[rows.action == 0] == 0).all()
    repaid = rows[(rows.action == 1) & (rows.outcome == 1)]
    assert repaid.score_change.to_numpy() == pytest.approx(np.minimum(75, 850 - repaid.score).to_numpy())
    assert rows.score_after.between(300, 850).all()


def test_holdout_is_not_trained_on(rows):
    assert (rows.training_weight[rows.arm == "holdout"] == 0).all()
    assert (rows.training_weight[rows.outcome.isna()] == 0).all()


def test_log_and_runs_are_one_world():
    """Approval in the last round agrees with the simulation by bands."""
    logs = [credit_log(example_tables(), WORLD, seed=seed).to_pandas() for seed in range(4)]
    runs = lending_runs(example_tables(), WORLD, runs=100, seed=1).approved[:, -1]
    for place, name in enumerate(WORLD.names):
        shares = [log[(log["round"] == 11) & (log.group == name)].y_pred.mean() for log in logs]
        assert np.mean(shares) == pytest.approx(runs[:, place].mean(), abs=0.05)


def test_clean_decision_log(rows):
    roles = (
        "timestamp", "round", "user", "y_score", "y_pred", "arm", "action", "propensity", "outcome",
        "outcome_observed", "outcome_source", "training_weight",
    )  # fmt: skip
    table = credit_log(example_tables(), WORLD, seed=1)
    log = PredictionLog.from_frame(
        table, task="watch", positive="1", sensitive_features=["group"], **{r: r for r in roles}
    )
    assert dict(decision_facts(log).faults) == {}


def test_default_world_takes_the_groups_of_the_tables():
    assert credit_log(example_tables(), seed=1).num_rows == 12 * 2000
