"""The tally: one row per observed cell and its counts. Every number is a roll-up of it; tallies add up exactly."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.codes import Codes, Floats, joint_codes, sorted_codes
from audit.errors import EvidenceError
from audit.measurement import canonical_json

__all__ = [
    "COUNTS",
    "SCHEMA",
    "SCORE_UNITS",
    "SLICE",
    "Codes",
    "CountedTask",
    "Floats",
    "Tally",
    "Weights",
    "collapse",
    "joint_codes",
    "sorted_codes",
]

SCHEMA = "evenhanded/tally/1"
SLICE = "slice."
SCORE_UNITS = 1e9
COUNTS = ("n", "w", "w2", "score", "score2", "error", "error2", "abs_error")

Weights = Literal["none", "sampling", "frequency"]
CountedTask = Literal["binary", "multiclass", "multilabel"]

_SCORES = ("score", "score2")
_TIME = pa.timestamp("us", tz="UTC")
_KEYS = {
    "y_true": pa.string(),
    "y_pred": pa.string(),
    "score_bin": pa.int16(),
    "window_start": _TIME,
    "window_end": _TIME,
    "model_version": pa.string(),
}
_PAIRS = pa.schema([("left", pa.int32()), ("right", pa.int32()), ("moment", pa.float64())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts per observed cell `(sensitive features x y_true x y_pred [x score bin] [x window] [x model version])`.

    Build one with `audit.counting.count` or read one with `Tally.read`; the constructor takes cells that are already
    in canonical form (see `collapse`).

    Parameters
    ----------
    features
        The sensitive features, in the order given.
    cells
        One row per cell, sorted by key. Keys: ``slice.<feature>`` (string, null = missing), ``y_true``, ``y_pred``
        (string), ``score_bin``, ``window_start``, ``window_end``, ``model_version``. Counts: ``n`` rows, ``w`` and
        ``w2`` (sums of weights, to nine digits of the largest weight, and of their squares; equal to n without
        weights), ``score``, ``score2`` (sums of the score and its square, each to nine decimals),
        ``error``, ``error2``, ``abs_error`` (regression); null where not collected.
    positive
        The label that counts as positive; None where the task is not "binary".
    bins
        How many equal, left-closed score bins on [0, 1]; None where there is no score.
    weights
        "none"; "sampling" (rows stand for w rows of a population); "frequency" (a row repeated w times).
    pairs
        Only with clusters: for cells i, j the sum over clusters of (weight in i) x (weight in j). It makes the
        cluster-robust variance of any roll-up exact without keeping a cluster's name. A cluster that is split over
        two tallies counts as two when they are added.
    task
        "binary"; "multiclass" (`y_true` and `y_pred` hold one of `labels`); "multilabel" (they hold a set of labels as
        a sorted JSON list). See `audit.label_sets`.
    labels
        The labels of "multiclass" and "multilabel", sorted.
    deferral
        Whether rows may be left undecided: `y_pred` is null there. See `audit.tasks.deferral`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0, 1], "p": [1, 1, 0], "sex": ["F", "F", "M"]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["sex"]))
    >>> tally.rows, tally.cells.num_rows, (tally + tally).rows
    (3, 3, 6)
    """

    features: tuple[str, ...]
    cells: pa.Table
    positive: str | None
    bins: int | None = None
    weights: Weights = "none"
    pairs: pa.Table | None = None
    task: CountedTask = "binary"
    labels: tuple[str, ...] = ()
    deferral: bool = False

    @property
    def rows(self) -> int:
        """How many rows were counted (repeated rows, under frequency weights)."""
        return int(pc.sum(self.cells["n"]).as_py() or 0)

    @property
    def clustered(self) -> bool:
        """Whether intervals are to be cluster-robust."""
        return self.pairs is not None

    def key_columns(self) -> list[str]:
        """Return the names of the columns that identify a cell."""
        return [name for name in self.cells.column_names if name not in COUNTS]

    def digest(self) -> str:
        """Return the SHA-256 of what was counted: keys and counts of the sorted cells, and of their pairs.

        It is the same for every engine, order of rows and number of threads, because all sums are exact (see
        `audit.expressions`). Parts that are added up have the digest of the whole, too; under sampling weights only
        if no last bit is lost in the addition.
        """
        head = [
            SCHEMA,
            list(self.features),
            self.positive,
            self.bins,
            self.weights,
            self.clustered,
            *self._more_facts(),
        ]
        digest = hashlib.sha256(canonical_json(head).encode())
        for name in [*self.key_columns(), "n"]:
            column = self.cells[name]
            texts = column.cast(pa.string()) if column.type != pa.string() else column
            digest.update(canonical_json([name, texts.to_pylist()]).encode())
        for name in COUNTS[1:]:
            digest.update(_exact_bytes(name, self.cells[name].to_numpy()))
        if self.pairs is not None:
            for name in ("left", "right", "moment"):
                digest.update(_exact_bytes(name, self.pairs[name].to_numpy()))
        return digest.hexdigest()

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both parts together.

        Raises
        ------
        ValueError
            If the two were not counted in the same way.
        """
        names = ("features", "positive", "bins", "weights", "clustered", "task", "deferral")
        unlike = [
            f"{name}: {getattr(self, name)!r} and {getattr(other, name)!r}"
            for name in names
            if getattr(self, name) != getattr(other, name)
        ]
        if unlike:
            msg = f"tallies add up only if they were counted in the same way; they differ in {'; '.join(unlike)}"
            raise ValueError(msg)
        pairs = None
        if self.pairs is not None and other.pairs is not None:
            shift = pa.scalar(self.cells.num_rows, pa.int32())
            moved = [pc.add(other.pairs[side], shift) for side in ("left", "right")]
            pairs = pa.concat_tables([self.pairs, pa.table([*moved, other.pairs["moment"]], schema=_PAIRS)])
        return collapse(
            pa.concat_tables([self.cells, other.cells]),
            features=self.features,
            positive=self.positive,
            bins=self.bins,
            weights=self.weights,
            pairs=pairs,
            task=self.task,
            labels=tuple(sorted({*self.labels, *other.labels})),
            deferral=self.deferral,
        )

    def _more_facts(self) -> list[dict[str, Any]]:
        """Return what a binary tally without deferral need not say: its digest is that of earlier versions."""
        if self.task == "binary" and not self.deferral:
            return []
        return [{"task": self.task, "labels": list(self.labels), "deferral": self.deferral}]

    def write(self, path: Path) -> None:
        """Write the tally as Parquet with its metadata; pairs of cells go into a second file beside it."""
        facts: dict[str, Any] = {"schema": SCHEMA, "features": list(self.features), "positive": self.positive}
        facts |= {"bins": self.bins, "weights": self.weights, "clustered": self.clustered}
        for more in self._more_facts():
            facts |= more
        table = self.cells.replace_schema_metadata({"evenhanded": canonical_json(facts)})
        pq.write_table(table, path, compression="zstd")
        if self.pairs is not None:
            pq.write_table(self.pairs, _pairs_path(path), compression="zstd")

    @classmethod
    def read(cls, path: Path) -> "Tally":
        """Read a tally that `write` wrote.

        Raises
        ------
        EvidenceError
            If the file is missing, is no tally, is of a newer schema, or contradicts itself.
        """
        try:
            table = pq.read_table(path)
            facts = _facts(table, path)
            pairs = pq.read_table(_pairs_path(path)) if facts["clustered"] else None
            _check(table, facts, path)
        except (OSError, pa.ArrowException, json.JSONDecodeError, KeyError) as error:
            msg = f"tally {path} cannot be read: {error}; run the audit again to make a new one"
            raise EvidenceError(msg) from error
        return cls(
            features=tuple(facts["features"]),
            cells=table.replace_schema_metadata(None),
            positive=facts["positive"],
            bins=facts["bins"],
            weights=facts["weights"],
            pairs=pairs,
            task=facts.get("task", "binary"),
            labels=tuple(facts.get("labels", ())),
            deferral=facts.get("deferral", False),
        )


def collapse(
    raw: pa.Table,
    *,
    features: Sequence[str],
    positive: str | None,
    bins: int | None,
    weights: Weights,
    pairs: pa.Table | None = None,
    task: CountedTask = "binary",
    labels: tuple[str, ...] = (),
    deferral: bool = False,
) -> Tally:
    """Return the tally of a table of cells in which keys may repeat, rows stand in any order and columns may lack.

    Parameters
    ----------
    raw
        Columns as `Tally.cells`; missing key and count columns are filled with null.
    features, positive, bins, weights, task, labels, deferral
        As in `Tally`.
    pairs
        Columns ``left``, ``right`` (row numbers of `raw`) and ``moment``.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1", "0", "1"], "y_pred": ["1", "1", "1"], "n": [2, 4, 3]})
    >>> collapse(raw, features=(), positive="1", bins=None, weights="none").cells.select(["y_true", "n"]).to_pylist()
    [{'y_true': '0', 'n': 4}, {'y_true': '1', 'n': 5}]
    """
    schema = _schema(features)
    keys = [name for name in schema.names if name not in COUNTS]
    columns = {name: _column(raw, name, schema.field(name).type) for name in schema.names}
    group, first = _groups([columns[name] for name in keys])
    size = len(first)
    arrays = [columns[name].take(pa.array(first)) for name in keys]
    arrays += [_summed(name, columns[name], group, size) for name in COUNTS]
    return Tally(
        features=tuple(features),
        cells=pa.table(arrays, schema=schema),
        positive=positive,
        bins=bins,
        weights=weights,
        pairs=None if pairs is None else _moved_pairs(pairs, group, size),
        task=task,
        labels=labels,
        deferral=deferral,
    )


def _groups(columns: list[pa.Array]) -> tuple[Codes, Codes]:
    coded = [sorted_codes(_comparable(column)) for column in columns]
    rows = len(columns[0]) if columns else 0
    joint = joint_codes([codes for codes, _ in coded], [len(values) for _, values in coded], rows)
    _, first, group = np.unique(joint, return_index=True, return_inverse=True)
    return group.astype(np.int64), first.astype(np.int64)


def _comparable(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column


def _schema(features: Sequence[str]) -> pa.Schema:
    fields = [(SLICE + name, pa.string()) for name in features] + list(_KEYS.items())
    counts = [("n", pa.int64())] + [(name, pa.float64()) for name in COUNTS[1:]]
    return pa.schema(fields + counts)


def _column(raw: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in raw.column_names:
        return pa.nulls(raw.num_rows, kind)
    column = raw[name].combine_chunks()
    return column if column.type == kind else column.cast(kind)


def _summed(name: str, column: pa.Array, group: Codes, size: int) -> pa.Array:
    if column.null_count == len(column) and len(column):
        return pa.nulls(size, column.type)
    values = column.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type):
        total = np.zeros(size, dtype=np.int64)
        np.add.at(total, group, values)
        return pa.array(total)
    if name in _SCORES:  # in the units in which they were summed, so that parts add up to the whole
        return pa.array(np.bincount(group, weights=np.rint(values * SCORE_UNITS), minlength=size) / SCORE_UNITS)
    return pa.array(_sorted_sums(values, group, size))


def _sorted_sums(values: Floats, group: Codes, size: int) -> Floats:
    """Add in the order of the values, so that the order of the rows leaves the last bits alone."""
    if not np.array_equal(values, np.rint(values)):  # sums of whole numbers are exact in any order
        order = np.lexsort((values, group))
        values, group = values[order], group[order]
    return np.asarray(np.bincount(group, weights=values, minlength=size), dtype=np.float64)


def _exact_bytes(name: str, values: npt.NDArray[Any]) -> bytes:
    numbers = np.asarray(values, dtype="<f8")
    if name in _SCORES:
        numbers = np.rint(numbers * SCORE_UNITS)
    return canonical_json([name, len(numbers)]).encode() + numbers.tobytes()


def _moved_pairs(pairs: pa.Table, group: Codes, size: int) -> pa.Table:
    left, right = (group[pairs[side].to_numpy()] for side in ("left", "right"))
    place, inverse = np.unique(left * size + right, return_inverse=True)
    moment = _sorted_sums(pairs["moment"].to_numpy(), inverse, len(place))
    arrays = [(place // size).astype(np.int32), (place % size).astype(np.int32), moment]
    return pa.table(arrays, schema=_PAIRS)


def _facts(table: pa.Table, path: Path) -> dict[str, Any]:
    text = (table.schema.metadata or {}).get(b"evenhanded")
    facts: dict[str, Any] = {} if text is None else json.loads(text)
    if facts.get("schema") != SCHEMA:
        msg = f"{path} is not a tally of schema {SCHEMA!r}; found {facts.get('schema')!r}; run the audit again"
        raise EvidenceError(msg)
    return facts


def _check(table: pa.Table, facts: dict[str, Any], path: Path) -> None:
    """Without sampling weights, w and w2 are the counts again."""
    expected = _schema(facts["features"])
    if table.schema.names != expected.names or table.schema.types != expected.types:
        msg = f"{path} has the columns {table.schema.names}; expected {expected.names}; run the audit again"
        raise EvidenceError(msg)
    if facts["weights"] != "sampling" and not (table["w"].equals(table["w2"]) and _counts_alone(table)):
        msg = f"{path} was changed: weights that differ from its counts; run the audit again to make a new one"
        raise EvidenceError(msg)


def _counts_alone(table: pa.Table) -> bool:
    return bool(table["w"].equals(table["n"].cast(pa.float64())))


def _pairs_path(path: Path) -> Path:
    return path.with_name(path.stem + ".pairs" + path.suffix)
