"""Evidently's door: quiet, checked, and nothing leaves the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from audit.extras import MissingExtraError
from monitors.evidently_door import pandas_violation

ROOT = Path(__file__).resolve().parents[2]

SPY = """
import socket, sys, warnings
warnings.simplefilter("error")
tried = []
def refuse(self, address, *rest):
    tried.append(address)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda *address, **rest: tried.append(address) or []
import subprocess
started = []
run = subprocess.Popen.__init__
def note(self, *args, **rest):
    started.append(args)
    return run(self, *args, **rest)
subprocess.Popen.__init__ = note
"""
REPORT = """
import os
import monitors, monitors.run
assert "evidently" not in sys.modules
from datetime import UTC, datetime
import pyarrow as pa
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.evidently_adapter import evidently_report
from monitors.windows import parse_windows, resolve
table = pa.table({"y": [0, 1] * 20, "p": [0, 1] * 20, "x": range(40), "t": ["2026-01-07T09:30Z"] * 40})
log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", features=["x"])
windows = resolve(parse_windows("7d"), log)
found = evidently_report(log, log, windows=windows, result=Result(measurements=()), folder=sys.argv[1])
assert found.snapshots == 1 and found.html.stat().st_size > 1_000_000
print(tried, started, os.environ["DO_NOT_TRACK"])
"""


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=240,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", **environment},
    )  # fmt: skip


def test_monitors_leave_evidently_alone_and_nothing_connects_and_no_process_is_started_from_import_to_page(tmp_path):
    done = python(SPY + REPORT, tmp_path / "workspace")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] [] 1"


def test_the_spy_sees_a_connection():
    ask = """
import urllib.request
try:
    urllib.request.urlopen("http://127.0.0.1:9")
except OSError:
    print(len(tried))
"""
    assert python(SPY + ask).stdout.split() == ["1"]


PRETEND = """
import importlib.metadata, importlib.util, sys
find, version = importlib.util.find_spec, importlib.metadata.version
what = sys.argv[1]
importlib.util.find_spec = lambda name, *rest: None if (name, what) == ("evidently", "gone") else find(name, *rest)
importlib.metadata.version = lambda name: "3.1.0" if (name, what) == ("pandas", "new") else version(name)
import monitors.evidently_door
"""


def test_a_missing_evidently_and_a_pandas_that_is_too_new_are_named_in_one_sentence():
    for what, sentence in (
        ("gone", "A report of Evidently needs evidently, which is not installed: pip install 'evenhanded[evidently]'"),
        ("new", "A report of Evidently needs pandas below 3.1; 3.1.0 is installed: pip install 'pandas<3.1'"),
    ):
        done = python(PRETEND, what)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == f"audit.extras.MissingExtraError: {sentence}"
    assert issubclass(MissingExtraError, ImportError)


@pytest.mark.parametrize(
    ("pandas", "fits"), [("2.2.0", True), ("3.0.6", True), ("3.1.0", False), ("4.0", False), ("dev", True)]
)
def test_versions_of_pandas(pandas, fits):
    assert (pandas_violation(pandas) is None) == fits
