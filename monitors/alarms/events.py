"""What happened to alarms, one event a line: raised, acknowledged, snoozed, cleared, raised again, sent on."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, get_args

from audit.measurement import canonical_json, utc_text, utc_time
from audit.result import Alarm

Kind = Literal[
    "raised", "raised_again", "rings_on", "acknowledged", "snoozed", "cleared", "to_send", "sent", "not_sent", "torn"
]
SCHEMA = "evenhanded/alarm-event/1"

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "raised": ("key", "since", "e_value", "limit"),
    "raised_again": ("key", "since", "e_value", "limit"),
    "rings_on": ("latest",),
    "acknowledged": ("by",),
    "snoozed": ("by", "until"),
    "cleared": ("by", "note"),
    "to_send": (),
    "sent": ("note",),
    "not_sent": ("note",),
    "torn": ("note",),
}
_TIMES = ("time", "since", "until", "latest")
_NUMBERS = ("e_value", "limit", "value", "low", "high", "before")
_PARTS_OF_KEY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to one alarm. Names of people stand as they were given, and nothing else about them.

    Parameters
    ----------
    kind
        What happened.
    alarm
        Which alarm (`alarm_id`); empty for "torn".
    time
        When it was written, UTC.
    key, since, e_value, limit
        Of "raised" and "raised_again": as in `audit.result.Alarm`.
    by
        Who acknowledged, snoozed or cleared it.
    note
        What they said; of "cleared" the evidence, of "sent" the answer, of "not_sent" the reason, of "torn" the length
        and SHA-256 of a line that a writer left unfinished.
    until
        Of "snoozed".
    latest, shown, value, low, high, before
        Of "raised", "raised_again" and "rings_on": start of the last window that shows the change, the metric whose
        number shows it, that number with its interval, and that of the reference (`monitors.alarms.ringing`).
    log
        Of "raised" and "raised_again": the name of the log (`monitors.run.MonitorSettings`); None where it has none.

    Raises
    ------
    ValueError
        If a field that the kind needs is missing or empty, or a number is not finite.

    Examples
    --------
    >>> event = Event(kind="acknowledged", alarm="a1", time=datetime(2026, 1, 5, tzinfo=UTC), by="Ada")
    >>> Event.from_line(event.to_line()) == event
    True
    """

    kind: Kind
    alarm: str
    time: datetime
    key: str | None = None
    since: datetime | None = None
    e_value: float | None = None
    limit: float | None = None
    by: str | None = None
    note: str | None = None
    until: datetime | None = None
    log: str | None = None
    latest: datetime | None = None
    shown: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            msg = f"unknown kind of event {self.kind!r}; expected one of {', '.join(get_args(Kind))}"
            raise ValueError(msg)
        lacking = [name for name in _NEEDED[self.kind] if getattr(self, name) in {None, ""}]
        if lacking or (not self.alarm and self.kind != "torn"):
            msg = f"an event {self.kind!r} needs {', '.join(lacking) or 'alarm'}"
            raise ValueError(msg)
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        if not all(isfinite(number) for number in numbers.values() if number is not None):
            msg = f"e_value and limit must be finite, as all numbers; got {numbers}"
            raise ValueError(msg)

    def to_line(self) -> str:
        """Return the event as one line of strict JSON, without what it lacks."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        record: dict[str, Any] = {"schema": SCHEMA}
        for name, value in fields.items():
            if value is not None:
                record[name] = utc_text(value) if isinstance(value, datetime) else value
        return json.dumps(record, ensure_ascii=True, allow_nan=False) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Event":
        """Read an event back; the inverse of `to_line`.

        Raises
        ------
        ValueError
            If the line is no event of this schema.
        """
        record = json.loads(line)
        if not isinstance(record, dict) or record.pop("schema", None) != SCHEMA:
            msg = f"expected an event of schema {SCHEMA!r}"
            raise ValueError(msg)
        if not set(record) <= set(cls.__slots__) or not {"kind", "alarm", "time"} <= set(record):
            msg = f"an event has the fields {', '.join(cls.__slots__)}; got {', '.join(sorted(record))}"
            raise ValueError(msg)
        _typed(record)
        fields: dict[str, Any] = {name: utc_time(value) if name in _TIMES else value for name, value in record.items()}
        return cls(**fields)


def subject(key: str) -> str:
    """Return what an alarm is about whatever the window: the key of its measurement without that.

    Examples
    --------
    >>> subject('["accuracy",{"sex":"F"},{},null,{"end":"2026-01-12T00:00:00Z","start":"2026-01-05T00:00:00Z"}]')
    '["accuracy",{"sex":"F"},{},null]'
    """
    try:
        parts = json.loads(key)
    except ValueError:
        return key
    if not isinstance(parts, list) or len(parts) != _PARTS_OF_KEY:
        return key
    return canonical_json(parts[:-1])


def alarm_id(key: str, log: str | None = None) -> str:
    """Return the name of an alarm: twelve digits of the SHA-256 of its subject, and of the name of its log.

    Examples
    --------
    >>> alarm_id('["traffic_ratio",{},{},null,null]')
    '3766631ed625'
    >>> alarm_id('["traffic_ratio",{},{},null,null]', "north") == alarm_id('["traffic_ratio",{},{},null,null]', "south")
    False
    """
    text = subject(key) if log is None else canonical_json([log, subject(key)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def raised_event(alarm: Alarm, time: datetime, *, again: bool, log: str | None = None) -> Event:
    """Return the event that an alarm of a result is; `log` is the name of the log, where it has one.

    Examples
    --------
    >>> alarm = Alarm(key="k", e_value=31.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC))
    >>> raised_event(alarm, datetime(2026, 1, 12, tzinfo=UTC), again=False).kind
    'raised'
    """
    return Event(
        kind="raised_again" if again else "raised",
        alarm=alarm_id(alarm.key, log),
        time=time,
        key=alarm.key,
        since=alarm.since,
        e_value=alarm.e_value,
        limit=alarm.limit,
        log=log,
    )


def _typed(record: Mapping[str, object]) -> None:
    wrong = [
        name
        for name, value in record.items()
        if not (_is_number(value) if name in _NUMBERS else isinstance(value, str))
    ]
    if wrong:
        msg = f"fields of a wrong type: {', '.join(sorted(wrong))}"
        raise ValueError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Clock = Callable[[], datetime]
"""Returns the time, with a zone."""


def system_clock() -> datetime:
    """Return the time of this machine, UTC.

    Examples
    --------
    >>> system_clock().tzinfo is UTC
    True
    """
    return datetime.now(UTC)
