"""The reliability table: in each range of scores, what was promised and what came true, by group."""

from collections.abc import Iterator, Sequence

import numpy as np

from audit.errors import InputError
from audit.estimates import design, parts_of
from audit.inference import intervals
from audit.measurement import Measurement, Slice
from audit.metrics.catalog import METRICS
from audit.result import Result
from audit.rollup import Cells, Partition, cells_of, partition
from audit.run import LEVEL, measure
from audit.score_bins import BIN_GROUPS, Parts, part_intervals
from audit.tally import Tally

OBSERVED, PROMISED = "observed_rate", "mean_score"

SCORE_METRICS = tuple(name for name, metric in METRICS.items() if metric.needs_scores)
"""The metrics of the catalog that are made from scores."""

_EMPTY = "no labelled rows in bin"


def reliability(tally: Tally, *, features: Sequence[str] = (), level: float = LEVEL) -> tuple[Measurement, ...]:
    """Return the reliability table of everyone, or of each group of some features.

    The scores are cut into ten equal, left-closed ranges, the same for every group (1 falls in the last): bin k holds
    the scores from k / 10 to (k + 1) / 10. Each has two rows, at ``bin`` k: `OBSERVED`, the share of its labelled rows
    that are positive, with an interval, and `PROMISED`, the mean of their scores. The intervals of one
    group hold at once over its bins (Bonferroni), so that a promise outside any of them is a finding; they do not
    allow for there being several groups.

    Parameters
    ----------
    tally
        Counts with scores.
    features
        Features whose (intersectional) groups are shown; none = everyone.
    level
        Joint confidence level of the bins of a group, in (0, 1).

    Returns
    -------
    tuple of Measurement
        Undefined, with a reason, where a bin holds no labelled row.

    Raises
    ------
    InputError
        If the tally holds no scores, a feature is none of its own, or the level is none.

    Source: Murphy & Winkler 1977, Reliability of subjective probability forecasts, doi:10.2307/2346866; intervals:
    Wilson and Clopper-Pearson (`audit.inference.intervals.rate`), which hold for scores that differ within a bin, too,
    as the variance of a sum of unlike coins is at most that of as many alike.

    Examples
    --------
    Ten rows scored 0.3, of which three came true.

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> frame = pa.table({"y": [1] * 3 + [0] * 7, "s": [0.3] * 10})
    >>> rows = reliability(count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5)))
    >>> [(row.metric, row.at, row.value, row.n) for row in rows if row.value is not None]
    [('observed_rate', (('bin', 3),), 0.3, 10), ('mean_score', (('bin', 3),), 0.3, 10)]
    """
    violations = [f"no sensitive feature {name!r}; the tally has {list(tally.features)}" for name in features
                  if name not in tally.features]  # fmt: skip
    if tally.bins is None:
        violations.append("a reliability table needs scores, and this tally holds none; name y_score")
    if tally.positive is None or tally.deferral:
        violations.append("a reliability table is of one positive label, with a decision on every row")
    if not 0 < level < 1:
        violations.append(f"level must lie in (0, 1); got {level}")
    if violations:
        raise InputError(violations)
    cells = cells_of(tally)
    return tuple(_rows(cells, partition(cells, features), level))


def with_reliability(result: Result, *, features: Sequence[str] | None = None) -> Result:
    """Return the calibration of a result: its score metrics, and the reliability tables of everyone and of each group.

    Parameters
    ----------
    result
        An audit with its tally, made with scores.
    features
        Features whose groups have a table, each by itself; None = all of the tally.

    Returns
    -------
    Result
        Rows at the level of the audit; provenance and tally are those of the audit.

    Raises
    ------
    InputError
        If there is no tally or it holds no scores, or a feature is none of its own.

    Examples
    --------
    >>> import pandas as pd
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> frame = pd.DataFrame({"y": [1, 0, 0, 1] * 20, "s": [0.8, 0.3, 0.1, 0.6] * 20, "sex": list("FFMM") * 20})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["sex"])
    >>> found = with_reliability(run_audit(log))
    >>> found.find("brier_score").value, sum(row.metric == "observed_rate" for row in found.measurements)
    (0.075, 30)
    """
    tally = result.tally
    if tally is None:
        raise InputError(
            ["calibration is rolled up from the counts; pass a saved run (its folder), not its JSON alone"]
        )
    if tally.bins is None:
        raise InputError(["this run was made without scores; audit it again and name y_score (--y-score COLUMN)"])
    level = float(result.provenance.given.get("level", LEVEL))
    asked = tally.features if features is None else tuple(features)
    rows = list(reliability(tally, level=level))
    for name in asked:
        rows += reliability(tally, features=[name], level=level)
    metrics = measure(tally, level=level, metrics=SCORE_METRICS)
    return Result(measurements=(*metrics, *rows), provenance=result.provenance, tally=tally)


def _rows(cells: Cells, slices: Partition, level: float) -> Iterator[Measurement]:
    parts = parts_of(cells, slices)
    bounds = part_intervals(parts, level=level)
    exact = intervals.uses_clopper_pearson(parts.successes, parts.trials)
    for place in range(len(slices.groups)):
        together = int((parts.n[place] > 0).sum())
        ending = design(cells) + (f", simultaneous over {together}" if together > 1 else "")
        for k in range(BIN_GROUPS):
            low, high = (float(side[place, k]) for side in bounds)
            name = "clopper_pearson" if exact[place, k] else "wilson"
            yield from _pair(slices.slice_of(place), parts, (place, k), (low, high, level, name + ending))


def _pair(
    whom: Slice, parts: Parts, where: tuple[int, int], interval: tuple[float, float, float, str]
) -> Iterator[Measurement]:
    n, at = int(parts.n[where]), (("bin", where[1]),)
    observed, promised = float(parts.observed[where]), float(parts.score[where])
    if np.isnan(observed):
        reason = _EMPTY if not n else "all weights are 0 in bin"
        for name in (OBSERVED, PROMISED):
            yield Measurement(metric=name, slice=whom, at=at, value=None, n=n, method="none", reason=reason)
        return
    low, high, level, how = interval
    yield Measurement(
        metric=OBSERVED, slice=whom, at=at, value=observed, low=low, high=high, n=n, level=level, method=how
    )
    yield Measurement(metric=PROMISED, slice=whom, at=at, value=promised, n=n, method="mean")
