"""All metrics of feedback loops beside a bare scan of the log: ``python benchmarks/loops.py [--rows N]``.

A decision log with every role (200,000 users, 1,000 items, 300 places, ten retraining rounds, two sensitive features)
is written as Parquet from a fixed seed. A bare scan (DuckDB adds up the numbers and hashes the texts of the same
columns) is timed in turns with `run_loops`; then each family of metrics alone, on the log as it is and on the cleaned
one that `run_loops` hands to all of them. Peak memory is that of a fresh process. At last the simulators: draws per
second of the urns, rows per second of the logs.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.predictions import PredictionLog
from audit.result import Result
from monitors.feedback.catalog import CATALOG
from monitors.feedback.cleaned import cleaned
from monitors.feedback.metric import LoopMetric
from monitors.feedback.run import run_loops
from monitors.feedback.settings import LoopSettings
from monitors.simulators.credit_log import credit_log
from monitors.simulators.fico import example_tables
from monitors.simulators.hidden_loop_log import hidden_loop_log
from monitors.simulators.policing import policing_log
from monitors.simulators.recommender_log import recommender_log
from monitors.simulators.urn import Urn, urn_runs
from monitors.timestamps import with_times

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("y_true", "y_pred", "action", "human_decision", "exposed", "outcome_observed")
NUMBERS = ("y_score", "outcome", "propensity", "dither", "exposure", "training_weight", "earlier_score", "proxy")
TEXTS = ("arm", "outcome_source", "place", "user", "item", "round", "model_version")
GROUPS = ("sex", "region")
ROLES = (*FLAGS, *NUMBERS, *TEXTS, "timestamp")
ROUNDS = 10
PLACES = 300
ITEMS = 1_000
CHUNK = 1_000_000
ROW_GROUP = 250_000
SEED = 20261122
DAY = 86_400_000_000
START = 1_767_571_200_000_000  # 2026-01-05, a Monday


def generate(rows: int, users: int, path: Path) -> None:
    """Write a seeded decision log of ten rounds of a week, a million rows at a time."""
    random = np.random.default_rng(SEED)
    with pq.ParquetWriter(path, chunk(random, 0, 1, 1, users).schema) as writer:
        for start in range(0, rows, CHUNK):
            part = chunk(random, start, min(CHUNK, rows - start), rows, users)
            writer.write_table(part, row_group_size=ROW_GROUP)


def chunk(random: np.random.Generator, first: int, size: int, rows: int, users: int) -> pa.Table:
    """Return the decisions from one place of the log on: most by the model, some by chance, some held out."""
    elapsed = (first + np.arange(size)) / rows
    turn = (elapsed * ROUNDS).astype(np.int64)
    place, user = random.integers(0, PLACES, size), (random.random(size) ** 2 * users).astype(np.int64)
    item = (random.random(size) ** 3 * ITEMS).astype(np.int64)
    arm = random.choice(4, size, p=[0.8, 0.05, 0.1, 0.05])
    own = 0.2 + 0.3 * (place / PLACES) + 0.1 * (user % 7 == 0)
    score = np.clip(own + random.normal(0, 0.15, size), 0.0, 1.0)
    said = score >= 0.5
    chance = np.where(arm == 0, np.where(said, 0.9, 0.1), np.where(arm == 3, 0.0, 0.5))
    acted = random.random(size) < chance
    truth = random.random(size) < own
    seen = random.random(size) < np.where(acted, 0.9, 0.4)
    exposed = (arm == 0) & (random.random(size) < 0.7)
    columns: dict[str, Any] = {
        "y_true": truth.astype(np.int8), "y_pred": said.astype(np.int8), "action": acted.astype(np.int8),
        "human_decision": np.where(exposed, said, random.random(size) < own).astype(np.int8), "exposed": exposed,
        "outcome_observed": seen, "y_score": score,
        "outcome": pa.array(truth.astype(np.float64), mask=~seen),
        "propensity": np.where(acted, chance, 1.0 - chance), "dither": random.choice([-0.1, 0.1], size),
        "exposure": random.gamma(2.0, 1.0, size).round(3), "training_weight": 1.0 + acted * seen,
        "earlier_score": np.clip(score + random.normal(0, 0.05, size), 0.0, 1.0), "proxy": score + random.random(size),
        "arm": texts(arm, ["model", "manual", "explore", "holdout"]),
        "outcome_source": texts(random.choice(3, size, p=[0.5, 0.4, 0.1]), ["discovered", "reported", "audit"]),
        "place": texts(place, [f"place-{number}" for number in range(PLACES)]),
        "user": texts(user, [f"user-{number}" for number in range(users)]),
        "item": texts(item, [f"item-{number}" for number in range(ITEMS)]),
        "round": texts(turn, [str(number) for number in range(ROUNDS)]),
        "model_version": texts(turn, [f"version-{number}" for number in range(ROUNDS)]),
        "timestamp": pa.array(START + (elapsed * ROUNDS * 7 * DAY).astype(np.int64)).cast(pa.timestamp("us", "UTC")),
        "sex": texts(random.integers(0, 2, size), ["F", "M"]),
        "region": texts(place % 4, ["east", "north", "south", "west"]),
    }  # fmt: skip
    return pa.table(columns)


def texts(codes: Any, names: list[str]) -> pa.Array:  # noqa: ANN401 - an array of whole numbers
    """Return names by number."""
    return pa.DictionaryArray.from_arrays(pa.array(np.asarray(codes, dtype=np.int32)), names).cast(pa.string())


def log_of(path: Path) -> PredictionLog:
    """Return the log with every role."""
    roles: Any = {role: role for role in ROLES}
    return PredictionLog.from_file(path, sensitive_features=list(GROUPS), **roles)


def bare_scan(path: Path) -> int:
    """Add up the numbers and hash the texts of all columns, and do nothing else; return the rows."""
    numbers = [f"sum({name}::double)" for name in (*FLAGS, *NUMBERS)]
    others = [f"bit_xor(hash({name}))" for name in (*TEXTS, *GROUPS, "timestamp")]
    query = f"select count(*), {', '.join([*numbers, *others])} from read_parquet('{path}')"
    return int(duckdb.connect().execute(query).fetchall()[0][0])


def all_metrics(path: Path) -> Result:
    """Measure everything."""
    return run_loops(log_of(path))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long a work takes: on the clock, and of all processors together."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def whole(path: Path, turns: int) -> None:
    """Print all metrics beside the bare scan, in turns."""
    bare_scan(path)
    spent: dict[str, list[tuple[float, float]]] = {"bare scan": [], "run_loops": []}
    works = {"bare scan": lambda: bare_scan(path), "run_loops": lambda: all_metrics(path)}
    for _ in range(turns):
        for name, work in works.items():
            spent[name].append(seconds(work))
    for name, found in spent.items():
        wall, cpu = (statistics.median(turn[place] for turn in found) for place in (0, 1))
        print(f"  {name:<26} median {wall:7.2f} s   processors {cpu:7.2f} s")
    ratio = statistics.median(
        ours[0] / scan[0] for ours, scan in zip(spent["run_loops"], spent["bare scan"], strict=True)
    )
    print(f"  all metrics take {ratio:.0f} bare scans")


def by_family(path: Path, *, raw: bool) -> None:
    """Print how long each family takes alone, on the cleaned log and, if asked, on the log as it is."""
    settings, log = LoopSettings(), with_times(log_of(path))
    families: dict[Any, LoopMetric] = {}
    for metric in CATALOG:
        if metric.measure is not None and metric.of_a_log:
            families.setdefault(metric.measure, metric)
    start = time.perf_counter()
    with cleaned(log) as clean:
        print(f"  {'cleaning the log, once':<26} {time.perf_counter() - start:7.2f} s")
        for measure in families:
            name = measure.__name__.removeprefix("measure_")
            line = f"  {name:<26} {seconds(lambda measure=measure: measure(clean, settings))[0]:7.2f} s"
            if raw:
                line += f"   on the log as it is {seconds(lambda measure=measure: measure(log, settings))[0]:7.2f} s"
            print(line, flush=True)


def memory(path: Path) -> None:
    """Print the peak of `run_loops` in a fresh process, and what it adds to the libraries (Linux only)."""
    code = (
        "import re, pathlib, loops as bench\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "read = lambda name: int(re.search(name + r':\\s+(\\d+)', status.read_text())[1]) / 1024\n"
        "pathlib.Path('/proc/self/clear_refs').write_text('5')\n"  # the peak back to the present
        "first = read('VmRSS')\n"
        f"bench.all_metrics(pathlib.Path({str(path)!r}))\n"
        "print('memory', first, read('VmHWM'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"},
    )  # fmt: skip
    first, peak = map(float, re.findall(r"memory ([\d.]+) ([\d.]+)", done.stdout)[-1])
    data = pq.ParquetFile(path).metadata
    parquet = sum(data.row_group(place).total_byte_size for place in range(data.num_row_groups)) / 2**20
    print(
        f"\nPeak memory of a fresh process: {first:.0f} MiB before, {peak:.0f} MiB at its peak; the log takes "
        f"{parquet:.0f} MiB in Parquet   target < 2048 beyond the data: "
        f"{'met' if peak - first - parquet < 2048 else 'MISSED'}"
    )


def simulators() -> None:
    """Print the draws per second of the urn, and the rows per second of simulated logs."""
    print("\nSimulators")
    for name, urn in (("urn", Urn()), ("urn with rejection", Urn(correction="rejection"))):
        spent = seconds(lambda urn=urn: urn_runs(urn, runs=1_000, draws=1_000, seed=SEED))[0]
        print(f"  {name + ', 1,000 runs x 1,000 draws':<44} {spent:6.2f} s   {1e6 / spent:14,.0f} draws per second")
    for name, work in (
        ("policing", lambda: policing_log(seed=SEED)),
        ("hidden loop", lambda: hidden_loop_log(seed=SEED)),
        ("recommender", lambda: recommender_log(seed=SEED)),
        ("credit", lambda: credit_log(example_tables(), seed=SEED)),
    ):
        start = time.perf_counter()
        rows = work().num_rows
        spent = time.perf_counter() - start
        print(f"  log of {name:<37} {spent:6.2f} s   {rows / spent:14,.0f} rows per second")


def machine() -> None:
    """Print what the numbers were measured on."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores, load {load}")
    print("; ".join(f"{name} {version(name)}" for name in ("duckdb", "narwhals", "pyarrow", "numpy")))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--raw", action="store_true", help="each family on the log as it is too (minutes)")
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "decisions.parquet"
        generate(options.rows, options.users, path)
        print(
            f"\n{options.rows:,} decisions, {options.users:,} users, {path.stat().st_size / 2**20:,.0f} MiB of Parquet"
        )
        whole(path, options.turns)
        print("\nFamily by family")
        by_family(path, raw=options.raw)
        memory(path)
    simulators()
    machine()


if __name__ == "__main__":
    main()
