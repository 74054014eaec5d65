"""Exposures of items by arm, round and block of users, as arrays."""

from datetime import datetime
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.measurement import At, Window
from audit.predictions import PredictionLog
from monitors.feedback.blocks import Blocks, first_time, one_where, user_blocks, window_place
from monitors.feedback.decisions import decisions
from monitors.feedback.settings import LoopSettings
from monitors.timestamps import collected, moment
from monitors.windows import parse_windows, resolve

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_CELLS = 300_000
_FEWEST_BLOCKS = 10


class Round(NamedTuple):
    """One retraining round, or one window where the log names no rounds.

    Examples
    --------
    >>> Round((("round", "3"),), None, datetime(2026, 1, 5)).at
    (('round', '3'),)
    """

    at: At
    window: Window | None
    start: datetime


class Exposures(NamedTuple):
    """How often each item was shown, by arm, round and block.

    Examples
    --------
    >>> Exposures({}, [], 10, 40).items
    10
    """

    cells: dict[str, dict[int, tuple[Codes, Codes, Floats]]]
    """By arm ("" where the log names none) and place of the round: blocks, items, exposures."""

    rounds: list[Round]
    items: int
    """How many there are: all that the log names, shown or not."""

    blocks: int

    def table(self, arm: str, place: int) -> Floats:
        """Return the exposures of an arm in a round, shape (blocks, items)."""
        dense = np.zeros((self.blocks, self.items))
        if place in self.cells.get(arm, {}):
            block, item, n = self.cells[arm][place]
            np.add.at(dense, (block, item), n)
        return dense

    def counts(self, arm: str, place: int | None = None) -> Floats:
        """Return the exposures of an arm by item, in one round or in all."""
        found = self.cells.get(arm, {})
        parts = [found[each] for each in found if place is None or each == place]
        dense = np.zeros(self.items)
        for _, item, n in parts:
            dense += np.bincount(item, weights=n, minlength=self.items)
        return dense


def exposures(log: PredictionLog, settings: LoopSettings) -> Exposures:
    """Return the exposures of a log: rows whose action is 1, or all rows where it names no action.

    In a hold-out where nothing was acted on, every row counts: what its users turned to by themselves.

    Parameters
    ----------
    log
        With items; `arm`, `action`, `round` or `model_version`, `user` and `timestamp` where it has them.
    settings
        Length of a window, where there are no rounds.

    Examples
    --------
    >>> table = pa.table({"p": [1, 1, 1], "what": ["a", "a", "b"], "did": [1, 0, 1]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", item="what", action="did")
    >>> exposures(log, LoopSettings()).counts("").tolist()
    [1.0, 1.0]
    """
    blocks = user_blocks(log, window=settings.window)
    table = decisions(log).filter(~nw.col("item").is_null())
    shown = one_where(nw.col("action") == 1.0) if "action" in log.columns else nw.lit(1.0)
    arm = nw.col("arm") if "arm" in log.columns else nw.lit("")
    kind, name = _round_expression(log, settings)
    cells = table.select(
        item=nw.col("item"), arm=arm.fill_null(""), round=name, block=blocks.expression, shown=shown
    )  # fmt: skip
    found = collected(
        log,
        cells.group_by("item", "arm", "round", "block").agg(shown=nw.col("shown").sum(), rows=nw.len()),
    )
    return _exposures(log, settings, found, kind, blocks)


