"""What audit, monitors, loops and training all return: measurements, alarms and provenance, as one JSON schema."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from audit.errors import EvidenceError
from audit.measurement import Measurement, Slice, as_slice, canonical_json, utc_text, utc_time
from audit.provenance import Provenance
from audit.tally import Tally

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "evenhanded/result/1"
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a monitor rang for, and since when. An alarm that was raised stays raised.

    Parameters
    ----------
    key
        Key of the measurement that it belongs to (`Measurement.key`).
    e_value
        Evidence against "nothing changed"; at least `limit` when it rang.
    limit
        The alarm rings at e >= limit = 1/alpha.
    since
        Start of the first window in which it rang, UTC.

    Examples
    --------
    >>> from datetime import UTC
    >>> Alarm(key="k", e_value=31.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC)).to_json()["since"]
    '2026-01-05T00:00:00Z'
    """

    key: str
    e_value: float
    limit: float
    since: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the alarm as plain JSON values."""
        return {"key": self.key, "e_value": self.e_value, "limit": self.limit, "since": utc_text(self.since)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Alarm":
        """Read an alarm back; the inverse of `to_json`."""
        return cls(**(dict(record) | {"since": utc_time(record["since"])}))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """Measurements with unique keys, alarms, and where they come from.

    Parameters
    ----------
    schema
        Version of the JSON form.
    measurements
        Rows with unique keys.
    alarms
        Alarms that are raised.
    provenance
        What the rows were made from and with.
    tally
        The counts that the rows were rolled up from, where there are any: a gate rolls up the groups and the level
        that its policy names. It is no part of the JSON; a saved run keeps it as ``tally.parquet``.

    Raises
    ------
    ValueError
        If two measurements share a key.

    Examples
    --------
    >>> rows = [Measurement(metric="count", value=3, n=3, method="count")]
    >>> result = Result(measurements=rows)
    >>> Result.from_json(result.to_json()) == result, result.find("count").value
    (True, 3)
    """

    schema: str = SCHEMA
    measurements: tuple[Measurement, ...]
    alarms: tuple[Alarm, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    tally: Tally | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measurements", tuple(self.measurements))
        object.__setattr__(self, "alarms", tuple(self.alarms))
        keys = Counter(map(_identity, self.measurements))
        if len(keys) != len(self.measurements):
            twice = next(row for row in self.measurements if keys[_identity(row)] > 1)
            msg = f"measurements of a result have unique keys; found twice: {twice.key()}"
            raise ValueError(msg)

    def __repr__(self) -> str:
        rows = (
            "" if self.tally is None else f", {self.tally.rows:,} rows by {', '.join(self.tally.features) or 'nothing'}"
        )
        return (
            f"<Result: {len(self.measurements):,} measurements, {len(self.alarms)} alarms{rows}; .find(), .to_frame()>"
        )

    def find(
        self,
        metric: str,
        slice_values: Mapping[str, str | None] | None = None,
        *,
        at: Mapping[str, str | int | float] | None = None,
    ) -> Measurement:
        """Return the plain value of a metric in one slice, at one point where it has points: no comparison, no window.

        Parameters
        ----------
        metric
            Name of the metric.
        slice_values
            The slice as {feature: value}; None = everyone.
        at
            The point as {key: value}, all of its keys: ``{"threshold": 0.5}``, ``{"class": "cat"}``; None = the row
            that has none.

        Raises
        ------
        KeyError
            If the result holds no such row; the text says what there is instead: metrics, slices or points.

        Examples
        --------
        >>> row = Measurement(metric="precision", at=(("threshold", 0.5),), value=0.75, n=4, method="wilson")
        >>> result = Result(measurements=[row])
        >>> result.find("precision", at={"threshold": 0.5}).value
        0.75
        >>> result.find("precision")
        Traceback (most recent call last):
        KeyError: "no measurement 'precision' of {}; it is at: [{'threshold': 0.5}]"
        """
        wanted, point = as_slice(slice_values or {}), tuple(sorted((at or {}).items()))
        plain = [row for row in self.measurements if row.against is None and row.window is None]
        of_metric = [row for row in plain if row.metric == metric]
        for row in of_metric:
            if row.slice == wanted and row.at == point:
                return row
        where = f" at {dict(point)}" if point else ""
        msg = f"no measurement {metric!r} of {dict(wanted)}{where}; {_instead(plain, of_metric, wanted)}"
        raise KeyError(msg)

    def to_json(self) -> str:
        """Return the result as strict JSON, one measurement per line; equal results give equal text."""
        head = f'{{"schema": {json.dumps(self.schema)},\n"provenance": {canonical_json(self.provenance.to_json())},'
        alarms = _lines(alarm.to_json() for alarm in self.alarms)
        rows = _lines(row.to_json() for row in self.measurements)
        return f'{head}\n"alarms": [{alarms}],\n"measurements": [{rows}]}}\n'

    @classmethod
    def from_json(cls, text: str) -> "Result":
        """Read a result back; the inverse of `to_json`.

        Raises
        ------
        EvidenceError
            If the text is no JSON, of another schema, or breaks a rule of its parts.
        """
        try:
            record = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_each_key_once)
            if set(record) != {"schema", "provenance", "alarms", "measurements"}:
                _refuse_fields(record)
            return cls(
                schema=_known_schema(record["schema"]),
                measurements=tuple(Measurement.from_json(row) for row in record["measurements"]),
                alarms=tuple(Alarm.from_json(alarm) for alarm in record["alarms"]),
                provenance=Provenance.from_json(record["provenance"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"this is not a result of schema {SCHEMA!r}: {error}; run the audit again to make a new one"
            raise EvidenceError(msg) from error

    def digest(self) -> str:
        """Return the SHA-256 of the JSON form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per measurement as a pandas DataFrame; slice, at, against and window as JSON text."""
        records = [row.to_json() for row in self.measurements]
        for record in records:
            for name in ("slice", "at", "against", "window"):
                record[name] = None if record[name] is None else canonical_json(record[name])
        frame: pd.DataFrame = pa.Table.from_pylist(records).to_pandas()
        return frame


def _instead(plain: Sequence[Measurement], of_metric: Sequence[Measurement], wanted: Slice) -> str:
    """Return what there is in place of a row that was looked for: its points, else its slices, else the metrics."""
    points = [dict(row.at) for row in of_metric if row.slice == wanted]
    if points:
        return f"it is at: {_shown(points)}"
    if of_metric:
        return f"it is of: {_shown([dict(row.slice) for row in of_metric])}"
    return f"metrics here: {sorted({row.metric for row in plain})}"


def _shown(found: Sequence[Mapping[str, object]]) -> str:
    different = [each for place, each in enumerate(found) if each not in found[:place]]
    more = f" and {len(different) - _MOST:,} more" if len(different) > _MOST else ""
    return f"{different[:_MOST]}{more}"


def _identity(row: Measurement) -> tuple[object, ...]:
    """Return what `Measurement.key` spells, without spelling it."""
    against = None if row.against is None else canonical_json(row.against)
    return row.metric, row.slice, row.at, against, row.window


def _known_schema(schema: str) -> str:
    if schema != SCHEMA:
        msg = f"expected schema {SCHEMA!r}, got {schema!r}"
        raise ValueError(msg)
    return schema


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return ",\n".join(json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        msg = f"the key {twice!r} stands twice in one object"
        raise ValueError(msg)
    return record


def _refuse_fields(record: Mapping[str, Any]) -> None:
    _known_schema(record["schema"])
    msg = f"a result has the fields schema, provenance, alarms and measurements; got {sorted(record)}"
    raise ValueError(msg)


def _refuse_constant(text: str) -> float:
    msg = f"strict JSON holds no {text}"
    raise ValueError(msg)
