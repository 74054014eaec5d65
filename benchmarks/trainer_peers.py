"""What other frameworks take for the work of ``benchmarks/trainer_speed.py``, which runs this file.

``python trainer_peers.py DATA.npz NETWORK LOOP`` trains once per line on its input and answers each with one line of
JSON: seconds by the clock, seconds of the processor, accuracy on the train rows. It needs torch, numpy and the
framework of the loop, which it alone imports, and nothing of this project.
"""

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

WIDTH, EMBEDDING = 200, 8
EPOCHS, BATCH, RATE, DECAY = 2, 1024, 2e-3, 0.05


class PlainMLP(nn.Module):
    """Embeddings of eight categories, six numbers, two hidden layers: the network that every loop trains."""

    def __init__(self, n_codes: int, n_columns: int, n_numeric: int) -> None:
        super().__init__()
        self.embedding = nn.ModuleList([nn.Embedding(n_codes, EMBEDDING) for _ in range(n_columns)])
        width = n_columns * EMBEDDING + n_numeric
        self.dense = nn.Sequential(
            nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2)
        )

    def forward(self, codes: Tensor, numerics: Tensor) -> Tensor:
        """Return two logits per row."""
        places = codes.long()
        parts = [table(places[:, column]) for column, table in enumerate(self.embedding)]
        logits: Tensor = self.dense(torch.cat([*parts, numerics], dim=1))
        return logits


class UsualMLP(nn.Module):
    """The shape that fastai's tabular learner has when nothing is asked of it: hidden layers of 200 and 100, norms."""

    def __init__(self, n_codes: int, n_columns: int, n_numeric: int) -> None:
        super().__init__()
        self.embedding = nn.ModuleList([nn.Embedding(n_codes, EMBEDDING) for _ in range(n_columns)])
        self.norm = nn.BatchNorm1d(n_numeric)
        width = n_columns * EMBEDDING + n_numeric
        self.dense = nn.Sequential(
            nn.Linear(width, 200, bias=False), nn.ReLU(), nn.BatchNorm1d(200),
            nn.Linear(200, 100, bias=False), nn.ReLU(), nn.BatchNorm1d(100), nn.Linear(100, 2),
        )  # fmt: skip

    def forward(self, codes: Tensor, numerics: Tensor) -> Tensor:
        """Return two logits per row."""
        places = codes.long()
        parts = [table(places[:, column]) for column, table in enumerate(self.embedding)]
        logits: Tensor = self.dense(torch.cat([*parts, self.norm(numerics)], dim=1))
        return logits


NETWORKS: dict[str, type[PlainMLP] | type[UsualMLP]] = {"plain": PlainMLP, "usual": UsualMLP}


