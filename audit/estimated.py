"""Estimates of metrics over slices: what every kind of interval is made from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.components import Components, joined_components
from audit.rare_labels import RareLabels, nothing_rare
from audit.rollup import Floats
from audit.score_bins import Parts

_NESTED = ("parts", "components", "labels")


class Estimates(NamedTuple):
    """One metric over the slices of a partition; every array has one entry per slice.

    `value` is NaN where undefined; `n` counts rows, the smallest denominator. For rates, `successes` out of `trials`
    are the effective counts that intervals are made of: the rows themselves where rows are independent and count
    alike. For other metrics `successes` is None and `error` the standard error. `df`: degrees of freedom, infinite for
    independent rows. `influence`, of rates under weights or clusters: per cell, the first-order change of the slice's
    value per unit of weight (one row per metric where several are joined). `slack`: what tied scores may hide. `parts`,
    of distances: what the interval is made of. `components`, of smooth metrics: the rates that it is made of.
    `labels`, of mean losses of scores: what their interval is made of where one label is rare.

    Examples
    --------
    >>> found = Estimates(np.array([0.75, np.nan]), np.array([4, 0]), np.array([np.inf, np.inf]))
    >>> found.take([0]).value.tolist(), found.take([0]).n.tolist()
    ([0.75], [4])
    """

    value: Floats
    n: npt.NDArray[np.int64]
    df: Floats
    successes: Floats | None = None
    trials: Floats | None = None
    error: Floats | None = None
    influence: Floats | None = None
    slack: Floats | None = None
    parts: Parts | None = None
    components: Components | None = None
    labels: RareLabels | None = None

    def take(self, places: npt.ArrayLike) -> "Estimates":
        """Return the estimates at some places (cell-level influence is kept as it is)."""
        chosen = np.asarray(places, dtype=np.int64)
        columns: dict[str, Any] = {}
        for name, column in self._asdict().items():
            if name in _NESTED:
                columns[name] = None if column is None else column.take(chosen)
            elif column is not None and name != "influence":
                columns[name] = column[chosen]
        return self._replace(**columns)


def joined_estimates(parts: Sequence[Estimates]) -> Estimates:
    """Return estimates one after another; a field that only some of them have is 0 for the others.

    Examples
    --------
    >>> one = Estimates(np.array([0.5]), np.array([4]), np.array([np.inf]), error=np.array([0.1]))
    >>> joined = joined_estimates([one, one._replace(value=np.array([0.75]), error=None)])
    >>> joined.value.tolist(), joined.error.tolist()
    ([0.5, 0.75], [0.1, 0.0])
    """
    columns: dict[str, Any] = {}
    for name in Estimates._fields:
        given = [getattr(part, name) for part in parts]
        if all(column is None for column in given):
            columns[name] = None
        elif name == "influence":
            columns[name] = None if any(column is None for column in given) else np.stack(given)
        elif name == "components":
            columns[name] = joined_components(given, [len(part.value) for part in parts])
        elif name == "labels":
            held = [nothing_rare(len(p.value)) if p.labels is None else p.labels for p in parts]
            columns[name] = RareLabels(*(np.concatenate(fields) for fields in zip(*held, strict=True)))
        elif name == "parts":
            columns[name] = Parts(*(np.concatenate(fields) for fields in zip(*given, strict=True)))
        else:
            zeros = [
                np.zeros(len(part.value)) if column is None else column
                for part, column in zip(parts, given, strict=True)
            ]
            columns[name] = np.concatenate(zeros)
    return Estimates(**columns)
