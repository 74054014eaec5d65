"""What each feature contributes to the prediction of one row, against a background of other rows (Shapley values)."""

from collections.abc import Sequence
from math import factorial

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.inference.linearised import Place, bounds, mean, row
from audit.measurement import Measurement
from audit.seeds import seed_violations
from audit.splits.model_calls import Predict, feature_names, scores_of, take

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EXACT = 10
"""Up to so many features all subsets are tried; beyond, orders of features are drawn."""

BACKGROUND = 100
"""At most so many background rows, drawn at random."""

_CHUNK = 200_000


def contributions(
    predict: Predict,
    one: pd.DataFrame | Floats,
    background: pd.DataFrame | Floats,
    *,
    orders: int = 10,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return what each feature adds to the prediction of one row, compared with the mean prediction of other rows.

    Parameters
    ----------
    predict
        The model: one number per row.
    one
        The row: a DataFrame or array of one row.
    background
        Rows to compare with, of the same columns: who is meant by "usual" is the user's choice, and changes the answer.
    orders
        Orders of features that are drawn (with their reverses) for each background row, where there are more than
        `EXACT` features.
    level
        Confidence level, for each feature by itself.
    random_state
        Seed of the background rows and the orders.

    Returns
    -------
    tuple of Measurement
        `contribution` at its `feature`, largest in size first; then `prediction` (of the row) and `mean_prediction`
        (over the background). Contributions sum to prediction minus mean prediction. The interval (Student's t over
        background rows) says how sure the contribution is, given that the background stands for more rows like it, and
        includes the error of drawn orders.

    Notes
    -----
    Shapley values of the game v(S) = mean over background rows b of predict(x on S, b elsewhere): Lundberg & Lee 2017,
    arXiv:1705.07874; Strumbelj & Kononenko 2014, doi:10.1007/s10115-013-0679-x; the interventional game of Janzing,
    Minorics & Blobaum 2020, arXiv:1910.13413. Each term is a mean over b, so is each contribution. Orders are drawn
    with their reverses (Mitchell et al. 2022, arXiv:2104.12199); along an order the steps sum exactly. Rows are mixed
    from two, and may never occur; a contribution explains this model's answer, no cause.

    Raises
    ------
    InputError
        If the columns differ, there is not one row, predictions are not one number per row, or `random_state` is no
        seed.

    Examples
    --------
    2 x0 + 3 x1 at (1, 1) against the background (0, 0) and (0, 2): x0 adds 2, x1 adds 3 x (1 - 1) = 0.

    >>> rows = contributions(lambda z: 2 * z[:, 0] + 3 * z[:, 1], np.array([[1.0, 1.0]]), np.array([[0.0, 0], [0, 2]]))
    >>> [(dict(found.at).get("feature"), found.value) for found in rows]
    [('0', 2.0), ('1', 0.0), (None, 5.0), (None, 3.0)]
    """
    names = feature_names(background)
    raise_violations([*_violations(one, background, names, orders), *seed_violations(random_state)])
    rng = np.random.default_rng(random_state)
    some = take(background, np.sort(rng.permutation(len(background))[:BACKGROUND]))
    exact = len(names) <= EXACT
    found = _exact(predict, one, some) if exact else _drawn(predict, one, some, orders, rng)
    how = "shapley, exact" if exact else f"shapley, {2 * orders} orders per background row"
    rows = []
    for place, name in enumerate(names):
        estimate = mean(found[:, place])
        at = Place(at=(("feature", name),))
        rows.append(row("contribution", estimate, bounds(estimate, level=level), method=how, level=level, place=at))
    rows.sort(key=lambda each: -abs(each.value or 0.0))
    usual = mean(scores_of(predict, some))
    said = float(scores_of(predict, one)[0])
    return (
        *rows,
        Measurement(metric="prediction", value=said, n=1, method="count"),
        row("mean_prediction", usual, bounds(usual, level=level), method="mean_t", level=level),
    )


def _exact(predict: Predict, one: pd.DataFrame | Floats, background: pd.DataFrame | Floats) -> Floats:
    """Return the Shapley values against each background row, shape (n_background, n_features)."""
    size = len(feature_names(background))
    subsets = (np.arange(2**size)[:, None] >> np.arange(size)) & 1 == 1
    values = _mixed_scores(predict, one, background, subsets)
    members = subsets.sum(axis=1)
    weights = np.array([factorial(s) * factorial(size - s - 1) / factorial(size) for s in range(size)])
    found = np.empty((len(background), size))
    for place in range(size):
        without = np.flatnonzero(~subsets[:, place])
        steps = values[without | (1 << place)] - values[without]
        found[:, place] = weights[members[without]] @ steps
    return found


def _drawn(
    predict: Predict,
    one: pd.DataFrame | Floats,
    background: pd.DataFrame | Floats,
    orders: int,
    rng: np.random.Generator,
) -> Floats:
    """Return estimates against each background row: mean steps along drawn orders and their reverses."""
    size = len(feature_names(background))
    found = np.zeros((len(background), size))
    for place in range(len(background)):
        drawn = [rng.permutation(size) for _ in range(orders)]
        drawn += [order[::-1] for order in drawn]
        ranks = np.array([np.argsort(order) for order in drawn])
        masks = ranks[:, None, :] < np.arange(size + 1)[None, :, None]
        values = _mixed_scores(predict, one, take(background, [place]), masks.reshape(-1, size))
        steps = np.diff(values.reshape(len(drawn), size + 1), axis=1)
        found[place] = np.mean([step[rank] for step, rank in zip(steps, ranks, strict=True)], axis=0)
    return found


def _mixed_scores(
    predict: Predict, one: pd.DataFrame | Floats, background: pd.DataFrame | Floats, subsets: Flags
) -> Floats:
    """Return the prediction for each subset (features taken from the row) and background row."""
    many = len(background)
    step = max(1, _CHUNK // many)
    parts = [
        scores_of(predict, _mixed(one, background, subsets[start : start + step])).reshape(-1, many)
        for start in range(0, len(subsets), step)
    ]
    return np.concatenate(parts)


def _mixed(one: pd.DataFrame | Floats, background: pd.DataFrame | Floats, subsets: Flags) -> pd.DataFrame | Floats:
    many = len(background)
    own = np.repeat(subsets, many, axis=0)
    rows = np.tile(np.arange(many), len(subsets))
    if not isinstance(background, pd.DataFrame) or not isinstance(one, pd.DataFrame):
        return np.where(own, np.asarray(one), np.asarray(background)[rows])
    mixed = background.iloc[rows].reset_index(drop=True)
    for place in range(mixed.shape[1]):
        # The row stands first, so that places of one column hold either its value or the background's.
        both = pd.concat([one.iloc[:, place], background.iloc[:, place]], ignore_index=True)
        mixed.isetitem(place, both.array.take(np.where(own[:, place], 0, rows + 1)))
    return mixed


def _violations(
    one: pd.DataFrame | Floats, background: pd.DataFrame | Floats, names: Sequence[str], orders: int
) -> list[str]:
    violations = [] if len(one) == 1 else [f"one has {len(one)} rows; expected exactly one"]
    if feature_names(one) != list(names):
        violations.append(f"the row has the columns {feature_names(one)[:20]}, the background {list(names)[:20]}")
    if isinstance(one, pd.DataFrame) != isinstance(background, pd.DataFrame):
        violations.append("the row and the background are of two types; pass two DataFrames or two arrays")
    if not len(background):
        violations.append("the background has no rows; pass some to compare with")
    if orders < 1:
        violations.append(f"orders must be at least 1; got {orders}")
    return violations
