"""That nothing of a log's performance is watched, though it has labels, and why."""

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.counts.errors import ERRORS
from monitors.counts.reference import Reference
from monitors.found import Found

COUNTED = frozenset({"binary", "multiclass", "multilabel"})
"""Tasks whose labels are counted in a tally."""


def is_watched(log: PredictionLog, reference: Reference) -> bool:
    """Whether the performance of a log is held against its reference.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> is_watched(log, make_reference(log))
    True
    """
    if log.reading.task in COUNTED:
        return reference.tally is not None
    return log.reading.task == "regression" and not why_unwatched(log, reference)


def unwatched(log: PredictionLog, reference: Reference, *, rows: int) -> Found:
    """Return a row that says so, where a log has labels and nothing of its performance is watched.

    Parameters
    ----------
    log, reference
        What would be compared.
    rows
        Rows of the log.

    Returns
    -------
    Found
        ``performance_watched`` with a value of None and the reason; nothing where it is watched, or there are no
        labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> table = pa.table({"y": [1, 0], "p": [0.4, 0.2]})
    >>> log = PredictionLog.from_frame(table, task="ranking", y_true="y", y_score="p")
    >>> unwatched(log, make_reference(log), rows=2).rows[0].reason
    'the order of a ranking is not watched, only its scores, labels and traffic: audit each window by itself'
    """
    if "y_true" not in log.columns or is_watched(log, reference):
        return Found()
    why = why_unwatched(log, reference)
    return Found((Measurement(metric="performance_watched", value=None, n=rows, method="none", reason=why),))


def why_unwatched(log: PredictionLog, reference: Reference) -> str:
    """Return why the performance of a log with labels is not watched; nothing where it is.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> bare = PredictionLog.from_frame(pa.table({"p": [1, 1]}), task="watch", y_pred="p")
    >>> log = PredictionLog.from_frame(pa.table({"y": [1, 0], "p": [1, 1]}), y_true="y", y_pred="p")
    >>> why_unwatched(log, make_reference(bare))
    'the reference has no labels to hold errors against: name one that has, or make it again once they are there'
    """
    task = log.reading.task
    none = "the reference has no labels to hold errors against: name one that has, or make it again once they are there"
    if task == "ranking":
        return "the order of a ranking is not watched, only its scores, labels and traffic: audit each window by itself"
    if task == "regression":
        if not {"y_true", "y_pred"} <= set(log.columns):
            return "errors need y_true and y_pred, and the log names one of them"
        kept = reference.profile.counts.get(ERRORS)
        return "" if kept is not None and kept[0, 0, :-1].any() else none
    if task in COUNTED:
        return "" if reference.tally is not None else none
    return f"labels are not read for the task {task!r}: name the task that they belong to"
