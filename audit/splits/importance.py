"""Permutation importance on held-out rows: how much worse a model gets when it may no longer read a feature."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.inference.linearised import Linearised, Place, bounds, row
from audit.measurement import EVERYONE, Measurement, Slice, as_slice
from audit.seeds import seed_violations
from audit.splits.model_calls import Predict, feature_names, scores_of, take
from audit.values import canonical

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
LossName = Literal["log_loss", "squared_error", "absolute_error", "zero_one"]

FEWEST = 30
"""Groups with fewer rows are not measured: shuffling a handful of values says little."""


def _log_loss(y: Floats, score: Floats) -> Floats:
    safe = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-(y * np.log(safe) + (1 - y) * np.log1p(-safe)), dtype=np.float64)


def _zero_one(y: Floats, score: Floats) -> Floats:
    return np.asarray((score >= 0.5) != (y == 1), dtype=np.float64)


LOSSES: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {
        "log_loss": _log_loss,
        "squared_error": lambda y, score: (y - score) ** 2,
        "absolute_error": lambda y, score: np.abs(y - score),
        "zero_one": _zero_one,
    }
)
"""Loss of each row by name; log loss and zero-one take probabilities of label 1."""


def permutation_importance(  # noqa: PLR0913 - the one door to it: each way of measuring is named here
    predict: Predict,
    x: pd.DataFrame | Floats,
    y: npt.ArrayLike,
    *,
    loss: LossName = "log_loss",
    columns: Mapping[str, Sequence[str]] | None = None,
    by: Mapping[str, npt.ArrayLike] | None = None,
    cluster: Codes | None = None,
    repeats: int = 5,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return by how much the mean loss rises when columns are shuffled among the rows.

    Parameters
    ----------
    predict
        The model: one score per row of what it is given, of the type of `x`. Called with held-out rows only.
    x
        Held-out rows: a DataFrame, or an array of shape (n_rows, n_features) (features are then called "0", "1", ...).
    y
        Their labels (0 or 1) or numbers, shape (n_rows,).
    loss
        "log_loss", "squared_error" (for probabilities: the Brier score), "absolute_error", "zero_one".
    columns
        Columns that are shuffled together, by the name of the group: ``{"address": ["city", "zip"]}``. None = each
        alone. Columns that say the same must go together: alone each looks needless.
    by
        Sensitive features: each group of at least `FEWEST` rows is measured among its own rows.
    cluster
        Which rows belong together, as integers; intervals then allow for it.
    repeats
        How often each is shuffled.
    level
        Confidence level; rows of one slice are simultaneous (Bonferroni).
    random_state
        Seed of the shuffling.

    Returns
    -------
    tuple of Measurement
        `permutation_importance` at its `feature`, in units of the loss, largest first; 0 where the model does not use
        it, below 0 where it does better without. It says what this model uses, not what causes anything.

    Notes
    -----
    Breiman 2001, doi:10.1023/A:1010933404324; Fisher, Rudin & Dominici 2019, arXiv:1801.01489. With d_ij the rise of
    the loss of row i when it gets the value of row j, the estimate is a mean of d over pairs, and row i takes part in
    it twice: its influence is that of its own losses and of those that its value causes in others. Shuffled rows may be
    ones that never occur (a pregnant man); `audit.splits.partial_dependence` says which features move together.

    Raises
    ------
    InputError
        If lengths differ, names are unknown, labels are missing, the predictions are not one number per row, or
        `random_state` is no seed.

    Examples
    --------
    A model that reads its first column only; shuffling the second changes nothing.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> rows = permutation_importance(lambda z: z[:, 0], x, x[:, 0], loss="squared_error")
    >>> [(dict(found.at)["feature"], round(found.value, 1)) for found in rows]  # 2 x the variance, and 0
    [('0', 1.9), ('1', 0.0)]
    """
    frame = x if isinstance(x, pd.DataFrame) else np.asarray(x, dtype=np.float64)
    labels = np.asarray(y, dtype=np.float64)
    names = feature_names(frame)
    asked: Mapping[str, Sequence[str]] = {name: [name] for name in names} if columns is None else columns
    raise_violations(
        [*_violations(frame, labels, names, asked, by or {}, cluster, repeats), *seed_violations(random_state)]
    )
    rng = np.random.default_rng(random_state)
    rows: list[Measurement] = []
    for who, inside in _slices(by or {}, len(labels)):
        here, rights = take(frame, inside), labels[inside]
        lost = LOSSES[loss](rights, scores_of(predict, here))
        whose = None if cluster is None else np.asarray(cluster)[inside]
        found = []
        for name, together in asked.items():
            places = [names.index(each) for each in together]
            orders = [rng.permutation(len(inside)) for _ in range(repeats)]
            scores = [scores_of(predict, _shuffled(here, places, order)) for order in orders]
            rises = np.array([LOSSES[loss](rights, score) - lost for score in scores])
            found.append((name, rise_of(rises, np.array(orders), cluster=whose)))
        rows += _rows(found, who, loss, level)
    return tuple(rows)


