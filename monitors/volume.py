"""Traffic: how many rows come, of whom, whether some come twice, late or no more, and whether it is as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from audit.errors import raise_violations
from audit.inference.intervals import rate, uses_clopper_pearson
from audit.measurement import Measurement, Window, utc_text
from audit.result import Alarm
from monitors.counts.profile import IntArray, Profile
from monitors.found import Found, gathered
from monitors.log_facts import LogFacts
from monitors.traffic_rows import known, traffic_rows
from monitors.window_evidence import log_e_share_above, rings

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSettings:
    """What counts as a change of traffic, and how rarely an alarm may be false.

    Parameters
    ----------
    alpha
        Bound on the share of false alarms among those of traffic, and on their chance for everyone alone; in (0, 1).
    tolerance
        w >= 1: traffic within [1 / w, w] of what it was never rings.
    duplicates, late
        Share of rows of a window that may have come before, and of those that may come after it was reported; [0, 1).

    Examples
    --------
    >>> VolumeSettings(tolerance=2.0).alpha
    0.05
    """

    alpha: float = 0.05
    tolerance: float = 1.25
    duplicates: float = 0.01
    late: float = 0.01


def volume(
    current: Profile,
    *,
    facts: LogFacts,
    reference: Profile | None = None,
    left_out: int = 0,
    reported: Mapping[Window, int] | None = None,
    settings: VolumeSettings | None = None,
    clusters: float = 1.0,
) -> Found:
    """Measure the traffic of each window and group, and ring where it changed, repeats itself or comes late.

    Parameters
    ----------
    current
        Counts of a log by window and group; all windows from the first on, since earlier ones tell what to expect.
    facts
        What `monitors.log_facts.log_facts` found. Windows that are not over are counted, and not judged.
    reference
        Where it is cut into windows of the same kind, those that end before the log starts count as earlier windows
        (`monitors.traffic_before`).
    left_out
        Rows of the reference that are in none of these; the rows say so.
    reported
        Rows by window that an earlier run saw (`monitors.log_facts.reported_rows`): what came since is late, what is
        gone was removed.
    settings
        Tolerance and error; None = the defaults.
    clusters
        The design effect of clusters: counts are divided by at least as much.

    Returns
    -------
    Found
        By window and slice "traffic" (rows), "expected_traffic" (with an interval of prediction at 95 %) and
        "traffic_ratio" (with an interval that holds in all windows of a slice together; None before the ninth whole
        window); by window "duplicate_share" (rows whose prediction_id stood before, in the log's own windows),
        "late_share", "removed_rows"; and "empty_windows". Alarms: traffic outside the tolerance (`monitors.traffic`),
        by e-BH over slices; more duplicates or late rows than the settings let pass (rows assumed independent). The
        evidence of windows is added up (`monitors.window_evidence`), so that all looks together keep `alpha`.

    Raises
    ------
    InputError
        If settings are out of range, or the profile is not cut into windows.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> from itertools import pairwise
    >>> edges = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(weeks=week) for week in range(10)]
    >>> rows = np.array([100] * 8 + [260]).reshape(-1, 1)
    >>> profile = Profile(windows=tuple(pairwise(edges)), slices=((),), binnings={}, counts={}, rows=rows)
    >>> found = volume(profile, facts=LogFacts(complete=9, starts_whole=True, regular=True))
    >>> [row.value for row in found.rows if row.metric == "traffic_ratio"][-1], found.alarms[0].since.date().isoformat()
    (2.6, '2026-03-02')
    """
    chosen = settings or VolumeSettings()
    raise_violations([*_violations(chosen), *_violations_of(current, facts)])
    parts = [
        traffic_rows(
            current,
            facts,
            reference,
            alpha=chosen.alpha,
            tolerance=chosen.tolerance,
            left_out=left_out,
            clusters=clusters,
        ),
        _empty(current, facts),
    ]
    parts.append(_duplicates(current, facts, chosen))
    if reported:
        parts.append(_late(current, facts, reported, chosen))
    return gathered(parts)


def _violations(settings: VolumeSettings) -> list[str]:
    found = []
    if not 0 < settings.alpha < 1:
        found.append(f"alpha must lie in (0, 1); got {settings.alpha}; pass 0.05")
    if not 1 <= settings.tolerance < np.inf:
        found.append(f"tolerance must be at least 1; got {settings.tolerance}; pass 1.25 to tolerate 0.8 to 1.25")
    for name, share in (("duplicates", settings.duplicates), ("late", settings.late)):
        if not (isfinite(share) and 0 <= share < 1):
            found.append(f"{name} must lie in [0, 1); got {share}; pass 0.01 to let one row in a hundred pass")
    return found


def _violations_of(current: Profile, facts: LogFacts) -> list[str]:
    if None in current.windows:
        return ["the counts are not cut into windows; expected a profile by window: name a window, such as 7d"]
    if not 0 <= facts.complete <= len(current.windows):
        known = len(current.windows)
        return [f"{facts.complete} windows are over, of {known}; pass the facts of the log that was counted"]
    return []


def _empty(current: Profile, facts: LogFacts) -> Found:
    if not facts.complete:
        return Found()
    windows = known(current.windows)[: facts.complete]
    gone = np.flatnonzero(current.rows[: facts.complete, 0] == 0)
    shown = ", ".join(utc_text(windows[place][0]) for place in gone[:3])
    more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
    row = Measurement(
        metric="empty_windows",
        window=(windows[0][0], windows[-1][1]),
        value=float(len(gone)),
        n=len(windows),
        method="count",
        reason=f"no rows in the windows from {shown}{more}" if len(gone) else None,
    )
    return Found((row,))


def _duplicates(current: Profile, facts: LogFacts, settings: VolumeSettings) -> Found:
    if facts.with_id is None or facts.first_seen is None:
        return Found()
    repeated = facts.with_id - facts.first_seen
    reason = f"{facts.without_id:,} rows of the log have no prediction_id" if facts.without_id else None
    return _shares("duplicate_share", current, facts, (repeated, facts.with_id), settings.duplicates, settings, reason)


def _late(current: Profile, facts: LogFacts, reported: Mapping[Window, int], settings: VolumeSettings) -> Found:
    windows, now = known(current.windows), current.rows[:, 0]
    then = np.array([reported.get(window, -1) for window in windows], dtype=np.int64)
    total = np.where(then >= 0, now, 0)
    late = np.where(then >= 0, np.maximum(now - then, 0), 0)
    found = _shares("late_share", current, facts, (late, total), settings.late, settings, None, skip=then < 0)
    removed = [
        Measurement(
            metric="removed_rows",
            window=windows[place],
            value=float(then[place] - now[place]),
            n=int(then[place]),
            method="count",
            reason="rows that were reported are gone: were they erased or corrected?",
        )
        for place in np.flatnonzero((then >= 0) & (now < then))
    ]
    return Found((*found.rows, *removed), found.alarms)


def _shares(
    metric: str,
    current: Profile,
    facts: LogFacts,
    counts: tuple[IntArray, IntArray],
    limit: float,
    settings: VolumeSettings,
    caveat: str | None,
    *,
    skip: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None = None,
) -> Found:
    """Return the share of each window with its interval, and an alarm where it was shown to pass a limit."""
    events, totals = counts
    windows = known(current.windows)
    bounds, exact = rate(events, totals, level=_LEVEL), uses_clopper_pearson(events, totals)
    rows = {
        place: Measurement(
            metric=metric,
            window=window,
            value=float(events[place] / totals[place]) if totals[place] else None,
            low=float(bounds.low[place]) if totals[place] else None,
            high=float(bounds.high[place]) if totals[place] else None,
            n=int(totals[place]),
            level=_LEVEL if totals[place] else None,
            method="clopper_pearson" if exact[place] else "wilson",
            reason=caveat if totals[place] else "no rows in this window",
        )
        for place, window in enumerate(windows)
        if skip is None or not skip[place]
    }
    log_e = log_e_share_above(events, totals, limit=limit)[: facts.complete]
    alarms = [
        Alarm(key=rows[ring.window].key(), e_value=ring.e_value, limit=ring.limit, since=windows[ring.window][0])
        for ring in rings(log_e[:, None], alpha=settings.alpha)
    ]
    return Found(tuple(rows.values()), tuple(alarms))
