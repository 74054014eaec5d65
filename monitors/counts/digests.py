"""Digests of a reference: of each part, so that a change can be named, and of all of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from audit.measurement import canonical_json
from monitors.counts.profile import Profile
from monitors.counts.traffic import Traffic, cells_of

SCHEMA = "evenhanded/reference/2"


def part_digests(
    profile: Profile, sensitive_features: tuple[str, ...], traffic: Traffic | None = None, clusters: float = 1.0
) -> dict[str, str]:
    """Return the SHA-256 of each part of a reference, so that a change can be named.

    Examples
    --------
    >>> import numpy as np
    >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
    >>> sorted(part_digests(profile, ()))
    ['bins', 'clusters', 'counts', 'rows', 'sensitive features', 'traffic']
    """
    slices = [canonical_json(slice_) for slice_ in profile.slices]
    counts = {
        name: {slice_: found[0, place].tolist() for place, slice_ in enumerate(slices)}
        for name, found in profile.counts.items()
    }
    parts: dict[str, Any] = {
        "bins": {name: asdict(binning) for name, binning in profile.binnings.items()},
        "counts": counts,
        "rows": dict(zip(slices, profile.rows[0].tolist(), strict=True)),
        "sensitive features": sorted(sensitive_features),
        "traffic": None if traffic is None else _traffic(traffic, slices),
        "clusters": clusters,
    }
    return {name: hashlib.sha256(canonical_json(part).encode()).hexdigest() for name, part in parts.items()}


def digest_of(parts: Mapping[str, str]) -> str:
    """Return the SHA-256 of a reference from those of its parts.

    Examples
    --------
    >>> len(digest_of({})), digest_of({}) == digest_of({"bins": "ab12"})
    (64, False)
    """
    return hashlib.sha256(canonical_json([SCHEMA, dict(parts)]).encode()).hexdigest()


def _traffic(traffic: Traffic, slices: list[str]) -> list[Any]:
    """Return what is known of traffic, free of the order of slices."""
    steps, at, rows = cells_of(traffic)
    cells = {slice_: [steps[at == place].tolist(), rows[at == place].tolist()] for place, slice_ in enumerate(slices)}
    return [traffic.record(), cells]
