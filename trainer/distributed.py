"""Several processes, as `torchrun` starts them: each with its own seeds, or all of them on one model.

Seeds apart need no communication and lose nothing; one model on several processes is for data or models that one
device is too slow for.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from audit.errors import raise_violations
from trainer.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.data.kinds import Data
from trainer.data.resident import Batch, Source
from trainer.evidence.energy import metered
from trainer.fitting.cycle import CycleRun
from trainer.fitting.epoch import EpochTotals
from trainer.fitting.training import OnEpoch, close_epoch
from trainer.history import Cycle, EpochRow, Recipe
from trainer.learner import Learner
from trainer.record import TrainingRecord, read_record

if TYPE_CHECKING:
    from trainer.networks.registry import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which of several processes this one is, as `torchrun` says in the environment; the only one without it.

    Examples
    --------
    >>> Place(rank=1, world=2).seeds(range(5))
    (1, 3)
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> "Place":
        """Return the place of this process."""
        return cls(rank=int(os.environ.get("RANK", "0")), world=int(os.environ.get("WORLD_SIZE", "1")))

    def seeds(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Return the seeds that this process trains: every `world`-th."""
        return tuple(seeds[self.rank :: self.world])


def fit_seeds(
    data: Data,
    fit: Callable[[Learner], object],
    *,
    seeds: Sequence[int],
    folder: str | Path,
    network: "Settings | nn.Module | None" = None,
    device: str = "auto",
) -> tuple[Path, ...]:
    """Train this process's seeds one after the other, and save each; nothing is said to the other processes.

    Parameters
    ----------
    data, network
        As in `Learner`.
    fit
        Trains a learner: ``lambda learner: learner.fit_one_cycle(8)``.
    seeds
        All seeds, of all processes.
    folder
        Each model is saved in a folder ``seed-<seed>`` of this one; `gather_seeds` reads them when all are there.
    device
        As in `Learner`; "auto" gives each process of a machine its own CUDA device where there are any.

    Returns
    -------
    tuple of Path
        The folders that this process wrote.
    """
    written = []
    for seed in Place.here().seeds(seeds):
        learner = Learner(data, network=network, seed=seed, device=own_device(device))
        fit(learner)
        path = Path(folder) / f"seed-{seed}"
        learner.save(path)
        written.append(path)
    return tuple(written)


def gather_seeds(folder: str | Path, *, seeds: Sequence[int], into: str | Path, device: str = "auto") -> Learner:
    """Put models that differ in their seed into one that predicts their mean, as ``Learner(..., models=K)`` does.

    Parameters
    ----------
    folder
        Where `fit_seeds` saved them.
    seeds
        Their seeds, one after the other without a gap.
    into
        Folder for the model of all.
    device
        As in `Learner`.

    Returns
    -------
    Learner
        Without data. Its history holds the means over the seeds.

    Raises
    ------
    CheckpointError
        If a model is missing or damaged.
    InputError
        If the seeds have a gap, or the models differ in more than their seed, or were not trained to the end.
    """
    listed = sorted(seeds)
    wanted = list(range(listed[0], listed[0] + len(listed))) if listed else []
    raise_violations([] if listed and listed == wanted else [f"seeds go one after the other; came {list(seeds)}"])
    paths = [Path(folder) / f"seed-{seed}" for seed in listed]
    found = [load_checkpoint(path) for path in paths]
    records = [read_record(each.training, path) for each, path in zip(found, paths, strict=True)]
    raise_violations(_differences(found, records, paths))
    names = found[0].weights
    both = Checkpoint(
        spec=found[0].spec,
        network=found[0].network,
        models=len(found),
        weights={name.replace(".", "__"): torch.stack([each.weights[name] for each in found]) for name in names},
        training=asdict(replace(records[0], history=_means([record.history for record in records]))),
    )
    save_checkpoint(both, Path(into))
    return Learner.load(into, device=device)


