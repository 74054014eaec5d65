"""The hidden loop: published figures, and that its mark is seen by the hold-out alone."""

import numpy as np
import pytest

from audit.errors import InputError
from monitors.simulators.hidden_loop import HiddenLoop, hidden_loop_runs

PUBLISHED = {0.0: 0.596, 0.1: 0.621, 0.3: 0.677, 0.5: 0.751, 0.7: 0.839, 0.9: 0.941, 1.0: 1.000}
SEEDS = 20
"""Of the published means."""


def check_published(usage, runs):
    found = hidden_loop_runs(HiddenLoop(usage=usage), runs=runs, seed=1)
    last = found.r2_closed[:, -1]
    error = last.std(ddof=1) * (1 / runs + 1 / SEEDS) ** 0.5
    assert last.mean() == pytest.approx(PUBLISHED[usage], abs=max(2 * error, 0.0005))
    assert found.r2_closed[:, 0].mean() == pytest.approx(0.574, abs=2 * 0.12 / SEEDS**0.5)
    # The published hold-out, .64 to .66, is one draw of the data: within two standard deviations of ours.
    untouched = found.r2_holdout[:, -1]
    assert untouched.mean() == pytest.approx(0.65, abs=2 * untouched.std(ddof=1))


@pytest.mark.parametrize("usage", PUBLISHED)
def test_published_closed_data(usage):
    check_published(usage, runs=40)


@pytest.mark.slow
@pytest.mark.parametrize("usage", PUBLISHED)
def test_published_closed_data_of_500_runs(usage):
    check_published(usage, runs=500)


def test_errors_vanish_where_all_follow():
    found = hidden_loop_runs(HiddenLoop(usage=1.0), runs=100, seed=2).mae_closed.mean(axis=0)
    assert found[0] == pytest.approx(2.60, abs=0.1)
    assert found[-1] == pytest.approx(0.064, abs=0.02)


def test_holdout_sees_no_change_whatever_the_usage():
    worlds = [hidden_loop_runs(HiddenLoop(usage=usage, holdout=600), runs=60, seed=3) for usage in (0.0, 0.5, 1.0)]
    ends = [found.r2_holdout[:, -1].mean() for found in worlds]
    starts = [found.r2_holdout[:, 0].mean() for found in worlds]
    assert np.ptp(ends) < 0.025
    assert np.abs(np.subtract(ends, starts)).max() < 0.025


def test_gap_rises_only_in_a_loop():
    loop = hidden_loop_runs(HiddenLoop(), runs=60, seed=4).self_agreement_gap.mean(axis=0)
    quiet = hidden_loop_runs(HiddenLoop(usage=0.0), runs=60, seed=4).self_agreement_gap.mean(axis=0)
    assert loop[-1] - loop[0] > 0.15
    assert abs(quiet[-1] - quiet[0]) < 0.06


def test_a_prediction_that_nobody_is_shown_makes_no_loop():
    explored = hidden_loop_runs(HiddenLoop(exploration=1.0), runs=5, seed=5)
    unused = hidden_loop_runs(HiddenLoop(usage=0.0), runs=5, seed=5)
    assert np.array_equal(explored.r2_closed, unused.r2_closed)


def test_training_on_unexposed_rows_keeps_the_gap_shut():
    world = HiddenLoop(rows=2700, holdout=300, step=100, train_on="unexposed")
    gap = hidden_loop_runs(world, runs=20, seed=6).self_agreement_gap[:, -1]
    assert gap.mean() == pytest.approx(0, abs=4 * gap.std(ddof=1) / 20**0.5 + 0.02)


def test_seeds_repeat():
    one, two = (hidden_loop_runs(HiddenLoop(), runs=2, seed=7) for _ in range(2))
    assert np.array_equal(one.r2_closed, two.r2_closed)


def test_all_bad_settings_are_named_at_once():
    with pytest.raises(InputError) as raised:
        HiddenLoop(usage=1.1, adherence=-1.0, window=0.0, step=0, holdout=1, train_on="luck")
    for name in ("usage must", "adherence must", "window must", "step must", "holdout must", "train_on must"):
        assert name in str(raised.value)
