"""Whether harms fall on the least powerful and benefits go to the well-off: concentration over an ordered feature.

People stand in the order that the user states, from the least to the most powerful. The concentration curve plots the
share of all harms that the lowest share of people bears; the concentration index is twice the area between it and the
line of equality.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.estimates import design, spread
from audit.inference import intervals
from audit.inference.intervals import Interval
from audit.measurement import Measurement
from audit.rollup import Cells, Floats, Partition, cells_of, partition
from audit.rows import Row, measurement
from audit.scores.outcome_means import EXCLUDED, effective_trials
from audit.spreads import few_units
from audit.tally import Codes, Tally

Outcome = Literal["true_positive", "false_positive", "false_negative", "true_negative"]
OUTCOMES: tuple[Outcome, ...] = ("true_positive", "false_positive", "false_negative", "true_negative")
"""In the order of `audit.rollup.Cells.quadrant`."""

_MOST = 5
"""Most effective trials per row: where most people are affected, the index varies less than their number says."""


class Concentrated(NamedTuple):
    """How an amount (of harm, of benefit) is spread over ordered groups; arrays of shape (n_groups + 1,).

    `value`, the index, lies in [-1, 1]: negative where the amount falls on the first groups. `people` and `amount` are
    cumulative shares from 0 to 1, `curve` the intervals of the latter. `n` counts labelled rows, `affected` those that
    bear any amount.

    Examples
    --------
    >>> ends = np.array([0.0, 1.0])
    >>> Concentrated(0.0, -0.2, 0.2, 90, 12, ends, ends, Interval(ends, ends)).affected
    12
    """

    value: float
    low: float
    high: float
    n: int
    affected: int
    people: Floats
    amount: Floats
    curve: Interval


def concentration(
    tally: Tally, feature: str, order: Sequence[str], amounts: Mapping[Outcome, float], *, level: float = 0.95
) -> Concentrated:
    r"""Return the concentration of an amount over the groups of an ordered feature, with its interval.

    Parameters
    ----------
    tally
        A tally with labels and decisions.
    feature
        The ordered feature.
    order
        Its groups, from the least to the most powerful; all that occur. Rows without a value take no part.
    amounts
        How much of it each outcome is: ``{"false_positive": 1}``; amounts of 0 and more.
    level
        Confidence level.

    Returns
    -------
    Concentrated
        The index is NaN where nobody bears any amount.

    Raises
    ------
    InputError
        If the feature or an outcome is unknown, the order leaves out groups or names unknown ones or one twice, or an
        amount is negative, infinite, or all are 0: every violation at once.

    Notes
    -----
    With shares f_g of people and h_g of the amount, and the rank R_g = f_1 + ... + f_(g-1) + f_g / 2 of a group's
    middle, C = 2 sum_g h_g R_g - 1: N. Kakwani, A. Wagstaff and E. van Doorslaer (1997), Socioeconomic inequalities in
    health: measurement, computation, and statistical inference, Journal of Econometrics 77, 87-103,
    doi:10.1016/S0304-4076(96)01807-6, eq. 3. Between groups the index cannot see what happens within one, so it stays
    within (f_1 - 1, 1 - f_k). Its variance is theirs (eq. 14), written as the linearised variance of a function of
    counts, so that weights and clusters enter. C is the mean of 2 R_g - 1 over those affected: the interval is that of
    `audit.scores.outcome_means.mean_interval` with as many trials as that variance stands for, and c^2 added harms
    spread as people are. We depart there: the normal interval knows nothing of groups in which no harm was seen yet.

    Examples
    --------
    Two groups of 10; the poorer bears all 4 harms: C = 2 * 1/4 - 1.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [0] * 20, "p": [1] * 4 + [0] * 16, "income": ["low"] * 10 + ["high"] * 10})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["income"]))
    >>> found = concentration(tally, "income", ["low", "high"], {"false_positive": 1})
    >>> found.value, found.affected, found.amount.tolist()
    (-0.5, 4, [0.0, 1.0, 1.0])
    """
    cells = cells_of(tally)
    raise_violations(_violations(cells, feature, order, amounts, level))
    groups = partition(cells, [feature])
    place = np.array([order.index(str(group[0])) if group[0] is not None else EXCLUDED for group in groups.groups])
    rank = place[groups.member]
    worth = np.array([*(float(amounts.get(name, 0.0)) for name in OUTCOMES), 0.0, 0.0])[cells.quadrant]
    inside = (rank != EXCLUDED) & (cells.quadrant < len(OUTCOMES))
    return _concentrated(cells, np.where(inside, rank, 0), np.where(inside, worth, 0.0), inside, len(order), level)


def concentration_rows(
    tally: Tally,
    feature: str,
    order: Sequence[str],
    *,
    harms: Mapping[Outcome, float],
    benefits: Mapping[Outcome, float],
    level: float = 0.95,
) -> tuple[Measurement, ...]:
    """Return harms and benefits side by side: their indices and their concentration curves.

    Rows are ``harm_concentration_index`` and ``benefit_concentration_index`` (`at` the feature; in [-1, 1], negative =
    concentrated among the first groups of the order) and, at the feature and at k = 1, 2, ... groups from the first,
    ``people_cumulative_share``, ``harm_cumulative_share`` and ``benefit_cumulative_share``.

    Parameters
    ----------
    tally, feature, order, level
        As in `concentration`.
    harms, benefits
        Amounts by outcome.

    Raises
    ------
    InputError
        As `concentration`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [0, 1] * 10, "p": [1] * 4 + [0] * 16, "income": ["low"] * 10 + ["high"] * 10})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["income"]))
    >>> rows = concentration_rows(tally, "income", ["low", "high"], harms={"false_negative": 1},
    ...                           benefits={"true_positive": 1})
    >>> [(row.metric, row.value, row.n) for row in rows if row.metric.endswith("index")]
    [('harm_concentration_index', 0.125, 8), ('benefit_concentration_index', -0.5, 2)]
    """
    rows: list[Measurement] = []
    suffix = design(cells_of(tally))
    for name, amounts in (("harm", harms), ("benefit", benefits)):
        found = concentration(tally, feature, order, amounts, level=level)
        none = f"no row bears any {name}"
        index = Row(f"{name}_concentration_index", (), None, level)
        shown = measurement(index, value=found.value, low=found.low, high=found.high, n=found.affected,
                            method=f"kakwani{suffix}", reason=none if not found.affected else None)  # fmt: skip
        rows.append(replace(shown, at=(("feature", feature),)))
        if not rows[1:]:
            rows += _curve_rows("people", feature, found.people, None, found.n, level)
        rows += _curve_rows(name, feature, found.amount, found.curve, found.affected, level, suffix)
    return tuple(rows)


def _curve_rows(
    name: str, feature: str, shares: Floats, bounds: Interval | None, n: int, level: float, suffix: str = ""
) -> list[Measurement]:
    rows = []
    for k, share in enumerate(shares.tolist()):
        if not k:
            continue
        row = Row(f"{name}_cumulative_share", (), None, level)
        low, high = (np.nan, np.nan) if bounds is None else (float(bounds.low[k]), float(bounds.high[k]))
        shown = measurement(row, value=share, low=low, high=high, n=n, method=f"rate_interval{suffix}",
                            reason=None if n else f"no row bears any {name}")  # fmt: skip
        if bounds is None:
            shown = replace(shown, level=None, method="count", reason=None)
        rows.append(replace(shown, at=(("feature", feature), ("k", k))))
    return rows


def _concentrated(
    cells: Cells, rank: Codes, worth: Floats, inside: npt.NDArray[np.bool_], groups: int, level: float
) -> Concentrated:
    people = np.bincount(rank, weights=np.where(inside, cells.w, 0.0), minlength=groups)
    amount = np.bincount(rank, weights=cells.w * worth, minlength=groups)
    n, affected = int(cells.n[inside].sum()), int(cells.n[inside & (worth > 0)].sum())
    total, harm = people.sum(), amount.sum()
    if not harm > 0:
        empty = np.full(groups + 1, np.nan)
        shares = np.append(0.0, np.cumsum(people / total)) if total > 0 else empty
        return Concentrated(np.nan, np.nan, np.nan, n, 0, shares, empty, Interval(empty, empty))
    f, h = people / total, amount / harm
    middle = np.cumsum(f) - f / 2
    index = float(2 * h @ middle - 1)
    after = 1 - np.cumsum(h) + h / 2  # the share of the amount that stands above a person of the group
    pull = np.where(inside, after[rank] - h @ middle, 0.0) / total
    influence = 2 * (worth / harm * (middle[rank] - h @ middle) + pull)
    bounds = _mean_bounds(cells, worth, influence, 2 * middle - 1, (f, h), level)
    curve = _curve_bounds(cells, rank, worth, (f, h), level)
    return Concentrated(index, *bounds, n, affected, np.append(0.0, np.cumsum(f)), np.append(0.0, np.cumsum(h)), curve)


def _mean_bounds(
    cells: Cells, worth: Floats, influence: Floats, values: Floats, shares: tuple[Floats, Floats], level: float
) -> tuple[float, float]:
    """Return the interval of a mean of values over the amount, with c^2 added that is spread as people are."""
    people, share = shares
    everyone = Partition((), ((),), np.zeros(len(cells.n), dtype=np.int64))
    kish, df = _freedom(cells, everyone, worth)
    variance = spread(cells, everyone, influence) * (1.0 if cells.plain else float(few_units(np.asarray(df))))
    mean = share @ values
    floor = people @ values**2 - (people @ values) ** 2
    single = share @ values**2 - mean**2
    trials = (
        float(effective_trials([single], variance, [kish], [_MOST * cells.n.sum()])[0])
        if single > 1e-9 * floor
        else kish
    )
    critical = float(intervals.quantile(level, df=df))
    shrunk = (trials * share + critical**2 * people) / (trials + critical**2)
    centre = shrunk @ values
    half = critical * np.sqrt(max(float(shrunk @ values**2 - centre**2), 0.0) / (trials + critical**2))
    return float(max(min(centre - half, mean), values.min())), float(min(max(centre + half, mean), values.max()))


def _curve_bounds(cells: Cells, rank: Codes, worth: Floats, shares: tuple[Floats, Floats], level: float) -> Interval:
    """Return the interval of each cumulative share of the amount, pointwise: that of a rate with effective trials."""
    groups, share = len(shares[0]), shares[1]
    harm = cells.w @ worth
    everyone = Partition((), ((),), np.zeros(len(cells.n), dtype=np.int64))
    kish, df = _freedom(cells, everyone, worth)
    inner = np.cumsum(share)[:-1]
    trials = np.empty(groups - 1)
    for k in range(groups - 1):
        influence = worth / harm * ((rank <= k) - inner[k])
        variance = spread(cells, everyone, influence) * (1.0 if cells.plain else float(few_units(np.asarray(df))))
        trials[k] = effective_trials([inner[k] * (1 - inner[k])], variance, [kish], [cells.n.sum()])[0]
    found = intervals.rate((inner * trials).round(9), trials.round(9), level=level, df=None if cells.plain else df)
    ends = ((0.0, *side.tolist(), 1.0) for side in found)
    low, high = (np.array(side) for side in ends)
    return Interval(low, high)


def _freedom(cells: Cells, everyone: Partition, worth: Floats) -> tuple[float, float]:
    """Return Kish's effective number of those affected, and the degrees of freedom."""
    kish = float(cells.w @ worth) ** 2 / max(float(spread(cells, everyone, worth)[0]), 1e-300)
    return kish, np.inf if cells.plain else max(kish - 1.0, 0.0)


