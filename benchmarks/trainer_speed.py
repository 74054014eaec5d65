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
Beside them stand the share of the roof that binds (`Learner.roof`), the energy per sample by the device's counter (or
why it is unknown), whether two deterministic runs are equal bit by bit, and how far replayed steps lie from eager ones.
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
from trainer.evidence.energy import Energy, metered
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
    """Seconds of an epoch, samples per second over all models, its share of the roof, energy, and the accuracy."""

    seconds: float
    samples_per_s: float
    roof: float
    binds: str
    energy: Energy
    accuracy: float


def steady(table: Table, network: nn.Module, *, device: str, models: int | None, captured: bool, epochs: int) -> Rate:
    """Time epochs after those in which steps are captured; each ends with a copy to the host, which waits."""
    learner = Learner(table, network=network, seed=1, device=device, models=models, deterministic=False)
    recipe = Recipe(weight_decay=DECAY, clip=None)
    limit = learner.roof(batch_size=BATCH, recipe=recipe)
    # The last batch of an epoch is smaller: it is taken one by one in so many epochs, and captured in the next.
    first = WARM_UP + 1
    cycle = Cycle(epochs=first + epochs, lr=RATE, batch_size=BATCH, recipe=recipe)
    run = CycleRun(learner.model, replace(learner.plan(cycle), captured=captured))
    for _ in range(first):
        run.advance()
    seconds = []
    with metered(learner.device) as meter:
        while not run.over:
            seconds.append(timed(run))
        energy = meter.read()
    epoch = statistics.median(seconds)
    speed = len(table.frame) * (models or 1) / epoch
    accuracy = float(learner.validate("train").accuracy or 0.0)
    share = speed / limit.samples_per_s
    return Rate(epoch, speed, share, limit.binds, energy, accuracy)


def timed(run: CycleRun) -> float:
    """Return the seconds that the next epoch takes."""
    start = time.perf_counter()
    run.advance()
    return time.perf_counter() - start


def energy_text(energy: Energy, samples: float) -> str:
    """Return millijoules per sample; of what was not measured the reason, never 0.

    1 kWh is 3.6e9 mJ.
    """
    if energy.kwh is None:
        return f"energy not measured: {energy.reason}"
    return f"{3.6e9 * energy.kwh / samples:.4f} mJ/sample ({energy.how})"


def weights_of(learner: Learner) -> list[torch.Tensor]:
    """Return the weights on the host."""
    return [tensor.detach().cpu() for tensor in learner.model.state_dict().values()]


def repeated(table: Table, network: nn.Module, *, device: str, captured: bool, epochs: int = 2) -> list[torch.Tensor]:
    """Return the weights after so many epochs with deterministic kernels."""
    learner = Learner(table, network=network, seed=1, device=device, deterministic=True)
    cycle = Cycle(epochs=epochs, lr=RATE, batch_size=BATCH, recipe=Recipe(weight_decay=DECAY, clip=None))
    run = CycleRun(learner.model, replace(learner.plan(cycle), captured=captured))
    while not run.over:
        run.advance()
    return weights_of(learner)


def furthest(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    """Return the largest difference between two models' weights: 0 where they are equal bit by bit."""
    pairs = zip(first, second, strict=True)
    return max(float((one.double() - other.double()).abs().max()) for one, other in pairs if one.numel())


def equality_lines(table: Table, network: nn.Module, *, device: str) -> list[str]:
    """Return whether a run repeats bit by bit, and how far replayed steps lie from steps taken one by one."""
    replayed, again = (repeated(table, network, device=device, captured=True) for _ in range(2))
    eager = repeated(table, network, device=device, captured=False)
    twice, apart = furthest(replayed, again), furthest(replayed, eager)
    return [
        f"determinism: the same run twice, largest difference of a weight {twice:.3g}"
        f" ({'bitwise equal' if twice == 0 else 'NOT EQUAL'})",
        f"equality: replayed against one by one, largest difference of a weight {apart:.3g}"
        f" ({'bitwise equal' if apart == 0 else 'not bitwise'})",
    ]


def on_gpu(
    table: Table, network: nn.Module, *, epochs: int, device: str = "cuda", models: tuple[int, ...] = (8, 32)
) -> None:
    """Print what a device reaches: eager, replayed, several models at once; the share of the roof, energy, equality."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    print(f"device {name}, torch {torch.__version__}, median of {epochs} epochs")
    head = f"{'steps':10} {'models':>6} {'ms per epoch':>13} {'samples/s':>13} {'x eager':>8} {'of roof':>8}"
    print(f"{head} {'accuracy':>9}  energy, and what binds")
    eager = 0.0
    for captured, number in ((False, None), (True, None), *((True, each) for each in models)):
        rate = steady(table, network, device=device, models=number, captured=captured, epochs=epochs)
        eager = eager or rate.samples_per_s
        samples = float(len(table.frame) * (number or 1) * epochs)
        print(
            f"{'replayed' if captured else 'eager':10} {number or 1:6} {1000 * rate.seconds:13.1f} "
            f"{rate.samples_per_s:13,.0f} {rate.samples_per_s / eager:8.2f} {rate.roof:8.1%} {rate.accuracy:9.4f}  "
            f"{energy_text(rate.energy, samples)}; {rate.binds} binds"
        )
    for line in equality_lines(table, network, device=device):
        print(line)


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
