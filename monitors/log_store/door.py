"""The door of the prediction log: a batch of any make as one Arrow table of the store's columns, or every fault."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.tables import Table, engine_errors, open_file, open_frame, place_column, short_reason
from audit.values import canonical_array
from monitors.log_store.columns import ARROW_TYPES, Kind
from monitors.log_store.hashing import Salt
from monitors.timestamps import EARLIEST, LATEST

SHOWN = 5
_SHOWN_NAMES = 20


class Wanted(NamedTuple):
    """What a batch must and may hold.

    `required` columns may have no missing value; `optional` ones may be absent; `ignored` ones may be there. Hashed
    columns have the name that goes into the hash.

    Examples
    --------
    >>> Wanted(kinds={"id": "text"}, required=("id",)).ignored
    ()
    """

    kinds: Mapping[str, Kind]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    hashed: Mapping[str, str] = {}
    salt: Salt | None = None


def checked(data: Any, wanted: Wanted) -> pa.Table:  # noqa: ANN401 - any table that narwhals reads, or a path
    """Return the wanted columns of a batch in one spelling, read into memory; optional ones that it lacks are left out.

    Parameters
    ----------
    data
        A pandas, Polars or Arrow table, a DuckDB relation, a Spark or Ibis table, or the path of a CSV or Parquet file.
    wanted
        What it must hold.

    Raises
    ------
    InputError
        If columns are missing, unknown or doubled, an id or time is missing, a time has no zone or lies outside 1970 to
        2100, a number is none, or the batch cannot be read: every kind of fault, with the first rows that show it.

    Examples
    --------
    >>> batch = pa.table({"id": [7], "at": ["2026-01-05T09:30:00+01:00"]})
    >>> checked(batch, Wanted(kinds={"id": "text", "at": "time"}, required=("id", "at"))).to_pylist()
    [{'id': '7', 'at': datetime.datetime(2026, 1, 5, 8, 30, tzinfo=zoneinfo.ZoneInfo(key='UTC'))}]
    """
    table = open_file(Path(data)) if isinstance(data, str | Path) else open_frame(data)
    raise_violations(_name_violations(table.names, wanted))
    raw = _collected(table, [name for name in wanted.kinds if name in table.names])
    columns: dict[str, pa.Array] = {}
    violations: list[str] = []
    for name, column in raw.items():
        columns[name], found = _CONVERTED[wanted.kinds[name]](column, name)
        if name in wanted.required and not found:
            found = _missing(columns[name], name)
        violations += found
    raise_violations(violations)
    return pa.table(
        {
            name: wanted.salt.hashed(column, column=wanted.hashed[name])
            if wanted.salt is not None and name in wanted.hashed
            else column
            for name, column in columns.items()
        }
    )


def _name_violations(names: Sequence[str], wanted: Wanted) -> list[str]:
    known = {*wanted.kinds, *wanted.ignored}
    shown = ", ".join(map(repr, names[:_SHOWN_NAMES])) + (", ..." if len(names) > _SHOWN_NAMES else "")
    found = [f"column {name!r} is missing; the batch has {shown}" for name in wanted.kinds
             if name not in names and name not in wanted.optional]  # fmt: skip
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
        listed = ", ".join(map(repr, unknown[:_SHOWN_NAMES]))
        found.append(
            f"unknown columns {listed}{more}; the log keeps {', '.join(map(repr, wanted.kinds))}: leave them out of "
            f"the batch, or add a column on purpose"
        )
    found += [f"column {name!r} stands {names.count(name)} times in the batch; rename the columns apart"
              for name in wanted.kinds if names.count(name) > 1]  # fmt: skip
    return found


def _collected(table: Table, names: Sequence[str]) -> dict[str, pa.Array]:
    places = {name: place_column(table.names.index(name)) for name in names}
    try:
        found = table.lazy.select(list(places.values())).collect(backend="pyarrow").to_native()
    except engine_errors() as error:
        msg = f"the batch cannot be read ({short_reason(error)}); is it complete? write it again"
        raise InputError([msg]) from error
    return {name: _plain(found[place].combine_chunks()) for name, place in places.items()}


def _text(column: pa.Array, name: str) -> tuple[pa.Array, list[str]]:
    if pa.types.is_string(column.type):
        lowered = pc.utf8_lower(column)
        truth = pc.is_in(lowered, value_set=pa.array(["true", "false"], lowered.type))
        spelled = pc.if_else(truth, lowered, column)  # as `canonical` spells them, without a step per value
        return pc.if_else(pc.equal(spelled, ""), None, spelled).cast(pa.string()), []
    try:
        return canonical_array(column), []
    except (TypeError, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.string()), [f"column {name!r} holds {column.type}; expected texts: convert it"]


def _number(column: pa.Array, name: str) -> tuple[pa.Array, list[str]]:
    try:
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if pa.types.is_string(column.type):
            column = pc.if_else(pc.equal(column, ""), None, column)
        number = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.float64()), [_bad(column, name, _is_number, "must hold numbers", "mend them")]
    return pc.if_else(pc.is_nan(number), None, number), []


def _time(column: pa.Array, name: str) -> tuple[pa.Array, list[str]]:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return pa.nulls(len(column), ARROW_TYPES["time"]), [
            f"column {name!r} holds times without a zone; write them with an offset or in UTC: the same clock time is "
            f"another moment elsewhere"
        ]
    if pa.types.is_timestamp(kind):
        return _within(column.cast(ARROW_TYPES["time"], safe=False), name)  # safe would refuse nanoseconds
    if not (pa.types.is_string(kind) or pa.types.is_null(kind)):
        return pa.nulls(len(column), ARROW_TYPES["time"]), [
            f"column {name!r} holds {kind}; expected times with a zone, or ISO 8601 text with an offset or Z"
        ]
    encoded = column.cast(pa.string()).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    times = [_moment(value) for value in values]
    if any(time is None and value for time, value in zip(times, values, strict=True)):
        rule = "must hold ISO 8601 times with an offset or Z (2026-01-05T09:30:00+01:00)"
        return pa.nulls(len(column), ARROW_TYPES["time"]), [
            _bad(column, name, lambda value: _moment(value) is not None, rule, "a naive time may be any of 26 moments")
        ]
    return _within(pa.array(times, ARROW_TYPES["time"]).take(encoded.indices), name)


_CONVERTED = {"text": _text, "number": _number, "time": _time}


def _within(times: pa.Array, name: str) -> tuple[pa.Array, list[str]]:
    low, high = (pa.scalar(limit, ARROW_TYPES["time"]) for limit in (EARLIEST, LATEST))
    outside = pc.fill_null(pc.or_(pc.less(times, low), pc.greater_equal(times, high)), fill_value=False)
    if not pc.any(outside).as_py():
        return times, []
    rule = f"must lie between {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}"
    return times, [_listed(times, outside, name, rule, "a clock has jumped: mend the times")]


def _missing(column: pa.Array, name: str) -> list[str]:
    if not column.null_count:
        return []
    return [_listed(column, column.is_null(), name, "may not be empty", "complete or drop those rows")]


def _bad(column: pa.Array, name: str, fine: Any, rule: str, advice: str) -> str:  # noqa: ANN401 - a predicate
    flags = [value is not None and value != "" and not fine(value) for value in column.to_pylist()]
    return _listed(column, pa.array(flags, pa.bool_()), name, rule, advice)


def _listed(column: pa.Array, bad: pa.Array, name: str, rule: str, advice: str) -> str:
    rows = pc.indices_nonzero(bad).to_pylist()
    shown = "; ".join(f"{_value(column[row])} in row {row + 1}" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"column {name!r} {rule}; found {shown}{more} (the first row of data is row 1); {advice}"


def _value(scalar: pa.Scalar) -> str:
    value = scalar.as_py()
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _moment(text: str | None) -> datetime | None:
    """Return the UTC time of a text; None where it is none, or has no offset."""
    try:
        time = datetime.fromisoformat(text or "")
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_number(value: Any) -> bool:  # noqa: ANN401 - whatever a cell holds
    try:
        pa.scalar(value).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
        return False
    return True


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without what engines wrap texts in: categories, views, long offsets."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    textual = pa.types.is_string_view(kind) or pa.types.is_large_string(kind)
    return column.cast(pa.string() if textual else kind)
