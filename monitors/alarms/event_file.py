"""The file of events, appended to and never rewritten: safe with several writers, and when one is killed."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from audit.errors import EvidenceError, InputError, raise_violations
from audit.measurement import utc_text
from monitors.alarms.events import Clock, Event, system_clock
from monitors.kinds import PATH, wrong_kind

try:
    import fcntl
except ImportError:  # Windows: there, only one process may write at a time
    fcntl = None  # type: ignore[assignment]

FILE = "alarms.jsonl"

Decide = Callable[[tuple[Event, ...], datetime], Sequence[Event]]
"""What to write, given all events so far and the time."""


def read_events(runs: Path) -> tuple[Event, ...]:
    """Return all events of a folder of runs, oldest first; none where there is no file.

    A last line that a writer did not finish is left out: nobody was told that it was written.

    Raises
    ------
    EvidenceError
        If another line is no event: the file was changed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     read_events(Path(folder))
    ()
    """
    raise_violations(wrong_kind("runs", runs, PATH))
    path = Path(runs) / FILE
    if not path.exists():
        return ()
    with path.open("rb") as stream:
        _lock(stream.fileno(), alone=False)
        return _events(stream.read(), path)


def write_events(runs: Path, decide: Decide, *, clock: Clock = system_clock) -> tuple[Event, ...]:
    """Append what `decide` says, and return it once it is safe on the disk.

    Deciding and writing hold one lock, so that two processes that raise the same alarm write it once.

    Parameters
    ----------
    runs
        The folder of runs; made where it is missing.
    decide
        Returns the new events.
    clock
        Read while the lock is held.

    Raises
    ------
    InputError
        If the clock lies before the last event, or the file cannot be written.
    EvidenceError
        As `read_events`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = write_events(Path(folder), lambda _, now: [Event(kind="sent", alarm="a", time=now, note="200")])
    ...     [event.kind for event in read_events(Path(folder))]
    ['sent']
    """
    raise_violations(wrong_kind("runs", runs, PATH))
    runs = Path(runs)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with _opened(runs / FILE) as handle:
            before = _whole(handle)
            events = _events(before, runs / FILE)
            now = _checked(clock(), events, runs / FILE)
            new = tuple(decide(events, now))
            if new:
                text = "".join(event.to_line() for event in new)
                _append(handle, _mended(before, now) + text.encode(), len(before))
            return new
    except OSError as error:
        msg = f"{runs / FILE} cannot be written ({error.strerror or error}); may you write there, and is there room?"
        raise InputError([msg]) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _lock(handle, alone=True)
        if is_new:
            _sync_folder(path.parent)
        yield handle
    finally:
        os.close(handle)


def _lock(handle: int, *, alone: bool) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _append(handle: int, data: bytes, size: int) -> None:
    """Write all of it or nothing: what a full disk cuts off is taken back."""
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _checked(now: datetime, events: tuple[Event, ...], path: Path) -> datetime:
    if events and now < events[-1].time:
        msg = (
            f"the clock says {utc_text(now)}, but the last event of {path} is of {utc_text(events[-1].time)}; "
            f"set the clock, then try again"
        )
        raise InputError([msg])
    return now


def _mended(data: bytes, now: datetime) -> bytes:
    """Return what must stand before new lines: the end of a line that was cut off, and a note of what it was."""
    tail = data.rpartition(b"\n")[2]
    if not tail:
        return b""
    if _event(tail) is not None:
        return b"\n"  # only its end was missing
    return b"\n" + Event(kind="torn", alarm="", time=now, note=_fingerprint(tail)).to_line().encode()


def _events(data: bytes, path: Path) -> tuple[Event, ...]:
    *lines, tail = data.split(b"\n")
    found = [_event(line) for line in lines]
    for place, event in enumerate(found):
        if event is not None:
            continue
        after = found[place + 1] if place + 1 < len(found) else None
        if after is None or after.kind != "torn" or after.note != _fingerprint(lines[place]):
            msg = f"line {place + 1} of {path} is no event; it was changed after it was written: restore the file"
            raise EvidenceError(msg)
    last = _event(tail) if tail else None
    return tuple(event for event in (*found, last) if event is not None and event.kind != "torn")


def _event(line: bytes) -> Event | None:
    try:
        return Event.from_line(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _fingerprint(line: bytes) -> str:
    return f"{len(line)} bytes, sha256 {hashlib.sha256(line).hexdigest()}"
