"""Lending under three aims, and what becomes of borrowers' scores: the delayed impact of fair machine learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from audit.errors import raise_violations
from monitors.simulators.checks import not_shares
from monitors.simulators.fico import HIGHEST, LOWEST, Array, CreditGroup, CreditTables

Aim = Literal["max_profit", "demographic_parity", "equal_opportunity"]
AIMS: tuple[Aim, ...] = ("max_profit", "demographic_parity", "equal_opportunity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What loans bring.

    Parameters
    ----------
    ratio
        What a default costs by what a repaid loan earns; negative. A loan pays where the chance of repaying exceeds
        ``ratio / (ratio - 1)``.
    repaid, defaulted
        Change of the score after either; scores stay between 300 and 850.

    Examples
    --------
    >>> Terms().break_even
    0.8
    """

    ratio: float = -4.0
    repaid: float = 75.0
    defaulted: float = -150.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If the ratio is not negative.
        """
        fine = -np.inf < self.ratio < 0
        raise_violations([] if fine else [f"ratio must be a negative number (a default is a loss); got {self.ratio}"])

    @property
    def break_even(self) -> float:
        """Chance of repaying at which a loan neither earns nor loses."""
        return self.ratio / (self.ratio - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome:
    """What a policy does to one group.

    Parameters
    ----------
    threshold
        Score from which loans are granted; between two scores where, at the lower one, only a part is granted.
    selection_rate
        Share of the group with a loan.
    true_positive_rate
        Share with a loan of those who would repay.
    score_change
        Mean change of the score over the whole group (0 for those without a loan), in points.
    profit
        Mean of (chance of repaying - break-even) over the loans granted, per person of the group.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> policy = credit_policy(example_tables(), ("A", "B"), "demographic_parity")
    >>> [round(group.selection_rate, 3) for group in policy.groups.values()]
    [0.425, 0.425]
    """

    threshold: float
    selection_rate: float
    true_positive_rate: float
    score_change: float
    profit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPolicy:
    """The policy of largest profit under an aim.

    Parameters
    ----------
    aim
        "max_profit", "demographic_parity" (equal selection rates), "equal_opportunity" (equal true positive rates).
    groups
        What it does to each group.
    profit
        Mean over all groups, by their sizes.
    granted
        Chance of a loan at each score by group, shape (scores,).

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> credit_policy(example_tables(), ("A", "B"), "max_profit").groups["A"].threshold
    650.0
    """

    aim: Aim
    groups: Mapping[str, GroupOutcome]
    profit: float
    granted: Mapping[str, Array]


def credit_policy(
    tables: CreditTables,
    names: tuple[str, ...],
    aim: Aim,
    *,
    terms: Terms | None = None,
    rate: float | None = None,
) -> CreditPolicy:
    """Return the policy of largest profit under an aim.

    Profit is sum over groups of size * sum over scores of share * granted * (repay - break-even). Under a common rate
    (of selection, or of true positives) it is piecewise linear in that rate, with its corners where some group's
    threshold passes a score: the largest value is found exactly, at a corner.

    Source: Liu, Dean, Rolf, Simchowitz and Hardt, Delayed impact of fair machine learning, ICML 2018 (arXiv
    1803.04383), section 6; their search stops at a tolerance.

    Parameters
    ----------
    tables
        The scores (`monitors.simulators.fico`).
    names
        The groups that are lent to.
    aim
        Which policy.
    terms
        What loans bring; None for those of the source.
    rate
        The common rate, in [0, 1], in place of the one of largest profit; for the two aims that have one.

    Raises
    ------
    InputError
        If groups are not in the tables, the aim is none of the three, or the rate is no share.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> policy = credit_policy(example_tables(), ("A", "B"), "equal_opportunity")
    >>> [round(group.true_positive_rate, 3) for group in policy.groups.values()]
    [0.595, 0.595]
    """
    _check(tables, names, aim, rate)
    terms = terms or Terms()
    groups = {name: tables.groups[name] for name in names}
    if aim == "max_profit":
        granted = {name: (group.repay > terms.break_even).astype(np.float64) for name, group in groups.items()}
    else:
        weights = {name: _rate_weights(group, aim) for name, group in groups.items()}
        common = _best_rate(groups, weights, terms) if rate is None else rate
        granted = {name: granted_at(weights[name], common) for name in names}
    outcomes = {name: outcome_for(tables, groups[name], granted[name], terms) for name in names}
    total = sum(group.size for group in groups.values())
    return CreditPolicy(
        aim=aim,
        groups=MappingProxyType(outcomes),
        profit=sum(groups[name].size * outcomes[name].profit for name in names) / total,
        granted=MappingProxyType(granted),
    )


def granted_at(weights: Array, rate: float) -> Array:
    """Return the chance of a loan at each score for the highest scores that together weigh as much as a rate.

    Parameters
    ----------
    weights
        Weight of each score, from the lowest, shape (scores,), adding up to 1.
    rate
        In [0, 1].

    Examples
    --------
    >>> granted_at(np.array([0.5, 0.25, 0.25]), 0.5).tolist()
    [0.0, 1.0, 1.0]
    >>> granted_at(np.array([0.5, 0.25, 0.25]), 0.625).tolist()
    [0.25, 1.0, 1.0]
    """
    above = weights[::-1].cumsum()[::-1] - weights
    part = np.divide(rate - above, weights, out=(above < rate).astype(np.float64), where=weights > 0)
    # Sums of shares are off by some 1e-16: a score that is granted to but for that is granted to.
    part = np.where(np.abs(part - np.round(part)) < 1e-9, np.round(part), part)
    return np.asarray(np.clip(part, 0.0, 1.0))


def expected_change(tables: CreditTables, group: CreditGroup, terms: Terms) -> Array:
    """Return the mean change of the score of a borrower at each score, shape (scores,).

    repay * repaid + (1 - repay) * defaulted, cut where the score would leave [300, 850]: the mean is cut, as in the
    source's code, not each of the two changes.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> tables = example_tables()
    >>> expected_change(tables, tables.groups["A"], Terms())[[0, -1]].tolist()
    [0.0, 0.0]
    """
    change = group.repay * terms.repaid + (1 - group.repay) * terms.defaulted
    return np.asarray(np.clip(tables.scores + change, LOWEST, HIGHEST) - tables.scores)


def outcome_for(tables: CreditTables, group: CreditGroup, granted: Array, terms: Terms) -> GroupOutcome:
    """Return what granting does to a group.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> tables = example_tables()
    >>> nothing = outcome_for(tables, tables.groups["A"], np.zeros(56), Terms())
    >>> nothing.selection_rate, nothing.score_change, nothing.threshold
    (0.0, 0.0, inf)
    """
    lent = group.shares * granted
    return GroupOutcome(
        threshold=_threshold(tables.scores, granted),
        selection_rate=float(lent.sum()),
        true_positive_rate=float(lent @ group.repay) / group.repaid,
        score_change=float(lent @ expected_change(tables, group, terms)),
        profit=float(lent @ (group.repay - terms.break_even)),
    )


def _check(tables: CreditTables, names: tuple[str, ...], aim: Aim, rate: float | None) -> None:
    unknown = [name for name in names if name not in tables.groups]
    violations = [f"group {name!r} is not in the tables; expected one of {sorted(tables.groups)}" for name in unknown]
    if not names:
        violations.append("names holds no group; name at least one")
    if aim not in AIMS:
        violations.append(f"aim must be one of {', '.join(AIMS)}; got {aim!r}")
    if rate is not None:
        violations += not_shares(rate=rate)
        violations += ["max_profit has no common rate; leave rate out"] if aim == "max_profit" else []
    raise_violations(violations)


def _rate_weights(group: CreditGroup, aim: Aim) -> Array:
    """Return what each score adds to the rate that is to be common."""
    return group.shares if aim == "demographic_parity" else group.shares * group.repay / group.repaid


def _best_rate(groups: Mapping[str, CreditGroup], weights: Mapping[str, Array], terms: Terms) -> float:
    corners = [weight[::-1].cumsum() for weight in weights.values()]
    rates = np.unique(np.clip(np.concatenate([[0.0], *corners]), 0.0, 1.0))
    profits = np.zeros(rates.size)
    for name, group in groups.items():
        worth = group.shares * (group.repay - terms.break_even)
        by_corner = np.concatenate([[0.0], worth[::-1].cumsum()])
        profits += group.size * np.interp(rates, np.concatenate([[0.0], weights[name][::-1].cumsum()]), by_corner)
    return float(rates[profits.argmax()])


def _threshold(scores: Array, granted: Array) -> float:
    """Return the lowest score with loans, moved towards the next one by the part of it without."""
    given = np.flatnonzero(granted > 0)
    if not given.size:
        return float("inf")
    first = int(given[0])
    following = min(first + 1, scores.size - 1)
    return float(scores[first] + (1 - granted[first]) * (scores[following] - scores[first]))
