"""The profile "thorough" reaches every Hypothesis test, whatever its decorator says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASE = """
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

drawn = {{"own": 0, "usual": 0, "most": 0}}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers())
@pytest.mark.parametrize("case", [1])
def test_own(case, number):
    drawn["own"] += 1


@given(st.integers())
def test_usual(number):
    drawn["usual"] += 1


@settings(max_examples=300)
@given(st.integers())
def test_most(number):
    drawn["most"] += 1


def test_numbers():
    assert drawn == {expected}
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"own": 20, "usual": 100, "most": 300}),
        (["--hypothesis-profile=thorough"], {"own": 200, "usual": 1000, "most": 2000}),
    ],
)
def test_every_test_draws_more(arguments, expected, tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_case.py").write_text(CASE.format(expected=expected))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_case.py", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
