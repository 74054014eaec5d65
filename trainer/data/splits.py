"""Which rows train, which tune and which are kept for the end: pure functions of the data and a seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError, raise_violations
from audit.sealing.seal_traces import read_opening
from trainer.data.dates import date_floats, date_violations
from trainer.data.numeric import as_floats, is_number_column, row_list
from trainer.setting_checks import is_number, seed_faults, whole_violations

Part = Literal["train", "valid", "test"]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Split:
    """Row positions of the three parts, and how they came about.

    Parameters
    ----------
    train, valid, test
        Positions from 0, shape (n,), int64, read-only; `valid` and `test` may be empty. No row is in two parts.
    method
        "rows", "groups", "time" or "given".
    seed
        The seed of a random split, None of others.
    sealed, seal
        Folder of the record that seals the test rows (`trainer.data.sealing`), and the digest of that record; None
        where they are not sealed.
    positions
        SHA-256 over the three lists of positions.
    digest
        Of positions and seal: two splits are the same exactly where their digests are. A model that was trained on
        sealed data knows by it that a table without the seal is another one.

    Raises
    ------
    InputError
        If train is empty, a position is negative, or a row is named twice.

    Examples
    --------
    >>> Split(train=np.array([0, 1]), valid=np.array([2]), test=np.array([2]), method="given", seed=None)
    Traceback (most recent call last):
    audit.errors.InputError: a row may be in one part of the split only, once; row 2 is named 2 times
    """

    train: Rows
    valid: Rows
    test: Rows
    method: Literal["rows", "groups", "time", "given"]
    seed: int | None
    sealed: Path | None = None
    seal: str | None = None
    positions: str = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            rows = np.array(getattr(self, name), dtype=np.int64).reshape(-1)
            rows.setflags(write=False)
            object.__setattr__(self, name, rows)
        raise_violations(_split_violations(self))
        object.__setattr__(self, "positions", _positions(self))
        object.__setattr__(self, "digest", _digest(self))

    def __repr__(self) -> str:
        """Return how many rows each part has: the positions themselves would fill pages."""
        sizes = f"train={len(self.train):,} rows, valid={len(self.valid):,}, test={len(self.test):,}"
        return f"Split({sizes}, method={self.method!r}, seed={self.seed}, digest={self.digest[:12]!r})"

    def rows(self, part: Part) -> Rows:
        """Return the row positions of one part.

        Raises
        ------
        InputError
            If the test rows are sealed and were never opened.
        """
        if part == "test" and self.sealed is not None and read_opening(self.sealed) is None:
            message = f"the test rows are sealed in {self.sealed}: open them, once, with open_test(learner, by=...)"
            raise InputError([message])
        return {"train": self.train, "valid": self.valid, "test": self.test}[part]


def readable(split: Split, n_rows: int) -> tuple[Rows, Split]:
    """Return the rows that may be read, and the split as places among them: all but test rows that are still sealed.

    Parameters
    ----------
    split
        Parts of the rows.
    n_rows
        Number of all rows, those of no part among them.

    Examples
    --------
    >>> split = split_given(train=[0, 3], valid=[1], test=[2])
    >>> rows, found = readable(split, 4)
    >>> rows.tolist(), found is split
    ([0, 1, 2, 3], True)
    """
    rows = np.arange(n_rows)
    if split.sealed is None or read_opening(split.sealed) is not None:
        return rows, split
    there = ~np.isin(rows, split.test)
    places = there.cumsum() - 1
    train, valid = places[split.train], places[split.valid]
    return rows[there], Split(train=train, valid=valid, test=rows[:0], method=split.method, seed=split.seed)


def split_rows(n_rows: int, *, valid: float = 0.2, test: float = 0.2, seed: int = 0) -> Split:
    """Split at random by rows; right only where rows are independent of each other.

    Where several rows belong to one person, household or site, use `split_groups`: otherwise the model meets in the
    test rows what it has learnt by heart.

    Parameters
    ----------
    n_rows
        Number of rows.
    valid, test
        Shares of the rows, each in [0, 1), together below 1; 0 leaves the part empty.
    seed
        The same seed gives the same split.

    Returns
    -------
    Split
        Positions in ascending order.

    Raises
    ------
    InputError
        If the shares are out of range or leave a part without rows.

    Examples
    --------
    >>> split = split_rows(10, valid=0.2, test=0.2, seed=1)
    >>> len(split.train), len(split.valid), len(split.test)
    (6, 2, 2)
    """
    raise_violations(whole_violations({"n_rows": n_rows}))
    _check_shares(valid=valid, test=test)
    _check_seed(seed)
    order = np.random.default_rng(seed).permutation(n_rows)
    n_test, n_valid = round(n_rows * test), round(n_rows * valid)
    split = Split(
        test=np.sort(order[:n_test]),
        valid=np.sort(order[n_test : n_test + n_valid]),
        train=np.sort(order[n_test + n_valid :]),
        method="rows",
        seed=seed,
    )
    _check_filled(split, valid=valid, test=test)
    return split


def split_groups(
    groups: Sequence[object] | pd.Series, *, valid: float = 0.2, test: float = 0.2, seed: int = 0
) -> Split:
    """Split at random by groups: all rows of a group fall into the same part.

    The groups are laid end to end in random order; a group belongs to the part in which its middle lies. The shares
    are therefore met as closely as the largest group allows.

    Parameters
    ----------
    groups
        Shape (n_rows,): the person, household or site of each row; no missing values.
    valid, test
        Shares of the rows, each in [0, 1), together below 1.
    seed
        The same seed and the same order of rows give the same split.

    Returns
    -------
    Split
        Positions in ascending order.

    Raises
    ------
    InputError
        If a group is missing, the shares are out of range, or there are too few groups to fill the parts.

    Examples
    --------
    >>> split = split_groups(["a", "a", "b", "b", "c", "c", "d", "d"], valid=0.25, test=0.25, seed=0)
    >>> len(split.train), len(split.valid), len(split.test)
    (4, 2, 2)
    """
    _check_shares(valid=valid, test=test)
    _check_seed(seed)
    codes, names = pd.factorize(pd.Series(groups))
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise InputError(
            [f"groups must be known for every row; the first missing one is at row {row}: name or drop it"]
        )
    sizes = np.bincount(codes, minlength=len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    middle = np.empty(len(names))
    middle[order] = (np.cumsum(sizes[order]) - sizes[order] / 2.0) / max(len(codes), 1)
    part = np.where(middle < test, 2, np.where(middle < test + valid, 1, 0))[codes]
    positions = np.arange(len(codes))
    split = Split(
        train=positions[part == 0], valid=positions[part == 1], test=positions[part == 2], method="groups", seed=seed
    )
    _check_filled(split, valid=valid, test=test)
    return split


def split_time(times: Sequence[object] | pd.Series, *, valid: float = 0.2, test: float = 0.2) -> Split:
    """Split by time: train on what is earliest, tune on what follows, test on what is last.

    The one honest split where a model will be used on what is yet to come. Rows of the same time are never parted: a
    time belongs to the part in which the middle of its rows lies.

    Parameters
    ----------
    times
        Shape (n_rows,): datetimes, dates as ISO 8601 text, or numbers; no missing values.
    valid, test
        Shares of the rows, each in [0, 1), together below 1.

    Returns
    -------
    Split
        Positions in ascending order.

    Raises
    ------
    InputError
        If a time is missing or cannot be read, the shares are out of range, or there are too few different times.

    Examples
    --------
    >>> split = split_time([2021, 2024, 2022, 2023, 2022], valid=0.2, test=0.2)
    >>> split.train.tolist(), split.valid.tolist(), split.test.tolist()
    ([0, 2, 4], [3], [1])
    """
    _check_shares(valid=valid, test=test)
    moments = _moments(pd.Series(times))
    sizes = np.unique(moments, return_counts=True)[1]
    # Counted from the end, so that shares such as 0.2 are met exactly where the rows allow it.
    behind = (sizes.sum() - np.cumsum(sizes) + sizes / 2.0) / max(len(moments), 1)
    part = np.where(behind < test, 2, np.where(behind < test + valid, 1, 0))
    of_row = part[np.unique(moments, return_inverse=True)[1]]
    rows = [np.flatnonzero(of_row == number) for number in range(3)]
    split = Split(train=rows[0], valid=rows[1], test=rows[2], method="time", seed=None)
    _check_filled(split, valid=valid, test=test)
    return split


def split_given(*, train: Sequence[int] | Rows, valid: Sequence[int] | Rows, test: Sequence[int] | Rows) -> Split:
    """Record a split that was made elsewhere: an official test set, the folds of a study.

    Parameters
    ----------
    train, valid, test
        Row positions from 0; `valid` and `test` may be empty.

    Returns
    -------
    Split
        The positions in the order given.

    Raises
    ------
    InputError
        If train is empty, a position is negative, or a row is named twice.

    Examples
    --------
    >>> split_given(train=range(6), valid=[6, 7], test=[8, 9]).test.tolist()
    [8, 9]
    """
    return Split(train=np.array(train), valid=np.array(valid), test=np.array(test), method="given", seed=None)


def _moments(times: pd.Series) -> npt.NDArray[np.float64]:
    number = is_number_column(times)
    found = [] if number else date_violations(times, name="times")
    violations = [text.replace("date feature 'times'", "times, the column to split by,") for text in found]
    gone = np.flatnonzero(times.isna().to_numpy())
    if len(gone):
        violations.append(f"times must be known for every row; missing at {row_list(gone)}: name or drop them")
    raise_violations(violations)
    return as_floats(times) if number else date_floats(times)


def _digest(split: Split) -> str:
    if split.seal is None:
        return split.positions
    return hashlib.sha256(f"{split.positions}:{split.seal}".encode()).hexdigest()


def _positions(split: Split) -> str:
    content = hashlib.sha256()
    for rows in (split.train, split.valid, split.test):
        content.update(f"{len(rows)}:".encode() + rows.astype("<i8").tobytes())
    return content.hexdigest()


def _split_violations(split: Split) -> list[str]:
    every = np.concatenate([split.train, split.valid, split.test])
    positions, counts = np.unique(every, return_counts=True)
    violations = []
    if (split.sealed is None) != (split.seal is None):
        violations.append("a split is sealed by seal_test or sealed_split, which give its folder and its digest")
    if len(split.train) == 0:
        violations.append("the train part of a split must hold at least one row; came none: lower `valid` and `test`")
    if (every < 0).any():
        violations.append(f"row positions count from 0; came {every.min()}")
    if (counts > 1).any():
        row, times = positions[counts > 1][0], counts[counts > 1][0]
        violations.append(f"a row may be in one part of the split only, once; row {row} is named {times} times")
    return violations


def _check_seed(seed: object) -> None:
    raise_violations(seed_faults(seed))


def _check_shares(*, valid: float, test: float) -> None:
    if not (is_number(valid) and is_number(test)):
        raise InputError([f"valid and test are shares in [0, 1); came {valid!r} and {test!r}"])
    if not (0.0 <= valid < 1.0 and 0.0 <= test < 1.0 and valid + test < 1.0):
        raise InputError([f"valid and test are shares in [0, 1), together below 1; came {valid} and {test}"])


def _check_filled(split: Split, *, valid: float, test: float) -> None:
    wanted = {"valid": (valid, split.valid), "test": (test, split.test)}
    raise_violations(
        [
            f"the {name} part was to hold {share:.0%} of the rows and came out empty: too few rows or groups; "
            f"pass {name}=0 to do without it"
            for name, (share, rows) in wanted.items()
            if share > 0 and len(rows) == 0
        ]
    )
