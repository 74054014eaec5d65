"""How many rows of a log are worth one: by the sizes of its clusters, and by how the reference's windows scatter."""

from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from scipy.special import chdtri

from audit.predictions import PredictionLog
from audit.tally import Tally
from monitors.counts.counting import count_profile
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference
from monitors.drift.dispersion import feature_dispersion
from monitors.performance.window_tally import windowed_tally
from monitors.timestamps import collected, with_times
from monitors.watching import with_groups
from monitors.windows import WindowRule, resolve

_ERROR, _BINS = 0.01, 10

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
    clusters = max(design_effect(log) for log in (before, current) if log is not None)
    names = [name for name in reference.binnings if name != "y_true"]
    words = "" if clusters == 1 else f"the largest design effect of clusters, {clusters:.3g}, and "
    if given is not None:
        return Scatter(clusters, dict.fromkeys(names, max(given, clusters)), None, f"{words}declared, {given:.3g}")
    if before is None or "timestamp" not in before.columns or rule.kind == "model_version":
        plain = dict.fromkeys(names, clusters)
        return Scatter(clusters, plain, None, f"{words}1, since windows of the reference are not known")
    log = with_groups(with_times(before), only=reference.binnings)
    windows = resolve(rule, log)
    if windows.complete < FEWEST_WINDOWS:
        few = f"1, since the reference has {windows.complete} whole windows and {FEWEST_WINDOWS} are needed"
        return Scatter(clusters, dict.fromkeys(names, clusters), None, words + few)
    binnings = {name: reference.binnings[name] for name in names}
    found = shown_dispersion(count_profile(log, binnings, windows))
    features = {name: max(value, clusters) for name, value in found.items()}
    tally = None if reference.tally is None else windowed_tally(log, windows)
    return Scatter(clusters, features, tally, f"{words}estimated from {windows.complete} windows of the reference")


def shown_dispersion(blocks: Profile) -> dict[str, float]:
    """Return the dispersion of each feature whose windows are shown to scatter more than independent rows; else 1.

    Pearson's chi-square of the bin that scatters most is tested at .01 over ten bins (more edges of a number tell much
    the same); where it is larger than chance would have it, the upper bound of the dispersion is taken
    (`monitors.drift.dispersion.feature_dispersion`). That bound of independent rows would be about 4 with ten windows,
    and ask for four times the rows for nothing. A scatter that so few windows cannot show is not allowed for.

    Parameters
    ----------
    blocks
        The reference cut into windows.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitors.counts.binning import Binning
    >>> days = tuple((datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (5, 6))
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> def of(*women):
    ...     counts = np.array([[[some, 100 - some, 0, 0]] for some in women])
    ...     return Profile(windows=days, slices=((),), binnings={"sex": sex}, counts={"sex": counts},
    ...                    rows=counts.sum(axis=-1))
    >>> shown_dispersion(of(45, 55)), round(shown_dispersion(of(30, 70))["sex"])
    ({'sex': 1.0}, 2026)
    """
    estimates, bounds = feature_dispersion(blocks, confidence=None), feature_dispersion(blocks)
    found = {}
    for name, binning in blocks.binnings.items():
        df = int((blocks.counts[name][:, 0].sum(axis=-1) > 0).sum()) - 1
        limit = float(chdtri(df, _ERROR / min(binning.size, _BINS))) / df
        found[name] = bounds[name] if estimates[name] > limit else 1.0
    return found


def design_effect(log: PredictionLog) -> float:
    r"""Return how many rows are worth one where rows of a cluster are all alike: :math:`\sum m_i^2 / \sum m_i`.

    m are the sizes of the clusters; the worst case, intra-cluster correlation 1, of Kish's design effect. 1 where the
    log names no cluster; rows without one are each for themselves.

    References
    ----------
    L. Kish (1965), Survey Sampling, section 5.4.

    Examples
    --------
    Clusters of 3 and 1: (9 + 1) / 4.

    >>> import pyarrow as pa
    >>> table = pa.table({"p": [1, 0, 1, 1], "who": ["a", "a", "a", "b"]})
    >>> design_effect(PredictionLog.from_frame(table, task="watch", y_pred="p", cluster="who"))
    2.5
    """
    if "cluster" not in log.columns:
        return 1.0
    sizes = collected(log, log.table.select(cluster=nw.col("cluster")).group_by("cluster").agg(n=nw.len()))
    n = sizes["n"].to_numpy().astype(np.float64)
    alone = sizes["cluster"].is_null().to_numpy()
    square = np.where(alone, n, n**2).sum()
    return float(max(1.0, square / n.sum())) if n.sum() else 1.0
