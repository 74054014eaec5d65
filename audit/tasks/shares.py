"""Rows about one flag or one number per row that is no label: the share of flips by group, the mean size of a set.

The flag of each row is counted like a prediction, so that intervals, clusters and gaps are those of a selection rate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.counting import count
from audit.errors import raise_violations
from audit.measurement import At, Measurement
from audit.pairwise import with_groups
from audit.predictions import PredictionLog, RoleColumns
from audit.tally_rows import measure
from audit.tasks.mean_rows import Mean, mean_rows
from audit.tasks.means import Scale
from audit.tasks.moments import collect_moments
from audit.values import canonical

Groups = Mapping[str, Sequence[Any] | npt.NDArray[Any]]
"""Sensitive values by feature, one per row."""

_SHARE = "selection_rate"


def share_rows(
    name: str,
    flags: npt.ArrayLike,
    groups: Groups,
    *,
    cluster: Sequence[Any] | npt.NDArray[Any] | None = None,
    level: float = 0.95,
    at: At = (),
) -> tuple[Measurement, ...]:
    """Return the share of rows that have a flag, for every slice, and the gaps between groups.

    Parameters
    ----------
    name
        What the share is called; gaps are named ``<name>_difference`` and ``<name>_ratio``.
    flags
        One truth value per row, shape (n_rows,).
    groups
        Sensitive values by feature.
    cluster
        Which rows belong together.
    level
        Confidence level, in (0, 1).
    at
        The point that all rows belong to.

    Raises
    ------
    InputError
        If there are no rows, or lengths differ.

    Examples
    --------
    >>> rows = share_rows("flip_rate", [True, False, False, False], {"sex": ["F", "F", "M", "M"]})
    >>> [(dict(row.slice), row.value) for row in rows if row.against is None]
    [({}, 0.25), ({'sex': 'F'}, 0.5), ({'sex': 'M'}, 0.0)]
    """
    values = np.asarray(flags, dtype=bool)
    log = _log(values.astype(np.int64), groups, cluster, task="binary")
    found = with_groups(measure(count(log), level=level, metrics=[_SHARE]))
    return tuple(
        replace(row, metric=name + row.metric.removeprefix(_SHARE), at=at)
        for row in found
        if row.metric.startswith(_SHARE)
    )


def number_rows(
    name: str,
    values: npt.ArrayLike,
    groups: Groups,
    *,
    scale: Scale = "identity",
    cluster: Sequence[Any] | npt.NDArray[Any] | None = None,
    level: float = 0.95,
    at: At = (),
) -> tuple[Measurement, ...]:
    """Return the mean of a number per row for every slice, and the gaps between groups (`audit.tasks.mean_rows`).

    Raises
    ------
    InputError
        If there are no rows, lengths differ, or a number is not finite.

    Examples
    --------
    >>> rows = number_rows("set_size", [1, 2, 2, 3], {"sex": ["F", "F", "M", "M"]})
    >>> [(dict(row.slice), row.value) for row in rows if row.against is None]
    [({}, 2.0), ({'sex': 'F'}, 1.5), ({'sex': 'M'}, 2.5)]
    """
    numbers = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    shown = ", ".join(f"row {place + 1}" for place in bad[:5])
    raise_violations([f"{name}: {len(bad)} rows hold no finite number: {shown}"] if len(bad) else [])
    log = _log(numbers, groups, cluster, task="regression")
    moments = collect_moments(log, {name: nw.col("y_pred")})
    found = mean_rows(moments, [Mean(name, name, scale, needs="rows")], level=level)
    return tuple(replace(row, at=at) for row in found if row.metric != "count")


def group_counts(groups: Groups, rows: int) -> tuple[Measurement, ...]:
    """Return how many rows there are in every slice.

    Examples
    --------
    >>> [row.value for row in group_counts({"sex": ["F", "F", "M"]}, 3)]
    [3, 2, 1]
    """
    log = _log(np.zeros(rows, dtype=np.int64), groups, None, task="binary")
    return tuple(row for row in measure(count(log), metrics=[_SHARE]) if row.metric == "count")


def _log(
    values: npt.NDArray[Any],
    groups: Groups,
    cluster: Sequence[Any] | npt.NDArray[Any] | None,
    *,
    task: Any,  # noqa: ANN401 - a task
) -> PredictionLog:
    lengths = {feature: len(given) for feature, given in groups.items()}
    lengths |= {} if cluster is None else {"the clusters": len(cluster)}
    raise_violations(
        [
            f"{name!r} has {length} values for {len(values)} rows"
            for name, length in lengths.items()
            if length != len(values)
        ]
    )
    raise_violations([] if len(values) else ["there are no rows; expected at least one"])
    # The names of roles begin with a character that no name of a feature is likely to; a clash is refused at the door.
    columns: dict[str, Any] = {
        feature: pa.array(map(canonical, given), pa.string()) for feature, given in groups.items()
    }
    roles: RoleColumns = {"y_true": "\x00y_true", "y_pred": "\x00y_pred"}
    columns |= {roles["y_true"]: pa.array(np.zeros(len(values))), roles["y_pred"]: pa.array(values)}
    if task == "binary":
        columns[roles["y_true"]] = pa.array(np.zeros(len(values), dtype=np.int64))
    if cluster is not None:
        roles["cluster"] = "\x00cluster"
        columns[roles["cluster"]] = pa.array(map(canonical, cluster), pa.string())
    return PredictionLog.from_frame(pa.table(columns), sensitive_features=list(groups), task=task, **roles)
