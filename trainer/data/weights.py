"""How much each row counts in the loss: checked on the rows that matter, and as a tensor of mean 1."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from trainer.data.columns import Columns
from trainer.data.numeric import as_floats, is_number_column, row_list
from trainer.data.splits import Split

Floats = npt.NDArray[np.float64]


def weight_tensor(frame: pd.DataFrame, *, columns: Columns, split: Split) -> Tensor | None:
    """Return the weights as training takes them, of mean 1 over the train rows; None where no column names them.

    Parameters
    ----------
    frame
        All rows, without violations.
    columns
        Roles of the columns.
    split
        Parts of the rows.

    Returns
    -------
    Tensor or None
        Shape (n_rows,), float32; 0 in rows of no part.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> frame, columns = pd.DataFrame({"y": [0, 1, 1], "w": [1e308, 5e307, 1e308]}), Columns(y="y", sample_weight="w")
    >>> weight_tensor(frame, columns=columns, split=split_given(train=[0, 1], valid=[2], test=[])).numpy().round(3)
    array([1.333, 0.667, 1.333], dtype=float32)
    """
    if columns.sample_weight is None:
        return None
    used = np.concatenate([split.train, split.valid, split.test])
    return torch.from_numpy(mean_one(as_floats(frame[columns.sample_weight]), train=split.train, used=used))


def weight_violations(weights: pd.Series, *, split: Split) -> list[str]:
    """Return a sentence for everything about weights that training could not survive or would hide, or nothing.

    Parameters
    ----------
    weights
        One per row.
    split
        Parts of the rows; rows in no part need no weight. Of validation and test rows all weights may be 0: then no
        weighted loss is told of them.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> weight_violations(pd.Series([0.0, 0.0, 1.0], name="w"), split=split_given(train=[0, 1], valid=[2], test=[]))
    ["sample weight 'w' is 0 in every train row: nothing would be learnt"]
    """
    name, used = str(weights.name), np.concatenate([split.train, split.valid, split.test])
    if not is_number_column(weights):
        return [f"sample weight {name!r} must hold numbers; came {weights.dtype}"]
    values = as_floats(weights)
    bad = used[~(np.isfinite(values[used]) & (values[used] >= 0))]
    if len(bad):
        return [f"sample weight {name!r} must be a finite number of at least 0; not so at {row_list(bad)}"]
    if not values[split.train].any():
        return [f"sample weight {name!r} is 0 in every train row: nothing would be learnt"]
    shares = mean_one(values, train=split.train, used=used)
    lost = used[~np.isfinite(shares[used]) | ((shares[used] == 0) & (values[used] > 0))]
    if not len(lost):
        return []
    return [
        f"sample weight {name!r} spans more than float32 holds: divided by the mean of the train rows it is 0 or "
        f"infinite at {row_list(lost)}; give weights that are nearer to each other"
    ]


def weightless_violations(weights: pd.Series, labels: pd.Series, *, split: Split) -> list[str]:
    """Return that the train rows with a weight are all of one class, or nothing.

    Parameters
    ----------
    weights
        One per row, without violations.
    labels
        The class of each row, without violations.
    split
        Parts of the rows.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> weights, labels = pd.Series([0.0, 1.0, 2.0], name="w"), pd.Series([0, 1, 1], name="y")
    >>> weightless_violations(weights, labels, split=split_given(train=[0, 1, 2], valid=[], test=[]))
    ["sample weight 'w' is 0 in every train row but those of the class 1 of 'y'; at least two are needed to learn"]
    """
    counted = split.train[as_floats(weights)[split.train] > 0]
    left = labels.iloc[counted].unique().tolist()
    if len(left) > 1:
        return []
    every = f"sample weight {str(weights.name)!r} is 0 in every train row but those of the class {left[0]!r}"
    return [f"{every} of {str(labels.name)!r}; at least two are needed to learn"]


def mean_one(values: Floats, *, train: npt.NDArray[np.int64], used: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return weights divided by their mean over the train rows, in float32; 0 in rows that are not used.

    Examples
    --------
    >>> mean_one(np.array([1.0, 3.0, 7.0]), train=np.array([0, 1]), used=np.array([0, 1])).tolist()
    [0.5, 1.5, 0.0]
    """
    # By a power of two, which changes no digit: the sum of weights near the largest float would not be finite.
    power = int(np.frexp(values[used].max())[1])
    shares = np.zeros(len(values), dtype=np.float32)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        unit = np.ldexp(values, -power)
        shares[used] = (unit[used] / unit[train].mean()).astype(np.float32)
    return shares
