"""Whether the errors of a regression became larger than those of its reference: evidence from counts of their sizes."""

from math import inf, nextafter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.measurement import Measurement, Slice
from audit.result import Alarm
from monitors.counts.binning import Binning
from monitors.counts.errors import ERRORS
from monitors.counts.profile import Profile
from monitors.found import Found
from monitors.performance.bets import log_e_mean, mean_bound
from monitors.performance.settings import PerformanceSettings
from monitors.sequential.stopped import FirstRejections, first_rejections

FloatArray = npt.NDArray[np.float64]

FEWEST_ROWS = 30
"""With fewer rows of a slice in the reference its errors are not judged."""

_LARGEST_LOG_E = 700.0
_NO_ERROR = float(np.finfo(np.float64).tiny)  # the float after 0, which closes the bin of 0, is smaller
_POWERS = {"mean_absolute_error": 1, "mean_squared_error": 2}


class _Losses(NamedTuple):
    """The least and the largest loss of the rows of each bin, from 0 to 1, and the error that counts as 1."""

    least: FloatArray
    most: FloatArray
    clip: float


class _Stream(NamedTuple):
    """The evidence of one metric and slice after each window, its rows so far, and the mean error that is tolerated."""

    metric: str
    slice: Slice
    log_e: FloatArray
    rows: npt.NDArray[np.int64]
    limit: float


def regression_evidence(
    reference: Profile, current: Profile, *, settings: PerformanceSettings, dispersion: float = 1.0
) -> Found:
    r"""Hold the mean absolute and the mean squared error of each window and group against the reference.

    Errors are counted in bins of equal shares of the reference (`monitors.counts.errors`). An error counts as much as
    the last edge at most, c: one row in sixty is larger in the reference. Of the mean of min(\|e\|, c) / c, and of its
    square, an upper bound in the reference plus the tolerance (a fraction of c, or of c squared) is tolerated (where c
    is 0, since next to no row has an error, of the share of rows that have one); e-values
    bet that it is exceeded (`monitors.performance.bets`). In a bin every row counts as its lower edge, and in the
    reference as its upper edge, so that the promise does not rest on how errors lie within bins. Rows without a label
    count as no error, and in the reference as c, unless labels are missing at random.

    Parameters
    ----------
    reference, current
        Counts that hold the errors (`ERRORS`), the first not cut by time.
    settings
        `tolerance`, `alpha`, `settled`, `digest`, `labels_at_random` are used.
    dispersion
        How many rows are worth one.

    Returns
    -------
    Found
        ``mean_absolute_error_e_value`` and ``mean_squared_error_e_value`` after each window with rows, of each slice
        with 30 rows or more in the reference. They ring by e-BH over all of them, stopped where they rang
        (`monitors.sequential.stopped`): the chance that any ever rings while no mean exceeds what is tolerated is at
        most alpha, for rows that are independent given the past or whose dispersion is set. What changes beyond c, such
        as a few errors that become a hundred times larger, is not seen.

    Examples
    --------
    Errors of 0 to 6 in the reference, doubled in the second window.

    >>> from datetime import UTC, datetime
    >>> sizes = Binning(feature=ERRORS, kind="numeric", edges=(1.0, 2.0, 3.0, 4.0, 5.0))
    >>> def profile(windows, *counts):
    ...     found = np.array(counts)[:, None]
    ...     return Profile(windows=windows, slices=((),), binnings={ERRORS: sizes}, counts={ERRORS: found},
    ...                    rows=found.sum(axis=-1))
    >>> days = tuple((datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (5, 6))
    >>> before = profile((None,), [500] * 6 + [0])
    >>> since = profile(days, [50] * 6 + [0], [25] * 5 + [175, 0])
    >>> [alarm.since.day for alarm in regression_evidence(before, since, settings=PerformanceSettings()).alarms]
    [6]
    """
    losses = _losses(reference.binnings[ERRORS])
    known = {each: reference.of(ERRORS, slice=each).astype(np.float64) for each in reference.slices}
    held = [each for each, counts in known.items() if counts[:-1].sum() >= FEWEST_ROWS * dispersion]
    if not held:
        return Found()
    error = settings.alpha / 2 / (len(held) * len(_POWERS))
    streams = [
        _stream(metric, each, known[each], current, losses, settings, error, dispersion)
        for each in held
        for metric in _POWERS
    ]
    log_e = np.stack([stream.log_e for stream in streams], axis=1)
    ends = [inf if window is None else window[1].timestamp() for window in current.windows]
    settled = inf if settings.settled is None else settings.settled.timestamp()
    judged = np.flatnonzero(np.array(ends) <= settled)
    rang = first_rejections(log_e[judged], alpha=settings.alpha / 2)
    looks = np.where(rang.look >= 0, judged[rang.look] if len(judged) else -1, -1)
    return _rows(streams, rang._replace(look=looks), current, (losses.clip, dispersion), settings)


