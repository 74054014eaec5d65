"""Which earlier run looked at the same log: the same reference, and the same columns read in the same way."""

from collections.abc import Iterable, Iterator
from typing import Any

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.reference import Reference
from monitors.kinds import shown


def looked_at(reference: Reference, current: PredictionLog, log: str | None = None) -> dict[str, Any]:
    """Return what a run says of its reference, of the columns of its log, and of its log's name where it has one.

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
        **({} if log is None else {"log": log}),
    }


def earlier_look(
    previous: Result | Iterable[Result] | None, reference: Reference, current: PredictionLog, log: str | None = None
) -> Result | None:
    """Return the first of some earlier runs that held a log of this name with these columns against this reference.

    Rows by window of another log say nothing of this one: all of its rows would seem to have come late. Without a name
    (None) only the reference and the columns tell logs apart.

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
    runs = [] if previous is None else [previous] if isinstance(previous, Result) else _checked(previous)
    wanted = {"log": None, **looked_at(reference, current, log)}
    alike = (run for run in runs if all(run.provenance.given.get(name) == value for name, value in wanted.items()))
    return next(alike, None)


def _checked(previous: object) -> Iterator[Result]:
    """Yield earlier runs as they are asked for: they may be many, and the first may be the one."""
    if isinstance(previous, str | bytes) or not isinstance(previous, Iterable):
        raise InputError([f"previous: expected a Result or several, the newest first; got {shown(previous)}"])
    for run in previous:
        if not isinstance(run, Result):
            raise InputError([f"previous: expected Results; got {shown(run)}; load one: audit.store.load_run(folder)"])
        yield run
