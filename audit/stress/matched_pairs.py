"""Pairs of matched rows in a log that differ in an attribute: how often they are decided differently, for whom."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import raise_violations
from audit.inference.intervals import quantile
from audit.inference.paired_intervals import paired_rates
from audit.measurement import Measurement
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.rows import Row, measurement
from audit.stress.answers import answers, missing_columns
from audit.tasks.shares import share_rows
from audit.values import canonical


def matched_pair_flips(
    frame: pd.DataFrame,
    *,
    pair: str,
    attribute: str,
    values: tuple[str, str],
    y_pred: str,
    positive: str | None = None,
    level: float = 0.95,
) -> Result:
    """Return how often two matched rows that differ in an attribute are decided differently, and in whose favour.

    For logs of paired tests (two testers with equal files, two names on one application; Bertrand & Mullainathan 2004,
    doi:10.1257/0002828042002561).

    Parameters
    ----------
    frame
        Two rows per pair.
    pair
        Column that names the pair.
    attribute
        Column in which the two differ.
    values
        The two values that are compared, first minus second; pairs that hold other values are left out and counted.
    y_pred
        Column of decisions.
    positive
        The positive label; may be None where labels are 0/1 or true/false.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        ``matched_pair_flip_rate``: share of pairs with different decisions; ``matched_pair_first_only_rate`` and
        ``matched_pair_second_only_rate``: by whom is decided positively; ``selection_rate_difference`` of the first
        against the second value with the paired interval of `audit.inference.paired_intervals`. n counts pairs.

    Raises
    ------
    InputError
        If columns are missing, the positive label is not known, or no pair is left.

    Examples
    --------
    >>> frame = pd.DataFrame({"pair": [1, 1, 2, 2], "sex": ["F", "M", "F", "M"], "called": [0, 1, 1, 1]})
    >>> found = matched_pair_flips(frame, pair="pair", attribute="sex", values=("F", "M"), y_pred="called")
    >>> found.measurements[0].value, found.measurements[-1].value
    (0.5, -0.5)
    """
    raise_violations(missing_columns(frame, [pair, attribute, y_pred]))
    first, second, left_out = _matched(frame, pair, attribute, values)
    raise_violations([f"no pair of {pair!r} has one row of each of {values}"] if not len(first) else [])
    sides = [answers(lambda rows: rows[y_pred], part, len(part), positive=positive) for part in (first, second)]
    one, two = (side.positive for side in sides)
    if one is None or two is None:
        raise_violations([f"the positive label of {y_pred!r} is not known; say which one it is (positive=...)"])
    up, down = np.asarray(one), np.asarray(two)
    at = (("feature", attribute),)
    rows = [*share_rows("matched_pair_flip_rate", up != down, {}, level=level, at=at)]
    rows += share_rows("matched_pair_first_only_rate", up & ~down, {}, level=level, at=at)
    rows += share_rows("matched_pair_second_only_rate", down & ~up, {}, level=level, at=at)
    rows.append(_pair_difference(up, down, attribute, values, level))
    given = {
        "check": "matched pairs",
        "attribute": attribute,
        "values": list(values),
        "pairs_left_out": left_out,
        "level": level,
    }
    return Result(measurements=tuple(rows), provenance=Provenance(versions=recorded_versions(), given=given))


def _pair_difference(
    up: npt.NDArray[np.bool_], down: npt.NDArray[np.bool_], attribute: str, values: tuple[str, str], level: float
) -> Measurement:
    gained, lost, n = int(np.sum(up & ~down)), int(np.sum(down & ~up)), len(up)
    low, high = paired_rates(gained, lost, n, critical=quantile(level))
    against = {"kind": "slice", "slice": {attribute: canonical(values[1])}}
    row = Row("selection_rate_difference", ((attribute, canonical(values[0])),), against, level)
    return measurement(row, value=(gained - lost) / n, low=float(low), high=float(high), n=n, method="tango, paired")


def _matched(
    frame: pd.DataFrame, pair: str, attribute: str, values: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    spelled = frame[attribute].map(canonical)
    sides = [frame[spelled == canonical(value)].drop_duplicates(pair, keep=False).set_index(pair) for value in values]
    counts = frame[pair].value_counts()
    both = [name for name in sides[0].index if name in sides[1].index and counts.get(name) == 2]
    return sides[0].loc[both], sides[1].loc[both], len(counts) - len(both)
