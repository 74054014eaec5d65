"""The command line without a process of its own: a second less for every call, the same door, files and exit code."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from evenhanded.__main__ import main


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def called(*arguments: object, cwd: Path, code: int | None = None) -> Done:
    shown, complained, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(cwd)
    try:
        with (
            contextlib.redirect_stdout(shown),
            contextlib.redirect_stderr(complained),
            pytest.raises(SystemExit) as left,
        ):
            main([str(argument) for argument in arguments])
    finally:
        os.chdir(before)
    done = Done(left.value.code, shown.getvalue(), complained.getvalue())
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def call() -> Callable[..., Done]:
    """Return how to run a command in a folder and meet its exit code; every command has a real process in some test."""
    return called
