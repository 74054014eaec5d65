"""Rates before the labels come: estimated from calibrated scores, and corrected with the few labels that there are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference import intervals
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.rollup import Partition, cells_of, summed
from audit.rows import Row, measurement
from audit.tally import Tally
from audit.unknowns.outcome_coverage import everyone_and_groups
from monitors.found import Found
from monitors.performance.calibrated import Calibration, calibration_of
from monitors.performance.corrected import Sums, rectifier_parts, sums_of
from monitors.performance.window_tally import in_window, windows_of, without_windows

FloatArray = npt.NDArray[np.float64]

ESTIMATED, CORRECTED = "estimated_", "corrected_"
RECTIFIERS = {"rectifier": "accuracy", "outcome_rectifier": "prevalence"}
ASSUMED = (
    "an assumption, no measurement: true only if scores mean for every group what they meant in the reference; it "
    "cannot show that they do not, and decides nothing"
)
DRAWN = "assumed: the rows with a label are a random sample of the window's rows"
_FEWEST = 10


def label_free(
    reference: Tally,
    current: Tally,
    *,
    metrics: Sequence[str] = ("accuracy",),
    level: float = 0.95,
    drawn_by: str | None = None,
) -> Found:
    """Estimate rates of each window and slice without their labels, and correct the estimates with those there are.

    Parameters
    ----------
    reference
        Labelled counts with scores: what the scores are calibrated on.
    current
        Counts with scores, cut by time (`window_tally.windowed_tally`) or not; weights are not used.
    metrics
        Rates of the confusion family.
    level
        Confidence level.
    drawn_by
        The feature within whose groups rows were drawn to be labelled (`monitors.performance.label_plan`); None = from
        all rows alike.

    Returns
    -------
    Found
        Per window and slice: "estimated_<metric>" without an interval, so that nothing can be decided by it, with the
        words that it is an assumption; "corrected_<metric>" with an interval, where at least ten rows have a label;
        "rectifier", the mean of (right - confidence) over labelled rows, and "outcome_rectifier", the mean of
        (positive - calibrated probability), whose distance from 0 shows that the assumption is wrong.

    Raises
    ------
    InputError
        If there are no scores, the bins differ, or a metric is no rate.

    Examples
    --------
    In the reference a score of 0.8 means that 80 % are positive; now it means 50 %, and ten labels show it.

    >>> import pyarrow as pa
    >>> from audit.counting import count
    >>> from audit.predictions import PredictionLog
    >>> def tally(y):
    ...     frame = pa.table({"y": y, "s": [0.8] * len(y)})
    ...     return count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5))
    >>> found = label_free(tally([1] * 80 + [0] * 20), tally([1] * 5 + [0] * 5 + [None] * 90))
    >>> [(row.metric, round(row.value, 2), row.n) for row in found.rows]
    [('estimated_accuracy', 0.8, 100), ('corrected_accuracy', 0.5, 10), ('rectifier', -0.3, 10),
     ('outcome_rectifier', -0.3, 10)]
    """
    faults = score_violations(reference, current, metrics)
    if drawn_by is not None and drawn_by not in current.features:
        faults.append(f"drawn_by names {drawn_by!r}, no sensitive feature; expected one of {list(current.features)}")
    raise_violations(faults)
    calibration = calibration_of(without_windows(reference))
    rows: list[Measurement] = []
    for window in windows_of(current) or (None,):
        tally = without_windows(current) if window is None else in_window(current, window)
        rows += (replace(row, window=window) for row in _rows(tally, calibration, metrics, level, drawn_by))
    return Found(rows=tuple(rows))


def score_violations(reference: Tally, current: Tally, metrics: Sequence[str]) -> list[str]:
    """Return what keeps two tallies from being compared by their scores.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> score_violations(tally, tally, ["f1"])
    ['the reference has no scores; name y_score', 'the current rows have no scores; name y_score', \
'f1 is no rate; expected one such as accuracy or false_positive_rate']
    """
    found = [
        f"the {name} no scores; name y_score"
        for name, tally in (("reference has", reference), ("current rows have", current))
        if tally.bins is None
    ]
    if not found and reference.bins != current.bins:
        found.append(f"the reference has {reference.bins} score bins, the current rows {current.bins}; count alike")
    if any(tally.task != "binary" or tally.deferral for tally in (reference, current)):
        found.append("estimates without labels are made of two labels without deferral only")
    if not found and not reference.cells["y_true"].is_valid().to_numpy().any():
        found.append("the reference has no labels; scores are calibrated on labelled rows")
    found += [
        f"{name} is no rate; expected one such as accuracy or false_positive_rate"
        for name in metrics
        if name not in METRICS or METRICS[name].kind != "rate"
    ]
    return found


def _rows(
    tally: Tally, calibration: Calibration, metrics: Sequence[str], level: float, drawn_by: str | None
) -> Iterator[Measurement]:
    cells = cells_of(tally)
    strata = None if drawn_by is None else cells.features[drawn_by][0]
    for slices in everyone_and_groups(cells, tally.features):
        for name in metrics:
            sums = sums_of(METRICS[name], cells, slices, calibration, strata=strata)
            for place in range(len(slices.groups)):
                yield _estimated(name, sums, slices, place)
                yield _corrected(name, sums, slices, place, level)
        for name, of in RECTIFIERS.items():
            values, known = rectifier_parts(cells, calibration, metric=of)
            yield from _rectifiers(name, values, known, slices, level)


def _estimated(name: str, sums: Sums, slices: Partition, place: int) -> Measurement:
    value = float(sums.estimated[place])
    return Measurement(
        metric=ESTIMATED + name, slice=slices.slice_of(place), value=value if np.isfinite(value) else None,
        n=int(sums.rows[place]), method="calibrated scores, assumed", reason=ASSUMED,
    )  # fmt: skip


def _corrected(name: str, sums: Sums, slices: Partition, place: int, level: float) -> Measurement:
    labelled, n = float(sums.labelled[place]), int(sums.n[place])
    row = Row(CORRECTED + name, slices.slice_of(place), None, level)
    method = "prediction-powered"
    value, error = float(sums.corrected[place]), float(sums.error[place])
    if labelled < _FEWEST or not np.isfinite(value):
        few = f"{n} rows with a label to correct it with; at least {_FEWEST} are needed"
        why = few if labelled < _FEWEST or not n else "no label in one of the groups that were drawn from"
        return measurement(row, value=np.nan, n=n, method=method, reason=why)
    spread = value * (1 - value)
    trials = min(spread / error**2, float(sums.rows[place])) if spread > 0 and error > 0 else float(n)
    ends = intervals.rate(value * trials, trials, level=level, df=labelled - 1)
    return measurement(row, value=value, low=float(ends.low), high=float(ends.high), n=n, method=method, reason=DRAWN)


def _rectifiers(
    name: str, values: FloatArray, known: FloatArray, slices: Partition, level: float
) -> Iterator[Measurement]:
    size = len(slices.groups)
    labelled = summed(slices.member, known, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = summed(slices.member, known * values, size) / labelled
        variance = summed(slices.member, known * values**2, size) / labelled - mean**2
        error = np.sqrt(np.maximum(variance, 0) / (labelled - 1))
    for place in range(size):
        n = int(labelled[place])
        row = Row(name, slices.slice_of(place), None, level)
        if n < _FEWEST:
            why = f"{n} rows with a label; at least {_FEWEST} are needed"
            yield measurement(row, value=np.nan, n=n, method="student_t", reason=why)
            continue
        wide = float(intervals.quantile(level, df=n - 1)) * float(error[place])
        low, high = (max(mean[place] - wide, -1.0), min(mean[place] + wide, 1.0)) if wide else (np.nan, np.nan)
        yield measurement(row, value=float(mean[place]), low=low, high=high, n=n, method="student_t")
