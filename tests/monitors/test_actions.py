"""The watch over places: what it returns, what rings, what it refuses."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from audit.errors import InputError
from audit.result import Result
from monitors.actions import watch_actions
from monitors.rate_ratio import ratio_interval
from monitors.weekly_actions import WeeklyActions

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STEADY = [9, 11, 10, 10, 12, 8, 10, 10]


def starts(weeks):
    return [MONDAY + timedelta(weeks=week) for week in range(weeks)]


def place(current, baseline=STEADY, **exposures):
    return WeeklyActions(baseline=baseline, current=current, week_starts=starts(len(current)), **exposures)


def only(result):
    assert len(result.measurements) == 1
    return result.measurements[0]


def test_a_row_says_what_was_compared():
    row = only(watch_actions({"north": place([12, 9, 9])}))
    expected = ratio_interval(30, 80, current_exposure=3, baseline_exposure=8)
    assert (row.metric, row.at, row.slice) == ("action_ratio", (("place", "north"),), ())
    assert row.window == (MONDAY, MONDAY + timedelta(weeks=3))
    assert (row.value, row.n, row.level, row.method, row.reason) == (1.0, 30, 0.95, "beta_mixture", None)
    assert (row.low, row.high) == pytest.approx((float(expected.low), float(expected.high)))


def test_places_come_in_order_and_the_result_survives_json():
    result = watch_actions({"south": place([40, 45, 38]), "north": place([10])})
    assert [dict(row.at)["place"] for row in result.measurements] == ["north", "south"]
    assert [alarm.key for alarm in result.alarms] == [result.measurements[1].key()]
    assert Result.from_json(result.to_json()) == result
    assert watch_actions({"north": place([10]), "south": place([40, 45, 38])}).to_json() == result.to_json()


def test_settings_are_recorded_as_given_or_defaulted():
    provenance = watch_actions({"north": place([10])}, limit=100.0).provenance
    assert provenance.given == {"limit": 100.0}
    assert provenance.defaulted == {"tolerance": 1.25, "min_baseline_weeks": 8}
    assert provenance.data != watch_actions({"north": place([11])}, limit=100.0).provenance.data


def test_an_alarm_stays_raised_with_its_first_week():
    doubled_then_quiet = [22, 25, 24, 21] + [10] * 40
    early = watch_actions({"north": place(doubled_then_quiet[:4])})
    late = watch_actions({"north": place(doubled_then_quiet)})
    row = only(late)
    assert row.low < 1.25
    assert len(early.alarms) == len(late.alarms) == 1
    assert (late.alarms[0].since, late.alarms[0].e_value) == (early.alarms[0].since, early.alarms[0].e_value)
    assert MONDAY < late.alarms[0].since < MONDAY + timedelta(weeks=4)
    assert late.alarms[0].e_value >= late.alarms[0].limit == 20.0


def test_the_alarm_rings_in_the_first_week_whose_interval_leaves_the_tolerance():
    current = np.random.default_rng(8).poisson(20, 15).tolist()
    alarm = watch_actions({"north": place(current)}).alarms[0]
    rows = [only(watch_actions({"north": place(current[:weeks])})) for weeks in range(1, 16)]
    first = next(week for week, row in enumerate(rows) if row.low >= 1.25)
    assert alarm.since == MONDAY + timedelta(weeks=first)


def test_halving_rings_too_and_a_steady_place_does_not():
    result = watch_actions({"less": place([3, 2, 3, 2, 4, 3]), "same": place([10] * 60)})
    assert [alarm.key for alarm in result.alarms] == [result.measurements[0].key()]


def test_many_actions_do_not_ring_within_the_tolerance():
    many = {"north": place([110_000] * 26, baseline=[100_000] * 8)}
    assert watch_actions(many).alarms == ()
    exact = watch_actions(many, tolerance=1.0).alarms
    assert exact[0].since == MONDAY
    assert math.isfinite(exact[0].e_value)


def test_a_short_baseline_gives_the_ratio_without_an_interval():
    result = watch_actions({"north": place([50, 60], baseline=[10] * 7)})
    row = only(result)
    assert (row.value, row.low, row.high, row.level) == (5.5, None, None, None)
    assert row.reason == "7 baseline weeks; an interval needs the dispersion of at least 8"
    assert result.alarms == ()
    assert only(watch_actions({"north": place([50, 60], baseline=[10] * 7)}, min_baseline_weeks=7)).low > 1


def test_unsteady_baseline_weeks_widen_the_interval_and_say_so():
    uneven = [2, 20, 1, 18, 3, 19, 2, 15]
    steady, unsteady = (only(watch_actions({"north": place([20] * 8, baseline=weeks)})) for weeks in (STEADY, uneven))
    assert steady.value == unsteady.value == 2.0
    assert unsteady.low < 1.0
    assert steady.low > 1.25
    assert unsteady.reason == "counts divided by 7.54, the dispersion of the 8 baseline weeks"


def test_exposure_explains_a_doubling():
    twice_the_people = place([20] * 10, baseline_exposure=[1000] * 8, current_exposure=[2000] * 10)
    result = watch_actions({"north": twice_the_people})
    assert only(result).value == 1.0
    assert result.alarms == ()
    assert len(watch_actions({"north": place([20] * 10)}).alarms) == 1


def test_no_baseline_actions_is_undefined_and_may_still_ring():
    result = watch_actions({"north": place([9, 9], baseline=[0] * 20)})
    row = only(result)
    assert (row.value, row.high, row.n) == (None, None, 0)
    assert row.low > 1.25
    assert row.reason == "no actions in the 20 baseline weeks, the ratio has no upper bound"
    assert len(result.alarms) == 1


def test_no_actions_at_all_is_undefined():
    result = watch_actions({"north": place([0, 0], baseline=[0] * 8)})
    row = only(result)
    assert (row.value, row.low, row.high) == (None, None, None)
    assert row.reason == "no actions in the 8 baseline weeks, nor since: nothing to compare"
    assert result.alarms == ()


def test_no_actions_since_is_a_ratio_of_zero():
    row = only(watch_actions({"north": place([0, 0, 0])}))
    assert (row.value, row.low, row.n) == (0.0, 0.0, 0)
    assert 0 < row.high < 1


def test_numpy_counts_and_other_zones_are_fine():
    east = [start.astimezone(timezone(timedelta(hours=3))) for start in starts(2)]
    weeks = WeeklyActions(baseline=np.array(STEADY), current=np.array([10.0, 12.0]), week_starts=east)
    assert watch_actions({"n": weeks}).to_json() == watch_actions({"n": place([10, 12])}).to_json()


def test_one_error_lists_every_violation():
    broken = WeeklyActions(
        baseline=[10, -1, 2.5],
        current=[math.nan, 4],
        week_starts=[MONDAY, MONDAY],
        baseline_exposure=[1, 0, 1],
        current_exposure=[1],
    )
    with pytest.raises(InputError) as caught:
        watch_actions({"north": broken, "": place([])}, tolerance=0.5, limit=1.0, min_baseline_weeks=1)
    text = "\n".join(caught.value.violations)
    for part in (
        "tolerance must be at least 1; got 0.5",
        "limit must be above 1; got 1.0",
        "min_baseline_weeks must be at least 2; got 1",
        "place 'north', baseline: expected whole counts >= 0; week 2 is -1",
        "place 'north', baseline: expected whole counts >= 0; week 3 is 2.5",
        "place 'north', current: expected whole counts >= 0; week 1 is nan",
        "place 'north', week_starts: expected each start at least 7 days after the one before",
        "place 'north', baseline_exposure: expected exposures > 0; week 2 is 0",
        "place 'north', current_exposure: expected one exposure for each of the 2 weeks; got 1",
        "expected a name for every place",
        "place '', current: expected at least one week; got none",
    ):
        assert part in text
    assert len(caught.value.violations) == 11


@pytest.mark.parametrize(
    ("weeks", "message"),
    [
        (WeeklyActions(baseline=STEADY, current=[1], week_starts=[datetime(2026, 1, 5)]), "expected times with a zone"),
        (WeeklyActions(baseline=STEADY, current=[1, 2], week_starts=starts(2)[::-1]), "sort and merge them"),
        (
            WeeklyActions(baseline=STEADY, current=[1, 2], week_starts=starts(3)),
            "one start for each of the 2 weeks; got 3",
        ),
        (
            WeeklyActions(baseline=["9", "11"], current=[1], week_starts=starts(1)),
            "baseline: expected a list of numbers",
        ),
        (
            WeeklyActions(baseline=[[9], [1, 2]], current=[1], week_starts=starts(1)),
            "baseline: expected a list of numbers",
        ),
        (WeeklyActions(baseline=[9, None], current=[1], week_starts=starts(1)), "baseline: expected a list of numbers"),
        (WeeklyActions(baseline=STEADY, current=[math.inf], week_starts=starts(1)), "week 1 is inf"),
        (place([1], baseline_exposure=[1] * 8), "the exposure of both"),
        (place([1], baseline_exposure=[1] * 8, current_exposure=["a"]), "current_exposure: expected a list of numbers"),
    ],
)
def test_each_kind_of_bad_input_is_named(weeks, message):
    with pytest.raises(InputError, match=message):
        watch_actions({"north": weeks})


def test_no_places_is_an_error():
    with pytest.raises(InputError, match="expected at least one place; got none"):
        watch_actions({})


def test_among_thirty_unsteady_places_none_rings_though_eight_weeks_tell_little_of_each():
    """With the dispersion of each place alone 28 in 100 such logs rang; now at most 5 in 100 (here 1 in 20) may."""
    rang = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        counts = rng.negative_binomial(1, 1 / 6, (30, 34))  # mean 5, variance 30
        places = {f"{number:02}": place(each[8:], each[:8]) for number, each in enumerate(counts)}
        rang += bool(watch_actions(places).alarms)
    assert rang <= 1


def test_a_steady_place_among_unsteady_ones_says_whose_dispersion_it_is_divided_by():
    unsteady = {name: place([20], [5, 35] * 4) for name in ("a", "b")}
    rows = watch_actions({**unsteady, "c": place([20], [20] * 8)}).measurements
    assert "of the 8 baseline weeks" in rows[0].reason
    # chi-squares of 90, 90 and 0 on 21 degrees of freedom
    assert rows[2].reason == "counts divided by 8.57, the dispersion of all places together"
