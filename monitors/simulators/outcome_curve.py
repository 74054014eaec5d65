"""The outcome curve: what lending to more and more of a group does to its mean score."""

from dataclasses import dataclass

import numpy as np

from monitors.feedback.delayed_impact_curve import outcome_curve as impacts
from monitors.simulators.credit import Terms, expected_change
from monitors.simulators.fico import Array, CreditTables


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCurve:
    """The mean change of a group's score by the share of it that is lent to, best scores first.

    Parameters
    ----------
    rates, changes
        Selection rate, from 0, and mean change over the whole group in points; shape (scores + 1,).
    thresholds
        Score from which loans are granted; infinite at rate 0.
    best_rate, best_change, best_threshold
        The largest mean change, and where it is.
    harm_rate
        The selection rate beyond which the group is worse off than without any loan; None where it never is.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> curve = outcome_curve(example_tables(), "A")
    >>> bool(curve.best_rate < curve.harm_rate), float(curve.changes[0])
    (True, 0.0)
    """

    rates: Array
    changes: Array
    thresholds: Array
    best_rate: float
    best_change: float
    best_threshold: float
    harm_rate: float | None


def outcome_curve(tables: CreditTables, name: str, *, terms: Terms | None = None) -> OutcomeCurve:
    """Return the outcome curve of a group.

    Source: Liu et al. 2018 (arXiv 1803.04383), section 2.2: relative harm lies beyond the rate of the policy of
    largest profit where the curve has fallen below its change; active harm where the curve is negative.

    Parameters
    ----------
    tables
        The scores.
    name
        The group.
    terms
        What loans bring; None for those of the source.

    Examples
    --------
    >>> from monitors.simulators.fico import example_tables
    >>> round(outcome_curve(example_tables(), "A").best_threshold)
    610
    """
    group = tables.groups[name]
    found = impacts(group.shares, expected_change(tables, group, terms or Terms()))
    thresholds = np.concatenate([[np.inf], tables.scores[::-1]])
    return OutcomeCurve(
        rates=found.rate,
        changes=found.impact,
        thresholds=thresholds,
        best_rate=found.best_rate,
        best_change=found.best_impact,
        best_threshold=float(thresholds[int(found.impact.argmax())]),
        harm_rate=None if np.isnan(found.harm_rate) else found.harm_rate,
    )
