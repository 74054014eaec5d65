"""Whom a row belongs to: its groups as whole numbers, and the counts that these index."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from threading import Lock
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.counting import MAX_GROUPS
from audit.errors import InputError
from audit.expressions import key_expressions
from audit.measurement import EVERYONE, Slice, Window
from audit.predictions import PredictionLog, feature_column
from audit.reading import Missing
from monitors.counts.binning import Binning
from monitors.counts.profile import IntArray, Profile, slice_order
from monitors.counts.values import texts_of

GroupCodes = npt.NDArray[np.int64] | npt.NDArray[np.int16]

MAX_CELLS = 2**27
"""Counts of one profile, 8 bytes each."""

_ROWS = "\0rows"  # no feature is called so


def group_columns(log: PredictionLog) -> dict[str, nw.Expr]:
    """Return the sensitive features of a log as its audit groups them, by the names of their columns.

    Examples
    --------
    >>> table = pa.table({"y": [1], "p": [1], "age": [30]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["age"], bins={"age": [25]})
    >>> log.table.select(**group_columns(log)).collect(backend="pyarrow").to_native().to_pylist()
    [{'feature_0': '>=25'}]
    """
    if not log.sensitive_features:
        return {}
    keys = key_expressions(log, log.table.collect_schema(), 1)
    names = [feature_column(place) for place in range(len(log.sensitive_features))]
    return {name: keys[name] for name in names}


class Groups:
    """The groups of each sensitive feature in the order in which they were met, whatever that is.

    Examples
    --------
    >>> groups = Groups(("sex",), "group")
    >>> groups.codes([pa.array(["F", None, "F"])])[0].tolist(), groups.known
    ([0, 1, 0], [{'F': 0, None: 1}])
    """

    def __init__(self, features: tuple[str, ...], missing: Missing) -> None:
        self.features = features
        self.missing = missing
        self.known: list[dict[str | None, int]] = [{} for _ in features]

    def codes(self, columns: Sequence[pa.Array]) -> list[IntArray]:
        """Return each row's group of each feature as a number; -1 in all where a missing one drops the row.

        Raises
        ------
        InputError
            If there are too many groups, a value is missing that may not be, or one is a list or binary.
        """
        found = [self._coded(place, column) for place, column in enumerate(columns)]
        if self.missing == "drop" and found:
            gone = np.logical_or.reduce(
                [codes == known.get(None, -1) for codes, known in zip(found, self.known, strict=True)]
            )
            for codes in found:
                codes[gone] = -1
        return found

    def _coded(self, place: int, column: pa.Array) -> IntArray:
        name, known = self.features[place], self.known[place]
        try:
            texts = texts_of(column)
        except TypeError as error:
            msg = f"sensitive feature {name!r}: {error}; convert it to text"
            raise InputError([msg]) from error
        values = texts.dictionary.to_pylist() + ([None] if texts.indices.null_count else [])
        for value in values:
            known.setdefault(value, len(known))
        self._check(name, known)
        rows = texts.indices.fill_null(len(texts.dictionary)).to_numpy(zero_copy_only=False)
        codes: IntArray = np.array([known[value] for value in values], dtype=np.int64)[rows]
        return codes

    def _check(self, name: str, known: Mapping[str | None, int]) -> None:
        if len(known) > MAX_GROUPS:
            msg = (
                f"sensitive feature {name!r} has more than {MAX_GROUPS:,} groups; merge groups that belong together, "
                f"cut numbers into ranges (bins={{{name!r}: [25, 45]}}), or leave it out"
            )
            raise InputError([msg])
        if self.missing == "raise" and None in known:
            msg = f"sensitive feature {name!r} is missing in some rows; complete it or drop them"
            raise InputError([msg])


class Cells(NamedTuple):
    """Where rows are counted in each set of features, one past the last for those left out; None: all in the first.

    Examples
    --------
    >>> Cells(2, [None]).rows
    2
    """

    rows: int
    of: list[IntArray | None]


class Counts:
    """Counts of each feature's bins by window and group, growing as groups are met.

    Sensitive features are counted one at a time, or `depth` of them together; coarser slices are sums of these.

    Examples
    --------
    >>> counts = Counts(Groups((), "group"), {"age": 3}, windows=1, depth=1)
    >>> cells = counts.cells([], None, rows=2)
    >>> counts.add("age", cells, np.array([0, 2])); counts.add_rows(cells)
    >>> counts.of("age", ()).tolist(), counts.rows(()).tolist()
    ([[1, 0, 1]], [2])
    """

    def __init__(self, groups: Groups, sizes: Mapping[str, int], *, windows: int, depth: int) -> None:
        self.groups = groups
        self.windows = windows
        self.depth = min(depth, len(groups.features))
        self.sets = list(combinations(range(len(groups.features)), self.depth))
        self._room = [1] * len(groups.features)
        self._sizes = {**sizes, _ROWS: 1}
        self._counts = {name: [self._empty(chosen, size) for chosen in self.sets] for name, size in self._sizes.items()}
        self._lock = Lock()
        self._check()

    def watch(self, name: str, size: int) -> None:
        """Make room for the counts of one more feature."""
        with self._lock:
            self._sizes[name] = size
            self._check()
            self._counts[name] = [self._empty(chosen, size) for chosen in self.sets]

    def cells(self, groups: Sequence[GroupCodes], windows: IntArray | None, *, rows: int) -> "Cells":
        """Return where each row is counted; a window or a group of -1 leaves it out."""
        self._grow()
        found: list[IntArray | None] = []
        for chosen in self.sets:
            if windows is None and not chosen:
                found.append(None)
                continue
            cell = np.zeros(rows, dtype=np.int64) if windows is None else windows
            outside = cell < 0
            for place in chosen:
                cell = cell * self._room[place] + groups[place]
                outside |= groups[place] < 0
            found.append(np.where(outside, self._number(chosen), cell))
        return Cells(rows, found)

    def add(self, name: str, cells: "Cells", bins: IntArray, times: IntArray | None = None) -> None:
        """Count rows in their bins, each once or `times`; threads may add different features at once."""
        size = self._sizes[name]
        for place, (chosen, cell) in enumerate(zip(self.sets, cells.of, strict=True)):
            counts = self._counts[name][place]
            total = self._number(chosen) * size
            flat = bins if cell is None else cell * size + bins
            if times is None and total <= 8 * len(bins):
                counts += np.bincount(flat, minlength=total)[:total].reshape(counts.shape)
            else:  # most counts stay as they are
                counted = flat < total
                np.add.at(counts.reshape(-1), flat[counted], 1 if times is None else times[counted])

    def add_rows(self, cells: "Cells", times: IntArray | None = None) -> None:
        """Count rows, whatever their values."""
        self.add(_ROWS, cells, np.zeros(cells.rows, dtype=np.int64), times)

    def profile(self, binnings: Mapping[str, Binning], windows: tuple[Window | None, ...]) -> Profile:
        """Return what was counted of some features."""
        slices = self.slices()
        return Profile(
            windows=windows,
            slices=slices,
            binnings=dict(binnings),
            counts={name: np.stack([self.of(name, one) for one in slices], axis=1) for name in binnings},
            rows=np.stack([self.rows(one) for one in slices], axis=1),
        )

    def slices(self) -> tuple[Slice, ...]:
        """Return everyone and every group, or combination of up to `depth` groups, that has rows."""
        found = [EVERYONE]
        for many in range(1, self.depth + 1):
            for chosen in combinations(range(len(self.groups.features)), many):
                met = self._summed(_ROWS, chosen).sum(axis=(0, -1))
                values = [list(self.groups.known[place]) for place in chosen]
                for at in np.argwhere(met):
                    pairs = [(self.groups.features[place], values[i][at[i]]) for i, place in enumerate(chosen)]
                    found.append(tuple(sorted(pairs)))
        return tuple(sorted(found, key=slice_order))

    def of(self, name: str, slice_: Slice) -> IntArray:
        """Return the counts of a feature in a slice, shape (windows, bins)."""
        chosen = tuple(sorted(self.groups.features.index(feature) for feature, _ in slice_))
        value_of = dict(slice_)
        found = self._summed(name, chosen)
        for place in chosen:
            found = found[:, self.groups.known[place][value_of[self.groups.features[place]]]]
        return found

    def rows(self, slice_: Slice) -> IntArray:
        """Return the rows of a slice by window."""
        return self.of(_ROWS, slice_)[:, 0]

    def _summed(self, name: str, chosen: tuple[int, ...]) -> IntArray:
        at = next(i for i, wider in enumerate(self.sets) if set(chosen) <= set(wider))
        others = tuple(axis + 1 for axis, place in enumerate(self.sets[at]) if place not in chosen)
        return np.asarray(self._counts[name][at].sum(axis=others, dtype=np.int64))

    def _empty(self, chosen: tuple[int, ...], size: int) -> IntArray:
        return np.zeros((self.windows, *(self._room[place] for place in chosen), size), dtype=np.int64)

    def _number(self, chosen: tuple[int, ...]) -> int:
        return int(np.prod([self.windows, *(self._room[place] for place in chosen)]))

    def _grow(self) -> None:
        needed = [len(known) for known in self.groups.known]
        if all(number <= room for number, room in zip(needed, self._room, strict=True)):
            return
        self._room = [1 << (number - 1).bit_length() if number else 1 for number in needed]
        self._check()
        for name, size in self._sizes.items():
            for at, chosen in enumerate(self.sets):
                wider, known = self._empty(chosen, size), self._counts[name][at]
                wider[tuple(slice(length) for length in known.shape)] = known
                self._counts[name][at] = wider

    def _check(self) -> None:
        cells = sum(self._number(chosen) for chosen in self.sets) * sum(self._sizes.values())
        if cells > MAX_CELLS:
            groups = ", ".join(
                f"{name}: {len(known)}" for name, known in zip(self.groups.features, self.groups.known, strict=True)
            )
            msg = (
                f"{self.windows:,} windows x groups ({groups or 'none'}) x the bins of {len(self._sizes) - 1} features "
                f"make {cells:,} counts, more than {MAX_CELLS:,}; take longer windows, fewer groups or fewer features"
            )
            raise InputError([msg])
