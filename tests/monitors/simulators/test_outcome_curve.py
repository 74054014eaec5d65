"""The outcome curve: its published points, and its meaning for the policies."""

import numpy as np
import pytest

from monitors.simulators.credit import Terms, credit_policy
from monitors.simulators.fico import example_tables, read_fico
from monitors.simulators.outcome_curve import outcome_curve


@pytest.fixture(scope="module")
def tables(data_folder):
    return read_fico(data_folder / "fico")


def test_published_points(tables):
    curve = outcome_curve(tables, "Black")
    assert round(curve.best_change, 3) == 9.484
    assert round(curve.best_rate, 3) == 0.238
    assert round(curve.best_threshold) == 610
    assert round(float(curve.changes[-1]), 1) == -55.0
    first_harmed = int(np.flatnonzero((curve.changes < 0) & (curve.rates > curve.best_rate))[0])
    assert round(float(curve.rates[first_harmed]), 3) == 0.432
    assert round(float(curve.thresholds[first_harmed])) == 527
    assert curve.harm_rate == pytest.approx(0.432, abs=0.001)


def test_curve_passes_through_the_policies(tables):
    curve = outcome_curve(tables, "Black")
    for aim in ("max_profit", "demographic_parity", "equal_opportunity"):
        found = credit_policy(tables, ("Black", "White"), aim).groups["Black"]
        assert np.interp(found.selection_rate, curve.rates, curve.changes) == pytest.approx(found.score_change)
    parity = credit_policy(tables, ("Black", "White"), "demographic_parity").groups["Black"]
    assert parity.selection_rate > curve.harm_rate
    assert parity.score_change < 0


def test_harm_rate_is_a_root(tables):
    for name in tables.groups:
        curve = outcome_curve(tables, name)
        if curve.harm_rate is not None:
            assert np.interp(curve.harm_rate, curve.rates, curve.changes) == pytest.approx(0, abs=1e-9)


def test_no_harm_where_default_costs_no_points():
    curve = outcome_curve(example_tables(), "A", terms=Terms(defaulted=0.0))
    assert curve.harm_rate is None
    assert curve.best_rate == pytest.approx(1.0)


def test_harm_from_the_first_loan_where_repaying_earns_none():
    curve = outcome_curve(example_tables(), "A", terms=Terms(repaid=0.0))
    assert curve.best_rate == 0.0
    assert curve.best_threshold == float("inf")
    assert curve.harm_rate == pytest.approx(0.0, abs=1e-12)
