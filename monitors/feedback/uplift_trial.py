"""The rows of a log whose action was drawn by chance: what uplift is told from."""

from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.blocks import one_where
from monitors.feedback.decisions import decisions
from monitors.feedback.moment_sums import unit_of
from monitors.feedback.uplift_counts import MOMENTS
from monitors.timestamps import collected

COUNTS = (*MOMENTS, "rows_acted", "rows_spared")
"""Columns of a trial's rows: those of `MOMENTS`, and whether a row was acted on or spared."""

FEWEST_ROWS = 20
"""Acted on, and spared, of a group or a bin, below which nothing is said of it."""

OBTAIN = (
    "Let chance decide about a few percent of the cases whether they are acted on, and log them with the arm "
    "'explore', or with the chance of the action that was taken (propensity)."
)
_SIDES = {"acted": "were acted on", "spared": "were not acted on"}


class Trial(NamedTuple):
    """The rows that chance decided about, with a column for each of `COUNTS`, or why there are none.

    Examples
    --------
    >>> Trial(None, 0, "because", None).fault
    'because'
    """

    rows: nw.LazyFrame[Any] | None
    n: int
    fault: str | None
    caveat: str | None


def trial_of(log: PredictionLog) -> Trial:
    """Return the rows of a log whose action was drawn by chance, weighted by one over its chance where that is logged.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1], "acted": [1], "o": [1.0]})
    >>> trial_of(PredictionLog.from_frame(table, task="watch", y_pred="p", action="acted", outcome="o")).fault[:54]
    'cannot be measured, because chance decided about no ro'
    """
    truth = "outcome" if "outcome" in log.columns else "y_true"
    rows = decisions(log).with_columns(truth=nw.col(truth))
    explored, drawn = "arm" in log.columns, "propensity" in log.columns
    if explored:
        chosen = collected(log, rows.select(n=one_where(nw.col("arm") == "explore").sum()))["n"][0].as_py()
        explored = bool(chosen)
    if not explored and not drawn:
        fault = f"{CANNOT} chance decided about no row: the log has no rows of the arm 'explore' and no propensities."
        return Trial(None, 0, f"{fault} {OBTAIN}", None)
    if explored:
        rows = rows.filter(nw.col("arm") == "explore")
    else:
        rows = rows.filter(nw.col("propensity").is_null() | (nw.col("propensity") < 1.0))
        rows = rows.filter(nw.col("arm") == "model") if "arm" in log.columns else rows
    counts = _trial_counts(log, rows, drawn=drawn)
    if counts["missing"]:
        fault = (
            f"{CANNOT} {counts['missing']:,} of {counts['n']:,} rows that chance decided about have no propensity. "
            "Log it in all of them, or in none where the chance is the same for all."
        )
        return Trial(None, counts["n"], fault, None)
    few = [f"{counts[name]:,} {said}" for name, said in _SIDES.items() if counts[name] < FEWEST_ROWS]
    if few:
        fault = (
            f"{CANNOT} of the rows that chance decided about, and whose outcome is known, {' and '.join(few)}, fewer "
            f"than {FEWEST_ROWS}. Let chance act and not act."
        )
        return Trial(None, counts["n"], fault, None)
    lost = counts["n"] - counts["acted"] - counts["spared"]
    said = [] if drawn else ["propensities are not logged: the chance to be acted on is taken to be the same for all"]
    said += [f"{lost:,} of {counts['n']:,} rows have no action or outcome: left out"] if lost else []
    return Trial(_columns(log, rows, drawn=drawn), counts["n"], None, "; ".join(said) or None)


def _trial_counts(log: PredictionLog, rows: nw.LazyFrame[Any], *, drawn: bool) -> dict[str, int]:
    known = one_where(~nw.col("truth").is_null() & ~nw.col("action").is_null())
    missing = known * one_where(nw.col("propensity").is_null()) if drawn else nw.lit(0.0)
    flags = rows.with_columns(
        known=known,
        missing=missing,
        acted=known * one_where(nw.col("action") == 1.0),
        spared=known * one_where(nw.col("action") == 0.0),
    )
    sums = {name: nw.col(name).sum() for name in ("missing", "acted", "spared")}
    found = collected(log, flags.select(n=nw.len(), **sums)).to_pylist()[0]
    return {name: int(value or 0) for name, value in found.items()}


def _columns(log: PredictionLog, rows: nw.LazyFrame[Any], *, drawn: bool) -> nw.LazyFrame[Any]:
    acted = one_where(nw.col("action") == 1.0)
    spared = 1.0 - acted
    weight = 1.0 / nw.col("propensity") if drawn else nw.lit(1.0)
    unit = unit_of(log)
    kept = [f"feature_{place}" for place in range(len(log.sensitive_features))]
    kept += [*(["y_score"] if "y_score" in log.columns else []), *([unit] if unit else [])]
    return rows.filter(~nw.col("truth").is_null() & ~nw.col("action").is_null()).select(
        *kept,
        acted=acted * weight,
        acted_outcome=acted * weight * nw.col("truth"),
        spared=spared * weight,
        spared_outcome=spared * weight * nw.col("truth"),
        rows_acted=acted,
        rows_spared=spared,
    )
