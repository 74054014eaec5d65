"""Calling a metric that a person brings on the rows of each group, through Fairlearn's `MetricFrame`.

What it raises, or warns of, becomes a reason; what it returns must be one number.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from fairlearn.metrics import MetricFrame
from sklearn.exceptions import UndefinedMetricWarning

from audit.errors import InputError
from audit.measurement import Slice, as_slice
from audit.metrics.catalog import METRICS
from audit.tally import Codes, joint_codes, sorted_codes
from audit.values import canonical

CustomMetric = Callable[..., float]
_SAID = 120


class MetricColumns(NamedTuple):
    """What the columns of a frame mean to `custom_metric_rows`.

    Examples
    --------
    >>> MetricColumns("label", "score", ("sex",)).sample_weight is None
    True
    """

    y_true: str
    y_pred: str
    sensitive_features: tuple[str, ...]
    sample_weight: str | None = None
    cluster: str | None = None


class Value(NamedTuple):
    """What a metric gave on some rows; NaN with a reason where it is undefined.

    Examples
    --------
    >>> Value(0.5, None).value
    0.5
    """

    value: float
    reason: str | None


class Rows(NamedTuple):
    """Rows as arrays: what the metric is called with, the places of each slice, and the units that are drawn.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1, 0], "p": [1, 1], "g": ["a", None]})
    >>> rows_of(frame, max, "largest", MetricColumns("y", "p", ("g",))).groups[(("g", None),)].tolist()
    [1]
    """

    metric: CustomMetric
    name: str
    y_true: npt.NDArray[Any]
    y_pred: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None
    units: Codes
    groups: Mapping[Slice, Codes]


def frame_violations(frame: pd.DataFrame, name: str, columns: MetricColumns) -> list[str]:
    """Return what is wrong with a frame, its columns and the name of the metric.

    Examples
    --------
    >>> frame_violations(pd.DataFrame({"y": [1.0, None], "p": [1, 1]}), "mine", MetricColumns("y", "p", ()))
    ["column 'y': 1 rows have no value; drop or complete them"]
    """
    wanted = [columns.y_true, columns.y_pred, *columns.sensitive_features]
    wanted += [column for column in (columns.sample_weight, columns.cluster) if column is not None]
    known = ", ".join(repr(str(column)) for column in list(frame.columns)[:20])
    violations = [f"column {column!r} is missing; the data has {known}" for column in wanted if column not in frame]
    if not len(frame):
        violations.append("the data has no rows; expected at least one prediction")
    if name in METRICS or not name:
        violations.append(f"the metric may not be called {name!r}; the catalog has one of that name, or there is none")
    if violations:
        return violations
    counted = {
        column: int(frame[column].isna().sum())
        for column in (columns.y_true, columns.y_pred, columns.cluster)
        if column
    }
    violations += [f"column {c!r}: {n} rows have no value; drop or complete them" for c, n in counted.items() if n]
    if columns.sample_weight is not None:
        weight = pd.to_numeric(frame[columns.sample_weight], errors="coerce").to_numpy(np.float64)
        bad = int(np.sum(~(np.isfinite(weight) & (weight >= 0))))
        if bad or not weight.sum():
            violations.append(f"sample_weight: {bad} rows hold no finite number >= 0, or all are 0; mend those rows")
    return violations


def rows_of(frame: pd.DataFrame, metric: CustomMetric, name: str, columns: MetricColumns) -> Rows:
    """Return a frame as the rows of a metric; columns are taken to be fine.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1, 0], "p": [1, 1], "g": ["a", "b"]})
    >>> list(rows_of(frame, max, "largest", MetricColumns("y", "p", ("g",))).groups)
    [(), (('g', 'a'),), (('g', 'b'),)]
    """
    spelled = {f: sorted_codes(pa.array(map(canonical, frame[f]), pa.string())) for f in columns.sensitive_features}
    groups: dict[Slice, Codes] = {}
    for size in range(len(spelled) + 1):
        for features in combinations(columns.sensitive_features, size):
            sizes = [len(spelled[feature][1]) for feature in features]
            joint = joint_codes([spelled[feature][0] for feature in features], sizes, len(frame))
            for code in np.unique(joint):
                places = np.flatnonzero(joint == code).astype(np.int64)
                values = {f: spelled[f][1][spelled[f][0][places[0]]] for f in features}
                groups[as_slice(values)] = places
    units = (
        np.arange(len(frame)) if columns.cluster is None else pd.factorize(frame[columns.cluster])[0].astype(np.int64)
    )
    weight = None if columns.sample_weight is None else frame[columns.sample_weight].to_numpy(np.float64)
    return Rows(metric, name, frame[columns.y_true].to_numpy(), frame[columns.y_pred].to_numpy(), weight, units, groups)


def group_values(rows: Rows) -> dict[Slice, Value]:
    """Return every slice's value: for each combination of features one `MetricFrame`, its groups named by numbers.

    Raises
    ------
    InputError
        If the metric returns anything but one number.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1, 0], "p": [1, 1], "g": ["a", "b"]})
    >>> found = group_values(rows_of(frame, lambda y, p: (y == p).mean(), "agreement", MetricColumns("y", "p", ("g",))))
    >>> [value.value for value in found.values()]
    [0.5, 1.0, 0.0]
    """
    found: dict[Slice, Value] = {}
    reasons: dict[int, str | None] = {}

    def value_of(places: npt.NDArray[Any], _: npt.NDArray[Any]) -> float:
        value = called_on(rows, np.asarray(places, dtype=np.int64))
        reasons[int(np.asarray(places)[0])] = value.reason
        return value.value

    families: dict[tuple[str, ...], list[Slice]] = {}
    for slice_ in rows.groups:
        families.setdefault(tuple(feature for feature, _ in slice_), []).append(slice_)
    everywhere = np.arange(len(rows.y_true))
    for members in families.values():
        code = np.empty(len(everywhere), dtype=np.int64)
        for number, slice_ in enumerate(members):
            code[rows.groups[slice_]] = number
        by_group = MetricFrame(
            metrics={"value": value_of}, y_true=everywhere, y_pred=everywhere, sensitive_features=code
        ).by_group["value"]
        for number, slice_ in enumerate(members):
            found[slice_] = Value(float(by_group.loc[number]), reasons[int(rows.groups[slice_][0])])
    return found


def called_on(rows: Rows, places: Codes) -> Value:
    """Call the metric on some rows; what it raises, or warns of, becomes a reason.

    Raises
    ------
    InputError
        If it returns anything but one number.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [1], "p": [0]})
    >>> rows = rows_of(frame, lambda y, p: 1 / p.sum(), "inverse", MetricColumns("y", "p", ()))
    >>> called_on(rows, np.array([0])).reason
    'the metric returned inf'
    """
    weights = {} if rows.weight is None else {"sample_weight": rows.weight[places]}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            value = rows.metric(rows.y_true[places], rows.y_pred[places], **weights)
        except Exception as error:  # noqa: BLE001 - foreign code raises what it likes; the other groups go on
            return Value(math.nan, f"the metric raised {_plain(type(error).__name__)}: {_said(error)}")
    undefined = next((_said(w.message) for w in said if issubclass(w.category, UndefinedMetricWarning)), None)
    if undefined is not None:
        return Value(math.nan, f"the metric warned that it is undefined: {undefined}")
    number = _number(value)
    if number is None:
        shape = f" of shape {np.shape(value)}" if np.ndim(value) else ""
        msg = f"the metric {rows.name!r} must return one number; it returned {type(value).__name__}{shape}"
        raise InputError([msg])
    return Value(number, None) if math.isfinite(number) else Value(math.nan, f"the metric returned {number}")


def _said(raised: object) -> str:
    try:
        return _plain(str(raised))
    except Exception as error:  # noqa: BLE001 - its text is foreign code, too
        return f"(its message raised {_plain(type(error).__name__)})"


def _plain(text: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in text[:_SAID])


def _number(value: object) -> float | None:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if np.isrealobj(value) else None
