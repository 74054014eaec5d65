"""Test rows that are opened once, on record: no part of the trainer reads them before.

When data are made of a frame all rows are checked and encoded, the test rows too; from the seal on neither a card, nor
the groups of an objective, nor anything that a learner answers rests on them.

The record is a folder of JSON files like that of a sealed test of the audit, and is written and read by the same
functions. It keeps an honest person honest, and shows afterwards who looked when: a model that was trained on sealed
data takes no table of the same rows without the seal. It does not hide the rows from who holds the file: where whoever
trains must not have the labels, seal the file with ``evenhanded sealed new`` and send in predictions.
"""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from audit.errors import EvidenceError, InputError, raise_violations
from audit.measurement import canonical_json
from audit.sealing.seal_files import ATTEMPTS, OPENED, note_attempt
from audit.sealing.seal_traces import read_opening
from audit.sealing.sealed import now_text
from audit.store import write_text
from trainer.data.images import Images
from trainer.data.kinds import Data
from trainer.data.ratings import Ratings
from trainer.data.splits import Split
from trainer.data.table import Table
from trainer.data.truth import target_tensor

if TYPE_CHECKING:
    from trainer.learner import Learner

SCHEMA = "evenhanded/sealed-split/1"
RECORD = "seal.json"

Sealable = TypeVar("Sealable", Table, Images, Ratings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSplit:
    """What is fixed when test rows are sealed.

    Parameters
    ----------
    sealed_at, sealed_by
        When (ISO 8601, UTC) and who.
    split
        Digest of the positions of the split.
    rows
        Number of test rows.
    content
        SHA-256 over the test rows: names and values of all columns; of images, their pixels too.

    Examples
    --------
    >>> made = SealedSplit(sealed_at="2026-11-21T00:00:00Z", sealed_by="A. Reviewer", split="ab", rows=9, content="cd")
    >>> made.rows
    9
    """

    sealed_at: str
    sealed_by: str
    split: str
    rows: int
    content: str


def seal_test(table: Sealable, folder: str | Path, *, by: str) -> Sealable:
    """Seal the test rows of data: from now on they are read by no one until `open_test` is called, once.

    Parameters
    ----------
    table
        A table, images or ratings, with test rows.
    folder
        A new folder for the record, ``runs/sealed-adult`` say.
    by
        Who seals them.

    Returns
    -------
    Table, Images or Ratings
        The same rows; train on this one. The digest of its split is another one, so that a model trained on it cannot
        be loaded with the unsealed data.

    Raises
    ------
    InputError
        If the folder exists, there are no test rows, or `by` is empty.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> frame = pd.DataFrame({"age": range(10), "paid": [0, 1] * 5})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(10, seed=1))
    >>> with TemporaryDirectory() as place:
    ...     sealed = seal_test(table, Path(place) / "box", by="A. Reviewer")
    ...     try:
    ...         sealed.part("test")
    ...     except InputError as error:
    ...         print(str(error).partition(" in ")[0])
    the test rows are sealed
    """
    folder = Path(folder)
    raise_violations(_violations(table.split, folder, by))
    made = SealedSplit(
        sealed_at=now_text(),
        sealed_by=by,
        split=table.split.positions,
        rows=len(table.split.test),
        content=_content(table),
    )
    folder.mkdir(parents=True)
    write_text(folder / RECORD, json.dumps({"schema": SCHEMA, **asdict(made)}, indent=1, ensure_ascii=False) + "\n")
    return replace(table, split=replace(table.split, sealed=folder, seal=_digest(made)))


def sealed_split(split: Split, folder: str | Path) -> Split:
    """Return a split that was made again (from its seed, say) under the seal that it was put under before.

    Raises
    ------
    InputError
        If the folder holds no seal.
    EvidenceError
        If the seal is that of another split, or broken.

    Examples
    --------
    >>> from trainer.data.splits import split_rows
    >>> sealed_split(split_rows(10, seed=1), "no-such-folder")
    Traceback (most recent call last):
    audit.errors.InputError: no-such-folder holds no sealed test (no seal.json): seal one with seal_test(table, folder)
    """
    record = read_sealed_split(Path(folder))
    if record.split != split.positions:
        message = (
            f"{folder} seals the split {record.split[:12]}; came {split.positions[:12]}: use the split that was sealed"
        )
        raise EvidenceError(message)
    return replace(split, sealed=Path(folder), seal=_digest(record))


def open_test(learner: "Learner", *, by: str, purpose: str = "") -> dict[str, Any]:
    """Open the sealed test rows of this learner's data, once; from now on ``"test"`` can be asked for.

    Parameters
    ----------
    by
        Who opens them.
    purpose
        What for, in a few words.

    Returns
    -------
    dict
        The record, as ``opened.json`` holds it: time, by, purpose, and the digest of the model that was finished when
        the rows were opened. A model with another digest has been trained by someone who may have seen the test.

    Raises
    ------
    InputError
        If the rows are not sealed, or `by` is empty.
    EvidenceError
        If they were opened before, or are no longer what was sealed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.learner import Learner
    >>> frame = pd.DataFrame({"age": range(200), "paid": [int(age >= 100) for age in range(200)]})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> with TemporaryDirectory() as folder:
    ...     learner = Learner(seal_test(table, Path(folder) / "sealed", by="the team"), device="cpu")
    ...     history = learner.fit_one_cycle(2)
    ...     record = open_test(learner, by="the reviewer", purpose="before the pilot")
    ...     record["by"], learner.validate("test").n
    ('the reviewer', 40)
    """
    data = learner.training_data()[0]
    folder = data.split.sealed
    if folder is None:
        raise InputError(
            ["the test rows of this learner are not sealed: seal them first, with seal_test(table, folder)"]
        )
    if not by.strip():
        raise InputError(["by is empty; say who opens the test"])
    seal = read_sealed_split(folder)
    attempt = {"time": now_text(), "by": by, "purpose": purpose, "model_version": learner.model_version}
    _check_intact(folder, seal, attempt, data)
    record = attempt | {"split": data.split.digest, "rows": seal.rows, "seal": _digest(seal)}
    _claim(folder, record)
    note_attempt(folder, attempt | {"outcome": "opened"})
    return record


def read_sealed_split(folder: Path) -> SealedSplit:
    """Return what was sealed in a folder.

    Raises
    ------
    InputError
        If it holds no seal.
    EvidenceError
        If the seal cannot be read.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("schema") != SCHEMA:
            message = f"{path} is not of the schema {SCHEMA!r}: it seals something else than the test rows of a split"
            raise EvidenceError(message)
        return SealedSplit(**record)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{folder} holds no sealed test (no {RECORD}): seal one with seal_test(table, folder)"
        raise InputError([message]) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read ({error}): it was changed after it was written"
        raise EvidenceError(message) from error


def _violations(split: Split, folder: Path, by: str) -> list[str]:
    violations = [] if by.strip() else ["by is empty; say who seals the test"]
    if folder.exists():
        violations.append(f"{folder} exists; a sealed test is never written over: name a new folder")
    if len(split.test) == 0:
        violations.append("the split has no test rows; there is nothing to seal")
    if split.sealed is not None:
        violations.append(f"the test rows are sealed already, in {split.sealed}")
    return violations


def _check_intact(folder: Path, seal: SealedSplit, attempt: dict[str, Any], data: Data) -> None:
    changed = []
    if data.split.positions != seal.split or data.split.seal != _digest(seal):
        changed.append("the split or its seal is another one")
    if _content(data) != seal.content:
        changed.append("the test rows hold other values")
    if not _reads_its_rows(data):
        changed.append("what the model is given of the test rows is not what these rows hold")
    if changed:
        note_attempt(folder, attempt | {"outcome": "refused: changed since it was sealed"})
        message = f"{folder} does not seal these data: {'; '.join(changed)}; seal them anew, with rows no one has seen"
        raise EvidenceError(message)


def _claim(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of the opening as one file that can be made once only."""
    before = read_opening(folder)
    if before is None:
        partial = folder / f".opening-{secrets.token_hex(8)}"
        write_text(partial, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        try:
            os.link(partial, folder / OPENED)  # fails where there is one: of two at the same moment, one wins
        except FileExistsError:
            before = read_opening(folder) or {}
        finally:
            partial.unlink(missing_ok=True)
    if before is not None:
        note_attempt(folder, record | {"outcome": "refused: opened before"})
        message = (
            f"the test rows in {folder} were opened before: by {before.get('by')} at {before.get('time')} for the "
            f"model {str(before.get('model_version'))[:12]}; rows that were seen test nothing: seal new ones. This "
            f"attempt is recorded in {ATTEMPTS}"
        )
        raise EvidenceError(message)


def _digest(seal: SealedSplit) -> str:
    return hashlib.sha256(canonical_json(asdict(seal)).encode()).hexdigest()


def _content(data: Data) -> str:
    """Return the digest of the test rows: names and values in the order of the rows, each as Python shows it."""
    rows = data.frame.iloc[data.split.test]
    content = hashlib.sha256(canonical_json([str(name) for name in rows.columns]).encode())
    for name in rows.columns:
        for value in rows[name].tolist():
            content.update(f"{value!r}\n".encode("utf-8", "surrogatepass"))
    if isinstance(data, Images):  # no column holds the pixels
        for tensor in data.resident.inputs:
            pixels = tensor[torch.tensor(data.split.test)].numpy()
            content.update(f"{pixels.shape}{pixels.dtype}".encode() + np.ascontiguousarray(pixels).tobytes())
    return content.hexdigest()


def _reads_its_rows(data: Data) -> bool:
    """Say whether inputs and targets of the test rows are those that their columns give."""
    test = torch.tensor(data.split.test)
    rows = data.frame.iloc[data.split.test]
    target = target_tensor(rows, columns=data.spec.columns, target=data.spec.target, used=np.arange(len(rows)))
    pairs = [(data.resident.target[test], target)]
    if not isinstance(data, Images):
        pairs += zip((tensor[test] for tensor in data.resident.inputs), data.spec.inputs(rows), strict=True)
    return all(torch.equal(held, made) for held, made in pairs)