def rise_of(rises: Floats, orders: Codes, *, cluster: Codes | None = None) -> Linearised:
    """Return the mean rise of the loss, each row's influence counted as a receiver and as a giver of values.

    Parameters
    ----------
    rises
        Rise of each row's loss, shape (n_repeats, n_rows).
    orders
        Which row's value it was given, shape (n_repeats, n_rows).
    cluster
        Which rows belong together.

    Examples
    --------
    Two rows exchange their values once.

    >>> found = rise_of(np.array([[1.0, 3.0]]), np.array([[1, 0]]))
    >>> found.value, found.influence.round(3).tolist()  # each gives what the other receives
    (2.0, [0.0, 0.0])
    """
    repeats, n = rises.shape
    value = float(rises.mean())
    received = rises.mean(axis=0)
    given = np.bincount(orders.ravel(), weights=rises.ravel(), minlength=n) / repeats
    units = n if cluster is None else len(np.unique(cluster))
    scale = np.sqrt(units / (units - 1)) if units > 1 else np.nan
    return Linearised(value, (received + given - 2 * value) * scale / n, n, units, float(units - 1), cluster)


def _rows(found: Sequence[tuple[str, Linearised]], who: Slice, loss: str, level: float) -> list[Measurement]:
    many = len(found)
    told = f", simultaneous over {many}" if many > 1 else ""
    rows = []
    for name, rise in sorted(found, key=lambda each: -each[1].value):
        robust = "" if rise.cluster is None else ", cluster-robust"
        place = Place(at=(("feature", name),), slice=who)
        interval = bounds(rise, level=level, comparisons=many)
        how = f"paired_t, {loss}{robust}{told}"
        rows.append(row("permutation_importance", rise, interval, method=how, level=level, place=place))
    return rows


def _shuffled(x: pd.DataFrame | Floats, places: Sequence[int], order: Codes) -> pd.DataFrame | Floats:
    changed = x.copy()
    for place in places:
        if isinstance(changed, pd.DataFrame):
            changed.isetitem(place, changed.iloc[:, place].array.take(order))
        else:
            changed[:, place] = changed[order, place]
    return changed


def _slices(by: Mapping[str, npt.ArrayLike], n: int) -> list[tuple[Slice, Codes]]:
    found: list[tuple[Slice, Codes]] = [(EVERYONE, np.arange(n))]
    for name, column in by.items():
        values = np.array([canonical(value) for value in np.asarray(column, dtype=object).tolist()], dtype=object)
        for value in sorted({each for each in values.tolist() if each is not None}):
            inside = np.flatnonzero(values == value)
            if len(inside) >= FEWEST:
                found.append((as_slice({name: value}), inside))
    return found


def _violations(
    x: pd.DataFrame | Floats,
    y: Floats,
    names: Sequence[str],
    asked: Mapping[str, Sequence[str]],
    by: Mapping[str, npt.ArrayLike],
    cluster: Codes | None,
    repeats: int,
) -> list[str]:
    violations = [] if names else [f"x has shape {np.shape(x)}; expected rows and features"]
    lengths = {"y": len(y), **{f"by[{name!r}]": len(np.asarray(column)) for name, column in by.items()}}
    lengths |= {} if cluster is None else {"cluster": len(cluster)}
    violations += [f"{name} has {n} rows, x {len(x)}; give as many" for name, n in lengths.items() if n != len(x)]
    if len(x) < 2:
        violations.append(f"x has {len(x)} rows; shuffling needs at least 2")
    if gone := int((~np.isfinite(y)).sum()):
        violations.append(f"y is missing or infinite in {gone} rows; leave these rows out")
    for name, together in asked.items():
        if unknown := sorted(set(together) - set(names)):
            violations.append(f"columns of {name!r} are unknown: {unknown}; x has {list(names)[:20]}")
    if repeats < 1:
        violations.append(f"repeats must be at least 1; got {repeats}")
    return violations
