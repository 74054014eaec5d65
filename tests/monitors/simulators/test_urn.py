"""The urn against its published figures, and against laws that hold exactly."""

import numpy as np
import pytest
from scipy import stats

from audit.errors import InputError
from monitors.simulators.urn import OAKLAND_RATES, Urn, urn_runs


def shares_of(urn, runs=1000, draws=1000, seed=1):
    return urn_runs(urn, runs=runs, draws=draws, seed=seed).shares[:, 0]


def test_discovered_incidents_alone_run_away():
    shares = shares_of(Urn())  # as published: 1000 runs of 1000 draws
    assert shares.mean() == pytest.approx(0.933, abs=0.008)
    assert shares.std() == pytest.approx(0.056, abs=0.006)
    assert (shares > 0.95).mean() == pytest.approx(0.465, abs=0.06)


def test_rejection_brings_back_the_true_share():
    shares = shares_of(Urn(correction="rejection"))
    assert shares.mean() == pytest.approx(0.570, abs=0.007)
    assert shares.std() == pytest.approx(0.050, abs=0.006)
    assert (shares > 0.95).sum() == 0


MIXED = [(0.9, 0.760, 0.568), (0.8, 0.682, 0.567), (0.7, 0.637, 0.566), (0.6, 0.613, 0.567), (0.5, 0.599, 0.567)]


def check_mixed(discovered, published, corrected, runs):
    """Four standard errors, of the simulation and of the published one."""
    plain = shares_of(Urn(discovered=discovered, reported=1 - discovered), runs=runs)
    both = shares_of(Urn(discovered=discovered, reported=1 - discovered, correction="rejection"), runs=runs)
    for shares, expected in ((plain, published), (both, corrected)):
        assert shares.mean() == pytest.approx(expected, abs=0.0005 + 4 * shares.std() * (1 / runs + 1 / 1000) ** 0.5)


@pytest.mark.parametrize(("discovered", "published", "corrected"), MIXED)
def test_mixed_sources(discovered, published, corrected):
    check_mixed(discovered, published, corrected, runs=100)


@pytest.mark.slow
@pytest.mark.parametrize(("discovered", "published", "corrected"), MIXED)
def test_mixed_sources_as_often_as_published(discovered, published, corrected):
    check_mixed(discovered, published, corrected, runs=1000)


@pytest.mark.slow
def test_one_of_each_weight():
    shares = shares_of(Urn(discovered=1.0, reported=1.0))
    assert shares.mean() == pytest.approx(0.598, abs=0.004)
    assert shares.std() == pytest.approx(0.024, abs=0.003)


@pytest.mark.parametrize(("start", "added"), [((1.0, 1.0), 1.0), ((4.0, 2.0), 2.0), ((1.0, 3.0), 1.0)])
def test_equal_rates_end_at_a_beta_distribution(start, added):
    urn = Urn(rates=(added, added), start=start, decay=0.0, counts="fixed")
    shares = shares_of(urn, runs=500, draws=1000)
    limit = stats.beta(start[0] / added, start[1] / added)
    assert stats.kstest(shares, limit.cdf).pvalue > 0.01
    other = stats.beta(3 * start[0] / added, 3 * start[1] / added)
    assert stats.kstest(shares, other.cdf).pvalue < 1e-4


def test_unequal_rates_go_to_one():
    urn = Urn(rates=(4.0, 1.0), start=(1.0, 1.0), decay=0.0, counts="fixed")
    path = urn_runs(urn, runs=100, draws=2000, seed=2).path[:, 0]
    assert path[0] == 0.5
    assert path[2000] > path[200] > path[20] > 0.5
    assert path[2000] > 0.97


@pytest.mark.parametrize("correction", ["rejection", "propensity"])
def test_corrections_find_the_shares_of_three_places(correction):
    urn = Urn(rates=(6.0, 3.0, 1.0), start=(50.0, 50.0, 200.0), correction=correction, exploration=0.1)
    # The floor of one incident, and a place that is seldom visited, hold the smallest a little up.
    assert urn_runs(urn, runs=100, draws=2000, seed=3).shares.mean(axis=0) == pytest.approx([0.6, 0.3, 0.1], abs=0.02)


def test_holdout_measures_the_shares_that_the_urn_has_lost():
    found = urn_runs(Urn(holdout=0.1), runs=200, draws=1000, seed=4)
    assert found.holdout_shares[0] == pytest.approx(Urn().true_shares[0], abs=0.015)
    assert found.shares[:, 0].mean() > 0.9
    assert found.holdout_visits.sum() / 200_000 == pytest.approx(0.1, abs=0.005)


def test_no_holdout_measures_nothing():
    assert np.isnan(urn_runs(Urn(), runs=2, draws=2).holdout_shares).all()


def test_exploration_holds_the_urn_back():
    assert shares_of(Urn(exploration=0.2), runs=100).mean() < shares_of(Urn(), runs=100).mean() - 0.1


def test_reported_incidents_alone_make_no_loop():
    far = Urn(discovered=0.0, reported=1.0, start=(10.0, 900.0))
    assert shares_of(far, runs=100).mean() == pytest.approx(Urn().true_shares[0], abs=0.008)


def test_shares_add_up_and_seeds_repeat():
    one, two = (urn_runs(Urn(), runs=20, draws=50, seed=7) for _ in range(2))
    assert np.array_equal(one.shares, two.shares)
    assert one.shares.sum(axis=1) == pytest.approx(np.ones(20))
    assert one.path.shape == (51, 2)


def test_all_bad_settings_are_named_at_once():
    with pytest.raises(InputError) as raised:
        Urn(rates=(1.0,), start=(1.0, -2.0), discovered=2.0, decay=-0.1, correction="magic", counts="fixed")
    for name in ("same two or more places", "start must", "discovered must", "decay must", "correction must"):
        assert name in str(raised.value)


def test_fixed_counts_forget_nothing():
    with pytest.raises(InputError, match="fixed counts go with decay=0"):
        Urn(counts="fixed")


def test_no_runs_is_refused():
    with pytest.raises(InputError, match="runs must be a number of at least 1; got 0"):
        urn_runs(Urn(rates=OAKLAND_RATES), runs=0)
