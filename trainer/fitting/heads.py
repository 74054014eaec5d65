"""A new head for a network that has learnt something else."""

import copy

import torch
from torch import nn

from audit.errors import InputError
from trainer.device import seeded
from trainer.fitting.stacked import StackedModels
from trainer.seeds import derived_seed


def replace_head(module: nn.Module, *, n_outputs: int, head: str | None = None, seed: int = 0) -> nn.Module:
    """Return a copy of a module with a fresh last layer, for answers of another kind or number.

    Parameters
    ----------
    module
        Its body keeps the weights it has.
    n_outputs
        Numbers that the new layer returns.
    head
        Name of the layer to replace, an `nn.Linear`; None for the last one that the module was given.
    seed
        Of the new weights.

    Returns
    -------
    nn.Module
        For ``Learner(data, network=...)``; what was passed is left as it was.

    Raises
    ------
    InputError
        If there is no such layer.

    Examples
    --------
    >>> replace_head(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 10)), n_outputs=4)[2].out_features
    4
    """
    if isinstance(module, StackedModels):
        raise InputError(["several models at once have no one head: replace it before they are stacked"])
    renewed = copy.deepcopy(module)
    linear = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    name = linear[-1] if head is None and linear else head
    if name not in linear or not name:
        listed = ", ".join(repr(item) for item in linear if item) or "none"
        raise InputError([f"the head must be a dense layer within the module; came {name!r}, it has {listed}"])
    old = renewed.get_submodule(name)
    width, bias = old.in_features, old.bias is not None
    with seeded(derived_seed(seed, purpose="head"), device=torch.device("cpu")):
        fresh = nn.Linear(int(str(width)), n_outputs, bias=bias)
    renewed.set_submodule(name, fresh.to(next(renewed.parameters()).device))
    return renewed
