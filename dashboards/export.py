"""Measurements as CSV for people: numbers as they are, names that no spreadsheet runs as a formula."""

import csv
import io
from collections.abc import Iterable

from audit.measurement import Measurement, canonical_json
from dashboards.labels import safe_label, slice_label
from dashboards.subjects import comparison_text

COLUMNS = ("metric", "slice", "at", "against", "value", "low", "high", "n", "level", "method", "reason")


def csv_text(rows: Iterable[Measurement]) -> str:
    """Return measurements as CSV: numbers as they are, in fractions; texts safe to open in a spreadsheet.

    Examples
    --------
    >>> row = Measurement(metric="count", slice=(("g", "=1+1"),), value=3, n=3, method="count")
    >>> print(csv_text([row]).splitlines()[1])
    count,g = =1+1,,,3,,,3,,count,
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        texts = (
            row.metric,
            slice_label(row.slice),
            canonical_json(dict(row.at)) if row.at else "",
            comparison_text(row),
        )
        writer.writerow(
            [
                *map(_csv_cell, texts),
                row.value,
                row.low,
                row.high,
                row.n,
                row.level,
                row.method,
                _csv_cell(row.reason or ""),
            ]
        )
    return stream.getvalue()


def _csv_cell(text: str) -> str:
    return "" if not text else safe_label(text, target="csv", limit=400)
