"""Whether the model looks better on data that it influenced than on data that it never touched, by retraining."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.agreement_counts import (
    FEWEST_ROUNDS,
    Quality,
    Totals,
    Weights,
    combined,
    quality_estimate,
    trend,
    weights_of,
)
from monitors.feedback.agreement_rounds import CANNOT, Round, hold_out, rounds_of
from monitors.feedback.agreement_sums import agreement_sums, shared_errors
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import Estimate, difference, estimate, evidence_of, of_estimate
from monitors.feedback.moment_sums import Moments, unit_of
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings

GAP, TREND = "self_agreement_gap", "self_agreement_trend"
LIMIT, TREND_LIMIT = 0.1, 0.005
FEWEST_ROWS = 20
"""Rows on each side of a round, below which nothing is said of it."""


def measure_agreement(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return the gap between closed data and the hold-out by round, and its trend.

    Numbers are judged by R squared; labels by the Brier skill score where there are scores, because it is on the same
    scale and needs no threshold, else by accuracy. Rows without a label or a prediction are left out.
    """
    held, order = hold_out(log), rounds_of(log)
    fault = held.fault or order.fault or _impossible(log, held.rows)
    if fault:
        return _refused(fault, held.rows)
    sums = agreement_sums(log)
    cells = sums.cells
    if not any(side == "closed" for _, side in cells):
        return _refused(f"{CANNOT} no row of the arm 'model' has a label and a prediction. Log both.", 0)
    shared = partial(shared_errors, log, sums, order.rounds) if unit_of(log) else None
    return agreement_rows(order.rounds, cells, sums.quality, settings, caveat=held.caveat, shared=shared)


def agreement_rows(
    rounds: Sequence[Round],
    cells: Mapping[tuple[str, str], Moments],
    quality: Quality,
    settings: LoopSettings,
    *,
    caveat: str | None = None,
    shared: Callable[[Weights], tuple[float, float]] | None = None,
) -> LoopRows:
    """Return gaps by round, their mean and trend, of the moments `MOMENTS` of each round and side.

    Parameters
    ----------
    rounds
        In their order.
    cells
        Moments by name of the round and side, "closed" or "holdout".
    quality
        What a side is judged by.
    settings
        Level and limits.
    caveat
        What is said with each gap.
    shared
        Returns the standard errors of the mean gap and of its slope where rounds share people; None = rounds are
        independent.

    Examples
    --------
    >>> agreement_rows([Round("1", None)], {}, "accuracy", LoopSettings()).rows[0].reason
    'cannot be measured, because this round has 0 influenced rows and 0 hold-out rows with label and prediction, \
fewer than 20.'
    """
    found = [_round_rows(place, cells, quality, settings.level, caveat) for place in rounds]
    rows = [row for each in found for row in each.rows]
    gaps = [each.gap for each in found]
    weights = weights_of(gaps)
    errors = shared(weights) if shared is not None and weights.mean.any() else (None, None)
    mean = _mean_row(rounds, gaps, weights, errors[0], settings, quality, caveat)
    said = _trend_row(rounds, gaps, errors[1], settings)
    latest = _latest(rounds, found, settings.limits.get(GAP, LIMIT))
    return LoopRows((*mean.rows, *rows, *said.rows), (*mean.evidence, *latest, *said.evidence))


def _mean_row(
    rounds: Sequence[Round],
    gaps: Sequence[Estimate],
    weights: Weights,
    error: float | None,
    settings: LoopSettings,
    quality: Quality,
    caveat: str | None,
) -> LoopRows:
    """Return the mean gap over rounds, of two or more."""
    if np.count_nonzero(weights.mean) < 2:
        return LoopRows()
    found = combined(gaps, weights.mean, error=error)
    row = of_estimate(GAP, found, level=settings.level, method=f"delta_method, {quality}", reason=caveat)
    value = evidence_of(found, limit=settings.limits.get(GAP, LIMIT))
    return LoopRows((row,), (Evidence(row.key(), value, rounds[0].since),))


def _latest(rounds: Sequence[Round], found: Sequence["_Found"], limit: float) -> tuple[Evidence, ...]:
    """Return the evidence of the latest round that has a gap: one row, whatever the number of rounds.

    It speaks since the first of the rounds up to it whose gaps all lie beyond the limit.
    """
    known = [place for place, each in enumerate(found) if isfinite(each.gap.value)]
    if not known:
        return ()
    first = last = known[-1]
    for place in reversed(known):
        if found[place].gap.value <= limit:
            break
        first = place
    e_value = evidence_of(found[last].gap, limit=limit)
    return (Evidence(found[last].rows[0].key(), e_value, rounds[first].since),)


class _Found(NamedTuple):
    rows: tuple[Measurement, ...]
    gap: Estimate


def _impossible(log: PredictionLog, held: int) -> str | None:
    if held == 0:
        return (
            f"{CANNOT} no row has the arm 'holdout'. Set aside a few percent by chance whom the model never touches, "
            "and log them with that arm and what the model would have said."
        )
    if "y_pred" not in log.columns and "y_score" not in log.columns:
        return f"{CANNOT} the log names neither y_pred nor y_score. Log what the model said of every row."
    return None


def _refused(reason: str, n: int) -> LoopRows:
    return LoopRows(
        tuple(Measurement(metric=name, value=None, n=n, method="none", reason=reason) for name in (GAP, TREND))
    )


