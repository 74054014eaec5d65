"""Windows of a log: by time, by number of rows, by version of the model."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt

from audit.errors import InputError
from audit.measurement import Window, utc_text
from audit.predictions import PredictionLog
from audit.values import canonical
from monitors.timestamps import Span, TimeRole, collected, microseconds, moment, time_expression, time_span

IntArray = npt.NDArray[np.int64]

ANCHOR = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday: windows of equal length start here, so that every run cuts a log at the same times."""

MAX_WINDOWS = 100_000

_SKEW = timedelta(days=1)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LENGTH = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_ROWS = re.compile(r"([0-9_,]{1,15})\s*rows?")
_EXPECTED = "expected a length such as 7d, 12h or 30m, a number such as '5000 rows', or model_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """How a log is cut into windows.

    Parameters
    ----------
    kind
        "time" (windows of equal length), "rows" (of equal numbers of rows), "model_version".
    amount
        Microseconds, or rows, of a window; 0 for "model_version".

    Examples
    --------
    >>> WindowRule(kind="rows", amount=5000).amount
    5000
    """

    kind: Literal["time", "rows", "model_version"]
    amount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Adjoining half-open windows: the i-th is [edges[i], edges[i + 1]), those without rows among them.

    Parameters
    ----------
    edges
        Increasing, UTC; one more than there are windows.
    regular
        Whether all windows are of equal length.
    complete
        How many of the first windows are over: no row in order of time can fall into them any more. The last one of a
        log usually is not; that of a version of the model counts as over.

    Examples
    --------
    >>> days = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6, 7)]
    >>> windows = Windows(edges=tuple(days), regular=True, complete=1)
    >>> len(windows), windows.place(np.array([microseconds(days[1]), microseconds(days[2])])).tolist()
    (2, [1, -1])
    """

    edges: tuple[datetime, ...]
    regular: bool
    complete: int

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows as (start, end)."""
        return tuple(pairwise(self.edges))

    def place(self, micros: IntArray) -> IntArray:
        """Return the place of the window of each time, in microseconds since 1970; -1 outside of all."""
        edges = np.array([microseconds(edge) for edge in self.edges], dtype=np.int64)
        places = np.searchsorted(edges, micros, side="right") - 1
        return np.where(places < len(self), places, -1).astype(np.int64)

    def since(self, time: datetime) -> "Windows":
        """Return the windows that end after a time: those that a run up to that time did not see to their end.

        Examples
        --------
        >>> days = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6, 7)]
        >>> len(Windows(edges=tuple(days), regular=True, complete=2).since(days[1]))
        1
        """
        gone = sum(end <= time for end in self.edges[1:])
        kept = self.edges[gone:] if gone < len(self) else ()
        return replace(self, edges=kept or self.edges[-1:], complete=max(0, self.complete - gone))


def parse_windows(text: str) -> WindowRule:
    """Read how a log is to be cut: ``7d``, ``12h``, ``30m``, ``2w``, ``5000 rows``, ``model_version``.

    Raises
    ------
    InputError
        If the text is none of these, or a window would be empty.

    Examples
    --------
    >>> parse_windows("5000 rows"), parse_windows("model_version").kind
    (WindowRule(kind='rows', amount=5000), 'model_version')
    >>> parse_windows("1 month")
    Traceback (most recent call last):
    audit.errors.InputError: window '1 month': expected a length such as 7d, 12h or 30m, a number such as '5000 rows', \
