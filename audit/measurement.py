"""The one row shape of every number: what was measured, of whom, against what, how sure, on how many rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import Any

Slice = tuple[tuple[str, str | None], ...]
"""Sorted (feature, value) pairs; empty means everyone; a null value is the group whose value is missing."""

At = tuple[tuple[str, str | int | float], ...]
"""Sorted (key, value) pairs, keys from `AT_KEYS`: the point of a curve, a class, a place."""

Window = tuple[datetime, datetime]
"""Half-open [start, end), both UTC."""

Against = Mapping[str, Any]
"""What a number is compared with: ``{"kind": one of AGAINST_KINDS, ...}``."""

AT_KEYS = frozenset(
    {"feature", "class", "predicted", "threshold", "quantile", "bin", "k", "round", "place", "model_version", "arm"}
)
AGAINST_KINDS = frozenset({"slice", "rest", "groups", "reference", "model", "window"})
EVERYONE: Slice = ()

_HOLD_THE_VALUE = frozenset({"wilson", "clopper_pearson"})
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number with its n, its interval and the way it was made.

    Parameters
    ----------
    metric
        Name from the catalog, or a gap: ``<metric>_difference``, ``<metric>_ratio``.
    slice
        Whom it is about: sorted (feature, value) pairs; empty = everyone.
    at
        Sorted pairs with keys from `AT_KEYS`: the point that it belongs to; of a cell of a confusion matrix, the true
        label under "class" and the predicted one under "predicted"; of a pinball loss the "quantile" that is predicted.
    against
        What it is compared with; None for a plain value. ``{"kind": "slice", "slice": {...}}``, ``{"kind": "rest"}``,
        ``{"kind": "groups", "features": [...]}`` (the largest gap; with ``"among": [[...], ...]``, the groups that
        took part, where not all did or nothing else says which, and ``"undefined": [[...], ...]``, those that could
        not), ``{"kind": "reference", "digest": ...}``.
    window
        Half-open UTC interval, or None.
    value
        The estimate as a fraction, count or unit of the metric; None where undefined, with a `reason`.
    low, high
        The interval at `level`; None beside a value means unbounded on that side, with a `reason`. A value of None may
        have one: a ratio divided by 0 has no upper limit, and still a low end.
    n
        The smallest denominator that the number rests on, in rows.
    level
        Confidence level of the interval, such as 0.95; None where none is claimed (a count).
    method
        How the interval was made: "wilson", "clopper_pearson", "agresti_caffo", "koopman", "count", ...
    reason
        Why `value` or a bound is None; otherwise None, or a caveat.

    Raises
    ------
    ValueError
        If a number is not finite or of a wrong type, the bounds cross or (of a rate) leave the value out, level or n
        lie outside their range, an undefined value has no reason, or a key is unknown or unsorted.

    Examples
    --------
    >>> row = Measurement(metric="false_positive_rate", slice=(("race", "Black"),), value=0.25, low=0.12, high=0.45,
    ...                   n=24, level=0.95, method="wilson")
    >>> row.to_json()["slice"], row.value
    ({'race': 'Black'}, 0.25)
    """

    metric: str
    slice: Slice = EVERYONE
    at: At = ()
    against: Against | None = None
    window: Window | None = None
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    level: float | None = None
    method: str
    reason: str | None = None

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            msg = f"measurement {self.metric!r} of {dict(self.slice)}: {fault}"
            raise ValueError(msg)

    def _fault(self) -> str | None:
        fault = self._fault_of_numbers()
        if fault:
            return fault
        if self.value is None and not self.reason:
            return "an undefined value needs a reason"
        if self.value is not None and self.level is not None and None in (self.low, self.high) and not self.reason:
            return "an unbounded side needs a reason"
        return self._fault_of_bounds() or self._fault_of_key()

    def _fault_of_numbers(self) -> str | None:
        for number in (self.value, self.low, self.high, self.level):
            if number is None:
                continue
            if type(number) is not float and (isinstance(number, bool) or not isinstance(number, (int, float))):
                return f"expected a number or None for value, low, high and level; got {number!r}"
            if not isfinite(number):
                return f"numbers must be finite or None; got {number}"
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 0:
            return f"n must be a whole number of rows, at least 0; got {self.n!r}"
        if self.level is not None and not 0 < self.level < 1:
            return f"level must lie in (0, 1); got {self.level}"
        return None

    def _fault_of_bounds(self) -> str | None:
        value, low, high = self.value, self.low, self.high
        if low is not None and high is not None and low - high > _ROUNDING * max(1.0, abs(high)):
            return f"low {low} lies above high {high}"
        # The intervals of rates hold their estimate; that of a difference, drawn towards 0, may leave it out.
        if value is None or self.method.partition(",")[0] not in _HOLD_THE_VALUE:
            return None
        if (low is not None and value < low - _ROUNDING) or (high is not None and value > high + _ROUNDING):
            return f"value {value} lies outside [{low}, {high}]"
        return None

    def _fault_of_key(self) -> str | None:
        if (len(self.slice) > 1 or len(self.at) > 1) and not (_is_sorted(self.slice) and _is_sorted(self.at)):
            return "slice and at must be sorted by key, each key once"
        if self.at and (unknown := [key for key, _ in self.at if key not in AT_KEYS]):
            return f"unknown keys in at: {unknown}; expected some of {sorted(AT_KEYS)}"
        if self.against is not None and self.against.get("kind") not in AGAINST_KINDS:
            return f"unknown kind of comparison {self.against.get('kind')!r}; expected one of {sorted(AGAINST_KINDS)}"
        return None

    def key(self) -> str:
        """Return what identifies the row within a result: its first five fields as canonical JSON.

        Examples
        --------
        >>> Measurement(metric="count", value=3, n=3, method="count").key()
        '["count",{},{},null,null]'
        """
        row = self.to_json()
        return canonical_json([row["metric"], row["slice"], row["at"], row["against"], row["window"]])

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values, in the order of the fields."""
        window = None
        if self.window is not None:
            window = {"start": utc_text(self.window[0]), "end": utc_text(self.window[1])}
        return {
            "metric": self.metric,
            "slice": dict(self.slice),
            "at": dict(self.at),
            "against": None if self.against is None else dict(self.against),
            "window": window,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "level": self.level,
            "method": self.method,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Measurement":
        """Read a row back; the inverse of `to_json`.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or the row breaks a rule of the class.
        """
        expected = set(cls.__slots__)
        if set(row) != expected:
            msg = f"a measurement has the fields {sorted(expected)}; got {sorted(row)}"
            raise ValueError(msg)
        fields = dict(row)
        window = fields["window"]
        fields["slice"] = as_slice(fields["slice"])
        fields["at"] = tuple(sorted(fields["at"].items()))
        fields["window"] = None if window is None else (utc_time(window["start"]), utc_time(window["end"]))
        return cls(**fields)


def as_slice(pairs: Mapping[str, str | None]) -> Slice:
    """Return a mapping of features to values as a slice.

    Examples
    --------
    >>> as_slice({"sex": "F", "race": None})
    (('race', None), ('sex', 'F'))
    """
    return tuple(sorted(pairs.items(), key=_feature))


def canonical_json(value: object) -> str:
    """Return strict JSON with sorted keys, no spaces, no NaN: equal values give equal text.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": [None, "é"]})
    '{"a":[null,"é"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def utc_text(time: datetime) -> str:
    """Return a time zone aware time as ISO 8601 in UTC with a trailing Z.

    Raises
    ------
    ValueError
        If the time has no zone.

    Examples
    --------
    >>> utc_text(datetime(2026, 11, 21, tzinfo=UTC))
    '2026-11-21T00:00:00Z'
    """
    if time.tzinfo is None:
        msg = f"expected a time with a zone; got {time.isoformat()}; say which zone it is in"
        raise ValueError(msg)
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def utc_time(text: str) -> datetime:
    """Read what `utc_text` wrote.

    Examples
    --------
    >>> utc_time("2026-11-21T00:00:00Z").year
    2026
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def _feature(pair: tuple[str, Any]) -> str:
    return pair[0]


def _is_sorted(pairs: tuple[tuple[str, Any], ...]) -> bool:
    return len(pairs) < 2 or all(one[0] < two[0] for one, two in pairwise(pairs))
