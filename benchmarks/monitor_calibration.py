"""False alarms of drift detectors where nothing changes, and their delay where something does: ours and peers'.

Each detector sees one reference and then a stream of windows, and rings for a column or does not. What is printed is
the share of streams with at least one alarm in any column (no drift), or the share found and the median number of
windows from the change to the first alarm in the changed column (drift; an alarm before the change finds nothing).
`--quick` takes about a minute.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp

from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.counts.reference import frozen
from monitors.drift.dispersion import feature_dispersion
from monitors.drift.run import drift
from monitors.drift.settings import DriftSettings

os.environ.setdefault("DO_NOT_TRACK", "1")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType
except ImportError:
    get_stattest = ColumnType = None

Values = npt.NDArray[np.float64] | npt.NDArray[np.int64]
Table = Mapping[str, Values]
Rang = dict[str, int]
"""Column -> the first window in which it rang."""

ALPHA = 0.05
START = datetime(2026, 1, 5, tzinfo=UTC)
SEEDS = np.random.SeedSequence(20261122)


class Stream(NamedTuple):
    """A reference and the windows after it; the reference also cut into blocks, where rows depend on each other."""

    reference: Table
    windows: Sequence[Table]
    blocks: Sequence[Table] = ()


Detector = Callable[[Stream], Rang]


def binnings_of(reference: Table, bins: int = 60) -> dict[str, Binning]:
    """Return bins at order statistics, as the library fits them; whole numbers are categories."""
    found = {}
    for name, values in reference.items():
        if values.dtype.kind == "i":
            labels = tuple(f"{value:05d}" for value in np.unique(values))
            found[name] = Binning(feature=name, kind="categorical", categories=labels)
            continue
        ranks = np.unique(-(-np.arange(1, bins) * len(values) // bins))
        edges, times = np.unique(np.sort(values)[ranks - 1], return_counts=True)
        edges = np.unique(np.concatenate([edges, np.nextafter(edges[times > 1], np.inf)]))
        tied = len(np.unique(values)) < len(values)
        found[name] = Binning(feature=name, kind="numeric", edges=tuple(edges.tolist()), tied=tied)
    return found


def profile_of(tables: Sequence[Table], binnings: Mapping[str, Binning], *, dated: bool = True) -> Profile:
    """Count tables, one window each."""
    counts = {}
    for name, binning in binnings.items():
        lines = []
        for table in tables:
            if binning.kind == "numeric":
                codes = np.searchsorted(np.asarray(binning.edges), table[name], side="right")
            else:
                known = np.array([int(label) for label in binning.categories])
                place = np.searchsorted(known, table[name])
                inside = np.minimum(place, len(known) - 1)
                codes = np.where(known[inside] == table[name], inside, len(known))
            lines.append(np.bincount(codes, minlength=binning.size))
        counts[name] = np.stack(lines)[:, None, :]
    days = [START + timedelta(days=day) for day in range(len(tables) + 1)]
    windows = tuple(pairwise(days)) if dated else (None,)
    rows = np.array([[len(next(iter(table.values())))] for table in tables])
    return Profile(windows=windows, slices=((),), binnings=binnings, counts=counts, rows=rows)


def ours(*, any_change: bool, widened: bool = False) -> Detector:
    """Return our monitor: with its default practical limits, or for any change; with the reference's dispersion."""

    def detector(stream: Stream) -> Rang:
        binnings = binnings_of(stream.reference)
        reference = frozen(profile_of([stream.reference], binnings, dated=False), sensitive_features=())
        dispersion = feature_dispersion(profile_of(stream.blocks, binnings)) if widened else 1.0
        limits = {"ks_limit": 0.0, "tv_limit": 0.0, "factor_limit": 1.0} if any_change else {}
        settings = DriftSettings(alpha=ALPHA, dispersion=dispersion, **limits)
        found = drift(reference, profile_of(stream.windows, binnings), settings=settings)
        names = {row.key(): dict(row.at)["feature"] for row in found.rows if row.metric == "drift_e_value"}
        return {names[alarm.key]: (alarm.since - START).days for alarm in found.alarms}

    return detector


def by_column(rings: Callable[[Values, Values, Stream], bool]) -> Detector:
    """Return a detector that judges every column of every window by itself."""

    def detector(stream: Stream) -> Rang:
        found: Rang = {}
        for place, window in enumerate(stream.windows):
            for name, values in stream.reference.items():
                if name not in found and rings(values, window[name], stream):
                    found[name] = place
        return found

    return detector


def evidently_default(reference: Values, current: Values, _stream: Stream) -> bool:
    kind = ColumnType.Categorical if reference.dtype.kind == "i" else ColumnType.Numerical
    sides = pd.Series(reference), pd.Series(current)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(get_stattest(*sides, kind, None)(*sides, kind, None).drifted)


