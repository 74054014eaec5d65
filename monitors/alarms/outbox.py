"""Alarms that are to be sent on and have not arrived: what the events say of them, and sending them once more."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from monitors.alarms.event_file import read_events, write_events
from monitors.alarms.events import Clock, Event, system_clock
from monitors.alarms.webhook import TIMEOUT, Answer, check_url, send

MOST_FAILURES = 3
"""After so many alarms in a row that did not arrive, a run tries no more: each may cost the whole timeout."""

_NOT_TRIED = Answer(sent=False, note=f"not tried: {MOST_FAILURES} alarms before it did not arrive")
_RAISED = frozenset({"raised", "raised_again"})
_DONE = frozenset({"sent", "acknowledged", "snoozed", "cleared"})


def unsent(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the alarms that were to be sent and have not arrived, as they were raised last.

    Those that were not tried yet come first, then those that were tried longest ago: alarms that an address always
    refuses keep no others back.

    One that somebody has acknowledged, snoozed or cleared since is known, and not sent.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = datetime(2026, 1, 5, tzinfo=UTC)
    >>> raised = Event(kind="raised", alarm="a", time=day, key="k", since=day, e_value=31.0, limit=20.0)
    >>> failed = Event(kind="not_sent", alarm="a", time=day, note="example.org answered 500")
    >>> [len(unsent([raised, *more])) for more in ([], [failed], [failed, Event(kind="sent", alarm="a", time=day,
    ...                                                                         note="example.org answered 200")])]
    [0, 1, 0]
    """
    latest: dict[str, Event] = {}
    fresh: dict[str, None] = {}
    tried: dict[str, None] = {}
    for event in events:
        if event.kind in _RAISED:
            latest[event.alarm] = event
        elif event.kind in {"to_send", "not_sent"} and event.alarm in latest:
            if event.kind == "not_sent" and event.note != _NOT_TRIED.note:
                fresh.pop(event.alarm, None)
                tried.pop(event.alarm, None)
                tried[event.alarm] = None
            elif event.alarm not in tried:
                fresh.setdefault(event.alarm)
        elif event.kind in _DONE:
            fresh.pop(event.alarm, None)
            tried.pop(event.alarm, None)
    return tuple(latest[alarm] for alarm in (*fresh, *tried))


def send_unsent(url: str, runs: Path, *, timeout: float = TIMEOUT, clock: Clock = system_clock) -> tuple[Event, ...]:
    """Send each alarm of a folder of runs that has not arrived, once, and write for each whether it did.

    What is to be sent is read from the events alone: those that `monitors.alarms.states.raise_alarms` wrote just now
    with `to_send`, and those that earlier runs could not send. Delivery is at least once: where an answer was lost, or
    two processes send at a time, an alarm arrives twice, with one name (``alarm``) and one ``since``.

    Parameters
    ----------
    url
        As `monitors.alarms.webhook.check_url` allows.
    runs
        The folder of runs.
    timeout
        Seconds that each call may take. After three calls in a row that failed the others are left to the next run.
    clock
        The time.

    Returns
    -------
    tuple of Event
        One "sent" or "not_sent" for each.

    Raises
    ------
    InputError
        If the address is not allowed, before anything is sent; or the events cannot be written.
    EvidenceError
        If the file of events was changed.

    Examples
    --------
    >>> send_unsent("https://example.org/hook", Path("no such folder"))
    ()
    """
    check_url(url)
    written: list[Event] = []
    failed = 0
    for event in unsent(read_events(runs)):
        answer = send(url, event, timeout=timeout) if failed < MOST_FAILURES else _NOT_TRIED
        failed = 0 if answer.sent else failed + 1
        written += _noted(event, answer, runs, clock)
    return tuple(written)


def _noted(event: Event, answer: Answer, runs: Path, clock: Clock) -> tuple[Event, ...]:
    """Write what became of one alarm before the next is sent: a process that is ended sends none twice."""

    def decide(_: tuple[Event, ...], now: datetime) -> list[Event]:
        return [Event(kind="sent" if answer.sent else "not_sent", alarm=event.alarm, time=now, note=answer.note)]

    return write_events(runs, decide, clock=clock)
