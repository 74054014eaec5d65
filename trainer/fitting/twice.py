"""Just train twice: a short training finds the rows that are answered wrongly, a second one gives them more weight."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from audit.errors import raise_violations
from trainer.data.kinds import Data, Spec
from trainer.data.resident import Resident
from trainer.data.splits import Part, Split
from trainer.history import Cycle
from trainer.learner import Learner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedData:
    """Data as they were, with other weights of rows.

    Parameters
    ----------
    frame, split, spec
        Those of the data.
    resident
        Their tensors, with the weights.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> frame = pd.DataFrame({"age": range(10), "paid": [0, 1] * 5})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(10, valid=0, test=0))
    >>> upweighted(table, np.array([0]), weight=11.0).resident.weights.tolist()[:2]  # 11 / 2 and 1 / 2: mean 1
    [5.5, 0.5]
    """

    frame: pd.DataFrame
    split: Split
    spec: Spec
    resident: Resident

    def part(self, part: Part) -> pd.DataFrame:
        """Return the rows of one part as they came."""
        return self.frame.iloc[self.split.rows(part)]


class Twice(NamedTuple):
    """Both trainings, the rows that stood between them, and the data of the second.

    Examples
    --------
    >>> Twice._fields
    ('first', 'errors', 'data', 'learner')
    """

    first: Learner
    errors: npt.NDArray[np.int64]
    data: WeightedData
    learner: Learner


def train_twice(learner: Learner, cycle: Cycle, *, first_epochs: int = 1, weight: float = 5.0) -> Twice:
    """Train for few epochs, find the train rows that are answered wrongly, and train afresh with more weight on them.

    It looks at no groups, and helps groups whose rows a short training gets wrong because something that is easy to
    learn misleads it. Where rows are wrong because their labels are noisy, it gives weight to noise: on census income
    it cost 9 points of accuracy and left the worst group where it was. Choose `first_epochs` and `weight` by the worst
    group of the validation part.

    Parameters
    ----------
    learner
        Not trained yet; it makes the first training. Several models find the errors of their mean, which all of them
        then weigh more, each times what a row weighs in it (``resample``, ``row_weights``).
    cycle
        The second training; the first has its learning rate, batch size and recipe.
    first_epochs
        Of the first training, at least 1 and few: it is to miss what is hard.
    weight
        Of a row that was answered wrongly, in units of one that was not; at least 1.

    Returns
    -------
    Twice
        ``learner`` is the second, with the same network, seeds and device. To resume it, pass ``data``.

    Raises
    ------
    InputError
        If a setting is out of range, the learner was trained before, answers numbers, or nothing or everything is
        answered wrongly.

    Notes
    -----
    Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang & Finn 2021, Just train twice, arXiv:2107.09044, algorithm 1,
    which repeats rows where this weighs them: the same expectation of the gradient.
    """
    raise_violations(_violations(learner, first_epochs, weight))
    data, source = learner.training_data()
    first = replace(cycle, epochs=first_epochs)
    learner.fit_one_cycle(first.epochs, first.lr, batch_size=first.batch_size, recipe=first.recipe)
    truth = source.take(learner.rows("train")).target.cpu().numpy()
    errors = data.split.train[_wrong(learner, truth)]
    raise_violations(_error_violations(len(errors), len(data.split.train)))
    weighted = upweighted(data, errors, weight=weight)
    second = Learner(
        weighted,
        network=learner.network,
        models=learner.models,
        seed=learner.seed,
        device=str(learner.device),
        deterministic=learner.deterministic,
        resample=learner.reweighing.resample,
        row_weights=learner.reweighing.row_weights,
    )
    second.fit_one_cycle(cycle.epochs, cycle.lr, batch_size=cycle.batch_size, recipe=cycle.recipe)
    return Twice(learner, errors, weighted, second)


def upweighted(data: Data, rows: npt.NDArray[np.int64], *, weight: float) -> WeightedData:
    """Return data in which some train rows count more; the mean weight over the train rows is 1.

    Parameters
    ----------
    data
        As a learner takes it; its own weights are kept, multiplied.
    rows
        Positions in the frame, of train rows.
    weight
        By which they are multiplied.

    Returns
    -------
    WeightedData
        All other rows keep the weights they had.
    """
    before = data.resident.weights
    plain = torch.ones(len(data.resident.target)) if before is None else before.clone()
    train = torch.from_numpy(np.array(data.split.train))
    weights = plain.clone()
    weights[torch.from_numpy(np.array(rows))] *= weight
    weights[train] = (weights[train].double() / weights[train].double().mean()).float()
    resident = replace(data.resident, weights=weights)
    return WeightedData(frame=data.frame, split=data.split, spec=data.spec, resident=resident)


def _wrong(learner: Learner, truth: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    answers = learner.predict_proba("train")
    if learner.spec.target.kind == "labels":
        apart: npt.NDArray[np.bool_] = ((answers >= 0.5) != (truth.astype(np.float64) > 0.5)).any(axis=1)
        return apart
    wrong: npt.NDArray[np.bool_] = answers.argmax(axis=1) != truth
    return wrong


def _violations(learner: Learner, first_epochs: int, weight: float) -> list[str]:
    found = []
    if learner.history:
        found.append(f"the learner was trained for {len(learner.history)} epochs before: pass a fresh one")
    if learner.spec.target.kind == "number":
        found.append("just train twice looks for wrong answers; this model answers numbers")
    if first_epochs < 1:
        found.append(f"first_epochs must be at least 1; came {first_epochs}")
    if not 1 <= weight < np.inf:
        found.append(f"weight must be at least 1 and finite; came {weight}")
    return found


def _error_violations(errors: int, rows: int) -> list[str]:
    if errors == 0:
        return [f"the first training answers all {rows:,} train rows rightly: fewer first_epochs, or a smaller lr"]
    if errors == rows:
        return [f"the first training answers all {rows:,} train rows wrongly: more first_epochs, or another lr"]
    return []
