"""How alarms stand: raised once, acknowledged, snoozed until a time, cleared with evidence, raised again."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.result import Alarm, Result
from monitors.alarms.event_file import read_events, write_events
from monitors.alarms.events import Event
from monitors.alarms.states import acknowledge, alarm_states, clear, load_alarms, raise_alarms, snooze

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSTILE = "=1+1<script>\u202e\n"


def week(number):
    return MONDAY + timedelta(weeks=number)


def result_of(*weeks, group=HOSTILE, e_value=31.0):
    rows, alarms = [], []
    for number in weeks:
        row = Measurement(
            metric="traffic_ratio", slice=(("g", group),), window=(week(number), week(number + 1)), value=2.0, n=9,
            method="count",
        )  # fmt: skip
        rows.append(row)
        alarms.append(Alarm(key=row.key(), e_value=e_value, limit=20.0, since=week(number)))
    return Result(measurements=rows, alarms=alarms)


def at(time):
    return lambda: time


def states(runs, time=NOW):
    return load_alarms(runs, at=time)


@pytest.fixture
def raised(tmp_path):
    raise_alarms(result_of(1), tmp_path, clock=at(NOW))
    (state,) = states(tmp_path)
    return tmp_path, state.alarm


def test_the_same_result_raises_once_and_a_later_window_again(tmp_path):
    assert [event.kind for event in raise_alarms(result_of(1), tmp_path, clock=at(NOW))] == ["raised"]
    assert raise_alarms(result_of(1), tmp_path, clock=at(NOW)) == ()
    assert raise_alarms(result_of(1, e_value=99.0), tmp_path, clock=at(NOW)) == ()
    assert [event.kind for event in raise_alarms(result_of(1, 3), tmp_path, clock=at(NOW))] == ["raised_again"]
    (state,) = states(tmp_path)
    assert (state.status, state.since, state.latest) == ("raised", week(1), week(3))
    assert raise_alarms(result_of(), tmp_path, clock=at(NOW)) == ()


def test_groups_have_alarms_of_their_own(tmp_path):
    raise_alarms(result_of(1), tmp_path, clock=at(NOW))
    raise_alarms(result_of(1, group="b"), tmp_path, clock=at(NOW))
    assert len(states(tmp_path)) == 2


def test_an_alarm_stays_raised_when_a_later_run_does_not_ring(raised):
    runs, _ = raised
    raise_alarms(Result(measurements=()), runs, clock=at(NOW))
    assert [state.status for state in states(runs)] == ["raised"]


def test_acknowledged_it_stays_so_when_it_rings_again(raised):
    runs, alarm = raised
    acknowledge(runs, alarm[:5], by=HOSTILE, note="looking", clock=at(NOW))
    (state,) = states(runs)
    assert (state.status, state.by, state.note) == ("acknowledged", HOSTILE, "looking")
    raise_alarms(result_of(1, 2), runs, clock=at(NOW))
    (state,) = states(runs)
    assert (state.status, state.latest) == ("acknowledged", week(2))


def test_snoozed_it_comes_back_by_itself(raised):
    runs, alarm = raised
    snooze(runs, alarm, by="Ada", until=NOW + timedelta(days=7), clock=at(NOW))
    assert states(runs)[0].status == "snoozed"
    assert states(runs, NOW + timedelta(days=7))[0].status == "raised"


def test_cleared_it_stays_so_for_known_windows_and_is_raised_again_by_later_ones(raised):
    runs, alarm = raised
    clear(runs, alarm, by="Ada", evidence="feed mended", clock=at(NOW))
    raise_alarms(result_of(1), runs, clock=at(NOW))
    assert states(runs)[0].status == "cleared"
    raise_alarms(result_of(0, 1), runs, clock=at(NOW))  # late labels: it would have rung a week before
    (state,) = states(runs)
    assert (state.status, state.since) == ("cleared", week(0))
    raise_alarms(result_of(0, 1, 6), runs, clock=at(NOW))
    (state,) = states(runs)
    assert (state.status, state.since, state.by) == ("raised", week(6), None)
    assert len(read_events(runs)) == 4  # nothing is lost


def test_what_cannot_be_done_is_refused_and_leaves_no_event(raised):
    runs, alarm = raised
    tries = [
        (lambda: acknowledge(runs, alarm, by="  "), "nobody is named"),
        (lambda: acknowledge(runs, "zzzz", by="Ada"), f"no alarm is called 'zzzz'.* holds {alarm}"),
        (lambda: acknowledge(runs, alarm[:3], by="Ada"), "no alarm is called"),
        (lambda: clear(runs, alarm, by="Ada", evidence="\n"), "no evidence is named"),
        (lambda: snooze(runs, alarm, by="Ada", until=NOW, clock=at(NOW)), "is past: it is"),
        (lambda: snooze(runs, alarm, by="Ada", until=datetime(2027, 1, 1)), "until must have a zone"),
        (lambda: acknowledge(runs, alarm, by="Ada", clock=at(NOW - timedelta(1))), "the clock says"),
    ]
    for call, text in tries:
        with pytest.raises(InputError, match=text):
            call()
    assert len(read_events(runs)) == 1
    clear(runs, alarm, by="Ada", evidence="done", clock=at(NOW))
    with pytest.raises(InputError, match="was cleared by Ada"):
        acknowledge(runs, alarm, by="Bo", clock=at(NOW))


def test_a_prefix_of_two_alarms_names_none(tmp_path):
    events = [
        Event(kind="raised", alarm=name, time=MONDAY, key="k", since=MONDAY, e_value=31.0, limit=20.0)
        for name in ("abcd1", "abcd2")
    ]
    write_events(tmp_path, lambda *_: events, clock=at(MONDAY))
    with pytest.raises(InputError, match="2 alarms start with 'abcd'"):
        acknowledge(tmp_path, "abcd", by="Ada")
    assert acknowledge(tmp_path, "abcd2", by="Ada").alarm == "abcd2"


def test_events_of_an_unknown_alarm_do_no_harm():
    events = [Event(kind="acknowledged", alarm="a", time=MONDAY, by="Ada")]
    assert alarm_states(events, at=NOW) == ()
