"""Sending an alarm on: one POST of JSON to an address that somebody configured, which never fails the monitor."""

import html
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import unicodedata
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from audit.errors import InputError, raise_violations
from audit.measurement import utc_text
from monitors.alarms.events import Event
from monitors.kinds import TEXT, wrong_kind

SCHEMA = "evenhanded/alarm/1"
TIMEOUT = 10.0
"""Seconds that one call may take."""

_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_LONGEST = 500
_RULE = "expected https://..., or http:// on this machine (localhost, 127.0.0.1)"


class Answer(NamedTuple):
    """Whether an alarm arrived, and what to note about it: never the path of the address, which may be a secret.

    Examples
    --------
    >>> Answer(sent=False, note="example.org: it did not answer within 10 s").sent
    False
    """

    sent: bool
    note: str


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that alarms may be sent to.

    Only https, or http to this machine; no user name or password in it; no file, no other scheme.

    Raises
    ------
    InputError
        If it is another.

    Examples
    --------
    >>> check_url("https://example.org/hook").hostname
    'example.org'
    >>> check_url("file:///etc/passwd")
    Traceback (most recent call last):
    audit.errors.InputError: the webhook's address is of the kind 'file'; expected https://..., or http:// on this \
machine (localhost, 127.0.0.1)
    """
    raise_violations(wrong_kind("the webhook's address", url, TEXT))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise InputError([f"the webhook's address cannot be read ({error}); {_RULE}"]) from error
    if parts.scheme not in {"https", "http"}:
        raise InputError([f"the webhook's address is of the kind {parts.scheme!r}; {_RULE}"])
    if not host or port == 0 or any(unicodedata.category(mark) in {"Cc", "Cf", "Zs"} for mark in url):
        raise InputError([f"the webhook's address names no machine, or holds spaces; {_RULE}"])
    if parts.username is not None or parts.password is not None:
        raise InputError(["the webhook's address holds a user name or password; leave them out of it"])
    if parts.scheme == "http" and not _is_loopback(host):
        raise InputError([f"the webhook's address would send alarms in the clear to {host}; {_RULE}"])
    return parts


def payload(event: Event) -> bytes:
    r"""Return an alarm as JSON that is safe wherever it is pasted: ASCII, no angle brackets, no ampersands.

    `text` is for people: marks of HTML and of chat programs are escaped, invisible characters dropped.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> event = Event(kind="raised", alarm="a1", time=datetime(2026, 1, 12, tzinfo=UTC), e_value=31.0, limit=20.0,
    ...               key='["missing_share",{"g":"<b>"},{},null,null]', since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> b"<" in payload(event), json.loads(payload(event))["slice"]
    (False, {'g': '<b>'})
    """
    try:
        metric, of, at, against, window = json.loads(event.key or "")
    except (ValueError, TypeError):
        metric, of, at, against, window = event.key, {}, {}, None, None
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "event": event.kind,
        "alarm": event.alarm,
        "log": event.log,
        "metric": metric,
        "slice": of,
        "at": at,
        "against": against,
        "window": window,
        "since": None if event.since is None else utc_text(event.since),
        "e_value": event.e_value,
        "limit": event.limit,
        "text": _text(event, metric, {**of, **at} if isinstance(of, dict) and isinstance(at, dict) else {}),
    }
    text = json.dumps(record, ensure_ascii=True, allow_nan=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text.encode("ascii")


def send(url: str, event: Event, *, timeout: float = TIMEOUT) -> Answer:
    """Send one alarm, once: no second try, no redirect followed, no proxy; whatever goes wrong is an answer.

    Parameters
    ----------
    url
        As `check_url` allows.
    event
        The alarm as it was raised.
    timeout
        Seconds that the whole call may take.

    Raises
    ------
    InputError
        If the address is not allowed. Nothing else is raised.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> event = Event(kind="raised", alarm="a1", time=datetime(2026, 1, 12, tzinfo=UTC), e_value=31.0, limit=20.0,
    ...               key="k", since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> send("http://127.0.0.1:9/hook", event, timeout=1.0).sent  # nobody listens there
    False
    """
    parts = check_url(url)
    where = str(parts.hostname)
    try:
        status = _post(parts, payload(event), timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, TimeoutError)
        return Answer(sent=False, note=f"{where}: {'no answer in time' if late else type(error).__name__}")
    if status in _REDIRECTS:
        return Answer(sent=False, note=f"{where} answered {status}: it points elsewhere, which is not followed")
    return Answer(sent=status in _OK, note=f"{where} answered {status}")


def _post(parts: SplitResult, body: bytes, timeout: float) -> int:
    """Return the status of one POST. A timer ends a call whose other side answers a byte at a time."""
    connection = _connection(parts, timeout)
    connection.connect()
    timer = threading.Timer(timeout, _end, [connection.sock])
    timer.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Content-Type": "application/json", "User-Agent": "evenhanded"})
        return connection.getresponse().status
    finally:
        timer.cancel()
        connection.close()


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = str(parts.hostname)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself
        return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(event: Event, metric: object, of: dict[str, Any]) -> str:
    who = ", ".join(f"{name} = {'(missing)' if value is None else value}" for name, value in of.items()) or "everyone"
    since = "" if event.since is None else f" since {event.since.date().isoformat()}"
    seen = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in f"{metric} of {who}{since}")
    escaped = html.escape(" ".join(seen.split())[:_LONGEST], quote=True)
    return escaped.replace("@", "@\u200a")  # no chat program calls everyone for it
