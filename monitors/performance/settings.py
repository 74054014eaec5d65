"""What performance over time is held against, and how often it may ring without cause."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from audit.errors import raise_violations
from audit.measurement import Window
from audit.tally import Tally
from audit.views import answers, view_of

HEADLINES = ("selection_rate", "false_positive_rate", "false_negative_rate", "accuracy")
SCORED = ("roc_auc", "calibration_in_the_large")
UNSETTLED = "not settled: rows or labels of this window are still to come; it does not ring"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceSettings:
    """How the performance of windows is measured, and when it rings.

    Parameters
    ----------
    metrics
        What is written of each window; None = `HEADLINES`, and `SCORED` where there are scores.
    watched
        The rates that may ring; None = those of `HEADLINES` that the counts answer.
    tolerance
        By how much a risk may exceed the upper bound of the reference's, a fraction: 0.02 is two percentage points.
        Gaps between a group and everyone else, and calibrated confidence, have the same tolerance.
    alpha
        Chance that any of the e-values ever rings without cause, in (0, 1): half of it for bounds of the reference that
        do not hold, half for the evidence.
    windows_per_false_alarm
        N of the detectors: while nothing changes, one of all of them together rings once in N windows or more seldom;
        None = no detectors.
    level
        Confidence level of the intervals of values.
    gaps
        Whether groups are also held against everyone else.
    detail
        Whether every row of an audit is kept (ratios, each group against the rest, intersections up to the default).
    settled
        The end of the last window that is complete and whose labels are there; later ones are written and do not ring.
        None = all.
    windows
        Windows that should be there: those in which nothing was predicted get rows that say so. None = those with rows.
    digest
        What identifies the reference in rows; None = the digest of its tally.
    labels_at_random
        Whether rows without a label are like those with one, as where rows were drawn to be labelled: the evidence then
        leaves them out. Otherwise it holds whatever their labels are: they count as no loss, and in the reference as
        losses.
    dispersion
        How many rows are worth one in the evidence on scores, which counts rows, at least 1: the design effect of
        clusters. All other evidence knows clusters by itself.

    Raises
    ------
    InputError
        If numbers lie outside their ranges: all at once.

    Examples
    --------
    >>> PerformanceSettings(tolerance=0.01).alpha
    0.05
    """

    metrics: tuple[str, ...] | None = None
    watched: tuple[str, ...] | None = None
    tolerance: float = 0.02
    alpha: float = 0.05
    windows_per_false_alarm: int | None = 1000
    level: float = 0.95
    gaps: bool = True
    detail: bool = False
    settled: datetime | None = None
    windows: tuple[Window, ...] | None = None
    digest: str | None = None
    labels_at_random: bool = False
    dispersion: float = 1.0

    def __post_init__(self) -> None:
        found = []
        if not isfinite(self.tolerance) or not 0 <= self.tolerance < 1:
            found.append(f"tolerance must lie in [0, 1); got {self.tolerance}; 0.02 tolerates two percentage points")
        if not 0 < self.alpha < 1:
            found.append(f"alpha must lie in (0, 1); got {self.alpha}")
        if not 0 < self.level < 1:
            found.append(f"level must lie in (0, 1); got {self.level}")
        if self.windows_per_false_alarm is not None and self.windows_per_false_alarm < 2:
            found.append(f"windows_per_false_alarm must be at least 2; got {self.windows_per_false_alarm}")
        if self.settled is not None and self.settled.tzinfo is None:
            found.append(f"settled must have a time zone; got {self.settled.isoformat()}")
        if not isfinite(self.dispersion) or self.dispersion < 1:
            found.append(f"dispersion must be at least 1 and finite; got {self.dispersion}; 1 is independent rows")
        raise_violations(found)


def measured(settings: PerformanceSettings, tally: Tally) -> tuple[str, ...]:
    """Return the metrics that are written of each window.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> measured(PerformanceSettings(), collapse(raw, features=(), positive="1", bins=None, weights="none"))
    ('selection_rate', 'false_positive_rate', 'false_negative_rate', 'accuracy')
    """
    if settings.metrics is not None:
        return settings.metrics
    usual = HEADLINES + (SCORED if tally.bins is not None else ())
    return tuple(name for name in usual if answers(tally, name))


def watched(settings: PerformanceSettings, tally: Tally) -> tuple[str, ...]:
    """Return the rates that may ring.

    Raises
    ------
    InputError
        If one that was named is no rate of these counts.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> watched(PerformanceSettings(watched=("precision",)), collapse(raw, features=(), positive="1", bins=None,
    ...                                                               weights="none"))
    ('precision',)
    """
    if settings.watched is None:
        return tuple(name for name in HEADLINES if _is_rate(tally, name))
    raise_violations(
        [
            f"{name} cannot be watched: expected a rate of these counts, such as accuracy or false_positive_rate"
            for name in settings.watched
            if not _is_rate(tally, name)
        ]
    )
    return settings.watched


def reference_violations(reference: Tally, current: Tally) -> list[str]:
    """Return what keeps two tallies from being compared.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.tally import collapse
    >>> raw = pa.table({"y_true": ["1"], "y_pred": ["1"], "n": [2], "w": [2.0], "w2": [2.0]})
    >>> tally = collapse(raw, features=(), positive="1", bins=None, weights="none")
    >>> reference_violations(tally, collapse(raw, features=(), positive="0", bins=None, weights="none"))
    ["the reference has positive '1', the current rows '0'; count both alike"]
    """
    found = [
        f"the reference has {name} {getattr(reference, name)!r}, the current rows {getattr(current, name)!r}; count "
        f"both alike"
        for name in ("features", "positive", "task", "weights", "deferral", "clustered")
        if getattr(reference, name) != getattr(current, name)
    ]
    if not reference.rows:
        found.append("the reference has no rows")
    return found


def _is_rate(tally: Tally, name: str) -> bool:
    return answers(tally, name) and view_of(tally, name).metric.kind == "rate"
