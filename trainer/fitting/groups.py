"""Groups of rows out of columns of the frame, as codes that stay beside the data on the device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.errors import raise_violations
from audit.values import canonical
from trainer.data.kinds import Data

MOST_GROUPS = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """Which group each row belongs to.

    Parameters
    ----------
    columns
        The columns whose combinations are the groups.
    values
        One tuple of values per group, as an audit spells them, sorted; None for a missing value.
    codes
        Shape (n_rows,), int64: the place of each row's group in `values`.

    Examples
    --------
    >>> grouping = grouping_of(pd.DataFrame({"sex": ["f", "m", "f"], "paid": [1, 1, 0]}), ["sex", "paid"])
    >>> grouping.values, grouping.codes.tolist()
    ((('f', '0'), ('f', '1'), ('m', '1')), [1, 2, 0])
    >>> grouping.names
    ('sex=f, paid=0', 'sex=f, paid=1', 'sex=m, paid=1')
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]
    codes: npt.NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each group."""
        return tuple(group_name(self.columns, values) for values in self.values)

    def totals(self, rows: npt.NDArray[np.int64], *, weights: Tensor | None = None) -> npt.NDArray[np.float64]:
        """Return the number of rows, or their weight, of each group among the rows named."""
        weight = None if weights is None else weights.double().cpu().numpy()[rows]
        return np.bincount(self.codes[rows], weights=weight, minlength=len(self.values)).astype(np.float64)

    def tensor(self, device: torch.device) -> Tensor:
        """Return the codes on a device."""
        return torch.from_numpy(self.codes).to(device)


def grouping_of(frame: pd.DataFrame, columns: Sequence[str]) -> Grouping:
    """Return the groups of a frame's rows: every combination of values that occurs.

    Parameters
    ----------
    frame
        One row per observation.
    columns
        At least one. A missing value is a value of its own.

    Returns
    -------
    Grouping
        In the order of the values.

    Raises
    ------
    InputError
        If a column is missing, or the combinations are more than `MOST_GROUPS`.
    """
    there = ", ".join(map(repr, list(frame.columns)[:20]))
    missing = [name for name in columns if name not in frame.columns]
    raise_violations([f"column {name!r} (groups) is missing; the data has {there}" for name in missing])
    joint = np.zeros(len(frame), dtype=np.int64)
    parts: list[tuple[str | None, ...]] = [()]
    for name in columns:
        codes, values = _codes(frame[name])
        both, joint = np.unique(joint * len(values) + codes, return_inverse=True)
        parts = [(*parts[code // len(values)], values[code % len(values)]) for code in both]
        raise_violations(_too_many(len(parts), columns))
    return Grouping(columns=tuple(columns), values=tuple(parts), codes=joint.astype(np.int64))


def train_grouping(data: Data, columns: Sequence[str]) -> Grouping:
    """Return the groups of the train rows; no other row is looked at, and all others have the code 0.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_given
    >>> from trainer.data.table import Table
    >>> frame = pd.DataFrame({"age": range(4), "sex": ["f", "m", "x", "m"], "paid": [0, 1, 0, 1]})
    >>> split = split_given(train=[0, 1], valid=[3], test=[2])
    >>> found = train_grouping(Table.from_frame(frame, columns=Columns(y="paid"), split=split), ["sex"])
    >>> found.names, found.codes.tolist()
    (('sex=f', 'sex=m'), [0, 1, 0, 0])
    """
    train = data.split.train
    found = grouping_of(data.frame.iloc[train], columns)
    codes = np.zeros(len(data.frame), dtype=np.int64)
    codes[train] = found.codes
    return replace(found, codes=codes)


def group_name(columns: Sequence[str], values: Sequence[str | None]) -> str:
    """Return what a group is called.

    Examples
    --------
    >>> group_name(["sex", "race"], ["f", None])
    'sex=f, race missing'
    """
    pairs = zip(columns, values, strict=True)
    return ", ".join(f"{name} missing" if value is None else f"{name}={value}" for name, value in pairs)


def _codes(column: "pd.Series[Any]") -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """Return codes in the order of the values' spelling; each distinct value is spelled once."""
    places, distinct = pd.factorize(column, use_na_sentinel=False)
    spelled = [canonical(value) for value in distinct]
    values = sorted(set(spelled), key=lambda value: (value is None, value or ""))
    place = {value: code for code, value in enumerate(values)}
    return np.array([place[value] for value in spelled], dtype=np.int64)[places], values


def _too_many(number: int, columns: Sequence[str]) -> list[str]:
    if number <= MOST_GROUPS:
        return []
    return [f"the columns {list(columns)} make {number:,} groups, more than {MOST_GROUPS:,}: put numbers into ranges"]
