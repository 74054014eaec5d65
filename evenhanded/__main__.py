"""The command line: what a command raises becomes an exit code here, and nowhere else."""

import sys
import traceback
from collections.abc import Sequence

from evenhanded.neighbours import check

USAGE, BROKEN, INTERRUPTED = 2, 4, 130
_OURS = frozenset({"audit", "monitors", "checklists", "dashboards", "trainer", "evenhanded"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the process with its exit code.

    0: done, or every requirement holds. 1: a requirement fails. 2: input that the user named is missing or malformed,
    or wrong use. 3: not shown. 4: evidence missing, changed or broken, or an unexpected error (never 1). 130: Ctrl-C.
    """
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        check()
    except ImportError as error:
        return _say(str(error), USAGE)
    from evenhanded.cli import run

    try:
        return run(arguments)
    except KeyboardInterrupt:
        return _say("interrupted; nothing is half-written", INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the one door out: an unexpected error must not look like a failed gate
        return _failed(error)


def _failed(error: Exception) -> int:
    from audit.errors import EvidenceError, InputError  # late: --help must not wait for them
    from evenhanded.option_words import in_options

    if isinstance(error, InputError):
        return _say(in_options(str(error)), USAGE)
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] not in _OURS:
        return _say(str(error), USAGE)  # something that the user can install
    if isinstance(error, EvidenceError):
        return _say(str(error), BROKEN)
    sys.stderr.write("".join(traceback.format_exception(error)))
    return _say("this is an unexpected error, not a verdict; please report it with the lines above", BROKEN)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"evenhanded: {_visible(text)}\n")
    return code


def _visible(text: str) -> str:
    """Return the text with control and direction marks spelled out: it may hold names from the data."""
    return "".join(mark if mark.isprintable() or mark == "\n" else f"\\u{ord(mark):04x}" for mark in text)


if __name__ == "__main__":
    main()
