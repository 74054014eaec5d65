"""How many rows of a log are worth one: by the sizes of its clusters, and by how the reference's windows scatter."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtri

from audit.inference.intervals import FloatArray
from audit.predictions import PredictionLog
from audit.tally import Tally
from monitors.counts.binning import Binning
from monitors.counts.clusters import design_effect
from monitors.counts.counting import count_profile
from monitors.counts.errors import with_errors
from monitors.counts.kept_windows import KeptWindows
from monitors.counts.profile import IntArray, Profile
from monitors.counts.reference import Reference
from monitors.drift.bins import coarse, merged
from monitors.drift.dispersion import CONFIDENCE
from monitors.performance.window_tally import windowed_tally
from monitors.timestamps import time_span, with_times
from monitors.watching import with_groups
from monitors.windows import WindowRule, parse_windows, resolve

_ERROR, _SEVERAL = 0.05, 2
_GAPS = 5
_FEWEST, _SEEN = 10.0, 5.0  # rows of a bin: over all windows, and in one of them

FEWEST_WINDOWS = 8
"""Of fewer whole windows of the reference the scatter is not estimated."""


class Scatter(NamedTuple):
    """How many rows are worth one.

    Attributes
    ----------
    clusters
        The design effect of clusters, at least 1.
    features
        Dispersion of each feature between windows, not less than that of clusters.
    tally
        The reference's tally cut by windows, where their scatter was estimated and it has labels.
    source
        Where the numbers come from, in words.

    Examples
    --------
    >>> Scatter(1.0, {}, None, "1: rows are taken for independent").clusters
    1.0
    """

    clusters: float
    features: dict[str, float]
    tally: Tally | None
    source: str

    def given(self) -> dict[str, Any]:
        """Return what a result says of it."""
        largest = max(self.features.values(), default=1.0)
        return {"scatter": f"{self.source}; rows are divided by up to {largest:.3g}"}


def scatter_of(
    reference: Reference, before: PredictionLog | None, current: PredictionLog, rule: WindowRule, given: float | None
) -> Scatter:
    """Return how many rows of each feature are worth one.

    Where it is not given, and the reference is a log with times that holds at least eight whole windows, or keeps how
    they scatter (`with_scatter`), the scatter of its windows is estimated (`shown_dispersion`); otherwise it is 1.
    Clusters count in any case, by `design_effect` of the reference and of the log, the larger.

    Parameters
    ----------
    reference, before
        The frozen counts, and the log that they were made of where it is known.
    current
        The log.
    rule
        How it is cut; versions of a model are no windows that scatter.
    given
        The dispersion that was declared; None = estimated where possible.
    """
    clusters = max(reference.clusters, design_effect(current))
    plain = dict.fromkeys((name for name in reference.binnings if name != "y_true"), clusters)
    words = "" if clusters == 1 else f"the largest design effect of clusters, {clusters:.3g}, and "
    if given is not None:
        declared = {name: max(given, clusters) for name in plain}
        return Scatter(clusters, declared, None, f"{words}declared, {given:.3g}")
    kept = reference.windows
    if before is not None and "timestamp" in before.columns and rule.kind != "model_version":
        kept = _kept(reference, before, rule)
    if kept is None or kept.rule != rule:
        return Scatter(clusters, plain, None, f"{words}1, since how windows of the reference scatter is not known")
    if kept.whole < FEWEST_WINDOWS:
        few = f"1, since the reference has {kept.whole} whole windows and {FEWEST_WINDOWS} are needed"
        return Scatter(clusters, plain, None, words + few)
    features = {name: max(kept.features.get(name, 1.0), clusters) for name in plain}
    return Scatter(clusters, features, kept.tally, f"{words}estimated from {kept.whole} windows of the reference")


def with_scatter(reference: Reference, before: PredictionLog, window: str) -> Reference:
    """Return a reference that keeps how its windows scatter, so that it says what its log would say.

    Parameters
    ----------
    reference, before
        The frozen counts, and the log that they were made of.
    window
        How logs will be cut, as `monitors.windows.parse_windows` reads it; runs with other windows take the scatter for
        1, as for a reference without times, which is returned as it is.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from monitors.counts.reference import make_reference
    >>> table = pa.table({"p": [1, 0], "t": ["2026-01-05T00:00Z", "2026-01-14T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, task="watch", y_pred="p", timestamp="t")
    >>> with_scatter(make_reference(log), log, "7d").windows.whole
    1
    """
    rule = parse_windows(window)
    if "timestamp" not in before.columns or rule.kind == "model_version":
        return reference
    return replace(reference, windows=_kept(reference, before, rule))


def _kept(reference: Reference, before: PredictionLog, rule: WindowRule) -> KeptWindows:
    log = with_errors(with_groups(with_times(before), only=reference.binnings))
    windows = resolve(rule, log, as_of=_end_of(log, rule, reference.rows))
    if windows.complete < FEWEST_WINDOWS:
        return KeptWindows(rule=rule, whole=windows.complete, features={})
    binnings = {name: binning for name, binning in reference.binnings.items() if name != "y_true"}
    found = shown_dispersion(count_profile(log, binnings, windows))
    tally = None if reference.tally is None else windowed_tally(log, windows)
    return KeptWindows(rule=rule, whole=windows.complete, features=found, tally=tally)


def _end_of(log: PredictionLog, rule: WindowRule, rows: int) -> datetime | None:
    """Return when a reference ended, so that its last week is one though some hours passed after its newest row.

    A twentieth of a window after the newest row, or five times what passes between two rows where they are few, but a
    quarter of a window at most.
    """
    span = time_span(log)
    if span.oldest is None or span.newest is None or rule.kind != "time":
        return None
    window = timedelta(microseconds=rule.amount)
    between = (span.newest - span.oldest) / max(rows, 1)
    return span.newest + min(max(window / 20, _GAPS * between), window / 4)


def shown_dispersion(blocks: Profile) -> dict[str, float]:
    r"""Return the dispersion of each feature whose windows are shown to scatter more than independent rows; else 1.

    Pearson's chi-square is taken of each bin with at least ten rows on either side; of numbers of the rows below each
    of the ten or so edges of which the drift monitor's tests know (`monitors.drift.bins.coarse`). Tested are the
    largest of them, and their mean, which sees what moves many bins a little; both at .025 over all features, so that
    of independent rows no feature is divided by more than 1 in 95 of 100 references. Where a test speaks, the upper
    bound of what it saw is taken (`monitors.drift.dispersion.CONFIDENCE`). That bound without the tests would be about
    4 for independent rows and ten windows, and ask for four times the rows for nothing. A scatter that so few windows
    cannot show is not allowed for; but where two features or more are shown to scatter, the others are tested at .05
    each, and those without a bin of five rows a window, such as scarce flags, are taken to scatter as the median of the
    first does: rows that depend on each other in what can be seen are not taken for independent in what cannot.

    Parameters
    ----------
    blocks
        The reference cut into windows.

    Notes
    -----
    The chi-square of k windows with m rows of a rare bin each has the variance k (2 + 1 / m) instead of 2 k, so that
    the distance of its limit from 1 is widened by sqrt(1 + 1 / (2 m)). The mean over bins whose counts have the
    correlations r_ij is like a chi-square with (k - 1) / mean(r_ij^2) degrees of freedom (F. E. Satterthwaite 1946,
    doi:10.2307/3002019); over equal edges of a number it is the k-sample statistic of Scholz and Stephens (1987,
    doi:10.1080/01621459.1987.10478517).

    Examples
    --------
    >>> from datetime import UTC
    >>> days = tuple((datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (5, 6))
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> def of(*women):
    ...     counts = np.array([[[some, 100 - some, 0, 0]] for some in women])
    ...     return Profile(windows=days, slices=((),), binnings={"sex": sex}, counts={"sex": counts},
    ...                    rows=counts.sum(axis=-1))
    >>> shown_dispersion(of(45, 55)), round(shown_dispersion(of(30, 70))["sex"])
    ({'sex': 1.0}, 2026)
    """
    found = _all_shown(blocks, _ERROR / 2.0 / max(1, len(blocks.binnings)))
    shown = [each.dispersion for each in found.values() if each.dispersion > 1.0]
    if len(shown) < _SEVERAL:
        return {name: each.dispersion for name, each in found.items()}
    usual = float(np.median(shown))
    found = _all_shown(blocks, _ERROR)
    return {name: max(each.dispersion, usual) if each.rare else each.dispersion for name, each in found.items()}


def _all_shown(blocks: Profile, level: float) -> "dict[str, _Shown]":
    return {name: _shown(blocks.counts[name][:, 0], binning, level) for name, binning in blocks.binnings.items()}


class _Shown(NamedTuple):
    """The dispersion of a feature that was shown, and whether its rarest side has too few rows a window to tell."""

    dispersion: float
    rare: bool


def _shown(counts: IntArray, binning: Binning, level: float) -> _Shown:
    held = counts[counts.sum(axis=-1) > 0].astype(np.float64)
    rows = held.sum(axis=-1, keepdims=True)
    inside = _below(held) if binning.kind == "numeric" else held
    rarer = np.minimum(inside.sum(axis=0), (rows - inside).sum(axis=0))
    usable = rarer >= _FEWEST
    if len(held) < 2 or not usable.any():
        return _Shown(1.0, rare=True)
    df, mean, inside = len(held) - 1, rarer[usable] / len(held), inside[:, usable]
    share = inside.sum(axis=0) / rows.sum()
    estimates = ((inside - rows * share) ** 2 / (rows * share * (1.0 - share))).sum(axis=0) / df
    limits = _limit(df, level / len(mean), 0.5 / mean)
    found = [float(estimates.max()) * df / chdtri(df, CONFIDENCE)] if np.any(estimates > limits) else []
    pooled = df / float(np.mean(_correlations(share, nested=binning.kind == "numeric") ** 2))
    if estimates.mean() > _limit(pooled, level, np.mean(0.5 / mean)):
        found.append(float(estimates.mean()) * pooled / chdtri(pooled, CONFIDENCE))
    return _Shown(max(found, default=1.0), rare=bool(mean.max() < _SEEN))


def _below(held: FloatArray) -> FloatArray:
    """Return how many rows of a number lie below each edge of its merged bins, and how many have a value at all."""
    into = coarse(held[:, :-1].sum(axis=0))
    return np.cumsum(merged(held[:, :-1], into, int(into[-1]) + 1), axis=-1)


def _limit(df: float, level: float, sparse: float | FloatArray) -> FloatArray:
    """Return what the mean of squares exceeds with a probability, where bins are rare in windows."""
    return np.asarray(1.0 + (float(chdtri(df, level)) / df - 1.0) * np.sqrt(1.0 + sparse))


def _correlations(share: FloatArray, *, nested: bool) -> FloatArray:
    """Return the correlations of the counts of bins: of disjoint ones, or of those below edges."""
    both = np.minimum(share[:, None], share) if nested else np.diag(share)
    variance = share * (1.0 - share)
    return np.asarray((both - np.outer(share, share)) / np.sqrt(np.outer(variance, variance)))