class Work:
    """The data, and a fresh network each time."""

    def __init__(self, path: str, network: str = "plain") -> None:
        self.kind = NETWORKS[network]
        held = np.load(path)
        self.codes, self.numerics, self.target = (torch.from_numpy(held[name]) for name in ("codes", "numerics", "y"))
        self.steps = EPOCHS * -(-len(self.target) // BATCH)

    def network(self) -> nn.Module:
        """Return the network with the same weights each time."""
        torch.manual_seed(1)
        return self.kind(int(self.codes.max()) + 1, self.codes.shape[1], self.numerics.shape[1])

    def accuracy(self, model: nn.Module) -> float:
        """Return the share of train rows that the network gets right."""
        model.eval()
        with torch.inference_mode():
            return float((model(self.codes, self.numerics).argmax(dim=1) == self.target).float().mean())


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """Return torch's schedule with the settings of ours."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.25, div_factor=25, final_div_factor=4e3, cycle_momentum=False
    )


def fitted(work: Work, batches: Callable[[], Iterator[tuple[Tensor, ...]]]) -> nn.Module:
    """Train in a loop written by hand: fused AdamW, one schedule step per batch."""
    model = work.network().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.99), fused=True)
    schedule = one_cycle(optimizer, work.steps)
    for _ in range(EPOCHS):
        for codes, numerics, target in batches():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(codes, numerics), target).backward()
            optimizer.step()
            schedule.step()
    return model


def hand(work: Work) -> nn.Module:
    """Resident tensors and an index: the least that a loop in eager torch can do."""

    def batches() -> Iterator[tuple[Tensor, ...]]:
        for rows in torch.randperm(len(work.target)).split(BATCH):
            yield work.codes[rows], work.numerics[rows], work.target[rows]

    return fitted(work, batches)


def loader(work: Work) -> DataLoader[Any]:
    """Return the DataLoader that everybody writes."""
    return DataLoader(TensorDataset(work.codes, work.numerics, work.target), batch_size=BATCH, shuffle=True)


def hand_loader(work: Work) -> nn.Module:
    """Train by the same loop with the usual DataLoader."""
    return fitted(work, lambda: iter(loader(work)))


def lightning(work: Work, *, resident: bool = False) -> nn.Module:
    """Train by Lightning with every extra off: no logger, bar, checkpoint or summary."""
    import lightning as pl  # noqa: PLC0415

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = work.network()

        def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
            del index
            return nn.functional.cross_entropy(self.net(batch[0], batch[1]), batch[2])

        def configure_optimizers(self) -> tuple[list[Any], list[Any]]:
            optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.99), fused=True)
            return [optimizer], [{"scheduler": one_cycle(optimizer, work.steps), "interval": "step"}]

    data: DataLoader[Any] = loader(work)
    if resident:
        pairs = TensorDataset(work.codes, work.numerics, work.target)
        data = DataLoader(pairs, sampler=BatchSampler(RandomSampler(pairs), BATCH, drop_last=False), batch_size=None)
    module = Module()
    pl.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False,
    ).fit(module, data)  # fmt: skip
    return module.net


def lightning_resident(work: Work) -> nn.Module:
    """Lightning with whole batches indexed from tensors."""
    return lightning(work, resident=True)


def skorch(work: Work) -> nn.Module:
    """Train by skorch with callbacks off, but for the schedule."""
    from skorch import NeuralNet  # noqa: PLC0415
    from skorch.callbacks import LRScheduler  # noqa: PLC0415

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = work.network()

        def forward(self, codes: Tensor, numerics: Tensor) -> Tensor:
            return self.net(codes, numerics)

    net = NeuralNet(
        Pair, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=RATE, optimizer__weight_decay=DECAY,
        optimizer__betas=(0.9, 0.99), optimizer__fused=True, max_epochs=EPOCHS, batch_size=BATCH, train_split=None,
        iterator_train__shuffle=True, verbose=0,
        callbacks=[("lr", LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR, step_every="batch", max_lr=RATE, total_steps=work.steps,
            pct_start=0.25, cycle_momentum=False))],
        callbacks__print_log=None, callbacks__epoch_timer=None, callbacks__train_loss=None, callbacks__valid_loss=None,
    )  # fmt: skip
    net.fit({"codes": work.codes.numpy(), "numerics": work.numerics.numpy()}, work.target.numpy())
    trained: nn.Module = net.module_.net
    return trained


def fastai(work: Work) -> nn.Module:
    """Train by fastai's tabular learner with its own optimiser and loader, bars off."""
    import pandas as pd  # noqa: PLC0415
    from fastai.tabular.all import CategoryBlock, CrossEntropyLossFlat, TabularLearner, TabularPandas  # noqa: PLC0415

    cats = [f"c{place}" for place in range(work.codes.shape[1])]
    conts = [f"n{place}" for place in range(work.numerics.shape[1])]
    if not hasattr(work, "loaders"):
        frame = pd.DataFrame(work.codes.numpy(), columns=cats).join(pd.DataFrame(work.numerics.numpy(), columns=conts))
        frame["y"] = work.target.numpy()
        table = TabularPandas(frame, cat_names=cats, cont_names=conts, y_names="y", y_block=CategoryBlock())
        work.loaders = table.dataloaders(bs=BATCH, drop_last=False)  # type: ignore[attr-defined]
    learner = TabularLearner(
        work.loaders,
        work.network(),
        loss_func=CrossEntropyLossFlat(),
        wd=DECAY,  # type: ignore[attr-defined]
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(EPOCHS, RATE)
    trained: nn.Module = learner.model
    return trained


LOOPS: dict[str, Callable[[Work], nn.Module]] = {
    "hand": hand,
    "hand_loader": hand_loader,
    "lightning": lightning,
    "lightning_resident": lightning_resident,
    "skorch": skorch,
    "fastai": fastai,
}


def main() -> None:
    """Train once per line of input."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    work, loop = Work(sys.argv[1], sys.argv[2]), LOOPS[sys.argv[3]]
    answers, sys.stdout = sys.stdout, sys.stderr
    for _ in sys.stdin:
        start, busy = time.perf_counter(), time.process_time()
        model = loop(work)
        times = (time.perf_counter() - start, time.process_time() - busy)
        print(json.dumps([*times, work.accuracy(model)]), file=answers, flush=True)


if __name__ == "__main__":
    main()
