"""From a log to its profile: one pass that holds a few batches of rows and the counts."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from audit.errors import raise_violations
from audit.predictions import PredictionLog
from monitors.counts.batches import batches, streams
from monitors.counts.binning import Binning
from monitors.counts.coding import Coder
from monitors.counts.engine_counting import add_by_engine
from monitors.counts.fitting import THREADS
from monitors.counts.groups import Cells, Counts, Groups, group_columns
from monitors.counts.profile import IntArray, Profile
from monitors.counts.watched import Watched, watched
from monitors.timestamps import microseconds, time_expression
from monitors.windows import Windows

_TIME = "time"


def count_profile(
    log: PredictionLog, binnings: Mapping[str, Binning], windows: Windows | None = None, *, depth: int = 1
) -> Profile:
    """Count every watched feature of a log by window, slice and bin, in one pass and bounded memory.

    Rows are counted, whatever their weights. Rows outside all windows, or without a time, are left out. DuckDB (with it
    files, Arrow and pandas) and Polars are read a batch at a time; any other engine counts for itself, and gives the
    same integers.

    Parameters
    ----------
    log
        The predictions.
    binnings
        The bins of a reference, by feature (`monitors.counts.fitting.fit_binnings`).
    windows
        How the log is cut by time (`monitors.windows.resolve`); None = not at all.
    depth
        Of how many sensitive features groups are combined: 1, each for itself; 2, intersections of two as well.

    Returns
    -------
    Profile
        Slices are everyone and the groups that have rows.

    Raises
    ------
    InputError
        If a feature of the bins is missing in the log, there are too many groups, or the engine cannot read.

    Examples
    --------
    >>> table = pa.table({"y": [0, 1, 0], "p": [0, 1, 1], "age": [41.0, 20.0, None], "sex": ["F", "M", "F"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", features=["age"], sensitive_features=["sex"])
    >>> ages = Binning(feature="age", kind="numeric", edges=(40.0,))
    >>> profile = count_profile(log, {"age": ages})
    >>> profile.slices, profile.counts["age"][0].tolist()
    (((), (('sex', 'F'),), (('sex', 'M'),)), [[1, 1, 1], [0, 1, 1], [1, 0, 0]])
    """
    items = _items(log, binnings)
    groups = Groups(log.sensitive_features, log.reading.missing)
    sizes = {name: binning.size for name, binning in binnings.items()}
    counts = Counts(groups, sizes, windows=1 if windows is None else len(windows), depth=depth)
    if streams(log):
        _stream(log, items, binnings, windows, counts)
    else:
        add_by_engine(log, items, binnings, windows, counts)
    return counts.profile(binnings, (None,) if windows is None else windows.windows)


def _items(log: PredictionLog, binnings: Mapping[str, Binning]) -> list[Watched]:
    known = {item.feature: item for item in watched(log)}
    raise_violations(
        [
            f"feature {name!r} of the reference is not watched in the log, which has {list(known)[:20]}; name it among "
            f"its features"
            for name in binnings
            if name not in known
        ]
    )
    return [known[name] for name in binnings]


def _stream(
    log: PredictionLog,
    items: list[Watched],
    binnings: Mapping[str, Binning],
    windows: Windows | None,
    counts: Counts,
) -> None:
    coders = [Coder(item, binnings[item.feature]) for item in items]
    columns = group_columns(log)
    names = list(columns)
    columns |= {item.column: nw.col(item.column) for item in items}
    edges = None
    if windows is not None:
        edges = np.array([microseconds(edge) for edge in windows.edges], dtype=np.int64)
        columns[_TIME] = time_expression(log)
    with ThreadPoolExecutor(THREADS) as workers:
        running: list[Future[None]] = []
        for batch in batches(log, columns):
            groups = counts.groups.codes([batch.column(name) for name in names])
            places = None if edges is None else _places(edges, batch.column(_TIME))
            for future in running:  # the next batch was being read meanwhile
                future.result()
            cells = counts.cells(groups, places, rows=batch.num_rows)
            counts.add_rows(cells)
            running = [workers.submit(_count, coders[part::THREADS], batch, cells, counts) for part in range(THREADS)]
        for future in running:
            future.result()


def _count(coders: list[Coder], batch: pa.RecordBatch, cells: Cells, counts: Counts) -> None:
    for coder in coders:
        counts.add(coder.item.feature, cells, coder.bins(batch.column(coder.item.column)))


def _places(edges: IntArray, times: pa.Array) -> IntArray:
    """Return the place of the window of each time; -1 outside of all and without a time."""
    micros = times.fill_null(int(edges[0]) - 1).to_numpy(zero_copy_only=False)
    places: IntArray = np.searchsorted(edges, micros, side="right") - 1
    places[places == len(edges) - 1] = -1
    return places
