"""What the one pass groups by and sums, in the words of narwhals, so that every engine counts the same numbers.

Sums of floating point numbers depend on the order of addition, and with it on threads. Therefore whole numbers are
summed: scores in units of 1e-9; sampling weights in units of a power of ten that gives the largest of them nine
digits, so that weights of few decimals stay exact.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError
from audit.predictions import PredictionLog, feature_column
from audit.tally import SCORE_UNITS

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_LIMB = 10**9
_MIN_WEIGHT, _MAX_WEIGHT = 1e-100, 1e100  # so that squares, and powers of ten that scale them, stay finite
WEIGHT_RANGE = f"0, or from {_MIN_WEIGHT:g} up to {_MAX_WEIGHT:g}"
"""Which sampling weights can be counted with, in words."""

_MAX_TIMES = 2.0**53

Schema = Mapping[str, Any]
"""Type of each column, as narwhals names it."""


def bad_text_column(place: int) -> str:
    """Return the name of the count of texts that are no number, for the sensitive feature at a place.

    Examples
    --------
    >>> bad_text_column(0)
    'bad_text_0'
    """
    return f"bad_text_{place}"


def range_labels(edges: tuple[float, ...]) -> list[str]:
    """Return the names of the left-closed ranges that edges make; different edges never share a name.

    Examples
    --------
    >>> range_labels((25.0, 45.5)), range_labels((1234567.0, 1234568.0))[1]
    (['<25', '25-45.5', '>=45.5'], '1234567-1234568')
    """
    texts = [repr(float(edge)).removesuffix(".0") for edge in edges]
    return [f"<{texts[0]}", *(f"{a}-{b}" for a, b in pairwise(texts)), f">={texts[-1]}"]


def group_expressions(log: PredictionLog, schema: Schema) -> dict[str, nw.Expr]:
    """Return the group of each row by sensitive feature, ranges where the log cuts a feature into some.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"age": [30]}), task="watch", sensitive_features=["age"],
    ...                                bins={"age": [25, 45]})
    >>> groups = group_expressions(log, log.table.collect_schema())
    >>> log.table.select(**groups).collect(backend="pyarrow").to_native().to_pylist()
    [{'feature_0': '25-45'}]
    """
    return {
        feature_column(place): _feature(feature_column(place), schema, log.reading.bins.get(name))
        for place, name in enumerate(log.sensitive_features)
    }


def key_expressions(log: PredictionLog, schema: Schema, bins: int) -> dict[str, nw.Expr]:
    """Return what rows are grouped by.

    Examples
    --------
    >>> frame = pa.table({"y": [1], "s": [0.58]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5)
    >>> keys = key_expressions(log, log.table.collect_schema(), bins=250)  # 0.58 x 250 = 145
    >>> log.table.select(**keys).collect(backend="pyarrow").to_native().to_pylist()
    [{'y_true': 1, 'score_bin': 145, 'y_pred': True}]
    """
    columns, reading = log.columns, log.reading
    keys = group_expressions(log, schema)
    keys["y_true"] = nw.col("y_true")
    if "y_score" in columns:
        score = _score(log, schema)
        inside = (score >= 0) & (score <= 1)
        last = nw.lit(bins - 1)
        place = (score * bins + 1e-9).floor()  # 1e-9: 0.58 * 250 must not fall below its edge
        keys["score_bin"] = nw.when(inside).then(nw.when(place > last).then(last).otherwise(place)).cast(nw.Int16)
    if "y_pred" in columns:
        keys["y_pred"] = nw.col("y_pred")
    else:
        keys["y_pred"] = _score(log, schema) >= nw.lit(reading.threshold)
    for role in ("model_version", "cluster"):
        if role in columns:
            keys[role] = nw.col(role)
    return keys


def sum_expressions(log: PredictionLog, schema: Schema, exponent: int) -> dict[str, nw.Expr]:
    """Return what is summed: whole numbers only (see `unscaled`), and counts of values that are not fine.

    Examples
    --------
    >>> frame = pa.table({"y": [1], "s": [0.5]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5)
    >>> sums = sum_expressions(log, log.table.collect_schema(), 0)  # 0.5 and 0.5 ** 2, in units of 1e-9
    >>> log.table.select(**sums).collect(backend="pyarrow").to_native().to_pylist()
    [{'score': 500000000.0, 'score2': 250000000.0}]
    """
    sums: dict[str, nw.Expr] = {}
    if "y_score" in log.columns:
        score = _score(log, schema)
        sums |= {"score": _whole(score * SCORE_UNITS), "score2": _whole(score * score * SCORE_UNITS)}
        if log.reading.weights == "frequency":
            sums = {name: whole * number("sample_weight", schema) for name, whole in sums.items()}
    if "sample_weight" in log.columns:
        weight = number("sample_weight", schema)
        fine = fine_weight(log, weight)
        sums["bad_weight"] = nw.when(fine).then(0).otherwise(1)
        sums |= {"w": weight} if log.reading.weights == "frequency" else _weight_sums(weight, fine, exponent)
    for place, name in enumerate(log.sensitive_features):
        if name in log.reading.bins and schema[feature_column(place)] == nw.String:
            sums[bad_text_column(place)] = nw.when(fine_text(nw.col(feature_column(place)))).then(0).otherwise(1)
    return sums


def weight_exponent(log: PredictionLog, schema: Schema) -> int:
    """Return the power of ten that gives the largest sampling weight nine digits before the point.

    Raises
    ------
    InputError
        If another weight has no digit left then.

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0], "p": [1, 1], "w": [0.5, 120.0]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sample_weight="w")
    >>> weight_exponent(log, log.table.collect_schema())  # 120 becomes 120,000,000
    6
    """
    if log.reading.weights != "sampling":
        return 0
    weight = number("sample_weight", schema)
    used = nw.when(fine_weight(log, weight) & (weight > 0)).then(weight)
    found = log.table.select(low=used.min(), high=used.max()).collect(backend="pyarrow").to_native()
    low, high = found["low"][0].as_py(), found["high"][0].as_py()
    if high is None:
        return 0
    exponent = 8 - math.floor(math.log10(high))
    if low * 10.0**exponent < 1:
        msg = f"sample_weight: weights from {low:g} to {high:g} lie more than eight digits apart; are they in one unit?"
        raise InputError([msg])
    return exponent


def unscaled(raw: pa.Table, exponent: int) -> pa.Table:
    """Return collected sums in their own units, and without the halves of the squared weights.

    Examples
    --------
    >>> raw = pa.table({"score": [5e8], "w": [15.0], "w2_high": [0.0], "w2_low": [225.0]})
    >>> unscaled(raw, exponent=1).to_pylist()
    [{'score': 0.5, 'w': 1.5, 'w2': 2.25}]
    """
    columns = {name: raw[name] for name in raw.column_names if name not in {"w2_high", "w2_low"}}
    for name in {"score", "score2"} & set(columns):
        columns[name] = pa.array(floats(raw[name]) / SCORE_UNITS)
    if "w2_high" in raw.column_names:
        columns["w"] = pa.array(_in_units(floats(raw["w"]), exponent))
        squares = floats(raw["w2_high"]) * _LIMB + floats(raw["w2_low"])
        columns["w2"] = pa.array(_in_units(_in_units(squares, exponent), exponent))
    return pa.table(columns)


def floats(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """Return numbers of any type, such as the wide integers of an engine, as floats; null as NaN.

    Examples
    --------
    >>> floats(pa.chunked_array([[1, None]])).tolist()
    [1.0, nan]
    """
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.int64())
    return np.asarray(column.to_numpy(), dtype=np.float64)


def number(name: str, schema: Schema) -> nw.Expr:
    """Return a column as numbers: texts that spell none become null, short floats what they are printed as.

    Examples
    --------
    >>> frame = nw.from_native(pa.table({"age": ["1.5", "old"]}))
    >>> frame.select(number("age", frame.schema)).to_native()["age"].to_pylist()
    [1.5, None]
    """
    column = nw.col(name)
    if schema[name] == nw.String:
        return nw.when(column.str.contains(NUMBER)).then(column).cast(nw.Float64)
    if schema[name] == nw.Float32:  # 0.7 must reach a threshold of 0.7, which 0.699999988 does not
        return column.cast(nw.String).cast(nw.Float64)
    return column.cast(nw.Float64)


def fine_weight(log: PredictionLog, weight: nw.Expr) -> nw.Expr:
    """Return whether a weight can be counted with: `WEIGHT_RANGE`; a frequency: whole and below 2**53.

    Examples
    --------
    >>> log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1], "w": [1.0]}), y_true="y", y_pred="p",
    ...                                sample_weight="w")
    >>> frame = nw.from_native(pa.table({"w": [0.5, -1.0]}))
    >>> frame.select(fine=fine_weight(log, nw.col("w"))).to_native()["fine"].to_pylist()
    [True, False]
    """
    if log.reading.weights == "frequency":
        return (weight >= 0) & (weight < _MAX_TIMES) & (weight == weight.floor())
    return (weight == 0) | ((weight >= _MIN_WEIGHT) & (weight <= _MAX_WEIGHT))


def fine_text(column: nw.Expr) -> nw.Expr:
    """Return whether a text spells a number or is missing.

    Examples
    --------
    >>> frame = nw.from_native(pa.table({"age": ["42", "", "old"]}))
    >>> frame.select(fine=fine_text(nw.col("age"))).to_native()["fine"].to_pylist()
    [True, True, False]
    """
    return column.is_null() | (column == "") | column.str.contains(NUMBER)


def _score(log: PredictionLog, schema: Schema) -> nw.Expr:
    score = number("y_score", schema)
    return score if log.reading.score_max == 1 else score / log.reading.score_max


def _weight_sums(weight: nw.Expr, fine: nw.Expr, exponent: int) -> dict[str, nw.Expr]:
    """Squares have twice the digits: their high and their low half are summed each for itself."""
    scaled = weight * 10.0**exponent if exponent >= 0 else weight / 10.0**-exponent
    whole = nw.when(fine).then(_whole(scaled)).cast(nw.Int64)
    square = whole * whole
    return {"w": whole, "w2_high": square // _LIMB, "w2_low": square % _LIMB}


def _whole(value: nw.Expr) -> nw.Expr:
    return (value + 0.5).floor()  # not round(): engines differ about halves


def _in_units(sums: npt.NDArray[np.float64], exponent: int) -> npt.NDArray[np.float64]:
    return sums / 10.0**exponent if exponent >= 0 else sums * 10.0**-exponent


def _feature(name: str, schema: Schema, edges: tuple[float, ...] | None) -> nw.Expr:
    if edges is None:
        return nw.col(name)
    value = number(name, schema)
    present = nw.when(~value.is_nan()).then(value)  # engines hold NaN for larger than any number
    return _nested(present, edges, range_labels(edges))


def _nested(value: nw.Expr, edges: tuple[float, ...], labels: list[str]) -> nw.Expr:
    expression: nw.Expr = nw.when(value >= edges[-1]).then(nw.lit(labels[-1]))
    for edge, label in zip(reversed(edges), reversed(labels[:-1]), strict=True):
        expression = nw.when(value < edge).then(nw.lit(label)).otherwise(expression)
    return expression
