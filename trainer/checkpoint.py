"""A trained model on disk: tensors as safetensors, everything else as JSON, digests over all, no pickle.

A checkpoint is a folder with ``config.json``, ``weights-<first 16 hex of their SHA-256>.safetensors`` and, where
training was saved before its end, ``state-<...>.safetensors``. The tensors are written first and the configuration
last, each to a temporary name and then renamed, so that at any moment the folder holds either the old checkpoint or the
new one. The digests find damage and careless edits; they are no signature and do not stop someone who recomputes them.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from audit.errors import EvidenceError, raise_violations
from audit.measurement import canonical_json
from trainer.data.kinds import Spec, read_spec
from trainer.data.read_checks import spec_violations
from trainer.evidence.temperature import read_temperatures
from trainer.fitting.stacked import StackedModels
from trainer.networks.registry import Settings, build_network, network_record, read_network

SCHEMA = "evenhanded/checkpoint/3"
BEFORE = "evenhanded/checkpoint/2"
"""Read too. A number's content digest and the weights of groups of group DRO were held in another way."""


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
        How rows are read, and what the model answers.
    network
        Shape of the network, or a module of one's own.
    models
        How many models of that shape the weights hold; None for one that is not stacked.
    weights
        Its tensors by name, on the host.
    training
        How it was trained, as JSON values: settings, history, versions. No part of the model's identity, since clocks
        differ.
    state
        Where training stands, by name, to go on from there; None after its end.
    temperatures
        Of each model, by which its outputs are divided; None where it was not recalibrated.

    Examples
    --------
    How it was trained does not change which model it is.

    >>> from trainer.data.columns import Columns
    >>> from trainer.data.encoders import CategoryEncoder, TableEncoder
    >>> from trainer.data.spec import TableSpec
    >>> from trainer.data.target import Target
    >>> from trainer.networks.tabular import MLPSettings
    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook", "smith")),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, target=Target(kind="classes", classes=(0, 1)))
    >>> weights = build_models(spec, MLPSettings(hidden=(4,)), seeds=(0,), models=None).state_dict()
    >>> one, other = (Checkpoint(spec=spec, network=MLPSettings(hidden=(4,)), weights=weights, training={"epochs": n})
    ...               for n in (1, 2))
    >>> one.model_version == other.model_version
    True

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_checkpoint(one, Path(folder))
    ...     load_checkpoint(Path(folder)).model_version == one.model_version
    True
    """

    spec: Spec
    network: Settings | nn.Module
    weights: Mapping[str, Tensor]
    training: Mapping[str, Any]
    models: int | None = None
    state: Mapping[str, Tensor] | None = None
    temperatures: tuple[float, ...] | None = None

    @property
    def model_version(self) -> str:
        """SHA-256 over the weights, how rows are read, the shape of the network, and its temperatures."""
        return _sha256(canonical_json(_identity(self, weights=_bytes(self.weights))))


def build_models(spec: Spec, network: Settings | nn.Module, *, seeds: Sequence[int], models: int | None) -> nn.Module:
    """Return the untrained network, or as many as there are seeds, stacked."""
    if models is None:
        return build_network(spec, network, seed=seeds[0])
    return StackedModels([build_network(spec, network, seed=seed) for seed in seeds])


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
    InputError
        If what is to be written is not finite, and could not be read back; before a folder is made.
    OSError
        If the folder or a file in it cannot be written.
    """
    raise_violations(_unwritable(checkpoint))
    weights = _bytes(checkpoint.weights)
    state = None if checkpoint.state is None else _bytes(checkpoint.state)
    body = {
        "model": _identity(checkpoint, weights=weights),
        "training": dict(checkpoint.training),
        "state": None if state is None else _sha256(state),
    }
    config = {
        "schema": SCHEMA,
        "model_version": checkpoint.model_version,
        "digest": _sha256(canonical_json(body)),
        **body,
    }
    files = {_file_name("weights", _sha256(weights)): weights}
    if state is not None:
        files[_file_name("state", _sha256(state))] = state
    text = json.dumps(config, indent=1, allow_nan=False).encode()
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _write_atomically(path / name, content)
    _write_atomically(path / "config.json", text)
    for other in [*path.glob("weights-*.safetensors"), *path.glob("state-*.safetensors")]:
        if other.name not in files:
            other.unlink()


