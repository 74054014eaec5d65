"""The history of training as rows that pages and reports show, each with its n."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from audit.inference.intervals import rate
from audit.measurement import Measurement, canonical_json
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from trainer.evidence.group_weights import group_weight_rows
from trainer.evidence.origin import cluster_of
from trainer.history import EpochRow

if TYPE_CHECKING:
    from trainer.learner import Learner

LEVEL = 0.95


def training_result(learner: "Learner") -> Result:
    """Return how a model was trained as a result that can be saved, reported and shown.

    Parameters
    ----------
    learner
        Trained on data that it still holds.

    Returns
    -------
    Result
        One row per epoch (``at.round``) and quantity: `train_loss` and `valid_loss` (without an interval: the losses of
        one model on rows that it was chosen by), `valid_accuracy` with the interval of a rate, or
        `valid_label_accuracy` and `valid_mean_absolute_error` without one; `skipped_steps`; of group DRO the
        `group_weight` of each group. Where the data name a cluster, or of several models, there is no interval: the
        history does not hold who was answered rightly, and a mean of shares is not the share of one model. The
        provenance names model, split, seeds and settings.

    Raises
    ------
    InputError
        If the learner holds no data.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> from trainer.learner import Learner
    >>> frame = pd.DataFrame({"age": range(200), "paid": [int(age >= 100) for age in range(200)]})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> learner = Learner(table, device="cpu")
    >>> history = learner.fit_one_cycle(1)
    >>> [(row.metric, row.n) for row in training_result(learner).measurements]
    [('train_loss', 120), ('valid_loss', 40), ('valid_accuracy', 40), ('skipped_steps', 120)]
    """
    data, _ = learner.training_data()
    n_train, n_valid = len(data.split.train), len(data.split.valid)
    cluster = cluster_of(learner, data.frame)
    mean_of = len(learner.seeds) if len(learner.seeds) > 1 else None
    unsure = _MEAN.format(mean_of) if mean_of else None if cluster is None else _CLUSTERED.format(cluster)
    rows = [row for epoch in learner.history for row in _epoch_rows(epoch, n_train, n_valid, unsure)]
    rows += group_weight_rows(learner)
    given = {
        "model_version": learner.model_version,
        "split": data.split.digest,
        "rows": {"train": n_train, "valid": n_valid, "test": len(data.split.test)},
        "seeds": list(learner.seeds),
        **learner.reweighing.record(),
        "deterministic": learner.deterministic,
        "cycles": [json.loads(canonical_json(asdict(cycle))) for cycle in learner.cycles],
        "environments": [dict(each) for each in learner.environments],
    }
    provenance = Provenance(seed=learner.seed, versions=recorded_versions(), given=given)
    return Result(measurements=tuple(rows), provenance=provenance)


_CLUSTERED = "no interval: rows of one {!r} are not independent; audit the model's log of these rows"
_MEAN = "no interval: the mean of what each of {} models reaches alone; audit the log of all together"


def _epoch_rows(epoch: EpochRow, n_train: int, n_valid: int, unsure: str | None) -> Iterator[Measurement]:
    at = (("round", epoch.epoch),)
    values = {"train_loss": (epoch.train_loss, n_train), "valid_loss": (epoch.valid_loss, n_valid)}
    for name, (value, n) in values.items():
        reason = None if value is not None else _reason(epoch, "no rows to measure it on", n)
        yield Measurement(metric=name, at=at, value=value, n=n, method="mean", reason=reason)
    yield _metric_row(epoch, at, n_valid, unsure)
    yield Measurement(metric="skipped_steps", at=at, value=epoch.skipped_steps, n=n_train, method="count")


def _metric_row(epoch: EpochRow, at: tuple[tuple[str, int], ...], n: int, unsure: str | None) -> Measurement:
    name, value = f"valid_{epoch.metric}", epoch.valid_value
    if value is None:
        reason = _reason(epoch, "no validation rows", n)
        return Measurement(metric=name, at=at, value=None, n=n, method="mean", reason=reason)
    if epoch.metric != "accuracy":
        return Measurement(metric=name, at=at, value=value, n=n, method="mean")
    if unsure is not None:
        return Measurement(metric=name, at=at, value=value, n=n, method="mean", reason=unsure)
    low, high = (float(end) for end in rate(np.float64(value * n), np.float64(n), level=LEVEL))
    method = "wilson" if min(value, 1 - value) * n >= 10 else "clopper_pearson"
    return Measurement(metric=name, at=at, value=value, low=low, high=high, n=n, level=LEVEL, method=method)


def _reason(epoch: EpochRow, without_rows: str, n: int) -> str:
    return epoch.valid_reason or without_rows if n else without_rows
