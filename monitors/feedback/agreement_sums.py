"""What the gap between closed data and the hold-out is computed of: moments by round and side of a log."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from audit.predictions import PredictionLog
from monitors.feedback.agreement_counts import Quality, Weights, function_of, quality_estimate
from monitors.feedback.agreement_rounds import Round, influenced, round_column
from monitors.feedback.blocks import one_where
from monitors.feedback.decisions import decisions
from monitors.feedback.moment_estimates import gradient_of
from monitors.feedback.moment_sums import Moments, moment_sums, unit_of
from monitors.feedback.whole_sums import steady
from monitors.timestamps import collected

MOMENTS = ("one", "label", "square", "error", "absolute")
"""Sums of 1, y, y^2, (y - s)^2 and abs(y - s), the labels y about their mean over the log."""

MOST_SHARED = 26
"""Rounds whose common people are counted; of more, all are taken to share all, which widens the interval."""


class AgreementSums(NamedTuple):
    """Rows with a column for each of `MOMENTS`, their moments by round and side, and what a side is judged by.

    Examples
    --------
    >>> AgreementSums._fields
    ('rows', 'cells', 'quality')
    """

    rows: nw.LazyFrame[Any]
    cells: Mapping[tuple[str, str], Moments]
    quality: Quality


def agreement_sums(log: PredictionLog) -> AgreementSums:
    """Return the moments of a log with the role arm, of rows with a label and a prediction on either side.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1, 0], "p": [1, 1], "arm": ["model", "holdout"]})
    >>> found = agreement_sums(PredictionLog.from_frame(table, y_true="y", y_pred="p", arm="arm"))
    >>> found.quality, sorted(found.cells)
    ('accuracy', [('', 'closed'), ('', 'holdout')])
    """
    truth = "y_true" if "y_true" in log.columns else "outcome"
    quality = _quality(log)
    said = "y_score" if quality == "brier_skill_score" else "y_pred"
    unit = unit_of(log)
    rows = decisions(log).with_columns(influenced(log), round_column(log), truth=nw.col(truth), said=nw.col(said))
    kept = rows.filter(
        ~nw.col("side").is_null()
        & ~nw.col("truth").is_null()
        & ~nw.col("said").is_null()
        & ~nw.col("round_name").is_null()
    )
    centre = steady(collected(log, kept.select(mean=nw.col("truth").mean()))["mean"][0].as_py() or 0.0)
    label, error = nw.col("truth") - centre, nw.col("truth") - nw.col("said")
    columns = {"one": nw.lit(1.0), "label": label, "square": label * label}
    columns |= {"error": error * error, "absolute": error.abs()}
    table = kept.select("round_name", "side", *([unit] if unit else []), **columns)
    found = moment_sums(log, table, MOMENTS, by=["round_name", "side"])
    cells = {(str(name), str(side)): moments for (name, side), moments in found.items()}
    return AgreementSums(table, cells, quality)


def _quality(log: PredictionLog) -> Quality:
    if log.reading.task == "regression":
        return "r2_score"
    return "brier_skill_score" if "y_score" in log.columns else "accuracy"


def shared_errors(
    log: PredictionLog, sums: AgreementSums, rounds: Sequence[Round], weights: Weights
) -> tuple[float, float]:
    """Return the standard errors of the mean gap and of its slope where one person has rows in several rounds.

    The influences of rows are added up over all rounds and both sides of a person: one pass. The permanent hold-out is
    the reason: scored again by each model, its people err alike in every round.
    """
    chosen = [weights.mean, weights.mean * 0.0 if weights.slope is None else weights.slope]
    if len(rounds) > MOST_SHARED:
        return _all_shared(sums, rounds, chosen[0]), _all_shared(sums, rounds, chosen[1])
    function = function_of(sums.quality)
    moved = [nw.lit(0.0), nw.lit(0.0)]
    for place, each in enumerate(rounds):
        for side, sign in (("closed", 1.0), ("holdout", -1.0)):
            moments = sums.cells.get((each.name or "", side))
            if moments is None or weights.mean[place] == 0:
                continue
            terms = zip(MOMENTS, gradient_of(moments.total, function).tolist(), strict=True)
            told = sum((nw.col(name) * term for name, term in terms if term), nw.lit(0.0))
            inside = one_where((nw.col("round_name") == (each.name or "")) & (nw.col("side") == side)) * told
            moved = [old + inside * (sign * float(weight[place])) for old, weight in zip(moved, chosen, strict=True)]
    found = moment_sums(log, sums.rows.with_columns(mean=moved[0], slope=moved[1]), ["mean", "slope"], by=[])[()]
    scale = found.units / max(found.units - 1.0, 1.0)
    return sqrt(float(found.products[0, 0]) * scale), sqrt(float(found.products[1, 1]) * scale)


def _all_shared(sums: AgreementSums, rounds: Sequence[Round], weight: Any) -> float:  # noqa: ANN401 - an array
    """Return the largest error that weights of rounds can have, whatever their people have in common."""
    total = 0.0
    for place, each in enumerate(rounds):
        for side in ("closed", "holdout"):
            moments = sums.cells.get((each.name or "", side))
            if moments is not None and weight[place]:
                total += abs(float(weight[place])) * quality_estimate(moments, sums.quality).error
    return total
