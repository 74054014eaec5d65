"""How many rows of a log are worth one: by the sizes of its clusters, and by how the reference's windows scatter."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtri

from audit.predictions import PredictionLog
from audit.tally import Tally
from monitors.counts.binning import Binning
from monitors.counts.clusters import design_effect
from monitors.counts.counting import count_profile
from monitors.counts.errors import with_errors
from monitors.counts.profile import IntArray, Profile
from monitors.counts.reference import Reference
from monitors.drift.dispersion import CONFIDENCE
from monitors.performance.window_tally import windowed_tally
from monitors.sequential.dependence import block_dispersion
from monitors.timestamps import time_span, with_times
from monitors.watching import with_groups
from monitors.windows import WindowRule, resolve

_ERROR, _BINS = 0.05, 10
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

    Where it is not given, and the reference is a log with times that holds at least eight whole windows, the scatter of
    its windows is estimated (`shown_dispersion`); otherwise it is 1. Clusters count in any
    case, by `design_effect` of the reference and of the log, the larger.

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
    names = [name for name in reference.binnings if name != "y_true"]
    words = "" if clusters == 1 else f"the largest design effect of clusters, {clusters:.3g}, and "
    if given is not None:
        return Scatter(clusters, dict.fromkeys(names, max(given, clusters)), None, f"{words}declared, {given:.3g}")
    if before is None or "timestamp" not in before.columns or rule.kind == "model_version":
        plain = dict.fromkeys(names, clusters)
        return Scatter(clusters, plain, None, f"{words}1, since how windows of the reference scatter is not known")
    log = with_errors(with_groups(with_times(before), only=reference.binnings))
    windows = resolve(rule, log, as_of=_end_of(log, rule))
    if windows.complete < FEWEST_WINDOWS:
        few = f"1, since the reference has {windows.complete} whole windows and {FEWEST_WINDOWS} are needed"
        return Scatter(clusters, dict.fromkeys(names, clusters), None, words + few)
    binnings = {name: reference.binnings[name] for name in names}
    found = shown_dispersion(count_profile(log, binnings, windows))
    features = {name: max(value, clusters) for name, value in found.items()}
    tally = None if reference.tally is None else windowed_tally(log, windows)
    return Scatter(clusters, features, tally, f"{words}estimated from {windows.complete} windows of the reference")


def _end_of(log: PredictionLog, rule: WindowRule) -> datetime | None:
    """Return when a reference ended: a twentieth of a window after its newest row, so that its last week is one."""
    newest = time_span(log).newest
    return None if newest is None or rule.kind != "time" else newest + timedelta(microseconds=rule.amount // 20)


def shown_dispersion(blocks: Profile) -> dict[str, float]:
    r"""Return the dispersion of each feature whose windows are shown to scatter more than independent rows; else 1.

    Pearson's chi-square of each bin with at least ten rows on either side (of numbers: of the rows below each edge) is
    tested at .05 over ten bins (more edges of a number tell much the same); where one is larger than chance would have
    it, the upper bound of its dispersion is taken (`monitors.drift.dispersion.CONFIDENCE`). That bound of independent
    rows would be about 4 with ten windows, and ask for four times the rows for nothing. A scatter that so few windows
    cannot show is not allowed for; but where two features or more are shown to scatter, those without a bin of five
    rows a window, such as scarce flags, are taken to scatter as their median does: rows that depend on each other in
    what can be seen are not taken for independent in what cannot.

    Parameters
    ----------
    blocks
        The reference cut into windows.

    Notes
    -----
    The chi-square of k windows with m rows of a rare bin each has the variance k (2 + 1 / m) instead of 2 k, so that
    the distance of its limit from 1 is widened by sqrt(1 + 1 / (2 m)).

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
    found = {name: _shown(blocks.counts[name][:, 0], binning) for name, binning in blocks.binnings.items()}
    shown = [each.dispersion for each in found.values() if each.dispersion > 1.0]
    usual = float(np.median(shown)) if len(shown) > 1 else 1.0
    return {name: max(each.dispersion, usual) if each.rare else each.dispersion for name, each in found.items()}


class _Shown(NamedTuple):
    """The dispersion of a feature that was shown, and whether its rarest side has too few rows a window to tell."""

    dispersion: float
    rare: bool


def _shown(counts: IntArray, binning: Binning) -> _Shown:
    held = counts[counts.sum(axis=-1) > 0].astype(np.float64)
    rows = held.sum(axis=-1, keepdims=True)
    inside = np.cumsum(held, axis=-1)[:, :-1] if binning.kind == "numeric" else held
    rarer = np.minimum(inside.sum(axis=0), (rows - inside).sum(axis=0))
    usable = rarer >= _FEWEST
    if len(held) < 2 or not usable.any():
        return _Shown(1.0, rare=True)
    df, mean = len(held) - 1, rarer[usable] / len(held)
    estimates = block_dispersion(inside[:, usable], rows)
    chance = float(chdtri(df, _ERROR / min(binning.size, _BINS))) / df
    limits = 1.0 + (chance - 1.0) * np.sqrt(1.0 + 0.5 / mean)
    shown = estimates[estimates > limits]
    dispersion = float(shown.max() * df / chdtri(df, CONFIDENCE)) if len(shown) else 1.0
    return _Shown(dispersion, rare=bool(mean.max() < _SEEN))
