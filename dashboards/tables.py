"""From results to what people read: values, intervals and rows as text, small groups hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import reading_order, safe_label
from dashboards.subjects import subject_text
from dashboards.words import Unit, unit_of

DEFAULT_MIN_CELL = 10

FEW_ROWS = 30
"""On fewer rows an undefined value is for want of data; on more it has another reason."""

_SIGNED_KINDS = frozenset({"slice", "rest", "reference", "model", "window"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayRow:
    """One measurement as text, each part for a column of its own.

    Parameters
    ----------
    name
        What was measured, of whom, against what.
    value
        "44.8 %", "not enough data" or "hidden (n < 10)".
    interval
        "[42.6, 47.2]"; "" where there is none.
    n
        "1,795"; "" where hidden.
    note
        Why something is missing, or a caveat; "" where there is nothing to say.

    Examples
    --------
    >>> row = DisplayRow(name="Accuracy", value="66.4 %", interval="[65.2, 67.5]", n="6,172", note="")
    >>> f"{row.name}: {row.value} {row.interval}, n = {row.n}"
    'Accuracy: 66.4 % [65.2, 67.5], n = 6,172'
    """

    name: str
    value: str
    interval: str
    n: str
    note: str


def display_row(row: Measurement, *, min_cell: int = 0) -> DisplayRow:
    """Return a measurement as text; hidden where it rests on fewer than `min_cell` rows.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.6638, low=0.652, high=0.675, n=6172, level=0.95, method="wilson")
    >>> display_row(row).value, display_row(row).interval, display_row(row).n
    ('66.4 %', '[65.2, 67.5]', '6,172')
    """
    name = subject_text(row)
    if is_small(row, min_cell=min_cell):
        return DisplayRow(name=name, value=hidden_text(min_cell), interval="", n="", note="")
    note = "" if row.reason is None else safe_label(row.reason, target="text", limit=240)
    return DisplayRow(name=name, value=value_text(row), interval=interval_text(row), n=f"{row.n:,}", note=note)


def cell_text(row: Measurement) -> str:
    """Return value, interval, n and reason of a measurement in one text.

    Examples
    --------
    >>> cell_text(Measurement(metric="accuracy", value=0.5, low=0.25, high=0.75, n=12, level=0.95, method="wilson"))
    '50.0 % [25.0, 75.0], n = 12'
    >>> cell_text(Measurement(metric="precision", value=None, n=3, method="none", reason="no positive predictions"))
    'not enough data (n = 3): no positive predictions'
    """
    if row.value is None:
        return f"{value_text(row)} (n = {row.n:,}): {safe_label(row.reason, target='text', limit=240)}"
    interval = interval_text(row)
    return f"{value_text(row)}{' ' + interval if interval else ''}, n = {row.n:,}"


def value_text(row: Measurement) -> str:
    """Return the value alone: a share in percent, a difference of shares in points, else a plain number.

    An undefined value is "not enough data" on fewer than `FEW_ROWS` rows, else "undefined".

    Examples
    --------
    >>> value_text(Measurement(metric="accuracy_difference", against={"kind": "rest"}, value=0.1787, n=40, method="x"))
    '+17.9 points'
    """
    if row.value is None:
        return "not enough data" if row.n < FEW_ROWS else "undefined"
    unit = unit_of(row.metric)
    ending = {"share": " %", "points": " points"}.get(unit, "")
    return number_text(row.value, unit=unit, signed=_is_signed(row)) + ending


def interval_text(row: Measurement) -> str:
    """Return the interval: "[42.6, 47.2]"; an unbounded side in words; "" where none is claimed.

    Examples
    --------
    >>> interval_text(Measurement(metric="accuracy_ratio", value=2.0, low=1.1, n=9, level=0.95, method="koopman",
    ...                           reason="unbounded on one side"))
    '[1.10, unbounded]'
    """
    if row.value is None or (row.low is None and row.high is None):
        return ""
    unit, signed = unit_of(row.metric), _is_signed(row)
    ends = ["unbounded" if end is None else number_text(end, unit=unit, signed=signed) for end in (row.low, row.high)]
    return f"[{ends[0]}, {ends[1]}]"


def number_text(value: float, *, unit: Unit, signed: bool = False) -> str:
    """Return a number in its unit, without the name of the unit; a true minus sign, and no negative zero.

    Examples
    --------
    >>> number_text(0.448468, unit="share"), number_text(-0.0001, unit="points"), number_text(3696, unit="count")
    ('44.8', '0.0', '3,696')
    """
    scaled, digits = {
        "count": (value, 0 if float(value).is_integer() else 1),
        "share": (100 * value, 1),
        "points": (100 * value, 1),
        "ratio": (value, 2),
        "number": (value, 3),
    }[unit]
    rounded = round(scaled, digits) + 0.0
    text = f"{abs(rounded):,.{digits}f}"
    if rounded < 0:
        return "−" + text
    return "+" + text if signed and rounded > 0 else text


def limit_text(metric: str, *, low: float | None, high: float | None) -> str:
    """Return the limits of a requirement in words.

    Examples
    --------
    >>> limit_text("accuracy_difference", low=None, high=0.05), limit_text("accuracy", low=0.6, high=None)
    ('at most 5 points', 'at least 60 %')
    """
    unit = unit_of(metric)
    factor, ending = {"share": (100, " %"), "points": (100, " points")}.get(unit, (1, ""))
    texts = [None if end is None else f"{factor * end:.6g}{ending}" for end in (low, high)]
    ends = ["1 point" if text == "1 points" else text for text in texts]
    if ends[0] is not None and ends[1] is not None:
        return f"between {ends[0]} and {ends[1]}"
    if ends[1] is not None:
        return f"at most {ends[1]}"
    return "" if ends[0] is None else f"at least {ends[0]}"


def plain_rows(result: Result, *, features: Sequence[str], metrics: Sequence[str]) -> tuple[Measurement, ...]:
    """Return the plain values of some metrics in every group of a combination of features, in reading order.

    Parameters
    ----------
    result
        The result.
    features
        The features that are combined; empty = everyone.
    metrics
        Names of metrics; "count" among them where group sizes are wanted.

    Examples
    --------
    >>> everyone = Measurement(metric="accuracy", value=0.7, n=90, method="count")
    >>> women = Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.6, n=40, method="count")
    >>> result = Result(measurements=[everyone, women])
    >>> [row.value for row in plain_rows(result, features=["sex"], metrics=["accuracy"])]
    [0.6]
    >>> [row.value for row in plain_rows(result, features=[], metrics=["accuracy"])]
    [0.7]
    """
    wanted, names = set(metrics), tuple(sorted(features))
    found = [
        row
        for row in result.measurements
        if row.metric in wanted and is_plain(row) and tuple(name for name, _ in row.slice) == names
    ]
    return tuple(sorted(found, key=lambda row: reading_order(row.slice)))


def is_plain(row: Measurement) -> bool:
    """Whether a row is a value of a slice, not compared with anything, at no point and in no window.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, n=90, method="count")
    >>> gap = Measurement(metric="accuracy_difference", against={"kind": "rest"}, value=0.1, n=90, method="count")
    >>> is_plain(row), is_plain(gap)
    (True, False)
    """
    return row.against is None and not row.at and row.window is None


def is_small(row: Measurement, *, min_cell: int) -> bool:
    """Whether a row rests on too few rows to be published.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, n=10, method="count")
    >>> is_small(row, min_cell=10), is_small(row, min_cell=11)
    (False, True)
    """
    return row.n < min_cell


def hidden_text(min_cell: int) -> str:
    """Return what stands in place of a number that rests on too few rows.

    Examples
    --------
    >>> hidden_text(10)
    'hidden (n < 10)'
    """
    return f"hidden (n < {min_cell})"


def withheld_text(min_cell: int) -> str:
    """Return what stands in place of the numbers of a group that is small, or that protects a small one.

    One text for both: who could tell them apart would know more of the small one
    (`audit.publishing.suppression.suppressed`).

    Examples
    --------
    >>> withheld_text(10)
    'hidden (n < 10, or protects such a group)'
    """
    return f"hidden (n < {min_cell}, or protects such a group)"


def _is_signed(row: Measurement) -> bool:
    if row.metric.endswith(("_difference_group_max", "_difference_group_min")):
        return True
    return row.metric.endswith("_difference") and row.against is not None and row.against["kind"] in _SIGNED_KINDS
