"""The order in which an epoch visits the rows: a pure function of the seed and the epoch, made on the device."""

import torch
from torch import Tensor

from trainer.seeds import derived_seed

_LOW_32_BITS = 0xFFFFFFFF
_MULTIPLIER = 0x45D9F3B


def epoch_order(n_rows: int, *, seed: int, epoch: int, device: torch.device) -> Tensor:
    """Return a permutation of the row numbers that depends on nothing but the seed and the epoch.

    Each row number is hashed to 32 bits under two keys taken from the seed and the epoch, and the rows are sorted by
    their hash. No generator is involved, so whatever else has drawn random numbers cannot change the order, training
    can be resumed at any epoch, and the same order comes out on a CPU, on a GPU and under another version of torch
    (a generator promises none of these).

    Parameters
    ----------
    n_rows
        How many rows there are, at most 2**32.
    seed
        The seed of the run.
    epoch
        Epoch number from 0.
    device
        Where the permutation is made and stays.

    Returns
    -------
    Tensor
        Shape (n_rows,), int64: each of 0 ... n_rows - 1 once.

    Examples
    --------
    >>> cpu = torch.device("cpu")
    >>> epoch_order(6, seed=7, epoch=0, device=cpu).sort().values.tolist()
    [0, 1, 2, 3, 4, 5]
    >>> torch.equal(epoch_order(99, seed=7, epoch=0, device=cpu), epoch_order(99, seed=7, epoch=1, device=cpu))
    False
    """
    rows = torch.arange(n_rows, dtype=torch.int64, device=device)
    return hashed(rows, key=derived_seed(seed, purpose="order", epoch=epoch)).argsort(stable=True)


def hashed(numbers: Tensor, *, key: int) -> Tensor:
    """Return 32-bit hashes of 32-bit numbers, int64: under one key different for different numbers.

    Parameters
    ----------
    numbers
        int64 in [0, 2**32), of any shape.
    key
        From `trainer.seeds.derived_seed`.

    Examples
    --------
    >>> found = hashed(torch.arange(1000), key=derived_seed(7, purpose="order"))
    >>> len(found.unique()), bool((found >= 0).all()), bool((found < 2**32).all())
    (1000, True, True)
    """
    return _mixed(_mixed(numbers ^ (key & _LOW_32_BITS)) ^ (key >> 30))


def _mixed(words: Tensor) -> Tensor:
    """Mix 32-bit words held in int64, one to one; the multiplier is below 2**27, so no product leaves int64."""
    words = ((words ^ (words >> 16)) * _MULTIPLIER) & _LOW_32_BITS
    words = ((words ^ (words >> 16)) * _MULTIPLIER) & _LOW_32_BITS
    return words ^ (words >> 16)
