"""Drift that a known context does not explain: windows compared with the reference within each of its values."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import exp
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.multiplicity import e_benjamini_hochberg
from audit.measurement import Measurement, Slice
from audit.result import Alarm
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference
from monitors.drift import rejections
from monitors.drift.rejections import MAX_LOG_E, Pair, bound_since, error_of_bound
from monitors.drift.settings import DriftSettings
from monitors.found import Found

METRIC = "drift_e_value_within_context"

_DEFAULTS = DriftSettings()


class _Strata(NamedTuple):
    """The contexts of one group: places of their slices, and how many there are in the reference alone."""

    of: Slice
    places: tuple[int, ...]
    absent: int
    unseen: tuple[int, ...]


class _Evidence(NamedTuple):
    """Of each window, feature and slice, and the place of the window at which a change began as far as can be seen."""

    log_e: npt.NDArray[np.float64]
    since: npt.NDArray[np.int64]


class _Judged(NamedTuple):
    """Evidence and verdicts, shape (n_windows, n_features, n_groups)."""

    log_e: npt.NDArray[np.float64]
    rings: npt.NDArray[np.bool_]
    limit: npt.NDArray[np.float64]


def within_context(
    reference: Reference,
    current: Profile,
    *,
    context: str,
    settings: DriftSettings = _DEFAULTS,
    undated: datetime | None = None,
) -> Found:
    """Ask whether a feature changed within the values of a known context: day or night, product, season, site.

    The context is counted like a sensitive feature, so that reference and log have a slice for each of its values. The
    evidence of each value (`monitors.drift.rejections.tested`) is averaged over the values of the reference: a mean of
    e-values is an e-value, whatever their dependence. A log with more nights than the reference has other features, and
    nothing rings; features that changed by night do ring. An alarm rings in the first window after which e-BH over all
    features and groups rejects, and in at least one value of the context the lower bound of the effect passes its
    practical limit.

    The promises are those of `monitors.drift.run.drift`, given the context: rows are independent within a window and a
    value of the context. The nulls of slices are approximate, with the correction made there.

    Parameters
    ----------
    reference
        Made from a log that names `context` among its sensitive features.
    current
        Counts of the log with the reference's bins; `depth=2` gives groups within contexts as well.
    context
        Name of the feature.
    settings
        What counts as a change, and what may go wrong.
    undated
        As in `monitors.drift.run.drift`.

    Returns
    -------
    Found
        ``drift_e_value_within_context`` for each feature and window, for everyone and the groups counted by context.
        Rows whose value of the context the reference has too few rows of are compared with nothing: `reason` counts
        them. No value where no row has a value that can be compared.

    Raises
    ------
    InputError
        If the reference has no counts by the context, or the log has other bins.

    References
    ----------
    Drift given a context: Cobb and Van Looveren 2022, Context-aware drift detection, arXiv:2203.08644, of which this is
    the form for a context of few values. Means of e-values: Vovk and Wang 2021, doi:10.1214/20-AOS2020.

    Examples
    --------
    Twice as many nights, each like the nights before: nothing changed within the context.

    >>> from audit.measurement import EVERYONE
    >>> from monitors.counts.binning import Binning
    >>> from monitors.counts.reference import frozen
    >>> light = Binning(feature="light", kind="categorical", categories=("off", "on"))
    >>> slices = (EVERYONE, (("when", "day"),), (("when", "night"),))
    >>> def profile(day, night):
    ...     counts = np.array([[day[0] + night[0], day[1] + night[1], 0, 0], [*day, 0, 0], [*night, 0, 0]])
    ...     return Profile(windows=(None,), slices=slices, binnings={"light": light}, counts={"light": counts[None]},
    ...                    rows=counts.sum(axis=1)[None])
    >>> before = frozen(profile((900, 100), (50, 450)), sensitive_features=("when",))
    >>> [round(within_context(before, profile(*now), context="when").rows[0].value, 2) < 2
    ...  for now in (((900, 100), (200, 1800)), ((500, 500), (50, 450)))]
    [True, False]
    """
    raise_violations(_violations(reference, current, context))
    strata = _strata(reference.profile, current, context, settings.min_reference)
    # Everyone stays the first of the slices, as the tests expect; its evidence is not used.
    kept = [0, *sorted({place for group in strata for place in group.places})]
    pairs = _pairs(reference, current, kept, settings)
    if not pairs or not strata:
        return Found()
    strata = [group._replace(places=tuple(kept.index(place) for place in group.places)) for group in strata]
    found = rejections.tested(pairs, alpha=settings.alpha, min_reference=settings.min_reference)
    evidence = _Evidence(found.log_e, found.since)
    judged = _judged(pairs, evidence, strata, settings)
    against = {"kind": "reference", "digest": reference.digest}
    rows: list[Measurement] = []
    alarms: list[Alarm] = []
    for f, pair in enumerate(pairs):
        for g, group in enumerate(strata):
            line = [
                _row(pair, group, current, judged, (w, f, g), against, context) for w in range(len(current.windows))
            ]
            rows += line
            alarms += _alarms(line, judged, f, g, undated)
    return Found(tuple(rows), tuple(alarms))


def _pairs(reference: Reference, current: Profile, kept: Sequence[int], settings: DriftSettings) -> list[Pair]:
    """Return the counts of the features that both sides have, in some of the slices."""
    slices = [current.slices[place] for place in kept]
    return [
        Pair(
            binning,
            np.stack([reference.profile.of(name, slice=each) for each in slices]).astype(np.float64),
            current.counts[name][:, list(kept)].astype(np.float64),
            settings.dispersion_of(name),
        )
        for name, binning in current.binnings.items()
        if name in reference.binnings
    ]


def _strata(reference: Profile, current: Profile, context: str, fewest: int) -> list[_Strata]:
    """Return the contexts to compare within, for everyone and for each group that was counted by context."""
    there = {each: int(reference.rows[0, place]) for place, each in enumerate(reference.slices)}
    found = []
    for of in dict.fromkeys(_without(each, context) for each in current.slices if _names(each, context)):
        named = [each for each in (*current.slices, *there) if _names(each, context) and _without(each, context) == of]
        known = [each for each in dict.fromkeys(named) if there.get(each, 0) >= fewest]
        places = tuple(current.slices.index(each) for each in known if each in current.slices)
        unseen = tuple(place for place, each in enumerate(current.slices) if each in named and each not in known)
        if known:
            found.append(_Strata(of, places, len(known) - len(places), unseen))
    return found


def _judged(pairs: Sequence[Pair], evidence: _Evidence, strata: Sequence[_Strata], settings: DriftSettings) -> _Judged:
    log_e = np.stack([_mean(evidence.log_e, group) for group in strata], axis=-1)
    rings, limit = np.zeros(log_e.shape, dtype=np.bool_), np.empty(len(log_e))
    for w, logs in enumerate(log_e):
        e_values = np.exp(np.minimum(logs, MAX_LOG_E)).ravel()
        rejected = e_benjamini_hochberg(e_values, alpha=settings.alpha).rejected.reshape(logs.shape)
        limit[w] = e_values.size / (settings.alpha * max(1, int(rejected.sum())))
        for f, g in np.argwhere(rejected):
            rings[w, f, g] = _passes(pairs[f], evidence, strata[g], (w, int(f)), log_e[0].size, settings)
    return _Judged(log_e, rings, limit)


def _mean(log_e: npt.NDArray[np.float64], group: _Strata) -> npt.NDArray[np.float64]:
    """Return the log of the mean e-value over contexts; those without any row in the log say 1."""
    logs = [log_e[:, :, place] for place in group.places] + [np.zeros(log_e.shape[:2])] * group.absent
    return np.asarray(np.logaddexp.reduce(np.stack(logs), axis=0) - np.log(len(logs)))


def _passes(
    pair: Pair, evidence: _Evidence, group: _Strata, at: tuple[int, int], tests: int, settings: DriftSettings
) -> bool:
    """Tell whether the effect passes its practical limit in one of the contexts, all of which are bounded at once."""
    places = np.array(group.places, dtype=np.int64)
    rows = pair.current[: at[0] + 1, places].sum(axis=(0, 2))
    places = places[rows > 0]
    if not len(places):
        return False
    last = np.full(len(places), at[0])
    error = error_of_bound(last + 1, alpha=settings.alpha, tests=tests * max(len(group.places), 1))
    first = evidence.since[last, at[1], places]
    bound = bound_since(pair, first, last, places, error=error, min_share=settings.min_share)
    limit = settings.ks_limit if pair.binning.kind == "numeric" else settings.tv_limit
    return bool(np.any((bound.low > limit) | (bound.factor > settings.factor_limit) | (limit == 0.0)))


def _row(
    pair: Pair,
    group: _Strata,
    current: Profile,
    judged: _Judged,
    at: tuple[int, int, int],
    against: Mapping[str, str],
    context: str,
) -> Measurement:
    now = int(pair.current[at[0], list(group.places)].sum())
    unseen = int(current.rows[at[0], list(group.unseen)].sum())
    contexts = f"within {len(group.places) + group.absent} values of {context}"
    reasons = [contexts] if now else [f"no rows in the window with a value of {context} that the reference has"]
    if unseen:
        reasons.append(f"{unseen:,} rows have a value of {context} of which the reference has too few: not compared")
    return Measurement(
        metric=METRIC, slice=group.of, at=(("feature", pair.binning.feature),), window=current.windows[at[0]],
        against=against, value=exp(min(float(judged.log_e[at]), MAX_LOG_E)) if now else None,
        n=min(now, int(pair.reference[list(group.places)].sum())),
        method="dirichlet_multinomial_mixture, mean over contexts", reason="; ".join(reasons),
    )  # fmt: skip


def _alarms(line: Sequence[Measurement], judged: _Judged, f: int, g: int, undated: datetime | None) -> Iterator[Alarm]:
    for w in np.flatnonzero(judged.rings[:, f, g]).tolist():
        row, limit = line[w], float(judged.limit[w])
        since = undated if row.window is None else row.window[0]
        # A window without rows of the context rings nothing: its evidence is that of the windows before.
        if since is not None and row.value is not None:
            yield Alarm(key=row.key(), e_value=max(row.value, limit), limit=limit, since=since)
            return


def _names(which: Slice, context: str) -> bool:
    return any(name == context for name, _ in which)


def _without(which: Slice, context: str) -> Slice:
    return tuple(pair for pair in which if pair[0] != context)


def _violations(reference: Reference, current: Profile, context: str) -> list[str]:
    violations = []
    if not any(_names(each, context) for each in reference.profile.slices):
        known = sorted({name for each in reference.profile.slices for name, _ in each})
        violations.append(f"the reference was not counted by {context!r}, only by {known}; name it a sensitive feature")
    differ = [name for name, binning in current.binnings.items() if reference.binnings.get(name, binning) != binning]
    if differ:
        violations.append(
            f"{differ} have other bins than in the reference; count the log with the reference's binnings"
        )
    return violations
