"""Partial dependence as tables: what a model says on average, and for how differently many, when one feature is set."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom, rankdata

from audit.errors import raise_violations
from audit.inference.linearised import Place, bounds, mean, row
from audit.measurement import Measurement
from audit.seeds import seed_violations
from audit.splits.model_calls import Predict, feature_names, scores_of, take
from audit.values import canonical

Floats = npt.NDArray[np.float64]

ROWS = 1_000
"""At most so many rows are set to each value, drawn at random."""

POINTS = 12
QUANTILES = (10, 50, 90)
"""Percent: a tenth of the rows lies below the first, half below the second, a tenth above the last."""

MOVES_TOGETHER = 0.5
"""From this rank correlation on with another feature, rows that do not occur are warned of."""


def partial_dependence(
    predict: Predict,
    x: pd.DataFrame | Floats,
    feature: str,
    *,
    values: Sequence[object] | None = None,
    cluster: npt.NDArray[np.int64] | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return what the model says when a feature is set to one value after the other in every row.

    Parameters
    ----------
    predict
        The model: one number per row.
    x
        Rows to set the feature in (held-out ones): a DataFrame or an array.
    feature
        The column; of an array its place as text.
    values
        The values; None = `POINTS` quantiles of a number, all categories of a text (at most 30, the commonest).
    cluster
        Which rows belong together, as integers.
    level
        Confidence level, for each value by itself.
    random_state
        Seed of the rows that are drawn where there are more than `ROWS`.

    Returns
    -------
    tuple of Measurement
        At each value (``at`` `bin` and `feature`): `partial_dependence`, the mean prediction over the rows, with
        Student's t over the rows; and `conditional_expectation_quantile` at `k` = 10, 50 and 90 percent, quantiles of
        the rows' own curves (ICE) with distribution-free bounds: where they fan out, the mean hides that the feature
        works differently for different rows. `reason` warns where the feature moves with another (rank correlation):
        then many of these rows never occur, and the model extrapolates.

    Notes
    -----
    Friedman 2001, doi:10.1214/aos/1013203451, section 8.2; individual curves: Goldstein et al. 2015,
    doi:10.1080/10618600.2014.907095. It describes the model, not the world.

    Raises
    ------
    InputError
        If the feature is unknown, has no values, predictions are not one number per row, or `random_state` is no seed.

    Examples
    --------
    >>> rows = partial_dependence(lambda z: 2 * z[:, 0] + z[:, 1], np.array([[1.0, 0.0], [3.0, 4.0]]), "0", values=[5])
    >>> [(found.metric, dict(found.at).get("k"), found.value) for found in rows][:2]
    [('partial_dependence', None, 12.0), ('conditional_expectation_quantile', 10, 10.0)]
    """
    names = feature_names(x)
    unknown = [] if feature in names else [f"feature {feature!r} is unknown; x has {names[:20]}"]
    raise_violations([*unknown, *seed_violations(random_state)])
    place = names.index(feature)
    chosen = list(values) if values is not None else _values(x, place)
    raise_violations([] if chosen else [f"feature {feature!r} has no values; name some"])
    rows_of = np.arange(len(x))
    if len(x) > ROWS:
        rows_of = np.sort(np.random.default_rng(random_state).permutation(len(x))[:ROWS])
    some = take(x, rows_of)
    whose = None if cluster is None else np.asarray(cluster)[rows_of]
    caution = extrapolation_caution(x, feature)
    rows: list[Measurement] = []
    for value in chosen:
        scores = scores_of(predict, _set(some, place, value))
        at = (("bin", _bin(value)), ("feature", feature))
        found = mean(scores, cluster=whose)
        interval = bounds(found, level=level)
        place_of = Place(at=at)
        how = "mean_t"
        rows.append(row("partial_dependence", found, interval, method=how, level=level, place=place_of, reason=caution))
        rows += [_quantile_row(scores, percent, at, level) for percent in QUANTILES]
    return tuple(rows)


def extrapolation_caution(x: pd.DataFrame | Floats, feature: str) -> str | None:
    """Return a warning where a feature moves with another one (rank correlation of numbers); None where it does not.

    Examples
    --------
    >>> x = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "experience": [0.0, 1.0, 2.0, 3.0]})
    >>> extrapolation_caution(x, "age")
    'moves with experience (rank correlation 1.00): many rows made here never occur'
    """
    numbers = {name: _numbers(x, place) for place, name in enumerate(feature_names(x))}
    own = numbers.get(feature)
    if own is None:
        return None
    found = [
        (abs(correlation), correlation, name)
        for name, other in numbers.items()
        if name != feature and other is not None and np.isfinite(correlation := _rank_correlation(own, other))
    ]
    size, correlation, name = max(found, default=(0.0, 0.0, ""))
    if size < MOVES_TOGETHER:
        return None
    return f"moves with {name} (rank correlation {correlation:.2f}): many rows made here never occur"


def _quantile_row(scores: Floats, percent: int, at: tuple[tuple[str, str | float], ...], level: float) -> Measurement:
    """Return a quantile of the rows' predictions; its bounds are the order statistics that binomial counts allow."""
    ordered, n, share = np.sort(scores), len(scores), percent / 100
    places = binom.ppf([(1 - level) / 2, (1 + level) / 2], n, share).astype(int)
    low, high = (float(ordered[int(place)]) if 0 <= place < n else None for place in (places[0] - 1, places[1]))
    reason = None if None not in (low, high) else "unbounded on one side: too few rows beyond the quantile"
    return Measurement(
        metric="conditional_expectation_quantile", at=tuple(sorted((*at, ("k", percent)))), n=n, level=level,
        value=float(np.quantile(ordered, share, method="inverted_cdf")), low=low, high=high,
        method="order_statistics", reason=reason,
    )  # fmt: skip


def _values(x: pd.DataFrame | Floats, place: int) -> list[object]:
    numbers = _numbers(x, place)
    if numbers is not None:
        known = numbers[np.isfinite(numbers)]
        if not len(known):
            return []
        points = np.quantile(known, np.linspace(0.02, 0.98, POINTS), method="nearest")
        return list(dict.fromkeys(points.tolist()))
    counts = x.iloc[:, place].value_counts() if isinstance(x, pd.DataFrame) else pd.Series(dtype=int)
    return list(counts.index[:30])


def _set(x: pd.DataFrame | Floats, place: int, value: object) -> pd.DataFrame | Floats:
    changed = x.copy()
    if isinstance(changed, pd.DataFrame):
        filled = pd.array([value] * len(changed))
        changed.isetitem(place, filled.astype(np.float64) if _is_number(value) else filled)
        return changed
    changed[:, place] = float(str(value))
    return changed


def _numbers(x: pd.DataFrame | Floats, place: int) -> Floats | None:
    if not isinstance(x, pd.DataFrame):
        return np.asarray(x[:, place], dtype=np.float64)
    column = x.iloc[:, place]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return None


def _rank_correlation(one: Floats, other: Floats) -> float:
    known = np.isfinite(one) & np.isfinite(other)
    ranks = [rankdata(values[known]) for values in (one, other)]
    if known.sum() < 3 or min(np.ptp(each) for each in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _bin(value: object) -> str | float:
    return float(str(value)) if _is_number(value) else canonical(value) or "(missing)"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
