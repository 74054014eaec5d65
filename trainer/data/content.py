"""A digest of what a model learns and is chosen from: equal exactly where training on the data is the same."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from trainer.data.kinds import Data

ROWS = 65_536
"""Rows that are copied at a time, so that the digest of large data takes little memory."""


def content_digest(data: Data) -> str:
    """Return the SHA-256 of inputs, target and weights of the train and validation rows; test rows are not read.

    Parameters
    ----------
    data
        Its tensors lie in the memory of the host.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_given
    >>> from trainer.data.table import Table
    >>> split = split_given(train=[0, 1], valid=[2], test=[3])
    >>> made = [Table.from_frame(pd.DataFrame({"age": [1, 2, 3, 4], "y": y}), columns=Columns(y="y"), split=split)
    ...         for y in ([0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0])]
    >>> first, other_test, other_valid = [content_digest(table) for table in made]
    >>> first == other_test, first == other_valid
    (True, False)
    """
    resident, digest = data.resident, hashlib.sha256()
    rows = torch.from_numpy(np.concatenate([data.split.train, data.split.valid]))
    named = {f"inputs.{place}": tensor for place, tensor in enumerate(resident.inputs)}
    named |= {"target": resident.target} | ({} if resident.weights is None else {"weights": resident.weights})
    for name, tensor in named.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape[1:])}\n".encode())
        for some in torch.split(rows, ROWS):
            digest.update(_bytes(tensor[some]))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    content: bytes = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    return content
