"""Columns of any type as arrays of numbers: features, labels, clusters and times of a split."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.spellings import quoted, two_label_violations
from audit.values import BINARY, canonical, canonical_array

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]


class Feature(NamedTuple):
    """A column that a model may read: numbers, or codes of texts in alphabetical order; NaN where missing.

    Examples
    --------
    >>> Feature("sex", np.array([0.0, 1.0]), ("F", "M")).is_text
    True
    """

    name: str
    values: Floats
    texts: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the values are codes of texts."""
        return bool(self.texts)


def plain_of(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column in one piece, its dictionary resolved.

    Examples
    --------
    >>> plain_of(pa.array(["a", "b"]).dictionary_encode()).to_pylist()
    ['a', 'b']
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def numbers_of(array: pa.Array) -> Floats | None:
    """Return a column as numbers, NaN where missing; None where it holds something else. Times become seconds.

    Examples
    --------
    >>> numbers_of(pa.array(["1", "", "2.5"])).tolist(), numbers_of(pa.array(["1", "x"])) is None
    ([1.0, nan, 2.5], True)
    """
    if pa.types.is_temporal(array.type) and not pa.types.is_duration(array.type):
        if pa.types.is_time(array.type):
            return None
        array = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False).cast(pa.int64())
        array = pc.divide(array.cast(pa.float64()), 1e6)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array = pc.if_else(pc.equal(array, ""), None, array)
    try:
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def feature_of(name: str, array: pa.Array, violations: list[str]) -> Feature:
    """Return a column as a feature; what is wrong with it is added to `violations`.

    Examples
    --------
    >>> feature_of("size", pa.array(["S", None, "L"]), []).values.tolist()
    [1.0, nan, 0.0]
    """
    numbers = numbers_of(array)
    if numbers is not None:
        if endless := int(np.isinf(numbers).sum()):
            violations.append(f"column {name!r} holds {endless} infinite values; leave them empty, or mend them")
        return Feature(name, numbers)
    try:
        encoded = canonical_array(array).dictionary_encode()
    except TypeError as error:
        violations.append(f"column {name!r} cannot be read: {error}; leave it out with features")
        return Feature(name, np.full(len(array), np.nan))
    known = encoded.dictionary.to_pylist()
    rank = np.argsort(np.argsort(np.array(known, dtype=object))).astype(np.float64)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return Feature(name, np.where(codes < 0, np.nan, rank[codes]), tuple(sorted(known)))


def labels_of(array: pa.Array, name: str, positive: object, test: Flags, violations: list[str]) -> tuple[Floats, str]:
    """Return labels as 0 and 1, NaN where missing, and what 1 means in words.

    Numbers that are not binary are cut at their median in the train part (rows where `test` is False), unless one of
    them is named as `positive`. Labels are two over both parts together, as in an audit.

    Examples
    --------
    >>> labels_of(pa.array(["yes", "no", None]), "paid", "yes", np.array([False] * 3), [])
    (array([ 1.,  0., nan]), 'paid is yes')
    >>> labels_of(pa.array([10, 20, 30]), "price", None, np.array([False] * 3), [])
    (array([0., 0., 1.]), 'price above 20, the median of train')
    """
    texts = canonical_array(array)
    known = [text for text in texts.unique().to_pylist() if text is not None]
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    wanted = canonical(positive)
    if set(known) <= set(BINARY) and (wanted is None or wanted in BINARY):
        one = BINARY[wanted or "1"]
        flags = pa.array([None if text is None else BINARY[text] == one for text in texts.to_pylist()], pa.bool_())
        return _binary(flags, missing), f"{name} is {wanted or 1}"
    if wanted is not None:
        violations += _label_violations(texts, name, wanted, test)
        return _binary(pc.equal(texts, wanted), missing), f"{name} is {wanted}"
    numbers = numbers_of(array)
    if numbers is None:
        violations += _label_violations(texts, name, None, test)
        return np.full(len(array), np.nan), name
    middle = float(np.nanmedian(numbers[~test])) if np.isfinite(numbers[~test]).any() else np.nan
    return np.where(np.isnan(numbers), np.nan, numbers > middle), f"{name} above {middle:g}, the median of train"


