"""The same network and the same work by this trainer and by others: ``python benchmarks/trainer_speed.py``.

100,000 rows with six numbers and eight categories, two epochs in batches of 1024, AdamW, one cycle, one CPU thread, no
validation; on two networks: "plain", two hidden layers of 200, and "usual", the layers of 200 and 100 with batch norm
that fastai's tabular learner has by default. The larger a network is, the more of each step is matrix products, which
are torch's in every loop. ``--peer-python PATH`` names the interpreter of an environment that has the other frameworks;
those that it lacks are left out. All stay warm and take turns; printed are the medians, and the ratios within the same
turn by the clock and by the processor (which other work on the machine leaves alone), beside the accuracy, which shows
that it was the same work. The least that a loop can do (resident tensors and an index) is "hand": the limit on a CPU.

``--device cuda`` times this trainer's step on a GPU instead: taken one by one, replayed, and of several models at once.
Timed are whole epochs once both sizes of batch have been captured, so that neither captures nor first calls are in it.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn
from trainer_peers import BATCH, DECAY, EPOCHS, LOOPS, NETWORKS, RATE

from trainer.data.columns import Columns
from trainer.data.splits import split_given
from trainer.data.table import Table
from trainer.device import cpu_threads
from trainer.fitting.cycle import CycleRun
from trainer.fitting.graph import WARM_UP
from trainer.history import Cycle, Recipe
from trainer.learner import Learner

ROWS, NUMERIC, CATEGORIES, LEVELS = 100_000, 6, 8, 12
SEED = 20261121
TURNS = 5
TARGETS = {"fastai": 1.6, "lightning": 2.0, "skorch": 2.0}
PEERS = Path(__file__).with_name("trainer_peers.py")


class Turn(NamedTuple):
    """Seconds by the clock and of the processor, and the accuracy reached."""

    wall: float
    busy: float
    accuracy: float


def table_of(rows: int) -> Table:
    """Return a seeded table whose label takes a category and a number together."""
    random = np.random.default_rng(SEED)
    numbers = {f"n{place}": random.normal(size=rows) for place in range(NUMERIC)}
    codes = {f"c{place}": random.integers(0, LEVELS, rows) for place in range(CATEGORIES)}
    frame = pd.DataFrame(numbers | {name: values.astype(str) for name, values in codes.items()})
    signal = np.where(codes["c0"] < LEVELS / 2, numbers["n0"], -numbers["n0"]) + 0.5 * numbers["n1"]
    frame["y"] = (signal + random.normal(0, 0.3, rows) > 0).astype(int)
    split = split_given(train=np.arange(rows), valid=[], test=[])
    return Table.from_frame(frame, columns=Columns(y="y"), split=split)


def network_of(kind: str) -> nn.Module:
    """Return the network with the weights that every loop starts from."""
    torch.manual_seed(1)
    return NETWORKS[kind](LEVELS + 1, CATEGORIES, NUMERIC)


def ours(table: Table, network: nn.Module, *, device: str, models: int | None = None) -> Turn:
    """Train once by this project's learner."""
    learner = Learner(table, network=network, seed=1, device=device, models=models, deterministic=False)
    start, busy = time.perf_counter(), time.process_time()
    learner.fit_one_cycle(EPOCHS, RATE, batch_size=BATCH, recipe=Recipe(weight_decay=DECAY, clip=None))
    wall, used = time.perf_counter() - start, time.process_time() - busy
    return Turn(wall, used, float(learner.validate("train").accuracy or 0.0))


