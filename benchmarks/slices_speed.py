"""All slices of 100,000 rows x 8 features beside DivExplorer: ``python benchmarks/slices_speed.py --peer-python PATH``.

PATH is the interpreter of an environment of its own, because DivExplorer pins older libraries:
``python -m venv peers && peers/bin/pip install divexplorer==0.2.6``.

Both search the same seeded pandas frame at all depths and report support, divergence and t of the false positive rate.
Times are from the frame to the scored patterns, warm, in turns of ours and theirs; medians and the ratios within the
same turn are printed, by the clock and by the processor (which other work on the machine leaves alone), and whether the
patterns are identical and by how much their numbers differ. Without a peer only ours is timed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audit.counting import count
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of
from audit.search.slice_search import Explored, explored
from audit.search.slices import run_slices

SIZES = (2, 2, 3, 3, 4, 4, 5, 6)
NAMES = tuple(f"feature_{place}" for place in range(len(SIZES)))
SEED = 20261121
TURNS = 5
TARGET = 20.0

# Run by the peer's interpreter: one line of JSON per turn, the patterns after the last one.
PEER = """
import json, sys, time
import pandas as pd
from divexplorer import DivergenceExplorer
from divexplorer.outcomes import get_false_positive_rate_outcome
frame = pd.read_csv(sys.argv[1], dtype={name: str for name in sys.argv[3].split(",")})
for line in sys.stdin:
    start, busy = time.perf_counter(), time.process_time()
    table = frame[sys.argv[3].split(",")].copy()
    table["fp"] = get_false_positive_rate_outcome(frame["y_true"].to_numpy(), frame["y_pred"].to_numpy())
    found = DivergenceExplorer(table).get_pattern_divergence(min_support=float(sys.argv[2]), boolean_outcomes=["fp"])
    print(json.dumps([time.perf_counter() - start, time.process_time() - busy]), flush=True)
rows = [[sorted(r.itemset), r.support, r.fp_div, r.fp_t] for r in found.itertuples()]
print(json.dumps(rows))
"""


def frame_of(rows: int) -> pd.DataFrame:
    """Return a seeded table of text features whose values are unequally common, labels and predictions."""
    random = np.random.default_rng(SEED)
    columns: dict[str, Any] = {}
    for name, size in zip(NAMES, SIZES, strict=True):
        shares = random.dirichlet(np.full(size, 4.0))
        columns[name] = np.array([f"v{value}" for value in range(size)])[random.choice(size, rows, p=shares)]
    columns["y_true"] = (random.random(rows) < 0.4).astype(int)
    worse = (columns["feature_2"] == "v0") & (columns["feature_5"] == "v1")
    columns["y_pred"] = (random.random(rows) < 0.2 + 0.3 * columns["y_true"] + 0.1 * worse).astype(int)
    return pd.DataFrame(columns)


def ours(frame: pd.DataFrame, min_support: float) -> Explored:
    """Return every pattern of a frame: counting and search together, as the peer's time holds both."""
    log = PredictionLog.from_frame(frame, y_true="y_true", y_pred="y_pred", sensitive_features=NAMES)
    metric = METRICS["false_positive_rate"]
    return explored(metric, cells_of(count(log)), NAMES, min_support=min_support, max_depth=None)


class Times(NamedTuple):
    """Seconds by the clock and of the processor."""

    wall: float
    busy: float


def timed(frame: pd.DataFrame, min_support: float) -> tuple[Times, Explored]:
    start, busy = time.perf_counter(), time.process_time()
    found = ours(frame, min_support)
    return Times(time.perf_counter() - start, time.process_time() - busy), found


def turns(frame: pd.DataFrame, min_support: float, peer: str | None) -> tuple[list[Times], list[Times], Explored, Any]:
    """Time both in turns, in processes that stay warm; return the times, our patterns and theirs."""
    _, found = timed(frame, min_support)
    if peer is None:
        return [timed(frame, min_support)[0] for _ in range(TURNS)], [], found, None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.csv"
        frame.to_csv(path, index=False)
        command = [peer, "-W", "ignore", "-c", PEER, str(path), str(min_support), ",".join(NAMES)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            if process.stdin is None or process.stdout is None:
                sys.exit("the peer's interpreter has no pipes")
            mine, theirs = [], []
            for turn in range(TURNS + 1):  # the first is for warming up
                process.stdin.write("\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    sys.exit("the peer's interpreter stopped: has it divexplorer 0.2.6? see the top of this script")
                if turn:
                    theirs.append(Times(*json.loads(answer)))
                    mine.append(timed(frame, min_support)[0])
            process.stdin.close()
            patterns = json.loads(process.stdout.readline())
    return mine, theirs, found, patterns


def compared(found: Explored, theirs: list[list[Any]], rows: int) -> tuple[bool, float]:
    """Return whether both have the same patterns with the same rows, and the largest difference of a number."""
    mine = {
        frozenset(f"{name}={value}" for name, value in found.slice_of(place)): place
        for place in range(len(found.patterns.items))
    }
    peers = {frozenset(items): numbers for items, *numbers in theirs}
    same, largest = mine.keys() == peers.keys(), 0.0
    for items in mine.keys() & peers.keys():
        place, (support, divergence, t) = mine[items], peers[items]
        same = same and round(support * rows) == found.patterns.sums[0, place]
        ours_here = (found.divergence.difference[place], found.divergence.t[place])
        largest = max(largest, *(abs(a - b) for a, b in zip(ours_here, (divergence, t), strict=True)))
    return same, largest


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--min-support", type=float, default=0.01)
    parser.add_argument("--peer-python", help="interpreter of an environment with divexplorer 0.2.6")
    options = parser.parse_args()
    frame = frame_of(options.rows)
    mine, theirs, found, patterns = turns(frame, options.min_support, options.peer_python)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {TURNS} turns")
    print(f"{options.rows:,} rows x {len(NAMES)} features, support {options.min_support:g}, all depths")
    print(f"{'':12} {'clock':>8}   {'processor':>9}")
    print(f"{'ours':12} {_medians(mine)}  {len(found.patterns.items):,} patterns")
    start, busy = time.perf_counter(), time.process_time()
    log = PredictionLog.from_frame(frame, y_true="y_true", y_pred="y_pred", sensitive_features=NAMES)
    run_slices(log, metric="false_positive_rate", min_support=options.min_support, max_depth=None)
    whole = Times(time.perf_counter() - start, time.process_time() - busy)
    print(f"{'whole search':12} {_medians([whole])}  split, found, folded, confirmed")
    if patterns is None:
        print("no peer: name an interpreter with --peer-python")
        return
    same, largest = compared(found, patterns, options.rows)
    print(f"{'DivExplorer':12} {_medians(theirs)}  {len(patterns):,} patterns")
    ratios = [Times(b.wall / a.wall, b.busy / a.busy) for a, b in zip(mine, theirs, strict=True)]
    wall, busy = (statistics.median(times) for times in zip(*ratios, strict=True))
    print(f"{'ratio':12} {wall:8.1f} x {busy:9.1f} x  target {TARGET:g} x")
    print(f"patterns {'identical' if same else 'DIFFER'}; divergence and t within {largest:.1e}")
    if not same or wall < TARGET:
        sys.exit(1)


def _medians(times: list[Times]) -> str:
    wall, busy = (statistics.median(each) for each in zip(*times, strict=True))
    return f"{wall:8.3f} s {busy:9.3f} s"


if __name__ == "__main__":
    main()
