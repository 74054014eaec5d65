"""A test that is opened once, for any model: labels and policy are fixed first, predictions are sent in, then judged.

For a model that others make: they get the rows without labels, send back predictions, and the test is opened once. What
this protects against: choosing threshold, metric or policy after the fact; trying again until the result pleases (every
attempt leaves a line); labels that change between sealing and opening. What it does not: nothing here is encrypted or
signed. Whoever can write the folder can forge all of it, so keep it where the vendor cannot, and note `Seal.digest`
somewhere else. Ids, and rows that can be linked to public records, may give labels away; and a test that stands for
other people than those who will be judged proves little, however well it is sealed.
"""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.counting import count
from audit.errors import InputError, raise_violations
from audit.measurement import utc_text
from audit.predictions import PredictionLog, RoleColumns
from audit.provenance import file_digest
from audit.sealing.seal_files import (
    FOR_VENDOR,
    KEPT_POLICY,
    KEPT_TEST,
    by_id,
    digest_of,
    id_violations,
    ids_of,
    read_attempts,
    read_seal,
    read_table,
)
from audit.sealing.seal_record import SEAL, Seal, SealedColumns, column_violations
from audit.sealing.seal_spelling import spelled, spelled_text, with_numbers
from audit.sealing.seal_traces import all_changes, read_opening
from audit.values import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class SealStatus:
    """How a sealed test stands.

    Parameters
    ----------
    seal
        The record.
    opened
        Who opened it when, with which predictions, and the digest of the result, from whichever trace of an opening is
        left; None where it is still closed.
    attempts
        Every attempt to open it, refused ones too, in order.
    changes
        What is no longer what was sealed; empty where all is intact.

    Examples
    --------
    >>> columns = SealedColumns(prediction_id="id", y_true="y")
    >>> seal = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=columns)
    >>> SealStatus(seal=seal, opened=None, attempts=(), changes=()).opened is None
    True
    """

    seal: Seal
    opened: dict[str, Any] | None
    attempts: tuple[dict[str, Any], ...]
    changes: tuple[str, ...]


def seal(test_file: Path, policy_file: Path, folder: Path, *, columns: SealedColumns, by: str) -> Seal:
    r"""Fix a test and its policy, and write what the vendor gets.

    Parameters
    ----------
    test_file
        CSV or Parquet with ids, features, labels and sensitive features.
    policy_file
        The policy that will judge; copied as it is.
    folder
        A new folder: ``keep/`` (never give it away), ``vendor/`` (the rows without labels, in an order that says
        nothing; numbers as numbers, where a CSV file spells them), ``seal.json``.
    columns
        What the columns mean, and how predictions will be read.
    by
        Who seals it.

    Raises
    ------
    InputError
        If the folder exists, a file cannot be read, columns are missing, ids are missing or stand twice, or the labels
        could not be audited: better now than when it is opened.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     test, policy, box = (Path(folder) / name for name in ("test.csv", "policy.yaml", "box"))
    ...     _ = test.write_text("id,x,y\n1,5,0\n2,6,1\n"), policy.write_text("requirements: []\n")
    ...     made = seal(test, policy, box, columns=SealedColumns(prediction_id="id", y_true="y"), by="A. Reviewer")
    ...     made.rows, sorted(pq.read_table(box / FOR_VENDOR).column_names), status(box).opened
    (2, ['id', 'x'], None)
    """
    raise_violations(_violations(policy_file, folder, by))
    table = read_table(test_file)
    raise_violations(column_violations(table.column_names, columns))
    table = with_numbers(table, columns.seen_only(table.column_names))
    ids = ids_of(table, columns.prediction_id)
    raise_violations(
        [*id_violations(ids, str(test_file)), *([] if ids else [f"{test_file} has no rows; there is nothing to seal"])]
    )
    rehearsed = pa.array(np.zeros(len(ids))) if columns.threshold is not None else table[columns.y_true]
    count(sealed_log(table.append_column(columns.predicted, rehearsed), columns))
    made = Seal(
        sealed_at=now_text(),
        sealed_by=by,
        rows=table.num_rows,
        columns=columns,
        labels=digest_of(table, columns.prediction_id, columns.kept()),
        features=digest_of(table, columns.prediction_id, columns.given(table.column_names)[1:]),
        policy=file_digest(policy_file),
        source=file_digest(test_file) if test_file.is_file() else "",
    )
    _write(folder, table, policy_file, made)
    return made


