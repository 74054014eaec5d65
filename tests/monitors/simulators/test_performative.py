"""Performative prediction: where repeated training goes, and the slope that tells."""

import numpy as np
import pytest

from audit.errors import InputError
from monitors.simulators.performative import Performative, performative_runs, sensitivity_of


@pytest.mark.parametrize("sensitivity", [-0.5, 0.3, 0.6, 0.9])
def test_converges_below_one(sensitivity):
    world = Performative(sensitivity=sensitivity)
    found = performative_runs(world, runs=200, rounds=150, seed=1).parameters[:, -1]
    assert world.fixed_point == pytest.approx(2 / (1 - sensitivity))
    assert found.mean() == pytest.approx(world.fixed_point, abs=5 * found.std() / 200**0.5 + 1e-4)


@pytest.mark.parametrize("sensitivity", [1.0, 1.1])
def test_diverges_from_one_on(sensitivity):
    world = Performative(sensitivity=sensitivity)
    found = performative_runs(world, runs=50, rounds=100, seed=1).parameters
    assert world.fixed_point is None
    assert (found[:, -1] > 150).all()
    assert (np.diff(found.mean(axis=0)) > 1.5).all()


@pytest.mark.parametrize(("sensitivity", "published"), [(0.3, 0.301), (0.6, 0.599), (0.9, 0.900), (1.1, 1.100)])
def test_slope_recovers_the_sensitivity(sensitivity, published):
    """From a start far off; from the fixed point itself there is nothing to learn, and dither must help."""
    world = Performative(sensitivity=sensitivity, start=100.0)
    slopes = sensitivity_of(performative_runs(world, runs=200, rounds=25, seed=2))
    assert np.median(slopes) == pytest.approx(published, abs=0.002)


def test_dither_makes_the_slope_measurable_at_rest():
    rest = {"sensitivity": 0.6, "start": 0.0, "n": 1000, "base": 0.0}
    still = sensitivity_of(performative_runs(Performative(**rest), runs=300, rounds=25, seed=3))
    moved = sensitivity_of(performative_runs(Performative(dither=0.5, **rest), runs=300, rounds=25, seed=3))
    assert moved.mean() == pytest.approx(0.6, abs=0.005)
    assert moved.std() < 0.2 * still.std()
    assert still.mean() < 0.55  # short autoregressions are biased downward


def test_steps_by_hand():
    world = Performative(sensitivity=1.0, noise=0.0, start=0.0)
    assert performative_runs(world, runs=1, rounds=3).parameters.tolist() == [[2.0, 4.0, 6.0, 8.0]]


@pytest.mark.parametrize(("train_on", "slope"), [("all", 0.4), ("shown", 0.5), ("holdout", 0.0)])
def test_holdout_weakens_or_ends_the_loop(train_on, slope):
    world = Performative(sensitivity=0.5, holdout=0.2, train_on=train_on, noise=0.0, start=3.0)
    assert world.slope == slope
    found = performative_runs(world, runs=5, rounds=60, seed=4)
    assert found.parameters[:, -1] == pytest.approx(np.full(5, world.fixed_point))
    if slope:
        assert sensitivity_of(found) == pytest.approx(np.full(5, slope))
    assert found.holdout_means == pytest.approx(np.full((5, 60), 2.0))


def test_no_holdout_has_no_mean():
    assert np.isnan(performative_runs(Performative(), runs=2, rounds=2).holdout_means).all()


def test_slope_is_undefined_where_nothing_moves():
    world = Performative(sensitivity=0.0, noise=0.0, start=0.0)
    assert np.isnan(sensitivity_of(performative_runs(world, runs=1, rounds=5))).all()


def test_bad_settings_are_refused():
    with pytest.raises(InputError) as raised:
        Performative(sensitivity=float("inf"), noise=-1.0, n=1, holdout=1.5, train_on="some")
    for name in ("sensitivity must", "noise must", "n must", "holdout must", "train_on must"):
        assert name in str(raised.value)
    with pytest.raises(InputError, match="training on the hold-out needs one"):
        Performative(train_on="holdout")
    with pytest.raises(InputError, match="holdout must leave people"):
        Performative(holdout=1.0)
