"""Layers of any module, from the input to the head: which of them learn, and how fast."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from audit.errors import InputError, raise_violations
from trainer.fitting.stacked import StackedModels

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSettings:
    """Which groups of layers a cycle trains, and at what share of the learning rate; by default all, all alike.

    Parameters
    ----------
    frozen
        So many groups, counted from the input, keep their weights; -1 is all but the last.
    factor
        Learning rate of the first group as a share of that of the last, in (0, 1]; those between are at equal ratios.
    groups
        Names of the modules or parameters of each group, from the input to the head; None for the usual ones of
        `layer_groups`.

    Raises
    ------
    InputError
        If a setting is out of range; all of them are listed.

    Examples
    --------
    >>> LayerSettings(factor=0.01).factors(3)
    [0.01, 0.1, 1.0]
    >>> LayerSettings(factor=0.0)
    Traceback (most recent call last):
    audit.errors.InputError: factor is a share in (0, 1]; came 0.0
    """

    frozen: int = 0
    factor: float = 1.0
    groups: Sequence[Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if self.groups is not None:
            texts = [repr(group) for group in self.groups if isinstance(group, str)]
            raise_violations([f"a group of layers is a list of names; came the text {text}" for text in texts])
            object.__setattr__(self, "groups", tuple(tuple(group) for group in self.groups))
        violations = [] if 0 < self.factor <= 1 else [f"factor is a share in (0, 1]; came {self.factor}"]
        if self.frozen < -1:
            violations.append(f"frozen is a number of groups, or -1 for all but the last; came {self.frozen}")
        raise_violations(violations)

    def factors(self, n_groups: int) -> list[float]:
        """Return the share of the learning rate of each group, rising at equal ratios to 1."""
        last = max(n_groups - 1, 1)
        return [round(self.factor ** ((last - place) / last), 12) if n_groups > 1 else 1.0 for place in range(n_groups)]


class LayerGroup(NamedTuple):
    """Some layers of a module: the names of the modules or parameters it is made of, and all their parameters."""

    names: Names
    parameters: tuple[nn.Parameter, ...]


def read_layers(record: Mapping[str, Any] | None) -> LayerSettings | None:
    """Return the settings that a checkpoint's record describes, or None where there were none.

    Examples
    --------
    >>> read_layers({"frozen": 1, "factor": 0.1, "groups": [["body"], ["head"]]}).groups
    (('body',), ('head',))
    """
    return None if record is None else LayerSettings(**record)


def layer_groups(module: nn.Module, groups: Sequence[Sequence[str]] | None = None) -> tuple[LayerGroup, ...]:
    """Return the parameters of a module in groups, from the input to the head.

    Parameters
    ----------
    module
        Any module, or stacked models: their layers have the names they have in one model.
    groups
        Names of the modules or parameters of each group. None takes the children of the module, in the order in which
        it was given them; where only one child has parameters, the children of that one.

    Returns
    -------
    tuple of LayerGroup
        Each parameter in one group.

    Raises
    ------
    InputError
        If a name fits no parameter, or a parameter is in no group or in two; all of them are listed.

    Examples
    --------
    >>> module = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3)), nn.Linear(3, 1))
    >>> [group.names for group in layer_groups(module)]
    [('0',), ('1',)]
    >>> [len(group.parameters) for group in layer_groups(module, [["0.0"], ["0.2", "1"]])]
    [2, 4]
    """
    parameters = _named(module)
    chosen = _children(list(parameters)) if groups is None else [tuple(group) for group in groups]
    homes = {
        name: [place for place, group in enumerate(chosen) if any(_within(name, prefix) for prefix in group)]
        for name in parameters
    }
    every = [prefix for group in chosen for prefix in group]
    violations = [
        f"layer {prefix!r} fits no parameter; the module has {', '.join(parameters)}"
        for prefix in every
        if not any(_within(name, prefix) for name in parameters)
    ]
    violations += [
        f"parameter {name!r} must be in one group of layers; it is in {len(places)}"
        for name, places in homes.items()
        if len(places) != 1
    ]
    raise_violations(violations)
    return tuple(
        LayerGroup(tuple(group), tuple(item for name, item in parameters.items() if homes[name] == [place]))
        for place, group in enumerate(chosen)
    )


def learning_groups(module: nn.Module, settings: LayerSettings | None) -> list[tuple[list[Tensor], float]]:
    """Return the parameters that a cycle trains, with the factor of their learning rate.

    What the owner of the module froze (`freeze`) stays frozen.

    Raises
    ------
    InputError
        If nothing is left to train, or the settings do not fit the module.

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1))
    >>> [factor for _, factor in learning_groups(module, LayerSettings(frozen=1, factor=0.01))]
    [0.1, 1.0]
    """
    settings = settings or LayerSettings()
    groups = layer_groups(module, settings.groups)
    n_frozen = _n_frozen(groups, settings)
    if settings.factor == 1.0:
        learning = [([item for group in groups[n_frozen:] for item in group.parameters if item.requires_grad], 1.0)]
    else:
        learning = [
            ([item for item in group.parameters if item.requires_grad], factor)
            for group, factor in zip(groups, settings.factors(len(groups)), strict=True)
        ][n_frozen:]
    learning = [(items, factor) for items, factor in learning if items]
    if not learning:
        raise InputError([f"no layer is left to train: frozen={settings.frozen} of {len(groups)} groups of layers"])
    return [(list[Tensor](items), factor) for items, factor in learning]


@contextmanager
def held(module: nn.Module, settings: LayerSettings | None) -> Iterator[None]:
    """Keep the frozen groups as they are inside: no gradient, and batch normalisation as in prediction.

    So it is for what the owner of the module froze (`freeze`).

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> with held(module, LayerSettings(frozen=-1)):
    ...     inside = [item.requires_grad for item in module.parameters()]
    >>> inside, [item.requires_grad for item in module.parameters()]
    ([False, False, True, True], [True, True, True, True])
    """
    settings = settings or LayerSettings()
    groups = layer_groups(module, settings.groups)
    frozen = groups[: _n_frozen(groups, settings)]
    stopped = [item for group in frozen for item in group.parameters if item.requires_grad]
    for parameter in stopped:
        parameter.requires_grad = False
    hooks = [layer.register_forward_pre_hook(_as_in_prediction) for layer in _resting(module, groups)]
    try:
        yield
    finally:
        for parameter in stopped:
            parameter.requires_grad = True
        for hook in hooks:
            hook.remove()


def freeze(module: nn.Module, *, groups: int = -1) -> None:
    """Let so many groups of layers, counted from the input, keep their weights until `unfreeze`; -1: all but the last.

    Their batch normalisation is as in prediction while others learn: its means stay too. Within one cycle
    ``Recipe(layers=LayerSettings(frozen=...))`` does it, and is written into the record.

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> freeze(module)
    >>> [item.requires_grad for item in module.parameters()]
    [False, False, True, True]
    """
    found = layer_groups(module)
    for group in found[: _n_frozen(found, LayerSettings(frozen=groups))]:
        for parameter in group.parameters:
            parameter.requires_grad = False


def unfreeze(module: nn.Module) -> None:
    """Let all layers learn.

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> freeze(module)
    >>> unfreeze(module)
    >>> all(item.requires_grad for item in module.parameters())
    True
    """
    for parameter in module.parameters():
        parameter.requires_grad = True


def frozen_names(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters that keep their weights, of stacked models as they are in one model.

    Examples
    --------
    >>> module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> freeze(module)
    >>> frozen_names(module)
    ('0.weight', '0.bias')
    """
    return tuple(name for name, item in _named(module).items() if not item.requires_grad)


