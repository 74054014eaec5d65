"""The recommender's log: arms, chances and weights as they were drawn."""

import numpy as np
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.feedback.decisions import decision_facts
from monitors.simulators.recommender import gini
from monitors.simulators.recommender_log import recommender_log


def frame(seed=1, **settings):
    return recommender_log(seed=seed, **settings).to_pandas()


@pytest.fixture(scope="module")
def rows():
    return frame(users=1000, holdout=0.1)


def concentration(part):
    return gini(np.bincount(part.item.str[5:].astype(int), minlength=50).astype(float))


def test_users_keep_their_arm_and_group(rows):
    assert (rows.groupby("user")[["arm", "group"]].nunique() == 1).all().all()
    users = rows.drop_duplicates("user")
    assert users.arm.value_counts().to_dict() == {"model": 700, "explore": 200, "holdout": 100}
    assert (users.group == "minority").mean() == pytest.approx(0.2)


def test_model_concentrates_against_the_arms_of_chance(rows):
    late = rows[rows["round"] >= 9]
    model, explore = late[late.arm == "model"], late[late.arm == "explore"]
    assert concentration(model.iloc[: len(explore)]) > concentration(explore) + 0.15


def test_no_power_no_concentration():
    rows = frame(users=1000, power=0.0)
    model, explore = rows[rows.arm == "model"], rows[rows.arm == "explore"]
    # The model's arm is four times as large: its counts, taken to the same size, spread alike.
    same = model.sample(len(explore), random_state=1)
    assert concentration(same) == pytest.approx(concentration(explore), abs=0.03)


def test_propensities_are_the_chances_of_the_items(rows):
    chance = rows[rows.arm == "explore"]
    assert chance.propensity.to_numpy() == pytest.approx(np.full(len(chance), 1 / 50))
    model = rows[(rows.arm == "model") & (rows["round"] == 11)]
    assert (1 / model.propensity).mean() == pytest.approx(50, rel=0.35)
    by_item = model.groupby("item").agg(share=("user", "size"), chance=("propensity", "first"))
    assert by_item.share.corr(by_item.chance) > 0.9


def test_weighted_clicks_of_the_model_are_those_of_chance():
    rows = frame(users=20_000, items=10, rounds=3)
    model = rows[rows.arm == "model"]
    weighted = (model.outcome / model.propensity / 10).mean()
    assert weighted == pytest.approx(rows[rows.arm == "explore"].outcome.mean(), abs=0.01)


def test_holdout_is_not_fed_back(rows):
    assert (rows.training_weight[rows.arm == "holdout"] == 0).all()
    assert (rows.training_weight[rows.arm != "holdout"] == 1).all()


def test_withheld_items_are_chosen_less():
    rows = frame(users=3000, withheld=0.3, lift=0.5)
    assert rows.action.mean() == pytest.approx(0.7, abs=0.01)
    ratio = rows.outcome[rows.action == 0].mean() / rows.outcome[rows.action == 1].mean()
    assert ratio == pytest.approx(0.5, abs=0.05)
    explored = rows[(rows.arm == "explore") & (rows.action == 0)]
    assert explored.propensity.to_numpy() == pytest.approx(np.full(len(explored), 0.3 / 50))
    assert (rows.training_weight[rows.action == 0] == 0).all()


def test_enthusiasts_make_many_rows():
    counts = frame(users=500, enthusiasm=1.5).user.value_counts()
    assert counts.iloc[:5].sum() / counts.sum() > 0.05
    assert frame(users=500).user.value_counts().nunique() == 1


@pytest.mark.parametrize("correction", ["propensity", "rejection"])
def test_corrected_weights(correction):
    rows = frame(users=2000, correction=correction)
    model = rows[rows.arm == "model"]
    if correction == "propensity":
        assert model.training_weight.to_numpy() == pytest.approx((1 / (50 * model.propensity)).to_numpy())
    else:
        assert set(model.training_weight) == {0.0, 1.0}
        assert (rows.training_weight[rows.arm == "explore"] == 1).all()
    assert concentration(model) < concentration(frame(users=2000)[lambda table: table.arm == "model"]) - 0.1


def test_clean_decision_log():
    roles = (
        "timestamp", "round", "user", "item", "arm", "action", "propensity", "y_score", "outcome", "training_weight",
    )  # fmt: skip
    log = PredictionLog.from_frame(
        recommender_log(seed=3, users=50), task="watch", sensitive_features=["group"], **{role: role for role in roles}
    )
    assert dict(decision_facts(log).faults) == {}


def test_seeds_repeat():
    assert recommender_log(seed=4, users=50).equals(recommender_log(seed=4, users=50))


def test_bad_settings_are_refused():
    with pytest.raises(InputError) as raised:
        recommender_log(seed=1, withheld=2.0, lift=-1.0, enthusiasm=-1.0)
    for name in ("withheld must", "lift must", "enthusiasm must"):
        assert name in str(raised.value)
