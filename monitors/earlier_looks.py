"""Which earlier run looked at the same log: the same reference, and the same columns read in the same way."""

from collections.abc import Iterable
from typing import Any

from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.reference import Reference


def looked_at(reference: Reference, current: PredictionLog) -> dict[str, Any]:
    """Return what a run says of its reference and of the columns of its log.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> log = PredictionLog.from_frame(pa.table({"said": [1, 0]}), task="watch", y_pred="said")
    >>> looked_at(make_reference(log), log)["columns"]
    {'y_pred': 'said'}
    """
    return {
        "reference": reference.digest,
        "columns": dict(current.columns),
        "sensitive_features": list(current.sensitive_features),
        "features": list(current.features),
        "task": current.reading.task,
        "positive": current.reading.positive,
    }


def earlier_look(
    previous: Result | Iterable[Result] | None, reference: Reference, current: PredictionLog
) -> Result | None:
    """Return the first of some earlier runs that held a log with these columns against this reference.

    Rows by window of another log say nothing of this one: all of its rows would seem to have come late.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.provenance import Provenance
    >>> from monitors.counts.reference import make_reference
    >>> log = PredictionLog.from_frame(pa.table({"said": [1, 0]}), task="watch", y_pred="said")
    >>> reference = make_reference(log)
    >>> same = Result(measurements=(), provenance=Provenance(given=looked_at(reference, log)))
    >>> earlier_look([Result(measurements=()), same], reference, log) == same
    True
    """
    runs = [] if previous is None else [previous] if isinstance(previous, Result) else previous
    wanted = looked_at(reference, current)
    alike = (run for run in runs if all(run.provenance.given.get(name) == value for name, value in wanted.items()))
    return next(alike, None)
