"""A classifier that tells rows of now from rows of then: a shift of any kind, and the features that give it away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from audit.errors import raise_violations
from audit.measurement import Against, Measurement, Slice, Window
from audit.predictions import PredictionLog
from audit.result import Alarm
from audit.seeds import seed_violations
from audit.splits.domain_classifier import domain_rows
from audit.splits.split_columns import clusters_of
from audit.splits.split_table import SplitTable
from monitors.found import Found
from monitors.shift.samples import Drawn, drawn
from monitors.shift.telling_apart import both_sides, one_of_each, pair_evidence
from monitors.window_evidence import rings
from monitors.windows import Windows

METRIC = "domain_classifier_auc"

FEWEST = 50
"""With fewer rows (clusters) on a side nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThenNowSettings:
    """How then and now are told apart.

    Parameters
    ----------
    tolerated
        AUC that is no alarm, in [0.5, 1): the practical limit.
    alpha
        Bound on the expected share of false alarms among alarms, over windows and slices.
    level
        Confidence level of each interval.
    rows
        Rows of each side and slice that are drawn at most.
    by_group
        Whether each group of each sensitive feature is looked at, too.
    random_state
        Seed of the rows drawn, of the folds and of the models.

    Examples
    --------
    >>> ThenNowSettings().tolerated
    0.55
    """

    tolerated: float = 0.55
    alpha: float = 0.05
    level: float = 0.95
    rows: int = 2_000
    by_group: bool = False
    random_state: int = 0


class _Where(NamedTuple):
    """What the rows of one window and slice share."""

    slice: Slice
    window: Window
    against: Against


class _Judged(NamedTuple):
    """The rows of one window and slice, and the log of their e-value; NaN where nothing could be said."""

    rows: tuple[Measurement, ...]
    log_e: float


def then_now(
    reference: PredictionLog,
    current: PredictionLog,
    *,
    windows: Windows,
    digest: str,
    settings: ThenNowSettings | None = None,
) -> Found:
    """Measure how well a classifier tells the rows of each window from those of the reference.

    Two numbers for two purposes. The **AUC** comes from gradient boosting with five folds, each row scored by a model
    that did not see it, with DeLong's interval; where it is shown to be above 0.5, also how far each feature gives the
    window away (`audit.splits.domain_classifier.domain_rows`). The **alarm** rests on an e-value that is exact at any
    number of rows: rows of both sides are put into five blocks; a model fitted to the blocks before scores the next
    one, where each row of now is paired with one of then; that rows of now score higher in more than `tolerated` of the
    pairs is then a bet against a coin (`monitors.window_evidence.log_e_share_above`). It rings in the first window in
    which e-BH over the slices rejects what the windows so far add up to (`monitors.window_evidence.rings`).

    Assumed: rows (clusters, where they are named) are independent, and exchangeable within a window. Rows that follow
    each other in time and resemble each other are told apart though nothing changed.

    Parameters
    ----------
    reference, current
        Logs that watch the same features; embeddings enter as `monitors.shift.embeddings.projected`.
    windows
        Where the current log is cut.
    digest
        Digest of the frozen reference, named by every row.
    settings
        None = the defaults.

    Returns
    -------
    Found
        ``domain_classifier_auc`` for each window and slice, 0.5 where nothing tells them apart; no value, with a
        reason, below 50 rows (clusters) on a side. ``domain_classifier_auc_drop`` at the features with the largest
        fall. Alarms, each since its own window.

    Raises
    ------
    InputError
        If the logs watch different features, or a setting is out of range.

    References
    ----------
    Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests, arXiv:1610.06545; betting on held-out predictions:
    Podkopaev and Ramdas 2023, Sequential predictive two-sample and independence testing, arXiv:2305.00143; several
    alarms at once: Wang and Ramdas 2022, doi:10.1111/rssb.12489.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> def log(shift):
    ...     table = {"y": [0] * 400, "p": [0] * 400, "t": ["2026-01-05T12:00Z"] * 400, "x": rng.normal(shift, 1, 400)}
    ...     return PredictionLog.from_frame(pa.table(table), y_true="y", y_pred="p", timestamp="t", features=["x"])
    >>> days = Windows(edges=(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)), regular=True,
    ...                complete=1)
    >>> found = then_now(log(0), log(2), windows=days, digest="ab12")
    >>> found.rows[0].metric, found.rows[0].value > 0.85, len(found.alarms)
    ('domain_classifier_auc', True, 1)
    """
    chosen = settings or ThenNowSettings()
    raise_violations([*_violations(chosen), *_feature_violations(reference, current)])
    draw = partial(drawn, most=chosen.rows, by_group=chosen.by_group, random_state=chosen.random_state)
    then = next(draw(reference))
    judged: list[dict[Slice, _Judged]] = []
    for window, slices in zip(windows.windows, draw(current, windows=windows), strict=True):
        where = partial(_Where, window=window, against={"kind": "reference", "digest": digest})
        judged.append({which: _judged(then.get(which), now, where(which), chosen) for which, now in slices.items()})
    rows = [row for slices_of in judged for each in slices_of.values() for row in each.rows]
    return Found(tuple(rows), tuple(_alarms(judged, list(then), chosen.alpha)))