def _losses(binning: Binning) -> _Losses:
    """Return what the rows of each bin, missing ones left out, lose at least and at most."""
    edges = np.array(binning.edges or (1.0,), dtype=np.float64)
    clip = float(edges[-1])
    if clip < _NO_ERROR:  # next to no error at all in the reference: any error is the largest
        return _Losses(np.append(np.zeros(len(edges)), 1.0), np.append(np.zeros(len(edges)), 1.0), clip)
    lower = np.maximum(np.append(0.0, edges), 0.0)
    upper = np.append(np.maximum(edges, 0.0), clip)
    alone = np.append(False, edges[1:] == [nextafter(edge, inf) for edge in edges[:-1]])
    upper[:-1][alone] = lower[:-1][alone]
    if not binning.edges:
        lower[:], upper[:] = 0.0, clip
    return _Losses(np.minimum(lower / clip, 1.0), np.minimum(upper / clip, 1.0), clip)


def _stream(
    metric: str,
    slice_: Slice,
    was: FloatArray,
    current: Profile,
    losses: _Losses,
    settings: PerformanceSettings,
    error: float,
    dispersion: float,
) -> _Stream:
    place = current.slices.index(slice_) if slice_ in current.slices else None
    counts = current.counts[ERRORS]
    now = (np.zeros((len(counts), counts.shape[-1])) if place is None else counts[:, place]).astype(np.float64)
    if settings.labels_at_random:
        was, now = np.append(was[:-1], 0.0), np.concatenate([now[:, :-1], np.zeros((len(now), 1))], axis=1)
    power = _POWERS[metric]
    most, least = np.append(losses.most, 1.0) ** power, np.append(losses.least, 0.0) ** power
    limit = mean_bound(most, was, dispersion, error=error) + settings.tolerance
    log_e = log_e_mean(least, now / dispersion, limit=limit)
    return _Stream(metric, slice_, log_e, now.sum(axis=1).cumsum().astype(np.int64), limit)


def _rows(
    streams: list[_Stream],
    rang: FirstRejections,
    current: Profile,
    scale: tuple[float, float],
    settings: PerformanceSettings,
) -> Found:
    rows, alarms = [], []
    clip, dispersion = scale
    assumed = "rows are independent" if dispersion <= 1.0 else f"{dispersion:.3g} rows are worth one"
    labels = "" if settings.labels_at_random else "; rows without a label count as no error, in the reference as that"
    for column, stream in enumerate(streams):
        reason = f"{_tolerated(stream, clip)}; assumed: {assumed}{labels}"
        alone = np.diff(stream.rows, prepend=0)
        for place in np.flatnonzero(alone > 0).tolist():
            log_e = float(np.clip(stream.log_e[place], -_LARGEST_LOG_E, _LARGEST_LOG_E))
            row = Measurement(
                metric=f"{stream.metric}_e_value", slice=stream.slice, window=current.windows[place],
                against={"kind": "reference", "digest": settings.digest or ""}, value=float(np.exp(log_e)),
                n=int(stream.rows[place]), method="betting, e-BH", reason=reason,
            )  # fmt: skip
            rows.append(row)
            window = current.windows[place]
            if place == rang.look[column] and window is not None:
                limit = float(rang.limit[column])
                alarms.append(
                    Alarm(key=row.key(), e_value=max(float(row.value or 0.0), limit), limit=limit, since=window[0])
                )
    return Found(tuple(rows), tuple(alarms))


def _tolerated(stream: _Stream, clip: float) -> str:
    """Say what an error counts as, and what is tolerated."""
    if clip < _NO_ERROR:
        return (
            f"next to no row of the reference has an error, so that any counts as 1; a share of {stream.limit:.3g} of "
            f"the rows is tolerated to have one"
        )
    counted = "errors" if stream.metric == "mean_absolute_error" else "squared errors"
    mean = stream.limit * clip ** _POWERS[stream.metric]
    return f"{counted} count as those of {clip:.4g} at most; their mean is tolerated up to {mean:.4g}"
