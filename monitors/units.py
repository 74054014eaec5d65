"""Whether a numeric feature changed its unit: its quartiles are the reference's, multiplied by a known factor."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from audit.expressions import key_expressions, number
from audit.inference.intervals import rate
from audit.measurement import Measurement, Slice
from audit.predictions import PredictionLog, feature_column, input_column
from audit.result import Alarm
from audit.values import canonical
from monitors.counts.binning import Binning
from monitors.counts.profile import IntArray, Profile
from monitors.found import Found
from monitors.timestamps import collected
from monitors.window_evidence import FloatArray, Ring, log_e_share_above, rings
from monitors.windows import Windows, place_expression

_QUARTERS = (0.25, 0.5, 0.75)
_TOLERANCE = 0.1
_NEAR = 0.25  # of the reference's interquartile range
_NAMED = 3
_BINS = 250  # of scores, which play no part here


class Change(NamedTuple):
    """A change of unit, new = factor * old + offset, and what it may be.

    Examples
    --------
    >>> Change(2.54, 0.0, "inches to centimetres").factor
    2.54
    """

    factor: float
    offset: float
    meaning: str


_SCALES = (
    (10.0, "a decimal place, such as millimetres and centimetres"),
    (100.0, "hundredths, such as cents, per cent or centimetres"),
    (1e3, "thousandths, such as grams and kilograms, metres and kilometres, milliseconds and seconds"),
    (1e4, "four decimal places, such as basis points"),
    (1e6, "millionths, such as micrograms and grams"),
    (1e9, "billionths, such as nanoseconds and seconds"),
    (2.54, "centimetres and inches"),
    (1.609344, "kilometres and miles"),
    (2.2046226, "pounds and kilograms"),
    (3.2808399, "feet and metres"),
    (28.349523, "grams and ounces"),
    (3.785412, "litres and US gallons"),
    (4.184, "kilojoules and kilocalories"),
    (18.0182, "mg/dl and mmol/l of glucose"),
    (7.0, "days and weeks"),
    (12.0, "months and years"),
    (24.0, "hours and days"),
    (60.0, "seconds and minutes, or minutes and hours"),
    (365.25, "days and years"),
    (3600.0, "seconds and hours"),
    (86400.0, "seconds and days"),
)
CHANGES: tuple[Change, ...] = (
    *(Change(factor, 0.0, meaning) for factor, meaning in _SCALES),
    *(Change(1 / factor, 0.0, meaning) for factor, meaning in _SCALES),
    Change(1.8, 32.0, "degrees Fahrenheit for Celsius"),
    Change(1 / 1.8, -32 / 1.8, "degrees Celsius for Fahrenheit"),
    Change(1.0, 273.15, "kelvins for degrees Celsius"),
    Change(1.0, -273.15, "degrees Celsius for kelvins"),
)
"""Changes of unit that are looked for, in both directions."""


class _Suspect(NamedTuple):
    """A feature and slice whose rows moved into an outer bin, and when that was first sure."""

    feature: str
    of: Slice
    ring: Ring


def units(
    reference: Profile,
    current: Profile,
    log: PredictionLog,
    windows: Windows,
    *,
    alpha: float = 0.05,
    dispersion: float | Mapping[str, float] = 1.0,
) -> Found:
    """Look for features whose unit may have changed, by window and group.

    A change of unit moves rows into the outer bins. Only where the share of an outer bin was shown to lie more than .1
    above the reference's (`monitors.window_evidence`, rows taken for independent but for the dispersion, e-BH over
    features and slices of the reference) are quartiles computed; a change of unit is named where, taken back, it brings
    all three within a quarter of the reference's interquartile range of the reference's quartiles (interpolated in its
    bins), and they lie outside without. Another cause may have the same effect: this is a hint with evidence of a
    shift, not of its cause.

    Parameters
    ----------
    reference
        Counts of the reference.
    current
        Counts of the log, by the windows and with the binnings of the reference.
    log, windows
        What was counted; rows of suspected features are read once more.
    alpha
        Bound on the expected share of false alarms, in (0, 1).
    dispersion
        Divides the rows of both sides, at least 1, where rows depend on each other (`monitors.scatter`); one number, or
        one for each feature.

    Returns
    -------
    Found
        "unit_factor" for each feature, slice and window where one was found: the ratio of the medians, without an
        interval; the reason says what it may be. An alarm belongs to the first of a feature and slice.

    Examples
    --------
    Nothing moved:

    >>> import pyarrow as pa
    >>> from monitors.windows import parse_windows, resolve
    >>> table = pa.table({"y": [1], "p": [1], "cm": [170.0], "t": ["2026-01-05T00:00Z"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", features=["cm"])
    >>> bins = {"cm": Binning(feature="cm", kind="numeric", edges=(160.0, 170.0, 180.0))}
    >>> counts = Profile(windows=(None,), slices=((),), binnings=bins, counts={"cm": np.array([[[25, 25, 25, 25, 0]]])},
    ...                  rows=np.array([[100]]))
    >>> units(counts, counts, log, resolve(parse_windows("7d"), log))
    Found(rows=(), alarms=())
    """
    rows: list[Measurement] = []
    alarms: list[Alarm] = []
    for suspect in _suspects(reference, current, windows.complete, alpha, dispersion):
        binning = reference.binnings[suspect.feature]
        counts = reference.counts[suspect.feature][:, reference.slices.index(suspect.of)].sum(axis=0)
        then = reference_quartiles(binning, counts)
        if then is None:
            continue
        found = [
            _row(suspect, windows, place, changes, (then, now, n))
            for place, (now, n) in sorted(_quartiles(log, windows, suspect).items())
            if suspect.ring.window <= place < windows.complete and (changes := changes_of_unit(then, now))
        ]
        rows += found
        if found and found[0].window is not None:
            ring, since = suspect.ring, found[0].window[0]
            alarms.append(Alarm(key=found[0].key(), e_value=ring.e_value, limit=ring.limit, since=since))
    return Found(tuple(rows), tuple(alarms))


def changes_of_unit(then: Sequence[float], now: Sequence[float]) -> tuple[Change, ...]:
    """Return the changes of unit that explain the quartiles of now by those of then, the best first; often none.

    Examples
    --------
    >>> [change.factor for change in changes_of_unit((60.0, 70.0, 80.0), (60_100.0, 69_800.0, 80_300.0))]
    [1000.0]
    >>> changes_of_unit((60.0, 70.0, 80.0), (90.0, 100.0, 110.0))
    ()
    >>> changes_of_unit((10.0, 15.0, 20.0), (50.2, 59.0, 68.1))[0].meaning
    'degrees Fahrenheit for Celsius'
    """
    old, new = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    room = max(_NEAR * (old[2] - old[0]), 0.02 * abs(float(old[1])))
    if not np.all(np.isfinite([*old, *new])) or room <= 0 or np.abs(new - old).max() <= 2 * room:
        return ()
    off = [float(np.abs((new - change.offset) / change.factor - old).max()) for change in CHANGES]
    return tuple(CHANGES[place] for place in np.argsort(off, kind="stable") if off[place] <= room)


def reference_quartiles(binning: Binning, counts: IntArray) -> tuple[float, float, float] | None:
    """Return the quartiles that counts of a numeric feature tell, interpolated between edges.

    None where a quartile lies in an open tail, of which counts tell no more.

    Examples
    --------
    >>> bins = Binning(feature="cm", kind="numeric", edges=(160.0, 170.0, 180.0))
    >>> reference_quartiles(bins, np.array([20, 30, 30, 20, 5]))
    (161.66666666666666, 170.0, 178.33333333333334)
    """
    below, rows = counts[:-1].cumsum()[:-1], int(counts[:-1].sum())
    if rows == 0 or len(binning.edges) < 2:
        return None
    shares = below / rows
    if shares[0] > _QUARTERS[0] or shares[-1] < _QUARTERS[2]:
        return None
    first, middle, last = np.interp(_QUARTERS, shares, binning.edges).tolist()
    return first, middle, last


def _suspects(
    reference: Profile, current: Profile, complete: int, alpha: float, dispersion: float | Mapping[str, float]
) -> list[_Suspect]:
    pairs = [
        (name, of)
        for name, binning in current.binnings.items()
        if binning.kind == "numeric" and len(binning.edges) > 1 and name in reference.binnings
        for of in reference.slices
        if len(of) < 2
    ]
    if not pairs:
        return []
    current = current.at_slices(reference.slices)
    error = alpha / 2 / (2 * len(pairs))
    worth = {name: dispersion.get(name, 1.0) if isinstance(dispersion, Mapping) else dispersion for name, _ in pairs}
    log_e = np.stack([_log_e_tails(reference, current, pair, error, worth[pair[0]]) for pair in pairs], axis=1)
    return [_Suspect(*pairs[ring.hypothesis], ring) for ring in rings(log_e[:complete], alpha=alpha / 2)]


def _log_e_tails(
    reference: Profile, current: Profile, pair: tuple[str, Slice], error: float, dispersion: float
) -> FloatArray:
    """Return the evidence of each window that the first or the last bin holds more than it did."""
    name, of = pair
    then = reference.counts[name][:, reference.slices.index(of)].sum(axis=0)[:-1] / dispersion
    now = current.counts[name][:, current.slices.index(of)][:, :-1] / dispersion
    both = []
    for place in (0, -1):
        share = rate(then[place], then.sum(), level=1 - error).high if then.sum() else 1.0
        limit = min(1.0, float(share) + _TOLERANCE)
        both.append(log_e_share_above(now[:, place], now.sum(axis=1), limit=limit))
    return np.asarray(np.logaddexp(*both) - np.log(2.0))


def _quartiles(
    log: PredictionLog, windows: Windows, suspect: _Suspect
) -> dict[int, tuple[tuple[float, float, float], int]]:
    """Return the quartiles of a suspected feature and how many rows have it, by window."""
    if suspect.feature not in log.features:
        return {}
    schema = log.table.collect_schema()
    value = number(input_column(log.features.index(suspect.feature)), schema)
    keys = {"place": place_expression(windows, log)}
    if suspect.of:
        column = feature_column(log.sensitive_features.index(suspect.of[0][0]))
        keys["group"] = key_expressions(log, schema, _BINS)[column]
    rows = log.table.select(**keys, value=value).filter(~nw.col("value").is_null() & ~nw.col("value").is_nan())
    names = ("first", "second", "third")
    quartiles = {name: nw.col("value").quantile(at, "linear") for name, at in zip(names, _QUARTERS, strict=True)}
    table = collected(log, rows.group_by(*keys).agg(**quartiles, n=nw.len()))
    wanted = suspect.of[0][1] if suspect.of else None
    found = {}
    for row in table.to_pylist():
        if not suspect.of or canonical(row["group"]) == wanted:
            found[int(row["place"])] = ((row["first"], row["second"], row["third"]), int(row["n"]))
    return found


def _row(
    suspect: _Suspect,
    windows: Windows,
    place: int,
    changes: tuple[Change, ...],
    seen: tuple[tuple[float, float, float], tuple[float, float, float], int],
) -> Measurement:
    then, now, n = seen
    looks = [
        f"{f'multiplied by about {change.factor:.4g}' if change.factor != 1 else 'moved'}"
        f"{f' plus {change.offset:.4g}' if change.offset else ''} ({change.meaning})"
        for change in changes[:_NAMED]
    ]
    # A median of (next to) nothing has no multiple; that the values moved stands in the reason.
    factor = now[1] / then[1] if then[1] else inf
    return Measurement(
        metric="unit_factor",
        slice=suspect.of,
        at=(("feature", suspect.feature),),
        window=windows.windows[place],
        value=factor if isfinite(factor) else None,
        n=n,
        method="quartiles",
        reason=f"the unit may have changed: values look {', or '.join(looks)}",
    )