def status(folder: Path, *, expect: str | None = None) -> SealStatus:
    """Return how a sealed test stands; nothing is opened by looking.

    Parameters
    ----------
    folder
        The folder that `seal` made.
    expect
        The digest of the seal as it was noted elsewhere; without it, what ``seal.json`` says of columns, positive label
        and threshold can be compared only with the record of an opening.

    Raises
    ------
    InputError
        If the folder holds no sealed test.
    EvidenceError
        If its records cannot be read.

    Examples
    --------
    A record whose files are gone: all of them are missed.

    >>> made = Seal(sealed_at="2026-11-21T00:00:00Z", sealed_by="A", rows=9, labels="a", features="b", policy="c",
    ...             source="d", columns=SealedColumns(prediction_id="id", y_true="y"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / SEAL).write_text(made.to_json())
    ...     found = status(Path(folder))
    >>> found.opened is None, len(found.changes)
    (True, 3)
    """
    sealed = read_seal(folder)
    changes = tuple(all_changes(folder, sealed, expect=expect))
    return SealStatus(seal=sealed, opened=read_opening(folder), attempts=read_attempts(folder), changes=changes)


def sealed_log(joined: pa.Table, columns: SealedColumns) -> PredictionLog:
    """Return the log of a test that has the predictions beside it, read as it was sealed.

    Labels and predicted labels are compared by one spelling: "1.0" of a CSV file is the number 1.

    Examples
    --------
    >>> table = pa.table({"id": [1, 2], "y": [0, 1], "y_pred": [0, 1]})
    >>> sealed_log(table, SealedColumns(prediction_id="id", y_true="y")).columns["y_pred"]
    'y_pred'
    """
    for name in (columns.y_true, *(["y_pred"] if columns.threshold is None else [])):
        joined = joined.set_column(joined.column_names.index(name), name, spelled(joined[name]))
    roles: RoleColumns = {"y_true": columns.y_true, "prediction_id": columns.prediction_id}
    if columns.threshold is None:
        roles["y_pred"] = "y_pred"
    else:
        roles["y_score"] = "y_score"
    if columns.cluster is not None:
        roles["cluster"] = columns.cluster
    if columns.sample_weight is not None:
        roles["sample_weight"] = columns.sample_weight
    features, threshold = columns.sensitive_features, columns.threshold
    positive = spelled_text(canonical(columns.positive))
    return PredictionLog.from_frame(
        joined, sensitive_features=features, positive=positive, threshold=threshold, **roles
    )


def now_text() -> str:
    """Return the time, UTC, to the second.

    Examples
    --------
    >>> len(now_text()), now_text()[-1]
    (20, 'Z')
    """
    return utc_text(datetime.now(UTC).replace(microsecond=0))


def _violations(policy_file: Path, folder: Path, by: str) -> list[str]:
    violations = [] if by.strip() else ["by is empty; say who seals the test"]
    if not policy_file.is_file():
        violations.append(f"{policy_file} does not exist; a test is sealed together with the policy that will judge it")
    if folder.exists():
        violations.append(f"{folder} exists; a sealed test is never written over: name a new folder")
    return violations


def _write(folder: Path, table: pa.Table, policy_file: Path, made: Seal) -> None:
    """Write the whole folder or nothing."""
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.absolute().parent))
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror}; name another folder"
        raise InputError([msg]) from error
    try:
        for path in (KEPT_TEST, FOR_VENDOR):
            (partial / path).parent.mkdir()
        pq.write_table(table, partial / KEPT_TEST)
        for_vendor = table.select(made.columns.given(table.column_names))
        pq.write_table(by_id(for_vendor, made.columns.prediction_id), partial / FOR_VENDOR)
        shutil.copyfile(policy_file, partial / KEPT_POLICY)
        (partial / SEAL).write_text(made.to_json(), encoding="utf-8")
        partial.chmod(0o755)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
