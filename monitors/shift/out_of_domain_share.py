"""The share of rows out of domain, by window and group, with an alarm that counts with the reference's own chance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.intervals import rate, uses_clopper_pearson
from audit.measurement import EVERYONE, Against, Measurement, Slice, Window
from audit.result import Alarm
from monitors.found import Found
from monitors.shift.evidence import log_e_beyond
from monitors.shift.out_of_domain import Domain, domain_p_values
from monitors.window_evidence import rings
from monitors.windows import Windows

METRIC = "out_of_domain_share"

_TOLERATED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """When rows are out of domain, and when their share is an alarm.

    Parameters
    ----------
    threshold
        A row is out of domain where its p-value is at most this: about so many of the reference's own rows are.
    tolerated
        Share that is no alarm, the practical limit; None = twice the threshold.
    alpha
        Bound on the expected share of false alarms among alarms, over windows and slices.
    level
        Confidence level of each interval.

    Examples
    --------
    >>> DomainSettings().threshold
    0.01
    """

    threshold: float = 0.01
    tolerated: float | None = None
    alpha: float = 0.05
    level: float = 0.95


class _Counted(NamedTuple):
    """Rows out of domain, rows with a p-value, and all rows, by window and slice."""

    slices: tuple[Slice, ...]
    beyond: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def out_of_domain(
    domain: Domain,
    embeddings: npt.ArrayLike,
    *,
    window: npt.ArrayLike,
    windows: Windows,
    digest: str,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    settings: DomainSettings | None = None,
) -> Found:
    """Count the rows of each window and group that lie outside what the reference held.

    The interval is that of the share among rows like those of the window, for the frozen cutoff (`intervals.rate`). The
    cutoff itself is a held-back row of the reference, and so known with chance: where nothing changed, the count of a
    window is beta-binomial exactly, and the e-value of `monitors.shift.evidence.log_e_beyond` counts with that. The
    alarm rings in the first window whose lower bound lies above `tolerated` once the e-values of the windows so far are
    rejected by e-BH over the slices (`monitors.window_evidence.rings`).

    Assumed: rows of the reference and of a window are exchangeable where nothing changed. Several rows of one person or
    place are not.

    Parameters
    ----------
    domain
        From `monitors.shift.out_of_domain.fit_domain`.
    embeddings
        Current rows, shape (n_rows, n_dimensions); rows that are not finite count as unknown.
    window
        Place of the window of each row (`Windows.place`), -1 for rows outside of all; shape (n_rows,).
    windows
        The windows.
    digest
        Digest of the frozen reference, named by every row.
    groups
        Sensitive feature -> the group of each row; None is the group whose value is missing.
    settings
        None = the defaults.

    Returns
    -------
    Found
        ``out_of_domain_share`` for each window and slice, at the threshold; without a value where no row has a score.

    Raises
    ------
    InputError
        If numbers of rows differ, a setting is out of range, or fewer than 1 / threshold - 1 rows were held back.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from monitors.shift.out_of_domain import fit_domain
    >>> rng = np.random.default_rng(0)
    >>> days = Windows(edges=tuple(datetime(2026, 1, day, tzinfo=UTC) for day in (5, 6)), regular=True, complete=1)
    >>> rows = np.concatenate([rng.normal(size=(80, 3)), rng.normal(9, 1, size=(20, 3))])
    >>> found = out_of_domain(fit_domain(rng.normal(size=(1000, 3))), rows, window=np.zeros(100), windows=days,
    ...                       digest="ab12")
    >>> found.rows[0].value >= 0.2, found.rows[0].n, len(found.alarms)
    (True, 100, 1)
    """
    chosen, place = settings or DomainSettings(), np.asarray(window).astype(np.int64)
    held_back = len(domain.held_back)
    # 1e-9: 0.01 x 500 must not fall below 5.
    rank = int(chosen.threshold * (held_back + 1) + 1e-9)
    p_values = domain_p_values(domain, embeddings)
    raise_violations([*_violations(chosen, rank, held_back), *_size_violations(len(p_values), place, groups or {})])
    counted = _counted(p_values, place, len(windows), groups or {}, rank / (held_back + 1))
    against = {"kind": "reference", "digest": digest}
    rows = [
        [_row(counted, which, at, window, against, chosen) for which in range(len(counted.slices))]
        for at, window in enumerate(windows.windows)
    ]
    log_e = [
        [
            log_e_beyond(int(beyond), int(known), rank=rank, held_back=held_back) if known else np.nan
            for beyond, known in zip(*pair, strict=True)
        ]
        for pair in zip(counted.beyond, counted.known, strict=True)
    ]
    flat = tuple(row for window in rows for row in window)
    return Found(flat, tuple(_alarms(rows, np.array(log_e).reshape(len(rows), -1), chosen)))


def _counted(
    p_values: npt.NDArray[np.float64],
    place: npt.NDArray[np.int64],
    windows: int,
    groups: Mapping[str, Sequence[str | None]],
    cutoff: float,
) -> _Counted:
    members: dict[Slice, npt.NDArray[np.bool_]] = {EVERYONE: np.ones(len(place), dtype=bool)}
    for name in sorted(groups):
        values = np.array(groups[name], dtype=object)
        for value in sorted(set(values.tolist()), key=lambda value: (value is None, str(value))):
            members[((name, value),)] = np.array([each == value for each in values], dtype=bool)
    inside, known = place >= 0, ~np.isnan(p_values)
    beyond = known & (p_values <= cutoff + 1e-12)
    tables = [
        np.column_stack([np.bincount(place[inside & member & flags], minlength=windows) for member in members.values()])
        for flags in (beyond, known, inside)
    ]
    return _Counted(tuple(members), *tables)


def _row(
    counted: _Counted, which: int, at: int, window: Window, against: Against, settings: DomainSettings
) -> Measurement:
    beyond, known, rows = (int(table[at, which]) for table in counted[1:])
    low, high = (float(bound) for bound in rate(beyond, known, level=settings.level))
    missing = f"{rows - known:,} of {rows:,} rows have no score" if known < rows else None
    fields: dict[str, Any] = {"value": None, "reason": missing or "no rows in the window"}
    if known:
        fields = {"value": beyond / known, "low": low, "high": high, "reason": missing}
    return Measurement(
        metric=METRIC, slice=counted.slices[which], at=(("threshold", settings.threshold),), window=window,
        against=against, n=known, level=settings.level,
        method="clopper_pearson" if uses_clopper_pearson(beyond, known) else "wilson", **fields,
    )  # fmt: skip


def _alarms(
    rows: Sequence[Sequence[Measurement]], log_e: npt.NDArray[np.float64], settings: DomainSettings
) -> Iterator[Alarm]:
    tolerated = _TOLERATED * settings.threshold if settings.tolerated is None else settings.tolerated
    for ring in rings(log_e, alpha=settings.alpha):
        for window in rows[ring.window :]:
            row = window[ring.hypothesis]
            if row.window is not None and row.low is not None and row.low > tolerated:
                yield Alarm(key=row.key(), e_value=ring.e_value, limit=ring.limit, since=row.window[0])
                break


def _violations(settings: DomainSettings, rank: int, held_back: int) -> list[str]:
    violations = [
        f"{name} must lie in (0, 1); got {getattr(settings, name)}"
        for name in ("alpha", "level")
        if not 0 < getattr(settings, name) < 1
    ]
    if settings.tolerated is not None and not 0 <= settings.tolerated < 1:
        violations.append(f"tolerated must lie in [0, 1); got {settings.tolerated}")
    if not 0 < settings.threshold <= 1 / 3:
        violations.append(f"threshold must lie in (0, 1/3]; got {settings.threshold}; 0.01 is the default")
    elif rank < 1:
        needed = f"at least {1 / settings.threshold - 1:.0f} rows held back"
        violations.append(f"a threshold of {settings.threshold} needs {needed}; got {held_back}: hold back more")
    return violations


def _size_violations(rows: int, place: npt.NDArray[np.int64], groups: Mapping[str, Sequence[str | None]]) -> list[str]:
    sizes = {"window": len(place)} | {name: len(values) for name, values in groups.items()}
    return [
        f"{name!r} has {size} rows, the embeddings {rows}; pass one value per row"
        for name, size in sizes.items()
        if size != rows
    ]
