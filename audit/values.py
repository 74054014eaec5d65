"""One spelling for every value of a sensitive feature or a label, whatever table it came from."""

import math
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

BINARY = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "false": "0", "true": "1"}
"""Canonical texts that mean 0 or 1 where they are labels."""


def canonical(value: object) -> str | None:
    """Return the text that stands for a value; None for a missing one.

    None, NaN, NaT and the empty string are missing. Booleans, and texts that spell one, become "true" and "false".
    Integral numbers lose their point; texts keep theirs ("01" stays "01"). Dates, and times at midnight without a
    zone, become ISO dates; times with a zone are told in UTC.

    Raises
    ------
    TypeError
        If the value is a list, mapping or binary: no name of a group.

    Examples
    --------
    >>> [canonical(value) for value in (1.0, "01", "", float("nan"), "True", False, 2.5)]
    ['1', '01', None, None, 'true', 'false', '2.5']
    >>> canonical(datetime(2026, 11, 21)), canonical(date(2026, 11, 21))
    ('2026-11-21', '2026-11-21')
    """
    if isinstance(value, np.float16 | np.float32):
        value = float(str(value))  # 0.1, not 0.10000000149011612
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:  # noqa: PLR0124 - NaN and NaT differ from themselves
        return None
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime | date | time):
        return _time(value)
    msg = f"a group or label must be text, a number, a boolean or a date; got {type(value).__name__}"
    raise TypeError(msg)


def canonical_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column of any type as canonical texts; each distinct value is spelled once.

    Examples
    --------
    >>> canonical_array(pa.array([1.0, 2.0, None, 1.0])).to_pylist()
    ['1', '2', None, '1']
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_null(array.type):
        return array.cast(pa.string())
    encoded = array.dictionary_encode()
    spelled = pa.array([canonical(value) for value in _values(encoded.dictionary)], pa.string())
    return spelled.take(encoded.indices)


def _values(distinct: pa.Array) -> list[Any]:
    kind = distinct.type
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return list(distinct.to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(kind) and kind.unit == "ns":  # Python's own times end at microseconds
        zone = UTC if kind.tz else None
        return [None if value is None else _nanoseconds(value, zone) for value in distinct.cast(pa.int64()).to_pylist()]
    return list(distinct.to_pylist())


def _nanoseconds(value: int, zone: tzinfo | None) -> datetime | str:
    microseconds, rest = divmod(value, 1000)
    moment = datetime(1970, 1, 1, tzinfo=zone) + timedelta(microseconds=microseconds)
    if not rest:
        return moment
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{rest:03d}{text[26:]}"


def _text(value: str) -> str | None:
    lowered = value.lower()
    if lowered in {"true", "false"}:
        return lowered
    return value or None


def _number(value: float | Decimal) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    if value == int(value):
        return str(int(value))
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _time(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat()
        if value.time() == time.min and not getattr(value, "nanosecond", 0):  # pandas' times have nanoseconds, too
            return value.date().isoformat()
    return value.isoformat()