def _exposures(log: PredictionLog, settings: LoopSettings, found: pa.Table, kind: str, blocks: Blocks) -> Exposures:
    rounds, place_of = _rounds(log, settings, kind)
    item, names = _codes(found["item"])
    number = int(min(blocks.number, max(_CELLS // max(len(names), 1), _FEWEST_BLOCKS)))
    block = found["block"].cast(pa.int64()).to_numpy() % number
    codes, spelled = _codes(found["round"])
    place = np.array([place_of.get(str(each), -1) for each in spelled] or [0], dtype=np.int64)[codes]
    arms, arm_names = _codes(found["arm"])
    shown = found["shown"].cast(pa.float64()).to_numpy()
    rows = found["rows"].cast(pa.float64()).to_numpy()
    cells: dict[str, dict[int, tuple[Codes, Codes, Floats]]] = {}
    for code, arm in enumerate(arm_names):
        of_arm = arms == code
        n = rows if arm == "holdout" and not shown[of_arm].any() else shown
        cells[arm] = {}
        for each in np.unique(place[of_arm & (n > 0) & (place >= 0)]):
            chosen = of_arm & (place == each) & (n > 0)
            cells[arm][int(each)] = (block[chosen], item[chosen], n[chosen])
    return Exposures(cells, rounds, len(names), number)


def _codes(column: pa.ChunkedArray) -> tuple[Codes, list[Any]]:
    """Return the place of each value among the different ones, and those: sorted, as an engine gives them anyhow."""
    array = column.combine_chunks().dictionary_encode()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    names = array.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda place: (names[place] is not None, names[place] or ""))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    codes = array.indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return place[codes], [names[each] for each in order]


def _round_expression(log: PredictionLog, settings: LoopSettings) -> tuple[str, nw.Expr]:
    for role in ("round", "model_version"):
        if role in log.columns:
            return role, nw.col(role)
    if "timestamp" in log.columns:
        place = window_place(resolve(parse_windows(settings.window), log))
        return "window", place.cast(nw.String)
    return "", nw.lit("")


def _rounds(log: PredictionLog, settings: LoopSettings, kind: str) -> tuple[list[Round], dict[str, int]]:
    """Return the rounds in order, and the place of each by its spelling in the table."""
    if kind == "window":
        windows = resolve(parse_windows(settings.window), log).windows
        return [Round((), window, window[0]) for window in windows], {str(each): each for each in range(len(windows))}
    if not kind:
        return [Round((), None, first_time(log))], {"": 0}
    timed = "timestamp" in log.columns
    start = nw.col("micros").min() if timed else nw.len()
    table = decisions(log).filter(~nw.col(kind).is_null()).group_by(kind).agg(start=start)
    found = collected(log, table).to_pylist()
    ordered = sorted(found, key=lambda row: (row["start"] if timed else 0, _natural(row[kind])))
    at_key = "round" if kind == "round" else "model_version"
    starts = [moment(int(row["start"])) if timed else first_time(log) for row in ordered]
    rounds = [Round(((at_key, row[kind]),), None, start) for row, start in zip(ordered, starts, strict=True)]
    return rounds, {row[kind]: place for place, row in enumerate(ordered)}


def _natural(name: str) -> tuple[float, str]:
    """Order rounds without times by number where they are numbers: 10 after 9."""
    return (float(name), name) if name.replace(".", "", 1).isdigit() else (float("inf"), name)


def items_of(log: PredictionLog) -> pa.Array:
    """Return all items that a log names, sorted.

    Examples
    --------
    >>> table = pa.table({"p": [1, 1, 1], "what": ["b", "a", "b"]})
    >>> items_of(PredictionLog.from_frame(table, task="watch", y_pred="p", item="what")).to_pylist()
    ['a', 'b']
    """
    rows = decisions(log).filter(~nw.col("item").is_null()).group_by("item").agg(n=nw.len())
    found = collected(log, rows)["item"].combine_chunks().cast(pa.string())
    return found.take(pc.sort_indices(found))


def item_codes(column: pa.ChunkedArray, items: pa.Array) -> Codes:
    """Return the place of each value among the items.

    Examples
    --------
    >>> item_codes(pa.chunked_array([["b", "a"]]), pa.array(["a", "b"])).tolist()
    [1, 0]
    """
    found = pc.index_in(column.combine_chunks().cast(pa.string()), value_set=items)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
