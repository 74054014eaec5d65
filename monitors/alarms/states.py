"""How alarms stand: the replay of their events, and the events that people add."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Literal

from audit.errors import InputError, raise_violations
from audit.measurement import utc_text
from audit.result import Alarm, Result
from monitors.alarms.event_file import read_events, write_events
from monitors.alarms.events import Clock, Event, alarm_id, raised_event, system_clock
from monitors.alarms.ringing import Ringing, ringing
from monitors.kinds import PATH, Wanted, wrong_kind

Status = Literal["raised", "acknowledged", "snoozed", "cleared"]

_RAISED = frozenset({"raised", "raised_again"})
_ACTED: dict[str, Status] = {"acknowledged": "acknowledged", "snoozed": "snoozed", "cleared": "cleared"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmState:
    """An alarm, since when it rings, and what people did about it.

    Parameters
    ----------
    alarm
        Its name (`monitors.alarms.events.alarm_id`).
    key
        Key of the measurement in which it rang last.
    since, latest
        Start of the first window in which it rang, and of the last that still shows the change
        (`monitors.alarms.ringing`).
    e_value, limit
        When it rang last.
    status
        "raised", "acknowledged", "snoozed" (until `until`, then raised again) or "cleared".
    by, note, until
        Of the last event of a person.
    sent
        Whether the last call of a webhook arrived; None where none was to be made.
    log
        Name of the log that it rang in; None where it has none.
    shown, value, low, high, before
        The metric that shows the change, its number in the window `latest` with its interval, and that of the
        reference; None where the run had none.

    Examples
    --------
    >>> day = datetime(2026, 1, 5, tzinfo=UTC)
    >>> state = AlarmState(alarm="a", key="k", since=day, latest=day, e_value=31.0, limit=20.0)
    >>> state.status
    'raised'
    """

    alarm: str
    key: str
    since: datetime
    latest: datetime
    e_value: float
    limit: float
    status: Status = "raised"
    by: str | None = None
    note: str | None = None
    until: datetime | None = None
    sent: bool | None = None
    log: str | None = None
    shown: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None


def alarm_states(events: Sequence[Event], *, at: datetime) -> tuple[AlarmState, ...]:
    """Return how each alarm stands at a time: the replay of its events, in the order in which they were first raised.

    An alarm that rings again, or still, in a later window after it was cleared is raised again; one that was
    acknowledged or snoozed stays so. A cleared one that rings again in a window it is known to have rung in, or an
    earlier one, stays cleared: late labels rewrite windows, not decisions.

    Examples
    --------
    >>> day = datetime(2026, 1, 5, tzinfo=UTC)
    >>> events = [Event(kind="raised", alarm="a", time=day, key="k", since=day, e_value=31.0, limit=20.0),
    ...           Event(kind="acknowledged", alarm="a", time=day, by="Ada")]
    >>> [state.status for state in alarm_states(events, at=day)]
    ['acknowledged']
    """
    states: dict[str, AlarmState] = {}
    for event in events:
        if event.kind == "raised" and event.alarm not in states:
            states[event.alarm] = _new(event)
        elif event.alarm in states:
            states[event.alarm] = _after(states[event.alarm], event)
    return tuple(_at(state, at) for state in states.values())


def load_alarms(runs: Path, *, at: datetime | None = None) -> tuple[AlarmState, ...]:
    """Return how the alarms of a folder of runs stand; None = now.

    Raises
    ------
    EvidenceError
        If the file of events was changed.

    Examples
    --------
    >>> load_alarms(Path("no such folder"))
    ()
    """
    return alarm_states(read_events(runs), at=at or system_clock())


def raise_alarms(
    result: Result, runs: Path, *, to_send: bool = False, clock: Clock = system_clock
) -> tuple[Event, ...]:
    """Write the alarms of a result that are not written yet, and return those events.

    An alarm is known by its log (the name that the result gives it), its subject (metric, slice, point, comparison) and
    the window since which it rings: the same result, or a later one over the same windows, adds nothing. A later one
    whose windows since still show the change raises an alarm again that was cleared; of any other it is noted.

    Parameters
    ----------
    result
        Of `monitors.run.run_monitors`.
    runs
        The folder of runs.
    to_send
        Write with each, at once, that it is to be sent on (`monitors.alarms.outbox`): whatever ends the process before
        it was, the next run sends it.
    clock
        The time.

    Raises
    ------
    InputError, EvidenceError
        As `monitors.alarms.event_file.write_events`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.result import Alarm
    >>> result = Result(measurements=(), alarms=(Alarm(key="k", e_value=31.0, limit=20.0,
    ...                                                since=datetime(2026, 1, 5, tzinfo=UTC)),))
    >>> with TemporaryDirectory() as folder:
    ...     [len(raise_alarms(result, Path(folder))) for _ in range(2)]
    [1, 0]
    """
    raise_violations(wrong_kind("result", result, Wanted("a Result", (Result,))))
    log = log_of(result)

    found = ringing(result)

    def decide(events: tuple[Event, ...], now: datetime) -> list[Event]:
        new = _new_events(found, events, now, log)
        raised = dict.fromkeys(event.alarm for event in new if event.kind in _RAISED) if to_send else ()
        return [*new, *(Event(kind="to_send", alarm=name, time=now) for name in raised)]

    written = write_events(runs, decide, clock=clock) if result.alarms else ()
    return tuple(event for event in written if event.kind in _RAISED)


def _new_events(
    found: Sequence[tuple[Alarm, Ringing]], events: Sequence[Event], now: datetime, log: str | None
) -> list[Event]:
    """Return what a run adds: alarms that are new, that are raised again, and until when known ones ring on."""
    rung = {(event.alarm, event.since) for event in events if event.since is not None}
    states = {state.alarm: state for state in alarm_states(events, at=now)}
    new: list[Event] = []
    for alarm, rings in found:
        name = alarm_id(alarm.key, log)
        known = states.get(name)
        is_later = known is not None and rings.latest > known.latest
        if (name, alarm.since) not in rung or (known is not None and known.status == "cleared" and is_later):
            event = raised_event(alarm, now, again=known is not None, log=log)
        elif is_later:
            event = Event(kind="rings_on", alarm=name, time=now, latest=rings.latest)
        else:
            continue
        event = _sized(event, rings)
        new.append(event)
        rung.add((name, alarm.since))
        states[name] = _new(event) if known is None else _after(known, event)
    return new


def log_of(result: Result) -> str | None:
    """Return the name of the log that a result speaks of; None where it was given none.

    Examples
    --------
    >>> log_of(Result(measurements=())) is None
    True
    """
    name = result.provenance.given.get("log")
    return None if name is None else str(name)


def acknowledge(runs: Path, alarm: str, *, by: str, note: str | None = None, clock: Clock = system_clock) -> Event:
    """Write that somebody has seen an alarm and takes care of it.

    Parameters
    ----------
    runs
        The folder of runs.
    alarm
        Name of the alarm, or as many of its first digits as no other starts with.
    by, note
        Who, and what they say.

    Raises
    ------
    InputError
        If there is no such alarm, it is cleared, nobody is named, or the clock went backwards.

    Examples
    --------
    >>> acknowledge(Path("no such folder"), "f6ce", by="")
    Traceback (most recent call last):
    audit.errors.InputError: nobody is named; say who acknowledges: by="..."
    """
    return _act(
        runs, alarm, Event(kind="acknowledged", alarm="-", time=system_clock(), by=_named(by), note=note), clock
    )


def snooze(
    runs: Path, alarm: str, *, by: str, until: datetime, note: str | None = None, clock: Clock = system_clock
) -> Event:
    """Write that an alarm is not to be shown as raised until a time.

    Raises
    ------
    InputError
        As `acknowledge`; also if the time has passed.

    Examples
    --------
    >>> snooze(Path("no such folder"), "f6ce", by="Ada", until=datetime(2026, 1, 5))
    Traceback (most recent call last):
    audit.errors.InputError: until must have a zone; got 2026-01-05T00:00:00; say which zone it is in
    """
    raise_violations(wrong_kind("until", until, Wanted("a datetime with a zone", (datetime,))))
    if until.tzinfo is None:
        raise InputError([f"until must have a zone; got {until.isoformat()}; say which zone it is in"])
    event = Event(kind="snoozed", alarm="-", time=system_clock(), by=_named(by), note=note, until=until.astimezone(UTC))
    return _act(runs, alarm, event, clock)


def clear(runs: Path, alarm: str, *, by: str, evidence: str, clock: Clock = system_clock) -> Event:
    """Write that the cause of an alarm is gone, and what shows it. Nothing is deleted.

    Raises
    ------
    InputError
        As `acknowledge`; also if there is no evidence.

    Examples
    --------
    >>> clear(Path("no such folder"), "f6ce", by="Ada", evidence=" ")
    Traceback (most recent call last):
    audit.errors.InputError: no evidence is named; say what shows that the cause is gone: a run, a change, a ticket
    """
    if not evidence.strip():
        raise InputError(["no evidence is named; say what shows that the cause is gone: a run, a change, a ticket"])
    return _act(runs, alarm, Event(kind="cleared", alarm="-", time=system_clock(), by=_named(by), note=evidence), clock)


def check_runs(runs: Path) -> None:
    """Do nothing where there is a folder of runs; one that is misspelt would look like one without alarms.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> check_runs(Path("no such folder"))
    Traceback (most recent call last):
    audit.errors.InputError: no such folder is no folder of runs; name the one that --out of `evenhanded monitor` wrote
    """
    raise_violations(wrong_kind("runs", runs, PATH))
    if not Path(runs).is_dir():
        raise InputError([f"{runs} is no folder of runs; name the one that --out of `evenhanded monitor` wrote"])


def _named(by: str) -> str:
    if not by.strip():
        raise InputError(['nobody is named; say who acknowledges: by="..."'])
    return by


def _act(runs: Path, alarm: str, event: Event, clock: Clock) -> Event:
    check_runs(runs)

    def decide(events: tuple[Event, ...], now: datetime) -> list[Event]:
        state = _found(alarm_states(events, at=now), alarm, runs)
        if state.status == "cleared":
            raise InputError([f"alarm {state.alarm} was cleared by {state.by}; it is raised again if it rings again"])
        if event.until is not None and event.until <= now:
            raise InputError([f"until {utc_text(event.until)} is past: it is {utc_text(now)}; name a later time"])
        return [replace(event, alarm=state.alarm, time=now)]

    (written,) = write_events(runs, decide, clock=clock)
    return written


def _found(states: Sequence[AlarmState], alarm: str, runs: Path) -> AlarmState:
    meant = [state for state in states if alarm and state.alarm.startswith(alarm)]
    if len(meant) == 1:
        return meant[0]
    exact = [state for state in meant if state.alarm == alarm]
    if exact:
        return exact[0]
    known = ", ".join(state.alarm for state in (meant or states)[:20]) or "none"
    what = f"{len(meant)} alarms start with {alarm!r}: {known}" if meant else f"no alarm is called {alarm!r}; "
    what += "" if meant else f"{runs} holds {known}"
    raise InputError([f"{what}; give one of these, or as many of its first digits as no other starts with"])


def _sized(event: Event, rings: Ringing) -> Event:
    """Return an event with the last window that shows the change, and how large it is there."""
    row = rings.shown
    if row is None:
        return replace(event, latest=rings.latest)
    value, low, high = (None if each is None or not isfinite(each) else each for each in (row.value, row.low, row.high))
    return replace(event, latest=rings.latest, shown=row.metric, value=value, low=low, high=high, before=rings.before)


def _new(event: Event) -> AlarmState:
    since = event.since or event.time
    return AlarmState(
        alarm=event.alarm,
        key=event.key or "",
        since=since,
        latest=event.latest or since,
        e_value=event.e_value or 0.0,
        limit=event.limit or 0.0,
        log=event.log,
        shown=event.shown,
        value=event.value,
        low=event.low,
        high=event.high,
        before=event.before,
    )


def _after(state: AlarmState, event: Event) -> AlarmState:
    if event.kind in {"to_send", "sent", "not_sent"}:
        return replace(state, sent=event.kind == "sent")
    if event.kind in _ACTED:
        return replace(state, status=_ACTED[event.kind], by=event.by, note=event.note, until=event.until)
    since = event.since or state.since
    if (event.latest or since) <= state.latest:
        return replace(state, since=min(since, state.since))
    rung = replace(_new(event), since=min(since, state.since), sent=state.sent)
    if event.kind == "rings_on":
        return replace(
            state, latest=rung.latest, shown=rung.shown, value=rung.value, low=rung.low, high=rung.high,
            before=rung.before,
        )  # fmt: skip
    if state.status == "cleared":
        return replace(rung, since=since)
    return replace(rung, status=state.status, by=state.by, note=state.note, until=state.until)


def _at(state: AlarmState, time: datetime) -> AlarmState:
    is_over = state.status == "snoozed" and state.until is not None and state.until <= time
    return replace(state, status="raised") if is_over else state
