"""Times that are spelled in ISO 8601, read by arithmetic that every engine knows: none of them reads all spellings."""

from collections.abc import Mapping

import narwhals.stable.v2 as nw

_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
ZONED = _ISO + r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)\z"
"""The shape of a time with an offset."""
NAIVE = _ISO + r"\z"
"""The shape of a time without one."""

_SECOND = 1_000_000
_DAY = 86_400


def iso_microseconds(text: nw.Expr) -> nw.Expr:
    """Return the microseconds since 1970 in UTC of ISO 8601 texts with an offset; null for anything else.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = nw.from_native(pa.table({"t": ["1970-01-01T01:00:00.5+01:00", "1970-02-30T00:00Z"]}))
    >>> frame.select(t=iso_microseconds(nw.col("t"))).to_native()["t"].to_pylist()
    [500000, None]
    """
    return total_of(parts_of(well_formed(text)))


def well_formed(text: nw.Expr) -> nw.Expr:
    """Return texts that have the shape of a time with an offset; null for others.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = nw.from_native(pa.table({"t": ["1970-02-30T00:00Z", "1970-01-01T00:00"]}))
    >>> frame.select(t=well_formed(nw.col("t"))).to_native()["t"].to_pylist()
    ['1970-02-30T00:00Z', None]
    """
    return nw.when(text.str.contains(ZONED)).then(text)


def parts_of(fine: nw.Expr) -> dict[str, nw.Expr]:
    """Return the numbers that a text of the right shape holds.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = nw.from_native(pa.table({"t": ["1970-02-30T00:00-01:30"]}))
    >>> frame.select(**parts_of(nw.col("t"))).to_native().to_pylist()[0]["zone_minutes"]
    30
    """
    tail = fine.str.slice(16).str.replace_all("^:[0-9][0-9]", "")  # what follows the seconds, or the minutes
    zone = nw.concat_str([tail.str.replace_all("^[.0-9]*", "").str.replace_all(":", ""), nw.lit("0000")])
    fraction = nw.concat_str([tail.str.replace_all("[Zz+-].*", ""), nw.lit("000000")])
    return {
        "year": _digits(fine, 0, 4),
        "month": _digits(fine, 5, 2),
        "day": _digits(fine, 8, 2),
        "hour": _digits(fine, 11, 2),
        "minute": _digits(fine, 14, 2),
        "second": _digits(fine.str.slice(16).str.replace_all("^[^:].*", ":00"), 1, 2),
        "fraction": _digits(fraction, 1, 6),
        "east": 1 - 2 * (zone.str.slice(0, 1) == "-").cast(nw.Int64),
        "zone_hours": _digits(zone, 1, 2),
        "zone_minutes": _digits(zone, 3, 2),
    }


def total_of(parts: Mapping[str, nw.Expr]) -> nw.Expr:
    """Return the microseconds that the numbers of `parts_of` make; null where no calendar or clock shows them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = nw.from_native(pa.table({"t": ["1970-01-02T00:00Z"]}))
    >>> frame.select(t=total_of(parts_of(nw.col("t")))).to_native()["t"].to_pylist()
    [86400000000]
    """
    year, month, day = parts["year"], parts["month"], parts["day"]
    clock = parts["hour"] * 3600 + parts["minute"] * 60 + parts["second"]
    offset = (parts["zone_hours"] * 3600 + parts["zone_minutes"] * 60) * parts["east"]
    possible = (month >= 1) & (month <= 12) & (day >= 1) & (day <= _days_in(year, month))
    possible = possible & (parts["hour"] <= 23) & (parts["minute"] <= 59) & (parts["second"] <= 59)
    possible = possible & (parts["zone_hours"] <= 23) & (parts["zone_minutes"] <= 59)
    seconds = _days_since_1970(year, month, day) * _DAY + clock - offset
    return nw.when(possible).then(seconds * _SECOND + parts["fraction"])


def _digits(text: nw.Expr, start: int, length: int) -> nw.Expr:
    return text.str.slice(start, length).cast(nw.Int64)


def _days_since_1970(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    """Return the days since 1970-01-01 in the proleptic Gregorian calendar.

    Years start in March here, so that the leap day is the last of its year: H. Hinnant, chrono-compatible low-level
    date algorithms, 2013, "days_from_civil".
    """
    shifted = year - (month <= 2).cast(nw.Int64)
    in_year = (((month + 9) % 12) * 153 + 2) // 5 + day - 1
    return shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + in_year - 719_468


def _days_in(year: nw.Expr, month: nw.Expr) -> nw.Expr:
    leap = (((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)).cast(nw.Int64)
    return 30 + (month + month // 8) % 2 - (month == 2).cast(nw.Int64) * (2 - leap)