def _violations(
    cells: Cells, feature: str, order: Sequence[str], amounts: Mapping[Outcome, float], level: float
) -> list[str]:
    if feature not in cells.features:
        return [f"unknown feature {feature!r}; the tally has {list(cells.features)}"]
    if len(cells.quadrant) and cells.quadrant.min() < 0:
        return ["concentration needs one of two labels and a decision for every row"]
    known = [value for value in cells.features[feature][1] if value is not None]
    violations = [f"group {group!r} of {feature!r} has no place in the order; name every group once, from the least "
                  f"to the most powerful" for group in known if group not in order]  # fmt: skip
    violations += [f"the order names {group!r}, which {feature!r} does not hold; it holds {known[:20]}"
                   for group in order if group not in known]  # fmt: skip
    violations += [f"the order names {group!r} twice" for group in dict.fromkeys(order) if order.count(group) > 1]
    violations += [f"unknown outcome {name!r}; expected some of {list(OUTCOMES)}" for name in amounts
                   if name not in OUTCOMES]  # fmt: skip
    violations += [f"the amount of {name} must be a finite number of at least 0; got {value!r}"
                   for name, value in amounts.items() if not (0 <= value < np.inf)]  # fmt: skip
    if not any(amounts.values()):
        violations.append("every amount is 0; say which outcomes are a harm (or a benefit)")
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    return violations
