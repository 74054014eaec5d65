"""The whole audit beside one bare GROUP BY and beside Fairlearn: ``python benchmarks/audit_speed.py [--rows N ...]``.

Rows with three sensitive features, a label, a prediction and a score are generated from a fixed seed and written to a
temporary Parquet file. Everything compared runs warm in one process, in turns; medians are printed, and ratios within
the same turn, so that a busy machine slows both sides. Peak memory is that of a fresh process each.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fairlearn import metrics as fairlearn_metrics
from sklearn import metrics as sklearn_metrics

from audit.counting import BINS
from audit.predictions import PredictionLog
from audit.run import run_audit

FEATURES = ["race", "sex", "age"]
KEYS = "race, sex, age, y_true, y_pred"
GROUPS = {
    "race": (["Asian", "Black", "Hispanic", "Other", "White"], [0.08, 0.3, 0.17, 0.05, 0.4]),
    "sex": (["F", "M"], [0.5, 0.5]),
    "age": (["<25", "25-45", ">45"], [0.25, 0.5, 0.25]),
}
ROOT = Path(__file__).resolve().parent.parent
TURNS = 7
CHUNK = 1_000_000
TARGET_ROWS = 10_000_000  # the targets are set there; with fewer rows the measuring weighs more than the counting
SEED = 20261121

# Every metric of the confusion family for which Fairlearn or scikit-learn has a function of (y_true, y_pred).
THEIRS: Mapping[str, Callable[..., Any]] = {
    "count": fairlearn_metrics.count,
    "selection_rate": fairlearn_metrics.selection_rate,
    "true_positive_rate": fairlearn_metrics.true_positive_rate,
    "false_positive_rate": fairlearn_metrics.false_positive_rate,
    "true_negative_rate": fairlearn_metrics.true_negative_rate,
    "false_negative_rate": fairlearn_metrics.false_negative_rate,
    "accuracy": sklearn_metrics.accuracy_score,
    "precision": sklearn_metrics.precision_score,
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "f1": sklearn_metrics.f1_score,
    "matthews_corrcoef": sklearn_metrics.matthews_corrcoef,
}


def generate(rows: int, path: Path) -> None:
    """Write rows of a seeded table, a million at a time; the same rows for the same number."""
    random = np.random.default_rng(SEED)
    with pq.ParquetWriter(path, chunk(random, 1).schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_table(chunk(random, min(CHUNK, rows - start)))


def chunk(random: np.random.Generator, rows: int) -> pa.Table:
    """Return some rows: a score, a label that follows it, a prediction that cuts it, and three features."""
    score = random.random(rows)
    y_true = random.random(rows) < 0.1 + 0.8 * score
    columns: dict[str, Any] = {}
    for name, (values, shares) in GROUPS.items():
        codes = pa.array(random.choice(len(values), rows, p=shares).astype(np.int8))
        columns[name] = pa.DictionaryArray.from_arrays(codes, values).cast(pa.string())
    columns |= {"y_true": y_true.astype(np.int8), "y_pred": (score >= 0.5).astype(np.int8), "y_score": score}
    return pa.table(columns)


def group_by(path: Path, *, bins: bool) -> pa.Table:
    """Run the bare GROUP BY over the same columns, with the same bin key."""
    keys = KEYS + (f", cast(least(floor(y_score * {BINS}), {BINS - 1}) AS SMALLINT) AS bin" if bins else "")
    return duckdb.connect().sql(f"SELECT {keys}, count(*) AS n FROM '{path}' GROUP BY ALL").to_arrow_table()


def audit_file(path: Path, *, bins: bool, digest: bool, metrics: Sequence[str] | None = None) -> int:
    """Run the whole audit of a file; return how many measurements it gives."""
    roles = {"y_true": "y_true", "y_pred": "y_pred"} | ({"y_score": "y_score"} if bins else {})
    log = PredictionLog.from_file(path, sensitive_features=FEATURES, **roles)
    return len(run_audit(log if digest else replace(log, source=()), metrics=metrics).measurements)


def audit_frame(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> int:
    """Run the whole audit of a pandas frame, or only some metrics of it."""
    log = PredictionLog.from_frame(frame, y_true="y_true", y_pred="y_pred", sensitive_features=FEATURES)
    return len(run_audit(log, metrics=metrics).measurements)


def fairlearn_frame(frame: pd.DataFrame) -> int:
    """Run Fairlearn's MetricFrame with its metrics at once, values by intersectional group and largest differences."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fairlearn_metrics.MetricFrame(
            metrics=dict(THEIRS), y_true=frame["y_true"], y_pred=frame["y_pred"], sensitive_features=frame[FEATURES]
        )
        found.difference()
    return found.by_group.size