or model_version
    """
    wanted = text.strip().lower()
    if wanted == "model_version":
        return WindowRule(kind="model_version")
    amount = 0
    kind: Literal["time", "rows"] = "time"
    if found := _LENGTH.fullmatch(wanted):
        amount = int(found[1]) * (_UNITS[found[2]] // timedelta(microseconds=1))
    elif found := _ROWS.fullmatch(wanted):
        kind, digits = "rows", re.sub("[_,]", "", found[1])
        amount = int(digits or 0)
    if amount < 1 or amount > 10**17:
        msg = f"window {text!r}: {_EXPECTED}"
        raise InputError([msg])
    return WindowRule(kind=kind, amount=amount)


def resolve(rule: WindowRule, log: PredictionLog, *, as_of: datetime | None = None) -> Windows:
    """Return the windows that a log falls into, from its oldest row to its newest, having checked its timestamps.

    Windows of equal length start at whole multiples of their length after Monday 1970-01-05 00:00 UTC. Windows of equal
    numbers of rows start at every amount-th time from the oldest on; rows of one time stay together, so that a window
    may hold more. Those windows depend on all rows before them: rows that arrive late move their edges, which
    windows of equal length never do. By version of the model there is one window, from the oldest to the newest row:
    see `versions`.

    Parameters
    ----------
    rule
        How to cut.
    log
        The predictions; only their timestamps are read, in one pass (windows of rows: all of them into memory, 8 bytes
        each).
    as_of
        When the log was looked at. Windows of equal length then go on to the last one that had ended, so that a log
        that fell silent shows it; rows more than a day later are refused as coming from a clock that jumped. None =
        the newest row.

    Raises
    ------
    InputError
        If timestamps are unfit (`monitors.timestamps.time_span`), there are no rows, or more than 100,000 windows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "t": ["2026-01-07T09:30:00Z", "2026-01-20T00:00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    >>> windows = resolve(parse_windows("7d"), log)
    >>> [start.date().isoformat() for start, _ in windows.windows], windows.complete
    (['2026-01-05', '2026-01-12', '2026-01-19'], 2)
    """
    span = time_span(log, until=None if as_of is None else as_of + _SKEW)
    if span.oldest is None or span.newest is None:
        msg = "the data has no rows; expected at least one prediction"
        raise InputError([msg])
    if rule.kind == "time":
        return windows_between(rule, span.oldest, span.newest, as_of)
    if rule.kind == "rows":
        return _by_rows(rule, log, span)
    end = span.newest + timedelta(microseconds=1)
    return Windows(edges=(span.oldest, end), regular=False, complete=1)  # a version is judged by the rows that it has


def place_expression(windows: Windows, log: PredictionLog, *, role: TimeRole = "timestamp") -> nw.Expr:
    """Return the place of the window that each row of a log falls into by one of its times; -1 outside of all.

    A row without that time (no label yet) lies outside of all, too.

    Raises
    ------
    InputError
        If the timestamps have no zone (`monitors.timestamps.time_expression`).

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "t": ["2026-01-07T09:30:00Z", "2026-01-20T00:00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    >>> place = place_expression(resolve(parse_windows("7d"), log), log)
    >>> log.table.select(place=place).collect(backend="pyarrow").to_native()["place"].to_pylist()
    [0, 2]
    """
    time = time_expression(log, role)
    edges = [microseconds(edge) for edge in windows.edges]
    inside = (time >= edges[0]) & (time < edges[-1])
    if len(edges) == 1:
        place = nw.lit(-1)
    elif windows.regular:
        place = (time - edges[0]) // (edges[1] - edges[0])
    else:
        place = _search(time, edges, 0, len(windows))
    return nw.when(inside).then(place).otherwise(nw.lit(-1)).cast(nw.Int64)


def versions(log: PredictionLog) -> dict[str, Window]:
    """Return the versions of the model in a log and from when to when each predicted, the oldest first.

    A monitor treats a version as a log of its own (`of_version`) in one window, and puts
    ``at=(("model_version", name),)`` on its rows. The windows of two versions may overlap: shadow runs, rollouts.

    Raises
    ------
    InputError
        If the log names no column of versions, a row has none, or timestamps are unfit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "v": [2, 1], "t": ["2026-01-07T09:30Z", "2026-01-05T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", model_version="v", timestamp="t")
    >>> list(versions(log)), versions(log)["1"][0].isoformat()
    (['1', '2'], '2026-01-05T00:00:00+00:00')
    """
    if "model_version" not in log.columns:
        msg = "model_version is not named; windows by version need it: name the column that holds it"
        raise InputError([msg])
    time_span(log)
    rows = log.table.select(version=nw.col("model_version"), time=time_expression(log))
    grouped = rows.group_by("version").agg(
        low=nw.col("time").min(), high=nw.col("time").max(), n=nw.col("time").count()
    )
    found = collected(log, grouped).to_pylist()
    spans: dict[str, tuple[int, int]] = {}
    for row in found:
        version = canonical(row["version"])
        if version is None:
            msg = f"model_version: {row['n']:,} rows have none; expected one in every row; complete them"
            raise InputError([msg])
        low, high = spans.get(version, (row["low"], row["high"]))
        spans[version] = (min(low, row["low"]), max(high, row["high"]))
    ordered = sorted(spans, key=lambda version: (spans[version], version))
    return {version: (moment(spans[version][0]), moment(spans[version][1] + 1)) for version in ordered}


def of_version(log: PredictionLog, version: str) -> PredictionLog:
    """Return the rows of a log that one version of the model predicted.

    Raises
    ------
    InputError
        If there is no such version.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "v": ["a", "b"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", model_version="v")
    >>> of_version(log, "b").table.collect(backend="pyarrow").to_native()["y_true"].to_pylist()
    [0]
    """
    raw = collected(log, log.table.select("model_version").unique())["model_version"]
    spelled = {value: canonical(value) for value in raw.to_pylist()}
    meant = [value for value, name in spelled.items() if name == version]
    if not meant:
        known = ", ".join(sorted(repr(name) for name in spelled.values()))
        msg = f"model_version {version!r} has no rows; the log holds {known}; name one of these"
        raise InputError([msg])
    return replace(log, table=log.table.filter(nw.col("model_version").is_in(meant)))


def windows_between(rule: WindowRule, oldest: datetime, newest: datetime, as_of: datetime | None = None) -> Windows:
    """Return the windows of equal length from one time to another, and on to when the log was looked at.

    Raises
    ------
    InputError
        If there are too many of them.

    Examples
    --------
    >>> days = [datetime(2026, 1, day, tzinfo=UTC) for day in (6, 13)]
    >>> found = windows_between(parse_windows("7d"), *days)
    >>> [edge.day for edge in found.edges], found.complete
    ([5, 12, 19], 1)
    """
    anchor, last = microseconds(ANCHOR), microseconds(newest)
    first = (microseconds(oldest) - anchor) // rule.amount
    stop = (last - anchor) // rule.amount + 1
    seen = -1 if as_of is None else (microseconds(as_of) - anchor) // rule.amount
    stop = max(stop, seen)
    _few_enough(stop - first, oldest, newest)
    edges = tuple(moment(anchor + place * rule.amount) for place in range(first, stop + 1))
    over = last if as_of is None else max(last, microseconds(as_of))
    return Windows(edges=edges, regular=True, complete=sum(microseconds(end) <= over for end in edges[1:]))


def _by_rows(rule: WindowRule, log: PredictionLog, span: Span) -> Windows:
    times = collected(log, log.table.select(time=time_expression(log)))["time"]
    ordered = np.sort(times.to_numpy().astype(np.int64, copy=False))
    _few_enough(len(ordered) // rule.amount, *_ends(span))
    starts = np.unique(ordered[:: rule.amount])
    end = int(ordered[-1]) + 1
    in_last = len(ordered) - int(np.searchsorted(ordered, starts[-1], side="left"))
    complete = len(starts) if in_last >= rule.amount else len(starts) - 1
    return Windows(edges=tuple(moment(int(time)) for time in [*starts, end]), regular=False, complete=complete)


def _ends(span: Span) -> tuple[datetime, datetime]:
    oldest, newest = span.oldest or ANCHOR, span.newest or ANCHOR
    return oldest, newest


def _few_enough(number: int, oldest: datetime, newest: datetime) -> None:
    if number > MAX_WINDOWS:
        msg = (
            f"the rows from {utc_text(oldest)} to {utc_text(newest)} make {number:,} windows, more than "
            f"{MAX_WINDOWS:,}; did a clock jump? mend those rows, or take longer windows"
        )
        raise InputError([msg])


def _search(time: nw.Expr, edges: list[int], first: int, stop: int) -> nw.Expr:
    """Return the place of the window among the first-th to the one before stop: halves, so that few tests are made."""
    if stop - first == 1:
        return nw.lit(first)
    middle = (first + stop) // 2
    left, right = _search(time, edges, first, middle), _search(time, edges, middle, stop)
    return nw.when(time < edges[middle]).then(left).otherwise(right)
