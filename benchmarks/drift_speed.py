"""Drift of 25 columns beside decoding them, and beside Evidently: ``python benchmarks/drift_speed.py [--rows N]``.

A reference and a current table of 20 numbers and 5 categories of 8 levels are generated from a fixed seed. Fitting the
bins, counting both tables and measuring the drift is timed from Parquet and from pandas, in turns with decoding the
same columns to Arrow; medians and ratios within the same turn are printed. Peak memory is that of a fresh process each.
``--evidently`` runs its DataDriftPreset on the same pandas frames, which takes minutes. ``--hundred-million`` counts a
log of 100 million rows by day.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.fitting import fit_binnings
from monitors.counts.reference import make_reference
from monitors.drift.run import drift

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = [f"x{place}" for place in range(20)]
CATEGORIES = [f"c{place}" for place in range(5)]
COLUMNS = [*NUMBERS, *CATEGORIES]
ROLES: dict[str, Any] = {"task": "ranking", "y_score": "x0", "features": COLUMNS}
TURNS = 5
TARGET_ROWS = 1_000_000  # the targets are set there; with fewer rows what is said of them weighs more than counting
CHUNK = 1_000_000
ROW_GROUP = 250_000
HUNDRED_MILLION = 100_000_000
SEED = 20261121


def generate(rows: int, path: Path, *, shift: float) -> None:
    """Write a seeded table of the 25 columns, a million rows at a time."""
    random = np.random.default_rng([SEED, int(shift * 1000)])
    with pq.ParquetWriter(path, chunk(random, 1, shift).schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_table(chunk(random, min(CHUNK, rows - start), shift), row_group_size=ROW_GROUP)


def chunk(random: np.random.Generator, rows: int, shift: float) -> pa.Table:
    """Return some rows: normal, log-normal, uniform and gamma numbers in turn, and categories of 8 levels."""
    kinds: list[Callable[[], Any]] = [
        lambda: random.normal(shift, 1, rows),
        lambda: random.lognormal(shift, 1, rows),
        lambda: random.random(rows),
        lambda: random.gamma(2, 3, rows),
    ]
    columns: dict[str, Any] = {name: kinds[place % 4]() for place, name in enumerate(NUMBERS)}
    for name in CATEGORIES:
        codes = pa.array(random.integers(0, 8, rows).astype(np.int8))
        columns[name] = pa.DictionaryArray.from_arrays(codes, [f"level {level}" for level in range(8)]).cast(
            pa.string()
        )
    return pa.table(columns)


def log_of(data: Path | pd.DataFrame) -> PredictionLog:
    """Return a log whose 25 columns are watched (one of them as its score)."""
    if isinstance(data, Path):
        return PredictionLog.from_file(data, **ROLES)
    return PredictionLog.from_frame(data, **ROLES)


def everything(reference: Path | pd.DataFrame, current: Path | pd.DataFrame) -> int:
    """Fit, count both, measure distances with intervals and evidence; return how many measurements there are."""
    frozen = make_reference(log_of(reference))
    return len(drift(frozen, count_profile(log_of(current), frozen.binnings)).rows)


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> int:
    """Run Evidently's DataDriftPreset with its tests; return how many metrics it gives."""
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - it takes seconds, and few runs need it
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
    ours, theirs = (Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    return len(Report([DataDriftPreset()], include_tests=True).run(ours, theirs).dict()["metrics"])


class Spent(NamedTuple):
    """Seconds that passed, and seconds of all processors together, which a busy machine leaves alone."""

    wall: float
    cpu: float


def in_turns(works: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[Spent]]:
    """Return what each work took, run once to warm up and then in turns."""
    for work in works.values():
        work()
    spent: dict[str, list[Spent]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            spent[name].append(spent_on(work))
    return spent


def spent_on(work: Callable[[], object]) -> Spent:
    """Return how long a work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def show(title: str, spent: Mapping[str, Sequence[Spent]], targets: Mapping[str, tuple[str, float]]) -> None:
    """Print a table; a target compares a work with another one, turn by turn."""
    print(f"\n{title}")
    for name, turns in spent.items():
        wall, cpu = (statistics.median(getattr(turn, field) for turn in turns) for field in Spent._fields)
        line = f"  {name:<26} median {wall:6.3f} s   best {min(turns).wall:6.3f} s   processors {cpu:6.3f} s"
        if name in targets:
            base, limit = targets[name]
            pairs = list(zip(turns, spent[base], strict=True))
            ratio = statistics.median(one.wall / other.wall for one, other in pairs)
            of_cpu = statistics.median(one.cpu / other.cpu for one, other in pairs)
            line += f"   x {ratio:.2f} of {base!r} (processors x {of_cpu:.2f})"
            line += f"   target <= {limit:g}: {'met' if ratio <= limit else 'MISSED'}"
        print(line)


def times(reference: Path, current: Path, rows: int, turns: int) -> float:
    """Print how long it takes from Parquet and from pandas; return the median of everything from pandas."""
    binnings = fit_binnings(log_of(reference))
    targets = {"count current": ("decode current", 3.0), "everything": ("decode both", 3.0)}
    targets = targets if rows >= TARGET_ROWS else {}
    median = 0.0
    for kind in ("Parquet", "a pandas frame"):
        was: Any = reference if kind == "Parquet" else pd.read_parquet(reference)
        now: Any = current if kind == "Parquet" else pd.read_parquet(current)
        works: dict[str, Callable[[], object]] = {
            "decode current": lambda now=now: decoded(now),
            "decode both": lambda was=was, now=now: (decoded(was), decoded(now)),
            "count current": lambda now=now: count_profile(log_of(now), binnings),
            "fit and count reference": lambda was=was: make_reference(log_of(was)),
            "everything": lambda was=was, now=now: everything(was, now),
        }
        spent = in_turns(works, turns)
        show(f"{rows:,} against {rows:,} rows from {kind}, 25 columns, 60 bins", spent, targets)
        median = statistics.median(turn.wall for turn in spent["everything"])
    return median


def decoded(data: Path | pd.DataFrame) -> int:
    """Decode the 25 columns to Arrow; return their bytes."""
    table = pq.read_table(data, columns=COLUMNS) if isinstance(data, Path) else pa.Table.from_pandas(data[COLUMNS])
    return int(table.nbytes)


def peak_memory(code: str) -> tuple[float, float]:
    """Return the memory of a fresh process before its last line and at its peak during it, in MiB (Linux only)."""
    # Not ru_maxrss: Linux hands the peak of the parent on to the child. Writing 5 sets the peak back to the present.
    probe = (
        "import re, pathlib\n"
        "def memory(name):\n"
        "    return int(re.search(name + r':\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]) / 1024\n"
    )
    *before, last = code.strip().splitlines()
    lines = [
        probe,
        *before,
        "pathlib.Path('/proc/self/clear_refs').write_text('5')",
        "first = memory('VmRSS')",
        last,
        "print('memory', first, memory('VmHWM'))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"},
    )  # fmt: skip
    found = re.findall(r"memory ([\d.]+) ([\d.]+)", done.stdout)[-1]
    return float(found[0]), float(found[1])


def memory(reference: Path, current: Path) -> None:
    """Print the peak of everything, and what it adds to the libraries or to the frames that are there anyway."""
    data = (decoded(reference) + decoded(current)) / 2**20
    head = "import drift_speed as bench, pandas as pd; from pathlib import Path\n"
    head += f"was, now = Path({str(reference)!r}), Path({str(current)!r})\n"
    frames = "was, now = (pd.read_parquet(path) for path in (was, now))\n"
    print(f"\nPeak memory of a fresh process; the decoded columns of both tables take {data:.0f} MiB")
    for kind, before in (("Parquet", ""), ("pandas frames", frames)):
        first, peak = peak_memory(f"{head}{before}bench.everything(was, now)")
        held = data if kind != "Parquet" else 0.0
        ratio = (held + peak - first) / data
        print(
            f"  {'everything from ' + kind:<42} {first:6.0f} MiB before, {peak:6.0f} MiB at its peak: "
            f"{ratio:4.2f} x the data   target <= 1.2: {'met' if ratio <= 1.2 else 'MISSED'}"
        )


def against_evidently(reference: Path, current: Path, ours: float) -> None:
    """Print how long Evidently takes on the same pandas frames."""
    was, now = pd.read_parquet(reference), pd.read_parquet(current)
    evidently(was.head(100), now.head(100))  # its imports
    theirs = spent_on(lambda: evidently(was, now)).wall
    faster = theirs / ours
    print(f"\nEvidently's DataDriftPreset on the same pandas frames: {theirs:.1f} s; everything above {ours:.3f} s")
    print(f"  {faster:.0f} times as fast   target >= 100: {'met' if faster >= 100 else 'MISSED'}")


def hundred_million(folder: Path, rows: int) -> None:
    """Print the time and the peak memory of counting a large log by day and group."""
    path = folder / "large.parquet"
    generate_large(rows, path)
    code = (
        "import drift_speed as bench; from pathlib import Path\n"
        f"log, binnings = bench.large_log(Path({str(path)!r}))\n"
        "print('seconds', bench.by_day(log, binnings))"
    )
    start = time.perf_counter()
    first, peak = peak_memory(code)
    print(
        f"\n{rows:,} rows by day and group ({path.stat().st_size / 2**20:,.0f} MiB of Parquet), bins of the first day"
    )
    print(
        f"  finding the windows and counting           {time.perf_counter() - start:7.1f} s, {first:.0f} MiB before, "
        f"{peak:.0f} MiB at its peak   target < 2048: {'met' if peak < 2048 else 'MISSED'}"
    )
    path.unlink()


def generate_large(rows: int, path: Path) -> None:
    """Write a log of a year: a time, four numbers, a category, a group; a million seeded rows again and again."""
    random = np.random.default_rng(SEED)
    year, start, some = 365 * 86_400_000_000, 1_767_225_600_000_000, min(CHUNK, rows)
    columns: dict[str, Any] = {name: random.normal(0, 1, some).astype(np.float32) for name in NUMBERS[:4]}
    for name, values in (("c0", [f"level {level}" for level in range(8)]), ("group", ["a", "b", "c", "d"])):
        codes = pa.array(random.integers(0, len(values), some).astype(np.int8))
        columns[name] = pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
    table = pa.table(columns)
    schema = table.schema.append(pa.field("time", pa.timestamp("us", tz="UTC")))
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, some):
            times = start + (np.arange(begin, begin + some) * (year / rows)).astype(np.int64)
            moments = pa.array(times).cast(schema.field("time").type)
            writer.write_table(table.append_column("time", moments), row_group_size=ROW_GROUP)


def large_log(path: Path) -> tuple[PredictionLog, Any]:
    """Return the large log, and bins of its first rows."""
    options: dict[str, Any] = {
        "task": "ranking", "y_score": "x0", "timestamp": "time", "sensitive_features": ["group"],
        "features": [*NUMBERS[:4], "c0"],
    }  # fmt: skip
    first = next(pq.ParquetFile(path).iter_batches(ROW_GROUP))
    sample = PredictionLog.from_frame(pa.Table.from_batches([first]), **options)
    return PredictionLog.from_file(path, **options), fit_binnings(sample)


def by_day(log: PredictionLog, binnings: Any) -> float:  # noqa: ANN401 - as `fit_binnings` returns them
    """Count a log by day; return the seconds."""
    from monitors.windows import parse_windows, resolve  # noqa: PLC0415 - only the large log needs it

    return spent_on(lambda: count_profile(log, binnings, resolve(parse_windows("1d"), log))).wall


def machine() -> None:
    """Print what the numbers were measured on."""
    names = ("duckdb", "narwhals", "pyarrow", "numpy", "pandas")
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores, load {load}")
    print("; ".join(f"{name} {version(name)}" for name in names))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--evidently", action="store_true", help="run Evidently on the same frames (minutes)")
    parser.add_argument(
        "--hundred-million", type=int, nargs="?", const=HUNDRED_MILLION, help="count a large log by day (minutes)"
    )
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, current = folder / "reference.parquet", folder / "current.parquet"
        generate(options.rows, reference, shift=0.0)
        generate(options.rows, current, shift=0.1)
        memory(reference, current)
        ours = times(reference, current, options.rows, options.turns)
        if options.evidently:
            against_evidently(reference, current, ours)
        if options.hundred_million:
            hundred_million(folder, options.hundred_million)
    machine()


if __name__ == "__main__":
    main()
    sys.exit(0)
