"""Prediction sets by group: how often they hold the truth, and how large they are.

A conformal set that holds the truth in 90 % of all rows may hold it in 70 % of one group: marginal coverage is a
promise about the average row.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.stress.answers import missing_columns
from audit.tasks.shares import group_counts, number_rows, share_rows
from audit.values import canonical

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def run_prediction_sets(
    frame: pd.DataFrame,
    *,
    y_true: str,
    sets: str | tuple[str, str],
    sensitive_features: Sequence[str] = (),
    cluster: str | None = None,
    level: float = 0.95,
) -> Result:
    """Return coverage and size of prediction sets for every slice, and the gaps between groups.

    Parameters
    ----------
    frame
        One row per prediction.
    y_true
        Column of true labels.
    sets
        Column of sets, a list of labels per row (an empty list is an empty set); or the two columns (low, high) of
        prediction intervals around real numbers.
    sensitive_features
        Columns whose groups are compared.
    cluster
        Column of rows that belong together.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        ``prediction_set_coverage``: share of rows whose set holds the true label, in [0, 1]; ``prediction_set_size``:
        mean number of labels (length of the interval); ``empty_set_rate``. Larger coverage is better, a larger size is
        not: a group may be covered only by sets that say nothing.

    Raises
    ------
    InputError
        If columns are missing, labels are missing, or a set is no list.

    Notes
    -----
    Coverage by group is what group-conditional conformal prediction promises: Vovk 2012, Conditional validity of
    inductive conformal predictors, arXiv:1209.2673; Romano et al. 2020, With malice toward none, arXiv:1908.05428.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": ["cat", "dog", "cat", "dog"], "set": [["cat"], ["cat"], ["cat", "dog"], ["dog"]],
    ...                       "g": [*"aabb"]})
    >>> found = run_prediction_sets(frame, y_true="y", sets="set", sensitive_features=["g"])
    >>> [row.value for row in found.measurements if row.metric == "prediction_set_coverage" and row.against is None]
    [0.75, 0.5, 1.0]
    """
    columns = [sets] if isinstance(sets, str) else [*sets]
    further = [*sensitive_features, *([cluster] if cluster else [])]
    raise_violations(missing_columns(frame, [y_true, *columns, *further]))
    raise_violations(_violations(frame, y_true, columns))
    held, sizes = _of_intervals(frame, y_true, columns) if len(columns) == 2 else _of_lists(frame, y_true, columns[0])
    groups = {feature: frame[feature].to_numpy() for feature in sensitive_features}
    options: dict[str, Any] = {"cluster": None if cluster is None else frame[cluster].to_numpy(), "level": level}
    rows: list[Measurement] = [*group_counts(groups, len(frame))]
    rows += share_rows("prediction_set_coverage", held, groups, **options)
    rows += number_rows("prediction_set_size", sizes, groups, **options)
    if len(columns) == 1:
        rows += share_rows("empty_set_rate", sizes == 0, groups, **options)
    settings = {
        "check": "prediction sets", "columns": {"y_true": y_true, "sets": columns}, "level": level,
        "sensitive_features": list(sensitive_features),
    }  # fmt: skip
    return Result(measurements=tuple(rows), provenance=Provenance(versions=recorded_versions(), given=settings))


def _of_lists(frame: pd.DataFrame, y_true: str, column: str) -> tuple[Flags, Floats]:
    spelled = [{canonical(label) for label in each} for each in frame[column]]
    held = [canonical(value) in each for value, each in zip(frame[y_true], spelled, strict=True)]
    return np.array(held, dtype=bool), np.array([len(each) for each in spelled], dtype=np.float64)


def _of_intervals(frame: pd.DataFrame, y_true: str, columns: Sequence[str]) -> tuple[Flags, Floats]:
    truth, low, high = (frame[name].to_numpy(np.float64) for name in (y_true, *columns))
    return (low <= truth) & (truth <= high), high - low


def _violations(frame: pd.DataFrame, y_true: str, columns: Sequence[str]) -> list[str]:
    violations = [] if len(frame) else ["there are no rows; expected at least one"]
    if missing := int(frame[y_true].isna().sum()):
        violations.append(f"column {y_true!r} (y_true): {missing} rows have no label; drop or complete them")
    if len(columns) == 1:
        kinds = (list, tuple, set, frozenset, np.ndarray)
        wrong = [row + 1 for row, each in enumerate(frame[columns[0]]) if not isinstance(each, kinds)]
        rule = "hold no list of labels"
    else:
        wrong, rule = _no_intervals(frame, columns), "hold no interval, a finite low <= high"
        if not pd.api.types.is_numeric_dtype(frame[y_true]):
            violations.append(f"column {y_true!r} (y_true) holds {frame[y_true].dtype}; intervals need numbers")
    if wrong:
        names = ", ".join(map(repr, columns))
        violations.append(f"column {names}: {len(wrong)} rows {rule}; the first are rows {wrong[:5]}")
    return violations


def _no_intervals(frame: pd.DataFrame, columns: Sequence[str]) -> list[int]:
    low, high = (pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64) for name in columns)
    fine = np.isfinite(low) & np.isfinite(high) & (low <= high)
    return [int(place) + 1 for place in np.flatnonzero(~fine)]
