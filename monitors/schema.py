"""What features may hold: values that went missing, categories that are new, categories that no longer occur."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.intervals import rate, uses_clopper_pearson
from audit.measurement import Measurement, Slice, Window
from audit.result import Alarm
from monitors.counts.binning import Binning
from monitors.counts.profile import IntArray, Profile
from monitors.found import Found
from monitors.unseen import unseen_share_bound
from monitors.window_evidence import FloatArray, Ring, log_e_never, log_e_share_above, rings

_LEVEL = 0.95
_NAMED = 3
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSettings:
    """How far shares may rise above those of the reference, and how rarely an alarm may be false.

    Parameters
    ----------
    alpha
        Bound on the expected share of false alarms, in (0, 1).
    missing, new
        By how much the share of missing values, and of categories that the reference lacks, may rise; in [0, 1).

    Examples
    --------
    >>> SchemaSettings().missing
    0.02
    """

    alpha: float = 0.05
    missing: float = 0.02
    new: float = 0.01


class _Watch(NamedTuple):
    """One hypothesis, metric x feature x slice: its row in each window and the evidence of each; no alarms without."""

    rows: dict[int, Measurement]
    log_e: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feature:
    """The counts of a feature in one slice: now by window and bin, in the reference by bin (None = no reference)."""

    binning: Binning
    of: Slice
    windows: tuple[Window | None, ...]
    now: IntArray
    then: IntArray | None
    comparisons: int
    alpha: float
    dispersion: float

    def where(self) -> dict[str, Any]:
        return {"slice": self.of, "at": (("feature", self.binning.feature),)}

    def upper(self, events: int, rows: int) -> float:
        """Return the upper bound of a share of the reference; all bounds hold together with probability 1 - alpha."""
        if not rows:
            return 1.0
        counts = events / self.dispersion, rows / self.dispersion
        return float(rate(*counts, level=1.0 - self.alpha, comparisons=self.comparisons).high)

    def unseen(self) -> float | None:
        """Return the upper bound of the share of unseen categories, likewise; None where it is not known."""
        if self.then is None or self.then[-2]:  # the reference has more categories than are counted apart
            return None
        return unseen_share_bound(self.then[:-2], alpha=self.alpha / self.comparisons, dispersion=self.dispersion)


def schema(
    reference: Profile | None,
    current: Profile,
    *,
    complete: int | None = None,
    settings: SchemaSettings | None = None,
    dispersion: float | Mapping[str, float] = 1.0,
) -> Found:
    """Measure what is missing, new and gone in each feature, window and group, and ring where it was not so before.

    Parameters
    ----------
    reference
        Counts of the reference with the same binnings; None = rows without alarms.
    current
        Counts of the log.
    complete
        How many of the first windows are over; only those ring. None = all.
    settings
        Tolerances and error; None = the defaults.
    dispersion
        Divides the rows of both sides, at least 1: how many rows are worth one where rows depend on each other
        (`monitors.scatter`); one number, or one for each feature.

    Returns
    -------
    Found
        By window, slice and feature "missing_share" (of all rows), and of a categorical feature "new_category_share"
        (of rows that are not missing) and "vanished_categories" (how many of the reference have no row; the reason
        names those whose absence surprises most: a category of share p stays unseen in n rows with probability
        (1 - p)^n). A window without rows has no value. Alarms: the share lies above the upper bound of the reference's
        plus the tolerance (of new categories above what `monitors.unseen.unseen_share_bound` lets expect, plus the
        tolerance; a column of which the reference has more categories than are counted apart is not judged), or a
        category of at least the lower bound of its share is unseen (the mean of the e-values
        of all categories); half of `alpha` goes to the bounds of the reference (Bonferroni), half to e-BH over metrics,
        features and slices of the reference with evidence added up over windows (`monitors.window_evidence`); groups
        that the reference lacks have rows and no alarms. Rows of a window are taken for independent, but for what the
        dispersion says.

    Raises
    ------
    InputError
        If settings are out of range, or the reference has other bins.

    Examples
    --------
    >>> bins = {"race": Binning(feature="race", kind="categorical", categories=("A", "B"))}
    >>> def counted(*counts):  # A, B, new, missing
    ...     table = np.array(counts).reshape(-1, 1, 4)
    ...     return Profile(windows=(None,) * len(table), slices=((),), binnings=bins, counts={"race": table},
    ...                    rows=table.sum(axis=2))
    >>> found = schema(counted([80, 20, 0, 0]), counted([200, 0, 0, 0]))
    >>> row = found.rows[-1]
    >>> row.metric, row.value, row.reason
    ('vanished_categories', 1.0, "'B': 20 % of the reference, none in 200 rows (chance 4e-20)")
    """
    chosen = settings or SchemaSettings()
    raise_violations([*_violations(chosen, dispersion), *_unlike(reference, current)])
    stop = len(current.windows) if complete is None else complete
    known = () if reference is None else reference.slices
    current = current.at_slices([*known, *(of for of in current.slices if of not in set(known))])
    watches = [
        watch
        for feature in _features(reference, current, chosen.alpha / 2, dispersion)
        for watch in _watches(feature, chosen)
    ]
    rows = tuple(row for watch in watches for row in watch.rows.values())
    judged = [watch for watch in watches if watch.log_e is not None]
    if not judged:
        return Found(rows)
    log_e = np.stack([np.asarray(watch.log_e)[:stop] for watch in judged], axis=1)
    alarms = [_alarm(judged[ring.hypothesis].rows[ring.window], ring) for ring in rings(log_e, alpha=chosen.alpha / 2)]
    return Found(rows, tuple(alarm for alarm in alarms if alarm is not None))


def _alarm(row: Measurement, ring: Ring) -> Alarm | None:
    if row.window is None:
        return None
    return Alarm(key=row.key(), e_value=ring.e_value, limit=ring.limit, since=row.window[0])


def _violations(settings: SchemaSettings, dispersion: float | Mapping[str, float]) -> list[str]:
    found = [] if 0 < settings.alpha < 1 else [f"alpha must lie in (0, 1); got {settings.alpha}; pass 0.05"]
    numbers = dispersion.values() if isinstance(dispersion, Mapping) else [dispersion]
    found += [
        f"dispersion must be at least 1 and finite; got {number}; 1 stands for independent rows"
        for number in numbers
        if not 1.0 <= number < inf
    ]
    return found + [
        f"{name} must lie in [0, 1); got {share}; pass 0.02 to let a share rise by two rows in a hundred"
        for name, share in (("missing", settings.missing), ("new", settings.new))
        if not 0 <= share < 1
    ]


def _unlike(reference: Profile | None, current: Profile) -> list[str]:
    if reference is None:
        return []
    return [
        f"feature {name!r}: the reference has other bins, or lacks it; count the log with the bins of its reference"
        for name, binning in current.binnings.items()
        if reference.binnings.get(name) != binning
    ]


def _features(
    reference: Profile | None, current: Profile, alpha: float, dispersion: float | Mapping[str, float]
) -> list[_Feature]:
    places = {} if reference is None else {of: place for place, of in enumerate(reference.slices)}
    comparisons = sum(binning.size for binning in current.binnings.values()) * max(1, len(places))
    return [
        _Feature(
            binning=binning,
            of=of,
            windows=current.windows,
            now=current.counts[name][:, place],
            then=reference.counts[name][:, places[of]].sum(axis=0) if reference and of in places else None,
            comparisons=comparisons,
            alpha=alpha,
            dispersion=dispersion.get(name, 1.0) if isinstance(dispersion, Mapping) else dispersion,
        )
        for name, binning in current.binnings.items()
        for place, of in enumerate(current.slices)
    ]


def _watches(feature: _Feature, settings: SchemaSettings) -> list[_Watch]:
    now, then = feature.now, feature.then
    total = now.sum(axis=1)
    upper = None if then is None else feature.upper(int(then[-1]), int(then.sum()))
    found = [_share(feature, "missing_share", (now[:, -1], total), upper, settings.missing)]
    if feature.binning.kind == "categorical":
        present = total - now[:, -1]
        found.append(_share(feature, "new_category_share", (now[:, -2], present), feature.unseen(), settings.new))
        if then is not None:
            found.append(_vanished(feature, then, present))
    return found


def _share(
    feature: _Feature,
    metric: str,
    counts: tuple[IntArray, IntArray],
    upper: float | None,
    tolerance: float,
) -> _Watch:
    events, totals = counts
    bounds, exact = rate(events, totals, level=_LEVEL), uses_clopper_pearson(events, totals)
    rows: dict[int, Measurement] = {}
    for place, window in enumerate(feature.windows):
        n = int(totals[place])
        rows[place] = Measurement(
            metric=metric,
            **feature.where(),
            window=window,
            value=float(events[place] / n) if n else None,
            low=float(bounds.low[place]) if n else None,
            high=float(bounds.high[place]) if n else None,
            n=n,
            level=_LEVEL if n else None,
            method="clopper_pearson" if exact[place] else "wilson",
            reason=None if n else "no rows in this window",
        )
    if upper is None:
        return _Watch(rows, None)
    limit, divisor = min(1.0, upper + tolerance), feature.dispersion
    return _Watch(rows, log_e_share_above(events / divisor, totals / divisor, limit=limit))


def _vanished(feature: _Feature, then: IntArray, present: IntArray) -> _Watch:
    """Return how many categories are gone by window, and the evidence that one of them is."""
    known = then[:-2]
    there, total = np.flatnonzero(known > 0), int(then[:-1].sum())
    gone = feature.now[:, there] == 0
    divisor = feature.dispersion
    low = rate(known[there] / divisor, total / divisor, level=1.0 - feature.alpha, comparisons=feature.comparisons).low
    evidence = log_e_never(present[:, None] / divisor, share=low[None, :])
    with np.errstate(divide="ignore"):
        log_e = np.logaddexp.reduce(np.where(gone, evidence, -np.inf), axis=1) - np.log(max(1, len(there)))
    rows = {}
    for place, window in enumerate(feature.windows):
        n = int(present[place])
        names = there[gone[place]]
        empty = "no rows in this window" if n == 0 else "the reference has no category" if not len(there) else None
        rows[place] = Measurement(
            metric="vanished_categories",
            **feature.where(),
            window=window,
            value=None if empty else float(len(names)),
            n=n,
            method="count",
            reason=empty or _surprises(feature.binning, known, names, (n, total)),
        )
    return _Watch(rows, np.where(present > 0, log_e, np.nan) if len(there) else None)


def _surprises(binning: Binning, known: IntArray, gone: npt.NDArray[np.intp], rows: tuple[int, int]) -> str | None:
    """Return the categories whose absence is least likely, most frequent first."""
    n, total = rows
    ordered = sorted(gone, key=lambda place: (-int(known[place]), int(place)))
    texts = []
    for place in ordered[:_NAMED]:
        share = int(known[place]) / total
        name = binning.categories[place]
        shown = repr(name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "...")
        chance = float(np.exp(-float(log_e_never(n, share=min(share, 1 - 1e-12)))))
        texts.append(f"{shown}: {100 * share:.3g} % of the reference, none in {n:,} rows (chance {chance:.0e})")
    more = f"; and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    return "; ".join(texts) + more if texts else None
