"""Late and missing labels: what is known of old windows, what can be said of young ones, and what stays open."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.measurement import Measurement, Window
from audit.predictions import PredictionLog
from audit.tally import SLICE, Tally, collapse
from audit.tally_rows import measure
from audit.unknowns.bounds import label_bound_rows
from monitors.found import Found
from monitors.performance.arrival_curves import arrival_curve
from monitors.performance.arrivals import Arrivals, Delays, count_arrivals, delays_of
from monitors.performance.late_rows import coverage_rows, delay_rows, dependence_rows
from monitors.performance.maturity import LabelSettings, Maturity, classes_of, maturity_of
from monitors.windows import Windows

MATURED, WEIGHTED = "matured_", "arrival_weighted_"
_LEAST_SHARE = 0.05
"""Rows so young that fewer labels than this are expected get no weight: one of theirs would stand for twenty."""

_WEIGHTED = (
    "assumed: delays do not depend on being right, given class and group, nor on the date; labels that never come are "
    "left out; the doubt about the arrival curve is not in the interval"
)


def labels(
    log: PredictionLog,
    windows: Windows,
    *,
    settings: LabelSettings | None = None,
    as_of: datetime | None = None,
    step: timedelta | None = None,
) -> Found:
    """Say what late and missing labels leave known of each window and group.

    Parameters
    ----------
    log
        The predictions, with the roles timestamp and label_timestamp; of two labels.
    windows
        Windows of the predictions.
    settings
        Levels, limits and metrics.
    as_of, step
        As in `monitors.performance.arrivals.count_arrivals`.

    Returns
    -------
    Found
        Rows, no alarms: "label_coverage" by window and slice; "label_arrival" and "label_delay" by class;
        "label_delay_class_difference", "label_delay_group_difference" and "label_coverage_difference", which say in
        `reason` what they spoil; "matured_<metric>" over the mature windows together; "arrival_weighted_<metric>" of
        every window that is not mature, and of all windows together; worst and best cases
        (`audit.unknowns.bounds.label_bound_rows`) of every window in which labels are missing.

    Raises
    ------
    InputError
        As `monitors.performance.arrivals.count_arrivals`; if a metric is unknown.

    Examples
    --------
    >>> from monitors.windows import parse_windows, resolve
    >>> frame = pa.table({"y": ["1", None], "p": ["1", "1"], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z"],
    ...                   "l": ["2026-01-08T12:00Z", None]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", label_timestamp="l")
    >>> found = labels(log, resolve(parse_windows("7d"), log))
    >>> [(row.metric, row.value) for row in found.rows if row.metric.startswith("accuracy")]
    [('accuracy_lower_bound', 0.5), ('accuracy_upper_bound', 1.0)]
    """
    chosen = settings or LabelSettings()
    arrivals = count_arrivals(log, windows, as_of=as_of, step=step)
    maturity = maturity_of(arrivals, share=chosen.mature)
    rows = [
        *coverage_rows(arrivals, level=chosen.level),
        *delay_rows(arrivals, chosen),
        *dependence_rows(arrivals, maturity, chosen),
        *matured_rows(arrivals, maturity, chosen),
        *weighted_rows(arrivals, maturity, chosen),
        *_bounds(arrivals, chosen),
    ]
    return Found(rows=tuple(_with_untimed(row, arrivals.untimed) for row in rows))


def matured_rows(arrivals: Arrivals, maturity: Maturity, settings: LabelSettings) -> Iterator[Measurement]:
    """Yield each metric over all mature windows together, of every slice, as "matured_<metric>".

    Without a mature window: one row per metric, of everyone, without a value.
    """
    if not maturity.windows:
        window = (arrivals.windows.edges[0], arrivals.windows.edges[-1])
        for metric in settings.metrics:
            yield Measurement(
                metric=MATURED + metric, window=window, value=None, n=0, method="none", reason=_immature(maturity)
            )
        return
    span = (maturity.windows[0][0], maturity.windows[-1][1])
    tally = _tally(arrivals, _in_windows(arrivals, maturity.windows), features=arrivals.features)
    for row in _values(tally, settings):
        yield replace(row, metric=MATURED + row.metric, window=span)


def weighted_rows(arrivals: Arrivals, maturity: Maturity, settings: LabelSettings) -> Iterator[Measurement]:
    """Yield each metric with every label weighted by 1 / the share of its class and group that is there at its age.

    Horvitz and Thompson's idea: a label seen of a young row stands for those that are still to come. Of windows that
    are not mature, and of all windows together; only labels that came in whole steps are used, so that their chance to
    be seen is exactly that of the arrival curve. Groups with too few labels use the curves of everyone.

    References
    ----------
    D. G. Horvitz and D. J. Thompson (1952), A generalization of sampling without replacement from a finite universe,
    JASA 47, 663-685, doi:10.1080/01621459.1952.10483446.
    """
    cells, places = delays_of(arrivals), arrivals.windows.windows
    young = [window for window in places if window not in maturity.windows]
    spans = [([window], window) for window in young] + [(list(places), (places[0][0], places[-1][1]))]
    for features in ((), *((name,) for name in arrivals.features)):
        weight = _weights(arrivals, cells, features)
        for chosen, span in spans if len(places) > 1 else spans[-1:]:
            held = _in_windows(arrivals, chosen) & (weight > 0)
            if not held.any():
                continue
            tally = _tally(arrivals, held, features=features, weight=weight)
            for row in _values(tally, settings):
                if row.slice or not features:
                    reason = f"{row.reason}; {_WEIGHTED}" if row.reason else _WEIGHTED
                    yield replace(row, metric=WEIGHTED + row.metric, window=span, reason=reason)


def _weights(arrivals: Arrivals, cells: Delays, features: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return by what each cell's labels are multiplied; 0 where they are not used."""
    groups: npt.NDArray[Any] = np.zeros(len(cells.n), dtype=object)
    if features:
        groups = np.array(arrivals.cells[SLICE + features[0]].to_pylist(), dtype=object)
    everyone = np.ones(len(cells.n), dtype=bool)
    weight = np.zeros(len(cells.n))
    for _, mask in classes_of(arrivals, cells):
        of_all = arrival_curve(cells, mask & everyone)
        for group in set(groups.tolist()):
            part = mask & (groups == group)
            own = arrival_curve(cells, part)
            share = (own if own.known else of_all).at(cells.age)
            seen = part & (cells.delay >= 0) & (cells.delay < cells.age) & (share >= _LEAST_SHARE)
            weight[seen] = 1.0 / share[seen]
    return weight


def _in_windows(arrivals: Arrivals, windows: Sequence[Window]) -> npt.NDArray[np.bool_]:
    starts = {start for start, _ in windows}
    held = np.array([start in starts for start, _ in arrivals.windows.windows], dtype=bool)
    return np.asarray(held[arrivals.cells["window"].to_numpy()])


def _tally(
    arrivals: Arrivals,
    held: npt.NDArray[np.bool_],
    *,
    features: Sequence[str],
    weight: npt.NDArray[np.float64] | None = None,
) -> Tally:
    table = arrivals.cells.filter(pa.array(held))
    n = table["n"].to_numpy().astype(np.float64)
    by = np.ones(len(n)) if weight is None else weight[held]
    columns = {name: table[name] for name in (*(SLICE + name for name in features), "y_true", "y_pred", "n")}
    return collapse(
        pa.table({**columns, "w": n * by, "w2": n * by**2}),
        features=features,
        positive=arrivals.positive,
        bins=None,
        weights="none" if weight is None else "sampling",
    )


def _values(tally: Tally, settings: LabelSettings) -> list[Measurement]:
    rows = measure(tally, level=settings.level, metrics=settings.metrics, intersections=1)
    return [row for row in rows if row.against is None and row.metric != "count"]


def _bounds(arrivals: Arrivals, settings: LabelSettings) -> Iterator[Measurement]:
    for window in arrivals.windows.windows:
        held = _in_windows(arrivals, [window])
        if held.any():
            tally = _tally(arrivals, held, features=arrivals.features)
            for row in label_bound_rows(tally, metrics=settings.metrics, level=settings.level):
                yield replace(row, window=window)


def _immature(maturity: Maturity) -> str:
    if maturity.age is None:
        return "too few labels have come to say how long they take"
    return "no window is old enough for its labels to be there"


def _with_untimed(row: Measurement, untimed: int) -> Measurement:
    if not untimed or not row.metric.startswith(("label_delay", "label_arrival", WEIGHTED)):
        return row
    why = f"{untimed:,} labels have no time and are left out of what is said about delays"
    return replace(row, reason=f"{row.reason}; {why}" if row.reason else why)
