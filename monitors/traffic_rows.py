"""The traffic of each window and group as rows: what came, what was expected, and alarms where it changed."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from audit.measurement import Measurement, Window
from audit.result import Alarm
from monitors.counts.profile import Profile
from monitors.found import Found
from monitors.log_facts import LogFacts
from monitors.traffic import MIN_BLOCKS, Expected, expected, log_evidence
from monitors.window_evidence import FloatArray, rings

_WEEK = timedelta(weeks=1)
_LEVEL = 0.95


def traffic_rows(
    current: Profile,
    facts: LogFacts,
    reference: Profile | None,
    *,
    alpha: float,
    tolerance: float,
    left_out: int = 0,
    clusters: float = 1.0,
) -> Found:
    """Return the traffic of each window and slice, what was expected, their ratio, and alarms where it changed.

    Parameters
    ----------
    current, facts, reference, left_out, clusters
        As in `monitors.volume.volume`.
    alpha, tolerance
        As in `monitors.volume.VolumeSettings`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> weeks = tuple(datetime(2026, 1, day, tzinfo=UTC) for day in (5, 12, 19))
    >>> profile = Profile(windows=(weeks[:2], weeks[1:]), slices=((),), binnings={}, counts={},
    ...                   rows=np.array([[7], [5]]))
    >>> found = traffic_rows(profile, LogFacts(complete=2, starts_whole=True, regular=True), None,
    ...                      alpha=0.05, tolerance=1.25)
    >>> [row.value for row in found.rows if row.metric == "traffic"], found.rows[-1].reason
    ([7.0, 5.0], 'fewer than 8 whole windows before')
    """
    series = _series(current, facts, reference, clusters)
    start, stop = series.first_look, max(series.first_look, facts.complete)
    look = np.maximum(1, np.arange(len(current.windows)) - start + 1)
    limits = look * (look + 1) / alpha
    note = _left_out_text(left_out)
    rows: list[Measurement] = []
    ratios: dict[tuple[int, int], str] = {}
    log_e = np.full((stop - start, len(current.slices)), np.nan)
    for place in range(len(current.slices)):
        log_e[:, place] = series.log_evidence(place, tolerance)[start:stop]
        for window, before in enumerate(series.expected(place, limits)):
            rows += _rows_of(current, facts, (window, place), before, alpha, note)
            ratios[window, place] = rows[-1].key()
    windows = known(current.windows)
    alarms = [
        Alarm(
            key=ratios[start + ring.window, ring.hypothesis],
            e_value=ring.e_value,
            limit=ring.limit,
            since=windows[start + ring.window][0],
        )
        for ring in rings(log_e, alpha=alpha)
    ]
    return Found(tuple(rows), tuple(alarms))


def known(windows: tuple[Window | None, ...]) -> list[Window]:
    """Return the windows of a profile that is cut by time.

    Examples
    --------
    >>> known((None,))
    []
    """
    return [window for window in windows if window is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What is compared: the whole windows of a profile, [first, stop), and those of a reference before them.

    `skipped` of the last windows of the reference are left out: where the first window is not whole, it goes together
    with the rest of its cycle, so that phases stay.
    """

    current: Profile
    reference: Profile | None
    first: int
    stop: int
    period: int
    exposure: FloatArray
    skipped: int
    clusters: float

    @property
    def earlier(self) -> int:
        """How many windows of the reference are used."""
        return 0 if self.reference is None else max(0, len(self.reference.windows) - self.skipped)

    @property
    def first_look(self) -> int:
        """The first window that may have eight before it."""
        return min(len(self.current.windows), self.first + max(0, MIN_BLOCKS - self.earlier))

    def of_slice(self, place: int) -> tuple[FloatArray, FloatArray, int]:
        """Return rows and exposure of the whole windows, and how many of them are of the reference."""
        rows = self.current.rows[self.first : self.stop, place].astype(np.float64)
        exposure = self.exposure[self.first : self.stop]
        wanted = self.current.slices[place]
        if self.reference is None or wanted not in self.reference.slices:
            return rows, exposure, 0
        before = self.reference.rows[: self.earlier, self.reference.slices.index(wanted)].astype(np.float64)
        return np.concatenate([before, rows]), np.concatenate([np.ones(self.earlier), exposure]), self.earlier

    def log_evidence(self, place: int, tolerance: float) -> FloatArray:
        """Return the evidence of each window; nan where it is not whole or has too few before it."""
        rows, exposure, before = self.of_slice(place)
        found = np.full(len(self.current.windows), np.nan)
        log_e = log_evidence(rows, exposure, period=self.period, tolerance=tolerance, clusters=self.clusters)
        found[self.first : self.stop] = log_e[before:]
        return found

    def expected(self, place: int, limits: FloatArray) -> list[Expected | None]:
        """Return what was expected in each window."""
        rows, exposure, before = self.of_slice(place)
        padded = np.concatenate([np.full(before, limits[0]), limits[self.first : self.stop]])
        found = expected(rows, exposure, period=self.period, limits=padded, clusters=self.clusters)[before:]
        return [*[None] * self.first, *found, *[None] * (len(self.current.windows) - self.stop)]


