"""Until when an alarm rings: the last whole, settled window whose own interval shows the change."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Alarm, Result
from monitors.alarms.ringing import ringing
from monitors.performance.settings import UNSETTLED

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
REFERENCE = {"kind": "reference", "digest": "d"}
AGE = (("feature", "age"),)


def window(number):
    return MONDAY + timedelta(weeks=number), MONDAY + timedelta(weeks=number + 1)


def row(metric, number, value, low=None, high=None, **more):
    level = None if low is None and high is None else 0.95
    return Measurement(
        metric=metric, window=window(number), value=value, low=low, high=high, n=400, level=level, method="x", **more
    )


def last(rows, *, over=3, given=None):
    """Return the week of the last window that shows the first row's alarm."""
    alarm = Alarm(key=rows[0].key(), e_value=90.0, limit=80.0, since=rows[0].window[0])
    told = {"windows": {"over_until": f"{MONDAY + timedelta(weeks=over):%Y-%m-%dT%H:%M:%SZ}"}, **(given or {})}
    ((_, found),) = ringing(Result(measurements=rows, alarms=[alarm], provenance=Provenance(given=told)))
    return (found.latest - MONDAY).days // 7, found


@pytest.mark.parametrize(("low", "effect", "week"), [(0.06, 0.05, 2), (0.04, 0.05, 0), (0.04, 0.03, 2), (0.06, 0.1, 0)])
def test_drift_is_shown_by_a_lower_bound_above_the_practical_limit(low, effect, week):
    rows = [row("drift_e_value", 0, 90.0, at=AGE, against=REFERENCE)]
    rows += [
        row("kolmogorov_smirnov_statistic", k, 0.2, at=AGE, against=REFERENCE, low=low, high=0.3) for k in range(3)
    ]
    assert last(rows, given={"effect": effect})[0] == week


@pytest.mark.parametrize(
    ("high", "reason", "week"), [(-0.06, None, 2), (-0.04, None, 0), (-0.06, f"{UNSETTLED}; few labels", 0)]
)
@pytest.mark.parametrize("ending", ["e_value", "e_detector"])
def test_a_metric_is_shown_by_its_settled_difference_beyond_the_tolerance(ending, high, reason, week):
    rows = [row(f"accuracy_{ending}", 0, 90.0, against=REFERENCE)]
    rows += [row("accuracy", k, 0.5, low=0.45, high=0.55) for k in range(3)]
    rows += [
        row("accuracy_difference", k, -0.1, low=-0.2, high=high, against=REFERENCE, reason=reason) for k in range(3)
    ]
    found = last(rows)
    assert found[0] == week
    assert found[1].before == pytest.approx(0.6)


@pytest.mark.parametrize(("low", "high", "week"), [(1.3, 2.0, 2), (1.2, 2.0, 0), (0.5, 0.7, 2), (0.5, 0.9, 0)])
def test_traffic_is_shown_by_a_ratio_beyond_what_is_tolerated(low, high, week):
    assert last([row("traffic_ratio", k, (low + high) / 2, low=low, high=high) for k in range(3)])[0] == week


def test_a_unit_is_shown_by_every_window_that_has_another():
    assert last([row("unit_factor", k, 2.2, at=AGE) for k in (0, 2)])[0] == 2


def test_a_window_that_is_not_over_and_other_groups_and_features_say_nothing():
    rows = [row("missing_share", k, 0.3, low=0.2, high=0.4, at=AGE) for k in range(3)]
    assert last(rows, over=2)[0] == 1
    other = row("missing_share", 2, 0.3, low=0.2, high=0.4, at=AGE, slice=(("sex", "F"),))
    height = row("missing_share", 2, 0.3, low=0.2, high=0.4, at=(("feature", "height"),))
    assert last([*rows[:2], other, height])[0] == 1


def test_an_alarm_without_windows_or_of_a_gap_speaks_of_the_window_in_which_it_rang():
    rows = [row("missing_share", k, 0.3, low=0.2, high=0.4, at=AGE) for k in range(3)]
    alarm = Alarm(key=rows[0].key(), e_value=90.0, limit=80.0, since=MONDAY)
    ((_, found),) = ringing(Result(measurements=rows, alarms=[alarm]))
    assert (found.latest, found.shown) == (MONDAY, rows[0])
    gap = [row("accuracy_gap_e_value", 0, 90.0, against=REFERENCE), *(row("accuracy", k, 0.5) for k in range(3))]
    assert last(gap)[0] == 0
    unknown = Alarm(key="k", e_value=90.0, limit=80.0, since=MONDAY)
    assert ringing(Result(measurements=(), alarms=[unknown]))[0][1].shown is None
