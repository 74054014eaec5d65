"""Blocks of users, or of weeks, that are independent of each other: what an interval of a dependent log rests on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtri, stdtr

from audit.inference.intervals import enough_units, quantile
from audit.measurement import EVERYONE, Against, At, Measurement, Slice, Window
from audit.predictions import PredictionLog
from monitors.feedback.decisions import decisions
from monitors.feedback.evidence import normal_e_value
from monitors.feedback.settings import Evidence
from monitors.timestamps import EPOCH, collected, microseconds, moment
from monitors.windows import Windows, parse_windows, resolve

Floats = npt.NDArray[np.float64]
Side = Literal["above", "below"]

MOST = 40
"""Blocks are as many as that at most: 39 degrees of freedom are nearly normal, and tables by block stay small."""

_FEWEST = 6
_TAIL = 3  # characters
_SMALLEST = 1e-300
NOT_MEASURED = "cannot be measured, because"


class Blocks(NamedTuple):
    """Which block a row of `decisions` belongs to, how many there are, and of what they are made.

    Examples
    --------
    >>> Blocks(nw.lit(0), 1, "windows").number
    1
    """

    expression: nw.Expr
    """A whole number from 0; rows without one (no user) are in block 0."""

    number: int
    of: str
    """"users", "items", "windows" or "nothing"."""


class Estimate(NamedTuple):
    """A number, its standard error, and the degrees of freedom of that error (blocks less one).

    Examples
    --------
    >>> Estimate(0.3, 0.1, 39).df
    39
    """

    value: float
    standard_error: float
    df: int


class Limit(NamedTuple):
    """What is still tolerated of a metric, and on which side of it.

    Examples
    --------
    >>> Limit(0.1, "above").side
    'above'
    """

    value: float
    side: Side = "above"


class Label(NamedTuple):
    """What identifies a row (`audit.measurement.Measurement`), its rows and its confidence level.

    Examples
    --------
    >>> Label("gini_index", n=10, level=0.95).at
    ()
    """

    metric: str
    n: int
    level: float
    slice: Slice = EVERYONE
    at: At = ()
    against: Against | None = None
    window: Window | None = None


def user_blocks(log: PredictionLog, *, window: str, role: Literal["user", "item"] = "user") -> Blocks:
    """Return blocks of users by the last three characters of their names; windows of time where there are no users.

    All rows of a user fall into one block, on every engine alike, without a table of users: neighbouring endings make a
    block, about equally many rows each. Any such division will do, since blocks need only be independent.

    Parameters
    ----------
    log
        The decisions.
    window
        Length of the windows that take the place of users where a log names none, or too few.
    role
        "item": blocks of items.

    Returns
    -------
    Blocks
        At most `MOST`; one block ("nothing") where there are neither six endings nor six windows.

    Examples
    --------
    >>> table = pa.table({"p": [1] * 12, "who": [f"user-{place}" for place in range(12)]})
    >>> found = user_blocks(PredictionLog.from_frame(table, task="watch", y_pred="p", user="who"), window="7d")
    >>> found.number, found.of
    (12, 'users')
    """
    if role in log.columns:
        cuts = _cuts(log, role)
        if len(cuts) + 1 >= _FEWEST:
            ending = nw.col(role).str.tail(_TAIL)
            found = _place(ending, cuts, 0, len(cuts) + 1)
            return Blocks(nw.when(nw.col(role).is_null()).then(nw.lit(0)).otherwise(found), len(cuts) + 1, f"{role}s")
    if "timestamp" in log.columns:
        windows = resolve(parse_windows(window), log)
        if len(windows) >= _FEWEST:
            return Blocks(window_place(windows), len(windows), "windows")
    return Blocks(nw.lit(0), 1, "nothing")


def window_place(windows: Windows) -> nw.Expr:
    """Return the place of the window that each row of `decisions` falls into, by its column ``micros``; -1 outside.

    Examples
    --------
    >>> days = tuple(moment(day * 86_400_000_000) for day in (4, 5, 6))
    >>> table = nw.from_native(pa.table({"micros": [4 * 86_400_000_000, 5 * 86_400_000_000 + 1]}))
    >>> places = table.select(place=window_place(Windows(edges=days, regular=True, complete=1)))
    >>> places["place"].to_list()
    [0, 1]
    """
    edges = [microseconds(edge) for edge in windows.edges]
    time = nw.col("micros")
    if windows.regular:
        place: nw.Expr = (time - edges[0]) // (edges[1] - edges[0])
    else:
        place = _place(time, edges[1:-1], 0, len(windows))
    inside = (time >= edges[0]) & (time < edges[-1])
    return nw.when(inside).then(place).otherwise(nw.lit(-1)).cast(nw.Int64)


def one_where(condition: nw.Expr) -> nw.Expr:
    """Return 1.0 where a condition is true, and 0.0 where it is false or null.

    Examples
    --------
    >>> table = nw.from_native(pa.table({"action": [1.0, 0.0, None]}))
    >>> table.select(shown=one_where(nw.col("action") == 1.0))["shown"].to_list()
    [1.0, 0.0, 0.0]
    """
    return nw.when(condition).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def first_time(log: PredictionLog) -> datetime:
    """Return the first time of a log; 1970 where it has no times.

    Examples
    --------
    >>> table = pa.table({"p": [1], "t": ["2026-01-05T00:00Z"]})
    >>> first_time(PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")).day
    5
    """
    if "timestamp" not in log.columns:
        return EPOCH
    found = collected(log, decisions(log).select(first=nw.col("micros").min()))["first"][0].as_py()
    return EPOCH if found is None else moment(int(found))


def numbers(table: pa.Table) -> dict[str, Any]:
    """Return the columns of a collected table: numbers as float64 (null as NaN), texts as lists.

    Examples
    --------
    >>> numbers(pa.table({"n": [1, None], "arm": ["model", None]}))["n"].tolist()
    [1.0, nan]
    """
    found: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text or pa.types.is_string_view(column.type):
            found[name] = column.to_pylist()
        else:
            found[name] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def jackknife(value: float, deleted: Floats) -> Estimate:
    r"""Return an estimate with the standard error of the delete-one-block jackknife.

    Parameters
    ----------
    value
        Of all blocks.
    deleted
        Of all blocks but one, shape (n_blocks,); of blocks that say nothing NaN.

    Returns
    -------
    Estimate
        Standard error NaN below 2 blocks.

    Notes
    -----
    se^2 = (B - 1) / B sum (theta_(b) - mean)^2. Source: B. Efron and C. Stein (1981), The jackknife estimate of
    variance, Annals of Statistics 9, 586-596, doi:10.1214/aos/1176345462.

    Examples
    --------
    The mean of 1, 2, 3, 6, whose standard error is sqrt(14 / 3 / 4):

    >>> values = np.array([1.0, 2.0, 3.0, 6.0])
    >>> round(jackknife(3.0, (12 - values) / 3).standard_error, 6), round((14 / 3 / 4) ** 0.5, 6)
    (1.080123, 1.080123)
    """
    known = deleted[np.isfinite(deleted)]
    number = known.size
    if number < 2:
        return Estimate(value, float("nan"), max(number - 1, 0))
    spread = (number - 1) / number * float(((known - known.mean()) ** 2).sum())
    return Estimate(value, spread**0.5, number - 1)


def without_each(by_block: Floats) -> Floats:
    """Return the sum over all blocks and, behind it, the sums over all but one: shape (n_blocks + 1, ...).

    Examples
    --------
    >>> without_each(np.array([1.0, 2.0, 4.0])).tolist()
    [7.0, 6.0, 5.0, 3.0]
    """
    total = by_block.sum(axis=0)
    return np.concatenate([total[None], total[None] - by_block])


def measured(label: Label, found: Estimate, *, method: str, bounds: tuple[float, float] | None = None,
             caveat: str | None = None) -> Measurement:  # fmt: skip
    """Return the row of an estimate, with Student's interval where enough blocks speak.

    Parameters
    ----------
    label
        What identifies the row.
    found
        The estimate; a standard error that is not finite, or fewer than six blocks, make a row without interval.
    method
        How the standard error was made.
    bounds
        The range of the metric, which the interval is cut to.
    caveat
        The row's reason.

    Examples
    --------
    >>> row = measured(Label("share", 100, 0.95), Estimate(0.5, 0.1, 10), method="block_jackknife")
    >>> round(row.low, 3), round(row.high, 3)
    (0.277, 0.723)
    """
    fields: dict[str, Any] = {"metric": label.metric, "slice": label.slice, "at": label.at, "against": label.against}
    fields |= {"window": label.window, "value": float(found.value), "n": label.n}
    if not (sure(found, level=label.level)):
        few = "no interval: fewer than six independent blocks of users, weeks or items speak, or they show no spread"
        return Measurement(**fields, method=method, reason=f"{caveat}; {few}" if caveat else few)
    half = float(quantile(label.level, df=found.df)) * found.standard_error
    low, high = found.value - half, found.value + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
        low, high = min(low, found.value), max(high, found.value)
    return Measurement(**fields, low=float(low), high=float(high), level=label.level, method=method, reason=caveat)


def sure(found: Estimate, *, level: float) -> bool:
    """Whether an estimate has a standard error that enough blocks speak for.

    Examples
    --------
    >>> sure(Estimate(0.5, 0.1, 4), level=0.95), sure(Estimate(0.5, 0.1, 5), level=0.95)
    (False, True)
    """
    known = bool(np.isfinite(found.standard_error)) and found.standard_error > 0
    return known and bool(enough_units(level, df=found.df))


def evidence(row: Measurement, found: Estimate, limit: Limit, since: datetime) -> tuple[Evidence, ...]:
    """Return the evidence that an estimate lies beyond a limit: of Student's t, by the normal of equal tail.

    Examples
    --------
    >>> row = measured(Label("share", 100, 0.95), Estimate(0.5, 0.1, 39), method="block_jackknife")
    >>> [round(each.e_value, 2) for each in evidence(row, Estimate(0.5, 0.1, 39), Limit(0.2), EPOCH)]
    [23.03]
    """
    if row.value is None or not sure(found, level=row.level or 0.95):
        return ()
    sign = 1.0 if limit.side == "above" else -1.0
    t = sign * (found.value - limit.value) / found.standard_error
    tail = max(float(stdtr(found.df, -abs(t))), _SMALLEST)
    z = -float(ndtri(tail)) * (1.0 if t >= 0 else -1.0)
    return (Evidence(row.key(), normal_e_value(z, 1.0, limit=0.0), since),)


def refused(
    metric: str, n: int, why: str, *, slice_: Slice = EVERYONE, at: At = (), window: Window | None = None
) -> Measurement:
    """Return the row of a metric that cannot be measured, and why.

    Examples
    --------
    >>> refused("gini_index", 0, "nothing was shown; log action=1 where an item is shown").reason[:39]
    'cannot be measured, because nothing was'
    """
    why = f"{NOT_MEASURED} {why}"
    return Measurement(metric=metric, slice=slice_, at=at, window=window, value=None, n=n, method="none", reason=why)


def limit_of(limits: Mapping[str, float], metric: str, default: float, side: Side = "above") -> Limit:
    """Return the limit of a metric: that of the settings, or its own.

    Examples
    --------
    >>> limit_of({"gini_index_difference": 0.3}, "gini_index_difference", 0.1)
    Limit(value=0.3, side='above')
    """
    return Limit(limits.get(metric, default), side)


def _cuts(log: PredictionLog, role: str) -> list[str]:
    """Return the endings at which blocks start, but the first: about equally many rows lie between two."""
    ending = nw.col(role).str.tail(_TAIL)
    rows = decisions(log).filter(~nw.col(role).is_null()).select(ending=ending).group_by("ending").agg(n=nw.len())
    found = sorted((row["ending"], row["n"]) for row in collected(log, rows).to_pylist())
    if not found:
        return []
    upto = np.cumsum([n for _, n in found])
    block = np.minimum((upto - [n for _, n in found]) * MOST // upto[-1], MOST - 1)
    starts = np.flatnonzero(np.diff(block)) + 1
    return [found[int(place)][0] for place in starts]


def _place(value: nw.Expr, cuts: list[Any], first: int, stop: int) -> nw.Expr:
    """Return which of the ranges between cuts a value lies in: halves, so that few tests are made."""
    if stop - first == 1:
        return nw.lit(first)
    middle = (first + stop) // 2
    left, right = _place(value, cuts, first, middle), _place(value, cuts, middle, stop)
    return nw.when(value < nw.lit(cuts[middle - 1])).then(left).otherwise(right)
