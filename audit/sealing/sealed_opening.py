"""Opening a sealed test with predictions: once, on record, and only if nothing has changed since it was sealed."""

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import EvidenceError, InputError, raise_violations
from audit.result import Result
from audit.run import run_audit
from audit.sealing.seal_files import (
    ATTEMPTS,
    KEPT_TEST,
    OPENED,
    digest_of,
    id_violations,
    ids_of,
    note_attempt,
    read_attempts,
    read_seal,
    read_table,
    shown,
)
from audit.sealing.seal_record import Seal
from audit.sealing.seal_traces import RESULT, all_changes, read_opening
from audit.sealing.sealed import now_text, sealed_log
from audit.store import write_text


def open_sealed(folder: Path, predictions: Path, *, by: str, expect: str | None = None) -> Result:
    r"""Open a sealed test with predictions, once.

    Parameters
    ----------
    folder
        The folder that `audit.sealing.sealed.seal` made.
    predictions
        CSV or Parquet with the id column and ``y_pred`` (or ``y_score``, where a threshold was sealed): one row for
        each row of the test.
    by
        Who opens it.
    expect
        The digest of the seal as it was noted elsewhere; None = not compared.

    Returns
    -------
    Result
        The audit of the predictions, with the seal in its provenance; judge it by ``keep/policy.yaml``. Its JSON is
        kept in the folder too.

    Raises
    ------
    InputError
        If predictions lack rows, have too many, doubled, empty or wrong ones: listed; the test stays closed, and the
        attempt is recorded.
    EvidenceError
        If anything sealed has changed, or the test was opened before (then the text says by whom, when, and with which
        predictions).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.sealing.seal_record import SealedColumns
    >>> from audit.sealing.sealed import seal
    >>> with TemporaryDirectory() as folder:
    ...     test, policy, box, sent = (Path(folder) / name for name in ("test.csv", "policy.yaml", "box", "sent.csv"))
    ...     _ = test.write_text("id,x,y\n1,5,0\n2,6,1\n"), policy.write_text("requirements: []\n")
    ...     _ = seal(test, policy, box, columns=SealedColumns(prediction_id="id", y_true="y"), by="A. Reviewer")
    ...     _ = sent.write_text("id,y_pred\n2,1\n1,1\n")
    ...     open_sealed(box, sent, by="A. Reviewer").find("accuracy").value
    0.5
    """
    sealed = read_seal(folder)
    attempt: dict[str, Any] = {"time": now_text(), "by": by, "predictions": None}
    if not by.strip():
        raise InputError(["by is empty; say who opens the test"])
    _check_intact(folder, sealed, expect, attempt)
    try:
        joined, attempt["predictions"] = _joined(sealed, pq.read_table(folder / KEPT_TEST), predictions)
        _check_closed(folder, attempt)
        found = run_audit(sealed_log(joined, sealed.columns))
    except InputError as error:
        note_attempt(folder, attempt | {"outcome": f"refused: {len(error.violations)} problems with the predictions"})
        raise
    result = _with_seal(found, sealed, attempt, read_attempts(folder))
    _claim(folder, attempt | {"seal": sealed.digest(), "result": result.digest()}, result)
    note_attempt(folder, attempt | {"outcome": "opened"})
    return result


def _check_intact(folder: Path, sealed: Seal, expect: str | None, attempt: dict[str, Any]) -> None:
    changed = all_changes(folder, sealed, expect=expect)
    if changed:
        note_attempt(folder, attempt | {"outcome": "refused: changed since it was sealed"})
        msg = f"{folder} is no longer what was sealed: {'; '.join(changed)}; a new test has to be sealed"
        raise EvidenceError(msg)


def _check_closed(folder: Path, attempt: dict[str, Any]) -> None:
    before = read_opening(folder)
    if before is None:
        return
    note_attempt(folder, attempt | {"outcome": "refused: opened before"})
    msg = (
        f"{folder} was opened before: by {before.get('by')} at {before.get('time')} with predictions of digest "
        f"{before.get('predictions')} (these: {attempt['predictions']}); a test that was seen tests nothing: seal new "
        f"rows. This attempt is recorded in {ATTEMPTS}"
    )
    raise EvidenceError(msg)


def _joined(sealed: Seal, test: pa.Table, predictions: Path) -> tuple[pa.Table, str]:
    """Return the test with the predictions beside it, and the digest of the predictions."""
    columns = sealed.columns
    sent = read_table(predictions)
    raise_violations(
        [
            f"column {name!r} is missing in {predictions}, which has {sent.column_names[:20]}"
            for name in (columns.prediction_id, columns.predicted)
            if name not in sent.column_names
        ]
    )
    theirs, ours = ids_of(sent, columns.prediction_id), ids_of(test, columns.prediction_id)
    predicted = sent[columns.predicted]
    raise_violations([*_row_violations(theirs, ours), *_empty_violations(predicted)])
    place = {name: at for at, name in enumerate(theirs)}
    order = pa.array([place[name] for name in ours], pa.int64())
    digest = digest_of(sent, columns.prediction_id, [columns.predicted])
    return test.append_column(columns.predicted, predicted.combine_chunks().take(order)), digest


def _row_violations(theirs: list[str | None], ours: list[str | None]) -> list[str]:
    violations = id_violations(theirs, "the predictions")
    sent, kept = set(theirs), set(ours)
    missing = [name for name in ours if name is not None and name not in sent]
    extra = [name for name in theirs if name is not None and name not in kept]
    if missing:
        violations.append(f"{len(missing)} rows have no prediction: {shown(missing)}; send one for each")
    if extra:
        violations.append(f"{len(extra)} ids are not in the test: {shown(extra)}; leave them out")
    return violations


def _empty_violations(predicted: pa.ChunkedArray) -> list[str]:
    empty = sum(value is None or value == "" or value != value for value in predicted.to_pylist())  # noqa: PLR0124
    return [f"{empty} predictions are empty; one is needed for each row"] if empty else []


def _claim(folder: Path, record: dict[str, Any], result: Result) -> None:
    """Write the record of the opening as one file that can be made once only, then the result."""
    partial = folder / f".opening-{secrets.token_hex(8)}"
    write_text(partial, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    try:
        os.link(partial, folder / OPENED)  # fails where there is one: of two at the same moment, one wins
    except FileExistsError:
        _check_closed(folder, record)
    except OSError as error:
        msg = f"cannot write {folder / OPENED}: {error.strerror}; a test that leaves no record is not opened"
        raise InputError([msg]) from error
    finally:
        partial.unlink(missing_ok=True)
    write_text(folder / RESULT, result.to_json())


def _with_seal(result: Result, sealed: Seal, attempt: dict[str, Any], before: tuple[dict[str, Any], ...]) -> Result:
    refused = sum(str(each.get("outcome", "")).startswith("refused") for each in before)
    record = {
        "sealed_at": sealed.sealed_at, "sealed_by": sealed.sealed_by, "opened_at": attempt["time"],
        "opened_by": attempt["by"], "refused_before": refused, "rows": sealed.rows, "seal": sealed.digest(),
        "labels": sealed.labels, "features": sealed.features, "policy": sealed.policy,
        "predictions": attempt["predictions"],
    }  # fmt: skip
    source = result.provenance
    data = {"sealed test": sealed.source} if sealed.source else {}
    return replace(result, provenance=replace(source, data=data, given={**source.given, "sealed": record}))
