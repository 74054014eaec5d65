"""Dates as the parts that people and businesses go by, learnt from the train rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.category import CategoryEncoder, fit_category
from trainer.data.numeric import NumericEncoder, fit_numeric, row_list

NUMBERS = ("year", "day", "day_of_year", "hour", "elapsed_days")
CATEGORIES = (
    "month",
    "weekday",
    *(f"is_{unit}_{end}" for unit in ("month", "quarter", "year") for end in ("start", "end")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateEncoder:
    """Parts of one date column; parts that are the same in all train rows are left out.

    Parameters
    ----------
    column
        Name of the column.
    zone
        Time zone of the train rows, in which the parts are told; None where they have none.
    numeric
        Encoders of year, day of the month, day of the year, hour, and days since 1970.
    category
        Encoders of month, weekday, and whether it is the first or last day of a month, quarter or year.

    Examples
    --------
    >>> encoder = fit_date(pd.Series(pd.to_datetime(["2026-01-01", "2026-01-31"]), name="sold"))
    >>> [item.column for item in encoder.numeric], [item.column for item in encoder.category][:2]
    (['day', 'day_of_year', 'elapsed_days'], ['weekday', 'is_month_start'])
    """

    column: str
    zone: str | None
    numeric: tuple[NumericEncoder, ...]
    category: tuple[CategoryEncoder, ...]


def fit_date(column: pd.Series) -> DateEncoder:
    """Return the encoder of the dates in the rows given; how long ago a day was is always among the parts."""
    days = read_dates(column)
    parts = date_parts(days)
    kept = [name for name in parts if name == "elapsed_days" or parts[name].nunique() > 1]
    return DateEncoder(
        column=str(column.name),
        zone=_zone(days),
        numeric=tuple(_unflagged(fit_numeric(parts[name])) for name in NUMBERS if name in kept),
        category=tuple(fit_category(parts[name]) for name in CATEGORIES if name in kept),
    )


def date_parts(days: pd.Series) -> pd.DataFrame:
    """Return the parts of dates, one column each; missing where the date is.

    Parameters
    ----------
    days
        Datetimes, as `read_dates` returns them.

    Returns
    -------
    DataFrame
        Numbers: ``year``, ``day`` (1 to 31), ``day_of_year``, ``hour``, ``elapsed_days`` (since 1970-01-01, with a
        fraction). Categories: ``month`` (1 to 12), ``weekday`` (0 is Monday), ``is_month_start`` and so on.

    Examples
    --------
    >>> parts = date_parts(pd.Series(pd.to_datetime(["1970-01-03 12:00", "2024-12-31 00:00"])))
    >>> parts["elapsed_days"].tolist(), parts["weekday"].tolist(), parts["day_of_year"].tolist()
    ([2.5, 20088.0], [5.0, 1.0], [3.0, 366.0])
    >>> parts["is_year_end"].tolist()
    [False, True]
    """
    local = days.dt.tz_localize(None) if _zone(days) is not None else days
    known = local.notna()
    field = local.dt
    numbers = {
        "year": field.year,
        "day": field.day,
        "day_of_year": field.dayofyear,
        "hour": field.hour,
        "elapsed_days": (local - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1),
        "month": field.month,
        "weekday": field.weekday,
    }
    flags = {name: getattr(field, name).astype(object).where(known, None) for name in CATEGORIES if name[:3] == "is_"}
    return pd.DataFrame({**{name: values.astype(np.float64) for name, values in numbers.items()}, **flags})


def read_dates(column: pd.Series) -> pd.Series:
    """Return a column as datetimes: as they are, or read from ISO 8601 text; what cannot be read is missing.

    Examples
    --------
    >>> read_dates(pd.Series(["2026-11-21", "soon", None])).isna().tolist()
    [False, True, True]
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column
    values = column.astype(object).where(column.notna(), None)
    read = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=_has_zone(values))
    return pd.Series(read, index=column.index, name=column.name)


def is_date_column(column: pd.Series) -> bool:
    """Say whether a column holds datetimes.

    Examples
    --------
    >>> is_date_column(pd.Series(pd.to_datetime(["2026-11-21"]))), is_date_column(pd.Series(["2026-11-21"]))
    (True, False)
    """
    return bool(pd.api.types.is_datetime64_any_dtype(column.dtype))


def date_violations(column: pd.Series, *, name: str, encoder: DateEncoder | None = None) -> list[str]:
    """Return what keeps a column from being read as dates: rows that are none, or another time zone than in training.

    Examples
    --------
    >>> date_violations(pd.Series(["2026-11-21", "soon"]), name="sold")
    ["date feature 'sold' holds 'soon', which is no date, at row 1, counted from 0: write dates as 2026-11-21"]
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and not column.isna().all():
        return [f"date feature {name!r} holds {column.dtype}; expected dates or ISO 8601 text: convert it"]
    days = read_dates(column)
    lost = np.flatnonzero((days.isna() & column.notna()).to_numpy())
    if len(lost):
        what = f"{column.iloc[lost[0]]!r}, which is no date, at {row_list(lost)}"
        return [f"date feature {name!r} holds {what}: write dates as 2026-11-21"]
    if encoder is not None and days.notna().any() and (encoder.zone is None) != (_zone(days) is None):
        had = "no time zone" if encoder.zone is None else f"times in {encoder.zone}"
        came = "none" if _zone(days) is None else _zone(days)
        return [f"date feature {name!r} had {had} in training; came {came}: convert it"]
    return []


def local_dates(column: pd.Series, encoder: DateEncoder) -> pd.Series:
    """Return dates in the time zone of the train rows."""
    days = read_dates(column)
    return days if encoder.zone is None or _zone(days) is None else days.dt.tz_convert(encoder.zone)


def date_floats(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return days since 1970 of a column of dates, NaN where missing.

    Examples
    --------
    >>> date_floats(pd.Series(["1970-01-02", None])).tolist()
    [1.0, nan]
    """
    elapsed: npt.NDArray[np.float64] = date_parts(read_dates(column))["elapsed_days"].to_numpy(np.float64)
    return elapsed


def _zone(days: pd.Series) -> str | None:
    kind = days.dtype
    return str(kind.tz) if isinstance(kind, pd.DatetimeTZDtype) else None


def _has_zone(values: pd.Series) -> bool:
    """Say whether the first known value names a time zone; a column that mixes both cannot be read as one."""
    first = next((value for value in values if value is not None), None)
    read = pd.to_datetime(pd.Series([first]), format="ISO8601", errors="coerce")
    return _zone(read) is not None


def _unflagged(encoder: NumericEncoder) -> NumericEncoder:
    """Keep one flag of a missing date, that of the elapsed days, instead of one per part."""
    flagged = encoder.flagged and encoder.column == "elapsed_days"
    return NumericEncoder(column=encoder.column, values=encoder.values, scores=encoder.scores, flagged=flagged)
