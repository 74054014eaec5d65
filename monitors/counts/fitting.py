"""The bins of every watched feature, from a reference."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from monitors.counts.batches import batches
from monitors.counts.binning import Binning
from monitors.counts.lookup import Numbers
from monitors.counts.profile import IntArray
from monitors.counts.ranks import order_statistics
from monitors.counts.values import is_numeric, is_text, numbers_of
from monitors.counts.watched import Watched, watched
from monitors.timestamps import collected

BINS = 60
MAX_CATEGORIES = 1000
THREADS = 2

_MAX_BINS = 10_000
_NOTHING = "the reference holds no value"
_BYTES_AT_ONCE = 2**25  # of numbers; at least one column is held whole, 8 bytes a row


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
    if not isinstance(bins, int) or not 2 <= bins <= _MAX_BINS:
        raise_violations([f"bins must be a whole number from 2 to {_MAX_BINS:,}; got {bins!r}"])
    items = watched(log)
    rows = int(collected(log, log.table.select(n=nw.len()))["n"][0].as_py())
    if not rows:
        msg = "the reference has no rows; expected at least one prediction"
        raise InputError([msg])
    found: dict[str, Binning] = {}
    with ThreadPoolExecutor(THREADS) as workers:
        for some in _portions(items, max(1, _BYTES_AT_ONCE // (8 * rows))):
            gathered = _gather(log, [_Values(item) for item in some], workers)
            again = _gather(log, [_Values(values.item, as_text=True) for values in gathered if values.mixed], workers)
            known = {values.item: values for values in [*gathered, *again]}
            for binning in workers.map(lambda values: values.binning(bins), known.values()):
                found[binning.feature] = binning
    return {item.feature: found[item.feature] for item in items}


class _CountedTexts(NamedTuple):
    """Distinct texts of one batch and how often each occurs."""

    texts: pa.Array
    counts: IntArray


class _Values:
    """All values of a column, as numbers where they are, otherwise as counts of texts."""

    def __init__(self, item: Watched, *, as_text: bool = False) -> None:
        self.item = item
        self.as_text = as_text or item.labels != "none"
        self.mixed = False
        self._numbers: list[Numbers] = []
        self._counts: list[_CountedTexts] = []

    def add(self, column: pa.Array) -> None:
        if self.mixed:
            return
        if not self.as_text and (is_numeric(column.type) or is_text(column.type)):
            read = numbers_of(column)
            if not read.unread:
                self._keep(read.values if read.absent is None else read.values[~read.absent])
                return
            self.mixed = any(len(numbers) for numbers in self._numbers)  # texts among numbers: read again as texts
        self.as_text = True
        if not self.mixed:
            texts = self.item.texts(column)
            codes = texts.indices.fill_null(len(texts.dictionary)).to_numpy(zero_copy_only=False)
            counts = np.bincount(codes, minlength=len(texts.dictionary) + 1)[:-1]
            self._counts.append(_CountedTexts(texts.dictionary, counts))

    def binning(self, bins: int) -> Binning:
        if not self.as_text and any(len(numbers) for numbers in self._numbers):
            numbers = np.concatenate(self._numbers)
            self._numbers.clear()  # memory holds a column once
            return _numeric(self.item.feature, numbers, bins)
        return _categorical(self.item.feature, self._counts)

    def _keep(self, numbers: Numbers) -> None:
        absent = np.isnan(numbers)
        self._numbers.append(numbers[~absent] if absent.any() else numbers)


def _portions(items: Sequence[Watched], size: int) -> Iterator[Sequence[Watched]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _gather(log: PredictionLog, columns: list[_Values], workers: ThreadPoolExecutor) -> list[_Values]:
    if not columns:
        return []
    for batch in batches(log, {values.item.column: nw.col(values.item.column) for values in columns}):
        arrays = [batch.column(values.item.column) for values in columns]
        for _ in workers.map(_Values.add, columns, arrays):
            pass
    return columns


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