@contextmanager
def processes(*, backend: str | None = None) -> Iterator[Place]:
    """Let the processes that `torchrun` started speak to each other inside.

    Parameters
    ----------
    backend
        "gloo" or "nccl"; None for nccl where there is CUDA, else gloo.
    """
    distributed.init_process_group(backend or ("nccl" if torch.cuda.is_available() else "gloo"))
    try:
        yield Place(rank=distributed.get_rank(), world=distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def fit_together(
    learner: Learner,
    epochs: int = 8,
    lr: float = 2e-3,
    *,
    batch_size: int = 256,
    recipe: Recipe | None = None,
    on_epoch: OnEpoch | None = None,
) -> tuple[EpochRow, ...]:
    """Train one model on all processes, each with its share of every batch; all end with the same weights.

    To be called by every process inside `processes`, with the same data, seed and settings. Without dropout the weights
    are those of one process up to the order in which float32 sums are rounded. With dropout all processes still end
    with the same weights, but not with those of one process: each draws the masks of its own share, from the same seed,
    so that the first rows of two shares have one mask.

    Parameters
    ----------
    learner
        With a single model; each process has its own copy and all of the data.
    epochs, lr, batch_size, recipe, on_epoch
        As in `Learner.fit_one_cycle`; the batch is that of all processes together.

    Returns
    -------
    tuple of EpochRow
        The same in every process. The energy that the learner records is that of this process and its device.

    Raises
    ------
    InputError
        If the learner has several models, the network normalises over a batch (batch norm), or the recipe has an
        objective that looks at a batch as a whole, augmentation, or layers that learn apart.

    Notes
    -----
    Li et al. 2020, "PyTorch distributed: experiences on accelerating data parallel training",
    doi:10.14778/3415478.3415530. Gradients are averaged over processes; each share of a batch counts by its rows.
    """
    recipe = recipe or Recipe()
    raise_violations(_unshared(learner, recipe))
    place = Place(rank=distributed.get_rank(), world=distributed.get_world_size())
    cycle = Cycle(epochs=epochs, lr=float(lr), batch_size=batch_size, recipe=recipe)
    plan = learner.plan(cycle)
    # Communication between devices cannot be captured with the step.
    run = CycleRun(learner.model, replace(plan, source=Share(plan.source, place), captured=False))
    on_cuda = [learner.device] if learner.device.type == "cuda" else None
    run.stepper.model = DistributedDataParallel(run.stepper.model, device_ids=on_cuda)
    learner.cycles, learner.temperatures = (*learner.cycles, cycle), None
    earlier = learner.energy
    with metered(learner.device) as meter:
        while not run.over:
            start = time.perf_counter()
            totals = run.advance()
            learner.energy = (*earlier, meter.read())
            if totals is not None:
                _share_buffers(learner.model)
                seconds = time.perf_counter() - start
                close_epoch(learner, run, _averaged(totals, learner), seconds=seconds, on_epoch=on_epoch)
    return learner.history[-epochs:]


class Share:
    """Data of which each batch holds the rows of one process only; their weights make up for uneven shares.

    Parameters
    ----------
    source
        All rows.
    place
        Which process this is.

    Examples
    --------
    Two of three rows, where an even share were 1.5: each counts 4/3, so that the mean over processes is that over rows.

    >>> from trainer.data.resident import Resident
    >>> data = Resident(inputs=(torch.arange(3.0),), target=torch.arange(3))
    >>> batch = Share(data, Place(rank=1, world=2)).take(torch.tensor([2, 1, 0]))
    >>> batch.target.tolist(), [round(weight, 3) for weight in batch.weights.tolist()]
    ([1, 0], [1.333, 1.333])
    """

    def __init__(self, source: Source, place: Place) -> None:
        self._source, self._place = source, place

    def take(self, rows: Tensor) -> Batch:
        """Return this process's share of the rows; a row of weight 0 where there are fewer rows than processes."""
        rank, world, size = self._place.rank, self._place.world, len(rows)
        own = rows[rank * size // world : (rank + 1) * size // world]
        batch = self._source.take(own if len(own) else rows[:1])
        weights = batch.weights
        if weights is None:
            weights = torch.ones(len(batch.target), device=batch.target.device)
        return batch._replace(weights=weights * (len(own) * world / size))

    def pieces(self, order: Tensor, batch_size: int, *, begin: int = 0) -> "Iterator[tuple[Any, Tensor]]":
        """Yield as the source does, each piece with this process's share of its batches."""
        for piece, places in self._source.pieces(order, batch_size, begin=begin):
            yield Share(piece, self._place), places


def own_device(name: str) -> str:
    """Return the device of this process: of "auto" its own CUDA device where there are any.

    Examples
    --------
    >>> own_device("cpu")
    'cpu'
    """
    if name != "auto" or not torch.cuda.is_available():
        return name
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


def _unshared(learner: Learner, recipe: Recipe) -> list[str]:
    found = []
    if not distributed.is_initialized():
        found.append("the processes do not know of each other: call this inside `with processes():`, under torchrun")
    if learner.models is not None:
        found.append(f"one model is trained together; came {learner.models}: give each process its seeds (fit_seeds)")
    if any(_normalises_batches(module) for module in learner.model.modules()):
        found.append(
            "the network has batch norm, whose means each process would take over its own share of a batch: the model "
            "would not be that of one process. Use layer norm or group norm, or train seeds apart (fit_seeds)"
        )
    if recipe.objective.kind != "mean":
        found.append(f"objective {recipe.objective.kind!r} looks at a batch as a whole, which no process sees")
    if recipe.augment is not None:
        found.append(
            "images are changed at random by each process for its own share of a batch: the model would not be that of "
            "one process. Leave `augment` out, or train seeds apart (fit_seeds)"
        )
    if recipe.layers is not None:
        found.append("layers that learn apart are not trained together: leave `layers` out")
    return found


def _normalises_batches(module: nn.Module) -> bool:
    """Say whether a module takes means over the rows of a batch, or keeps running ones."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return isinstance(module, kinds) or getattr(module, "running_mean", None) is not None


def _share_buffers(model: nn.Module) -> None:
    """Give all processes the buffers of the first: those of a module of one's own may change with the rows it saw."""
    for buffer in model.buffers():
        distributed.broadcast(buffer, 0)


def _averaged(totals: EpochTotals, learner: Learner) -> EpochTotals:
    """Return what all processes added up to; a step is skipped in all or in none."""
    loss = torch.tensor(float("nan") if totals.loss is None else totals.loss, device=learner.device)
    distributed.all_reduce(loss)
    mean = float(loss) / distributed.get_world_size()
    return replace(totals, loss=None if totals.loss is None else mean)


def _differences(found: Sequence[Checkpoint], records: Sequence[TrainingRecord], paths: Sequence[Path]) -> list[str]:
    """Return in what the models differ from the first, beside their seed."""
    violations = []
    for checkpoint, record, path in zip(found, records, paths, strict=True):
        same = {
            "columns and encoders": checkpoint.spec.record() == found[0].spec.record(),
            "network": checkpoint.network == found[0].network,
            "split": record.split == records[0].split,
            "content of the rows": record.content == records[0].content,
            "cycles": record.cycles == records[0].cycles,
        }
        violations += [
            f"{path} was trained with another {name} than {paths[0]}" for name, alike in same.items() if not alike
        ]
        if checkpoint.state is not None:
            violations.append(f"{path} was not trained to the end: resume it first")
        if checkpoint.models is not None or checkpoint.temperatures is not None:
            violations.append(f"{path} holds several models or was recalibrated: gather single ones, then recalibrate")
        if f"seed-{record.seed}" != path.name:
            violations.append(f"{path} holds the model of seed {record.seed}")
    return violations


def _means(histories: Sequence[Sequence[EpochRow]]) -> tuple[EpochRow, ...]:
    """Return the history of the models taken together: means, and the sum of skipped steps."""
    rows = []
    for same in zip(*histories, strict=True):
        values = {
            name: [float(getattr(row, name)) for row in same if getattr(row, name) is not None]
            for name in ("train_loss", "valid_loss", "valid_value", "samples_per_s")
        }
        means: dict[str, Any] = {
            name: sum(some) / len(same) if len(some) == len(same) else None for name, some in values.items()
        }
        rows.append(replace(same[0], **means, skipped_steps=sum(row.skipped_steps for row in same)))
    return tuple(rows)
