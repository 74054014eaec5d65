"""Timestamps of a log as microseconds since 1970 in UTC, the same on every engine, and what is wrong with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from audit.errors import InputError, raise_violations
from audit.measurement import utc_text
from audit.predictions import PredictionLog
from audit.tables import engine_errors, short_reason
from monitors.iso_text import NAIVE, iso_microseconds, parts_of, total_of, well_formed

TimeRole = Literal["timestamp", "label_timestamp"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""Times before it are what a clock without a battery says, not when something was predicted."""
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Times from it on are those of a clock that jumped."""

_SHOWN_ROWS = 5
_TIME = "micros"
_SECOND = 1_000_000


class Span(NamedTuple):
    """The oldest and the newest time of a log, and how many rows have one; no times where there are none.

    Examples
    --------
    >>> Span(oldest=EPOCH, newest=EPOCH + timedelta(days=1), rows=2).rows
    2
    """

    oldest: datetime | None
    newest: datetime | None
    rows: int


class _Fault(NamedTuple):
    """One way in which a timestamp may be wrong: which rows, what was expected, what to do."""

    rows: nw.Expr
    rule: str
    advice: str


def time_expression(log: PredictionLog, role: TimeRole = "timestamp") -> nw.Expr:
    """Return the times of a log as microseconds since 1970-01-01 in UTC, whole numbers.

    A column of times must have a time zone. Text must be ISO 8601 with an offset: ``2026-01-05T09:30:00+01:00``, or
    ``Z``; a space may stand for the T, seconds may be absent, and digits beyond microseconds are cut off.

    Parameters
    ----------
    log
        The predictions.
    role
        "timestamp", or "label_timestamp" (which may be missing: no label yet).

    Returns
    -------
    narwhals expression
        Int64; null where there is no time, where text is no time with an offset, or an impossible one (30 February).
        `time_span` says which rows those are.

    Raises
    ------
    InputError
        If the role has no column, or one whose times have no zone.

    Examples
    --------
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "t": ["1970-01-02T00:00:00.5+00:00", "1970-01-02 01:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    >>> log.table.select(t=time_expression(log)).collect(backend="pyarrow").to_native()["t"].to_pylist()
    [86400500000, 90000000000]
    """
    raise_violations(_type_violations(log, role))
    return _micros(nw.col(role), log.table.collect_schema()[role], log.table.implementation)


def time_span(log: PredictionLog, role: TimeRole = "timestamp", *, until: datetime | None = None) -> Span:
    """Return the oldest and the newest time of a log in one pass, having checked all of them.

    Parameters
    ----------
    log
        The predictions.
    role
        "timestamp": every row must have one. "label_timestamp": rows without one are left out.
    until
        Times after it are refused: when the log was written, or a little later; None = the year 2100.

    Raises
    ------
    InputError
        If times are missing, without a zone, impossible, before 1970-01-02 or after `until`: every kind of fault, with
        the number of rows and the first of them.

    Examples
    --------
    >>> table = pa.table({"y": [1], "p": [1], "t": ["2026-01-05T09:30:00+01:00"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t")
    >>> time_span(log).newest.isoformat()
    '2026-01-05T08:30:00+00:00'
    """
    table, faults = _timed(log, role), _faults(log, role, until)
    flags = {f"fault_{place}": _flag(fault.rows) for place, fault in enumerate(faults)}
    found = collected(
        log,
        table.select(time=nw.col(_TIME), **flags).select(
            oldest=nw.col("time").min(),
            newest=nw.col("time").max(),
            rows=nw.col("time").count(),
            **{name: nw.col(name).sum() for name in flags},
        ),
    )
    first = {name: found[name][0].as_py() for name in found.column_names}
    raise_violations(
        [
            _bad_rows(log, role, fault, int(first[f"fault_{place}"]))
            for place, fault in enumerate(faults)
            if first[f"fault_{place}"]
        ]
    )
    if not first["rows"]:
        return Span(None, None, 0)
    return Span(moment(int(first["oldest"])), moment(int(first["newest"])), int(first["rows"]))


def with_times(log: PredictionLog, *, until: datetime | None = None) -> PredictionLog:
    """Return a log whose times, checked, are no text any more where that makes later passes faster.

    Reading a time from text costs as much as reading ten numbers; whatever counts a log several times does it once.

    Parameters
    ----------
    log, until
        As in `time_span`.

    Raises
    ------
    InputError
        As `time_span`.

    Examples
    --------
    >>> table = pa.table({"y": [1], "p": [1], "t": ["2026-01-05T09:30:00+01:00"]})
    >>> log = with_times(PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t"))
    >>> log.table.collect_schema()["timestamp"]
    Datetime(time_unit='us', time_zone='UTC')
    """
    time_span(log, until=until)
    kind = log.table.collect_schema()["timestamp"]
    if isinstance(kind, nw.Datetime) or log.table.implementation is not nw.Implementation.DUCKDB:
        return log
    text = nw.col("timestamp").cast(nw.String)
    mark = nw.concat_str([text.str.slice(0, 10), nw.lit(" "), text.str.slice(11).str.to_uppercase()])
    typed = mark.cast(nw.Datetime("us", "UTC"))
    return replace(log, table=log.table.with_columns(timestamp=typed))


def moment(micros: int) -> datetime:
    """Return the UTC time of microseconds since 1970.

    Examples
    --------
    >>> moment(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=micros)


def microseconds(time: datetime) -> int:
    """Return the microseconds since 1970 of a time with a zone; the inverse of `moment`.

    Raises
    ------
    ValueError
        If the time has no zone.

    Examples
    --------
    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    if time.tzinfo is None:
        msg = f"expected a time with a zone; got {time.isoformat()}; say which zone it is in"
        raise ValueError(msg)
    return (time - EPOCH) // timedelta(microseconds=1)


def collected(log: PredictionLog, table: nw.LazyFrame[Any]) -> pa.Table:
    """Run a query on the table of a log; an engine that fails is an input that cannot be read.

    Raises
    ------
    InputError
        If the engine cannot read to the end.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1]}), y_true="y", y_pred="p")
    >>> collected(log, log.table.select("y_true")).num_rows
    1
    """
    try:
        collected: pa.Table = table.collect(backend="pyarrow").to_native()
    except engine_errors() as error:
        where = ", ".join(map(str, log.source)) or "the data"
        msg = f"{where} cannot be read to the end ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    # Texts that the engine keeps as numbers are texts again.
    coded = [place for place, field in enumerate(collected.schema) if pa.types.is_dictionary(field.type)]
    for place in coded:
        field = collected.schema.field(place)
        collected = collected.set_column(place, field.name, collected.column(place).cast(field.type.value_type))
    return collected


def _type_violations(log: PredictionLog, role: TimeRole) -> list[str]:
    if role not in log.columns:
        return [f"{role} is not named; windows need times: name the column that holds them"]
    kind = log.table.collect_schema()[role]
    where = f"column {log.columns[role]!r} ({role}) holds {kind}"
    if isinstance(kind, nw.Datetime) and kind.time_zone is None:
        return [f"{where}: times without a zone; say which zone they are in, such as UTC, before they are logged"]
    if kind in (nw.String, nw.Unknown) or isinstance(kind, nw.Datetime):
        return []
    return [f"{where}; expected times with a zone, or ISO 8601 text with an offset such as 2026-01-05T09:30:00Z"]


def _micros(column: nw.Expr, kind: Any, engine: nw.Implementation) -> nw.Expr:  # noqa: ANN401 - a type of narwhals
    if not isinstance(kind, nw.Datetime):
        return iso_microseconds(column.cast(nw.String))
    if engine is nw.Implementation.POLARS:
        return column.dt.timestamp("us")
    if engine is nw.Implementation.DUCKDB:
        return column.dt.total_microseconds()  # of a time, too: its `epoch_us`, 20 times as fast as a difference
    if engine in (nw.Implementation.PYSPARK, nw.Implementation.PYSPARK_CONNECT, nw.Implementation.SQLFRAME):
        part = column.dt.microsecond().cast(nw.Int64)  # below 0 before 1970, where whole seconds are rounded down
        return column.cast(nw.Int64) * _SECOND + nw.when(part < 0).then(part + _SECOND).otherwise(part)
    return iso_microseconds(column.cast(nw.String))  # the engine spells them with an offset


def _timed(log: PredictionLog, role: TimeRole) -> nw.LazyFrame[Any]:
    """Return the times of a log as they stand (`role`) and as microseconds (`_TIME`), step by step.

    Steps of their own, because an engine may compute what stands in several branches of one expression several times.
    """
    micros = time_expression(log, role)
    if isinstance(log.table.collect_schema()[role], nw.Datetime):
        return log.table.select(role, micros.alias(_TIME))
    text = nw.col(role).cast(nw.String)
    fine = log.table.select(role, fine=well_formed(text))
    parts = parts_of(nw.col("fine"))
    return fine.select(role, **parts).select(role, total_of({name: nw.col(name) for name in parts}).alias(_TIME))


def _faults(log: PredictionLog, role: TimeRole, until: datetime | None) -> list[_Fault]:
    is_text = not isinstance(log.table.collect_schema()[role], nw.Datetime)
    text, time = nw.col(role).cast(nw.String), nw.col(_TIME)
    absent = nw.col(role).is_null() | (text == "") if is_text else nw.col(role).is_null()
    last = LATEST if until is None else until
    faults = []
    if role == "timestamp":
        faults.append(_Fault(absent, "must stand in every row", "complete those rows or leave them out"))
    if is_text:
        naive = text.str.contains(NAIVE)
        faults += [
            _Fault(
                naive & ~absent,
                "must have a time zone",
                "add the offset of the zone they are in, such as Z or +01:00",
            ),
            _Fault(
                time.is_null() & ~naive & ~absent,
                "must be ISO 8601 with an offset, such as 2026-01-05T09:30:00Z",
                "mend those rows; does the calendar have such a day and the clock such an hour?",
            ),
        ]
    jumped = "did a clock jump? mend those rows or leave them out"
    faults += [
        _Fault(time < microseconds(EARLIEST), f"must not lie before {utc_text(EARLIEST)}", jumped),
        _Fault(time > microseconds(last), f"must not lie after {utc_text(last)}", jumped),
    ]
    return faults


def _flag(rows: nw.Expr) -> nw.Expr:
    return nw.when(rows).then(nw.lit(1)).otherwise(nw.lit(0))


def _bad_rows(log: PredictionLog, role: TimeRole, fault: _Fault, bad: int) -> str:
    value = nw.col(role).cast(nw.String)
    flags = collected(log, _timed(log, role).select(value=nw.when(fault.rows).then(value), bad=_flag(fault.rows)))
    rows = np.flatnonzero(flags["bad"].to_numpy())[:_SHOWN_ROWS]
    shown = "; ".join(f"{flags['value'][int(row)].as_py()!r} in row {row + 1}" for row in rows)
    more = f" and {bad - len(rows):,} more" if bad > len(rows) else ""
    where = f"column {log.columns[role]!r} ({role})"
    return f"{where} {fault.rule}; found {shown}{more} (the first row of data is row 1); {fault.advice}"