def freeze_only(module: nn.Module, names: Sequence[str]) -> None:
    """Let the parameters named keep their weights, and all others learn: what `frozen_names` returned.

    Raises
    ------
    InputError
        If a name fits no parameter; all of them are listed.

    Examples
    --------
    >>> module = nn.Linear(2, 3)
    >>> freeze_only(module, ["bias"])
    >>> frozen_names(module)
    ('bias',)
    """
    parameters = _named(module)
    unknown = [name for name in names if name not in parameters]
    raise_violations([f"the frozen parameter {name!r} is not in the module" for name in unknown])
    for name, parameter in parameters.items():
        parameter.requires_grad = name not in names


def layers_of(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules within a module by their names; of stacked models those of one model.

    Examples
    --------
    >>> [name for name, _ in layers_of(StackedModels([nn.Sequential(nn.Linear(1, 2))]))]
    ['', '0']
    """
    return list((module.skeleton if isinstance(module, StackedModels) else module).named_modules())


def _resting(module: nn.Module, groups: Sequence[LayerGroup]) -> list[nn.Module]:
    """Return the layers of batch normalisation that are frozen: themselves, or with all of their group."""
    parameters = _named(module)
    still = [prefix for group in groups if not any(map(_learns, group.parameters)) for prefix in group.names]
    found: list[nn.Module] = []
    for name, layer in layers_of(module):
        own = [f"{name}.{item}".lstrip(".") for item, _ in layer.named_parameters(recurse=False)]
        frozen = own and not any(_learns(parameters[each]) for each in own)
        if isinstance(layer, _BatchNorm) and (frozen or any(_within(name, prefix) for prefix in still)):
            found.append(layer)
    return found


def _learns(parameter: nn.Parameter) -> bool:
    return parameter.requires_grad


def _named(module: nn.Module) -> dict[str, nn.Parameter]:
    stacked = isinstance(module, StackedModels)
    return {name.replace("__", ".") if stacked else name: item for name, item in module.named_parameters()}


def _children(names: Sequence[str]) -> list[Names]:
    if not any("." in name for name in names):
        return [tuple(names)]
    depth, parts = 0, [name.split(".") for name in names]
    while len({tuple(part[: depth + 1]) for part in parts}) == 1 and all(len(part) > depth + 2 for part in parts):
        depth += 1
    return [(prefix,) for prefix in dict.fromkeys(".".join(part[: depth + 1]) for part in parts)]


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _n_frozen(groups: Sequence[LayerGroup], settings: LayerSettings) -> int:
    return len(groups) - 1 if settings.frozen == -1 else settings.frozen


def _as_in_prediction(layer: nn.Module, inputs: object) -> None:
    del inputs
    layer.eval()
