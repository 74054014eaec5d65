"""Rows about labels themselves: how many are there, how long they take, and whether that depends on whom and what."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from math import log, sqrt

import numpy as np

from audit.inference import gap_intervals, intervals
from audit.measurement import At, Measurement, Slice, Window
from audit.rows import Row, measurement
from monitors.performance.arrival_curves import MIN_LABELS, ArrivalCurve, arrival_curve
from monitors.performance.arrivals import Arrivals, Delays, delays_of
from monitors.performance.maturity import LabelSettings, Mask, Maturity, Part, classes_of, curves_by_class, parts_of

REST = {"kind": "rest"}
DELAY_BY_CLASS, DELAY_BY_GROUP = "label_delay_class_difference", "label_delay_group_difference"
SELECTIVE = "label_coverage_difference"
_QUANTILES = (0.5, 0.95)
_DAY = timedelta(days=1)
_COVERED = 0.99


def coverage_rows(arrivals: Arrivals, *, level: float = 0.95) -> Iterator[Measurement]:
    """Yield which share of the rows of each window and slice has a label by now, in [0, 1].

    Metric "label_coverage"; windows without rows have no value, and groups that are not there in a window no row.

    Examples
    --------
    >>> from monitors.performance.arrivals import count_arrivals
    >>> from monitors.windows import parse_windows, resolve
    >>> from audit.predictions import PredictionLog
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": ["1", None], "p": ["1", "1"], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z"],
    ...                   "l": ["2026-01-08T12:00Z", None]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", label_timestamp="l")
    >>> found = count_arrivals(log, resolve(parse_windows("7d"), log))
    >>> [(row.metric, row.value, row.n) for row in coverage_rows(found)]
    [('label_coverage', 0.5, 2)]
    """
    cells, places = delays_of(arrivals), len(arrivals.windows)
    labelled = cells.label != np.array(None)
    for part in parts_of(arrivals):
        every = _by_window(cells, part.mask, places)
        known = _by_window(cells, part.mask & labelled, places)
        ends = intervals.rate(known, every, level=level)
        exact = intervals.uses_clopper_pearson(known, every)
        for place, window in enumerate(arrivals.windows.windows):
            if not every[place] and part.slice:
                continue
            share = known[place] / every[place] if every[place] else np.nan
            row = measurement(
                Row("label_coverage", part.slice, None, level), value=float(share), low=float(ends.low[place]),
                high=float(ends.high[place]), n=int(every[place]),
                method="clopper_pearson" if exact[place] else "wilson", reason=None if every[place] else "no rows",
            )  # fmt: skip
            yield replace(row, window=window)


def delay_rows(arrivals: Arrivals, settings: LabelSettings) -> Iterator[Measurement]:
    """Yield how long labels take: the arrival curve of everyone by class, and quantiles of each slice and class.

    Metrics "label_arrival" (share of the labels that come within the horizon which is there at the age
    ``at.threshold`` in days) and "label_delay" (days until the share ``at.quantile`` is there, rounded up to a step;
    the interval is where the bounds of the curve cross that share). Where labels are too few, "label_delay" has no
    value.
    """
    cells = delays_of(arrivals)
    window = _span(arrivals)
    for part in parts_of(arrivals):
        for label, curve in curves_by_class(arrivals, cells, part, level=settings.level):
            if not part.slice:
                yield from (replace(row, window=window) for row in _points(arrivals, part, label, curve, settings))
            yield from (replace(row, window=window) for row in _quantiles(arrivals, part, label, curve, settings))


def dependence_rows(arrivals: Arrivals, maturity: Maturity, settings: LabelSettings) -> Iterator[Measurement]:
    r"""Yield whether delays depend on class or group, and whether being labelled at all depends on the prediction.

    "label_delay_class_difference" and "label_delay_group_difference" (a group against everyone else), in [0, 1]: the
    largest difference of the two distributions of delays, over labels within the time in which 99 % of them come, of
    rows watched for longer than that. Bounds: each empirical distribution lies within :math:`\sqrt{\ln(2 / a) / 2n}`
    of the true one with probability 1 - a (Massart 1990, doi:10.1214/aop/1176990746), a shared among all such rows.
    "label_coverage_difference", in [-1, 1]: share of labelled rows among those predicted positive minus that among
    those predicted negative, in mature windows, by Agresti and Caffo.

    A bound beyond the limit is said in `reason`, with the numbers that it spoils.
    """
    cells, parts = delays_of(arrivals), parts_of(arrivals)
    within = arrival_curve(cells, np.ones(len(cells.n), dtype=bool)).age_of(_COVERED)
    watched = (cells.delay >= 0) & (cells.delay < within) & (cells.age >= within)
    classes = classes_of(arrivals, cells)
    comparisons = 2 * len(parts) - 1
    window = _span(arrivals)
    for part in parts:
        if len(classes) == 2:
            sides = [watched & part.mask & mask for _, mask in classes]
            row = _distance(DELAY_BY_CLASS, part.slice, cells, sides, settings, comparisons)
            yield replace(row, window=window)
        if part.slice:
            sides = [watched & part.mask, watched & ~part.mask]
            row = _distance(DELAY_BY_GROUP, part.slice, cells, sides, settings, comparisons)
            yield replace(row, window=window, against=REST)
        if maturity.windows:
            yield _selective(arrivals, cells, part, maturity, settings)


def _by_window(cells: Delays, mask: Mask, places: int) -> np.ndarray:
    return np.bincount(cells.window[mask], weights=cells.n[mask], minlength=places)


def _span(arrivals: Arrivals) -> Window:
    return arrivals.windows.edges[0], arrivals.windows.edges[-1]


def _points(
    arrivals: Arrivals, part: Part, label: str, curve: ArrivalCurve, settings: LabelSettings
) -> Iterator[Measurement]:
    if not curve.known:
        return
    last = max(curve.age_of(_COVERED), 1)
    for age in sorted({round(place) for place in np.linspace(0, last, settings.points)}):
        at: At = (("class", label), ("threshold", age * (arrivals.step / _DAY)))
        row = measurement(
            Row("label_arrival", part.slice, None, settings.level), value=float(curve.share[age]),
            low=float(curve.low[age]), high=float(curve.high[age]), n=curve.n, method="reverse-time product limit",
        )  # fmt: skip
        yield replace(row, at=at)


def _quantiles(
    arrivals: Arrivals, part: Part, label: str, curve: ArrivalCurve, settings: LabelSettings
) -> Iterator[Measurement]:
    days = arrivals.step / _DAY
    for share in _QUANTILES:
        value, low, high = (
            (float(np.argmax(bound >= share)) if curve.known and bound[-1] >= share else np.nan)
            for bound in (curve.share, curve.high, curve.low)
        )
        few = f"{curve.n} labels of rows that were watched long enough; at least {MIN_LABELS} are needed"
        row = measurement(
            Row("label_delay", part.slice, None, settings.level), value=value * days, low=low * days, high=high * days,
            n=curve.n, method="reverse-time product limit", reason=None if curve.known else few,
        )  # fmt: skip
        yield replace(row, at=(("class", label), ("quantile", share)))


def _distance(
    name: str, whom: Slice, cells: Delays, sides: list[Mask], settings: LabelSettings, comparisons: int
) -> Measurement:
    sizes = [int(cells.n[side].sum()) for side in sides]
    method = "largest difference, within Massart's bounds"
    row = Row(name, whom, None, settings.level)
    if min(sizes) < MIN_LABELS:
        why = (
            f"{min(sizes)} labels on one side, of rows that were watched long enough; at least {MIN_LABELS} are needed"
        )
        return measurement(row, value=np.nan, n=min(sizes), method=method, reason=why)
    steps = int(max(cells.delay[side].max(initial=0) for side in sides)) + 1
    shares = [np.bincount(cells.delay[side], weights=cells.n[side], minlength=steps).cumsum() for side in sides]
    value = float(np.abs(shares[0] / sizes[0] - shares[1] / sizes[1]).max())
    error = (1 - settings.level) / (2 * comparisons)
    doubt = sum(sqrt(log(2 / error) / (2 * size)) for size in sizes)
    low, high = max(0.0, value - doubt), min(1.0, value + doubt)
    of = "classes" if name == DELAY_BY_CLASS else "groups"
    spoiled = (
        f"labels of different {of} come at a different pace: of windows that are not mature, accuracy, precision and "
        f"prevalence{'' if of == 'classes' else ' and comparisons of groups'} are about the labels that came first; "
        f"read matured_ or arrival_weighted_ values"
    )
    reason = spoiled if low > settings.limit else None
    return measurement(row, value=value, low=low, high=high, n=min(sizes), method=method, reason=reason)


def _selective(
    arrivals: Arrivals, cells: Delays, part: Part, maturity: Maturity, settings: LabelSettings
) -> Measurement:
    starts = {start for start, _ in maturity.windows}
    mature = np.array([start in starts for start, _ in arrivals.windows.windows])[cells.window]
    positive = np.array(arrivals.cells["y_pred"].to_pylist(), dtype=object) == arrivals.positive
    labelled = cells.label != np.array(None)
    n, x = [], []
    for side in (positive, ~positive):
        chosen = part.mask & mature & side
        n.append(int(cells.n[chosen].sum()))
        x.append(int(cells.n[chosen & labelled].sum()))
    found = (maturity.windows[0][0], maturity.windows[-1][1])
    row = Row(SELECTIVE, part.slice, None, settings.level)
    if not min(n):
        why = "no mature row of one of the two predictions"
        return replace(measurement(row, value=np.nan, n=0, method="agresti_caffo", reason=why), window=found)
    bounds = gap_intervals.agresti_caffo(
        x[0], n[0], x[1], n[1], critical=intervals.quantile(settings.level, comparisons=len(parts_of(arrivals)))
    )
    low, high = float(bounds.low), float(bounds.high)
    spoiled = (
        "whether a row is labelled at all depends on its prediction (selective labels): every rate of y_true is about "
        "the labelled rows only; read the lower and upper bounds"
    )
    reason = spoiled if low > settings.limit or high < -settings.limit else None
    made = measurement(
        row, value=x[0] / n[0] - x[1] / n[1], low=low, high=high, n=min(n), method="agresti_caffo", reason=reason
    )
    return replace(made, window=found)