def load_checkpoint(path: Path, *, own: nn.Module | None = None) -> Checkpoint:
    """Read a checkpoint and check all of it: schema, digests, and that the weights fit the network described.

    Parameters
    ----------
    path
        The folder.
    own
        A module of one's own, where the checkpoint was saved of one.

    Returns
    -------
    Checkpoint
        What was saved.

    Raises
    ------
    CheckpointError
        If a file is missing, cut short, changed, of a newer schema, of another architecture, or holds weights that are
        no numbers.
    """
    config = _read_config(path / "config.json")
    model = config["model"]
    raw = _read_tensors(path, "weights", str(model.get("weights", "")))
    state = None if config["state"] is None else _read_tensors(path, "state", str(config["state"]))
    try:
        checkpoint = Checkpoint(
            spec=read_spec(model["data"]),
            network=read_network(model["network"], own=own),
            weights=safetensors.torch.load(raw),
            training=config["training"],
            models=model["models"],
            state=None if state is None else _state(safetensors.torch.load(state), schema=config["schema"]),
            temperatures=read_temperatures(model.get("temperatures"), models=model["models"]),
        )
        raise_violations(spec_violations(checkpoint.spec))
        seeds = range(checkpoint.models or 1)
        network = build_models(checkpoint.spec, checkpoint.network, seeds=seeds, models=checkpoint.models)
        network.load_state_dict(dict(checkpoint.weights), strict=True)
        raise_violations(_not_finite(network))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        message = f"the checkpoint in {path} does not describe the network whose weights it holds: {error}"
        raise CheckpointError(message) from error
    return checkpoint


def _not_finite(network: nn.Module) -> list[str]:
    """Return which parameters are not finite, and which buffers are NaN: a mask of minus infinity is a buffer."""
    bad = [name for name, item in network.named_parameters() if not bool(torch.isfinite(item).all())]
    bad += [name for name, item in network.named_buffers() if bool(torch.isnan(item).any())]
    return [f"{name!r} is not finite: that training diverged, or the file was made up" for name in bad]


def _unwritable(checkpoint: Checkpoint) -> list[str]:
    """Return what of a checkpoint is not finite: the same that `load_checkpoint` refuses, and what JSON cannot hold."""
    violations = [
        f"{where} is {value}, which is no number of JSON" for where, value in _not_json(checkpoint.training, "training")
    ]
    bad = [name for name, item in checkpoint.weights.items() if item.is_floating_point() and not _finite(item)]
    if bad:
        models = build_models(
            checkpoint.spec, checkpoint.network, seeds=range(checkpoint.models or 1), models=checkpoint.models
        )
        buffers = [name for name, _ in models.named_buffers() if name in checkpoint.weights]
        constants = {name for name in buffers if not bool(checkpoint.weights[name].isnan().any())}
        violations += [
            f"{name!r} is not finite: training diverged; train again with a lower lr, or look for extreme inputs"
            for name in bad
            if name not in constants
        ]
    return [f"nothing is saved: {text}" for text in violations]


def _not_json(value: object, where: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers within JSON values that are NaN or infinite, and where they stand."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _not_json(each, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _not_json(each, f"{where}[{place}]")


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _state(state: Mapping[str, Tensor], *, schema: str) -> dict[str, Tensor]:
    """Return a state of training as it is held now: of group DRO the logarithm of q."""
    held = dict(state)
    if schema == BEFORE and "objective.q" in held:
        held["objective.log_q"] = held.pop("objective.q").double().log()
    return held


def _refused(constant: str) -> float:
    message = f"{constant} is no number of JSON"
    raise ValueError(message)


def _identity(checkpoint: Checkpoint, *, weights: bytes) -> dict[str, Any]:
    identity = {
        "data": checkpoint.spec.record(),
        "network": network_record(checkpoint.network),
        "models": checkpoint.models,
        "weights": _sha256(weights),
    }
    return identity if checkpoint.temperatures is None else {**identity, "temperatures": list(checkpoint.temperatures)}


def _read_tensors(path: Path, kind: str, digest: str) -> bytes:
    if not re.fullmatch("[0-9a-f]{64}", digest):
        message = f"the config.json in {path} names no {kind} by their SHA-256; came {digest[:80]!r}"
        raise CheckpointError(message)
    raw = _read_bytes(path / _file_name(kind, digest))
    if _sha256(raw) != digest:
        message = f"the {kind} in {path} are not those of its config.json: the file was cut short or changed"
        raise CheckpointError(message)
    return raw


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(_read_bytes(path), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        message = f"{path} is not valid JSON; it was cut short or changed: {error}"
        raise CheckpointError(message) from error
    schema = config.get("schema") if isinstance(config, dict) else None
    if schema not in (SCHEMA, BEFORE):
        message = f"{path} has the schema {schema!r}; this version reads {SCHEMA!r}: update evenhanded, or train again"
        raise CheckpointError(message)
    body: dict[str, Any] = {key: config.get(key) for key in ("model", "training", "state")}
    described = {"digest": _sha256(canonical_json(body)), "model_version": _sha256(canonical_json(body["model"]))}
    if any(config.get(key) != value for key, value in described.items()) or not isinstance(body["model"], dict):
        message = f"{path} does not match its own digest: it was changed after it was written"
        raise CheckpointError(message)
    if schema == BEFORE and isinstance(body["training"], dict):
        config["training"] = _without_content(body["model"], body["training"])
    return config


def _without_content(model: Mapping[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """Return an older record of training; its digest of a number's rows is of numbers in another unit."""
    data = model.get("data")
    target = data.get("target") if isinstance(data, dict) else None
    number = isinstance(target, dict) and target.get("kind") == "number"
    return {**training, "content": None} if number else training


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


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})


def _file_name(kind: str, digest: str) -> str:
    return f"{kind}-{digest[:16]}.safetensors"


def _sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
