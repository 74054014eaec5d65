"""The log loss of scores by group: a mean over rows that counts cannot give, with its intervals and gaps."""

from collections.abc import Mapping

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import raise_violations
from audit.expressions import number
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.tally import Codes
from audit.tasks.mean_rows import Mean, mean_rows
from audit.tasks.moments import LossSums, Moments, collect_moments
from audit.values import BINARY, canonical_array

_ENDLESS = (
    "the log loss is infinite: {n} rows have a score of exactly 0 or 1 and the other label; pass clip, or mend them"
)
_MEAN = Mean("log_loss", "log_loss", "log", refused=("endless", _ENDLESS))


def log_loss_rows(
    log: PredictionLog, *, level: float = 0.95, reference: Mapping[str, str] | None = None, clip: float | None = None
) -> tuple[Measurement, ...]:
    r"""Return the log loss of every slice and its gaps; smaller is better, in [0, inf).

    Parameters
    ----------
    log
        Labels and scores of a binary task; rows without a label have no loss.
    level
        Confidence level, in (0, 1).
    reference
        The reference group by feature.
    clip
        Scores are moved into [clip, 1 - clip] first, in (0, .5); None = not at all.

    Returns
    -------
    tuple of Measurement
        Rows named ``log_loss`` and ``log_loss_difference`` (and ``count``), as `audit.tasks.mean_rows.mean_rows` makes
        them. A slice in which some row is sure and wrong has no value, and the reason counts those rows.

    Raises
    ------
    InputError
        If scores lie outside [0, score_max], labels are not two, or the positive one is not known.

    Notes
    -----
    Mean of -ln s for positive and -ln(1 - s) for other labels, s = y_score / score_max (Good 1952,
    doi:10.1111/j.2517-6161.1952.tb00104.x). scikit-learn clips scores to the precision of their type, which turns a
    score of 0 for a positive row into a loss of 36, or of 16 for short floats: a number that the data do not hold. A
    few rows that are nearly sure and wrong hold most of the loss; of rows like them that the sample lacks the interval
    knows nothing (`audit.tasks.means.mean_interval`).

    Examples
    --------
    >>> frame = pa.table({"y": [1, 0], "s": [0.5, 0.75], "p": [1, 1]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", y_score="s")
    >>> row = next(row for row in log_loss_rows(log) if row.metric == "log_loss")
    >>> round(row.value, 4)  # (ln 2 + ln 4) / 2
    1.0397
    """
    raise_violations(_option_violations(log, clip))
    score = number("y_score", log.table.collect_schema()) / log.reading.score_max
    fine = (score >= 0) & (score <= 1)
    used = score if clip is None else _clipped(score, clip)
    sides = {"as_positive": used, "as_negative": 1 - used}
    losses = {name: nw.when(side > 0).then(side).otherwise(1.0).log() * -1.0 for name, side in sides.items()}
    flags = {f"endless_{name}": nw.when(side <= 0).then(1).otherwise(0) for name, side in sides.items()}
    flags["bad_score"] = nw.when(fine).then(0).otherwise(1)
    found = collect_moments(log, losses, usable=fine, flags=flags, extra={"y_true": nw.col("y_true")})
    bad = int(pc.sum(found.extra["bad_score"]).as_py())
    rule = f"must lie in [0, {log.reading.score_max:g}]; {bad} rows hold something else"
    raise_violations([f"column {log.columns['y_score']!r} (y_score) {rule}; pass probabilities"] if bad else [])
    rows = mean_rows(_own_side(found, _positive(log, found)), [_MEAN], level=level, reference=reference)
    return tuple(rows)


def _option_violations(log: PredictionLog, clip: float | None) -> list[str]:
    violations = []
    if "y_score" not in log.columns:
        violations.append("log_loss needs scores; name y_score")
    if clip is not None and not 0 < clip < 0.5:
        violations.append(f"clip must lie in (0, 0.5); got {clip}")
    return violations


def _clipped(score: nw.Expr, clip: float) -> nw.Expr:
    raised = nw.when(score < clip).then(nw.lit(clip)).otherwise(score)
    return nw.when(score > 1 - clip).then(nw.lit(1 - clip)).otherwise(raised)


def _positive(log: PredictionLog, moments: Moments) -> Codes:
    """Return per cell 1 for the positive label, 0 for the other, -1 for none."""
    labels = canonical_array(moments.extra["y_true"])
    distinct = set(pc.unique(labels.drop_null()).to_pylist())
    positive = log.reading.positive
    if distinct <= set(BINARY) and (positive is None or positive in BINARY):
        wanted = {label for label in BINARY if BINARY[label] == BINARY[positive or "1"]}
    else:
        wanted = {str(positive)}
        raise_violations(_label_violations(distinct, positive))
    truth = pc.is_in(labels, value_set=pa.array(sorted(wanted), pa.string())).to_numpy(zero_copy_only=False)
    return np.where(pc.is_null(labels).to_numpy(zero_copy_only=False), -1, truth.astype(np.int64))


def _label_violations(distinct: set[str], positive: str | None) -> list[str]:
    shown = ", ".join(map(repr, sorted(distinct)[:10]))
    if positive is None:
        return [f"the positive label is not known: y_true has {shown}; say which one is positive (positive=...)"]
    return [f"expected two labels; y_true has {len(distinct)}: {shown}"] if len(distinct) > 2 else []


def _own_side(moments: Moments, positive: Codes) -> Moments:
    """Return moments with one loss, that of each cell's own label."""
    if not np.any(positive >= 0):
        raise_violations(["y_true: every label is missing; a log loss needs some: join the labels"])
    up, down = (moments.losses[name] for name in ("as_positive", "as_negative"))
    labelled = positive >= 0
    columns = zip(up, down, strict=True)
    own = [np.where(labelled, np.where(positive == 1, one, two), 0.0) for one, two in columns]
    sides = [moments.extra[f"endless_{name}"].to_numpy() for name in ("as_positive", "as_negative")]
    endless = np.where(labelled, np.where(positive == 1, *sides), 0)
    cells = moments.cells
    kept = cells._replace(
        n=np.where(labelled, cells.n, 0), w=np.where(labelled, cells.w, 0.0), w2=np.where(labelled, cells.w2, 0.0)
    )
    return moments._replace(
        cells=kept, losses={"log_loss": LossSums(*own)}, extra={"endless": pa.array(endless.astype(np.int64))}
    )
