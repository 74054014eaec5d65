"""Tallies that are cut by time: counted in one pass, taken apart by window, put together again."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.counting import BINS, Joint, joint_cells, tally_of
from audit.errors import InputError
from audit.measurement import Window
from audit.predictions import PredictionLog
from audit.tally import Tally, collapse
from monitors.performance.staged_times import place_of, staged
from monitors.timestamps import TimeRole
from monitors.windows import Windows

_PLACE = "window"
_TIME = pa.timestamp("us", tz="UTC")
_ENDS = ("window_start", "window_end")


def windowed_tally(log: PredictionLog, windows: Windows, *, by: TimeRole = "timestamp", bins: int = BINS) -> Tally:
    """Count a log into one tally whose cells say in which window they lie, in one pass.

    Parameters
    ----------
    log
        The predictions; rows outside all windows are left out. Labels may all be missing, and several model versions
        may stand in it.
    windows
        The windows.
    by
        "timestamp": rows fall into the window of their prediction. "label_timestamp": into the window in which their
        label arrived, and rows without one are left out: what was known then, which later labels cannot change.
    bins
        Number of score bins, as in `audit.counting.count`.

    Raises
    ------
    InputError
        As `audit.counting.count`; if the log has no such times; if no row lies in a window.

    Examples
    --------
    >>> from monitors.windows import parse_windows, resolve
    >>> frame = pa.table({"y": [1, 0, 1], "p": [1, 1, 1], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z",
    ...                                                         "2026-01-13T00:00Z"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t")
    >>> tally = windowed_tally(log, resolve(parse_windows("7d"), log))
    >>> [in_window(tally, window).rows for window in windows_of(tally)]
    [2, 1]
    """
    if log.reading.task in {"regression", "ranking"}:
        msg = (
            f"windows are counted for tasks with labels; this log is {log.reading.task!r}: audit each window by itself"
        )
        raise InputError([msg])
    joint = joint_cells(staged(log, by), bins=bins, keys={_PLACE: place_of(windows, by)})
    cells = joint.cells.filter(pc.greater_equal(pc.fill_null(joint.cells[_PLACE], -1), 0))
    if not cells.num_rows:
        first, last = windows.edges[0].isoformat(), windows.edges[-1].isoformat()
        msg = f"no row has its {by} in the windows from {first} to {last}; choose windows that the log reaches"
        raise InputError([msg])
    return tally_of(log, Joint(_with_ends(cells, windows), joint.labels, joint.dropped), bins=bins)


def windows_of(tally: Tally) -> tuple[Window, ...]:
    """Return the windows in which a tally has rows, ascending; none for a tally that is not cut by time.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2]})
    >>> windows_of(collapse(raw, features=(), positive="1", bins=None, weights="none"))
    ()
    """
    distinct = tally.cells.select(list(_ENDS)).group_by(list(_ENDS)).aggregate([])
    starts, ends = (distinct[name].to_pylist() for name in _ENDS)
    return tuple(sorted({(start, end) for start, end in zip(starts, ends, strict=True) if start is not None}))


def in_window(tally: Tally, window: Window) -> Tally:
    """Return the tally of one window, an ordinary tally without times; without cells where the window is empty.

    Clusters are kept within the window: a cluster that several windows share is one of its own in each.
    """
    return in_windows(tally, [window])


def in_windows(tally: Tally, windows: Sequence[Window]) -> Tally:
    """Return the tally of some windows together, without times; see `in_window`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> day = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
    >>> raw = pa.table({"y_true": ["1", "1"], "y_pred": ["1", "1"], "n": [2, 3], "w": [2.0, 3.0], "w2": [2.0, 3.0],
    ...                 "window_start": [day[0], day[1]], "window_end": [day[1], datetime(2026, 1, 7, tzinfo=UTC)]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> in_window(tally, day).rows, in_windows(tally, windows_of(tally)).rows, in_windows(tally, []).rows
    (2, 5, 0)
    """
    if not tally.cells.num_rows:
        return tally
    chosen = pa.array([start for start, _ in windows], _TIME)
    return _taken(tally, pc.is_in(tally.cells["window_start"], value_set=chosen).to_numpy().astype(bool))


def without_windows(tally: Tally) -> Tally:
    """Return the tally of all rows, without times.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> without_windows(collapse(raw, features=(), positive="1", bins=None, weights="none")).rows
    2
    """
    return _taken(tally, np.ones(tally.cells.num_rows, dtype=bool))


def _taken(tally: Tally, keep: npt.NDArray[np.bool_]) -> Tally:
    place = np.cumsum(keep) - 1
    cells = tally.cells.filter(pa.array(keep)).drop_columns([*_ENDS])
    pairs = tally.pairs
    if pairs is not None:
        left, right = (pairs[side].to_numpy() for side in ("left", "right"))
        both = keep[left] & keep[right]
        moved = {"left": place[left[both]], "right": place[right[both]]}
        pairs = pa.table({**moved, "moment": pairs["moment"].to_numpy()[both]})
    return collapse(
        cells,
        features=tally.features,
        positive=tally.positive,
        bins=tally.bins,
        weights=tally.weights,
        pairs=pairs,
        task=tally.task,
        labels=tally.labels,
        deferral=tally.deferral,
    )


def _with_ends(cells: pa.Table, windows: Windows) -> pa.Table:
    place = cells[_PLACE].combine_chunks().cast(pa.int64())
    for name, edges in zip(_ENDS, (windows.edges[:-1], windows.edges[1:]), strict=True):
        cells = cells.append_column(name, pa.array(edges, _TIME).take(place))
    return cells.drop_columns([_PLACE])