def in_turns(works: Mapping[str, Callable[[], object]], turns: int = TURNS) -> dict[str, list[float]]:
    """Return the seconds of each work, run once to warm up and then in turns."""
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def peak_memory(code: str) -> float:
    """Return the peak memory of a fresh process that runs some code, in MiB, its libraries included (Linux only)."""
    # Not ru_maxrss: Linux hands the peak of the parent on to the child.
    last = "import re, pathlib; print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
    command = [sys.executable, "-c", f"{code}\n{last}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1]) / 1024  # before it, the progress of the engine


def show(title: str, seconds: Mapping[str, Sequence[float]], targets: Mapping[str, float]) -> None:
    """Print a table; the first row is what the others are compared with, turn by turn."""
    base = next(iter(seconds.values()))
    print(f"\n{title}")
    for name, spent in seconds.items():
        ratio = statistics.median(one / other for one, other in zip(spent, base, strict=True))
        target = (
            f"   target <= {targets[name]:g}: {'met' if ratio <= targets[name] else 'MISSED'}"
            if name in targets
            else ""
        )
        print(
            f"  {name:<44} median {statistics.median(spent):7.3f} s   best {min(spent):7.3f} s   x {ratio:6.2f}{target}"
        )


def against_group_by(path: Path, rows: int, turns: int) -> None:
    for bins in (False, True):
        works = {
            "bare GROUP BY": lambda bins=bins: group_by(path, bins=bins),
            "whole audit, file digest apart": lambda bins=bins: audit_file(path, bins=bins, digest=False),
            "whole audit with file digest": lambda bins=bins: audit_file(path, bins=bins, digest=True),
        }
        seconds = in_turns(works, turns)
        measurements = audit_file(path, bins=bins, digest=False)
        with_bins = " with score bins and AUC" if bins else ""
        title = f"{rows:,} rows of Parquet{with_bins}: {measurements:,} measurements with intervals"
        targets = {"whole audit, file digest apart": 1.5} | ({} if bins else {"whole audit with file digest": 2.0})
        show(title, seconds, targets if rows >= TARGET_ROWS else {})


def against_fairlearn(path: Path, rows: int) -> None:
    frame = pq.read_table(path).to_pandas()
    same = [name for name in THEIRS if name != "count"]  # counts are always there
    ours = in_turns(
        {
            "ours from Parquet, the same metrics": lambda: audit_file(path, bins=False, digest=True, metrics=same),
            "ours from a pandas frame, the same metrics": lambda: audit_frame(frame, same),
            "ours from Parquet, all metrics": lambda: audit_file(path, bins=False, digest=True),
            "ours from a pandas frame, all metrics": lambda: audit_frame(frame),
        }
    )
    start = time.perf_counter()
    values = fairlearn_frame(frame)
    theirs = time.perf_counter() - start
    print(f"\n{rows:,} rows against Fairlearn's MetricFrame ({len(THEIRS)} metrics at once, {values} values)")
    print(f"  {'Fairlearn from a pandas frame':<44} {theirs:7.1f} s")
    for name, spent in ours.items():
        faster = theirs / statistics.median(spent)
        alike = "same" in name  # the target compares like with like; all metrics are 5 more than Fairlearn is asked for
        verdict = f"   target >= 500: {'met' if faster >= 500 else 'MISSED'}" if alike else ""
        print(f"  {name:<44} median {statistics.median(spent):7.3f} s   {faster:6.0f} times as fast{verdict}")


def memory(path: Path, rows: int) -> None:
    print(f"\nPeak memory of a fresh process, {rows:,} rows; target for the audit at 100 M rows: < 512 MiB")
    bare = "import duckdb; duckdb.connect().sql('SELECT {}, count(*) FROM ''{}'' GROUP BY ALL').to_arrow_table()"
    ours = (
        "from audit.predictions import PredictionLog; from audit.run import run_audit\n"
        "run_audit(PredictionLog.from_file({!r}, sensitive_features={}, y_true='y_true', y_pred='y_pred'{}))"
    )
    works = {
        "libraries of the audit": "import audit",
        "bare GROUP BY": bare.format(KEYS, path).replace("''", "\\'"),
        "whole audit with file digest": ours.format(str(path), FEATURES, ""),
        "whole audit with score bins": ours.format(str(path), FEATURES, ", y_score='y_score'"),
    }
    for name, code in works.items():
        print(f"  {name:<44} {peak_memory(code):7.0f} MiB")


def machine() -> None:
    names = ("duckdb", "narwhals", "pyarrow", "numpy", "scipy", "pandas", "fairlearn", "scikit-learn")
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores, load {load}")
    print("; ".join(f"{name} {version(name)}" for name in names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--no-fairlearn", action="store_true", help="leave Fairlearn out (it takes most of the time)")
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.parquet"
            generate(rows, path)
            memory(path, rows)
            against_group_by(path, rows, options.turns)
            if rows <= 1_000_000 and not options.no_fairlearn:
                against_fairlearn(path, rows)
            path.unlink()
    machine()


if __name__ == "__main__":
    main()
    sys.exit(0)
