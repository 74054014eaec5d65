"""Performance over time: every metric of each window and group, and alarms that keep their promise at every look."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import Against, Measurement, Window
from audit.result import Result
from audit.tally import Tally
from audit.tally_rows import measure
from audit.unknowns.outcome_coverage import outcome_coverage_rows, unlabelled_count
from monitors.found import Found, gathered
from monitors.performance.calibrated import calibration_of
from monitors.performance.evidence import Evidence, gap_evidence, rang, rectifier_evidence, risk_evidence
from monitors.performance.evidence_rows import Held, Kind, detector_rows, evidence_rows
from monitors.performance.label_free import score_violations
from monitors.performance.settings import UNSETTLED, PerformanceSettings, measured, reference_violations, watched
from monitors.performance.streams import Streams, streams_of
from monitors.performance.window_tally import in_window, windows_of, without_windows

_WITHOUT_LABELS = ("selection_rate", "demographic_parity")


def performance(reference: Tally, current: Tally, *, settings: PerformanceSettings | None = None) -> Found:
    """Measure each window as an audit does, and ring where a risk, a gap or the meaning of scores became worse.

    Parameters
    ----------
    reference
        Labelled counts of a time that was found acceptable; cut into eight windows or more, their scatter widens what
        is tolerated (`monitors.sequential.dependence`).
    current
        Counts cut by time (`monitors.performance.window_tally.windowed_tally`). By the time of the prediction, a label
        that arrives late changes the window it belongs to; by the time of the label, windows never change once they
        are over, so that a replay raises the same alarms.
    settings
        What is measured, watched and tolerated.

    Returns
    -------
    Found
        Per window: the rows of `audit.tally_rows.measure`, with the difference to the reference. For each watched rate
        and slice of the reference: "<metric>_e_value" after each window with rows, "<metric>_e_detector" and
        "<metric>_gap_e_value" after the last one and where they rang; where there are scores, "rectifier_e_value" and
        "outcome_rectifier_e_value" likewise. An alarm belongs to the row of the first window in which it rang.

        The e-values ring by e-BH over all of them at once: while every risk stays within what is tolerated, the chance
        that any of them ever rings is at most alpha, whichever labels are missing: rows without one count as no loss,
        in the reference as losses, so that windows all of whose labels are there ring as before, and few labels show
        little (unless `labels_at_random`). Detectors together ring falsely once in `windows_per_false_alarm` windows at
        most.

    Raises
    ------
    InputError
        If the two were not counted alike, `current` is not cut by time, or a metric cannot be watched.

    Examples
    --------
    Errors of 10 % in the reference, of 40 % in the second of two windows.

    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> def cells(right, wrong, start):
    ...     time = {} if start is None else {"window_start": [datetime(2026, 1, start, tzinfo=UTC)] * 2,
    ...                                      "window_end": [datetime(2026, 1, start + 7, tzinfo=UTC)] * 2}
    ...     n = [right, wrong]
    ...     return collapse(pa.table({"y_true": ["1"] * 2, "y_pred": ["1", "0"], "n": n, "w": n, "w2": n} | time),
    ...                     features=(), positive="1", bins=None, weights="none")
    >>> found = performance(cells(900, 100, None), cells(180, 20, 5) + cells(120, 80, 12),
    ...                     settings=PerformanceSettings(watched=("accuracy",)))
    >>> [(alarm.since.day, alarm.key.split(",")[0]) for alarm in found.alarms]
    [(12, '["accuracy_e_value"'), (12, '["accuracy_e_detector"')]
    """
    chosen = settings or PerformanceSettings()
    evidence = performance_evidence(reference, current, settings=chosen)
    return gathered([Found(rows=tuple(_values(reference, current, chosen))), evidence])


def performance_evidence(reference: Tally, current: Tally, *, settings: PerformanceSettings | None = None) -> Found:
    """Return the evidence and the alarms of `performance` alone, without the values of the windows.

    Raises
    ------
    InputError
        As `performance`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> performance_evidence(tally, tally)
    Traceback (most recent call last):
    audit.errors.InputError: the current rows are not cut by time; count them with windowed_tally(log, windows)
    """
    chosen = settings or PerformanceSettings()
    windows = windows_of(current)
    faults = reference_violations(reference, current)
    if not windows:
        faults.append("the current rows are not cut by time; count them with windowed_tally(log, windows)")
    raise_violations(faults)
    at_random = chosen.labels_at_random
    streams = streams_of(reference, current, watched(chosen, current), windows=windows, at_random=at_random)
    return _evidence(reference, current, streams, chosen)


def _values(reference: Tally, current: Tally, settings: PerformanceSettings) -> Iterator[Measurement]:
    against = _against(reference, settings)
    there, metrics = set(windows_of(current)), measured(settings, current)
    baseline = Result(measurements=(), tally=without_windows(reference))
    depth = None if settings.detail else 1
    for window in sorted(there | set(settings.windows or ())):
        if window not in there:
            yield from (_empty(metric, window) for metric in metrics)
            continue
        tally = in_window(current, window)
        for row in measure(tally, level=settings.level, metrics=metrics, baseline=baseline, intersections=depth):
            if settings.detail or _is_headline(row):
                like = against if (row.against or {}).get("kind") == "reference" else row.against
                yield replace(row, window=window, against=like, reason=_reason(row, window, settings))
        if unlabelled_count(tally):
            found = outcome_coverage_rows(tally, level=settings.level)
            yield from (replace(row, window=window) for row in found if not row.at)


def _reason(row: Measurement, window: Window, settings: PerformanceSettings) -> str | None:
    """Return the reason of a row, with the caveat of windows whose labels are still coming."""
    young = settings.settled is not None and window[1] > settings.settled
    if not young or row.metric == "count" or row.metric.startswith(_WITHOUT_LABELS):
        return row.reason
    return f"{row.reason}; {UNSETTLED}" if row.reason else UNSETTLED


def _is_headline(row: Measurement) -> bool:
    kind = None if row.against is None else row.against["kind"]
    return kind in {None, "reference"} or (kind == "groups" and not row.metric.endswith("_ratio"))


def _empty(metric: str, window: Window) -> Measurement:
    return Measurement(
        metric=metric, window=window, value=None, n=0, method="none", reason="no rows were predicted in this window"
    )


def _against(reference: Tally, settings: PerformanceSettings) -> Against:
    return {"kind": "reference", "digest": settings.digest or reference.digest()}


def _evidence(reference: Tally, current: Tally, streams: Streams, settings: PerformanceSettings) -> Found:
    scored = not score_violations(reference, current, ())
    size = _family(streams, settings, scored=scored)
    error = settings.alpha / 2 / max(size, 1)
    kinds: list[tuple[Kind, Evidence]] = []
    risk, alone = risk_evidence(streams, tolerance=settings.tolerance, error=error)
    kinds.append(("risk", risk))
    if settings.gaps:
        kinds.append(("gap", gap_evidence(streams, tolerance=settings.tolerance, error=error)))
    if scored:
        calibration = calibration_of(without_windows(reference))
        found = rectifier_evidence(
            without_windows(reference),
            current,
            calibration,
            streams,
            tolerance=settings.tolerance,
            error=error,
            at_random=settings.labels_at_random,
            dispersion=settings.dispersion,
        )
        kinds.append(("rectifier", found))
    held = Held(streams=streams, against=_against(reference, settings), settled=_settled(streams, settings))
    log_e = np.concatenate([evidence.log_e for _, evidence in kinds], axis=1)
    rejected = rang(log_e, alpha=settings.alpha / 2, settled=held.settled)
    parts, start = [], 0
    for name, evidence in kinds:
        stop = start + len(evidence.streams)
        parts.append(evidence_rows(name, evidence, rejected.of(start, stop), held))
        start = stop
    if settings.windows_per_false_alarm is not None:
        parts.append(detector_rows(alone, risk, held, windows=settings.windows_per_false_alarm))
    return gathered(parts)


def _settled(streams: Streams, settings: PerformanceSettings) -> npt.NDArray[np.bool_]:
    last = settings.settled
    return np.array([last is None or end <= last for _, end in streams.windows], dtype=bool)


def _family(streams: Streams, settings: PerformanceSettings, *, scored: bool) -> int:
    """Return an upper limit of how many hypotheses there are, before their bounds are made."""
    gaps = int((streams.reference_rest.rows > 0).sum()) if settings.gaps else 0
    slices = 2 * len({stream.slice for stream in streams.streams}) if scored else 0
    return len(streams.streams) + gaps + slices
