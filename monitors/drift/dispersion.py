"""How much more the counts of a feature scatter between blocks of rows than those of independent rows."""

import numpy as np

from monitors.counts.profile import Profile
from monitors.sequential.dependence import block_dispersion

CONFIDENCE = 0.9
"""The estimate is a bound that lies above the dispersion with this probability: few blocks ask for more."""

_FEWEST = 5.0  # rows that a bin has on average in a block; rarer ones scatter by chance alone


def feature_dispersion(blocks: Profile, *, confidence: float | None = CONFIDENCE) -> dict[str, float]:
    r"""Return for each feature by what its counts are divided: the largest dispersion of any of its bins.

    Parameters
    ----------
    blocks
        The reference cut into blocks that are like the windows which are judged: days for days, weeks for weeks. A
        weekly cycle of daily windows, sessions, clusters and autocorrelation all show as scatter between blocks.
    confidence
        As in `block_dispersion`.

    Returns
    -------
    dict
        Feature -> at least 1. Of numbers the rows below each edge are looked at, of categories those of each bin.

    Raises
    ------
    ValueError
        If fewer than two blocks have rows.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitors.counts.binning import Binning
    >>> days = tuple((datetime(2026, 1, day, tzinfo=UTC), datetime(2026, 1, day + 1, tzinfo=UTC)) for day in (5, 6))
    >>> sex = Binning(feature="sex", kind="categorical", categories=("F", "M"))
    >>> counts = np.array([[[30, 70, 0, 0]], [[70, 30, 0, 0]]])
    >>> profile = Profile(windows=days, slices=((),), binnings={"sex": sex}, counts={"sex": counts},
    ...                   rows=counts.sum(axis=-1))
    >>> feature_dispersion(profile, confidence=None)
    {'sex': 32.0}
    """
    found = {}
    for name, binning in blocks.binnings.items():
        counts = blocks.counts[name][:, 0].astype(np.float64)
        counts = counts[counts.sum(axis=-1) > 0]
        rows = counts.sum(axis=-1, keepdims=True)
        inside = np.cumsum(counts, axis=-1)[:, :-1] if binning.kind == "numeric" else counts
        smaller = np.minimum(inside, rows - inside).mean(axis=0) if len(counts) else np.zeros(inside.shape[1])
        usable = inside[:, smaller >= _FEWEST]
        each = block_dispersion(usable if usable.shape[1] else rows, rows, confidence=confidence)
        found[name] = float(np.max(each))
    return found
