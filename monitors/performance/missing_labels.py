"""Where labels are missing: what scores let expect, put right by the labels there are, and how many to ask for."""

from dataclasses import replace

import pyarrow.compute as pc

from audit.measurement import Window
from audit.tally import Tally
from monitors.found import Found
from monitors.performance.label_free import label_free, score_violations
from monitors.performance.labels_needed import LabelGoal, labels_needed
from monitors.performance.window_tally import windows_of

METRIC = "accuracy"
_HALF_WIDTH = 0.05


def missing_labels(reference: Tally, current: Tally, *, tolerance: float) -> Found:
    """Say what is known of the windows in which labels are missing, without them and with the few there are.

    Parameters
    ----------
    reference
        Labelled counts.
    current
        Counts cut by time (`monitors.performance.window_tally.windowed_tally`).
    tolerance
        The rise of the error rate that is let pass: labels are asked for that would show twice as much; at 0, for an
        interval of five percentage points to either side.

    Returns
    -------
    Found
        No alarms. Of windows with missing labels the rows of `monitors.performance.label_free.label_free`, where both
        sides have scores; and "labels_needed" of everyone and of each group, with the time that these windows span.
        Nothing where every row has its label, and of tasks other than two labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.predictions import PredictionLog
    >>> from monitors.performance.window_tally import windowed_tally
    >>> from monitors.windows import parse_windows, resolve
    >>> def tally(labels):
    ...     frame = pa.table({"y": labels, "s": [0.8] * len(labels), "t": ["2026-01-05T00:00Z"] * len(labels)})
    ...     log = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, timestamp="t")
    ...     return windowed_tally(log, resolve(parse_windows("7d"), log))
    >>> labelled = tally([1] * 80 + [0] * 20)
    >>> found = missing_labels(labelled, tally([1] * 5 + [0] * 5 + [None] * 90), tolerance=0.02)
    >>> [(row.metric, round(row.value, 2)) for row in found.rows if row.value is not None][:2]
    [('estimated_accuracy', 0.8), ('corrected_accuracy', 0.5)]
    >>> missing_labels(labelled, labelled, tolerance=0.02).rows
    ()
    """
    open_windows = windows_without_labels(current)
    if not open_windows or reference.task != "binary" or reference.deferral:
        return Found()
    goal = LabelGoal(tolerance=tolerance) if tolerance > 0 else LabelGoal(half_width=_HALF_WIDTH)
    span = (open_windows[0][0], open_windows[-1][1])
    needed = tuple(replace(row, window=span) for row in labels_needed(reference, goal=goal))
    if score_violations(reference, current, [METRIC]):
        return Found(rows=needed)
    estimated = label_free(reference, current, metrics=[METRIC]).rows
    return Found(rows=(*(row for row in estimated if row.window in open_windows), *needed))


def windows_without_labels(tally: Tally) -> tuple[Window, ...]:
    """Return the windows of a tally in which a row has no label, ascending.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> windows_without_labels(collapse(raw, features=(), positive="1", bins=None, weights="none"))
    ()
    """
    cells = tally.cells
    open_cells = cells.filter(pc.and_(cells["y_true"].is_null(), cells["window_start"].is_valid()))
    starts = set(open_cells["window_start"].to_pylist())
    return tuple(window for window in windows_of(tally) if window[0] in starts)
