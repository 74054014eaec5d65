"""The steps of training on resident tensors: no copy to the host inside an epoch, one at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.optimizer import GuardedAdamW
from trainer.schedule import Schedule
from trainer.table import Resident

PREDICT_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTotals:
    """What one epoch of training adds up to.

    Parameters
    ----------
    loss
        Mean loss over the rows of the steps that were taken; None where every step was skipped.
    skipped_steps
        Steps left out because their gradient was not finite.

    Examples
    --------
    >>> totals = EpochTotals(loss=None, skipped_steps=3)
    >>> "every step was skipped" if totals.loss is None else f"{totals.loss:.3f}"
    'every step was skipped'
    """

    loss: float | None
    skipped_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How a model does on a part of the table.

    Parameters
    ----------
    loss
        Mean (weighted) cross-entropy in nats, at least 0; smaller is better. None without rows.
    accuracy
        Share of rows whose most probable class is the label, unweighted, in [0, 1]. None without rows.
    n
        Number of rows.

    Examples
    --------
    >>> Evaluation(loss=0.6931, accuracy=0.75, n=4).accuracy
    0.75
    """

    loss: float | None
    accuracy: float | None
    n: int


def train_epoch(
    model: nn.Module, data: Resident, *, order: Tensor, optimizer: GuardedAdamW, schedule: Schedule, batch_size: int
) -> EpochTotals:
    """Take one step per batch through all rows of the order; the last batch may be smaller and is not dropped.

    Parameters
    ----------
    model
        Takes codes and floats, returns logits; is put into training mode.
    data
        Tensors on the model's device.
    order
        Shape (n,), int64: the rows in the order in which they are visited.
    optimizer
        Of the model's parameters.
    schedule
        One learning rate and momentum per batch.
    batch_size
        Rows per step.

    Returns
    -------
    EpochTotals
        Copied to the host once, at the end.

    Raises
    ------
    ValueError
        If the schedule does not hold one step per batch.

    Examples
    --------
    Two batches of two rows, no gradient of which is infinite.

    >>> from trainer.models import MLPSettings, TabularMLP
    >>> model = TabularMLP(n_codes=(), n_numeric=1, n_classes=2, settings=MLPSettings(hidden=()))
    >>> data = Resident(codes=torch.zeros(4, 0, dtype=torch.uint8), numerics=torch.zeros(4, 1),
    ...                 labels=torch.tensor([0, 1, 0, 1]), weights=None)
    >>> optimizer = GuardedAdamW(model.parameters(), weight_decay=0.0, clip=1.0)
    >>> schedule = Schedule(lr=(0.0, 0.0), beta1=(0.9, 0.9))
    >>> totals = train_epoch(model, data, order=torch.arange(4), optimizer=optimizer, schedule=schedule, batch_size=2)
    >>> totals.skipped_steps, totals.loss > 0
    (0, True)
    """
    model.train()
    totals = torch.zeros(3, dtype=torch.float64, device=order.device)
    for rows, lr, beta1 in zip(torch.split(order, batch_size), schedule.lr, schedule.beta1, strict=True):
        totals += train_step(model, data, rows=rows, optimizer=optimizer, lr=lr, beta1=beta1)
    loss_sum, n_rows, skipped = totals.tolist()
    return EpochTotals(loss=loss_sum / n_rows if n_rows else None, skipped_steps=round(skipped))


def train_step(
    model: nn.Module, data: Resident, *, rows: Tensor, optimizer: GuardedAdamW, lr: float, beta1: float
) -> Tensor:
    """Take one step on the rows named.

    Parameters
    ----------
    model, data, optimizer
        As in `train_epoch`.
    rows
        Shape (n,), int64.
    lr, beta1
        Learning rate and momentum of the step.

    Returns
    -------
    Tensor
        Shape (3,), on the device: sum of losses, rows counted (both 0 if the step was skipped), steps skipped.

    Examples
    --------
    >>> from trainer.models import MLPSettings, TabularMLP
    >>> model = TabularMLP(n_codes=(), n_numeric=1, n_classes=2, settings=MLPSettings(hidden=()))
    >>> data = Resident(codes=torch.zeros(4, 0, dtype=torch.uint8), numerics=torch.zeros(4, 1),
    ...                 labels=torch.tensor([0, 1, 0, 1]), weights=None)
    >>> optimizer = GuardedAdamW(model.parameters(), weight_decay=0.0, clip=1.0)
    >>> totals = train_step(model, data, rows=torch.arange(3), optimizer=optimizer, lr=0.1, beta1=0.9)
    >>> totals[1:].tolist()
    [3.0, 0.0]
    """
    loss = batch_loss(model, data, rows=rows)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    taken = optimizer.step(lr=lr, beta1=beta1)
    counted = taken.double() * len(rows)
    loss_sum = torch.where(taken, loss.detach().double(), 0.0) * counted
    return torch.stack([loss_sum, counted, (~taken).double()])


