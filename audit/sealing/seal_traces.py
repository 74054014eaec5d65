"""What an opening leaves behind: read together, so that removing one of its traces closes nothing again."""

import json
from pathlib import Path
from typing import Any

from audit.errors import EvidenceError
from audit.result import Result
from audit.sealing.seal_files import ATTEMPTS, OPENED, changes, read_attempts
from audit.sealing.seal_record import SEAL, Seal

RESULT = "result.json"


def read_opening(folder: Path) -> dict[str, Any] | None:
    """Return who opened the test when and with what, from whichever trace is left; None where it is closed.

    Raises
    ------
    EvidenceError
        If a record is broken.

    Examples
    --------
    >>> read_opening(Path("no such folder")) is None
    True
    """
    traces = _other_traces(folder)  # before the record itself: an opening writes that first
    record = _record(folder)
    return traces[-1] if record is None and traces else record


def all_changes(folder: Path, seal: Seal, *, expect: str | None = None) -> list[str]:
    """Return what is no longer what was sealed or opened; empty where all that can be compared is intact.

    Parameters
    ----------
    folder, seal
        The sealed test and its record.
    expect
        The digest of the seal as it was noted elsewhere; None = compared only with what an opening recorded.

    Raises
    ------
    EvidenceError
        If a record of attempts or of the opening is broken.

    Examples
    --------
    >>> from audit.sealing.seal_record import SealedColumns
    >>> seal = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=SealedColumns(prediction_id="id", y_true="y"))
    >>> all_changes(Path("no such folder"), seal, expect=seal.digest()) == changes(Path("no such folder"), seal)
    True
    """
    found = changes(folder, seal)
    if expect is not None and seal.digest() != expect:
        found.append(f"{SEAL} has the digest {seal.digest()}, not {expect}")
    traces = _other_traces(folder)
    record = _record(folder)
    if record is None:
        left = [str(trace["trace"]) for trace in traces]
        return [*found, *([f"{OPENED} is missing, though the test was opened: {'; '.join(left)}"] if left else [])]
    if record.get("seal") != seal.digest():
        found.append(f"{SEAL} has the digest {seal.digest()}; {OPENED} says {record.get('seal')}")
    return found + _result_changes(folder, record)


def _other_traces(folder: Path) -> list[dict[str, Any]]:
    """Return what tells of an opening beside its record; the fullest last."""
    traces: list[dict[str, Any]] = [{"trace": f"{RESULT} stands there"}] if (folder / RESULT).exists() else []
    return traces + [
        each | {"trace": f"{ATTEMPTS} says so of {each.get('time')} by {each.get('by')}"}
        for each in read_attempts(folder)
        if each.get("outcome") == "opened"
    ]


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / OPENED).read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            msg = f"{folder / OPENED} cannot be read (it holds no record); who opened the test is no longer known"
            raise EvidenceError(msg)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        msg = f"{folder / OPENED} cannot be read ({error}); who opened the test is no longer known"
        raise EvidenceError(msg) from error
    return record


def _result_changes(folder: Path, record: dict[str, Any]) -> list[str]:
    try:
        digest = Result.from_json((folder / RESULT).read_text(encoding="utf-8")).digest()
    except FileNotFoundError:
        return []  # an opening in progress, or one that was cut short: its record stands
    except (OSError, ValueError, KeyError, TypeError, EvidenceError) as error:
        return [f"{RESULT} is broken ({type(error).__name__})"]
    said = record.get("result")
    return [] if digest == said else [f"{RESULT} has the digest {digest}; {OPENED} says {said}"]
