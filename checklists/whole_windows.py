"""Which windows of a monitored result are judged: those that are over; the first one may begin before the log does."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from audit.measurement import Measurement, utc_time
from audit.result import Result

Rows = tuple[Measurement, ...]


class Whole(NamedTuple):
    """Rows of windows that are over, those among them that must show something, and what is to be said of the others.

    Examples
    --------
    >>> Whole((), (), "").note
    ''
    """

    over: Rows
    asked: Rows
    note: str


def whole(rows: Rows, result: Result) -> Whole:
    """Return which rows are judged, by what the result says of its windows; all where it says nothing.

    A window that is not over is not judged: it grows, and each look at it would be another one. The first window, where
    the log begins within it, may fail; it need not show that anything holds, as it may be as small as chance would have
    it, unless there is no other.

    Parameters
    ----------
    rows
        The rows that a requirement speaks of.
    result
        Where they are from.

    Examples
    --------
    >>> from datetime import UTC, timedelta
    >>> from audit.provenance import Provenance
    >>> start = datetime(2026, 1, 5, tzinfo=UTC)
    >>> weeks = [(start + timedelta(weeks=week), start + timedelta(weeks=week + 1)) for week in range(3)]
    >>> rows = tuple(Measurement(metric="accuracy", window=week, value=0.9, n=9, method="count") for week in weeks)
    >>> facts = {"whole_from": "2026-01-12T00:00:00Z", "over_until": "2026-01-19T00:00:00Z"}
    >>> found = whole(rows, Result(measurements=rows, provenance=Provenance(given={"windows": facts})))
    >>> len(found.over), len(found.asked)
    (2, 1)
    >>> found.note
    'not judged: the window from 2026-01-19, which is not over; not asked to show it: the window from 2026-01-05, as \
the log begins within it'
    """
    facts = result.provenance.given.get("windows")
    if not isinstance(facts, Mapping) or not {"whole_from", "over_until"} <= set(facts):
        return Whole(rows, rows, "")
    first, end = (utc_time(str(facts[name])) for name in ("whole_from", "over_until"))
    over = tuple(row for row in rows if row.window is None or row.window[0] < end)
    asked = tuple(row for row in over if row.window is None or row.window[1] > first)
    notes = []
    if growing := _starts(rows, over):
        notes.append(f"not judged: the window from {growing[0]:%Y-%m-%d}, which is not over")
    if asked and (cut := _starts(over, asked)):
        notes.append(f"not asked to show it: the window from {cut[0]:%Y-%m-%d}, as the log begins within it")
    return Whole(over, asked or over, "; ".join(notes))


def _starts(rows: Rows, kept: Rows) -> list[datetime]:
    """Return where the windows of rows that are not kept begin."""
    still = {row.window for row in kept}
    return sorted({row.window[0] for row in rows if row.window is not None and row.window not in still})
