"""Drift of every feature, for everyone and every group, window by window: distances, evidence and alarms."""

from collections.abc import Iterator
from datetime import datetime
from math import exp, isfinite
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.inference.intervals import FloatArray
from audit.measurement import Measurement
from audit.result import Alarm
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference
from monitors.drift.bounds import rows_needed
from monitors.drift.rejections import MAX_LOG_E, Bound, Pair, Tested, bound_since, error_of_bound, tested
from monitors.drift.rows import NO_REFERENCE, NO_ROWS, Place, rows_of
from monitors.drift.settings import DriftSettings
from monitors.found import Found

_DEFAULTS = DriftSettings()


class _Judged(NamedTuple):
    """What the rejections of one feature come to, shape (n_windows, n_slices); NaN where nothing was rejected."""

    value: FloatArray
    low: FloatArray
    factor: FloatArray
    rings: npt.NDArray[np.bool_]


def drift(
    reference: Reference, current: Profile, *, settings: DriftSettings = _DEFAULTS, undated: datetime | None = None
) -> Found:
    """Compare every feature of a log with its reference, window by window, for everyone and for every group.

    An alarm rings for a feature and a slice in the first window after which both hold: the evidence that the feature
    changed in some window so far is rejected by e-BH among all features and slices, and the lower bound of how much
    it changed since then passes its practical limit. It never rings for how small a sample is, nor for how large. What
    is tested together is fixed by the reference: its slices and its features. A slice without rows has an e-value of 1,
    and groups that the reference lacks are not judged, so that what comes later never takes an alarm back.

    Promises, for rows that are independent given the window or whose dispersion is set: if nothing changes, the chance
    that a feature's evidence in a slice *ever* reaches 1 / alpha is at most alpha, at however many windows; after each
    window the expected share of false rejections is at most alpha, whatever the dependence of features and slices; and
    the chance that any bound ever lies above its effect is at most alpha. The first is proved for numbers without ties
    and everyone; for ties, groups and categories the null is approximate, and simulations stay below alpha. A window
    that gets rows later is a new replay: keep alarms that were raised as events.

    Parameters
    ----------
    reference
        What is compared with, with the same bins.
    current
        Counts of the log, cut into windows or not.
    settings
        What counts as a change, and what may go wrong.
    undated
        When an alarm of a log that is not cut into windows is said to have begun; without it such a log has rows and
        their reasons, but no alarms.

    Returns
    -------
    Found
        For everyone ``kolmogorov_smirnov_statistic`` (numbers), ``wasserstein_distance`` and
        ``wasserstein_distance_iqr`` (numbers), ``total_variation_distance``, ``population_stability_index``,
        ``jensen_shannon_distance`` and ``hellinger_distance``; for groups the effect and the index; for all
        ``drift_e_value``, to which the alarms belong. n is the smaller of both sides' rows. A window without rows has
        no value and rings nothing.

    Raises
    ------
    ValueError
        If a feature of the log has other bins than in the reference.

    Examples
    --------
    >>> from datetime import UTC
    >>> from monitors.counts.binning import Binning
    >>> from monitors.counts.reference import frozen
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> before = Profile(windows=(None,), slices=((),), binnings={"sex": sex},
    ...                  counts={"sex": np.array([[[500, 500, 0, 0]]])}, rows=np.array([[1000]]))
    >>> days = tuple((datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (5, 6))
    >>> since = Profile(windows=days, slices=((),), binnings={"sex": sex},
    ...                 counts={"sex": np.array([[[51, 49, 0, 0]], [[5, 95, 0, 0]]])}, rows=np.array([[100], [100]]))
    >>> found = drift(frozen(before, sensitive_features=()), since)
    >>> [alarm.since.day for alarm in found.alarms]
    [6]
    """
    current = current.at_slices(reference.profile.slices)  # groups that come later do not widen what is tested
    pairs = _pairs(reference, current, settings)
    if not pairs:
        return Found()
    place = Place(current.windows, current.slices, {"kind": "reference", "digest": reference.digest}, settings.level)
    evidence = tested(pairs, alpha=settings.alpha, min_reference=settings.min_reference)
    rows: list[Measurement] = []
    alarms: list[Alarm] = []
    for position, pair in enumerate(pairs):
        judged = _judged(pair, evidence, position, settings)
        rows.extend(rows_of(pair, place))
        of_evidence = list(_evidence_rows(pair, place, evidence, position, judged, settings))
        rows.extend(row for line in of_evidence for row in line)
        alarms.extend(_alarms(of_evidence, evidence, judged, undated))
    return Found(tuple(rows), tuple(alarms))


def _pairs(reference: Reference, current: Profile, settings: DriftSettings) -> list[Pair]:
    """Return the counts of the features that both sides have."""
    pairs, differ = [], []
    for name, binning in current.binnings.items():
        if name not in reference.binnings:
            continue
        if reference.binnings[name] != binning:
            differ.append(name)
            continue
        was = np.stack([reference.profile.of(name, slice=one) for one in current.slices]).astype(np.float64)
        now = current.counts[name].astype(np.float64)
        pairs.append(Pair(binning, was, now, settings.dispersion_of(name)))
    if differ:
        msg = f"expected the bins of the reference; {differ} have others; count the log with the reference's binnings"
        raise ValueError(msg)
    return pairs


