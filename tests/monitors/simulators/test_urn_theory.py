"""Fixed points and gains of the two-place urn: published figures, numerical derivation, and the simulated urn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from audit.errors import InputError
from monitors.simulators.urn import OAKLAND_RATES, Urn, urn_runs
from monitors.simulators.urn_theory import (
    additions,
    drift,
    fixed_point,
    local_gain,
    mixed_weight_for_gain,
    polya_limit,
    urn_theory,
)

RATES = st.floats(0.1, 10)
MIXED = st.floats(0.02, 0.98)


@pytest.mark.parametrize(
    ("discovered", "root", "gain"),
    [(0.9, 0.7759, 0.715), (0.8, 0.6826, 0.614), (0.7, 0.6387, 0.508), (0.6, 0.6143, 0.410), (0.5, 0.5989, 0.322)],
)
def test_published_roots_and_gains(discovered, root, gain):
    found = urn_theory(additions(OAKLAND_RATES, discovered=discovered, reported=1 - discovered))
    assert round(found.fixed_point, 4) == root
    assert round(found.gain, 3) == gain
    assert found.amplification == pytest.approx(1 / (1 - found.gain))


@given(RATES, RATES, MIXED)
def test_fixed_point_is_where_the_drift_changes_sign(first, second, discovered):
    adds = additions((first, second), discovered=discovered, reported=1 - discovered)
    assert fixed_point(adds) == pytest.approx(brentq(drift, 0, 1, args=(adds,), xtol=1e-14), abs=1e-6)


@given(RATES, RATES, MIXED, st.floats(0.05, 0.95))
def test_gain_is_the_derivative_of_the_share_fed_back(first, second, discovered, share):
    adds = additions((first, second), discovered=discovered, reported=1 - discovered)

    def fed_back(p):
        given_a, given_b = p * adds.a + (1 - p) * adds.c, p * adds.b + (1 - p) * adds.d
        return given_a / (given_a + given_b)

    step = 1e-6
    slope = (fed_back(share + step) - fed_back(share - step)) / (2 * step)
    assert local_gain(share, adds) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@given(RATES, RATES, MIXED)
def test_names_of_the_places_do_not_matter(first, second, discovered):
    one = fixed_point(additions((first, second), discovered=discovered, reported=1 - discovered))
    two = fixed_point(additions((second, first), discovered=discovered, reported=1 - discovered))
    assert one + two == pytest.approx(1, abs=1e-6)


def test_discovered_alone_runs_away_where_rates_differ():
    up = urn_theory(additions((4.0, 2.0), discovered=1.0, reported=0.0))
    assert up.fixed_point == 1.0
    down = urn_theory(additions((2.0, 4.0), discovered=1.0, reported=0.0))
    assert down.fixed_point == 0.0


def test_discovered_alone_with_equal_rates_has_no_fixed_point():
    found = urn_theory(additions((3.0, 3.0), discovered=1.0, reported=0.0))
    assert found.fixed_point is None
    assert found.gain is None
    assert found.amplification is None
    assert polya_limit((609.0, 379.0), added=3.0) == (203.0, pytest.approx(126.333, abs=1e-3))


def test_reported_alone_has_no_gain():
    found = urn_theory(additions(OAKLAND_RATES, discovered=0.0, reported=1.0))
    assert found.fixed_point == pytest.approx(Urn().true_shares[0])
    assert found.gain == pytest.approx(0)


def test_amplification_is_what_a_lasting_push_does():
    """Two percent more reports of A move the log-odds of the share by nearly 1 / (1 - gain) times as much."""
    plain = additions(OAKLAND_RATES, discovered=0.5, reported=0.5)
    pushed = plain._replace(a=plain.a * 1.02, c=plain.c * 1.02)
    before, after = fixed_point(plain), fixed_point(pushed)
    moved = np.log(after / (1 - after)) - np.log(before / (1 - before))
    assert moved / np.log(1.02) == pytest.approx(urn_theory(plain).amplification, rel=0.02)


def test_simulated_urn_stays_at_its_fixed_point():
    rates = (1.0, 2.0)
    root = fixed_point(additions(rates, discovered=0.6, reported=0.4))
    urn = Urn(rates=rates, start=(100.0, 100.0), discovered=0.6, reported=0.4)
    assert urn_runs(urn, runs=100, draws=1000, seed=1).shares[:, 0].mean() == pytest.approx(root, abs=0.02)


@pytest.mark.parametrize("gain", [0.322, 0.508, 0.715])
def test_weight_for_a_gain_has_that_gain(gain):
    weight = mixed_weight_for_gain(OAKLAND_RATES, gain)
    adds = additions(OAKLAND_RATES, discovered=weight, reported=1 - weight)
    assert local_gain(fixed_point(adds), adds) == pytest.approx(gain, abs=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="rates must be positive"):
        additions((0.0, 1.0), discovered=1.0, reported=0.0)
    with pytest.raises(InputError, match="not both 0"):
        additions((1.0, 1.0), discovered=0.0, reported=0.0)
    with pytest.raises(InputError, match="gain must lie between 0 and 1"):
        mixed_weight_for_gain((1.0, 1.0), 1.5)
