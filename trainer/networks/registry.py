"""Every network by its name: from settings and the shape of the data to a module with weights drawn from a seed."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from audit.errors import raise_violations
from trainer.data.images import ImageSpec
from trainer.data.kinds import Spec
from trainer.data.ratings import RatingsSpec
from trainer.data.spec import TableSpec
from trainer.device import seeded
from trainer.networks.images import CNNSettings, ImageCNN, Normalize
from trainer.networks.ratings import DotBias, DotSettings, RatingsNet, RatingsNetSettings
from trainer.networks.resnet import ImageResNet, ResNetSettings
from trainer.networks.tabular import MLPSettings, TabularMLP
from trainer.seeds import derived_seed

Settings = MLPSettings | CNNSettings | ResNetSettings | DotSettings | RatingsNetSettings
"""Settings of a network that this package knows how to build."""


def build_network(spec: Spec, settings: Settings | nn.Module, *, seed: int) -> nn.Module:
    """Return an untrained network that fits the data described; a pure function of its arguments.

    Parameters
    ----------
    spec
        Of the data: fixes the sizes of the first and last layers.
    settings
        Shape of the network between them; or a module of one's own, which is copied with the weights it has.
    seed
        Seed of the initial weights, drawn on the CPU, so that every device starts from the same ones.

    Returns
    -------
    nn.Module
        In the memory of the host.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.encoders import CategoryEncoder, TableEncoder
    >>> from trainer.data.target import Target
    >>> encoder = TableEncoder(numeric=(), category=(CategoryEncoder(column="job", categories=("cook",)),))
    >>> spec = TableSpec(columns=Columns(y="paid"), encoder=encoder, target=Target(kind="classes", classes=(0, 1)))
    >>> build_network(spec, MLPSettings(hidden=(4,)), seed=7).dense[0].in_features
    8
    """
    if isinstance(settings, nn.Module):
        return copy.deepcopy(settings)
    with seeded(derived_seed(seed, purpose="weights"), device=torch.device("cpu")):
        return _BUILD[settings.architecture](spec, settings)


def default_settings(spec: Spec) -> Settings:
    """Return the settings of the network that a kind of data is learnt with unless another is named."""
    return _DEFAULT[spec.record()["kind"]]()


def network_record(settings: Settings | nn.Module) -> dict[str, Any]:
    """Return the settings as JSON values; of a module of one's own only its name.

    Examples
    --------
    >>> network_record(MLPSettings())["architecture"], network_record(nn.Linear(1, 2))
    ('tabular_mlp', {'architecture': 'custom', 'name': 'Linear'})
    """
    if isinstance(settings, nn.Module):
        return {"architecture": "custom", "name": type(settings).__name__}
    return {"architecture": settings.architecture, **asdict(settings)}


def read_network(record: Mapping[str, Any], *, own: nn.Module | None = None) -> Settings | nn.Module:
    """Return the settings that a checkpoint's record describes, or the module of one's own that it was saved of.

    Raises
    ------
    ValueError
        If the architecture is unknown, or is a module of one's own and none, or one of another name, was passed.

    Examples
    --------
    >>> read_network(network_record(MLPSettings(hidden=(8,)))).hidden
    (8,)
    """
    values = {name: value for name, value in record.items() if name != "architecture"}
    architecture = record["architecture"]
    if architecture == "custom":
        if own is None or type(own).__name__ != record["name"]:
            came = "none" if own is None else type(own).__name__
            message = f"the model is a {record['name']} of your own: pass network=..., a module of it; came {came}"
            raise ValueError(message)
        return own
    if architecture not in _SETTINGS:
        message = f"architecture must be one of {', '.join(_SETTINGS)}; came {architecture!r}"
        raise ValueError(message)
    return _SETTINGS[architecture](**values)


def _tabular(spec: TableSpec, settings: MLPSettings) -> nn.Module:
    return TabularMLP(
        n_codes=spec.encoder.n_codes,
        n_numeric=spec.encoder.n_numeric,
        n_classes=spec.target.n_outputs,
        texts=spec.encoder.texts,
        settings=settings,
    )


def _image_network(spec: ImageSpec, settings: CNNSettings | ResNetSettings) -> nn.Module:
    least, (high, wide) = settings.least_size, spec.size
    small = f"{settings.architecture} needs images of at least {least} x {least} pixels; came {high} x {wide}"
    raise_violations([f"{small}: name fewer widths"] if min(high, wide) < least else [])
    normalize, n_outputs = Normalize(mean=spec.mean, std=spec.std), spec.target.n_outputs
    if isinstance(settings, CNNSettings):
        return ImageCNN(normalize=normalize, channels=spec.channels, n_outputs=n_outputs, settings=settings)
    return ImageResNet(normalize=normalize, channels=spec.channels, n_outputs=n_outputs, settings=settings)


def _ratings(spec: RatingsSpec, settings: DotSettings | RatingsNetSettings) -> nn.Module:
    n_users, n_items, target = len(spec.users.categories), len(spec.items.categories), spec.target
    start = 0.0
    if target.low is not None and target.high is not None:  # a sigmoid holds the answer: begin at the mean all the same
        share = (target.center - target.low) / (target.high - target.low)
        start = math.log(max(share, 1e-3) / max(1.0 - share, 1e-3))
    if isinstance(settings, DotSettings):
        return DotBias(n_users=n_users, n_items=n_items, settings=settings, start=start)
    return RatingsNet(n_users=n_users, n_items=n_items, settings=settings, start=start)


_BUILD: dict[str, Callable[[Any, Any], nn.Module]] = {
    "tabular_mlp": _tabular,
    "image_cnn": _image_network,
    "image_resnet": _image_network,
    "ratings_dot": _ratings,
    "ratings_net": _ratings,
}
_SETTINGS: dict[str, type[Settings]] = {
    "tabular_mlp": MLPSettings,
    "image_cnn": CNNSettings,
    "image_resnet": ResNetSettings,
    "ratings_dot": DotSettings,
    "ratings_net": RatingsNetSettings,
}
_DEFAULT: dict[str, type[Settings]] = {
    "table": MLPSettings,
    "images": CNNSettings,
    "ratings": DotSettings,
}
