"""When labels arrive: rows by prediction window, by age and by how long their label took, counted in one pass."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.counting import joint_cells
from audit.errors import InputError, raise_violations
from audit.measurement import utc_text
from audit.predictions import PredictionLog
from audit.tally import SLICE
from monitors.performance.staged_times import TIME, place_of, staged
from monitors.timestamps import microseconds, time_span
from monitors.windows import Windows

IntArray = npt.NDArray[np.int64]

STEPS_PER_WINDOW = 7
"""A week is looked at by day."""
MAX_STEPS = 500
_SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Counts of rows by whom they are about, their window, their age and the delay of their label.

    Parameters
    ----------
    features
        The sensitive features.
    positive
        The label that counts as positive.
    cells
        Columns ``slice.<feature>``, ``y_true`` (null: no label by `as_of`), ``y_pred``, ``window`` (place of the
        window of the prediction), ``age`` (whole steps from prediction to `as_of`), ``delay`` (whole steps from
        prediction to label; null where there is no label, or a label without its time), ``n``.
    windows
        The windows.
    as_of
        What had arrived by then is known, and nothing else.
    step
        Length of a step.
    untimed
        Labels without a time: known, but left out of what is said about delays.

    Examples
    --------
    >>> Arrivals.__slots__[:3]
    ('features', 'positive', 'cells')
    """

    features: tuple[str, ...]
    positive: str
    cells: pa.Table
    windows: Windows
    as_of: datetime
    step: timedelta
    untimed: int = 0


class Delays(NamedTuple):
    """Cells of `Arrivals` as arrays: counts, ages, delays (-1: none), windows, and the true label (null: None).

    Examples
    --------
    >>> one = np.array([1])
    >>> Delays(n=one, age=one, delay=one, window=one, label=np.array(["1"], dtype=object)).n.sum().item()
    1
    """

    n: IntArray
    age: IntArray
    delay: IntArray
    window: IntArray
    label: npt.NDArray[np.object_]


def count_arrivals(
    log: PredictionLog, windows: Windows, *, as_of: datetime | None = None, step: timedelta | None = None
) -> Arrivals:
    """Count when the labels of a log arrived, in one pass after its times were checked.

    Parameters
    ----------
    log
        The predictions, with the roles timestamp and label_timestamp; of two labels.
    windows
        Windows of the predictions; rows outside them are left out.
    as_of
        Labels that came later count as missing, rows that were predicted later are left out; None = the newest time in
        the log.
    step
        What ages and delays are counted in; None = a seventh of the median window.

    Raises
    ------
    InputError
        If the log has no such times, if a label came before its prediction, or a row has the time of a label and no
        label: each with the number of rows and the first of them.

    Examples
    --------
    >>> from monitors.windows import parse_windows, resolve
    >>> frame = pa.table({"y": ["1", None], "p": ["1", "1"], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z"],
    ...                   "l": ["2026-01-08T12:00Z", None]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", label_timestamp="l")
    >>> found = count_arrivals(log, resolve(parse_windows("7d"), log))
    >>> found.cells.select(["y_true", "age", "delay", "n"]).to_pylist()
    [{'y_true': '1', 'age': 3, 'delay': 3, 'n': 1}, {'y_true': None, 'age': 2, 'delay': None, 'n': 1}]
    """
    if log.reading.task != "binary":
        raise InputError([f"arrival of labels is counted for the task 'binary'; this log is {log.reading.task!r}"])
    spans = [time_span(log, "timestamp"), time_span(log, "label_timestamp")]
    timed = staged(log, "timestamp", "label_timestamp")
    raise_violations(_clock_violations(timed))
    now = as_of or max(span.newest for span in spans if span.newest is not None)
    length = _default_step(windows) if step is None else step
    raise_violations(_step_violations(windows, now, length))
    joint = joint_cells(timed, bins=1, keys=_keys(windows, now, length))
    cells, untimed = _known(joint.cells, log)
    if not cells.num_rows:
        raise InputError([f"no row was predicted in the windows before {utc_text(now)}; choose a later time"])
    return Arrivals(
        features=log.sensitive_features,
        positive=str(joint.labels.positive),
        cells=cells,
        windows=windows,
        as_of=now,
        step=length,
        untimed=untimed,
    )


def delays_of(arrivals: Arrivals) -> Delays:
    """Return the cells as arrays.

    Examples
    --------
    >>> from datetime import UTC
    >>> table = pa.table({"y_true": ["1"], "y_pred": ["1"], "window": [0], "age": [3], "delay": [2], "n": [5]})
    >>> edges = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC))
    >>> windows = Windows(edges=edges, regular=True, complete=1)
    >>> arrivals = Arrivals(features=(), positive="1", cells=table, windows=windows, as_of=edges[1],
    ...                     step=timedelta(days=1))
    >>> delays_of(arrivals).delay.tolist()
    [2]
    """
    table = arrivals.cells
    ages, windows = (table[name].to_numpy().astype(np.int64) for name in ("age", "window"))
    return Delays(
        n=table["n"].to_numpy().astype(np.int64),
        age=ages,
        delay=pc.fill_null(table["delay"], -1).to_numpy().astype(np.int64),
        window=windows,
        label=np.array(table["y_true"].to_pylist(), dtype=object),
    )


