"""What a model reads, as tensors that stay on one device and are taken row by row number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Some rows: what the model takes, what it should answer, how much each row counts, and to which group it belongs.

    `mixed` holds the targets of other rows that were blended in, and the share that is the row's own; None without.

    Examples
    --------
    >>> batch = Batch(inputs=(torch.zeros(2, 3),), target=torch.tensor([0, 1]), weights=None, groups=None)
    >>> len(batch.target)
    2
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor | None
    groups: Tensor | None
    mixed: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Resident:
    """The tensors of a data set on one device.

    Parameters
    ----------
    inputs
        What the network's `forward` takes, in its order; the first dimension of each is the row.
    target
        Shape (n_rows,), int64 class numbers (-1 in rows of no part) or float32 numbers as they are learnt
        (`trainer.data.target.Target.learnt`); with several labels per row shape (n_rows, n_labels), float32.
    weights
        Shape (n_rows,), float32, mean 1 over the train rows; None where all rows weigh the same.
    model_weights
        Shape (n_models, n_rows), float32: what rows weigh in each of several models, in place of `weights`, where the
        models take rows of their own; None where they weigh alike in all. Rows that are taken for all models at once,
        to validate on, keep `weights`.
    groups
        Shape (n_rows,), int64 from 0: the group of each row, for objectives that look at groups; None without.

    Examples
    --------
    >>> data = Resident(inputs=(torch.zeros(2, 3),), target=torch.tensor([0, 1]))
    >>> data.take(torch.tensor([1, 1, 0])).target.tolist()
    [1, 1, 0]

    The first model leaves out the second row, the other one the first.

    >>> own = Resident(inputs=(), target=torch.tensor([0, 1]), model_weights=torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
    >>> own.take(torch.tensor([[0, 1], [0, 1]])).weights.tolist(), own.take(torch.tensor([0, 1])).weights
    ([[2.0, 0.0], [0.0, 2.0]], None)
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor | None = None
    groups: Tensor | None = None
    model_weights: Tensor | None = None

    def __repr__(self) -> str:
        """Return shapes and types, not what they hold."""
        told = [f"{tuple(each.shape)} {str(each.dtype).removeprefix('torch.')}" for each in (*self.inputs, self.target)]
        return f"Resident({', '.join(told)}, on {self.target.device})"

    def take(self, rows: Tensor) -> Batch:
        """Return the rows named, shape (n,) or, for several models at once, (n_models, n); nothing is synchronised."""
        return Batch(
            inputs=tuple(_at(tensor, rows) for tensor in self.inputs),
            target=_at(self.target, rows),
            weights=self._weights(rows),
            groups=None if self.groups is None else _at(self.groups, rows),
        )

    def _weights(self, rows: Tensor) -> Tensor | None:
        if self.model_weights is not None and rows.ndim > 1:
            return self.model_weights.gather(-1, rows)
        return None if self.weights is None else _at(self.weights, rows)

    def to(self, device: torch.device) -> "Resident":
        """Return the same tensors on a device; nothing is copied where they are there already."""
        return Resident(
            inputs=tuple(tensor.to(device) for tensor in self.inputs),
            target=self.target.to(device),
            weights=None if self.weights is None else self.weights.to(device),
            groups=None if self.groups is None else self.groups.to(device),
            model_weights=None if self.model_weights is None else self.model_weights.to(device),
        )

    def pieces(self, order: Tensor, batch_size: int, *, begin: int = 0) -> "Iterator[tuple[Resident, Tensor]]":
        """Yield the data and the places in it of an epoch's order: here all at once; see `trainer.data.streamed`."""
        del batch_size, begin
        yield self, order


class Source(Protocol):
    """Where a step gets its rows: all of them on the device (`Resident`), or a stretch of the epoch at a time."""

    def pieces(self, order: Tensor, batch_size: int, *, begin: int = 0) -> Iterator[tuple[Resident, Tensor]]:
        """Yield data and the places in it, together the epoch's order, cut at multiples of the batch size.

        What lies before the batch `begin` need not hold its rows.
        """
        ...

    def take(self, rows: Tensor) -> Batch:
        """Return the rows named; the inputs may lie on the host."""
        ...


def _at(tensor: Tensor, rows: Tensor) -> Tensor:
    """Return ``tensor[rows]``; `index_select` copies whole rows where an index goes from number to number."""
    if rows.ndim == 1:
        return tensor.index_select(0, rows)
    return tensor.index_select(0, rows.reshape(-1)).view(*rows.shape, *tensor.shape[1:])
