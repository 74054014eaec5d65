"""Training in one call: data in, a model out that predicts, logs its predictions, and can be saved."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from audit.errors import InputError, raise_violations
from trainer.answers import predict, predict_each, predict_log, predict_proba
from trainer.checkpoint import Checkpoint, CheckpointError, build_models, load_checkpoint, save_checkpoint
from trainer.data.kinds import Data, Rows, Spec
from trainer.data.resident import Resident
from trainer.data.splits import Part
from trainer.device import environment, resolve_device
from trainer.fitting.cycle import CycleRun, Plan
from trainer.fitting.epoch import EpochTotals, Evaluation, evaluate
from trainer.fitting.stacked import Shared, StackedModels
from trainer.history import Cycle, EpochRow, Recipe
from trainer.networks.registry import Settings, default_settings
from trainer.record import TrainingRecord, read_record

OnEpoch = Callable[[EpochRow], object]


class Saving(NamedTuple):
    """Where training is saved as it goes, and after how many batches each; None for once per epoch.

    Examples
    --------
    >>> Saving("model").every is None
    True
    """

    folder: str | Path
    every: int | None = None


class Learner:
    """A model and how to train it; the data stay on the device, and the same seed gives the same bits.

    Two learners with the same data, network, seed, device, version of torch and number of threads end with the same
    weights bit by bit, whatever else the process has computed or drawn before; its own random generators and settings
    are left as they were.

    Parameters
    ----------
    data
        From `Table.from_frame` or another kind of data.
    network
        Settings of a network (None for the usual one of this kind of data), or a module of one's own, which is copied.
    models
        Train so many models at once, with the seeds ``seed``, ``seed + 1``, ...: their mean is what predicts, their
        disagreement shows what depends on the seed. None for a single one.
    seed
        Of the initial weights, the order of rows, and dropout.
    device
        "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:<number>". On CUDA training computes in bfloat16 with
        weights in float32; prediction is float32 everywhere.
    deterministic
        Use only kernels that repeat bit by bit; None means yes on a CPU, where it costs nothing, and no on CUDA.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> from trainer.networks.tabular import MLPSettings
    >>> frame = pd.DataFrame({"age": range(200), "paid": [int(age >= 100) for age in range(200)]})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> learner = Learner(table, network=MLPSettings(hidden=(16,)), device="cpu")
    >>> history = learner.fit_one_cycle(10, 0.02, batch_size=32)
    >>> len(history), learner.predict(pd.DataFrame({"age": [3, 190]})).tolist()
    (10, [0, 1])
    """

    def __init__(
        self,
        data: Data,
        *,
        network: Settings | nn.Module | None = None,
        models: int | None = None,
        seed: int = 0,
        device: str = "auto",
        deterministic: bool | None = None,
    ) -> None:
        if models is not None and models < 1:
            raise InputError([f"models must be at least 1, or None for a single one; came {models}"])
        self.data: Data | None = data
        self.spec: Spec = data.spec
        self.network = default_settings(data.spec) if network is None else network
        self._split = data.split.digest
        self.models, self.seed = models, seed
        self.device = resolve_device(device)
        self.deterministic = self.device.type == "cpu" if deterministic is None else deterministic
        self.history: tuple[EpochRow, ...] = ()
        self.cycles: tuple[Cycle, ...] = ()
        self._run: CycleRun | None = None
        self._resident: Resident | None = data.resident.to(self.device)
        self.model = build_models(self.spec, self.network, seeds=self.seeds, models=models).to(self.device)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each model."""
        return tuple(range(self.seed, self.seed + (self.models or 1)))

    def fit_one_cycle(
        self,
        epochs: int = 8,
        lr: float = 2e-3,
        *,
        batch_size: int = 256,
        recipe: Recipe | None = None,
        on_epoch: OnEpoch | None = None,
        saving: Saving | None = None,
    ) -> tuple[EpochRow, ...]:
        """Train for one cycle of the learning rate; a second call starts another cycle from the weights reached.

        Parameters
        ----------
        epochs
            Passes through the train rows, at least 1.
        lr
            The largest learning rate.
        batch_size
            Rows per step; a train part that is smaller makes one step per epoch.
        recipe
            Weight decay, clipping, smoothing of labels; None for the usual ones.
        on_epoch
            Called with the new row after each epoch, to show progress.
        saving
            Folder into which training is saved as it goes; `resume` goes on from there, bit for bit.

        Returns
        -------
        tuple of EpochRow
            One per epoch of this cycle; `history` holds those of all cycles.

        Raises
        ------
        InputError
            If a setting is out of range, the learner was loaded and holds no data, or no step of an epoch had a
            finite gradient.

        Notes
        -----
        The defaults gave an accuracy of 0.870 and an AUC of 0.924 on the test rows of Adult (census income).
        """
        cycle = Cycle(epochs=epochs, lr=float(lr), batch_size=batch_size, recipe=recipe or Recipe())
        self._run = CycleRun(self.model, self.plan(cycle))
        self.cycles = (*self.cycles, cycle)
        return self._train(on_epoch=on_epoch, saving=saving)

    def resume(self, *, on_epoch: OnEpoch | None = None, saving: Saving | None = None) -> tuple[EpochRow, ...]:
        """Go on with a cycle that was saved before its end, as if it had never stopped.

        Parameters
        ----------
        on_epoch, saving
            As in `fit_one_cycle`.

        Returns
        -------
        tuple of EpochRow
            All epochs of the cycle.

        Raises
        ------
        InputError
            If no cycle is unfinished.
        """
        if self._run is None or self._run.over:
            raise InputError(["no cycle is unfinished: load a folder that fit_one_cycle(saving=...) wrote, with data"])
        return self._train(on_epoch=on_epoch, saving=saving)

    def validate(self, part: Part = "valid") -> Evaluation:
        """Return loss and metric on a part of the data.

        Parameters
        ----------
        part
            "train", "valid" or "test".

        Returns
        -------
        Evaluation
            With n; None instead of numbers where the part has no rows.
        """
        resident = self.training_data()[1]
        return evaluate(self.answering(), resident, self.rows(part), target=self.spec.target)

    predict_proba = predict_proba
    predict_each = predict_each
    predict = predict
    predict_log = predict_log

    @property
    def model_version(self) -> str:
        """SHA-256 over weights, encoders, classes and network: equal exactly where predictions must be equal."""
        return self._checkpoint().model_version

    def save(self, path: str | Path) -> None:
        """Write the model into a folder: ``config.json`` and the weights as safetensors.

        Parameters
        ----------
        path
            The folder; created if need be. The data are not saved.
        """
        save_checkpoint(self._checkpoint(), Path(path))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        data: Data | None = None,
        network: nn.Module | None = None,
        device: str = "auto",
    ) -> Self:
        """Read a model that `save` wrote; it predicts as it did.

        Parameters
        ----------
        path
            The folder.
        data
            The data it was trained on, to train on or `resume`; None to predict only.
        network
            A module of one's own, of the class that was saved.
        device
            Where to compute.

        Returns
        -------
        Learner
            Ready to predict.

        Raises
        ------
        CheckpointError
            If anything in the folder is missing, damaged, changed or from a newer version.
        InputError
            If `data` is not what the model was trained on.
        """
        checkpoint = load_checkpoint(Path(path), own=network)
        learner = cls.__new__(cls)
        learner.spec, learner.network, learner.models = checkpoint.spec, checkpoint.network, checkpoint.models
        learner.device = resolve_device(device)
        learner.data, learner._resident, learner._run = data, None, None
        record = read_record(checkpoint.training, Path(path))
        learner.seed, learner._split = record.seed, record.split
        learner.history, learner.cycles = record.history, record.cycles
        learner.deterministic = record.deterministic and learner.device.type == "cpu"
        models = build_models(checkpoint.spec, checkpoint.network, seeds=learner.seeds, models=checkpoint.models)
        learner.model = models.to(learner.device)
        learner.model.load_state_dict(dict(checkpoint.weights))
        if data is not None:
            learner._take_up(data, checkpoint)
        return learner

    def _take_up(self, data: Data, checkpoint: Checkpoint) -> None:
        """Take the data that the model was trained on, and the cycle that was not over."""
        split, violations = data.split.digest, []
        if split != self._split:
            violations.append(f"the split of the data is {split[:12]}, the model was trained on {self._split[:12]}")
        if data.spec.record() != checkpoint.spec.record():
            violations.append("the data are read in another way than the model was trained on: other columns or rows")
        raise_violations(violations)
        self._resident = data.resident.to(self.device)
        if checkpoint.state is None:
            return
        self._run = CycleRun(self.model, self.plan(self.cycles[-1], first=len(self.history) - self._done(checkpoint)))
        try:
            self._run.restore(checkpoint.state)
        except (KeyError, RuntimeError, ValueError) as error:
            message = f"the state of training does not fit the model: {error}"
            raise CheckpointError(message) from error

    def _done(self, checkpoint: Checkpoint) -> int:
        """Return the number of epochs of the unfinished cycle that are over."""
        state = checkpoint.state or {}
        return int(state["place"][0]) if "place" in state else 0

    def plan(self, cycle: Cycle, *, first: int | None = None) -> Plan:
        """Return what a cycle trains on; `first` is the number of epochs before it, None for all so far."""
        return Plan(
            source=self.training_data()[1],
            train=self.rows("train"),
            target=self.spec.target,
            cycle=cycle,
            seeds=self.seeds,
            first_epoch=len(self.history) if first is None else first,
            deterministic=self.deterministic,
        )

    def _train(self, *, on_epoch: OnEpoch | None, saving: Saving | None) -> tuple[EpochRow, ...]:
        run = self._unfinished()
        start = time.perf_counter()
        while not run.over:
            totals = run.advance(n_batches=None if saving is None else saving.every)
            if totals is not None:
                self._close_epoch(totals, seconds=time.perf_counter() - start, on_epoch=on_epoch)
            if saving is not None:
                self.save(saving.folder)
            if totals is not None:
                start = time.perf_counter()
        return self.history[-self.cycles[-1].epochs :]

    def _close_epoch(self, totals: EpochTotals, *, seconds: float, on_epoch: OnEpoch | None) -> None:
        epoch = len(self.history) + 1
        if totals.loss is None:
            raise InputError([f"no step of epoch {epoch} had a finite gradient: lower lr, or set clip"])
        scored = self.validate()
        row = EpochRow(
            epoch=epoch,
            train_loss=totals.loss,
            valid_loss=scored.loss,
            metric=scored.metric,
            valid_value=scored.value,
            samples_per_s=len(self.training_data()[0].split.train) * (self.models or 1) / seconds,
            skipped_steps=totals.skipped_steps,
        )
        self.history = (*self.history, row)
        if on_epoch is not None:
            on_epoch(row)

    def _unfinished(self) -> CycleRun:
        if self._run is None:
            raise InputError(["no cycle is unfinished"])
        return self._run

    def answering(self) -> nn.Module:
        """Return the model, or the stacked models made to answer about the same rows."""
        return Shared(self.model) if isinstance(self.model, StackedModels) else self.model

    def training_data(self) -> tuple[Data, Resident]:
        """Return the data and its tensors on the device.

        Raises
        ------
        InputError
            If the learner was loaded without data.
        """
        if self.data is None or self._resident is None:
            raise InputError(["this learner was loaded without data: pass rows, or load with data=..."])
        return self.data, self._resident

    def rows(self, part: Part) -> Tensor:
        """Return the row numbers of a part, on the device."""
        if part not in ("train", "valid", "test"):
            raise InputError([f'a part of the data is "train", "valid" or "test"; came {part!r}'])
        return torch.tensor(self.training_data()[0].split.rows(part), device=self.device)

    def inputs(self, rows: Rows | Part) -> tuple[Tensor, ...]:
        """Return what the network takes of new rows or of a part of the data, on the device."""
        if isinstance(rows, str):
            return self.training_data()[1].take(self.rows(rows)).inputs
        return tuple(tensor.to(self.device) for tensor in self.spec.inputs(rows))

    def _checkpoint(self) -> Checkpoint:
        record = TrainingRecord(
            seed=self.seed,
            deterministic=self.deterministic,
            split=self._split,
            cycles=self.cycles,
            history=self.history,
            environment=environment(self.device),
        )
        return Checkpoint(
            spec=self.spec,
            network=self.network,
            models=self.models,
            weights={name: tensor.detach().cpu() for name, tensor in self.model.state_dict().items()},
            training=asdict(record),
            state=None if self._run is None or self._run.over else self._run.state(),
        )