def _default_step(windows: Windows) -> timedelta:
    micros = np.array([microseconds(edge) for edge in windows.edges])
    return timedelta(microseconds=max(int(np.median(np.diff(micros))) // STEPS_PER_WINDOW, 1))


def _step_violations(windows: Windows, now: datetime, step: timedelta) -> list[str]:
    if step <= timedelta(0):
        return [f"step must be a time above 0; got {step}"]
    steps = (now - windows.edges[0]) / step
    if steps <= MAX_STEPS:
        return []
    return [
        f"the windows reach back {steps:,.0f} steps of {step}, more than {MAX_STEPS}; name a longer step or later "
        f"windows"
    ]


def _keys(windows: Windows, now: datetime, step: timedelta) -> dict[str, nw.Expr]:
    end, length = microseconds(now), step // timedelta(microseconds=1)
    time, label = nw.col(TIME["timestamp"]), nw.col(TIME["label_timestamp"])
    inside = nw.when(time <= end)
    return {
        "window": inside.then(place_of(windows)),
        "age": inside.then((end - time) // length),
        "delay": nw.when(label <= end).then((label - time) // length),
        "later": nw.when(label > end).then(nw.lit(1)).otherwise(nw.lit(0)),
    }


def _known(cells: pa.Table, log: PredictionLog) -> tuple[pa.Table, int]:
    """Return the cells without what came later, one row per cell, and how many labels have no time."""
    kept = cells.filter(pc.greater_equal(pc.fill_null(cells["window"], -1), 0))
    later = pc.equal(kept["later"], 1)
    label = pc.if_else(later, pa.scalar(None, pa.string()), kept["y_true"])
    size = kept["w"].cast(pa.int64()) if log.reading.weights == "frequency" else kept["n"]
    names = [SLICE + name for name in log.sensitive_features]
    columns: dict[str, Any] = {name: kept[name] for name in names}
    columns |= {"y_true": label, "y_pred": kept["y_pred"]}
    columns |= {name: kept[name].cast(pa.int64()) for name in ("window", "age", "delay")} | {"n": size}
    table = pa.table(columns)
    keys = [name for name in table.column_names if name != "n"]
    merged = table.group_by(keys).aggregate([("n", "sum")]).rename_columns([*keys, "n"])
    order: list[tuple[str, str]] = [(name, "ascending") for name in (*names, "window", "y_true", "y_pred", "age")]
    merged = merged.sort_by([*order, ("delay", "ascending")])
    untimed = pc.and_(pc.is_valid(merged["y_true"]), pc.is_null(merged["delay"]))
    return merged, int(pc.sum(merged.filter(untimed)["n"]).as_py() or 0)


def _clock_violations(log: PredictionLog) -> list[str]:
    time, label = nw.col(TIME["timestamp"]), nw.col(TIME["label_timestamp"])
    absent = nw.col("y_true").is_null() | (nw.col("y_true").cast(nw.String) == "")
    faults = {
        "must not lie before the timestamp of its prediction": (label < time, "which clock is wrong? mend those rows"),
        "must not stand where there is no label": (absent & ~label.is_null(), "join the labels, or drop their times"),
    }
    marks = {f"bad_{place}": nw.when(rows).then(1).otherwise(0) for place, (rows, _) in enumerate(faults.values())}
    flags = log.table.select(**marks)
    sums = flags.select(**{name: nw.col(name).sum() for name in marks}).collect(backend="pyarrow").to_native()
    return [
        _bad_rows(log, rows, int(sums[f"bad_{place}"][0].as_py() or 0), rule, advice)
        for place, (rule, (rows, advice)) in enumerate(faults.items())
        if sums[f"bad_{place}"][0].as_py()
    ]


def _bad_rows(log: PredictionLog, bad: nw.Expr, number: int, rule: str, advice: str) -> str:
    value = nw.col("label_timestamp").cast(nw.String)
    flags = log.table.select(value=value, bad=nw.when(bad).then(1).otherwise(0)).collect(backend="pyarrow").to_native()
    rows = np.flatnonzero(flags["bad"].to_numpy())[:_SHOWN_ROWS]
    shown = "; ".join(f"{flags['value'][int(row)].as_py()!r} in row {row + 1}" for row in rows)
    more = f" and {number - len(rows):,} more" if number > len(rows) else ""
    where = f"column {log.columns['label_timestamp']!r} (label_timestamp)"
    return f"{where} {rule}; found {shown}{more} (the first row of data is row 1); {advice}"
