"""What in a table would make a model look better than it will be: light checks for the card of a table.

They look at single features, equal rows, groups and dates, in seconds and without fitting anything. ``evenhanded lint``
measures the same things, and more of them, with intervals.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.stats import rankdata

from trainer.data.dates import date_floats
from trainer.data.numeric import as_floats
from trainer.data.resident import Resident
from trainer.data.spec import TableSpec
from trainer.data.splits import Split

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEWEST = 50
"""Train rows below which a feature may fit the label by chance, and is not judged."""
BINS, FULL_BIN = 50, 10
NEARLY_ALL = 0.95
NEARLY_SORTED = 0.98
MORE_THAN_CHANCE = 0.01


class Leak(NamedTuple):
    """One finding: the column it is about (or a part of the split), its kind, the rows concerned, and a sentence.

    Examples
    --------
    >>> Leak(name="refund", kind="tells the label", n=900, note="...").name
    'refund'
    """

    name: str
    kind: str
    n: int
    note: str


def find_leaks(frame: pd.DataFrame, *, split: Split, spec: TableSpec, resident: Resident) -> tuple[Leak, ...]:
    """Return what looks like a leak, or nothing.

    Parameters
    ----------
    frame, split, spec, resident
        Of a table. Of the test rows only features, groups and dates are read, never labels.

    Returns
    -------
    tuple of Leak
        Features that alone tell the label of the train rows; rows that stand in two parts; groups in two parts; dates
        of train rows that lie after those of test rows.
    """
    return (
        *_telling_features(frame, split=split, spec=spec, resident=resident),
        *_equal_rows(frame, split=split, spec=spec),
        *_shared_groups(frame, split=split, spec=spec),
        *_broken_time(frame, split=split, spec=spec),
    )


def reduction(codes: Codes, truth: Codes) -> float:
    """Return by how much a category lowers the errors of guessing the most frequent class: 0 not at all, 1 to none.

    Goodman & Kruskal, "Measures of association for cross classifications" (1954), doi:10.2307/2281536, lambda.
    Categories with fewer than 10 rows are guessed as the whole: they would fit anything. NaN where one class is all.

    Parameters
    ----------
    codes
        Shape (n,): the category of each row, from 0.
    truth
        Shape (n,): the class of each row, from 0.

    Examples
    --------
    >>> codes, truth = np.repeat([0, 1], 10), np.repeat([0, 1], 10)
    >>> reduction(codes, truth), reduction(np.zeros(20, dtype=int), truth), reduction(np.arange(20), truth)
    (1.0, 0.0, 0.0)
    """
    counts = np.zeros((codes.max() + 1, truth.max() + 1), dtype=np.int64)
    np.add.at(counts, (codes, truth), 1)
    totals = counts.sum(axis=0)
    most = int(totals.argmax())
    right = np.where(counts.sum(axis=1) >= FULL_BIN, counts.max(axis=1), counts[:, most]).sum()
    wrong = len(truth) - int(totals.max())
    return float((right - totals.max()) / wrong) if wrong else float("nan")


def explained(codes: Codes, numbers: Floats) -> float:
    """Return the share of the variance of numbers that lies between categories, in [0, 1]: the correlation ratio.

    Categories with fewer than 10 rows count as the whole. NaN where the numbers do not vary.

    Examples
    --------
    >>> explained(np.repeat([0, 1], 10), np.repeat([3.0, 5.0], 10))
    1.0
    """
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=numbers) / np.maximum(sizes, 1)
    fitted = np.where(sizes >= FULL_BIN, means, numbers.mean())[codes]
    spread = float(((numbers - numbers.mean()) ** 2).sum())
    return 1.0 - float(((numbers - fitted) ** 2).sum()) / spread if spread else float("nan")


def binned(values: Floats) -> Codes:
    """Return each number's place among equal shares of the rows, from 0; a missing one is a place of its own.

    Examples
    --------
    >>> binned(np.array([3.0, 1.0, np.nan, 1.0])).tolist()
    [2, 1, 0, 1]
    >>> binned(np.arange(4.0)).tolist()
    [1, 1, 2, 2]
    """
    known = ~np.isnan(values)
    codes = np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(values[known])
    bins = min(BINS, max(int(known.sum()) // (2 * FULL_BIN), 2))  # else no bin would hold enough rows to count
    if len(distinct) > bins:
        distinct = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    codes[known] = np.searchsorted(distinct, values[known], side="left") + 1
    return codes


def _telling_features(frame: pd.DataFrame, *, split: Split, spec: TableSpec, resident: Resident) -> list[Leak]:
    if len(split.train) < FEWEST:
        return []
    train = frame.iloc[split.train]
    target = resident.target[torch.tensor(split.train)].numpy()
    numbers = {item.column for item in spec.encoder.numeric}
    texts = {item.column for item in spec.encoder.text}
    leaks = []
    for name in spec.encoder.features:
        if name in texts:
            continue
        values = as_floats(train[name]) if name in numbers else None
        codes = binned(values) if values is not None else pd.factorize(train[name].astype(str))[0].astype(np.int64)
        strength = _strength(codes, values, target, kind=spec.target.kind)
        if strength is not None:
            leaks.append(
                Leak(
                    name,
                    "tells the label",
                    len(train),
                    f"alone {strength} in the train rows: was it recorded after the label, or made from it?",
                )
            )
    return leaks


def _strength(codes: Codes, values: Floats | None, target: npt.NDArray[np.generic], *, kind: str) -> str | None:
    """Return in words how well a feature alone tells what is right; None where that is not suspicious."""
    if kind == "number":
        share = explained(codes, target.astype(np.float64))
        return f"explains {share:.1%} of the variance" if share >= NEARLY_ALL else None
    columns = target.astype(np.int64).reshape(len(codes), -1).T
    found = max((reduction(codes, truth) for truth in columns), default=0.0)
    if found >= NEARLY_ALL:
        return f"removes {found:.1%} of the errors of guessing"
    if values is not None and kind == "classes" and len(np.unique(target)) == 2:
        area = _separation(values, columns[0])
        return f"sorts the two classes with an AUC of {area:.3f}" if area >= NEARLY_SORTED else None
    return None


def _separation(values: Floats, truth: Codes) -> float:
    """Return the area under the ROC curve of a number, in either direction; 0 where a class has no known value."""
    known = ~np.isnan(values)
    positive = (truth == truth.max())[known]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return 0.0
    above = rankdata(values[known])[positive].sum() - n_positive * (n_positive + 1) / 2.0
    area = float(above / (n_positive * n_negative))
    return max(area, 1.0 - area)


def _equal_rows(frame: pd.DataFrame, *, split: Split, spec: TableSpec) -> list[Leak]:
    """Compare features of whole rows: how often equal ones stand in train, against train rows among themselves."""
    hashes = pd.util.hash_pandas_object(frame[list(spec.encoder.features)], index=False).to_numpy()
    train = hashes[split.train]
    values, counts = np.unique(train, return_counts=True)
    repeated = float((counts[counts > 1]).sum() / len(train))
    leaks = []
    for part, rows in (("valid", split.valid), ("test", split.test)):
        shared = int(np.isin(hashes[rows], values).sum())
        if len(rows) and shared / len(rows) - repeated > MORE_THAN_CHANCE:
            note = f"rows with the features of a train row ({shared / len(rows):.1%}; of train rows among themselves "
            leaks.append(Leak(part, "equal rows", shared, f"{note}{repeated:.1%}): copied?"))
    return leaks


def _shared_groups(frame: pd.DataFrame, *, split: Split, spec: TableSpec) -> list[Leak]:
    cluster = spec.columns.cluster
    if cluster is None:
        return []
    known = set(frame[cluster].iloc[split.train].dropna())
    leaks = []
    for part, rows in (("valid", split.valid), ("test", split.test)):
        shared = int(frame[cluster].iloc[rows].isin(known).sum())
        if shared:
            note = f"rows of {part} belong to a {cluster} with train rows: split by it (split_groups)"
            leaks.append(Leak(cluster, "groups in two parts", shared, note))
    return leaks


def _broken_time(frame: pd.DataFrame, *, split: Split, spec: TableSpec) -> list[Leak]:
    """Compare the train rows with the first test date; a split by time has none after it."""
    leaks = []
    for item in spec.encoder.dates:
        days = date_floats(frame[item.column])
        train, test = days[split.train], days[split.test]
        if np.isnan(test).all():
            continue
        late = int((train > np.nanmin(test)).sum())
        if late > MORE_THAN_CHANCE * len(train):
            note = "train rows are of later dates than the first test row: the model learns from a future it will not "
            leaks.append(Leak(item.column, "time order", late, f"{note}have; split by time (split_time)"))
    return leaks