def _series(current: Profile, facts: LogFacts, reference: Profile | None, clusters: float) -> _Series:
    windows = known(current.windows)
    first = min(len(windows), 0 if facts.starts_whole else 1)
    period = _period(windows) if facts.regular else 1
    lengths = np.array([(end - start).total_seconds() for start, end in windows])
    return _Series(
        current=current,
        reference=_before(reference, windows, period),
        first=first,
        stop=max(first, facts.complete),
        period=period,
        exposure=lengths / lengths[0],
        skipped=0 if facts.starts_whole else period - 1,
        clusters=clusters,
    )


def _period(windows: list[Window]) -> int:
    length = windows[0][1] - windows[0][0]
    return _WEEK // length if length < _WEEK and _WEEK % length == timedelta(0) else 1


def _before(reference: Profile | None, windows: list[Window], period: int) -> Profile | None:
    """Return the windows of a reference that are cut like these and end before them, at the same phase of a cycle."""
    if reference is None or None in reference.windows:
        return None
    length, earlier = windows[0][1] - windows[0][0], known(reference.windows)
    if any(end - start != length for start, end in earlier):
        return None
    apart = [windows[0][0] - end for _, end in earlier]
    fitting = [gap >= timedelta(0) and gap % (period * length) == timedelta(0) for gap in apart]
    stop = max((place + 1 for place, fits in enumerate(fitting) if fits), default=0)
    if not stop:
        return None
    return replace(reference, windows=reference.windows[:stop], rows=reference.rows[:stop], counts={}, binnings={})


def _left_out_text(rows: int) -> str:
    """Return how much of a reference is not among the windows before; empty where all of it is."""
    return f"; left out: {rows:,} rows of the reference, in windows that are not whole or not before" if rows else ""


def _rows_of(
    current: Profile, facts: LogFacts, place: tuple[int, int], before: Expected | None, alpha: float, note: str
) -> list[Measurement]:
    """Return the rows of a window and slice, the ratio last."""
    rows = int(current.rows[place])
    over = place[0] < facts.complete
    here: dict[str, Any] = {"window": current.windows[place[0]], "slice": current.slices[place[1]]}
    found = Measurement(
        metric="traffic", value=float(rows), n=rows, method="count" if over else "count, so far", **here
    )
    if before is None:
        whole = over and (place[0] > 0 or facts.starts_whole)
        reason = f"fewer than {MIN_BLOCKS} whole windows before{note}" if whole else "the window is not whole"
        here |= {"value": None, "n": 0, "reason": reason}
        return [
            found,
            Measurement(metric="expected_traffic", method="prediction", **here),
            Measurement(metric="traffic_ratio", method="beta_mixture", **here),
        ]
    why = f"counts divided by {before.dispersion:.3g}, the dispersion of the {before.blocks} windows before{note}"
    expectation = Measurement(
        metric="expected_traffic",
        value=before.rows,
        low=before.low,
        high=before.high,
        n=before.earlier_rows,
        level=_LEVEL,
        method="prediction",
        reason=why,
        **here,
    )
    nothing = before.earlier_rows == 0
    ratio = Measurement(
        metric="traffic_ratio",
        value=None if nothing else before.ratio,
        low=None if nothing and rows == 0 else before.ratio_low,
        high=None if nothing else before.ratio_high,
        n=min(rows, before.earlier_rows),
        level=1.0 - alpha,
        method="beta_mixture",
        reason="no rows in the windows before: the ratio has no upper bound" if nothing else why,
        **here,
    )
    return [found, expectation, ratio]