def batch_loss(model: nn.Module, data: Resident, *, rows: Tensor) -> Tensor:
    """Return the mean weighted cross-entropy of the rows, in float32 whatever the model computes in.

    Parameters
    ----------
    model, data, rows
        As in `train_step`.

    Returns
    -------
    Tensor
        Scalar in nats. Weights have mean 1 over the train rows and are not divided by their sum in the batch, which
        would let a light batch pull as hard as a heavy one.

    Examples
    --------
    Equal logits of two classes: log 2.

    >>> data = Resident(codes=torch.zeros(4, 0, dtype=torch.uint8), numerics=torch.zeros(4, 2),
    ...                 labels=torch.tensor([0, 1, 0, 1]), weights=None)
    >>> round(batch_loss(lambda codes, numerics: numerics, data, rows=torch.arange(4)).item(), 4)
    0.6931
    """
    with torch.autocast(rows.device.type, dtype=torch.bfloat16, enabled=rows.device.type == "cuda"):
        logits = model(data.codes[rows], data.numerics[rows])
    labels = data.labels[rows]
    if data.weights is None:
        return functional.cross_entropy(logits.float(), labels)
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")
    return (losses * data.weights[rows]).mean()


@torch.inference_mode()
def predict_logits(model: nn.Module, *, codes: Tensor, numerics: Tensor, batch_size: int = PREDICT_ROWS) -> Tensor:
    """Return the logits of all rows in float32, computed in batches, in evaluation mode.

    Parameters
    ----------
    model
        Takes codes and floats.
    codes, numerics
        Tensors on the model's device.
    batch_size
        Rows at a time; changes memory, not results.

    Returns
    -------
    Tensor
        Shape (n_rows, n_classes).

    Examples
    --------
    >>> class Doubled(nn.Module):
    ...     def forward(self, codes, numerics):
    ...         return 2 * numerics
    >>> predict_logits(Doubled(), codes=torch.zeros(3, 0), numerics=torch.ones(3, 2), batch_size=2).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    model.eval()
    pairs = zip(torch.split(codes, batch_size), torch.split(numerics, batch_size), strict=True)
    return torch.cat([model(some_codes, some_numerics) for some_codes, some_numerics in pairs])


def evaluate(model: nn.Module, data: Resident, *, rows: Tensor) -> Evaluation:
    """Return loss and accuracy over the rows named.

    Parameters
    ----------
    model, data
        As in `train_epoch`.
    rows
        Shape (n,), int64, on the device; may be empty.

    Returns
    -------
    Evaluation
        With None instead of numbers where there are no rows.

    Examples
    --------
    Equal logits of two classes: log 2; the first of equal classes counts as the most probable.

    >>> class Equal(nn.Module):
    ...     def forward(self, codes, numerics):
    ...         return torch.zeros(len(numerics), 2)
    >>> data = Resident(codes=torch.zeros(4, 0, dtype=torch.uint8), numerics=torch.zeros(4, 1),
    ...                 labels=torch.tensor([0, 0, 0, 1]), weights=None)
    >>> found = evaluate(Equal(), data, rows=torch.arange(4))
    >>> round(found.loss, 4), found.accuracy, evaluate(Equal(), data, rows=torch.arange(0)).accuracy is None
    (0.6931, 0.75, True)
    """
    if len(rows) == 0:
        return Evaluation(loss=None, accuracy=None, n=0)
    logits = predict_logits(model, codes=data.codes[rows], numerics=data.numerics[rows])
    labels = data.labels[rows]
    losses = functional.cross_entropy(logits, labels, reduction="none")
    if data.weights is not None:
        losses = losses * data.weights[rows]
    correct = (logits.argmax(dim=1) == labels).double()
    loss, accuracy = torch.stack([losses.double().mean(), correct.mean()]).tolist()
    return Evaluation(loss=loss, accuracy=accuracy, n=len(rows))


def epoch_slices(schedule: Schedule, *, epochs: int) -> Sequence[Schedule]:
    """Cut a schedule into equal pieces, one per epoch.

    Examples
    --------
    >>> [piece.lr for piece in epoch_slices(Schedule(lr=(1.0, 2.0), beta1=(0.9, 0.8)), epochs=2)]
    [(1.0,), (2.0,)]
    """
    steps = len(schedule.lr) // epochs
    cuts = [slice(epoch * steps, (epoch + 1) * steps) for epoch in range(epochs)]
    return [Schedule(lr=schedule.lr[cut], beta1=schedule.beta1[cut]) for cut in cuts]
