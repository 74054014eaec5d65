"""The webhook: what is sent and where it may go, and that whatever the other side does the monitor goes on."""

import json
import re
import socket
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.result import Alarm
from monitors.alarms.events import Event, raised_event
from monitors.alarms.webhook import check_url, payload, send

NOW = datetime(2026, 1, 12, tzinfo=UTC)
HOSTILE = '</script><script>alert("x")</script>&=1+1\u202e\n<!channel> @here <https://evil.example|a>'


def event_of(group=HOSTILE):
    row = Measurement(metric="traffic_ratio", slice=(("g", group), ("h", None)), value=2.0, n=9, method="count")
    return raised_event(Alarm(key=row.key(), e_value=31.0, limit=20.0, since=NOW), NOW, again=False)


def test_one_post_of_json_that_reads_back_what_the_alarm_is(server, status):
    with server(status(204)) as (url, posted):
        answer = send(url, event_of())
    assert answer == (True, "127.0.0.1 answered 204")
    ((path, headers, body),) = posted
    assert path == "/hook/secret?token=5"
    assert headers["Content-Type"] == "application/json"
    record = json.loads(body)
    assert record["slice"] == {"g": HOSTILE, "h": None}
    assert (record["metric"], record["e_value"], record["since"]) == ("traffic_ratio", 31.0, "2026-01-12T00:00:00Z")


def test_names_from_data_are_escaped_wherever_the_payload_is_pasted():
    body = payload(event_of())
    assert not re.search(rb"[<>&\x00-\x1f\x7f-\xff]", body)
    text = json.loads(body)["text"]
    assert "<" not in text
    assert "\u202e" not in text
    assert "\n" not in text
    assert "@here" not in text
    assert "&lt;!channel&gt;" in text
    assert "h = (missing)" in text
    assert len(json.loads(payload(event_of("x" * 10_000)))["text"]) < 600


@pytest.mark.parametrize("key", ["no json", "5", "[1, 2]", '["m", 1, 2, 3, 4]', '[["m"], [], [], null, null]'])
def test_an_alarm_with_a_key_of_another_shape_is_sent_all_the_same(key):
    event = Event(kind="raised", alarm="a", time=NOW, key=key, since=NOW, e_value=31.0, limit=20.0)
    assert json.loads(payload(event))["alarm"] == "a"


@pytest.mark.parametrize("number", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(number, server, status):
    with server(status(200)) as (elsewhere, reached), server(status(number, Location=elsewhere)) as (url, posted):
        answer = send(url, event_of())
    assert not answer.sent
    assert "which is not followed" in answer.note
    assert len(posted) == 1
    assert reached == []


@pytest.mark.parametrize("number", [400, 404, 429, 500, 503])
def test_a_refusal_is_an_answer_and_not_tried_again(number, server, status):
    with server(status(number)) as (url, posted):
        assert send(url, event_of()) == (False, f"127.0.0.1 answered {number}")
    assert len(posted) == 1


def drip(handler):
    for _ in range(200):
        try:
            handler.wfile.write(b"H")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [lambda _: time.sleep(2), drip])
def test_whoever_answers_slowly_or_a_byte_at_a_time_is_left_in_time(answer, server):
    with server(answer) as (url, _):
        started = time.monotonic()
        found = send(url, event_of(), timeout=0.5)
        took = time.monotonic() - started
    assert not found.sent
    assert took < 1.9


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
def test_an_answer_that_is_no_http_is_no_error(raw, server):
    def answer(handler):
        handler.wfile.write(raw)

    with server(answer) as (url, _):
        found = send(url, event_of(), timeout=2)
    assert not found.sent
    assert "secret" not in found.note


def test_nobody_there_and_no_such_name_are_no_errors():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/", event_of(), timeout=1) == (False, "127.0.0.1: ConnectionRefusedError")
    assert not send("https://no-such-host.invalid/", event_of(), timeout=2).sent


def test_https_does_not_talk_to_one_without_a_certificate(server, status):
    with server(status(200)) as (url, posted):
        found = send(url.replace("http://", "https://"), event_of(), timeout=2)
    assert not found.sent
    assert posted == []


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("file:///etc/passwd", "of the kind 'file'"),
        ("ftp://example.org/", "of the kind 'ftp'"),
        ("javascript:alert(1)", "of the kind 'javascript'"),
        ("", "of the kind ''"),
        ("example.org/hook", "of the kind ''"),
        ("http://example.org/", "in the clear to example.org"),
        ("http://127.0.0.1.example.org/", "in the clear"),
        ("http://localhost.evil.example/", "in the clear"),
        ("http://169.254.169.254/latest", "in the clear"),
        ("http://0.0.0.0/", "in the clear"),
        ("https://", "names no machine"),
        ("https://ada:word@example.org/", "holds a user name or password"),
        ("https://example.org/\r\nHost: evil", "names no machine, or holds spaces"),
        ("https://example.org/a b", "names no machine, or holds spaces"),
        ("https://example.org:99999/", "cannot be read"),
        ("https://[::1", "cannot be read"),
    ],
)
def test_addresses_that_are_refused_before_anything_is_sent(url, text):
    with pytest.raises(InputError, match=re.escape(text)) as told:
        check_url(url)
    assert "word" not in str(told.value).replace("password", "")


@pytest.mark.parametrize(
    "url", ["https://example.org/x", "http://localhost:8/", "http://[::1]:8/", "http://127.0.0.2/"]
)
def test_addresses_that_are_fine(url):
    assert check_url(url).geturl() == url
