"""What a model answers: one of several classes, any of several labels, or a number; and what a wrong answer costs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from audit.errors import raise_violations
from trainer.data.columns import Label

Kind = Literal["classes", "labels", "number"]
Loss = Literal["cross_entropy", "squared", "absolute", "log"]

NONE_OF_THEM = "none of the above"
LOSSES: dict[Kind, tuple[Loss, ...]] = {
    "classes": ("cross_entropy",),
    "labels": ("cross_entropy",),
    "number": ("squared", "absolute", "log"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The kind of answer and its loss per row.

    Parameters
    ----------
    kind
        "classes" (one of them: softmax), "labels" (any of them, or none: one sigmoid each), "number".
    classes
        What the outputs stand for, in order; empty for a number.
    loss
        "cross_entropy" for classes and labels (summed over a row's labels divided by their number); for a number
        "squared", "absolute", or "log" (cross-entropy of the number as a share of its range).
    low, high
        For a number, the range that a sigmoid holds the answer in; both None for none. "log" needs them.
    center, scale
        For a number: mean and standard deviation of the train rows. What is learnt is ``(number - center) / scale``,
        made in float64 and held in float32, so that a time in seconds keeps its seconds. Without a range the network's
        output is that, and training starts from the mean. The loss compares errors as shares of `scale` (of its square,
        where the loss is "squared"): its size does not depend on the unit of the number.

    Raises
    ------
    InputError
        If kind, loss and range do not go together.

    Examples
    --------
    >>> Target(kind="classes", classes=("no", "yes")).n_outputs, Target(kind="number", low=0.0, high=5.5).n_outputs
    (2, 1)
    >>> Target(kind="number", loss="log")
    Traceback (most recent call last):
    audit.errors.InputError: loss 'log' compares shares of a range: give low and high
    """

    kind: Kind
    classes: tuple[Label, ...] = ()
    loss: Loss | None = None
    low: float | None = None
    high: float | None = None
    center: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.loss is None:
            object.__setattr__(self, "loss", LOSSES[self.kind][0])
        raise_violations(self._violations())

    @property
    def n_outputs(self) -> int:
        """Numbers that the network returns per row."""
        return 1 if self.kind == "number" else len(self.classes)

    def answer(self, output: Tensor) -> Tensor:
        """Return probabilities, shape (..., n_classes), or numbers, shape (...,), from the network's output.

        Numbers are in their own unit, in float64: float32 would round a large one.

        Examples
        --------
        >>> Target(kind="number", low=0.0, high=10.0).answer(torch.zeros(2, 1)).tolist()
        [5.0, 5.0]
        >>> Target(kind="number", center=1e9, scale=0.5).answer(torch.ones(1, 1)).tolist()
        [1000000000.5]
        """
        if self.kind == "classes":
            return output.softmax(dim=-1)
        if self.kind == "labels":
            return output.sigmoid()
        raw = output.squeeze(-1).double()
        if self.low is None:
            return raw * self.scale + self.center
        return self._low + (self._high - self._low) * torch.sigmoid(raw)

    def standard(self, output: Tensor) -> Tensor:
        """Return numbers as they are learnt, ``(number - center) / scale``, shape (...,), from the network's output.

        Examples
        --------
        >>> Target(kind="number", low=0.0, high=10.0, center=4.0, scale=2.0).standard(torch.zeros(1, 1)).tolist()
        [0.5]
        """
        raw = output.squeeze(-1)
        if self.low is None:
            return raw
        low, high = self._ends
        return low + (high - low) * torch.sigmoid(raw)

    def learnt(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return numbers as they are learnt: ``(number - center) / scale``, made in float64.

        Examples
        --------
        >>> Target(kind="number", center=1e9, scale=2.0).learnt(np.array([1e9 + 1])).tolist()
        [0.5]
        """
        with np.errstate(over="ignore"):
            return ((numbers - self.center) / self.scale).astype(np.float32)

    def losses(self, output: Tensor, target: Tensor, *, smoothing: float = 0.0) -> Tensor:
        """Return the loss of each row, shape (...,), in float32.

        Parameters
        ----------
        output
            Shape (..., n_outputs), of the network.
        target
            Shape (...,), or (..., n_labels); numbers as they are learnt.
        smoothing
            Share of a label that is given to all classes alike; Szegedy et al. 2016, arXiv:1512.00567, section 7.

        Examples
        --------
        >>> Target(kind="classes", classes=(0, 1)).losses(torch.zeros(1, 2), torch.tensor([1])).numpy().round(4)
        array([0.6931], dtype=float32)
        """
        output = output.float()
        if self.kind == "classes":
            flat = functional.cross_entropy(
                output.flatten(0, -2), target.flatten(), reduction="none", label_smoothing=smoothing
            )
            return flat.view(target.shape)
        if self.kind == "labels":
            smoothed = target * (1.0 - smoothing) + smoothing / 2.0
            return functional.binary_cross_entropy_with_logits(output, smoothed, reduction="none").mean(dim=-1)
        if self.loss == "log":
            low, high = self._ends
            share = ((target - low) / (high - low)).clamp(0.0, 1.0)  # an end of the range may be rounded beyond it
            return functional.binary_cross_entropy_with_logits(output.squeeze(-1), share, reduction="none")
        error = self.standard(output) - target
        return error.abs() if self.loss == "absolute" else error.square()

    def hits(self, output: Tensor, target: Tensor) -> Tensor:
        """Return what the validation metric averages, by row.

        Right (1) or wrong (0) of a class; the share of labels that are right; the absolute error of a number, in its
        own unit.

        Examples
        --------
        >>> Target(kind="labels", classes=("cat", "dog")).hits(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([0.5000])
        """
        if self.kind == "classes":
            return (output.argmax(dim=-1) == target).float()
        if self.kind == "labels":
            return ((output > 0) == (target > 0.5)).float().mean(dim=-1)
        return (self.standard(output).double() - target).abs() * self.scale

    @property
    def metric(self) -> str:
        """Name of what `hits` averages to."""
        return {"classes": "accuracy", "labels": "label_accuracy", "number": "mean_absolute_error"}[self.kind]

    @property
    def _low(self) -> float:
        return self.low or 0.0

    @property
    def _high(self) -> float:
        return 1.0 if self.high is None else self.high

    @property
    def _ends(self) -> tuple[float, float]:
        """The range, as numbers are learnt."""
        return (self._low - self.center) / self.scale, (self._high - self.center) / self.scale

    def _violations(self) -> list[str]:
        found = []
        if self.loss not in LOSSES[self.kind]:
            found.append(f"the loss of {self.kind} is one of {', '.join(LOSSES[self.kind])}; came {self.loss!r}")
        if (self.low is None) != (self.high is None):
            found.append(f"a range needs both ends; came low={self.low} and high={self.high}")
        elif self.low is not None and not self._low < self._high:
            found.append(f"low must be below high; came {self.low} and {self.high}")
        if self.loss == "log" and self.low is None:
            found.append("loss 'log' compares shares of a range: give low and high")
        return found