def _judged(pair: Pair, evidence: Tested, position: int, settings: DriftSettings) -> _Judged:
    """Bound the effects behind the rejections of one feature, and say which pass their limits."""
    rejected = evidence.rejected[:, position] & (pair.current.sum(axis=-1) > 0)
    last, slices = np.nonzero(rejected)
    value, low, factor = (np.full(rejected.shape, np.nan) for _ in range(3))
    rings = np.zeros(rejected.shape, dtype=np.bool_)
    if len(last):
        tests = evidence.log_e.shape[1] * evidence.log_e.shape[2]
        error = error_of_bound(last + 1, alpha=settings.alpha, tests=tests)
        first = evidence.since[last, position, slices]
        bound = bound_since(pair, first, last, slices, error=error, min_share=settings.min_share)
        value[last, slices], low[last, slices], factor[last, slices] = bound.value, bound.low, bound.factor
        rings[last, slices] = _passes(bound, pair, settings)
    return _Judged(value, low, factor, rings)


def _passes(bound: Bound, pair: Pair, settings: DriftSettings) -> npt.NDArray[np.bool_]:
    limit = settings.ks_limit if pair.binning.kind == "numeric" else settings.tv_limit
    # without a practical limit the evidence of a change is all that is asked for
    return np.asarray((bound.low > limit) | (bound.factor > settings.factor_limit) | (limit == 0.0))


def _evidence_rows(
    pair: Pair, place: Place, evidence: Tested, position: int, judged: _Judged, settings: DriftSettings
) -> Iterator[list[Measurement]]:
    """Yield for each slice the rows of its evidence, one for each window."""
    was, now = pair.reference.sum(axis=-1), pair.current.sum(axis=-1)
    tests = evidence.log_e.shape[1] * evidence.log_e.shape[2]
    needed = _rows_needed(pair, len(place.windows), tests, settings)
    for s, of_slice in enumerate(place.slices):
        exact = evidence.exact[position, s]
        method = "polya_mixture" if exact else "dirichlet_multinomial_mixture"
        line = []
        for w, window in enumerate(place.windows):
            log_e = float(evidence.log_e[w, position, s])
            empty = _empty(was[s], now[w, s], settings.min_reference)
            reason = empty or _reason(place, evidence, judged, (w, position, s), needed[w, s] - now[w, s])
            line.append(
                Measurement(
                    metric="drift_e_value",
                    slice=of_slice,
                    at=(("feature", pair.binning.feature),),
                    against=place.against,
                    window=window,
                    value=None if empty else exp(min(log_e, MAX_LOG_E)),
                    n=int(min(was[s], now[w, s])),
                    method=method,
                    reason=reason,
                )
            )
        yield line


def _rows_needed(pair: Pair, windows: int, tests: int, settings: DriftSettings) -> FloatArray:
    """Return the rows of a window with which a change of twice the limit is sure to pass it in the window alone."""
    numeric = pair.binning.kind == "numeric"
    limit = settings.ks_limit if numeric else settings.tv_limit
    error = error_of_bound(np.arange(1, windows + 1), alpha=settings.alpha, tests=tests)[:, None]
    bins = pair.reference.shape[-1]
    log_term = np.log(2.0 * 10 / error) if numeric else bins * np.log(2.0) - np.log(error / 2.0)
    m = np.maximum(pair.reference.sum(axis=-1), 1e-9)[None] / pair.dispersion
    return rows_needed(m, radius=max(limit, 1e-9), log_term=log_term) * pair.dispersion


def _empty(was: float, now: float, min_reference: int) -> str | None:
    if was == 0:
        return NO_REFERENCE
    if was < min_reference:
        return f"the reference has {int(was)} rows of this group; at least {min_reference} are needed"
    return NO_ROWS if now == 0 else None


def _reason(place: Place, evidence: Tested, judged: _Judged, at: tuple[int, int, int], lacking: float) -> str | None:
    """Say what a rejection came to, or how many rows a window lacks."""
    w, _, s = at
    if evidence.rejected[at] and isfinite(judged.value[w, s]):
        since = place.windows[int(evidence.since[at])]
        start = "" if since is None else f" since {since[0]:%Y-%m-%d %H:%M} UTC"
        seen = f"effect {judged.value[w, s]:.3g}{start}, at least {max(judged.low[w, s], 0.0):.3g}"
        if judged.factor[w, s] > 1.0:
            seen += f", the share of a category or value by a factor of at least {judged.factor[w, s]:.3g}"
        return seen if judged.rings[w, s] else f"a change, not shown to pass the practical limit: {seen}"
    if not lacking > 0:
        return None
    if not isfinite(lacking):
        return "the reference has too few rows to be sure of a change of twice the practical limit"
    return f"about {lacking:,.0f} more rows are needed to be sure of a change of twice the practical limit"


def _alarms(
    lines: list[list[Measurement]], evidence: Tested, judged: _Judged, undated: datetime | None
) -> Iterator[Alarm]:
    """Yield the alarm of the first window in which a slice rang."""
    for s, line in enumerate(lines):
        rang = np.flatnonzero(judged.rings[:, s])
        if not len(rang):
            continue
        row, limit = line[rang[0]], float(evidence.limit[rang[0]])
        since = undated if row.window is None else row.window[0]
        if since is not None and row.value is not None:
            yield Alarm(key=row.key(), e_value=max(row.value, limit), limit=limit, since=since)
