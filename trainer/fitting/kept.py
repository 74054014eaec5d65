"""Whether what was kept of training in progress fits what is to go on: checked whole before any of it is taken over."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from audit.errors import raise_violations


class Standing(NamedTuple):
    """Where a cycle stands: its epochs done, the next batch, and the epochs of all cycles before it.

    Examples
    --------
    >>> Standing(epoch=1, batch=0, first_epoch=8).violations(epochs=1, batches=5, step=5)
    ['epoch 1 is not one of 0 to 0']
    """

    epoch: int
    batch: int
    first_epoch: int

    def violations(self, *, epochs: int, batches: int, step: int) -> list[str]:
        """Return in what this is no place in a cycle of so many epochs and batches, at its next step; or nothing."""
        found = [] if 0 <= self.epoch < epochs else [f"epoch {self.epoch} is not one of 0 to {epochs - 1}"]
        found += [] if 0 <= self.batch < batches else [f"batch {self.batch} is not one of 0 to {batches - 1}"]
        expected = self.epoch * batches + self.batch
        if step != expected:
            found.append(f"step {step} does not go with epoch {self.epoch} and batch {self.batch}: expected {expected}")
        return found


def standing_of(state: Mapping[str, Tensor]) -> Standing:
    """Return where a state was taken.

    Raises
    ------
    ValueError
        If it does not say so.

    Examples
    --------
    >>> standing_of({"place": torch.tensor([1, 4, 0])})
    Standing(epoch=1, batch=4, first_epoch=0)
    """
    place = state.get("place", torch.zeros(0))
    violations = unlike({"place": place}, {"place": torch.zeros(3, dtype=torch.int64)})
    raise_violations(violations)
    found = Standing(*place.tolist())
    raise_violations([] if found.first_epoch >= 0 else [f"'place' counts {found.first_epoch} epochs before the cycle"])
    return found


def unlike(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Return in what tensors differ from those wanted by name, shape or type of number, or hold NaN; or nothing.

    Examples
    --------
    >>> unlike({"a": torch.zeros(1), "c": torch.zeros(1)}, {"a": torch.zeros(2), "b": torch.zeros(1)})
    ["'a' has the shape (1,); expected (2,)", "'b' is missing", "'c' is not known here"]
    """
    violations = []
    for name, like in wanted.items():
        tensor = found.get(name)
        if tensor is None:
            violations.append(f"{name!r} is missing")
        elif tensor.shape != like.shape:
            violations.append(f"{name!r} has the shape {tuple(tensor.shape)}; expected {tuple(like.shape)}")
        elif tensor.dtype != like.dtype:
            violations.append(f"{name!r} holds {tensor.dtype}; expected {like.dtype}")
        elif bool(torch.isnan(tensor).any()):
            violations.append(f"{name!r} holds NaN")
    return violations + [f"{name!r} is not known here" for name in found if name not in wanted]


def generator_violations(generators: Mapping[str, Tensor], *, device: torch.device, within: bool) -> list[str]:
    """Return why states of random generators cannot be taken up, or nothing.

    Parameters
    ----------
    generators
        By "cpu" and "cuda".
    device
        Where training goes on; a state of CUDA is looked at only there.
    within
        Whether training stands within an epoch: only there are generators kept.

    Examples
    --------
    >>> generator_violations({"cpu": torch.zeros(8, dtype=torch.uint8)}, device=torch.device("cpu"), within=True)
    ["'cpu' has the shape (8,); expected (5056,)"]
    """
    wanted = {"cpu": torch.get_rng_state()} if within else {}
    if "cuda" in generators and within:
        on_cuda = device.type == "cuda"
        wanted["cuda"] = torch.cuda.get_rng_state(device) if on_cuda else generators["cuda"]
    violations = unlike(generators, wanted)
    if violations or not within:
        return violations
    try:
        torch.Generator().set_state(generators["cpu"].clone())
    except RuntimeError as error:
        return [f"'cpu' is no state of a generator: {error}"]
    return []


def rows_digest(values: Tensor, rows: Tensor) -> Tensor:
    """Return the SHA-256 of what some rows hold, as 32 bytes.

    Examples
    --------
    >>> first, other = (rows_digest(torch.tensor([0, 1, last]), torch.tensor([0, 1])) for last in (0, 1))
    >>> first.shape, torch.equal(first, other)
    (torch.Size([32]), True)
    """
    held = values[rows.to(values.device)].cpu().contiguous().numpy().tobytes()
    return torch.tensor(list(hashlib.sha256(held).digest()), dtype=torch.uint8)
