"""Alarms that could not be sent stand in the events, and the next run sends them once, unless somebody knows."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Alarm, Result
from monitors.alarms.event_file import read_events
from monitors.alarms.outbox import MOST_FAILURES, send_unsent, unsent
from monitors.alarms.states import acknowledge, clear, load_alarms, raise_alarms, snooze

NOW = datetime(2026, 1, 12, tzinfo=UTC)


def result_of(*groups, week=0, log=None):
    since = NOW + timedelta(weeks=week)
    rows = [Measurement(metric="traffic_ratio", slice=(("g", group),), window=(since, since + timedelta(7)), value=2.0,
                        n=9, method="count") for group in groups]  # fmt: skip
    alarms = [Alarm(key=row.key(), e_value=31.0, limit=20.0, since=since) for row in rows]
    given = {} if log is None else {"log": log}
    return Result(measurements=rows, alarms=alarms, provenance=Provenance(given=given))


def kinds(runs):
    return [event.kind for event in read_events(runs)]


def test_what_was_not_sent_is_sent_at_the_next_run_and_then_no_more(tmp_path, server, status):
    raise_alarms(result_of("a"), tmp_path, to_send=True)
    assert load_alarms(tmp_path)[0].sent is False
    with server(status(500)) as (url, posted):
        (failed,) = send_unsent(url, tmp_path)
    assert (failed.kind, failed.note, len(posted)) == ("not_sent", "127.0.0.1 answered 500", 1)
    with server(status(200)) as (url, posted):
        (sent,) = send_unsent(url, tmp_path)
        assert send_unsent(url, tmp_path) == ()
    assert (sent.kind, len(posted)) == ("sent", 1)
    assert kinds(tmp_path) == ["raised", "to_send", "not_sent", "sent"]
    assert load_alarms(tmp_path)[0].sent is True
    assert "secret" not in (tmp_path / "alarms.jsonl").read_text()


def test_a_process_that_was_ended_before_it_sent_leaves_it_to_the_next(tmp_path, server, status):
    raise_alarms(result_of("a", "b"), tmp_path, to_send=True)  # and here it was killed
    assert len(unsent(read_events(tmp_path))) == 2
    with server(status(200)) as (url, posted):
        assert [event.kind for event in send_unsent(url, tmp_path)] == ["sent", "sent"]
    assert len(posted) == 2


def test_alarms_of_runs_without_a_webhook_are_never_sent(tmp_path, server, status):
    raise_alarms(result_of("a"), tmp_path)
    with server(status(200)) as (url, posted):
        assert send_unsent(url, tmp_path) == ()
    assert posted == []
    assert load_alarms(tmp_path)[0].sent is None


@pytest.mark.parametrize(
    "act",
    [
        lambda runs, alarm: acknowledge(runs, alarm, by="Ada"),
        lambda runs, alarm: snooze(runs, alarm, by="Ada", until=datetime(2199, 1, 1, tzinfo=UTC)),
        lambda runs, alarm: clear(runs, alarm, by="Ada", evidence="feed mended"),
    ],
)
def test_what_somebody_took_care_of_is_not_sent_late(tmp_path, act):
    raise_alarms(result_of("a"), tmp_path, to_send=True)
    act(tmp_path, load_alarms(tmp_path)[0].alarm)
    assert unsent(read_events(tmp_path)) == ()
    raise_alarms(result_of("a", week=2), tmp_path, to_send=True)
    assert [event.kind for event in unsent(read_events(tmp_path))] == ["raised_again"]


def test_an_alarm_that_rings_again_before_it_arrived_is_sent_once_as_it_is_now(tmp_path, server, status):
    raise_alarms(result_of("a"), tmp_path, to_send=True)
    raise_alarms(result_of("a", week=1), tmp_path, to_send=True)
    with server(status(200)) as (url, posted):
        send_unsent(url, tmp_path)
    assert len(posted) == 1
    assert b"2026-01-19" in posted[0][2]


def test_after_some_failures_in_a_row_the_rest_waits_for_the_next_run(tmp_path, server, status):
    raise_alarms(result_of(*"abcdef"), tmp_path, to_send=True)
    with server(status(503)) as (url, posted):
        failed = send_unsent(url, tmp_path)
    assert len(posted) == MOST_FAILURES < len(failed) == 6
    assert failed[-1].note.startswith("not tried")
    with server(status(200)) as (url, posted):
        assert {event.kind for event in send_unsent(url, tmp_path)} == {"sent"}
    assert len(posted) == 6


def test_alarms_that_are_always_refused_keep_no_others_back(tmp_path, server, status):
    raise_alarms(result_of(*"abc"), tmp_path, to_send=True)
    with server(status(422)) as (url, _):
        send_unsent(url, tmp_path)
    raise_alarms(result_of("d", "e"), tmp_path, to_send=True)
    with server(status(422)) as (url, posted):
        send_unsent(url, tmp_path)
    assert [json.loads(body)["slice"]["g"] for _, _, body in posted] == ["d", "e", "a"]
    with server(status(422)) as (url, posted):
        send_unsent(url, tmp_path)
    assert [json.loads(body)["slice"]["g"] for _, _, body in posted] == ["b", "c", "d"]


def test_an_address_that_is_refused_sends_and_writes_nothing(tmp_path):
    raise_alarms(result_of("a"), tmp_path, to_send=True)
    before = (tmp_path / "alarms.jsonl").read_bytes()
    with pytest.raises(InputError, match="of the kind 'file'"):
        send_unsent("file:///x", tmp_path)
    assert (tmp_path / "alarms.jsonl").read_bytes() == before


def test_the_same_alarm_of_two_logs_is_two_alarms(tmp_path, server, status):
    for log in ("north", "south", "north"):
        raise_alarms(result_of("a", log=log), tmp_path, to_send=True)
    north, south = load_alarms(tmp_path)
    assert (north.log, south.log) == ("north", "south")
    assert north.alarm != south.alarm
    clear(tmp_path, north.alarm, by="Ada", evidence="mended")
    assert [state.status for state in load_alarms(tmp_path)] == ["cleared", "raised"]
    with server(status(200)) as (url, posted):
        send_unsent(url, tmp_path)
    assert b'"log": "south"' in posted[0][2]
