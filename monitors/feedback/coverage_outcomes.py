"""What a row's outcome was, and whether anybody knows it."""

from typing import Any

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog


def with_outcomes(log: PredictionLog, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return decisions with the columns "observed" (1.0 or 0.0) and "seen", the outcome where it was observed.

    The outcome is the role outcome, else y_true. It is observed where `outcome_observed` says so and, where the log
    has outcomes, there is one; without that role, where there is one.

    Parameters
    ----------
    log
        With outcome, y_true or outcome_observed.
    rows
        Of `monitors.feedback.decisions.decisions`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.feedback.decisions import decisions
    >>> log = PredictionLog.from_frame(pa.table({"o": [1, 0, None], "k": [1, 0, 1]}), task="watch", outcome="o",
    ...                                outcome_observed="k")
    >>> found = with_outcomes(log, decisions(log)).select("observed", "seen").collect(backend="pyarrow").to_native()
    >>> found.to_pylist()
    [{'observed': 1.0, 'seen': 1.0}, {'observed': 0.0, 'seen': None}, {'observed': 0.0, 'seen': None}]
    """
    role = "outcome" if "outcome" in log.columns else "y_true"
    there = nw.lit(value=True)
    if role in log.columns:
        there = ~nw.col(role).is_null()
    if "outcome_observed" in log.columns:
        flag = nw.col("outcome_observed")
        there = there & ~flag.is_null() & (flag == 1)
    observed = nw.when(there).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    seen = nw.when(there).then(nw.col(role)) if role in log.columns else nw.lit(None).cast(nw.Float64)
    return rows.with_columns(observed=observed, seen=seen)
