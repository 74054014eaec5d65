"""Whether actions were shown to be alike, and how many weeks are lacking: the same numbers as the alarms themselves."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from monitors.action_plans import action_plans
from monitors.actions import watch_actions
from monitors.rate_ratio import log_e_outside, ratio_interval
from monitors.weekly_actions import WeeklyActions

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def place(current, baseline=(10,) * 26, **exposures):
    starts = [MONDAY + timedelta(weeks=week) for week in range(len(current))]
    return WeeklyActions(baseline=list(baseline), current=list(current), week_starts=starts, **exposures)


def plans(places, **settings):
    """Return the factor and the weeks needed of each place."""
    found = action_plans(places, **({"tolerance": 1.25, "limit": 20.0} | settings))
    names = sorted(places)
    assert [dict(row.at)["place"] for row in found] == [name for name in names for _ in range(2)]
    assert [row.metric for row in found] == ["action_equivalence_factor", "weeks_needed"] * len(names)
    return {name: (found[2 * number], found[2 * number + 1]) for number, name in enumerate(names)}


@pytest.mark.parametrize(("ratio", "weeks"), [(2, 2), (0.5, 6)])
def test_as_many_weeks_as_the_alarm_takes_at_expected_counts(ratio, weeks):
    since = [round(10 * ratio)] * 40
    (alarm,) = watch_actions({"n": place(since)}).alarms
    rang_after = (alarm.since - MONDAY).days // 7 + 1
    alike, needed = plans({"n": place([10])})["n"]
    word = "doubling would be found after" if ratio > 1 else "halving after"
    assert f"a {word} {rang_after - 1} more week" in needed.reason
    assert needed.value == 9.0  # the halving, after ten weeks
    assert alike.value > 2


def test_half_of_the_doublings_are_found_by_then():
    """The number is that of expected counts; the median of simulated counts agrees to a week."""
    _, needed = plans({"n": place([10], [10] * 12)})["n"]
    rng = np.random.default_rng(0)
    baseline, current = rng.poisson(10, (2000, 12)).sum(axis=1), rng.poisson(5, (2000, 200)).cumsum(axis=1)
    log_e = log_e_outside(current, baseline[:, None], current_exposure=np.arange(1, 201), baseline_exposure=12)
    rings = log_e >= np.log(20)
    week = np.where(rings.any(axis=1), rings.argmax(axis=1) + 1, 200)
    assert needed.value + 1 == pytest.approx(np.median(week), rel=0.25)


def test_a_place_among_others_needs_more_weeks_and_its_equivalence_none():
    alone = plans({"n": place([10] * 3)})["n"]
    among = plans({name: place([10] * 3) for name in "abcdefghi"} | {"n": place([10] * 3)})["n"]
    assert among[1].value > alone[1].value
    assert among[0] == alone[0]


def test_more_weeks_lower_what_is_lacking_until_nothing_is():
    lacking = [plans({"n": place([10] * weeks)})["n"][1].value for weeks in (1, 4, 8, 12)]
    assert lacking == [9.0, 6.0, 2.0, 0.0]
    assert "a doubling would be found by now, a halving by now" in plans({"n": place([10] * 12)})["n"][1].reason


def test_the_weeks_to_equivalence_are_those_after_which_it_is_shown():
    alike, _ = plans({"n": place([4] * 3, [4] * 30)})["n"]
    more = int(alike.reason.split("after ")[1].split()[0])
    assert alike.value > 2
    before, after = (plans({"n": place([4] * (3 + weeks), [4] * 30)})["n"][0] for weeks in (more - 1, more))
    assert before.value >= 2 > after.value
    assert after.reason.startswith("shown to be alike within a factor of 2; for one look that was planned 1.")


def test_the_factor_is_the_farther_end_of_the_interval_for_all_looks():
    alike, _ = plans({"n": place([13] * 10)})["n"]
    found = ratio_interval(130, 260, current_exposure=10, baseline_exposure=26)
    assert alike.value == pytest.approx(max(float(found.high), 1 / float(found.low)))
    fewer, _ = plans({"n": place([7] * 10)})["n"]
    found = ratio_interval(70, 260, current_exposure=10, baseline_exposure=26)
    assert fewer.value == pytest.approx(1 / float(found.low))


def test_a_doubling_is_hardly_ever_called_alike_at_any_of_many_looks():
    """Two one-sided tests at every look: the chance of one of 26 to be wrong stays below .05."""
    rng, wrong, runs = np.random.default_rng(1), 0, 1500
    baseline, current = rng.poisson(20, (runs, 26)).sum(axis=1), rng.poisson(40, (runs, 26)).cumsum(axis=1)
    found = ratio_interval(current, baseline[:, None], current_exposure=np.arange(1, 27), baseline_exposure=26)
    wrong = ((found.low > 0.5) & (found.high < 2)).any(axis=1).sum()
    assert wrong <= stats.binom.ppf(0.99, runs, 0.05)


def test_dispersion_asks_for_more_weeks_and_exposure_is_allowed_for():
    uneven = [2, 20, 1, 18, 3, 19, 2, 15, 10, 10] * 3
    assert plans({"n": place([10] * 5, uneven)})["n"][0].value > plans({"n": place([10] * 5)})["n"][0].value
    twice = place([20] * 5, baseline_exposure=[1.0] * 26, current_exposure=[2.0] * 5)
    assert plans({"n": twice})["n"][0].value < plans({"n": place([20] * 5)})["n"][0].value


@pytest.mark.parametrize(
    ("weeks", "reason"),
    [
        (place([3, 3], [0] * 9), "no actions in the 9 baseline weeks: nothing to compare"),
        (place([3, 3], [9] * 5), "5 baseline weeks; the dispersion of at least 8 is needed"),
    ],
)
def test_without_a_baseline_there_is_no_plan(weeks, reason):
    rows = plans({"n": weeks, "other": place([10] * 4)})["n"]
    assert [(row.value, row.reason) for row in rows] == [(None, reason)] * 2


def test_what_is_never_shown_says_so():
    alike, needed = plans({"n": place([1] * 4, [1] * 8)})["n"]
    assert needed.value is None
    assert "a halving would not be found in ten years: 8 actions in the weeks before are too few" in needed.reason
    assert "nor would it be in ten years" in alike.reason
    doubled, _ = plans({"n": place([21] * 30)})["n"]
    assert doubled.value > 2
    assert "nor would it be" in doubled.reason
    nothing, _ = plans({"n": place([0] * 9)})["n"]
    assert nothing.value is None
    assert "no actions since: a fall has no bound" in nothing.reason
