"""Several models of one shape trained at once: their parameters stacked, one kernel for all of them."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from audit.errors import raise_violations
from trainer.fitting.buffers import replaced_violations


class StackedModels(nn.Module):
    """Models of one shape as one module: what each takes and gives has the model as its first dimension.

    A small network leaves most of a GPU idle; several of them side by side cost little more than one. On a CPU that
    gains only where batches are small. Parameters are leaves with the number of models as first dimension; names are
    those of one model with dots as underscores.

    Parameters
    ----------
    models
        At least one, of the same shape; they are copied.

    Examples
    --------
    >>> import torch
    >>> singles = [nn.Linear(2, 1) for _ in range(3)]
    >>> stacked = StackedModels(singles)
    >>> both = stacked(torch.ones(3, 4, 2))
    >>> both.shape, torch.allclose(both[1], singles[1](torch.ones(4, 2)))
    (torch.Size([3, 4, 1]), True)
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(models))
        self._names = {name: name.replace(".", "__") for name in [*parameters, *buffers]}
        for name, value in parameters.items():
            self.register_parameter(self._names[name], nn.Parameter(value.detach().clone()))
        kept = set(models[0].state_dict())
        for name, value in buffers.items():
            self.register_buffer(self._names[name], value.detach().clone(), persistent=name in kept)
        # A list keeps the skeleton from being registered as a submodule, with parameters of its own.
        self._skeleton = [copy.deepcopy(models[0]).to("meta")]

    @property
    def skeleton(self) -> nn.Module:
        """The layers of one model, without weights."""
        return self._skeleton[0]

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return shape (n_models, n, n_outputs) from inputs of shape (n_models, n, ...).

        Raises
        ------
        InputError
            If a model puts a new tensor in the place of one of its buffers.
        """
        skeleton = self._skeleton[0].train(self.training)
        state = {name: getattr(self, kept) for name, kept in self._names.items()}

        def one(values: dict[str, Tensor], *some: Tensor) -> Tensor:
            before = dict(values)
            output: Tensor = functional_call(skeleton, values, some)
            # Written back into `values`, and lost with them.
            raise_violations(replaced_violations(name for name, value in values.items() if value is not before[name]))
            return output

        answers: Tensor = vmap(one, randomness="different")(state, *inputs)
        return answers


class Shared(nn.Module):
    """Stacked models that are all asked about the same rows: inputs without, outputs with, the dimension of models.

    Examples
    --------
    >>> import torch
    >>> Shared(StackedModels([nn.Linear(2, 1), nn.Linear(2, 1)]))(torch.ones(4, 2)).shape
    torch.Size([2, 4, 1])
    """

    def __init__(self, models: StackedModels) -> None:
        super().__init__()
        self.models = models
        self._number = len(next(models.parameters()))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return shape (n_models, n, n_outputs) from inputs of shape (n, ...)."""
        answers: Tensor = self.models(*(tensor.expand(self._number, *tensor.shape) for tensor in inputs))
        return answers