class Peer:
    """Another loop in a process of its own, which stays warm; None in `turn` where it cannot run."""

    def __init__(self, python: str, data: str, network: str, loop: str) -> None:
        self.process = subprocess.Popen(
            [python, str(PEERS), data, network, loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def turn(self) -> Turn | None:
        """Train once."""
        if self.process.stdin is None or self.process.stdout is None or self.process.poll() is not None:
            return None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = self.process.stdout.readline()
        return Turn(*json.loads(answer)) if answer else None


def raced(table: Table, kind: str, peers: dict[str, str], turns: int) -> dict[str, list[Turn]]:
    """Let all train in turns, the first of which is for warming up; those that cannot are left out."""
    network = network_of(kind)
    found: dict[str, list[Turn]] = {"ours": []}
    with tempfile.TemporaryDirectory() as folder, cpu_threads(1):
        path = str(Path(folder) / "data.npz")
        codes, numerics = table.resident.inputs
        np.savez(path, codes=codes.numpy(), numerics=numerics.numpy(), y=table.resident.target.numpy())
        processes = {loop: Peer(python, path, kind, loop) for loop, python in peers.items()}
        for turn in range(turns + 1):
            taken = {"ours": ours(table, network, device="cpu")}
            for loop, peer in list(processes.items()):
                result = peer.turn()
                if result is None:
                    print(f"{loop}: cannot run there, left out")
                    del processes[loop]
                else:
                    taken[loop] = result
            if turn:
                for loop, result in taken.items():
                    found.setdefault(loop, []).append(result)
        for peer in processes.values():
            peer.process.kill()
    return found


def told(found: dict[str, list[Turn]]) -> bool:
    """Print the table; return whether every target that could be measured was met."""
    met = True
    print(f"{'loop':20} {'wall s':>8} {'cpu s':>8} {'rows/s':>10} {'x wall':>8} {'x cpu':>8} {'accuracy':>9}")
    for loop, turns in found.items():
        wall, busy = (statistics.median(turn[place] for turn in turns) for place in (0, 1))
        ratios = [
            statistics.median(theirs[place] / mine[place] for theirs, mine in zip(turns, found["ours"], strict=True))
            for place in (0, 1)
        ]
        target = TARGETS.get(loop)
        note = "" if target is None else f"   target >= {target}"
        met &= target is None or ratios[1] >= target
        print(
            f"{loop:20} {wall:8.3f} {busy:8.3f} {ROWS * EPOCHS / wall:10,.0f} {ratios[0]:8.2f} {ratios[1]:8.2f} "
            f"{statistics.median(turn.accuracy for turn in turns):9.4f}{note}"
        )
    return met


class Rate(NamedTuple):
    """Seconds of an epoch, samples per second over all models, and the accuracy reached."""

    seconds: float
    samples_per_s: float
    accuracy: float


def steady(table: Table, network: nn.Module, *, device: str, models: int | None, captured: bool, epochs: int) -> Rate:
    """Time epochs after those in which steps are captured; each ends with a copy to the host, which waits."""
    learner = Learner(table, network=network, seed=1, device=device, models=models, deterministic=False)
    # The last batch of an epoch is smaller: it is taken one by one in so many epochs, and captured in the next.
    first = WARM_UP + 1
    cycle = Cycle(epochs=first + epochs, lr=RATE, batch_size=BATCH, recipe=Recipe(weight_decay=DECAY, clip=None))
    run = CycleRun(learner.model, replace(learner.plan(cycle), captured=captured))
    seconds = []
    while not run.over:
        start = time.perf_counter()
        run.advance()
        seconds.append(time.perf_counter() - start)
    epoch = statistics.median(seconds[first:])
    return Rate(epoch, ROWS * (models or 1) / epoch, float(learner.validate("train").accuracy or 0.0))


def on_gpu(table: Table, network: nn.Module, *, epochs: int) -> None:
    """Print what a GPU reaches: eager, replayed, and several models at once."""
    print(f"device {torch.cuda.get_device_name()}, torch {torch.__version__}, median of {epochs} epochs")
    print(f"{'steps':10} {'models':>6} {'ms per epoch':>13} {'samples/s':>13} {'x eager':>8} {'accuracy':>9}")
    eager = 0.0
    for captured, models in ((False, None), (True, None), (True, 8), (True, 32)):
        rate = steady(table, network, device="cuda", models=models, captured=captured, epochs=epochs)
        eager = eager or rate.samples_per_s
        print(
            f"{'replayed' if captured else 'eager':10} {models or 1:6} {1000 * rate.seconds:13.1f} "
            f"{rate.samples_per_s:13,.0f} {rate.samples_per_s / eager:8.2f} {rate.accuracy:9.4f}"
        )


def main() -> None:
    """Read the options, race, and exit with 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer-python", help="interpreter of an environment with the other frameworks")
    parser.add_argument("--network", choices=list(NETWORKS), help="one of the two networks; without it both")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    table = table_of(ROWS)
    if options.device == "cuda":
        if not torch.cuda.is_available():
            parser.error("--device cuda: torch sees no CUDA device here")
        on_gpu(table, network_of("plain"), epochs=options.turns)
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, one thread")
    peers = {loop: sys.executable for loop in ("hand", "hand_loader")}
    if options.peer_python:
        peers |= {loop: options.peer_python for loop in LOOPS if loop not in peers}
    met = []
    for kind in [options.network] if options.network else list(NETWORKS):
        print(f"network {kind!r}")
        met.append(told(raced(table, kind, peers, options.turns)))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
