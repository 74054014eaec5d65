"""What the rows at hand can decide, before there is any policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from audit.errors import InputError
from audit.gaps import group_values
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.paired.paired_models import models_of
from audit.result import Result
from audit.tally import Tally
from checklists.needed import POWER

_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """What one metric can decide between the groups of one feature.

    Parameters
    ----------
    feature, metric
        Whose groups, and what is measured.
    sizes
        (group, n) of each observed group; n is the denominator of the metric. None = the value is missing.
    errors
        (group, standard error) of those with at least `min_n` rows in it and an interval; the missing one is left out.
    decidable_gap
        The smallest limit on the largest difference between them that equal groups pass with 80 % power; None where
        fewer than two are left.

    Examples
    --------
    >>> row = PlanRow(feature="sex", metric="accuracy", sizes=(("F", 90), (None, 4)), errors=(("F", 0.05),),
    ...               decidable_gap=None)
    >>> row.enough
    ('F',)
    """

    feature: str
    metric: str
    sizes: tuple[tuple[str | None, int], ...]
    errors: tuple[tuple[str, float], ...]
    decidable_gap: float | None

    @property
    def enough(self) -> tuple[str, ...]:
        """The groups that have enough rows."""
        return tuple(group for group, _ in self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the rows at hand can decide, per feature and metric, before there is any policy.

    Examples
    --------
    >>> row = PlanRow(feature="sex", metric="accuracy", sizes=(("F", 90),), errors=(("F", 0.05),), decidable_gap=None)
    >>> Plan(level=0.95, min_n=30, rows=(row,)).find("sex", "accuracy").sizes
    (('F', 90),)
    """

    level: float
    min_n: int
    rows: tuple[PlanRow, ...]

    def find(self, feature: str, metric: str) -> PlanRow:
        """Return the row of a feature and a metric.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if (row.feature, row.metric) == (feature, metric):
                return row
        msg = f"the plan holds no {metric!r} by {feature!r}"
        raise KeyError(msg)


def plan(result: Result, *, level: float = 0.95, min_n: int = 30, metrics: Sequence[str] | None = None) -> Plan:
    """Return what the rows of a result can decide between the groups of each feature.

    Parameters
    ----------
    result
        An audit with its tally.
    level
        Confidence level that will decide.
    min_n
        Smallest denominator that will be judged.
    metrics
        Names from `audit.metrics.METRICS`; None = all that the tally allows.

    Raises
    ------
    InputError
        If the result has no tally.

    Examples
    --------
    >>> import pandas as pd
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> frame = pd.DataFrame({"label": [1, 0] * 200, "flagged": [1, 0, 0, 1] * 100, "sex": list("FFMMF") * 80})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> row = plan(run_audit(log)).find("sex", "selection_rate")
    >>> row.sizes, round(row.decidable_gap, 2)
    ((('F', 240), ('M', 160)), 0.16)
    """
    tally = result.tally
    if tally is None:
        msg = "planning needs the tally of the audit; pass a saved run (its folder), not its result.json alone"
        raise InputError([msg])
    if tally.task != "binary" or tally.deferral:
        kind = "with deferral" if tally.task == "binary" else tally.task
        raise InputError([f"planning reads audits of two labels without deferral; this one is {kind}"])
    names = metrics or [
        name
        for name, facts in METRICS.items()
        if facts.kind != "distance" and (not facts.needs_scores or tally.bins is not None)
    ]
    compared = models_of(result)  # whose columns of predictions are features of the tally, and no groups of people
    features = tally.features if compared is None else compared.features
    rows = [_plan_row(tally, feature, name, level, min_n) for feature in features for name in names]
    return Plan(level=level, min_n=min_n, rows=tuple(rows))


def decidable_gap(errors: Sequence[float], *, level: float, power: float = POWER) -> float:
    r"""Return the smallest limit on the largest gap that equal groups pass with some power.

    Parameters
    ----------
    errors : shape (n_groups,)
        Standard error of each group's value, at least two.
    level
        Confidence level that decides.
    power
        Chance of PASS where the groups do not differ at all.

    Notes
    -----
    PASS asks d + z s <= L of every ordered pair, d its observed difference and s^2 = se1^2 + se2^2. L solves
    sum over pairs of P(d + z s > L) = sum of 1 - Phi(L / s - z) = 1 - power: exact for two groups, and never too small
    for more (Boole's inequality): equal groups then pass with .84 (three) to .88 (six) instead of .8, by simulation.

    Examples
    --------
    Two groups with standard error .05 each: (1.960 + 1.282) * .05 * sqrt(2).

    >>> round(decidable_gap([0.05, 0.05], level=0.95), 4)
    0.2292
    """
    error = np.asarray(errors, dtype=np.float64)
    one, two = np.triu_indices(len(error), k=1)
    spread = np.sqrt(error[one] ** 2 + error[two] ** 2)
    critical = float(ndtri(0.5 + level / 2))
    low, high = 0.0, float(spread.max()) * (critical + 10.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        missed = 2 * float(ndtr(critical - middle / spread).sum())
        low, high = (middle, high) if missed > 1 - power else (low, middle)
    return high


def standard_error(row: Measurement) -> float | None:
    """Return the half width of a row's interval in critical values; None where it is unbounded or claims no level.

    That is (high - low) / (2 z), with z the critical value of the level: exact for a Wald interval, else near to it.

    Examples
    --------
    The interval reaches 1.96 standard errors to each side.

    >>> row = Measurement(metric="accuracy", value=0.5, low=0.402, high=0.598, n=100, level=0.95, method="wald")
    >>> round(standard_error(row), 4)
    0.05
    """
    if row.low is None or row.high is None or row.level is None:
        return None
    return (row.high - row.low) / (2 * float(ndtri(0.5 + row.level / 2)))


def _plan_row(tally: Tally, feature: str, metric: str, level: float, min_n: int) -> PlanRow:
    rows = {row.slice[0][1]: row for row in group_values(tally, metric, features=[feature], level=level)}
    errors = {
        group: error
        for group, row in rows.items()
        if group is not None and row.n >= min_n and (error := standard_error(row)) is not None
    }
    return PlanRow(
        feature=feature,
        metric=metric,
        sizes=tuple((group, row.n) for group, row in rows.items()),
        errors=tuple(errors.items()),
        decidable_gap=decidable_gap(list(errors.values()), level=level) if len(errors) > 1 else None,
    )
