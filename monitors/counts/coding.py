"""From the values of a column to their bins."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitors.counts.binning import Binning
from monitors.counts.lookup import Numbers, lookup_of
from monitors.counts.profile import IntArray
from monitors.counts.values import numbers_of
from monitors.counts.watched import Watched


class Coder:
    """The bin of each value of a column.

    Examples
    --------
    >>> ages = Coder(Watched("age", "input_0"), Binning(feature="age", kind="numeric", edges=(40.0,)))
    >>> ages.bins(pa.array([39.5, 40.0, float("nan"), None])).tolist()
    [0, 1, 2, 2]
    """

    def __init__(self, item: Watched, binning: Binning) -> None:
        self.item = item
        self.binning = binning
        self._lookups: dict[np.dtype[Any], Callable[[Numbers], IntArray]] = {}
        self._categories = pa.array(binning.categories, pa.string())

    def bins(self, column: pa.Array) -> IntArray:
        """Return the bins of a column, shape (n,)."""
        return self._of_numbers(column) if self.binning.kind == "numeric" else self._of_texts(column)

    def _of_numbers(self, column: pa.Array) -> IntArray:
        read = numbers_of(column)
        kind = read.values.dtype
        if kind not in self._lookups:
            self._lookups[kind] = lookup_of(self.binning.edges, kind).bins
        bins = self._lookups[kind](read.values)
        missing = self.binning.size - 1
        if kind.kind == "f":
            gone = np.isnan(read.values)
            if gone.any():
                bins[gone] = missing
        if read.absent is not None:
            bins[read.absent] = missing
        return bins

    def _of_texts(self, column: pa.Array) -> IntArray:
        texts = self.item.texts(column)
        new, missing = self.binning.size - 2, self.binning.size - 1
        places = pc.index_in(texts.dictionary, value_set=self._categories).fill_null(new)
        codes = np.append(places.to_numpy(zero_copy_only=False).astype(np.int64), missing)
        codes[:-1][texts.dictionary.is_null().to_numpy(zero_copy_only=False)] = missing
        rows = texts.indices.fill_null(len(texts.dictionary)).to_numpy(zero_copy_only=False)
        found: IntArray = codes[rows]
        return found
