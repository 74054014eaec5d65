"""Events: one line each, read back as written, and refused where they are none."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.measurement import Measurement
from audit.result import Alarm
from monitors.alarms.events import Event, alarm_id, raised_event, subject

NOW = datetime(2026, 1, 12, tzinfo=UTC)
KEY = '["traffic_ratio",{"g":"<script>"},{},null,{"end":"2026-01-12T00:00:00Z","start":"2026-01-05T00:00:00Z"}]'


@given(st.text(min_size=1), st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=100, derandomize=True)
def test_any_text_is_read_back_from_one_line_of_ascii(key, by, number):
    for event in (
        Event(kind="raised", alarm="a", time=NOW, key=key, since=NOW, e_value=number, limit=20.0),
        Event(kind="cleared", alarm="a", time=NOW, by=by, note=key),
    ):
        line = event.to_line()
        assert line.count("\n") == 1
        assert line.isascii()
        assert Event.from_line(line) == event


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "opened"}, "unknown kind of event"),
        ({"kind": "raised", "key": "k"}, "needs since, e_value, limit"),
        ({"kind": "acknowledged", "by": ""}, "needs by"),
        ({"kind": "cleared", "by": "Ada"}, "needs note"),
        ({"kind": "snoozed", "by": "Ada"}, "needs until"),
        ({"kind": "acknowledged", "by": "Ada", "alarm": ""}, "needs alarm"),
        ({"kind": "raised", "key": "k", "since": NOW, "e_value": float("inf"), "limit": 20.0}, "must be finite"),
    ],
)
def test_an_event_that_lacks_something_is_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Event(**{"alarm": "a", "time": NOW, **fields})


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "evenhanded/alarm-event/2"}, {"more": 1}, {"time": 5}, {"by": ["Ada"]}, {"time": "yesterday"},
        {"alarm": None}, {"e_value": True}, {"e_value": "31"},
    ],
)  # fmt: skip
def test_a_line_of_another_shape_is_refused(change):
    record = json.loads(Event(kind="acknowledged", alarm="a", time=NOW, by="Ada").to_line()) | change
    with pytest.raises(ValueError, match=r"."):
        Event.from_line(json.dumps(record))


@pytest.mark.parametrize("line", ["", "[]", "null", "5", '{"schema"', '{"schema": "evenhanded/alarm-event/1"}'])
def test_what_is_no_event(line):
    with pytest.raises(ValueError, match=r"."):
        Event.from_line(line)


def test_an_alarm_is_the_same_in_another_window_and_another_one_in_another_group():
    rows = [
        Measurement(metric="m", slice=(("g", group),), window=window, value=1.0, n=1, method="count")
        for group, window in (("a", None), ("a", (datetime(2026, 1, 5, tzinfo=UTC), NOW)), ("b", None))
    ]
    first, later, other = (alarm_id(row.key()) for row in rows)
    assert first == later != other
    assert subject("no json [") == "no json ["
    assert subject("[1,2]") == "[1,2]"


def test_an_alarm_of_a_result_becomes_an_event():
    event = raised_event(Alarm(key=KEY, e_value=31.0, limit=20.0, since=NOW), NOW, again=True)
    assert (event.kind, event.alarm, event.since, event.e_value) == ("raised_again", alarm_id(KEY), NOW, 31.0)
