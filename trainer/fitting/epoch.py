"""An epoch: every row of the order once, and what it adds up to; validation is apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from trainer.data.resident import Resident, Source
from trainer.data.target import Target
from trainer.fitting.step import Stepper

PREDICT_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTotals:
    """What a stretch of training adds up to.

    Parameters
    ----------
    loss
        Mean objective over the rows of the steps that were taken and whose loss is finite, of several models their
        mean; None where there was no such step.
    skipped_steps
        Steps left out because their gradient was not finite, added up over models.
    stuck
        Places of the models that took no step at all.

    Examples
    --------
    >>> totals = EpochTotals(loss=None, skipped_steps=3)
    >>> "every step was skipped" if totals.loss is None else f"{totals.loss:.3f}"
    'every step was skipped'
    """

    loss: float | None
    skipped_steps: int
    stuck: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model does on a part of the data.

    Parameters
    ----------
    loss
        Mean loss, that of the target: sum w l / sum w where rows have weights; smaller is better. None without rows,
        where all weights are 0, and where it is not finite.
    metric
        "accuracy", "label_accuracy" or "mean_absolute_error".
    value
        The metric over the rows, unweighted. None without rows, and where an answer is not finite.
    n
        Number of rows.
    reason
        Why a number is None; None where both are there.

    Examples
    --------
    >>> Evaluation(loss=0.6931, metric="accuracy", value=0.75, n=4).accuracy
    0.75
    """

    loss: float | None
    metric: str
    value: float | None
    n: int
    reason: str | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of rows that were right; None where the metric is another or there are no rows."""
        return self.value if self.metric == "accuracy" else None


class Steps(Protocol):
    """What takes steps: one by one, or by replaying them."""

    @property
    def stepper(self) -> Stepper:
        """The step."""
        ...

    def take(self, data: Resident, order: Tensor, *, size: int, times: int = 1) -> None:
        """Take the next `times` steps of `size` rows each."""
        ...


def run_epoch(steps: Steps, source: Source, order: Tensor, *, batch_size: int, begin: int = 0, end: int = -1) -> int:
    """Take one step per batch; the last batch may be smaller and is not dropped.

    Parameters
    ----------
    steps
        The step and where training stands; as it is (`Stepper`), or captured (`trainer.fitting.graph`).
    source
        The data on the device, whole or in pieces.
    order
        Shape (n,), int64, or (n_models, n).
    batch_size
        Rows per step.
    begin, end
        Batches to take, from `begin` up to but without `end` (-1: to the last), for an epoch that was interrupted.

    Returns
    -------
    int
        The batch that comes next; equal to the number of batches where the epoch is over.

    Examples
    --------
    >>> from trainer.fitting.objectives import MeanLoss
    >>> from trainer.fitting.optimizer import GuardedAdamW
    >>> from trainer.fitting.step import Course
    >>> model = nn.Linear(1, 2)
    >>> stepper = Stepper(model=model, target=Target(kind="classes", classes=(0, 1)), objective=MeanLoss(),
    ...                   optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.0, clip=1.0),
    ...                   course=Course.begin(torch.full((3,), 0.1)))
    >>> data = Resident(inputs=(torch.zeros(5, 1),), target=torch.tensor([0, 1, 0, 1, 1]))
    >>> run_epoch(stepper, data, torch.arange(5), batch_size=2), stepper.course.step.item()
    (3, 3)
    """
    steps.stepper.model.train()
    n_rows, course = order.shape[-1], steps.stepper.course
    batch, last = 0, -(-n_rows // batch_size) if end < 0 else end
    for data, places in source.pieces(order, batch_size, begin=begin):
        within = places.shape[-1]
        whole, rest = divmod(within, batch_size)
        first, until = (min(max(limit - batch, 0), whole) for limit in (begin, last))
        course.row.fill_(first * batch_size)
        steps.take(data, places, size=batch_size, times=until - first)
        if rest and begin <= batch + whole < last:
            steps.take(data, places, size=rest, times=1)
        batch += whole + (rest > 0)
        if batch >= last:
            break
    return min(batch, last)


def read_totals(stepper: Stepper) -> EpochTotals:
    """Return what has added up since the last reading, in one copy to the host, and start again from 0."""
    totals, taken = stepper.course.totals, stepper.optimizer.taken
    loss_sum, n_rows, skipped, *steps = torch.cat([totals, taken.to(totals)]).tolist()
    totals.zero_()
    taken.zero_()
    return EpochTotals(
        loss=loss_sum / n_rows / stepper.optimizer.models if n_rows else None,
        skipped_steps=round(skipped),
        stuck=tuple(place for place, number in enumerate(steps) if number == 0),
    )


@torch.inference_mode()
def outputs_of(model: nn.Module, inputs: tuple[Tensor, ...], *, batch_size: int = PREDICT_ROWS) -> Tensor:
    """Return the network's output for all rows in float32, computed in batches, in evaluation mode.

    Parameters
    ----------
    model
        Takes the inputs.
    inputs
        Tensors, on the model's device or on the host: then a batch at a time is moved.
    batch_size
        Rows at a time; changes memory, and results only by rounding (1e-6).

    Returns
    -------
    Tensor
        Shape (..., n_rows, n_outputs).

    Examples
    --------
    >>> outputs_of(nn.Identity(), (torch.ones(3, 2),), batch_size=2).tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    model.eval()
    pieces = zip(*(torch.split(tensor, batch_size) for tensor in inputs), strict=True)
    return torch.cat([model(*beside(model, some)).float() for some in pieces], dim=-2)


