"""Evidence of windows: e-values by an independent derivation, and false alarms over all looks by simulation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from monitors.window_evidence import added_up, log_e_never, log_e_share_above, rings


@pytest.mark.parametrize(("events", "rows", "limit"), [(0, 10, 0.2), (5, 10, 0.2), (10, 10, 0.9), (3, 4, 0.01)])
def test_the_mixture_is_the_mean_likelihood_ratio_over_shares_above_the_limit(events, rows, limit):
    def ratio(share):
        return (share / limit) ** events * ((1 - share) / (1 - limit)) ** (rows - events)

    expected = quad(ratio, limit, 1)[0] / (1 - limit)
    assert np.exp(log_e_share_above(events, rows, limit=limit)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_its_expectation_is_1_at_the_limit_and_less_below(share):
    n = np.arange(31)
    values = np.exp(log_e_share_above(n, 30, limit=0.2))
    mean = float(binom.pmf(n, 30, share) @ values)
    assert mean == pytest.approx(1, rel=1e-9) if share == 0.2 else mean < 1


def test_what_a_window_cannot_say():
    assert log_e_share_above(0, 0, limit=0.1) == 0
    assert log_e_share_above(5, 5, limit=1.0) == 0
    assert log_e_share_above(1, 5, limit=0.0) == np.inf
    assert log_e_share_above(0, 5, limit=0.0) < 0
    assert np.isfinite(log_e_share_above(10**6, 10**6, limit=0.01))


def test_the_evidence_of_never_is_an_e_value():
    share, n = 0.1, 20
    mean = (1 - share) ** n * np.exp(log_e_never(n, share=share))
    assert mean == pytest.approx(1)
    assert log_e_never(0, share=1.0) == 0
    assert log_e_never(5, share=0.0) == 0
    assert log_e_never(5, share=1.0) == np.inf


def test_sums_never_fall_and_their_weights_sum_to_less_than_1():
    rng = np.random.default_rng(1)
    log_e = rng.normal(size=(50, 3))
    log_e[rng.random((50, 3)) < 0.2] = np.nan
    sums = added_up(log_e)
    assert (np.diff(sums, axis=0) >= 0).all()
    assert np.exp(added_up(np.zeros(1000)))[-1] == pytest.approx(1 - 1 / 1001)
    assert added_up(np.empty((0, 2))).shape == (0, 2)


def test_alarms_are_not_taken_back_and_start_where_they_first_rang():
    log_e = np.full((20, 3), -1.0)
    log_e[7, 1] = 20.0
    (ring,) = rings(log_e, alpha=0.05)
    assert (ring.hypothesis, ring.window) == (1, 7)
    assert ring.e_value >= ring.limit == 60
    for windows in range(8, 21):
        assert rings(log_e[:windows], alpha=0.05) == (ring,)
    assert rings(log_e[:7], alpha=0.05) == ()
    assert rings(np.empty((0, 3)), alpha=0.05) == ()
    assert rings(np.empty((5, 0)), alpha=0.05) == ()


def test_overwhelming_evidence_stays_finite():
    (ring,) = rings(np.array([[np.inf]]), alpha=0.05)
    assert np.isfinite(ring.e_value)


def test_false_alarms_over_26_looks_and_10_groups_stay_below_alpha():
    rng = np.random.default_rng(3)
    runs = 400
    rang = 0
    for _ in range(runs):
        events = rng.binomial(80, 0.1, size=(26, 10))
        rang += bool(rings(log_e_share_above(events, 80, limit=0.1), alpha=0.05))
    assert rang / runs <= 0.05


def test_a_share_that_doubles_is_found_within_two_windows():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(100):
        share = np.where(np.arange(20) < 10, 0.1, 0.25)
        events = rng.binomial(300, share[:, None], size=(20, 5))
        found += [ring.window for ring in rings(log_e_share_above(events, 300, limit=0.12), alpha=0.05)]
    assert len(found) >= 490
    assert min(found) >= 10
    assert np.mean(np.array(found) <= 11) > 0.9
