"""The bins of every watched feature, from a reference."""

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from monitors.counts.batches import batches
from monitors.counts.binning import Binning
from monitors.counts.coding import Coder
from monitors.counts.groups import Counts, Groups, group_columns
from monitors.counts.lookup import Numbers
from monitors.counts.profile import IntArray, Profile
from monitors.counts.ranks import order_statistics
from monitors.counts.values import is_numeric, is_text, numbers_of
from monitors.counts.watched import Watched, watched
from monitors.timestamps import collected

BINS = 60
MAX_CATEGORIES = 1000
THREADS = 2

_MAX_BINS = 10_000
_MORE_OF_TEXT = 8
_NOTHING = "the reference holds no value"
_BYTES_AT_ONCE = 2**24  # of numbers, twice: what is counted and what is read; at least one column, 8 bytes a row


def fit_binnings(log: PredictionLog, *, bins: int = BINS) -> dict[str, Binning]:
    """Return the bins of every watched feature of a reference: exact order statistics, or its categories.

    Numbers, and texts that all spell numbers, are cut at their order statistics of the ranks ceil(i n / bins), i = 1,
    ..., bins - 1, equal ones taken once; all other texts, booleans and dates are categories, as are labels but for
    regression and ranking. A column without any value has no category: whatever appears later is new. Memory holds
    some columns at a time, at least one.

    Parameters
    ----------
    log
        The reference.
    bins
        Number of bins of equal shares, 2 to 10,000; ties leave fewer, few rows at most one for each.

    Returns
    -------
    dict
        Feature -> its bins, in the order of `monitors.counts.watched.watched`.

    Raises
    ------
    InputError
        If there are no rows, a column cannot be watched, or `bins` is out of range.

    Examples
    --------
    >>> table = pa.table({"y": [0, 1, 0, 1], "p": [0, 1, 1, 1], "age": [4, 1, 3, 2], "sex": ["F", "M", "F", None]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["age", "sex"])
    >>> binnings = fit_binnings(log, bins=2)
    >>> binnings["age"].edges, binnings["sex"].categories
    ((2.0,), ('F', 'M'))
    """
    return _fitted(log, bins, None)


def fit_and_count(log: PredictionLog, *, bins: int = BINS, depth: int = 1) -> Profile:
    """Return the counts of a reference in bins of its own, as `count_profile` would; it is read once for both.

    Raises
    ------
    InputError
        As `fit_binnings` and `monitors.counts.counting.count_profile`.

    Examples
    --------
    >>> table = pa.table({"y": [0, 1, 0, 1], "p": [0, 1, 1, 1], "age": [4, 1, 3, 2]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["age"])
    >>> fit_and_count(log, bins=2).counts["age"].tolist()
    [[[1, 3, 0]]]
    """
    counts = Counts(Groups(log.sensitive_features, log.reading.missing), {}, windows=1, depth=depth)
    return counts.profile(_fitted(log, bins, counts), (None,))


class _Portion(NamedTuple):
    """Some columns of all rows, in batches, and each batch's groups."""

    batches: list[pa.RecordBatch]
    groups: list[list[npt.NDArray[np.int16]]]


