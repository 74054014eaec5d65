"""Tables as samples: columns to numbers, groups and labels, the same way for development, benchmark and deployment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from audit.causes.samples import MISSING_GROUP, Labels, Matrix, Names, Sample
from audit.errors import InputError, raise_violations
from audit.spellings import two_label_violations
from audit.tables import open_file
from audit.values import BINARY, canonical_array

MAX_VALUES = 50
"""A feature of texts with more distinct values is no category; cut it, or leave it out."""

_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleColumns:
    """Which column plays which part.

    Examples
    --------
    >>> SampleColumns(y_true="hired", sensitive="sex", features=("age",)).audited is None
    True
    """

    y_true: str
    sensitive: str
    features: tuple[str, ...]
    positive: str | None = None
    audited: str | None = None
    predicted: str | None = None
    decision: str | None = None


class Encoding(NamedTuple):
    """How features become numbers: a fill for each number, the known values of each category.

    Examples
    --------
    >>> Encoding(("age", "job"), {"age": 41.0}, {"job": ("clerk", "nurse")}).width
    3
    """

    features: tuple[str, ...]
    fills: Mapping[str, float]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return len(self.fills) + sum(len(values) for values in self.categories.values())


class Development(NamedTuple):
    """The development data, how their features were encoded, and how many rows had no label.

    Examples
    --------
    >>> sample = Sample(features=np.zeros((1, 1)), group=np.array(["F"]), y=np.array([1]))
    >>> Development(sample, Encoding(("age",), {"age": 41.0}, {}), unlabelled=3).unlabelled
    3
    """

    sample: Sample
    encoding: Encoding
    unlabelled: int


def development_sample(path: Path, columns: SampleColumns) -> Development:
    r"""Read the development data; rows without a label are left out and counted.

    Numbers stay numbers (missing ones become the median), texts become one column per value (a missing one is a value
    of its own); which share of a row was missing is kept.

    Raises
    ------
    InputError
        If a column is missing, labels are not two, a category has too many values, or nothing is left: all at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> columns = SampleColumns(y_true="y", sensitive="sex", features=("age", "job"))
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "log.csv"
    ...     _ = file.write_text("y,sex,age,job\n1,F,30,a\n0,M,,b\n,M,50,b\n")
    ...     found = development_sample(file, columns)
    >>> found.sample.features.tolist(), found.sample.y.tolist(), found.unlabelled
    ([[30.0, 1.0, 0.0], [40.0, 0.0, 1.0]], [1, 0], 1)
    """
    table = _read(path)
    wanted = [columns.y_true, columns.sensitive, *columns.features, *([columns.audited] if columns.audited else [])]
    raise_violations(_lacking(table, path, wanted))
    texts = {name: canonical_array(table[name]) for name in columns.features}
    numbers = {name: _numbers(text) for name, text in texts.items()}
    raise_violations(_too_many(texts, numbers))
    encoding = Encoding(
        columns.features,
        {name: float(np.nanmedian(number)) for name, number in numbers.items() if number is not None},
        {name: _values(texts[name]) for name, number in numbers.items() if number is None},
    )
    labels = _labels(table, columns.y_true, columns.positive)
    known = ~np.isnan(labels)
    if not known.any():
        raise InputError([f"{path}: every label in {columns.y_true!r} is missing; join the labels"])
    return Development(_sample(table, columns, encoding, labels).take(known), encoding, int((~known).sum()))


def other_sample(path: Path, columns: SampleColumns, encoding: Encoding, *, labelled: bool) -> Sample:
    r"""Read a benchmark (`labelled`) or rows from deployment as the development data were read.

    Rows from deployment need the sensitive column only; predictions and decisions, and features with outcomes, are
    taken where all of them are there. Rows from deployment without an outcome stay: they say who is there.

    Raises
    ------
    InputError
        As `development_sample`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> columns = SampleColumns(y_true="y", sensitive="sex", features=("age",))
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "log.csv"
    ...     _ = file.write_text("sex\nF\nM\n")
    ...     found = other_sample(file, columns, Encoding(("age",), {"age": 41.0}, {}), labelled=False)
    >>> found.groups, found.y is None
    (('F', 'M'), True)
    """
    table = _read(path)
    wanted = [columns.sensitive, *([columns.y_true, *columns.features] if labelled else [])]
    raise_violations(_lacking(table, path, wanted))
    whole = {columns.y_true, *columns.features} <= set(table.column_names)
    labels = _labels(table, columns.y_true, columns.positive) if whole else np.full(table.num_rows, np.nan)
    sample = _sample(table, columns, encoding, labels, whole=whole)
    known = ~np.isnan(labels)
    if labelled:
        return sample.take(known)
    return replace(sample, labelled=known) if known.any() and not known.all() else sample


def _read(path: Path) -> pa.Table:
    opened = open_file(path)
    table: pa.Table = opened.lazy.collect(backend="pyarrow").to_native()
    if not table.num_rows:
        raise InputError([f"{path} has no rows; expected at least one"])
    return table.rename_columns(opened.names)


def _lacking(table: pa.Table, path: Path, wanted: Sequence[str]) -> list[str]:
    shown = ", ".join(map(repr, table.column_names[:_SHOWN])) + (", ..." if table.num_columns > _SHOWN else "")
    times = {name: table.column_names.count(name) for name in wanted}
    said = {0: "is missing"} | {
        number: f"stands {number} times; rename the columns apart" for number in times.values() if number
    }
    return [
        f"{path}: column {name!r} {said[number]}; there is {shown}" for name, number in times.items() if number != 1
    ]


def _too_many(texts: Mapping[str, pa.Array], numbers: Mapping[str, Matrix | None]) -> list[str]:
    found = {name: len(_values(texts[name])) for name, number in numbers.items() if number is None}
    return [
        f"feature {name!r} holds {size} different texts, more than {MAX_VALUES}; merge them, or leave it out"
        for name, size in found.items()
        if size > MAX_VALUES
    ]


def _numbers(texts: pa.Array) -> Matrix | None:
    """Return texts as numbers, NaN where missing; None where one is no finite number, or all are missing."""
    found = np.full(len(texts), np.nan)
    for place, text in enumerate(texts.to_pylist()):
        if text is None:
            continue
        try:
            found[place] = {"true": 1.0, "false": 0.0}.get(text) if text in {"true", "false"} else float(text)
        except ValueError:
            return None
    known = found[~np.isnan(found)]
    return found if len(known) and np.isfinite(known).all() else None


def _values(texts: pa.Array) -> tuple[str, ...]:
    return tuple(sorted({MISSING_GROUP if text is None else text for text in texts.to_pylist()}))


def _groups(table: pa.Table, sensitive: str) -> Names:
    texts = canonical_array(table[sensitive]).to_pylist()
    return np.array([MISSING_GROUP if text is None else text for text in texts], dtype=object)


def _labels(table: pa.Table, name: str, positive: str | None) -> Matrix:
    texts = canonical_array(table[name]).to_pylist()
    distinct = {text for text in texts if text is not None}
    raise_violations(two_label_violations({repr(name): distinct}))
    if positive is None and not distinct <= set(BINARY):
        raise InputError(
            [f"column {name!r} holds {sorted(distinct)[:_SHOWN]}; say which label is positive (--positive)"]
        )
    if positive is not None and positive not in distinct and not distinct <= set(BINARY):
        raise InputError([f"the positive label {positive!r} does not occur in {name!r}: {sorted(distinct)[:_SHOWN]}"])
    ones = {"1", "1.0", "true"} if positive is None else {positive}
    return np.array([np.nan if text is None else float(text in ones) for text in texts])


def _sample(
    table: pa.Table, columns: SampleColumns, encoding: Encoding, labels: Matrix, *, whole: bool = True
) -> Sample:
    features, missing = _encoded(table, encoding) if whole else (np.zeros((table.num_rows, encoding.width)), None)
    names = set(table.column_names)
    audited = (
        _labels(table, columns.audited, columns.positive) if columns.audited in names and columns.audited else None
    )
    decided = [_whole_labels(table, name, columns.positive) for name in (columns.predicted, columns.decision)]
    known = np.isfinite(labels)
    return Sample(
        features=features,
        group=_groups(table, columns.sensitive),
        y=np.nan_to_num(labels).astype(np.int64) if known.any() else None,
        audited=audited,
        predicted=decided[0],
        decision=decided[1],
        missing=missing,
    )


def _whole_labels(table: pa.Table, name: str | None, positive: str | None) -> Labels | None:
    if name is None or name not in table.column_names:
        return None
    labels = _labels(table, name, positive)
    if np.isnan(labels).any():
        raise InputError([f"column {name!r} is empty in {int(np.isnan(labels).sum())} rows; complete or drop them"])
    return labels.astype(np.int64)


def _encoded(table: pa.Table, encoding: Encoding) -> tuple[Matrix, Matrix]:
    parts: list[Matrix] = []
    missing = np.zeros(table.num_rows)
    for name in encoding.features:
        texts = canonical_array(table[name])
        missing += texts.is_null().to_numpy(zero_copy_only=False)
        if name in encoding.fills:
            found = _numbers(texts)
            if found is None:
                raise InputError([f"feature {name!r} held numbers in the development data; here it holds other values"])
            parts.append(np.where(np.isnan(found), encoding.fills[name], found)[:, None])
        else:
            values = np.array([MISSING_GROUP if text is None else text for text in texts.to_pylist()], dtype=object)
            parts.append((values[:, None] == np.array(encoding.categories[name], dtype=object)).astype(np.float64))
    return np.hstack(parts), missing / max(len(encoding.features), 1)
