"""The log of a hidden loop: arms as drawn, outcomes that follow what was shown, a hold-out that is left alone."""

import numpy as np
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.feedback.decisions import decision_facts
from monitors.simulators.hidden_loop_log import hidden_loop_log


def frame(**settings):
    return hidden_loop_log(seed=1, **settings).to_pandas()


@pytest.fixture(scope="module")
def rows():
    return frame(exploration=0.2)


def r2(part):
    return 1 - ((part.outcome - part.y_pred) ** 2).sum() / ((part.outcome - part.outcome.mean()) ** 2).sum()


def test_shares_of_arms_and_exposure(rows):
    assert (rows.arm == "holdout").mean() == pytest.approx(0.1, abs=0.005)
    stream = rows[rows.arm != "holdout"]
    assert (stream.arm == "explore").mean() == pytest.approx(0.2, abs=0.02)
    assert stream.exposed[stream.arm == "model"].mean() == pytest.approx(0.7, abs=0.03)
    assert rows.exposed[rows.arm != "model"].sum() == 0
    assert rows.action.sum() == (rows.arm == "model").sum()


def test_propensities_are_those_of_the_arms(rows):
    for arm, share in rows.arm.value_counts(normalize=True).items():
        assert rows.propensity[rows.arm == arm].mean() == pytest.approx(share, abs=0.02)


def test_exposed_outcomes_follow_the_prediction(rows):
    errors = (rows.outcome - rows.y_pred).abs()
    assert errors[rows.exposed == 1].mean() < 0.35 * errors[rows.exposed == 0].mean()


def test_closed_data_improve_and_the_holdout_does_not(rows):
    half = rows["round"] >= 6
    closed = rows[(rows.arm != "holdout") & half]
    assert r2(closed) - r2(rows[(rows.arm == "holdout") & half]) > 0.1


def test_without_usage_there_is_no_gap():
    rows = frame(usage=0.0)
    closed, held = rows[rows.arm != "holdout"], rows[rows.arm == "holdout"]
    assert r2(closed) == pytest.approx(r2(held), abs=0.08)


def test_earlier_score_is_what_the_model_before_says(rows):
    assert rows.earlier_score[rows["round"] == 0].isna().all()
    later = rows[rows["round"] > 0]
    assert later.earlier_score.notna().all()
    assert np.corrcoef(later.earlier_score, later.y_pred)[0, 1] > 0.95
    assert (later.earlier_score != later.y_pred).mean() > 0.99


def test_training_weights():
    rows = frame(train_on="unexposed", rounds=3)
    assert (rows.training_weight[rows.arm == "holdout"] == 0).all()
    stream = rows[rows.arm != "holdout"]
    assert (stream.training_weight == 1 - stream.exposed).all()


def test_rounds_follow_each_other_in_time(rows):
    first = rows.groupby("round").timestamp.min()
    last = rows.groupby("round").timestamp.max()
    assert (first.iloc[1:].to_numpy() > last.iloc[:-1].to_numpy()).all()
    assert rows.user.is_unique


def test_clean_decision_log():
    roles = (
        "timestamp", "round", "model_version", "user", "arm", "exposed", "action", "propensity", "y_pred", "y_true",
        "earlier_score", "outcome", "training_weight",
    )  # fmt: skip
    table = hidden_loop_log(seed=2, rounds=3, exploration=0.1)
    log = PredictionLog.from_frame(table, task="regression", **{role: role for role in roles})
    assert dict(decision_facts(log).faults) == {}


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="holdout must lie in"):
        hidden_loop_log(seed=1, holdout=1.0)
    with pytest.raises(InputError, match="rounds must be a number of at least 1; got 0"):
        hidden_loop_log(seed=1, rounds=0)
