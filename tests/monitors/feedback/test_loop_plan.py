"""Planned precision is what simulated experiments reach; planned sizes give the power and the share asked for."""

import numpy as np
import pytest
from scipy.stats import t as student

from audit.errors import InputError
from monitors.feedback.gain import loop_gain
from monitors.feedback.loop_plan import (
    GainPlan,
    audit_share,
    effective_share,
    exploration_for,
    holdout_rows,
)


@pytest.mark.parametrize(("weeks", "published"), [(26, 0.160), (52, 0.116)])
def test_the_half_width_is_the_published_one(weeks: int, published: float) -> None:
    plan = GainPlan(places=20, weekly_count=5.0)
    assert plan.half_width(dither=0.3, weeks=weeks) == pytest.approx(published, rel=0.1)


@pytest.mark.parametrize(
    ("places", "weeks", "dither", "mean", "dispersion"),
    [(20, 26, 0.3, 5.0, 1.0), (40, 13, 0.2, 20.0, 1.0), (12, 40, 0.5, 3.0, 3.0)],
)
def test_experiments_reach_what_was_planned(
    places: int, weeks: int, dither: float, mean: float, dispersion: float
) -> None:
    plan = GainPlan(places=places, weekly_count=mean, dispersion=dispersion)
    widths, estimates = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shift = dither * rng.standard_normal((places, weeks))
        expected = mean * np.exp(0.5 * shift)
        if dispersion > 1:
            expected = rng.gamma(expected / (dispersion - 1), dispersion - 1)
        found = loop_gain(rng.poisson(expected).astype(float), shift)
        estimates.append(found.estimate)
        widths.append(student.ppf(0.975, places - 1) * found.standard_error)
    assert plan.half_width(dither=dither, weeks=weeks) == pytest.approx(np.mean(widths), rel=0.15)
    assert plan.standard_error(dither=dither, weeks=weeks) == pytest.approx(np.std(estimates), rel=0.35)
    assert plan.standard_error(dither=dither, weeks=weeks) > 0.85 * np.std(estimates)


def test_inverses_are_inverses() -> None:
    plan = GainPlan(places=20, weekly_count=5.0, dispersion=2.0)
    weeks = plan.weeks_for(0.15, dither=0.3)
    assert plan.half_width(dither=0.3, weeks=weeks) <= 0.15 < plan.half_width(dither=0.3, weeks=weeks - 1)
    dither = plan.dither_for(0.15, weeks=weeks)
    assert plan.half_width(dither=dither, weeks=weeks) == pytest.approx(0.15)
    assert plan.dither_for(0.15, weeks=0.5) is None


@pytest.mark.parametrize("closed", [400, 100_000])
def test_the_hold_out_has_the_power_asked_for(closed: int) -> None:
    held = holdout_rows(0.1, closed_rows=closed)
    rng = np.random.default_rng(1)
    looks, true = rng.binomial(closed, 0.55, 20_000) / closed, rng.binomial(held, 0.45, 20_000) / held
    error = np.sqrt(looks * (1 - looks) / closed + true * (1 - true) / held)
    assert np.mean((looks - true) / error > 1.96) == pytest.approx(0.8, abs=0.015)
    assert holdout_rows(0.1, closed_rows=196) is None


def test_the_effective_share_is_that_of_drawn_weights() -> None:
    rng = np.random.default_rng(2)
    n, actions, exploration, disagreement = 400_000, 5, 0.2, 0.3
    logging = np.zeros(n, int)
    target = np.where(rng.random(n) < disagreement, 1, 0)
    action = np.where(rng.random(n) < exploration, rng.integers(0, actions, n), logging)
    propensity = np.where(action == logging, 1 - exploration + exploration / actions, exploration / actions)
    weights = (action == target) / propensity
    drawn = weights.sum() ** 2 / (weights**2).sum() / n
    assert effective_share(exploration, actions=actions, disagreement=disagreement) == pytest.approx(drawn, rel=0.02)


@pytest.mark.parametrize(("actions", "disagreement"), [(2, 0.1), (10, 0.3), (50, 0.9)])
def test_exploration_is_the_smallest_that_suffices(actions: int, disagreement: float) -> None:
    grid = np.linspace(0.001, 1, 2000)
    shares = [effective_share(each, actions=actions, disagreement=disagreement) for each in grid]
    for wanted in (0.3 * max(shares), 0.9 * max(shares)):
        found = exploration_for(wanted, actions=actions, disagreement=disagreement)
        assert found == pytest.approx(grid[np.argmax(np.array(shares) >= wanted)], abs=0.001)
    assert exploration_for(min(1.0, 1.01 * max(shares)), actions=actions, disagreement=disagreement) is None
    assert exploration_for(0.5, actions=actions, disagreement=0.0) == 0.0


def test_an_audit_brings_coverage_to_its_target() -> None:
    assert 0.3 + (1 - 0.3) * audit_share(0.3, target=0.75) == pytest.approx(0.75)
    assert audit_share(1.0, target=1.0) == 0.0


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        GainPlan(places=5, weekly_count=0.0, dispersion=-1.0, level=1.0)
    for said in ("places must be at least 6", "weekly_count must be", "dispersion must be", "level must lie"):
        assert said in str(caught.value)
    plan = GainPlan(places=6, weekly_count=1.0)
    with pytest.raises(InputError, match="dither must be positive; got 0"):
        plan.half_width(dither=0, weeks=4)
    with pytest.raises(InputError, match="actions must be at least 2; got 1"):
        effective_share(0.5, actions=1, disagreement=0.5)
    with pytest.raises(InputError, match=r"gap must be positive; got -0\.1"):
        holdout_rows(-0.1)
    with pytest.raises(InputError, match=r"target must lie in \[0, 1\]; got 1.5"):
        audit_share(0.5, target=1.5)