def p_value(reference: Values, current: Values) -> float:
    if reference.dtype.kind == "f":
        return float(ks_2samp(reference, current, method="asymp").pvalue)
    size = int(max(reference.max(), current.max())) + 1
    table = np.stack([np.bincount(side, minlength=size) for side in (reference, current)])
    return float(chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False).pvalue)


def plain(reference: Values, current: Values, _stream: Stream) -> bool:
    return p_value(reference, current) < ALPHA


def over_columns(reference: Values, current: Values, stream: Stream) -> bool:
    return p_value(reference, current) < ALPHA / len(stream.reference)


def over_all(reference: Values, current: Values, stream: Stream) -> bool:
    return p_value(reference, current) < ALPHA / len(stream.reference) / len(stream.windows)


def at_random(stream: Stream) -> Rang:
    """Ring in 5 % of all streams, whatever they hold."""
    seed = int(abs(next(iter(stream.reference.values()))[0]) * 1e6) % 2**32
    rng = np.random.default_rng(seed)
    column = str(rng.choice(list(stream.reference)))
    return {column: int(rng.integers(len(stream.windows)))} if rng.random() < ALPHA else {}


def never(_stream: Stream) -> Rang:
    return {}


DETECTORS: dict[str, Detector] = {
    "ours, any change": ours(any_change=True),
    "ours, default limits": ours(any_change=False),
    "evidently, default": by_column(evidently_default),
    "KS / chi-square, p < .05": by_column(plain),
    "the same, / columns": by_column(over_columns),
    "the same, / columns / looks": by_column(over_all),
    "rings at random": at_random,
    "never rings": never,
}
if get_stattest is None:
    del DETECTORS["evidently, default"]


def independent(
    rng: np.random.Generator, *, rows: int, windows: int, numeric: int = 20, categorical: int = 5, categories: int = 8,
    reference: int = 5000,
) -> Stream:  # fmt: skip
    """Return a stream in which nothing changes: normal columns, and categories of unequal shares."""
    shares = 1.0 / np.arange(1, categories + 1) ** 0.5
    shares /= shares.sum()

    def table(n: int) -> Table:
        numbers = {f"n{k}": rng.normal(size=n) for k in range(numeric)}
        return numbers | {f"c{k}": rng.choice(categories, n, p=shares) for k in range(categorical)}

    return Stream(table(reference), [table(rows) for _ in range(windows)])


