"""The popularity loop: what grows, for whom, and the laws that hold without it."""

import numpy as np
import pytest
from scipy import stats

from audit.errors import InputError
from monitors.simulators.recommender import (
    Recommender,
    appeals,
    chances_of,
    fed_back,
    gini,
    recommender_runs,
    volunteered,
)

SMALL = {"users": 500, "items": 40, "rounds": 20}


def test_exposure_concentrates_in_a_loop():
    found = recommender_runs(Recommender(**SMALL), runs=40, seed=1).chance_gini.mean(axis=0)
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert (np.diff(found) > 0).all()
    assert found[-1] > 0.6


def test_no_power_no_loop():
    found = recommender_runs(Recommender(power=0.0, **SMALL), runs=10, seed=1)
    assert found.chance_gini == pytest.approx(np.zeros((10, 20)), abs=1e-12)
    assert found.gini[:, -1].mean() == pytest.approx(found.gini[:, 0].mean(), abs=0.02)


def test_shares_are_a_martingale_where_items_are_alike():
    """A Polya urn: with power 1 and items of one appeal, each keeps its share on average, and luck decides the rest."""
    world = Recommender(users=50, items=2, rounds=30, power=1.0, prior=5.0)
    found = recommender_runs(world, runs=1, seed=1)
    random = np.random.default_rng(2)
    ends = []
    for _ in range(400):
        popularity = np.full((1, 2), 5.0)
        for _ in range(world.rounds):
            shown = random.multinomial(50, chances_of(world, popularity)[0])
            popularity = popularity + fed_back(world, random, random.binomial(shown, 0.3)[None], popularity)
        ends.append(popularity[0, 0] / popularity.sum())
    assert found.chances[0, 0].tolist() == [0.5, 0.5]
    assert np.mean(ends) == pytest.approx(0.5, abs=4 * np.std(ends) / 20)
    assert np.std(ends) > 0.1


def test_majority_is_served_better():
    found = recommender_runs(Recommender(**SMALL), runs=60, seed=3)
    assert found.calibration[:, -1, 0].mean() > found.calibration[:, -1, 1].mean() + 0.2
    assert found.click_rates[:, -5:, 0].mean() > found.click_rates[:, -5:, 1].mean() + 0.05


def test_same_taste_is_served_alike():
    found = recommender_runs(Recommender(overlap=1.0, **SMALL), runs=10, seed=4)
    assert found.calibration[:, :, 0] == pytest.approx(found.calibration[:, :, 1])


@pytest.mark.parametrize("changed", [{"correction": "propensity"}, {"reported": 1.0}])
def test_unbiased_signals_find_the_appeal(changed):
    world = Recommender(users=5000, items=20, rounds=40, power=1.0, prior=1.0, minority=0.5, **changed)
    found = recommender_runs(world, runs=5, seed=5)
    appeal = found.appeal.mean(axis=1)
    expected = appeal / appeal.sum(axis=1, keepdims=True)
    assert found.chances[:, -1] == pytest.approx(expected, abs=0.012)


def test_rejection_adds_in_proportion_to_appeal():
    """The mean of what is kept does not depend on the chances, but for one factor."""
    world = Recommender(items=3, correction="rejection")
    random = np.random.default_rng(6)
    chances = np.tile([0.6, 0.3, 0.1], (4000, 1))
    shown = random.multinomial(1000, chances)
    kept = fed_back(world, random, random.binomial(shown, [0.1, 0.2, 0.3]).astype(float), chances).mean(axis=0)
    assert kept / kept.sum() == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.005)


def test_volunteered_choices_follow_the_appeal():
    world = Recommender(users=1000, items=4, reported=0.5, minority=0.25)
    appeal = np.tile(np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]), (2000, 1, 1))
    found = volunteered(world, np.random.default_rng(7), appeal).mean(axis=0)
    expected = 0.5 * (750 / 4 * appeal[0, 0] + 250 / 4 * appeal[0, 1])
    assert found == pytest.approx(expected, rel=0.02)


def test_counts_add_up():
    world = Recommender(exploration=0.1, holdout=0.1, **SMALL)
    found = recommender_runs(world, runs=3, seed=8)
    assert (found.shown.sum(axis=3) == np.array(world.arm_sizes["model"])).all()
    assert (found.clicked <= found.shown).all()
    assert sum(sum(both) for both in world.arm_sizes.values()) == 500


def test_appeals_lie_between_their_ends_and_overlap_as_asked():
    found = appeals(Recommender(items=2000, overlap=0.0), np.random.default_rng(9), 1)
    assert found.min() >= 0.02
    assert found.max() <= 0.5
    assert stats.pearsonr(found[0, 0], found[0, 1]).statistic == pytest.approx(0, abs=0.1)


def test_gini_is_the_mean_absolute_difference():
    counts = np.random.default_rng(10).gamma(1.0, size=50)
    differences = np.abs(counts[:, None] - counts[None]).mean()
    assert gini(counts) == pytest.approx(differences / (2 * counts.mean()))
    assert np.isnan(gini(np.zeros(3)))


def test_all_bad_settings_are_named_at_once():
    with pytest.raises(InputError) as raised:
        Recommender(users=1, items=1, rounds=0, minority=2.0, power=-1.0, prior=0.0, exploration=0.8, holdout=0.8)
    for said in ("users", "items", "rounds", "minority", "power", "prior"):
        assert f"{said} must" in str(raised.value)
    assert "together at most 1" in str(raised.value)
    with pytest.raises(InputError, match="correction must be one of none, rejection, propensity; got 'hope'"):
        Recommender(correction="hope")
