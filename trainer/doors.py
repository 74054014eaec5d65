"""What is wrong with what is passed to a learner: everything at once, before anything is built or trained."""

from pathlib import Path

from torch import nn

from audit.errors import InputError, raise_violations
from trainer.fitting.row_weight_checks import reweighing_violations
from trainer.history import Cycle, Recipe, Saving, cycle_violations
from trainer.networks.images import CNNSettings
from trainer.networks.ratings import DotSettings, RatingsNetSettings
from trainer.networks.resnet import ResNetSettings
from trainer.networks.tabular import MLPSettings
from trainer.setting_checks import kind_violations, seed_faults, whole_violations

_SETTINGS = (MLPSettings, CNNSettings, ResNetSettings, DotSettings, RatingsNetSettings)
_DATA = "a Table, Images or Ratings, made by from_frame or from_arrays"
_NETWORK = "settings, such as MLPSettings(hidden=(64,)), or an nn.Module"
COVERING = ("rows", "groups", "time")
"""Ways to split that put every row into a part; a split that is given may leave some out."""


def learner_violations(
    data: object,
    *,
    network: object,
    models: object,
    seed: object,
    device: object,
    deterministic: object,
    resample: object = None,
    row_weights: object = None,
) -> list[str]:
    """Return what is wrong with what a learner is made of.

    Examples
    --------
    >>> learner_violations({}, network="mlp", models="3", seed=-1, device="cpu", deterministic=None)[1:3]
    ["network must be settings, such as MLPSettings(hidden=(64,)), or an nn.Module; came 'mlp'", "models must be a \
whole number; came '3'"]
    """
    found = data_violations(data)
    n_train = None if found else len(data.split.train)  # type: ignore[attr-defined] # asked above
    found += kind_violations("network", network, [*_SETTINGS, nn.Module], _NETWORK)
    found += [] if models is None else whole_violations({"models": models})
    found += seed_faults(seed)
    found += reweighing_violations(resample, row_weights, models=models, n_train=n_train)
    return found + device_violations(device) + kind_violations("deterministic", deterministic, [bool], "True or False")


def data_violations(data: object) -> list[str]:
    """Return what is wrong with data: no data at all, or a split of fewer rows than there are.

    Examples
    --------
    >>> data_violations([1, 2])
    ['data must be a Table, Images or Ratings, made by from_frame or from_arrays; came list']
    """
    if not all(hasattr(data, name) for name in ("spec", "split", "resident")):
        return [f"data must be {_DATA}; came {type(data).__name__}"]
    split, frame = data.split, getattr(data, "frame", None)  # type: ignore[attr-defined] # asked above
    named = sum(len(rows) for rows in (split.train, split.valid, split.test))
    if split.method not in COVERING or frame is None or named == len(frame):
        return []
    left = len(frame) - named
    told = f"the split by {split.method} was made of {named:,} rows and the data have {len(frame):,}"
    return [f"{told}: {left:,} would be in no part; split these data, or name the parts with split_given"]


def device_violations(device: object) -> list[str]:
    """Return a sentence where a device is no text; `trainer.device.resolve_device` reads the text.

    Examples
    --------
    >>> device_violations(0)
    ['device must be "auto", "cpu", "cuda" or "cuda:<number>"; came 0']
    """
    return (
        [] if isinstance(device, str) else [f'device must be "auto", "cpu", "cuda" or "cuda:<number>"; came {device!r}']
    )


def checked_cycle(
    epochs: int, lr: float, *, batch_size: int, recipe: Recipe | None, on_epoch: object, saving: object
) -> Cycle:
    """Return the cycle that a fit asks for.

    Raises
    ------
    InputError
        Listing everything that is wrong with it.
    """
    found = saving_violations(saving)
    if on_epoch is not None and not callable(on_epoch):
        found.append(f"on_epoch must be a function that takes the row of an epoch; came {on_epoch!r}")
    taken = Recipe() if recipe is None else recipe
    raise_violations(cycle_violations(epochs, lr, batch_size, taken) + found)
    return Cycle(epochs=int(epochs), lr=float(lr), batch_size=int(batch_size), recipe=taken)


def folder_of(path: str | Path) -> Path:
    """Return a folder to write to.

    Raises
    ------
    InputError
        If it is no name, or a file stands there.

    Examples
    --------
    >>> folder_of("model").name
    'model'
    """
    if not isinstance(path, str | Path):
        raise InputError([f"path must be a folder; came {path!r}"])
    if Path(path).is_file():
        raise InputError([f"{path} is a file; name a folder"])
    return Path(path)


def saving_violations(saving: object) -> list[str]:
    """Return what is wrong with where training is saved.

    Examples
    --------
    >>> saving_violations("model")
    ["saving must be Saving(folder), with every=n for each n batches; came 'model'"]
    >>> saving_violations(Saving("model", every=0))
    ['saving.every must be at least 1; came 0']
    """
    if saving is None:
        return []
    if not isinstance(saving, Saving):
        return kind_violations("saving", saving, [Saving], "Saving(folder), with every=n for each n batches")
    folder: object = saving.folder
    found = [] if isinstance(folder, str | Path) else [f"saving.folder must be a folder; came {folder!r}"]
    return found + ([] if saving.every is None else whole_violations({"saving.every": saving.every}))
