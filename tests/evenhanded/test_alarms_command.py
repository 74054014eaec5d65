"""``evenhanded alarms`` as its users meet it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Alarm, Result
from monitors.alarms.states import load_alarms, raise_alarms

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOSTILE = "=1+1[bold]<script>\u202e\x1b[31m\n"


def result_of(*groups):
    rows = [
        Measurement(metric="traffic_ratio", slice=(("g", group),), window=(MONDAY, MONDAY + timedelta(7)), value=2.0,
                    n=9, method="count")
        for group in groups
    ]  # fmt: skip
    return Result(
        measurements=rows, alarms=[Alarm(key=row.key(), e_value=31.0, limit=20.0, since=MONDAY) for row in rows]
    )


@pytest.fixture
def folder(tmp_path):
    raise_alarms(result_of(HOSTILE), tmp_path / "runs")
    return tmp_path


@pytest.fixture
def alarm(folder):
    return load_alarms(folder / "runs")[0].alarm


def test_a_process_lists_the_alarms_without_escape_sequences(folder, alarm):
    command = [sys.executable, "-m", "evenhanded", "alarms"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith(alarm))
    assert "raised" in line
    assert "2026-01-05" in line
    assert "31 to 1" in line


def test_acknowledged_snoozed_cleared(call, folder, alarm):
    assert "acknowledged by Ada" in call("alarms", "ack", alarm[:4], "--by", "Ada", cwd=folder, code=0).stdout
    assert "acknowledged by Ada" in call("alarms", "list", cwd=folder, code=0).stdout
    call("alarms", "snooze", alarm, "--until", "7d", "--by", "Ada", cwd=folder, code=0)
    (state,) = load_alarms(folder / "runs")
    assert timedelta(days=6, hours=23) < state.until - datetime.now(UTC) <= timedelta(days=7)
    call("alarms", "snooze", alarm, "--until", "2099-01-01T00:00+01:00", "--by", "Ada", cwd=folder, code=0)
    call("alarms", "clear", alarm, "--by", HOSTILE, "--evidence", "feed mended", cwd=folder, code=0)
    assert "no alarms; 1 cleared (--all shows them)" in call("alarms", cwd=folder, code=0).stdout
    assert "=1+1[bold]<script>" in " ".join(call("alarms", "list", "--all", cwd=folder, code=0).stdout.split())


def test_cron_and_ci_get_an_exit_code_and_json(call, folder, alarm):
    call("alarms", "list", "--exit-code", cwd=folder, code=1)
    shown = json.loads(call("alarms", "list", "--json", cwd=folder, code=0).stdout)
    assert [(each["alarm"], each["status"], each["since"]) for each in shown] == [
        (alarm, "raised", "2026-01-05T00:00:00Z")
    ]
    call("alarms", "ack", alarm, "--by", "Ada", cwd=folder, code=0)
    call("alarms", "list", "--exit-code", cwd=folder, code=0)
    (folder / "empty").mkdir()
    assert json.loads(call("alarms", "list", "--runs", "empty", "--json", cwd=folder, code=0).stdout) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ack", "zzzz", "--by", "Ada"], "no alarm is called 'zzzz'"),
        (["ack", "ALARM", "--by", " "], "nobody is named"),
        (["snooze", "ALARM", "--by", "Ada", "--until", "2099-01-01T08:00"], "has no time zone"),
        (
            ["snooze", "ALARM", "--by", "Ada", "--until", "5000 rows"],
            "expected 7d, 12h, a day (00:00 UTC), or a time with a zone",
        ),
        (
            ["snooze", "ALARM", "--by", "Ada", "--until", "soon"],
            "--until 'soon': expected 7d, 12h, a day (00:00 UTC), or a time",
        ),
        (
            ["snooze", "ALARM", "--by", "Ada", "--until", "yesterday"],
            "'yesterday': expected 7d, 12h, a day (00:00 UTC), or a time",
        ),
        (
            ["snooze", "ALARM", "--by", "Ada", "--until", "2020-01-01T00:00Z"],
            "2020-01-01T00:00:00Z is past: it is",
        ),
        (["snooze", "ALARM", "--by", "Ada", "--until", "2020-01-01"], "until 2020-01-01T00:00:00Z is past: it is"),
        (["clear", "ALARM", "--by", "Ada", "--evidence", " "], "no evidence is named"),
        (["clear", "ALARM", "--by", "Ada"], "Missing option '--evidence'"),
        (["ack", "ALARM"], "Missing option '--by'"),
    ],
)
def test_wrong_use_leaves_with_2_and_no_event(call, folder, alarm, arguments, text):
    before = (folder / "runs" / "alarms.jsonl").read_bytes()
    done = call("alarms", *[alarm if each == "ALARM" else each for each in arguments], cwd=folder, code=2)
    assert re.search(re.escape(text), " ".join(done.stderr.split()))
    assert (folder / "runs" / "alarms.jsonl").read_bytes() == before


def test_a_changed_file_is_broken_evidence(call, folder):
    path = folder / "runs" / "alarms.jsonl"
    path.write_text(path.read_text().replace('"raised"', '"gone"'))
    assert "is no event" in call("alarms", "list", cwd=folder, code=4).stderr


@pytest.mark.parametrize(
    "words", [(), ("list",), ("list", "--exit-code"), ("list", "--json"), ("ack", "3766", "--by", "Ada")]
)
def test_a_folder_that_is_missing_is_an_error_and_not_a_folder_without_alarms(call, tmp_path, words):
    done = call("alarms", *words, cwd=tmp_path, code=2)
    assert "runs is no folder of runs; name the one that --out of `evenhanded monitor` wrote" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_runs_without_events_has_no_alarms(call, tmp_path):
    (tmp_path / "runs").mkdir()
    assert "no alarms" in call("alarms", cwd=tmp_path, code=0).stdout


def test_alarms_of_several_logs_are_listed_with_their_logs(call, folder, alarm):
    named = replace(result_of("b"), provenance=Provenance(given={"log": "../north.csv"}))
    raise_alarms(named, folder / "runs")
    shown = call("alarms", "list", cwd=folder, code=0).stdout
    assert "../north.csv" in shown
    record = json.loads(call("alarms", "list", "--json", cwd=folder, code=0).stdout)
    assert [each["log"] for each in record] == [None, "../north.csv"]
    assert record[0]["alarm"] == alarm


def test_a_day_is_its_midnight_utc(call, folder, alarm):
    call("alarms", "snooze", alarm, "--until", "2099-01-01", "--by", "Ada", cwd=folder, code=0)
    assert load_alarms(folder / "runs")[0].until == datetime(2099, 1, 1, tzinfo=UTC)


def test_the_list_says_from_what_to_what_with_its_interval(call, tmp_path):
    window = (MONDAY, MONDAY + timedelta(7))
    share = Measurement(metric="accuracy", window=window, value=0.5, low=0.4, high=0.6, n=99, level=0.95, method="x")
    digest = {"kind": "reference", "digest": "d"}
    difference = Measurement(
        metric="accuracy_difference", window=window, against=digest, value=-0.25, low=-0.35, high=-0.15, n=99,
        level=0.95, method="x",
    )  # fmt: skip
    evidence = Measurement(metric="accuracy_e_value", window=window, against=digest, value=31.0, n=99, method="x")
    alarms = [Alarm(key=evidence.key(), e_value=31.0, limit=20.0, since=MONDAY)]
    raise_alarms(Result(measurements=[share, difference, evidence], alarms=alarms), tmp_path / "runs")
    (state,) = load_alarms(tmp_path / "runs")
    assert (state.before, state.value, state.low, state.high) == (0.75, 0.5, 0.4, 0.6)
    shown = " ".join(call("alarms", "list", cwd=tmp_path, code=0).stdout.split())
    assert "from 75.0 % to 50.0 % [40.0, 60.0]" in shown
