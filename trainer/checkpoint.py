"""A trained model on disk: weights as safetensors, everything else as JSON, digests over both, no pickle.

A checkpoint is a folder with ``config.json`` and ``weights-<first 16 hex of their SHA-256>.safetensors``. The weights
are written first and the configuration last, each to a temporary name and then renamed, so that at any moment the
folder holds either the old checkpoint or the new one. The digests find damage and careless edits; they are no
signature and do not stop someone who recomputes them.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from audit.errors import EvidenceError
from audit.measurement import canonical_json
from trainer.columns import Columns
from trainer.device import seeded
from trainer.encoders import CategoryEncoder, NumericEncoder, TableEncoder
from trainer.models import MLPSettings, TabularMLP
from trainer.seeds import derived_seed
from trainer.spec import TableSpec

SCHEMA = "evenhanded/checkpoint/1"


class CheckpointError(EvidenceError):
    """A checkpoint that is missing, damaged, changed, or from another version; the text says which and what to do.

    Examples
    --------
    >>> try:
    ...     load_checkpoint(Path("no-such-model"))
    ... except CheckpointError as error:
    ...     print(str(error).partition(" (")[0])
    no readable config.json in no-such-model: pass the folder that Learner.save wrote
    """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """What is saved of a learner.

    Parameters
    ----------
    spec
        Roles of the columns, encoders and classes.
    settings
        Shape of the network.
    weights
        Its tensors by name, on the host.
    training
        How it was trained, as JSON values: settings, history, versions. No part of the model's identity, since clocks
        differ.

    Examples
    --------
    How it was trained does not change which model it is.

    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook", "smith")),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, classes=(0, 1))
    >>> weights = build_network(spec, MLPSettings(hidden=(4,)), seed=0).state_dict()
    >>> one, other = (Checkpoint(spec=spec, settings=MLPSettings(hidden=(4,)), weights=weights, training={"epochs": n})
    ...               for n in (1, 2))
    >>> one.model_version == other.model_version
    True
    """

    spec: TableSpec
    settings: MLPSettings
    weights: Mapping[str, Tensor]
    training: Mapping[str, Any]

    @property
    def model_version(self) -> str:
        """SHA-256 over the weights, the encoders, the classes and the shape of the network."""
        return _sha256(canonical_json(_identity(self, weights=_weight_bytes(self))))


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint into a folder, which is created; one that is there already is replaced at once or not at all.

    Parameters
    ----------
    checkpoint
        What to write.
    path
        The folder.

    Raises
    ------
    OSError
        If the folder or a file in it cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook", "smith")),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, classes=(0, 1))
    >>> network = build_network(spec, MLPSettings(hidden=(4,)), seed=0)
    >>> with TemporaryDirectory() as folder:
    ...     save_checkpoint(Checkpoint(spec=spec, settings=MLPSettings(hidden=(4,)), weights=network.state_dict(),
    ...                                training={}), Path(folder))
    ...     sorted(file.suffix for file in Path(folder).iterdir())
    ['.json', '.safetensors']
    """
    path.mkdir(parents=True, exist_ok=True)
    weights = _weight_bytes(checkpoint)
    body = {"model": _identity(checkpoint, weights=weights), "training": dict(checkpoint.training)}
    config = {
        "schema": SCHEMA,
        "model_version": checkpoint.model_version,
        "digest": _sha256(canonical_json(body)),
        **body,
    }
    name = _weights_name(_sha256(weights))
    _write_atomically(path / name, weights)
    _write_atomically(path / "config.json", json.dumps(config, indent=1, allow_nan=False).encode())
    for other in path.glob("weights-*.safetensors"):
        if other.name != name:
            other.unlink()


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check all of it: schema, digests, and that the weights fit the network described.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    Checkpoint
        What was saved.

    Raises
    ------
    CheckpointError
        If a file is missing, cut short, changed, of a newer schema, or of another architecture.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook", "smith")),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, classes=(0, 1))
    >>> weights = build_network(spec, MLPSettings(hidden=(4,)), seed=0).state_dict()
    >>> saved = Checkpoint(spec=spec, settings=MLPSettings(hidden=(4,)), weights=weights, training={"epochs": 1})
    >>> with TemporaryDirectory() as folder:
    ...     save_checkpoint(saved, Path(folder))
    ...     load_checkpoint(Path(folder)).model_version == saved.model_version
    True
    """
    config = _read_config(path / "config.json")
    model = config["model"]
    raw = _read_bytes(path / _weights_name(str(model.get("weights", ""))))
    if _sha256(raw) != model["weights"]:
        message = f"the weights in {path} are not those of its config.json: the file was cut short or changed"
        raise CheckpointError(message)
    try:
        checkpoint = Checkpoint(
            spec=_read_spec(model),
            settings=MLPSettings(**model["network"]),
            weights=safetensors.torch.load(raw),
            training=config["training"],
        )
        network = build_network(checkpoint.spec, checkpoint.settings, seed=0)
        network.load_state_dict(dict(checkpoint.weights), strict=True)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        message = f"the checkpoint in {path} does not describe the network whose weights it holds: {error}"
        raise CheckpointError(message) from error
    return checkpoint


def build_network(spec: TableSpec, settings: MLPSettings, *, seed: int) -> TabularMLP:
    """Return an untrained network that fits the data described; a pure function of its arguments.

    Parameters
    ----------
    spec
        Encoders and classes, which fix the sizes of the first and last layers.
    settings
        Shape of the network between them.
    seed
        Seed of the initial weights, drawn on the CPU, so that every device starts from the same ones.

    Returns
    -------
    TabularMLP
        In the memory of the host.

    Examples
    --------
    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook",)),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, classes=(0, 1))
    >>> build_network(spec, MLPSettings(hidden=(4,)), seed=7).dense[0].in_features
    8
    """
    with seeded(derived_seed(seed, purpose="weights"), device=torch.device("cpu")):
        return TabularMLP(
            n_codes=spec.encoder.n_codes,
            n_numeric=len(spec.encoder.numeric),
            n_classes=len(spec.classes),
            settings=settings,
        )


def _identity(checkpoint: Checkpoint, *, weights: bytes) -> dict[str, Any]:
    spec = checkpoint.spec
    return {
        "architecture": "tabular_mlp",
        "network": asdict(checkpoint.settings),
        "columns": asdict(spec.columns),
        "encoder": asdict(spec.encoder),
        "classes": list(spec.classes),
        "weights": _sha256(weights),
    }


def _read_spec(model: Mapping[str, Any]) -> TableSpec:
    if model["architecture"] != "tabular_mlp":
        message = f"architecture must be 'tabular_mlp'; came {model['architecture']!r}"
        raise ValueError(message)
    encoder = TableEncoder(
        numeric=tuple(NumericEncoder(**_tuples(item)) for item in model["encoder"]["numeric"]),
        category=tuple(CategoryEncoder(**_tuples(item)) for item in model["encoder"]["category"]),
    )
    return TableSpec(columns=Columns(**model["columns"]), encoder=encoder, classes=tuple(model["classes"]))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(_read_bytes(path))
    except ValueError as error:
        message = f"{path} is not valid JSON; it was cut short or changed: {error}"
        raise CheckpointError(message) from error
    schema = config.get("schema") if isinstance(config, dict) else None
    if schema != SCHEMA:
        message = f"{path} has the schema {schema!r}; this version reads {SCHEMA!r}: update evenhanded, or train again"
        raise CheckpointError(message)
    body = {key: config.get(key) for key in ("model", "training")}
    described = {"digest": _sha256(canonical_json(body)), "model_version": _sha256(canonical_json(body["model"]))}
    if any(config.get(key) != value for key, value in described.items()) or not isinstance(body["model"], dict):
        message = f"{path} does not match its own digest: it was changed after it was written"
        raise CheckpointError(message)
    return config


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = (
            f"no readable {path.name} in {path.parent}: pass the folder that Learner.save wrote ({error.strerror})"
        )
        raise CheckpointError(message) from error


def _write_atomically(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _weight_bytes(checkpoint: Checkpoint) -> bytes:
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in checkpoint.weights.items()})


def _weights_name(digest: str) -> str:
    return f"weights-{digest[:16]}.safetensors"


def _sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