def _label_violations(texts: pa.Array, name: str, positive: str | None, test: Flags) -> list[str]:
    """Return what is wrong with labels that are texts, or of which one is named as positive: of both parts at once."""
    sides = {"train": ~test, "test": test}
    found = {f"{name!r} of {part}": set(texts.filter(pa.array(rows)).unique().drop_null().to_pylist())
             for part, rows in sides.items()}  # fmt: skip
    if wrong := two_label_violations(found):
        return wrong
    labels = quoted(set().union(*found.values()))
    if positive is None:
        return [f"the labels of {name!r} are {labels}; say which one counts as 1 (positive=..., --positive ...)"]
    if not any(positive in values for values in found.values()):
        return [f"no label of {name!r} is {positive!r}; the data has {labels}"]
    return []


def _binary(flags: pa.Array, missing: Flags) -> Floats:
    known = np.asarray(flags.fill_null(pa.scalar(value=False)).to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.where(missing, np.nan, known)


def spellings_of(array: pa.Array, y: Floats, label: str) -> tuple[str, str]:
    """Return how the data spell the labels 0 and 1; in words where several values became one label.

    Examples
    --------
    >>> spellings_of(pa.array(["<=50K", ">50K"]), np.array([0.0, 1.0]), "income is >50K")
    ('<=50K', '>50K')
    >>> spellings_of(pa.array([1, 2, 3]), np.array([0.0, 0.0, 1.0]), "price above 2, the median of train")
    ('not: price above 2, the median of train', '3')
    """
    texts = canonical_array(array)
    known = [texts.filter(pa.array(y == side)).unique().to_pylist() for side in (0, 1)]
    words = (f"not: {label}", label)
    zero, one = (values[0] if len(values) == 1 else word for values, word in zip(known, words, strict=True))
    return str(zero), str(one)


def rows_are_lines(source: Sequence[Path], rows: int) -> bool:
    r"""Return whether the rows of a table are the lines of one text file below its heading.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text('x,y\n1,"two\nlines"\n3,4\n', encoding="utf-8")
    ...     rows_are_lines([path], 2), rows_are_lines([path], 3)
    (False, True)
    """
    if len(source) != 1 or not {".csv", ".tsv", ".txt"} & set(source[0].suffixes):
        return False
    opener = gzip.open if source[0].suffix == ".gz" else open
    if source[0].suffix not in {".gz", ".csv", ".tsv", ".txt"}:
        return False
    with opener(source[0], "rb") as stream:
        return sum(1 for line in stream if line.strip(b"\r\n")) == rows + 1


def clusters_of(array: pa.Array) -> Codes:
    """Return codes of the clusters; a row without one stands alone.

    Examples
    --------
    >>> clusters_of(pa.array(["a", None, "a", None])).tolist()
    [0, 1, 0, 2]
    """
    encoded = canonical_array(array).dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    alone = codes < 0
    codes[alone] = len(encoded.dictionary) + np.arange(int(alone.sum()))
    return codes


def times_of(array: pa.Array, name: str, violations: list[str]) -> Floats | None:
    """Return times as seconds since 1970 UTC, or numbers as they came; NaN where missing.

    Examples
    --------
    >>> times_of(pa.array(["1970-01-02", None]), "when", []).tolist()
    [86400.0, nan]
    """
    numbers = numbers_of(array)
    if numbers is not None:
        return numbers
    try:
        parsed = pd.to_datetime(pd.Series(canonical_array(array).to_pylist()), format="ISO8601", utc=True)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        violations.append(f"column {name!r} (timestamp) is no time: {reason}; write 2026-11-21T09:30:00Z")
        return None
    seconds = parsed.to_numpy(dtype="datetime64[us]").astype(np.float64) / 1e6
    return np.where(parsed.isna(), np.nan, seconds)
