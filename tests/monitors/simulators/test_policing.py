"""The world of places and weeks: its gain is what it says, also under cycles and overdispersion; its log is whole."""

import numpy as np
import pytest
import statsmodels.api as sm

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.feedback.decisions import decision_facts
from monitors.simulators.policing import PolicingWorld, log_of, policing_log, policing_run

WORLDS = 20
HARD = {"cycle": 0.3, "overdispersion": 2.0}


PUBLISHED = [
    pytest.param({}, 0.986, id="discovered"),
    pytest.param({"reported": 0.5}, 0.489, id="half_reported"),
    pytest.param({"reported": 1.0}, 0.0, id="reported_only"),
    pytest.param({"correction": True}, 0.010, id="corrected"),
]


def dithered_gain(run):
    """Poisson regression of what is fed back on the plan and the dither; the dither is random given the past."""
    columns = np.column_stack([np.ones(run.dither.size), np.log(run.planned).ravel(), run.dither.ravel()])
    return sm.GLM(run.fed_back.ravel(), columns, family=sm.families.Poisson()).fit().params[2]


def undithered_gain(run):
    """What a team without dither would fit: places' effects and the logarithm of the allocation."""
    periods, places = run.fed_back.shape
    columns = np.column_stack([np.tile(np.eye(places), (periods, 1)), np.log(run.allocated).ravel()])
    return sm.GLM(run.fed_back.ravel(), columns, family=sm.families.Poisson()).fit().params[-1]


def gains(estimator, worlds=WORLDS, **settings):
    world = PolicingWorld(**settings)
    return world.gain, np.array([estimator(policing_run(world, seed=seed)) for seed in range(worlds)])


@pytest.mark.parametrize("hard", [{}, HARD], ids=["plain", "cycle_and_overdispersion"])
@pytest.mark.parametrize(("settings", "published"), PUBLISHED)
def test_dithered_regression_finds_the_gain(settings, published, hard):
    check_gain(settings, published, hard, WORLDS)


@pytest.mark.slow
@pytest.mark.parametrize("hard", [{}, HARD], ids=["plain", "cycle_and_overdispersion"])
@pytest.mark.parametrize(("settings", "published"), PUBLISHED)
def test_dithered_regression_finds_the_gain_of_200_worlds(settings, published, hard):
    check_gain(settings, published, hard, 200)


def check_gain(settings, published, hard, worlds):
    truth, found = gains(dithered_gain, worlds, **settings, **hard)
    error = found.std(ddof=1) / worlds**0.5
    assert abs(found.mean() - truth) < 4 * error
    # The published worlds had fewer incidents: a standard deviation of .16 over worlds.
    assert abs(found.mean() - published) < 0.03 + 3 * error


def test_regression_without_dither_is_wrong_whatever_the_truth():
    corrected, wrong = gains(undithered_gain, worlds=5, correction=True, dither=0.0)
    assert corrected == 0.0
    assert wrong.mean() < -0.4
    truth, wrong = gains(undithered_gain, worlds=5, dither=0.0)
    assert truth == 1.0
    assert wrong.mean() < 0.5


def test_days_have_a_weekly_cycle():
    world = PolicingWorld(weeks=200, per_week=7, cycle=1.0, units=7000.0)
    run = policing_run(world, seed=1)
    by_day = run.reported.reshape(200, 7, world.places).mean(axis=0)
    assert (by_day.max(axis=0) / by_day.min(axis=0) > 4).all()
    assert len({row["timestamp"].weekday() for row in policing_log(seed=1, weeks=1, per_week=7).to_pylist()}) == 7


@pytest.mark.parametrize("dispersion", [1.0, 3.0])
def test_counts_are_as_overdispersed_as_asked(dispersion):
    world = PolicingWorld(places=2, weeks=5_000, spread=0.0, overdispersion=dispersion)
    reported = policing_run(world, seed=2).reported
    assert reported.mean() == pytest.approx(50, rel=0.01)
    assert reported.var() / reported.mean() == pytest.approx(dispersion, rel=0.06)


@pytest.mark.parametrize("settings", [{}, {"reported": 0.3}, {"reported": 0.3, "correction": True}])
def test_the_log_holds_what_was_fed_back(settings):
    world = PolicingWorld(**settings)
    run = policing_run(world, seed=3)
    table = log_of(world, run)
    assert table.equals(policing_log(seed=3, **settings))
    rows = table.to_pandas()
    fed_back = (rows.training_weight * rows.outcome).groupby([rows["round"], rows.place]).sum()
    assert fed_back.to_numpy() == pytest.approx(run.fed_back.ravel())
    assert rows.allocation.to_numpy() == pytest.approx((rows.propensity * np.exp(rows.dither)).to_numpy())
    once = rows[rows.outcome_source == "discovered"]
    assert once.groupby("round").exposure.sum().to_numpy() == pytest.approx(np.full(26, 100.0))


def test_the_log_is_a_clean_decision_log():
    log = PredictionLog.from_frame(
        policing_log(seed=1, reported=0.5),
        task="watch",
        **{
            role: role
            for role in (
                "place", "timestamp", "round", "propensity", "dither", "exposure", "outcome", "outcome_source",
                "training_weight",
            )
        },
    )  # fmt: skip
    assert dict(decision_facts(log).faults) == {}


def test_sources_without_weight_have_no_rows():
    assert set(policing_log(seed=1)["outcome_source"].to_pylist()) == {"discovered"}
    assert set(policing_log(seed=1, reported=1.0)["outcome_source"].to_pylist()) == {"reported"}


def test_the_dither_is_drawn_anew_in_every_period():
    run = policing_run(PolicingWorld(weeks=2000, places=5), seed=4)
    shifts = run.dither - run.dither.mean(axis=0)
    assert np.corrcoef(shifts[1:].ravel(), shifts[:-1].ravel())[0, 1] == pytest.approx(0, abs=0.03)
    assert np.corrcoef(shifts.ravel(), np.log(run.planned).ravel())[0, 1] == pytest.approx(0, abs=0.03)


def test_same_seed_same_log_other_seed_another():
    assert policing_log(seed=5).equals(policing_log(seed=5))
    assert not policing_log(seed=5).equals(policing_log(seed=6))


def test_all_bad_settings_are_named_at_once():
    with pytest.raises(InputError) as raised:
        policing_log(seed=1, places=1, weeks=0, units=float("nan"), dither=-1.0, reported=2.0, overdispersion=0.5)
    for name in ("places", "weeks", "units", "dither", "reported", "overdispersion"):
        assert f"{name} must" in str(raised.value)