def beside(model: nn.Module, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors on the device of the model's weights; nothing is copied where they are there already."""
    weights = next(model.parameters(), None)
    return tuple(tensors) if weights is None else tuple(tensor.to(weights.device) for tensor in tensors)


def evaluate(model: nn.Module, data: Source, rows: Tensor, *, target: Target) -> Evaluation:
    """Return loss and metric over the rows named; of several models the mean. Memory does not grow with the inputs.

    The loss is that of an average row: weights are divided by their sum, so that doubling all of them changes nothing.

    Parameters
    ----------
    model, data, target
        As in `Stepper`.
    rows
        Shape (n,), int64, on the device; may be empty.

    Returns
    -------
    Evaluation
        With None and a reason instead of numbers where there are no rows, or the numbers are not finite.

    Examples
    --------
    Equal logits of two classes: log 2; the first of equal classes counts as the most probable.

    >>> model = nn.Linear(1, 2, bias=False)
    >>> data = Resident(inputs=(torch.zeros(4, 1),), target=torch.tensor([0, 0, 0, 1]))
    >>> found = evaluate(model, data, torch.arange(4), target=Target(kind="classes", classes=(0, 1)))
    >>> round(found.loss, 4), found.accuracy
    (0.6931, 0.75)
    """
    if len(rows) == 0:
        return Evaluation(loss=None, metric=target.metric, value=None, n=0, reason="no rows to measure it on")
    totals, answers = torch.zeros(4, dtype=torch.float64, device=rows.device), 0
    for some in torch.split(rows, PREDICT_ROWS):
        batch = data.take(some)
        output = outputs_of(model, batch.inputs)
        expected = batch.target.expand(*output.shape[:-2], *batch.target.shape)
        losses = target.losses(output, expected)
        weights = torch.ones_like(losses) if batch.weights is None else batch.weights.expand_as(losses)
        counted = weights.double()
        lost = (~target.answer(output).isfinite()).sum()
        # A row of weight 0 does not count, whatever its loss.
        weighted = torch.where(counted > 0, losses.double() * counted, 0.0)
        parts = (weighted.sum(), counted.sum(), target.hits(output, expected).double().sum(), lost.double())
        totals += torch.stack(parts)
        answers += losses.numel()
    loss, weight, hits, lost_answers = totals.tolist()
    loss, value = loss / weight if weight > 0 else None, None if lost_answers else hits / answers
    return _evaluation(loss, value, metric=target.metric, n=len(rows))


def _evaluation(loss: float | None, value: float | None, *, metric: str, n: int) -> Evaluation:
    """Return numbers, and why one of them is none where it is undefined or not finite."""
    reasons = ["the weights of these rows add up to 0: no weighted loss"] if loss is None else []
    if value is None:
        reasons.append("the model answers rows with what is no finite number: lower lr, or look for extreme inputs")
    elif not (math.isfinite(value) and (loss is None or math.isfinite(loss))):
        reasons.append("the loss is beyond float32: look for extreme labels among these rows")
    return Evaluation(
        loss=loss if loss is not None and math.isfinite(loss) else None,
        metric=metric,
        value=value if value is not None and math.isfinite(value) else None,
        n=n,
        reason="; ".join(reasons) or None,
    )
