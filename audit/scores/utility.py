"""What decisions are worth: the four outcomes of acting or not on a true or a false signal, with stated payoffs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.rollup import Cells, Floats, Partition, cells_of, partition
from audit.rows import Row, measurement
from audit.scores.outcome_means import EXCLUDED, OutcomeMeans, mean_interval, method_of, outcome_means
from audit.scores.thresholds import all_thresholds, edges_of, swept
from audit.tally import Codes, Tally

OUTCOMES = ("tp", "fp", "fn", "tn")
_NO_LABEL = np.array([0, 1, 2, 3, EXCLUDED, EXCLUDED])  # outcome of a quadrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Payoff:
    """What each of the four outcomes is worth, in one unit of the user's choice; costs are negative.

    Parameters
    ----------
    tp
        The signal is true, and we act as if it were.
    fp
        The signal is false, and we act as if it were true.
    fn
        The signal is true, and we do not act.
    tn
        The signal is false, and we do not act.

    Raises
    ------
    InputError
        If a number is not finite, or all four are equal, so that nothing depends on what is done.

    Examples
    --------
    >>> payoff = Payoff(tp=5, fp=-1, fn=-5, tn=0)
    >>> payoff.break_even  # act where the chance of a true signal is at least 1 / 11
    0.09090909090909091
    """

    tp: float
    fp: float
    fn: float
    tn: float

    def __post_init__(self) -> None:
        values = dict(zip(OUTCOMES, self.values, strict=True))
        bad = [f"the payoff of {name} must be a finite number; got {value!r}" for name, value in values.items()
               if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)]  # fmt: skip
        if not bad and self.tp == self.fn and self.fp == self.tn:
            bad = [f"acting changes nothing under these payoffs (tp = fn = {self.tp:g}, fp = tn = {self.fp:g}); state "
                   f"payoffs that differ"]  # fmt: skip
        raise_violations(bad)

    @property
    def values(self) -> tuple[float, float, float, float]:
        """The four payoffs in the order of `OUTCOMES`."""
        return self.tp, self.fp, self.fn, self.tn

    @property
    def break_even(self) -> float | None:
        """The chance of a true signal from which acting pays; None where acting on a true one never helps."""
        gain, loss = self.tp - self.fn, self.tn - self.fp
        return loss / (gain + loss) if gain > 0 and loss >= 0 else None

    @classmethod
    def from_mapping(cls, payoffs: Mapping[str, float]) -> "Payoff":
        """Return the payoffs of a mapping from outcome to number.

        Raises
        ------
        InputError
            If an outcome is missing or unknown: all at once.

        Examples
        --------
        >>> Payoff.from_mapping({"tp": 1, "fp": -2, "fn": 0, "tn": 0}).fp
        -2
        """
        missing = [name for name in OUTCOMES if name not in payoffs]
        unknown = [name for name in payoffs if name not in OUTCOMES]
        violations = [f"the payoff of {name} is missing; name all of {', '.join(OUTCOMES)}" for name in missing]
        violations += [f"unknown outcome {name!r}; expected {', '.join(OUTCOMES)}" for name in unknown]
        raise_violations(violations)
        return cls(**dict(payoffs))


class UtilityCurve(NamedTuple):
    """Expected utility per labelled row by slice and threshold; arrays of shape (n_slices, n_thresholds).

    Examples
    --------
    >>> one = np.array([[0.5]])
    >>> everyone = Partition((), ((),), np.array([0]))
    >>> UtilityCurve(np.array([0.5]), everyone, one, one - 1, one + 1, np.array([[9]])).value.tolist()
    [[0.5]]
    """

    thresholds: Floats
    slices: Partition
    value: Floats
    low: Floats
    high: Floats
    n: npt.NDArray[np.int64]


def utility_curve(
    tally: Tally,
    payoff: Payoff,
    *,
    features: Sequence[str] = (),
    thresholds: Sequence[float] | Floats | None = None,
    level: float = 0.95,
) -> UtilityCurve:
    """Return the expected utility of every group at every threshold, with pointwise intervals, as arrays.

    Parameters are those of `audit.scores.thresholds.sweep`.

    Raises
    ------
    InputError
        If the tally holds no scores or a threshold is no edge of its bins.

    Examples
    --------
    Acting on both: (5 - 1) / 2; on the higher score alone: (5 + 0) / 2; on nobody: (-5 + 0) / 2.

    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "s": [0.9, 0.1]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> utility_curve(tally, Payoff(tp=5, fp=-1, fn=-5, tn=0), thresholds=[0.0, 0.5, 1.1]).value.tolist()
    [[2.0, 2.5, -2.5]]
    """
    values = all_thresholds(tally.bins or 0) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    edges = edges_of(values, tally)
    cells = cells_of(tally)
    slices = partition(cells, features)
    dense, places = swept(cells, slices, edges)
    means = utility_means(dense, places, payoff)
    bounds = mean_interval(means, level=level, possible=_possible(edges, tally.bins or 0, len(slices.groups)))
    value, low, high = (part.reshape(-1, len(edges)) for part in (means.value, bounds.low, bounds.high))
    return UtilityCurve(values, slices, value, low, high, means.n.reshape(-1, len(edges)))


def utility_rows(
    tally: Tally,
    payoff: Payoff,
    *,
    features: Sequence[str] = (),
    thresholds: Sequence[float] | Floats | None = None,
    level: float = 0.95,
) -> tuple[Measurement, ...]:
    """Return the numbers of `utility_curve` as rows of ``expected_utility``, each `at` its threshold.

    Expected utility is the mean payoff per labelled row, in the unit of the payoffs, larger is better; undefined where
    a group has no labelled row.

    Raises
    ------
    InputError
        As `utility_curve`.

    Examples
    --------
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0], "s": [0.9, 0.1]})
    >>> tally = count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> row, = utility_rows(tally, Payoff(tp=5, fp=-1, fn=-5, tn=0), thresholds=[0.5])
    >>> row.metric, row.at, row.value, row.n
    ('expected_utility', (('threshold', 0.5),), 2.5, 2)
    """
    curve = utility_curve(tally, payoff, features=features, thresholds=thresholds, level=level)
    method = method_of(cells_of(tally))
    rows = []
    for place in range(len(curve.slices.groups)):
        slice_ = curve.slices.slice_of(place)
        columns = (curve.thresholds, curve.value[place], curve.low[place], curve.high[place], curve.n[place])
        rows += [
            replace(
                measurement(Row("expected_utility", slice_, None, level), value=value, low=low, high=high, n=n,
                            method=method, reason=None if n else "no labels in slice"),
                at=(("threshold", at),),
            )
            for at, value, low, high, n in zip(*(column.tolist() for column in columns), strict=True)
        ]  # fmt: skip
    return tuple(rows)


def utility_means(cells: Cells, slices: Partition, payoff: Payoff) -> OutcomeMeans:
    """Return the mean payoff of the labelled rows of each slice, from their quadrants.

    Examples
    --------
    >>> n = np.array([3.0, 1.0])  # three true positives, one false negative
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {}, False, None)
    >>> utility_means(cells, Partition((), ((),), np.array([0, 0])), Payoff(tp=2, fp=0, fn=-2, tn=0)).value.tolist()
    [1.0]
    """
    return outcome_means(cells, slices, _NO_LABEL[cells.quadrant], payoff.values)


def _possible(edges: Codes, bins: int, groups: int) -> npt.NDArray[np.bool_]:
    """Return which outcomes can occur: who acts on everyone misses nobody, who acts on nobody hits nobody."""
    acts, waits = edges < bins, edges > 0
    return np.tile(np.stack([acts, acts, waits, waits], axis=1), (groups, 1))
