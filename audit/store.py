"""Saved runs: one folder each, never rewritten, listed by an index."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import EvidenceError, InputError
from audit.kinds import kind_of, model_of
from audit.measurement import EVERYONE
from audit.result import Result
from audit.tally import Tally

RESULT = "result.json"
TALLY = "tally.parquet"
INDEX = "index.jsonl"
GATE = "gate.json"
_NAME = re.compile(r"\d{8}T\d{6}Z-(?P<digest>[0-9a-f]{8})(-\d+)?")


class RunEntry(NamedTuple):
    """What a list of runs shows of one: all of it stands in the index, so that many runs list at once.

    Examples
    --------
    >>> time = datetime(2026, 1, 2, tzinfo=UTC)
    >>> entry = RunEntry("20260102T000000Z-0a1b2c3d", Path("runs"), time, "0a1b2c3d", 40, ("sex",), "1", "PASS", None)
    >>> entry.rows, entry.verdict
    (40, 'PASS')
    """

    run_id: str
    path: Path
    time: datetime
    digest: str
    rows: int
    features: tuple[str, ...]
    positive: str | None
    verdict: str | None
    model_version: str | None
    kind: str = "audit"
    files: tuple[str, ...] = ()
    model: str = ""


def save_run(result: Result, folder: Path | str, *, documents: Mapping[str, str] | None = None) -> Path:
    """Save a run as ``<folder>/<UTC time>-<8 hex of its digest>/``, whole or not at all.

    Parameters
    ----------
    result
        The result; its tally, where it has one, is saved beside it.
    folder
        The folder of runs; made where it is missing.
    documents
        Further files by name, such as ``gate.json`` and ``report.html``.

    Returns
    -------
    Path
        The folder of the run. Its files are the same bytes for the same result; the time stands in its name only.

    Raises
    ------
    InputError
        If the folder cannot be written, or a document bears a name that the run itself uses.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_run(Result(measurements=(), provenance=Provenance()), Path(folder), documents={"note.txt": "x"})
    ...     sorted(file.name for file in path.iterdir())
    ['note.txt', 'result.json']
    """
    folder = Path(folder)
    clashes = sorted({RESULT, TALLY} & {Path(name).name for name in documents or {}})
    if clashes:
        msg = f"documents may not be called {clashes}: the run itself writes files of these names"
        raise InputError([msg])
    verdict = _verdict((documents or {}).get(GATE))
    now = datetime.now(UTC)
    digest = result.digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        msg = f"cannot write runs to {folder}: {error.strerror}; name another folder"
        raise InputError([msg]) from error
    try:
        _write(result, partial, documents or {})
        path = _renamed(partial, folder, f"{now:%Y%m%dT%H%M%SZ}-{digest[:8]}")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _index(_entry(result, path, now, digest, verdict))
    return path


def list_runs(folder: Path | str) -> tuple[RunEntry, ...]:
    """Return the runs of a folder, newest first; empty where there are none.

    Runs that the index lacks (copied in by hand, or cut off before they were listed) are read and added to the list.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_run(Result(measurements=(), provenance=Provenance()), Path(folder))
    ...     [entry.run_id == path.name for entry in list_runs(Path(folder))]
    [True]
    >>> list_runs(Path("no such folder"))
    ()
    """
    folder = Path(folder)
    if not folder.is_dir():
        return ()
    known = {entry.run_id: entry for entry in _indexed(folder)}
    found = [path for path in folder.iterdir() if (path / RESULT).is_file() and not path.name.startswith(".")]
    entries = [known.get(path.name) or _read_entry(path) for path in found]
    return tuple(sorted(entries, key=lambda entry: entry.run_id, reverse=True))


def load_run(path: Path | str) -> Result:
    """Read a saved run, with its tally attached.

    Raises
    ------
    EvidenceError
        If a file is missing or broken, the result is not the one that the folder was named after, or the tally is not
        the one that the result was made from.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> made = Result(measurements=(), provenance=Provenance(given={"level": 0.9}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_run(save_run(made, Path(folder))) == made
    True
    """
    path = Path(path)
    try:
        text = (path / RESULT).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} holds no readable {RESULT}: {error}; name the folder of a saved run"
        raise EvidenceError(msg) from error
    result = Result.from_json(text)
    named = _NAME.fullmatch(path.name)
    if named and hashlib.sha256(text.encode()).hexdigest()[:8] != named["digest"]:
        msg = f"{path / RESULT} is no longer the one that was saved (see the folder's name); run the audit again"
        raise EvidenceError(msg)
    if result.provenance.tally is None:
        return result
    tally = Tally.read(path / TALLY)
    if tally.digest() != result.provenance.tally:
        msg = f"{path / TALLY} is not the tally that {RESULT} was made from: its digest differs; run the audit again"
        raise EvidenceError(msg)
    return replace(result, tally=tally)


def read_document(path: Path, name: str) -> str | None:
    """Return a further file of a run as text; None where the run has none of that name.

    Raises
    ------
    OSError
        If the file is there but cannot be read.
    UnicodeDecodeError
        If it is not UTF-8.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "note.txt", "seen")
    ...     read_document(Path(folder), "note.txt"), read_document(Path(folder), "gone.txt")
    ('seen', None)
    """
    target = path / Path(name).name
    return target.read_text(encoding="utf-8") if target.is_file() else None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "note.txt", "seen")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note.txt']
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; name another file"
        raise InputError([msg]) from error
    finally:
        partial.unlink(missing_ok=True)


def _write(result: Result, folder: Path, documents: Mapping[str, str]) -> None:
    (folder / RESULT).write_text(result.to_json(), encoding="utf-8")
    if result.tally is not None:
        result.tally.write(folder / TALLY)
    for name, text in documents.items():
        (folder / Path(name).name).write_text(text, encoding="utf-8")


def _renamed(partial: Path, folder: Path, name: str) -> Path:
    partial.chmod(0o755)
    for attempt in range(1000):
        target = folder / (name if not attempt else f"{name}-{attempt + 1}")
        if not target.exists():
            return partial.rename(target)
    msg = f"{folder} holds 1,000 runs of this name"
    raise InputError([msg])


def _verdict(gate: str | None) -> str | None:
    if gate is None:
        return None
    try:
        return str(json.loads(gate)["verdict"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{GATE} holds no verdict ({error}); expected the JSON of a gate"
        raise InputError([msg]) from error


def _entry(result: Result, path: Path, time: datetime, digest: str, verdict: str | None) -> RunEntry:
    tally = result.tally
    versions = [] if tally is None else tally.cells["model_version"].unique().drop_null().to_pylist()
    return RunEntry(
        run_id=path.name,
        path=path,
        time=time,
        digest=digest,
        rows=_counted(result) if tally is None else tally.rows,
        features=() if tally is None else tally.features,
        positive=None if tally is None else tally.positive,
        verdict=verdict,
        model_version=versions[0] if len(versions) == 1 else None,
        kind=kind_of(result),
        files=tuple(result.provenance.data),
        model=model_of(result),
    )


def _counted(result: Result) -> int:
    """Return the rows of a run without a tally: what it counted of everyone; 0 where it says nothing of that."""
    counts = [row for row in result.measurements if row.metric == "count" and row.slice == EVERYONE]
    plain = [row.n for row in counts if row.against is None and row.window is None and not row.at]
    traffic = [row.n for row in result.measurements if row.metric == "traffic" and row.slice == EVERYONE]
    return sum(traffic) or max(plain or [row.n for row in counts if row.against is None], default=0)


def _read_entry(path: Path) -> RunEntry:
    time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    try:
        result = load_run(path)
        verdict = _verdict(read_document(path, GATE))
    except (EvidenceError, InputError):
        return RunEntry(path.name, path, time, "", 0, (), None, "INVALID", None)
    return _entry(result, path, time, result.digest(), verdict)


def _index(entry: RunEntry) -> None:
    record = entry._asdict() | {"path": None, "time": entry.time.isoformat()}
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    handle = os.open(entry.path.parent / INDEX, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def _indexed(folder: Path) -> list[RunEntry]:
    index = folder / INDEX
    if not index.is_file():
        return []
    entries = []
    for line in index.read_text(encoding="utf-8", errors="replace").splitlines():
        record = _parsed(line)
        if record is not None:
            entries.append(_entry_of(record, folder))
    return entries


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        datetime.fromisoformat(record["time"])
    except (ValueError, KeyError, TypeError):  # a line that was cut off: the run is read from its folder instead
        return None
    return record if isinstance(record, dict) and set(record) == set(RunEntry._fields) else None


def _entry_of(record: dict[str, Any], folder: Path) -> RunEntry:
    fields = record | {
        "path": folder / Path(record["run_id"]).name,
        "time": datetime.fromisoformat(record["time"]),
        "features": tuple(record["features"]),
        "files": tuple(record["files"]),
    }
    return RunEntry(**fields)
