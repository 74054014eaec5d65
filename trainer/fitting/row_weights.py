"""Weights of rows that each of several models has of its own: bootstrap samples and reweighting sweeps in one run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.errors import InputError, raise_violations
from trainer.data.kinds import Data
from trainer.data.resident import Resident
from trainer.data.weights import mean_one
from trainer.fitting.row_weight_checks import Floats, Resample, as_weights, left_violations
from trainer.fitting.sampler import hashed
from trainer.seeds import derived_seed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reweighing:
    """How rows weigh in each of several models.

    Parameters
    ----------
    resample
        "bootstrap": each model learns from a sample of its own; None for the rows as they are.
    row_weights
        Shape (n_models, n_train), float64, in the order of the train rows; None for none.
    digest
        SHA-256 of the weights of all models as they learn from them; None where they have none of their own.

    Examples
    --------
    >>> Reweighing().used, Reweighing(resample="bootstrap").used
    (False, True)
    """

    resample: Resample | None = None
    row_weights: Floats | None = None
    digest: str | None = None

    @property
    def used(self) -> bool:
        """Whether the models weigh rows otherwise than the data do."""
        return self.resample is not None or self.row_weights is not None

    def record(self) -> dict[str, str]:
        """Return what a result says of it; nothing where rows weigh alike in all models."""
        found = {"resample": self.resample, "row_weights": self.digest}
        return {name: value for name, value in found.items() if value is not None}


def reweighing_of(resample: Resample | None, row_weights: npt.ArrayLike | None) -> Reweighing:
    """Return what a learner is given, without violations.

    Examples
    --------
    >>> reweighing_of(None, [[1, 2]]).row_weights.tolist()
    [[1.0, 2.0]]
    """
    return Reweighing(resample=resample, row_weights=None if row_weights is None else as_weights(row_weights))


def reweighed(how: Reweighing, data: Data, *, seeds: Sequence[int]) -> tuple[Reweighing, Resident]:
    """Return the tensors of the data with the weights of each model, and beside them how, with their digest.

    Raises
    ------
    InputError
        If a model is left with one class or with weights that float32 does not hold, and all such models are named; or
        if the weights are not those of which `how` has the digest.
    """
    if not how.used:
        return how, data.resident
    weights = model_weights(data, how, seeds=seeds)
    digest = weights_digest(weights)
    if how.digest not in (digest, None):
        came = "row_weights are not those that the models were trained with"
        raise InputError([f"{came}: pass the same data, and the same row_weights where they were given"])
    return replace(how, digest=digest), replace(data.resident, model_weights=weights)


def model_weights(data: Data, how: Reweighing, *, seeds: Sequence[int]) -> Tensor:
    """Return what each row weighs in each model: the weights of the data times its own, of mean 1 over the train rows.

    Parameters
    ----------
    data
        As a learner takes it.
    how
        What each model's own are.
    seeds
        One per model.

    Returns
    -------
    Tensor
        Shape (n_models, n_rows), float32, on the host; 0 in all rows but the train rows.

    Raises
    ------
    InputError
        As in `reweighed`.
    """
    train, resident = data.split.train, data.resident
    every = np.arange(len(train))
    plain = np.ones(len(train)) if resident.weights is None else resident.weights.double().numpy()[train]
    units = _units(data)
    weights, violations = np.zeros((len(seeds), len(resident.target)), dtype=np.float32), []
    for place, seed in enumerate(seeds):
        own = bootstrap_counts(units, seed=seed) if how.row_weights is None else how.row_weights[place]
        scaled = np.ldexp(own, -int(np.frexp(own.max())[1]))  # the product with the data's stays finite
        product = scaled * plain
        shares = mean_one(product, train=every, used=every) if product.any() else np.zeros(len(train), np.float32)
        violations += [f"the model of seed {seed}: {text}" for text in left_violations(data, shares, scaled)]
        weights[place, train] = shares
    raise_violations(violations)
    return torch.from_numpy(weights)


def bootstrap_counts(units: npt.NDArray[np.int64], *, seed: int) -> Floats:
    r"""Return how often each row stands in a bootstrap sample: as many draws with replacement as there are units.

    The j-th of m draws is the unit floor(m h(j) / 2^32), with h a hash to 32 bits under a key taken from the seed: as
    the order of rows (`trainer.fitting.sampler.epoch_order`) it depends on nothing else, be it the device, a generator
    or a version. A weight of c stands for c copies of a row: the gradient of the sample in expectation, in batches that
    keep their shape.

    Parameters
    ----------
    units
        Shape (n_rows,), 0 to m - 1, each at least once: the row itself, or the cluster it belongs to, which is drawn
        whole.
    seed
        Of the model.

    Returns
    -------
    ndarray
        Shape (n_rows,), float64, whole numbers from 0 on; over the units they add up to m.

    Notes
    -----
    Efron 1979, Bootstrap methods: another look at the jackknife, doi:10.1214/aos/1176344552; of clusters Field & Welsh
    2007, Bootstrapping clustered data, doi:10.1111/j.1467-9868.2007.00593.x.

    Examples
    --------
    Four clusters of two rows: both rows of each count alike.

    >>> counts = bootstrap_counts(np.array([0, 0, 1, 1, 2, 2, 3, 3]), seed=7)
    >>> counts[::2].sum(), bool((counts[::2] == counts[1::2]).all())
    (np.float64(4.0), True)
    """
    number = int(units.max()) + 1
    draws = hashed(torch.arange(number), key=derived_seed(seed, purpose="bootstrap"))
    drawn = torch.bincount((draws * number) >> 32, minlength=number)
    counts: Floats = drawn.numpy()[units].astype(np.float64)
    return counts


def weights_digest(weights: Tensor) -> str:
    """Return the SHA-256 of the weights of all models, as training takes them.

    Examples
    --------
    >>> weights_digest(torch.ones(2, 3)) == weights_digest(torch.ones(3, 2))
    False
    """
    told = f"{tuple(weights.shape)}\n".encode()
    return hashlib.sha256(told + weights.contiguous().cpu().numpy().tobytes()).hexdigest()


def _units(data: Data) -> npt.NDArray[np.int64]:
    """Return what is drawn of the train rows: their clusters, where the data name any, else the rows."""
    train, cluster = data.split.train, data.spec.columns.cluster
    if cluster is None or cluster not in data.frame.columns:
        return np.arange(len(train))
    return pd.factorize(data.frame[cluster].iloc[train], use_na_sentinel=False)[0].astype(np.int64)
