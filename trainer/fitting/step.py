"""One step of training on tensors of the device: nothing in it waits for, or asks, the host."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainer.data.resident import Batch, Resident
from trainer.data.target import Target
from trainer.fitting.buffers import Buffers
from trainer.fitting.ema import Average
from trainer.fitting.optimizer import GuardedAdamW

Augment = Callable[[Batch], Batch]


@dataclass(slots=True, kw_only=True, eq=False)
class Course:
    """Where training stands, kept on the device so that a step needs nothing from the host.

    Parameters
    ----------
    rates
        Shape (n_steps,), float32: the learning rate of each step.
    step
        Shape (1,), int64: the next step.
    row
        Shape (1,), int64: the place in the order at which the next batch begins.
    totals
        Shape (3,), float64: sum of losses, rows counted, steps skipped since they were last read. Of several models,
        losses and skipped steps are added up; rows are counted where the losses of all are finite.

    Examples
    --------
    >>> course = Course.begin(torch.tensor([0.1, 0.2]))
    >>> course.step.item(), course.totals.tolist()
    (0, [0.0, 0.0, 0.0])
    """

    rates: Tensor
    step: Tensor
    row: Tensor
    totals: Tensor

    @classmethod
    def begin(cls, rates: Tensor) -> "Course":
        """Return a course at its first step, on the device of the rates."""
        zero = torch.zeros(1, dtype=torch.int64, device=rates.device)
        return cls(rates=rates, step=zero, row=zero.clone(), totals=torch.zeros(3, dtype=torch.float64).to(rates))


@dataclass(slots=True, kw_only=True, eq=False)
class Stepper:
    """All that a step needs: the network, what it is to answer, the objective, the optimiser, and the course.

    Parameters
    ----------
    model
        Takes the inputs of a batch, returns the output; on the device.
    target
        Kind of answer and its loss.
    objective
        From the losses of a batch to what is minimised; a module, whose buffers are its state.
    optimizer
        Of the model's parameters.
    course
        Where training stands.
    smoothing
        Share of each label that is given to all classes.
    accumulate
        Parts into which a batch is cut to save memory; the gradient is that of the whole batch.
    augment
        Changes the batch on the device (images); None for none.
    average
        The moving average of the weights; None for none.

    Examples
    --------
    Two batches of two rows; equal logits of two classes cost log 2.

    >>> from trainer.fitting.objectives import MeanLoss
    >>> model = nn.Linear(1, 2, bias=False)
    >>> stepper = Stepper(model=model, target=Target(kind="classes", classes=(0, 1)), objective=MeanLoss(),
    ...                   optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.0, clip=1.0),
    ...                   course=Course.begin(torch.zeros(2)))
    >>> data = Resident(inputs=(torch.zeros(4, 1),), target=torch.tensor([0, 1, 0, 1]))
    >>> for _ in range(2):
    ...     stepper.take(data, torch.arange(4), size=2)
    >>> loss_sum, n_rows, skipped = stepper.course.totals.tolist()
    >>> round(loss_sum / n_rows, 4), n_rows, skipped
    (0.6931, 4.0, 0.0)
    """

    model: nn.Module
    target: Target
    objective: nn.Module
    optimizer: GuardedAdamW
    course: Course
    smoothing: float = 0.0
    accumulate: int = 1
    augment: Augment | None = None
    average: Average | None = None
    _places: dict[int, Tensor] = field(default_factory=dict, init=False)
    _buffers: Buffers = field(init=False)

    def __post_init__(self) -> None:
        self._buffers = Buffers(self.model, models=self.optimizer.models if self.optimizer.stacked else None)

    def take(self, data: Resident, order: Tensor, *, size: int, times: int = 1) -> None:
        """Take the next step, on the next `size` rows of the order, and move the course on; so many times.

        Parameters
        ----------
        data
            Tensors on the device.
        order
            Shape (n,), int64, or (n_models, n): the rows in the order in which they are visited.
        size
            Rows of a step; a number, because a captured step has one shape.
        times
            Number of steps.
        """
        for _ in range(times):
            self._take(data, order, size=size)

    def _take(self, data: Resident, order: Tensor, *, size: int) -> None:
        course, losses, begun = self.course, [], 0
        before = self._buffers.kept()
        self.optimizer.zero_grad()
        for share in _parts(size, self.accumulate):
            rows = order.index_select(-1, course.row + self._counted(begun + share)[begun:])
            losses.append(self._backward(data.take(rows), share=share / size))
            begun += share
        finite = self.optimizer.step(course.rates.index_select(0, course.step)[0])
        taken = finite.any()
        if before:
            self._buffers.restore(before, finite)
        if self.average is not None:
            self.average.update(taken)
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        counts = taken & loss.isfinite()
        counted = counts.double() * size
        lost = torch.where(counts, loss, 0.0).double() * counted
        course.totals += torch.stack([lost, counted, (~finite).sum().double()])
        course.step += 1
        course.row += size

    def _backward(self, batch: Batch, *, share: float) -> Tensor:
        if self.augment is not None:
            batch = self.augment(batch)
        objective = self.loss(batch) if share == 1.0 else self.loss(batch) * share
        objective.backward()  # type: ignore[no-untyped-call]
        return objective.detach()

    @property
    def stepper(self) -> "Stepper":
        """The step itself: a step taken one by one is its own driver."""
        return self

    def loss(self, batch: Batch) -> Tensor:
        """Return the objective on a batch, a scalar that can be differentiated, in float32 whatever the model uses."""
        on_cuda = batch.target.device.type == "cuda"
        with torch.autocast("cuda", dtype=torch.bfloat16) if on_cuda else nullcontext():
            output = self.model(*batch.inputs)
        losses = self.target.losses(output, batch.target, smoothing=self.smoothing)
        if batch.mixed is not None:
            other, own = batch.mixed
            losses = own * losses + (1.0 - own) * self.target.losses(output, other, smoothing=self.smoothing)
        objective: Tensor = self.objective(losses, output.float(), batch)
        return objective

    def _counted(self, size: int) -> Tensor:
        """Return 0 ... size - 1 on the device, made once."""
        if size not in self._places:
            self._places[size] = torch.arange(size, device=self.course.row.device)
        return self._places[size]


def _parts(size: int, number: int) -> list[int]:
    """Cut a batch into parts that differ by at most one row; never more parts than rows."""
    number = min(number, size)
    return [size // number + (place < size % number) for place in range(number)]
