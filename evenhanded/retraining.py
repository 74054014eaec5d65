"""Advice on retraining beside what the monitors found."""

from dataclasses import replace

from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.reference import Reference
from monitors.shift.retraining_advice import retraining_advice


def with_retraining(result: Result, reference: PredictionLog | Reference, current: PredictionLog) -> Result:
    """Return a result of monitors with what is measured on the same two logs about retraining.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"p": [1], "t": ["2026-01-05T00:00Z"]}), task="watch", y_pred="p",
    ...                                timestamp="t")
    >>> with_retraining(Result(measurements=()), log, log).measurements[0].metric
    'retraining_best_share'
    """
    given = {**result.provenance.given, "retraining": True}
    rows = retraining_advice(reference, current).rows
    provenance = replace(result.provenance, given=given)
    return replace(result, measurements=(*result.measurements, *rows), provenance=provenance)