def _fitted(log: PredictionLog, bins: int, counts: Counts | None) -> dict[str, Binning]:
    """Fit every column, and count it while it is in memory; the next ones are being read meanwhile."""
    if not isinstance(bins, int) or not 2 <= bins <= _MAX_BINS:
        raise_violations([f"bins must be a whole number from 2 to {_MAX_BINS:,}; got {bins!r}"])
    items = watched(log)
    rows = int(collected(log, log.table.select(n=nw.len()))["n"][0].as_py())
    if not rows:
        msg = "the reference has no rows; expected at least one prediction"
        raise InputError([msg])
    schema = log.table.collect_schema()
    only_text = all(schema[item.column] == nw.String for item in items)  # CSV: each reading parses the whole file
    size = max(1, _BYTES_AT_ONCE * (_MORE_OF_TEXT if only_text else 1) // (8 * rows))
    found: list[Binning] = []
    with ThreadPoolExecutor(THREADS) as workers:
        running: list[Future[Binning]] = []
        for start in range(0, len(items), size):
            some = items[start : start + size]
            portion = _read(log, some, counts)
            found += [future.result() for future in running]
            if counts is not None and not start:
                _count_rows(portion, counts)
            running = [workers.submit(_fit_one, item, portion, bins, counts) for item in some]
        found += [future.result() for future in running]
    return {binning.feature: binning for binning in found}


def _read(log: PredictionLog, items: Sequence[Watched], counts: Counts | None) -> _Portion:
    keys = {} if counts is None else group_columns(log)
    portion = _Portion([], [])
    for batch in batches(log, keys | {item.column: nw.col(item.column) for item in items}):
        portion.batches.append(batch)
        groups = [] if counts is None else counts.groups.codes([batch.column(name) for name in keys])
        portion.groups.append([codes.astype(np.int16) for codes in groups])
    return portion


def _count_rows(portion: _Portion, counts: Counts) -> None:
    for batch, groups in zip(portion.batches, portion.groups, strict=True):
        counts.add_rows(counts.cells(groups, None, rows=batch.num_rows))


def _fit_one(item: Watched, portion: _Portion, bins: int, counts: Counts | None) -> Binning:
    columns = [batch.column(item.column) for batch in portion.batches]
    numbers = _numbers(item, columns)
    if numbers is not None and len(numbers):
        binning = _numeric(item.feature, numbers, bins)
    else:
        if item.labels != "sets":  # spelled once, for fitting and for counting
            columns = [item.texts(column) for column in columns]
        binning = _categorical(item.feature, [_counted(item.texts(column)) for column in columns])
    if counts is not None:
        counts.watch(item.feature, binning.size)
        coder = Coder(item, binning)
        for column, groups in zip(columns, portion.groups, strict=True):
            counts.add(item.feature, counts.cells(groups, None, rows=len(column)), coder.bins(column))
    return binning


def _numbers(item: Watched, columns: Sequence[pa.Array]) -> Numbers | None:
    """Return all numbers of a column, missing ones left out; None where it holds anything else."""
    if item.labels != "none":
        return None
    found = []
    for column in columns:
        if not (is_numeric(column.type) or is_text(column.type)):
            return None
        read = numbers_of(column)
        if read.unread:
            return None
        numbers = read.values if read.absent is None else read.values[~read.absent]
        absent = np.isnan(numbers)
        found.append(numbers[~absent] if absent.any() else numbers)
    return np.concatenate(found) if found else None


class _CountedTexts(NamedTuple):
    """Distinct texts of one batch and how often each occurs."""

    texts: pa.Array
    counts: IntArray


def _counted(texts: pa.DictionaryArray) -> _CountedTexts:
    codes = texts.indices.fill_null(len(texts.dictionary)).to_numpy(zero_copy_only=False)
    return _CountedTexts(texts.dictionary, np.bincount(codes, minlength=len(texts.dictionary) + 1)[:-1])


def _numeric(feature: str, numbers: Numbers, bins: int) -> Binning:
    rows = len(numbers)
    ranks = np.unique(-(-np.arange(1, bins, dtype=np.int64) * rows // bins))
    found = order_statistics(numbers, ranks)
    as_printed = numbers.dtype == np.float32
    values = [float(str(value)) if as_printed else float(value) for value in found.values]
    times = Counter(value + 0.0 for value in values if math.isfinite(value))  # + 0.0: not -0.0
    edges = {*times, *(math.nextafter(value, math.inf) for value, ranks_there in times.items() if ranks_there > 1)}
    return Binning(feature=feature, kind="numeric", edges=tuple(sorted(edges)), tied=bool(found.shared.any()))


def _categorical(feature: str, counted: Sequence[_CountedTexts]) -> Binning:
    if not counted:
        return Binning(feature=feature, kind="categorical", note=_NOTHING)
    texts = pa.table(
        {
            "text": pa.chunked_array([part.texts for part in counted], pa.string()),
            "n": np.concatenate([part.counts for part in counted]),
        }
    )
    summed = texts.group_by("text").aggregate([("n", "sum")])
    summed = summed.filter(pc.and_(pc.is_valid(summed["text"]), pc.greater(summed["n_sum"], 0)))
    kept = summed.sort_by([("n_sum", "descending"), ("text", "ascending")])["text"][:MAX_CATEGORIES]
    note = None if summed.num_rows else _NOTHING
    if summed.num_rows > MAX_CATEGORIES:
        note = f"{summed.num_rows:,} values; the {MAX_CATEGORIES:,} most frequent are kept, all others count as new"
    return Binning(feature=feature, kind="categorical", categories=tuple(sorted(kept.to_pylist())), note=note)
