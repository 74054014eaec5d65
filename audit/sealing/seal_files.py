"""The files of a sealed test: what is kept back, what the vendor gets, the attempts, and what has changed."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.errors import EvidenceError, InputError
from audit.measurement import canonical_json
from audit.provenance import file_digest
from audit.sealing.seal_record import SEAL, Seal
from audit.sealing.seal_spelling import spelled
from audit.tables import open_file
from audit.values import canonical_array

OPENED, ATTEMPTS = "opened.json", "attempts.jsonl"
KEPT_TEST, KEPT_POLICY = Path("keep/test.parquet"), Path("keep/policy.yaml")
FOR_VENDOR = Path("vendor/unlabelled.parquet")

_SHOWN = 5


def read_table(path: Path) -> pa.Table:
    r"""Return a CSV (as text) or Parquet file in memory, with its own column names.

    Raises
    ------
    InputError
        If it cannot be read, or two columns share a name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.csv").write_text("id,y\n1,0\n")
    ...     read_table(Path(folder) / "a.csv").to_pydict()
    {'id': ['1'], 'y': ['0']}
    """
    table = open_file(path)
    twice = sorted({name for name in table.names if table.names.count(name) > 1})
    if twice:
        raise InputError([f"{path} has columns that share a name: {twice}; rename them apart"])
    collected: pa.Table = table.lazy.collect(backend="pyarrow").to_native()
    return collected.rename_columns(table.names)


def digest_of(table: pa.Table, prediction_id: str, names: Sequence[str]) -> str:
    """Return the SHA-256 of ids and columns: of values, free of the order of rows and of the type of file.

    Examples
    --------
    >>> one = pa.table({"id": [1, 2], "y": [0.0, 1.0]})
    >>> digest_of(one, "id", ["y"]) == digest_of(one.take([1, 0]).cast(pa.schema([("id", pa.string()),
    ...                                                                         ("y", pa.int64())])), "id", ["y"])
    True
    """
    columns = [canonical_array(table[name]).to_pylist() for name in (prediction_id, *names)]
    rows = sorted(zip(*columns, strict=True), key=_by_id)
    text = "\n".join(map(canonical_json, [[prediction_id, *names], *map(list, rows)]))
    return hashlib.sha256(text.encode()).hexdigest()


def by_id(table: pa.Table, prediction_id: str) -> pa.Table:
    """Return the rows in the order of the digests of their ids: an order that says nothing of labels.

    Examples
    --------
    >>> sorted(by_id(pa.table({"id": [3, 1, 2]}), "id")["id"].to_pylist())
    [1, 2, 3]
    """
    digests = [hashlib.sha256(str(name).encode()).hexdigest() for name in ids_of(table, prediction_id)]
    return table.take(pc.array_sort_indices(pa.array(digests, pa.string())))


def ids_of(table: pa.Table, prediction_id: str) -> list[str | None]:
    """Return the ids in their one spelling.

    Examples
    --------
    >>> ids_of(pa.table({"id": [1.0, None]}), "id"), ids_of(pa.table({"id": ["1.0", "01"]}), "id")
    (['1', None], ['1', '01'])
    """
    found: list[str | None] = spelled(table[prediction_id]).to_pylist()
    return found


def id_violations(ids: Sequence[str | None], where: str) -> list[str]:
    """Return what is wrong with ids that must be unique and never missing.

    Examples
    --------
    >>> id_violations(["1", "1", None], "predictions")
    ['1 rows of predictions have no id; complete them', "ids stand twice in predictions: '1'; keep one row of each"]
    """
    gone, seen, twice = 0, set(), dict[str, None]()
    for name in ids:
        if name is None:
            gone += 1
        elif name in seen:
            twice[name] = None
        else:
            seen.add(name)
    violations = [f"{gone} rows of {where} have no id; complete them"] if gone else []
    if twice:
        violations.append(f"ids stand twice in {where}: {shown(list(twice))}; keep one row of each")
    return violations


def shown(names: Sequence[str]) -> str:
    """Return the first names in quotes, and how many more there are.

    Examples
    --------
    >>> shown([str(place) for place in range(7)])
    "'0', '1', '2', '3', '4' and 2 more"
    """
    text = ", ".join(map(repr, names[:_SHOWN]))
    return text + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def read_seal(folder: Path) -> Seal:
    """Return the record of a sealed test.

    Raises
    ------
    InputError
        If the folder holds none.
    EvidenceError
        If it is broken.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.sealing.seal_record import SealedColumns
    >>> seal = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=SealedColumns(prediction_id="id", y_true="y"))
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / SEAL).write_text(seal.to_json())
    ...     read_seal(Path(folder)) == seal
    True
    """
    try:
        return Seal.from_json((folder / SEAL).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        msg = f"{folder} is no sealed test (no {SEAL}); make one with `evenhanded sealed new`"
        raise InputError([msg]) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{folder / SEAL} cannot be read: {error}"
        raise EvidenceError(msg) from error


def changes(folder: Path, seal: Seal) -> list[str]:
    """Return what is no longer what was sealed: labels, what the vendor got, the policy; empty where all is intact.

    Examples
    --------
    >>> from audit.sealing.seal_record import SealedColumns
    >>> seal = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=SealedColumns(prediction_id="id", y_true="y"))
    >>> changes(Path("no such folder"), seal)[-1]
    'keep/policy.yaml is missing or broken (FileNotFoundError)'
    """
    found = []
    columns = seal.columns
    for path, digests in (
        (KEPT_TEST, {"labels": (columns.kept(), seal.labels), "features": (None, seal.features)}),
        (FOR_VENDOR, {"features": (None, seal.features)}),
    ):
        try:
            table = pq.read_table(folder / path)
            for part, (names, sealed) in digests.items():
                used = columns.given(table.column_names)[1:] if names is None else names
                if digest_of(table, columns.prediction_id, used) != sealed:
                    found.append(f"the {part} in {path} are not those that were sealed")
        except (OSError, pa.ArrowException, KeyError) as error:
            found.append(f"{path} is missing or broken ({type(error).__name__})")
    try:
        if file_digest(folder / KEPT_POLICY) != seal.policy:
            found.append(f"{KEPT_POLICY} is not the policy that was sealed")
    except OSError as error:
        found.append(f"{KEPT_POLICY} is missing or broken ({type(error).__name__})")
    return found


def note_attempt(folder: Path, record: Mapping[str, Any]) -> None:
    """Add a line to the record of attempts; lines are only ever added.

    Raises
    ------
    InputError
        If the record cannot be written: then nothing is opened.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     note_attempt(Path(folder), {"by": "A", "outcome": "opened"})
    ...     read_attempts(Path(folder))
    ({'by': 'A', 'outcome': 'opened'},)
    """
    try:
        handle = os.open(folder / ATTEMPTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, (canonical_json(dict(record)) + "\n").encode())
        finally:
            os.close(handle)
    except OSError as error:
        msg = f"cannot write {folder / ATTEMPTS}: {error.strerror}; an attempt that leaves no trace is not allowed"
        raise InputError([msg]) from error


def read_attempts(folder: Path) -> tuple[dict[str, Any], ...]:
    """Return every attempt to open the test, in order.

    Raises
    ------
    EvidenceError
        If the record is broken.

    Examples
    --------
    >>> read_attempts(Path("no such folder"))
    ()
    """
    try:
        lines = (folder / ATTEMPTS).read_text(encoding="utf-8").splitlines()
        attempts = tuple(json.loads(line) for line in lines)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError) as error:
        msg = f"{folder / ATTEMPTS} cannot be read ({error}); it was written by something else"
        raise EvidenceError(msg) from error
    if not all(isinstance(each, dict) for each in attempts):
        msg = f"{folder / ATTEMPTS} cannot be read (a line is no record); it was written by something else"
        raise EvidenceError(msg)
    return attempts


def _by_id(row: tuple[str | None, ...]) -> str:
    return row[0] or ""
