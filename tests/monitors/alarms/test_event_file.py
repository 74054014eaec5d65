"""The file of events: several writers, a writer that is killed, lines that were cut off or changed, a full disk."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from audit.errors import EvidenceError, InputError
from monitors.alarms import event_file
from monitors.alarms.event_file import FILE, read_events, write_events
from monitors.alarms.events import Event

NOW = datetime(2026, 1, 12, tzinfo=UTC)

WRITER = """
import sys
from pathlib import Path
from monitors.alarms.event_file import write_events
from monitors.alarms.events import Event
name, number = sys.argv[2], int(sys.argv[3])
for place in range(number):
    alarm = f"{name}-{place}"
    write_events(Path(sys.argv[1]), lambda _, now: [Event(kind="sent", alarm=alarm, time=now, note="x" * 3000)])
    print(alarm, flush=True)
"""


def note(alarm, time=NOW):
    return lambda _, now: [Event(kind="sent", alarm=alarm, time=now, note="ok")]


def add(runs, alarm, at=NOW):
    return write_events(runs, note(alarm), clock=lambda: at)


def writer(runs, name, number):
    command = [sys.executable, "-c", WRITER, str(runs), name, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_writers_at_once_lose_nothing(tmp_path):
    writers = [writer(tmp_path / "runs", name, 20) for name in ("a", "b")]
    assert [process.wait(timeout=120) for process in writers] == [0, 0]
    for process in writers:
        process.stdout.close()
    events = read_events(tmp_path / "runs")
    assert {event.alarm for event in events} == {f"{name}-{place}" for name in "ab" for place in range(20)}
    assert len(events) == 40
    assert list(events) == sorted(events, key=lambda event: event.time)


@pytest.mark.parametrize("rounds", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_whoever_is_killed_loses_nothing_that_it_was_told_is_written(tmp_path, rounds):
    for round_ in range(rounds):
        process = writer(tmp_path, f"r{round_}", 10_000)
        told = [process.stdout.readline().strip() for _ in range(3 + 7 * round_)]
        process.kill()
        told += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        process.wait(timeout=30)
        process.stdout.close()
        assert set(told) <= {event.alarm for event in read_events(tmp_path)}
    add(tmp_path, "after", datetime.now(UTC) + timedelta(seconds=1))
    assert read_events(tmp_path)[-1].alarm == "after"


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_cut_off_is_left_out_kept_and_told(tmp_path, cut):
    add(tmp_path, "a")
    add(tmp_path, "b")
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    complete = cut == 1  # only the end of the line is missing
    assert [event.alarm for event in read_events(tmp_path)] == (["a", "b"] if complete else ["a"])
    add(tmp_path, "c")
    add(tmp_path, "d")
    assert [event.alarm for event in read_events(tmp_path)] == (["a", "b", "c", "d"] if complete else ["a", "c", "d"])
    assert path.read_bytes().startswith(whole[:-cut])  # nothing that stood there is gone
    torn = [json.loads(line)["note"] for line in path.read_text().splitlines() if '"torn"' in line]
    assert len(torn) == (0 if complete else 1)


def test_a_letter_cut_in_half_is_no_trouble(tmp_path):
    add(tmp_path, "a")
    with (tmp_path / FILE).open("ab") as stream:
        stream.write(b'{"schema": "\xc3')
    assert len(read_events(tmp_path)) == 1
    add(tmp_path, "b")
    assert [event.alarm for event in read_events(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0][:-9] + "}\n", *lines[1:]],
        lambda lines: ["\n", *lines],
        lambda lines: [*lines[:1], "nothing\n", *lines[1:]],
    ],
)
def test_a_line_that_was_changed_is_broken_evidence(tmp_path, change):
    add(tmp_path, "a")
    add(tmp_path, "b")
    path = tmp_path / FILE
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(EvidenceError, match=r"line \d of .*alarms.jsonl is no event"):
        read_events(tmp_path)
    with pytest.raises(EvidenceError, match="restore the file"):
        add(tmp_path, "c")


def test_a_cut_line_that_is_changed_afterwards_is_told_too(tmp_path):
    add(tmp_path, "a")
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-30])
    add(tmp_path, "b")
    path.write_bytes(path.read_bytes().replace(b'"sent"', b'"SENT"', 1))
    with pytest.raises(EvidenceError, match="line 1 of"):
        read_events(tmp_path)


def test_a_clock_that_goes_backwards_is_refused(tmp_path):
    add(tmp_path, "a")
    with pytest.raises(
        InputError, match=r"the clock says 2026-01-11T00:00:00Z, but the last event of .* is of 2026-01-12"
    ):
        add(tmp_path, "b", NOW - timedelta(days=1))
    add(tmp_path, "b", NOW)
    assert len(read_events(tmp_path)) == 2


def test_what_a_full_disk_cuts_off_is_taken_back(tmp_path, monkeypatch):
    add(tmp_path, "a")
    before = (tmp_path / FILE).read_bytes()
    write, left = os.write, [10]

    def full(handle, data):
        if not left:
            raise OSError(28, "No space left on device")
        return write(handle, data[: left.pop()])

    monkeypatch.setattr(event_file.os, "write", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\).*is there room"):
        add(tmp_path, "b")
    monkeypatch.undo()
    assert (tmp_path / FILE).read_bytes() == before


def test_nothing_is_written_where_nothing_is_decided_or_deciding_fails(tmp_path):
    add(tmp_path, "a")
    before = (tmp_path / FILE).read_bytes()
    assert write_events(tmp_path, lambda *_: []) == ()

    def fails(*_):
        raise InputError(["no"])

    with pytest.raises(InputError, match="no"):
        write_events(tmp_path, fails)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        add(tmp_path / "runs", "a")


def test_a_writer_waits_for_another(tmp_path):
    started = time.monotonic()
    process = writer(tmp_path, "a", 1)
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    with (tmp_path / FILE).open("ab") as stream:
        fcntl = pytest.importorskip("fcntl")
        fcntl.flock(stream, fcntl.LOCK_EX)
        waiting = writer(tmp_path, "b", 1)
        time.sleep(2 * (time.monotonic() - started))
        assert waiting.poll() is None
    assert waiting.wait(timeout=60) == 0
    waiting.stdout.close()
    assert len(read_events(tmp_path)) == 2
