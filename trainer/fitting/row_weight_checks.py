"""What is wrong with weights that each of several models has of its own: found before anything is trained."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from trainer.data.kinds import Data
from trainer.data.numeric import row_list
from trainer.setting_checks import is_whole

Floats = npt.NDArray[np.float64]
Resample = Literal["bootstrap"]


def reweighing_violations(
    resample: object, row_weights: object, *, models: object, n_train: int | None = None
) -> list[str]:
    """Return what is wrong with weights of several models, beside what only their product with the data's shows.

    Parameters
    ----------
    resample, row_weights, models
        As in `trainer.learner.Learner`.
    n_train
        Number of train rows; None where there are no data to ask.

    Examples
    --------
    >>> reweighing_violations("jackknife", None, models=8, n_train=3)
    ["resample must be 'bootstrap', or None; came 'jackknife'"]
    >>> reweighing_violations(None, [[1.0, -2.0, 0.0]], models=1, n_train=3)
    ['row_weights must be finite numbers of at least 0; not so in model 0 at row 1, counted from 0, of the train rows']
    """
    found = []
    if resample is not None and resample not in get_args(Resample):
        found.append(f"resample must be 'bootstrap', or None; came {resample!r}")
    if resample is not None and row_weights is not None:
        found.append("resample draws what rows weigh in each model and row_weights names it: give one of the two")
    if models is None and (resample is not None or row_weights is not None):
        what = "resample" if row_weights is None else "row_weights"
        found.append(f"{what} makes models that differ in what rows weigh: say how many, models=8")
    return found if row_weights is None else found + _array_violations(row_weights, models, n_train)


def as_weights(row_weights: object) -> Floats:
    """Return weights as an array of float64; parameters as in `reweighing_violations`, without violations."""
    return np.array(np.asarray(row_weights), dtype=np.float64)


def left_violations(data: Data, shares: npt.NDArray[np.float32], own: Floats) -> list[str]:
    """Return why nothing can be learnt from the rows that a model is left with, or nothing.

    Parameters
    ----------
    data
        As a learner takes it.
    shares
        Shape (n_train,): what the train rows weigh in the model, with the weights of the data.
    own
        Shape (n_train,): what they weigh without these.
    """
    if not shares.any():
        return ["its rows have no weight in the data: nothing would be learnt"]
    plain = data.resident.weights
    counted = own > 0 if plain is None else (own > 0) & (plain.numpy()[data.split.train] > 0)
    lost = np.flatnonzero(~np.isfinite(shares) | ((shares == 0) & counted))
    if len(lost):
        return [f"its weights span more than float32 holds, at {row_list(lost)}, of the train rows: give nearer ones"]
    if data.spec.target.kind != "classes":
        return []
    there = np.unique(data.resident.target.numpy()[data.split.train][shares > 0])
    if len(there) > 1:
        return []
    label = data.spec.target.classes[int(there[0])]
    return [f"its rows are all of the class {label!r}; at least two are needed to learn: another seed, or more rows"]


def _array_violations(row_weights: object, models: object, n_train: int | None) -> list[str]:
    try:
        came = np.asarray(row_weights)
    except ValueError:
        return ["row_weights must be an array of numbers, of shape (models, train rows); came rows of unequal length"]
    except (RuntimeError, TypeError) as error:  # a tensor that is on another device, or has a gradient
        return [f"row_weights must be an array of numbers, of shape (models, train rows): {error}"]
    if came.dtype.kind not in "biuf":
        return [f"row_weights must be an array of numbers, of shape (models, train rows); came {came.dtype}"]
    wanted = (models if is_whole(models) else None, n_train)
    if came.ndim != len(wanted) or any(size not in (n, None) for n, size in zip(came.shape, wanted, strict=True)):
        said = ", ".join(str(size or name) for size, name in zip(wanted, ("models", "train rows"), strict=True))
        return [f"row_weights must have the shape (models, train rows), here ({said}); came {came.shape}"]
    values = as_weights(came)
    wrong = ~(np.isfinite(values) & (values >= 0))
    where = "of the train rows"
    found = [
        f"row_weights must be finite numbers of at least 0; not so in model {place} at "
        f"{row_list(np.flatnonzero(wrong[place]))}, {where}"
        for place in np.flatnonzero(wrong.any(axis=1))
    ]
    empty = np.flatnonzero(~wrong.any(axis=1) & ~values.any(axis=1))
    return found + [
        f"row_weights of model {place} are 0 in every train row: nothing would be learnt" for place in empty
    ]
