"""What a network has learnt to see: the numbers by which it describes each row before it answers.

This is a method of `trainer.learner.Learner`, kept in a file of its own.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from audit.errors import InputError, raise_violations
from trainer.data.kinds import Rows
from trainer.data.splits import Part
from trainer.device import deterministic_kernels
from trainer.fitting.epoch import PREDICT_ROWS, beside
from trainer.fitting.stacked import StackedModels
from trainer.networks.registry import build_network

if TYPE_CHECKING:
    from trainer.learner import Learner


def embed(
    learner: "Learner", rows: Rows | Part, *, layer: str | None = None, model: int = 0
) -> npt.NDArray[np.float64]:
    """Return the learnt representation of each row: what goes into the last dense layer.

    Features for a boosting baseline, for drift of images, and for scores of how far a row is from the train rows.

    Parameters
    ----------
    rows
        New rows as `predict_proba` takes them, or the name of a part of the data.
    layer
        Name of the module whose input is wanted; None for the last `nn.Linear` that the network calls.
    model
        Which of several models, counted from 0. Representations of different models share no axes: never average them.

    Returns
    -------
    ndarray
        Shape (n_rows, width), float64; what has more dimensions is laid out in a row.

    Raises
    ------
    InputError
        If there is no such model or layer, or the network calls no dense layer.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 3))
    >>> _ = network[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    >>> into_layer(network, (torch.tensor([[5.0, 7.0]]),)).tolist()
    [[5.0, 0.0]]
    """
    network = one_of(learner, model)
    with deterministic_kernels(device=learner.device, enabled=learner.deterministic):
        found = into_layer(network, learner.inputs(rows), layer=layer)
    embedded: npt.NDArray[np.float64] = found.double().cpu().numpy()
    return embedded


def one_of(learner: "Learner", model: int = 0) -> nn.Module:
    """Return one model as a module of its own: the model itself, or a copy of one of several, on the same device.

    Raises
    ------
    InputError
        If there is no model of that number.
    """
    n_models = learner.models or 1
    if not 0 <= model < n_models:
        raise InputError([f"model counts from 0 and there are {n_models}; came {model}"])
    if not isinstance(learner.model, StackedModels):
        return learner.model
    single = build_network(learner.spec, learner.network, seed=learner.seeds[model]).to(learner.device)
    state = learner.model.state_dict()
    single.load_state_dict({name: state[name.replace(".", "__")][model] for name in single.state_dict()})
    return single


@torch.inference_mode()
def into_layer(
    network: nn.Module, inputs: tuple[Tensor, ...], *, layer: str | None = None, batch_size: int = PREDICT_ROWS
) -> Tensor:
    """Return what goes into a layer for all rows, shape (n_rows, width), in float32, in evaluation mode.

    Parameters
    ----------
    network
        Takes the inputs; its hooks are left as they were.
    inputs
        Tensors on the network's device.
    layer
        As in `embed`.
    batch_size
        Rows at a time; changes memory, and results by no more than rounding (1e-6).

    Raises
    ------
    InputError
        If the network has no such layer or does not call it.

    Examples
    --------
    >>> into_layer(nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), (torch.ones(3, 2, 2),), batch_size=2).shape
    torch.Size([3, 4])
    """
    modules = dict(network.named_modules())
    raise_violations(
        []
        if layer is None or layer in modules
        else [f"the network has no layer {layer!r}; it has {', '.join(name for name in modules if name)}"]
    )
    watched = [module for module in modules.values() if isinstance(module, nn.Linear)]
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        for module in (watched if layer is None else [modules[layer]])
    ]
    network.eval()
    pieces, found = zip(*(torch.split(tensor, batch_size) for tensor in inputs), strict=True), []
    try:
        for some in pieces:
            seen.clear()
            network(*beside(network, some))
            found += [seen[-1].float().flatten(1)] if seen else []
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        named = "dense layer" if layer is None else f"layer {layer!r}"
        raise InputError(
            [f"the network calls no {named}: name the layer whose input is wanted, of {', '.join(modules)}"]
        )
    return torch.cat(found)