def _judged(then: Drawn | None, now: Drawn, where: _Where, settings: ThenNowSettings) -> _Judged:
    sides = [_units(side) for side in (then, now)]
    if then is None or min(sides) < FEWEST:
        why = f"{sides[1]} rows or clusters in the window, {sides[0]} in the reference; expected {FEWEST} on each side"
        empty = Measurement(
            metric=METRIC, slice=where.slice, window=where.window, against=where.against, value=None, n=min(sides),
            method="not_checked", reason=why if now.rows else "no rows in the window",
        )  # fmt: skip
        return _Judged(rows=(empty,), log_e=np.nan)
    table, seed = both_sides(then, now), settings.random_state
    found = domain_rows(table, level=settings.level, random_state=seed)
    rows = [replace(row, metric=row.metric.replace("split_roc_auc", METRIC), **where._asdict()) for row in found]
    rows[0] = replace(rows[0], reason="; ".join(filter(None, [rows[0].reason, _chance(table, then, now)])) or None)
    one = one_of_each(table, random_state=seed)
    member = table.test[one].astype(np.int64)
    log_e = pair_evidence(table.matrix[one], member, tolerated=settings.tolerated, random_state=seed)
    return _Judged(rows=tuple(rows), log_e=log_e)


def _units(side: Drawn | None) -> int:
    if side is None:
        return 0
    if side.cluster is None:
        return len(next(iter(side.columns.values())))
    return len(np.unique(clusters_of(side.cluster)))


def _chance(table: SplitTable, then: Drawn, now: Drawn) -> str | None:
    used = int((~table.test).sum()), int(table.test.sum())
    if used == (then.rows, now.rows):
        return None
    return f"on {used[0]:,} of {then.rows:,} rows of then and {used[1]:,} of {now.rows:,} of now, drawn at random"


def _alarms(judged: Sequence[Mapping[Slice, _Judged]], slices: Sequence[Slice], alpha: float) -> Iterator[Alarm]:
    """Yield what rings among the slices of the reference, whatever further groups came."""
    if not slices or not judged:
        return
    log_e = np.array([[window[which].log_e if which in window else np.nan for which in slices] for window in judged])
    for ring in rings(log_e, alpha=alpha):
        which = slices[ring.hypothesis]
        # A slice may ring in a window without rows of it, where others raise the number of alarms: the last with rows.
        last = max(place for place in range(ring.window + 1) if which in judged[place])
        row = judged[last][which].rows[0]
        if row.window is not None:
            yield Alarm(key=row.key(), e_value=ring.e_value, limit=ring.limit, since=row.window[0])


def _violations(settings: ThenNowSettings) -> list[str]:
    violations = seed_violations(settings.random_state)
    if not 0.5 <= settings.tolerated < 1:
        violations.append(f"tolerated must lie in [0.5, 1); got {settings.tolerated}; 0.55 is the default")
    for name in ("alpha", "level"):
        if not 0 < getattr(settings, name) < 1:
            violations.append(f"{name} must lie in (0, 1); got {getattr(settings, name)}")
    if settings.rows < FEWEST:
        violations.append(f"rows must be at least {FEWEST}; got {settings.rows}")
    return violations


def _feature_violations(reference: PredictionLog, current: PredictionLog) -> list[str]:
    if set(reference.features) == set(current.features):
        return []
    gone, new = (sorted(set(one) ^ (set(one) & set(two))) for one, two in (
        (reference.features, current.features), (current.features, reference.features)
    ))  # fmt: skip
    return [f"both logs must watch the same features; only the reference has {gone}, only the current log has {new}"]