def _mean_absolute(total: Totals) -> Any:  # noqa: ANN401 - as skill
    return total[4] / total[0]


def _round_rows(
    place: Round, cells: Mapping[tuple[str, str], Moments], quality: Quality, level: float, caveat: str | None
) -> _Found:
    """Return the gap of a round first, then the quality of either side."""
    sides = {side: cells.get((place.name or "", side)) for side in ("closed", "holdout")}
    few = [
        f"{0 if moments is None else moments.n} {'influenced' if side == 'closed' else 'hold-out'} rows"
        for side, moments in sides.items()
        if moments is None or moments.n < FEWEST_ROWS
    ]
    closed, held = sides["closed"], sides["holdout"]
    if few or closed is None or held is None:
        why = f"{CANNOT} this round has {' and '.join(few)} with label and prediction, fewer than {FEWEST_ROWS}."
        return _unknown(place, min((each.n if each else 0) for each in sides.values()), why)
    found = {side: quality_estimate(moments, quality) for side, moments in (("closed", closed), ("holdout", held))}
    gap = difference(found["closed"], found["holdout"])
    if not isfinite(gap.value):
        return _unknown(place, gap.n, f"{CANNOT} all labels of one side are alike in this round. Log longer rounds.")
    rows = [
        of_estimate(
            GAP, gap, level=level, method=f"delta_method, {quality}", at=place.at, window=place.window, reason=caveat
        )
    ]
    for side, each in found.items():
        arm = (("arm", side),)
        rows.append(
            of_estimate(quality, each, level=level, method="delta_method", at=(*place.at, *arm), window=place.window)
        )
    if quality == "r2_score":
        for side, moments in (("closed", closed), ("holdout", held)):
            mean = estimate(moments, _mean_absolute)
            arm = (("arm", side),)
            name = "mean_absolute_error"
            rows.append(
                of_estimate(name, mean, level=level, method="delta_method", at=(*place.at, *arm), window=place.window)
            )
    return _Found(tuple(rows), gap)


def _unknown(place: Round, n: int, reason: str) -> _Found:
    row = Measurement(metric=GAP, at=place.at, window=place.window, value=None, n=n, method="none", reason=reason)
    return _Found((row,), Estimate(np.nan, np.nan, n, 0.0, clustered=False))


def _trend_row(
    rounds: Sequence[Round], gaps: Sequence[Estimate], error: float | None, settings: LoopSettings
) -> LoopRows:
    known = sum(isfinite(gap.value) for gap in gaps)
    found = trend(gaps, error=error)
    if found is None:
        what = "one retraining round" if known == 1 else f"{known} retraining rounds with a gap and an error"
        reason = (
            f"{CANNOT} a trend needs at least {FEWEST_ROUNDS} retraining rounds; the log has {what}. "
            "Log round (or model_version), and look again after the next retraining."
        )
        return LoopRows((Measurement(metric=TREND, value=None, n=known, method="none", reason=reason),))
    row = of_estimate(TREND, found, level=settings.level, method="least_squares")
    limit = settings.limits.get(TREND, TREND_LIMIT)
    return LoopRows((row,), (Evidence(row.key(), evidence_of(found, limit=limit), rounds[0].since),))


_OBTAIN = (
    "Set aside a few percent of people or cases by chance whom the model never touches, keep them for good, log them "
    "with arm 'holdout' (all others with 'model') and what the model would have said, and log the round of retraining."
)
_SOURCE = (
    "A. Khritankov (2021), Hidden feedback loops in machine learning systems, arXiv:2101.05673; the hold-out that the "
    "vendor never sees is the usual advice for bought systems. The gap and its limit are ours."
)

_HELPS: tuple[Role, ...] = (
    "y_true",
    "y_pred",
    "y_score",
    "round",
    "model_version",
    "exposed",
    "action",
    "user",
    "cluster",
    "timestamp",
)

FAMILY: Family = (
    LoopMetric(
        name=GAP,
        title="How much better the model looks on data that it influenced",
        question="is there a loop",
        needs=("arm", "outcome"),
        helps=_HELPS,
        meaning=(
            "How much better the model scores on cases that its own output helped to shape than on cases that it never "
            "touched."
        ),
        limit=LIMIT,
        why=(
            "A model that steers its own labels looks ever better and helps nobody more. A gap above .1 says that a "
            "tenth of what the model explains (or of the right answers) may be the model agreeing with itself: judge "
            "it by the hold-out, and look at who acts on its output."
        ),
        not_when=(
            "The hold-out was not drawn by chance, was acted on, or is of other people than the rest; a model that "
            "truly changes behaviour for the better may widen the gap too."
        ),
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_agreement,
    ),
    LoopMetric(
        name=TREND,
        title="Whether that gap grows from one retraining to the next",
        question="how strong",
        needs=("arm", "outcome"),
        helps=_HELPS,
        meaning="By how much the gap between influenced and untouched data grows with each retraining.",
        limit=TREND_LIMIT,
        why=(
            "A loop tightens with each retraining. Growing by .005 per round, the gap passes .1 within twenty: find "
            "out what of the model's output is fed back before it does."
        ),
        not_when="Fewer than three rounds; rounds in which also the hold-out, the label or the features changed.",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_agreement,
    ),
)