def dependent(rng: np.random.Generator, kind: str, *, rows: int, windows: int, days: int = 56) -> Stream:
    """Return a stream in which nothing changes but rows depend on each other, with its reference day by day."""
    state = np.zeros(1)

    def day(number: int) -> Table:
        nonlocal state
        noise = rng.normal(size=rows)
        if kind == "AR(1), .9":
            values = np.empty(rows)
            last = state[0]
            for place in range(rows):
                last = 0.9 * last + np.sqrt(1 - 0.81) * noise[place]
                values[place] = last
            state = values[-1:]
        elif kind == "weekly cycle, .3 sd":
            values = noise + 0.3 * np.sqrt(2) * np.sin(2 * np.pi * number / 7)
        elif kind == "clusters of 10":
            values = np.repeat(rng.normal(size=rows // 10), 10) * np.sqrt(0.8) + noise * np.sqrt(0.2)
        else:  # days differ by chance
            values = noise + rng.normal(0, 0.15)
        share = 0.1 if kind != "overdispersion" else rng.beta(0.1 * 100, 0.9 * 100)
        return {"n0": values, "c0": (rng.random(rows) < share).astype(np.int64)}

    past = [day(number) for number in range(days)]
    joined = {name: np.concatenate([table[name] for table in past]) for name in past[0]}
    return Stream(joined, [day(days + number) for number in range(windows)], past)


def changed(stream: Stream, change: str, at: int) -> Stream:
    """Return the stream with a change of one column from a window on."""
    rng = np.random.default_rng(int(abs(stream.reference["n0"][0]) * 1e6))
    windows = []
    for place, table in enumerate(stream.windows):
        values = table["n0"]
        if place >= at and change != "1 % -> 3 %":
            values = values * 1.3 if change == "scale 1.3" else values + float(change.split(maxsplit=1)[0])
        share = 0.03 if place >= at and change == "1 % -> 3 %" else 0.01
        windows.append({**table, "n0": values, "rare": (rng.random(len(values)) < share).astype(np.int64)})
    rare = (rng.random(len(stream.reference["n0"])) < 0.01).astype(np.int64)
    return Stream({**stream.reference, "rare": rare}, windows)


def share_of_alarms(detector: Detector, streams: Sequence[Stream]) -> str:
    rang = sum(bool(detector(stream)) for stream in streams)
    return f"{rang / len(streams):.3f}"


def delay(detector: Detector, streams: Sequence[Stream], change: str, at: int) -> str:
    """Return the share of streams found, the median delay among all in windows, and false alarms of other columns."""
    column = "rare" if change == "1 % -> 3 %" else "n0"
    delays, false = [], 0
    for stream in streams:
        rang = detector(changed(stream, change, at))
        first = rang.get(column, -1)
        delays.append(first - at + 1 if first >= at else np.inf)
        false += any(name != column or place < at for name, place in rang.items())
    found = np.isfinite(delays).mean()
    return f"{found:.2f} / {np.median(delays):.0f} / {false / len(streams):.2f}"


def print_table(title: str, columns: Sequence[str], lines: Iterator[tuple[str, list[str]]]) -> None:
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", flush=True)
    for name, cells in lines:
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def streams_of(make: Callable[[np.random.Generator], Stream], repeats: int) -> list[Stream]:
    return [make(np.random.default_rng(seed)) for seed in SEEDS.spawn(repeats)]


def batches_table(repeats: int, sizes: Sequence[int]) -> None:
    made = {n: streams_of(lambda rng, n=n: independent(rng, rows=n, windows=1), repeats) for n in sizes}
    lines = ((name, [share_of_alarms(found, made[n]) for n in sizes]) for name, found in DETECTORS.items())
    title = f"No drift, one batch, 25 columns, reference 5,000: any alarm ({repeats} streams)"
    print_table(title, [f"n = {n:,}" for n in sizes], lines)


def categories_table(repeats: int, sizes: Sequence[int], numbers: Sequence[int]) -> None:
    cases = [(k, n) for k in numbers for n in sizes]
    made = {
        (k, n): streams_of(lambda rng, k=k, n=n: independent(rng, rows=n, windows=1, numeric=0, categorical=1,
                                                            categories=k), repeats)
        for k, n in cases
    }  # fmt: skip
    lines = ((name, [share_of_alarms(found, made[case]) for case in cases]) for name, found in DETECTORS.items())
    title = f"No drift, one batch, one column of k categories, reference 5,000 ({repeats} streams)"
    print_table(title, [f"k = {k}, n = {n:,}" for k, n in cases], lines)


def looks_table(repeats: int, sizes: Sequence[int]) -> None:
    made = {n: streams_of(lambda rng, n=n: independent(rng, rows=n, windows=40), repeats) for n in sizes}
    lines = ((name, [share_of_alarms(found, made[n]) for n in sizes]) for name, found in DETECTORS.items())
    title = f"No drift, 40 daily looks, 25 columns, reference 5,000: any alarm in 40 days ({repeats} streams)"
    print_table(title, [f"n = {n:,} a day" for n in sizes], lines)


def dependence_table(repeats: int, rows: int) -> None:
    kinds = ("AR(1), .9", "weekly cycle, .3 sd", "overdispersion", "clusters of 10")
    made = {kind: streams_of(lambda rng, k=kind: dependent(rng, k, rows=rows, windows=40), repeats) for kind in kinds}
    detectors = {
        "ours, any change, dispersion of 56 days": ours(any_change=True, widened=True),
        "ours, default limits, the same": ours(any_change=False, widened=True),
    } | DETECTORS
    lines = ((name, [share_of_alarms(found, made[kind]) for kind in kinds]) for name, found in detectors.items())
    title = f"No drift, dependent rows, 40 daily looks of {rows:,}, 56 days of reference, 2 columns ({repeats} streams)"
    print_table(title, kinds, lines)


def delay_table(repeats: int, rows: int, reference: int) -> None:
    changes = (".2 sd", ".5 sd", "scale 1.3", "1 % -> 3 %")
    made = streams_of(
        lambda rng: independent(rng, rows=rows, windows=40, numeric=5, categorical=2, reference=reference), repeats
    )
    lines = (
        (name, [delay(found, made, change, 19) for change in changes]) for name, found in DETECTORS.items()
    )  # fmt: skip
    title = (
        f"A change in window 20 of 40, {rows:,} rows a day, 8 columns, reference {reference:,}: share found / median "
        f"windows to the alarm / share with an alarm elsewhere or before ({repeats} streams)"
    )
    print_table(title, changes, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, about a minute")
    quick = parser.parse_args().quick
    began = time.perf_counter()
    if quick:
        batches_table(20, (50, 1000))
        categories_table(20, (100,), (3, 20))
        looks_table(4, (100,))
        dependence_table(6, 200)
        delay_table(6, 500, 5000)
    else:
        batches_table(100, (50, 100, 200, 500, 1000, 5000))
        categories_table(100, (50, 200, 1000, 5000), (3, 20, 100))
        looks_table(40, (100, 1000))
        dependence_table(40, 500)
        delay_table(40, 500, 5000)
        delay_table(20, 5000, 5000)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
