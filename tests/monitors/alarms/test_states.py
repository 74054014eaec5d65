"""How alarms stand: raised once, acknowledged, snoozed until a time, cleared with evidence, raised again."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.provenance import Provenance
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


def shares_of(*shares, over):
    rows = [
        Measurement(
            metric="missing_share", at=(("feature", "age"),), window=(week(number), week(number + 1)), value=share,
            low=max(share - 0.05, 0.0), high=share + 0.05, n=400, level=0.95, method="wilson",
        )
        for number, share in enumerate(shares)
    ]  # fmt: skip
    given = {"windows": {"over_until": f"{week(over):%Y-%m-%dT%H:%M:%SZ}"}}
    alarm = Alarm(key=rows[1].key(), e_value=31.0, limit=20.0, since=week(1))
    return Result(measurements=rows, alarms=[alarm], provenance=Provenance(given=given))


def test_cleared_it_is_raised_again_by_the_next_window_that_still_shows_the_change(tmp_path):
    raise_alarms(shares_of(0.0, 0.3, 0.3, over=3), tmp_path, clock=at(NOW))
    (state,) = states(tmp_path)
    assert (state.since, state.latest, state.value) == (week(1), week(2), 0.3)
    clear(tmp_path, state.alarm, by="Ada", evidence="feed mended", clock=at(NOW))
    assert raise_alarms(shares_of(0.0, 0.3, 0.3, over=3), tmp_path, clock=at(NOW)) == ()  # the same run again
    assert raise_alarms(shares_of(0.0, 0.3, 0.3, 0.3, over=3), tmp_path, clock=at(NOW)) == ()  # the week is not over
    assert raise_alarms(shares_of(0.0, 0.3, 0.3, 0.0, over=4), tmp_path, clock=at(NOW)) == ()  # the cause is gone
    assert states(tmp_path)[0].status == "cleared"
    (event,) = raise_alarms(shares_of(0.0, 0.3, 0.3, 0.0, 0.3, over=5), tmp_path, clock=at(NOW))
    assert (event.kind, event.since, event.latest) == ("raised_again", week(1), week(4))
    (state,) = states(tmp_path)
    assert (state.status, state.by, state.latest) == ("raised", None, week(4))


def test_an_alarm_that_rings_on_says_until_when_and_is_not_new(tmp_path):
    raise_alarms(shares_of(0.0, 0.3, over=2), tmp_path, clock=at(NOW))
    acknowledge(tmp_path, states(tmp_path)[0].alarm, by="Ada", clock=at(NOW))
    assert raise_alarms(shares_of(0.0, 0.3, 0.4, over=3), tmp_path, to_send=True, clock=at(NOW)) == ()
    (state,) = states(tmp_path)
    assert (state.status, state.since, state.latest, state.value) == ("acknowledged", week(1), week(2), 0.4)
    assert [event.kind for event in read_events(tmp_path)] == ["raised", "acknowledged", "rings_on"]
    clear(tmp_path, state.alarm, by="Ada", evidence="feed mended", clock=at(NOW))
    assert raise_alarms(shares_of(0.0, 0.3, 0.4, over=3), tmp_path, clock=at(NOW)) == ()


def test_what_cannot_be_done_is_refused_and_leaves_no_event(raised):
    runs, alarm = raised
    tries = [
        (lambda: acknowledge(runs, alarm, by="  "), "nobody is named"),
        (lambda: acknowledge(runs, "zzzz", by="Ada"), f"no alarm is called 'zzzz'.* holds {alarm}"),
        (lambda: acknowledge(runs, "", by="Ada"), "no alarm is called"),
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
    with pytest.raises(InputError, match=r"2 alarms start with 'abcd': abcd1, abcd2; .* as no other starts with"):
        acknowledge(tmp_path, "abcd", by="Ada")
    assert acknowledge(tmp_path, "abcd2", by="Ada").alarm == "abcd2"
    with pytest.raises(InputError, match=r"no alarm is called 'b'; .* holds abcd1, abcd2"):
        acknowledge(tmp_path, "b", by="Ada")


def test_one_digit_is_enough_where_no_other_alarm_starts_with_it(raised):
    runs, alarm = raised
    assert acknowledge(runs, alarm[0], by="Ada", clock=at(NOW)).alarm == alarm


def test_events_of_an_unknown_alarm_do_no_harm():
    events = [Event(kind="acknowledged", alarm="a", time=MONDAY, by="Ada")]
    assert alarm_states(events, at=NOW) == ()
