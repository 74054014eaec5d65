"""Profiles of simulated columns: counted with numpy, independently of the code that counts logs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference, frozen

START = datetime(2026, 1, 5, tzinfo=UTC)
Groups = Mapping[str | None, Mapping[str, np.ndarray]]


def binning_of(name: str, values: np.ndarray, bins: int) -> Binning:
    """Return bins at order statistics of floats (NaN is missing), one category for each whole number >= 0."""
    if values.dtype.kind == "i":
        known = np.unique(values[values >= 0])
        return Binning(feature=name, kind="categorical", categories=tuple(f"{value:06d}" for value in known))
    there = np.sort(values[~np.isnan(values)])
    ranks = np.unique(-(-np.arange(1, bins) * len(there) // bins)) if len(there) else np.array([], dtype=int)
    edges, times = np.unique(there[ranks - 1], return_counts=True)
    edges = np.unique(np.concatenate([edges, np.nextafter(edges[times > 1], np.inf)]))  # a value with a bin of its own
    tied = len(np.unique(there)) < len(there)
    return Binning(feature=name, kind="numeric", edges=tuple(edges.tolist()), tied=tied)


def counts_of(binning: Binning, values: np.ndarray) -> np.ndarray:
    if binning.kind == "numeric":
        missing = np.isnan(values)
        codes = np.searchsorted(np.asarray(binning.edges), values[~missing], side="right")
        codes = np.concatenate([codes, np.full(missing.sum(), binning.size - 1)])
    else:
        known = {int(label): place for place, label in enumerate(binning.categories)}
        new, missing = len(known), len(known) + 1
        codes = np.array([missing if value < 0 else known.get(int(value), new) for value in values], dtype=np.int64)
    return np.bincount(codes, minlength=binning.size)


def profile_of(windows: Sequence[Groups], binnings: Mapping[str, Binning], *, dated: bool) -> Profile:
    """Count windows of {group: {column: values}}; the group None is everyone, alone."""
    groups = sorted({group for window in windows for group in window if group is not None})
    counts = {}
    for name, binning in binnings.items():
        by_group = np.array(
            [
                [
                    counts_of(binning, window[group][name]) if group in window else np.zeros(binning.size)
                    for group in groups
                ]
                for window in windows
            ],
            dtype=np.int64,
        ).reshape(len(windows), len(groups), binning.size)
        alone = np.array([counts_of(binning, window[None][name]) if None in window else by_group[w].sum(axis=0)
                          for w, window in enumerate(windows)])  # fmt: skip
        counts[name] = np.concatenate([alone[:, None], by_group], axis=1)
    days = [START + timedelta(days=day) for day in range(len(windows) + 1)]
    return Profile(
        windows=tuple(pairwise(days)) if dated else (None,),
        slices=((), *((("group", group),) for group in groups)),
        binnings=dict(binnings),
        counts=counts,
        rows=next(iter(counts.values())).sum(axis=-1),
    )


@pytest.fixture
def compared() -> Callable[..., tuple[Reference, Profile]]:
    """Return a function: (reference, windows) of {group: {column: values}} -> (Reference, Profile)."""

    def make(reference: Groups, windows: Sequence[Groups], *, bins: int = 60) -> tuple[Reference, Profile]:
        first = next(iter(reference.values()))
        joined = {name: np.concatenate([columns[name] for columns in reference.values()]) for name in first}
        binnings = {name: binning_of(name, values, bins) for name, values in joined.items()}
        before = profile_of([reference], binnings, dated=False)
        return frozen(before, sensitive_features=("group",)), profile_of(windows, binnings, dated=True)

    return make
