"""Training in one call: a table in, a model out that predicts, logs its predictions, and can be saved."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.errors import InputError
from audit.predictions import PredictionLog
from trainer.checkpoint import Checkpoint, CheckpointError, build_network, load_checkpoint, save_checkpoint
from trainer.device import deterministic_kernels, environment, resolve_device, seeded
from trainer.encoders import encode
from trainer.history import Cycle, EpochRow
from trainer.models import MLPSettings, TabularMLP
from trainer.optimizer import GuardedAdamW
from trainer.predict import most_probable, prediction_log
from trainer.sampler import epoch_order
from trainer.schedule import Schedule, one_cycle
from trainer.seeds import derived_seed
from trainer.spec import TableSpec
from trainer.splits import Part
from trainer.table import Resident, Table
from trainer.training import EpochTotals, Evaluation, epoch_slices, evaluate, predict_logits, train_epoch


class Learner:
    """A tabular classifier and how to train it; the data stay on the device, and the same seed gives the same bits.

    Two learners with the same table, settings, seed, device, version of torch and number of threads end with the same
    weights bit by bit, whatever else the process has computed or drawn before; its own random generators and settings
    are left as they were.

    Parameters
    ----------
    table
        From `Table.from_frame`.
    settings
        Shape of the network.
    seed
        Of the initial weights, the order of rows, and dropout.
    device
        "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:<number>". On CUDA training computes in bfloat16 with
        weights in float32; prediction is float32 everywhere.
    deterministic
        Use only kernels that repeat bit by bit; None means yes on a CPU, where it costs nothing, and no on CUDA.

    Examples
    --------
    >>> from trainer.columns import Columns
    >>> from trainer.splits import split_rows
    >>> frame = pd.DataFrame({"age": range(200), "paid": [int(age >= 100) for age in range(200)]})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> learner = Learner(table, settings=MLPSettings(hidden=(16,)), device="cpu")
    >>> history = learner.fit_one_cycle(10, 0.02, batch_size=32)
    >>> len(history), learner.predict(pd.DataFrame({"age": [3, 190]})).tolist()
    (10, [0, 1])
    """

    def __init__(
        self,
        table: Table,
        *,
        settings: MLPSettings | None = None,
        seed: int = 0,
        device: str = "auto",
        deterministic: bool | None = None,
    ) -> None:
        self.table: Table | None = table
        self.spec: TableSpec = table.spec
        self.settings = settings or MLPSettings()
        self.seed = seed
        self.device = resolve_device(device)
        self.deterministic = self.device.type == "cpu" if deterministic is None else deterministic
        self.history: tuple[EpochRow, ...] = ()
        self._cycles: tuple[Cycle, ...] = ()
        self._data: Resident | None = table.resident.to(self.device)
        self._model: TabularMLP = build_network(self.spec, self.settings, seed=seed).to(self.device)

    def fit_one_cycle(
        self,
        epochs: int = 8,
        lr: float = 2e-3,
        *,
        batch_size: int = 256,
        weight_decay: float = 0.05,
        clip: float | None = 1.0,
        on_epoch: Callable[[EpochRow], object] | None = None,
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
        weight_decay
            Decoupled decay of the weight matrices.
        clip
            Largest norm of the gradient; None for no limit.
        on_epoch
            Called with the new row after each epoch, to show progress.

        Returns
        -------
        tuple of EpochRow
            One per epoch of this cycle; `history` holds those of all cycles.

        Raises
        ------
        InputError
            If a setting is out of range, the learner was loaded and holds no table, or no step of an epoch had a
            finite gradient.

        Notes
        -----
        The defaults gave an accuracy of 0.868 and an AUC of 0.924 on the test rows of Adult (census income).
        """
        table, data = self._training_data()
        cycle = Cycle(epochs=epochs, lr=float(lr), batch_size=batch_size, weight_decay=float(weight_decay), clip=clip)
        train, valid = (self._rows(table, part) for part in ("train", "valid"))
        optimizer = GuardedAdamW(self._model.parameters(), weight_decay=weight_decay, clip=clip)
        self._cycles = (*self._cycles, cycle)
        for piece in epoch_slices(one_cycle(cycle.n_steps(len(train)), lr=lr), epochs=epochs):
            start = time.perf_counter()
            totals = self._train_epoch(data, train=train, optimizer=optimizer, schedule=piece, batch_size=batch_size)
            seconds = time.perf_counter() - start
            scored = evaluate(self._model, data, rows=valid)
            row = EpochRow(
                epoch=len(self.history) + 1,
                train_loss=totals.loss,
                valid_loss=scored.loss,
                valid_accuracy=scored.accuracy,
                samples_per_s=len(train) / seconds,
                skipped_steps=totals.skipped_steps,
            )
            self.history = (*self.history, row)
            if on_epoch is not None:
                on_epoch(row)
        return self.history[-epochs:]

    def validate(self, part: Part = "valid") -> Evaluation:
        """Return loss and accuracy on a part of the table.

        Parameters
        ----------
        part
            "train", "valid" or "test".

        Returns
        -------
        Evaluation
            With n; None instead of numbers where the part has no rows.
        """
        table, data = self._training_data()
        return evaluate(self._model, data, rows=self._rows(table, part))

    def predict_proba(self, rows: pd.DataFrame | Part) -> npt.NDArray[np.float64]:
        """Return the probability of each class, in the order of ``spec.classes``.

        A category that training never saw is read as unknown; ``encode(frame, encoder=learner.spec.encoder).unseen``
        counts such rows by column.

        Parameters
        ----------
        rows
            A frame with the feature columns, or the name of a part of the table.

        Returns
        -------
        ndarray
            Shape (n_rows, n_classes), float64; each row adds up to 1.

        Raises
        ------
        InputError
            If a feature is missing or not of the kind it had in training.
        """
        codes, numerics = self._inputs(rows)
        with deterministic_kernels(device=self.device, enabled=self.deterministic):
            logits = predict_logits(self._model, codes=codes, numerics=numerics)
        probabilities: npt.NDArray[np.float64] = logits.double().softmax(dim=1).cpu().numpy()
        return probabilities

    def predict(self, rows: pd.DataFrame | Part) -> npt.NDArray[np.generic]:
        """Return the most probable label of each row.

        Parameters
        ----------
        rows
            A frame with the feature columns, or the name of a part of the table.

        Returns
        -------
        ndarray
            Shape (n_rows,), labels.
        """
        return most_probable(self.predict_proba(rows), classes=self.spec.classes)

    def predict_log(self, rows: pd.DataFrame | Part) -> PredictionLog:
        """Return predictions as an audit reads them, with the digest of this model as their `model_version`.

        Parameters
        ----------
        rows
            A frame with features, labels and sensitive columns, or the name of a part of the table.

        Returns
        -------
        PredictionLog
            `y_true`, `y_pred`, `y_score` of the positive label, the sensitive features, and what `Columns` named.
        """
        frame = self._training_data()[0].part(rows) if isinstance(rows, str) else rows
        probabilities = self.predict_proba(rows)
        return prediction_log(frame, probabilities, spec=self.spec, model_version=self.model_version)

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
    def load(cls, path: str | Path, *, device: str = "auto") -> Self:
        """Read a model that `save` wrote; it predicts as it did, and holds no table.

        Parameters
        ----------
        path
            The folder.
        device
            Where to predict.

        Returns
        -------
        Learner
            Ready to predict.

        Raises
        ------
        CheckpointError
            If anything in the folder is missing, damaged, changed or from a newer version.
        """
        checkpoint = load_checkpoint(Path(path))
        learner = cls.__new__(cls)
        learner.table = learner._data = None
        learner.spec, learner.settings = checkpoint.spec, checkpoint.settings
        learner.device = resolve_device(device)
        try:
            learner.seed = int(checkpoint.training["seed"])
            learner.deterministic = bool(checkpoint.training["deterministic"]) and learner.device.type == "cpu"
            learner.history = tuple(EpochRow(**row) for row in checkpoint.training["history"])
            learner._cycles = tuple(Cycle(**cycle) for cycle in checkpoint.training["cycles"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"the record of training in {path} cannot be read: {error!r}"
            raise CheckpointError(message) from error
        learner._model = build_network(checkpoint.spec, checkpoint.settings, seed=learner.seed).to(learner.device)
        learner._model.load_state_dict(dict(checkpoint.weights))
        return learner

    def _train_epoch(
        self, data: Resident, *, train: Tensor, optimizer: GuardedAdamW, schedule: Schedule, batch_size: int
    ) -> EpochTotals:
        epoch = len(self.history)
        order = train[epoch_order(len(train), seed=self.seed, epoch=epoch, device=self.device)]
        with (
            seeded(derived_seed(self.seed, purpose="dropout", epoch=epoch), device=self.device),
            deterministic_kernels(device=self.device, enabled=self.deterministic),
        ):
            totals = train_epoch(
                self._model, data, order=order, optimizer=optimizer, schedule=schedule, batch_size=batch_size
            )
        if totals.loss is None:
            raise InputError([f"no step of epoch {epoch + 1} had a finite gradient: lower lr, or set clip"])
        return totals

    def _training_data(self) -> tuple[Table, Resident]:
        if self.table is None or self._data is None:
            raise InputError(["this learner was loaded and holds no table: pass a frame, or train with Learner(table)"])
        return self.table, self._data

    def _rows(self, table: Table, part: Part) -> Tensor:
        if part not in ("train", "valid", "test"):
            raise InputError([f'a part of the table is "train", "valid" or "test"; came {part!r}'])
        return torch.tensor(table.split.rows(part), device=self.device)

    def _inputs(self, rows: pd.DataFrame | Part) -> tuple[Tensor, Tensor]:
        if isinstance(rows, str):
            table, data = self._training_data()
            places = self._rows(table, rows)
            return data.codes[places], data.numerics[places]
        encoded = encode(rows, encoder=self.spec.encoder)
        codes, numerics = torch.from_numpy(encoded.codes), torch.from_numpy(encoded.numerics)
        return codes.to(self.device), numerics.to(self.device)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            spec=self.spec,
            settings=self.settings,
            weights={name: tensor.detach().cpu() for name, tensor in self._model.state_dict().items()},
            training={
                "seed": self.seed,
                "deterministic": self.deterministic,
                "cycles": [asdict(cycle) for cycle in self._cycles],
                "history": [asdict(row) for row in self.history],
                "environment": environment(self.device),
            },
        )
