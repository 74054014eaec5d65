"""Recalibration by one number per model: the temperature that divides its outputs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from audit.errors import InputError, raise_violations
from trainer.data.splits import Part
from trainer.data.target import Target
from trainer.device import deterministic_kernels
from trainer.fitting.epoch import outputs_of

if TYPE_CHECKING:
    from trainer.learner import Learner

Floats = npt.NDArray[np.float64]

LOWEST, HIGHEST = 0.01, 100.0
FEWEST = 30
"""With fewer rows than this the temperature would be that of their noise."""
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What recalibration found; one entry per model.

    Parameters
    ----------
    temperatures
        Above 1 where the model was too sure, below 1 where it was not sure enough.
    loss_before, loss_after
        Mean log loss over the rows, in nats: of the rows that chose the temperature, so not a measure of the model.
    n
        Rows that it rests on.
    reasons
        Why a temperature is at the end of the range that was searched; None where it is not.

    Examples
    --------
    >>> found = fit_temperature(np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1]), target=Target(kind="classes",
    ...                         classes=(0, 1)))
    >>> round(found.temperatures[0], 4), found.n  # 2 / ln 3: 3 of 4 rows are of the first class
    (1.8205, 4)
    """

    temperatures: tuple[float, ...]
    loss_before: tuple[float, ...]
    loss_after: tuple[float, ...]
    n: int
    reasons: tuple[str | None, ...]


class Tempered(nn.Module):
    """A model whose outputs are divided by a temperature.

    Parameters
    ----------
    model
        Returns shape (..., n, n_outputs); with several temperatures the first dimension is that of the models.
    temperatures
        One per model.

    Examples
    --------
    >>> Tempered(nn.Identity(), (2.0,))(torch.tensor([[4.0, 0.0]])).tolist()
    [[2.0, 0.0]]
    """

    temperatures: Tensor

    def __init__(self, model: nn.Module, temperatures: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        values = torch.tensor(temperatures, dtype=torch.float32)
        self.register_buffer("temperatures", values.view(-1, 1, 1) if len(temperatures) > 1 else values)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the outputs, divided."""
        output: Tensor = self.model(*inputs)
        return output / self.temperatures.to(output.device)


def calibrate(learner: "Learner", part: Part = "valid") -> Calibration:
    """Choose the temperature that suits the rows of a part, and keep it: probabilities change, their order does not.

    The temperature is part of the model from then on: it is saved, changes `model_version`, and is applied in every
    prediction. Training further drops it. It mends how sure a model is on average, not in each group, and not a share
    of positives that an objective has moved (balanced weights, group DRO): audit the calibration afterwards.

    Parameters
    ----------
    part
        Rows that training has not seen: "valid".

    Returns
    -------
    Calibration
        Temperatures, and the log loss before and after.

    Raises
    ------
    InputError
        If the part has fewer than `FEWEST` rows, rows of one class only (all with the same labels), or weights that add
        up to 0, a loss is not finite, or the model answers numbers. The model is left as it was.
    """
    data, resident = learner.training_data()
    target, rows = data.spec.target, learner.rows(part)
    batch = resident.take(rows)
    raise_violations(_violations(target, part, batch.target.cpu().numpy()))
    earlier, learner.temperatures = learner.temperatures, None
    try:
        with deterministic_kernels(device=learner.device, enabled=learner.deterministic):
            output = outputs_of(learner.answering(), batch.inputs).double().cpu().numpy()
    finally:
        learner.temperatures = earlier
    weights = None if batch.weights is None else batch.weights.double().cpu().numpy()
    found = fit_temperature(output, batch.target.cpu().numpy(), target=target, weights=weights)
    learner.temperatures = found.temperatures
    learner.looks += part == "valid"
    return found


def fit_temperature(
    output: Floats, truth: npt.NDArray[np.generic], *, target: Target, weights: Floats | None = None
) -> Calibration:
    r"""Return the temperature with the smallest log loss, for each model.

    Parameters
    ----------
    output
        Shape (n, n_classes) or (n_models, n, n_classes): what goes into the softmax, or into the sigmoids of labels.
    truth
        Shape (n,), class numbers; of labels shape (n, n_labels).
    target
        Classes or labels.
    weights
        Shape (n,); None for 1.

    Returns
    -------
    Calibration
        A temperature in [`LOWEST`, `HIGHEST`]; at an end of it with a reason: outputs that order all rows rightly are
        best made endlessly sure, outputs that are worse than none endlessly unsure.

    Raises
    ------
    InputError
        If the weights add up to 0 or are not finite, or the loss at the temperature is not finite.

    Notes
    -----
    Guo, Pleiss, Sun & Weinberger 2017, On calibration of modern neural networks, arXiv:1706.04599, section 4.2. In
    b = 1 / T the log loss is convex, with the derivative mean(E_p[z] - z_y), p = softmax(b z); its root is bracketed
    and halved on the logarithm of b, sixty times, in float64. For labels the sum over labels, sigmoid for softmax.
    """
    stacked = output if output.ndim == 3 else output[None]
    weight = np.full(len(truth), 1.0 / len(truth)) if weights is None else _shares(weights)
    problems = [_Problem(each, truth, weight, labels=target.kind == "labels") for each in stacked]
    inverse = [problem.best() for problem in problems]
    before = tuple(problem.loss(1.0) for problem in problems)
    after = tuple(problem.loss(each) for problem, each in zip(problems, inverse, strict=True))
    if not np.isfinite([*before, *after]).all():
        mend = "the model answers rows with what is no finite number; train again with a lower lr"
        raise InputError([f"the log loss of these rows is {before} before and {after} after: {mend}"])
    return Calibration(
        temperatures=tuple(1.0 / each for each in inverse),
        loss_before=before,
        loss_after=after,
        n=len(truth),
        reasons=tuple(_reason(1.0 / each) for each in inverse),
    )


def _shares(weights: Floats) -> Floats:
    total = float(weights.sum())
    if not 0 < total < np.inf:
        mend = "give the rows weights, or calibrate on a part whose rows have some"
        raise InputError([f"the weights of the {len(weights)} rows add up to {total:g}, so none counts: {mend}"])
    shares: Floats = weights / total
    return shares


class _Problem:
    """The log loss of one model as a function of b, by which its outputs are multiplied."""

    def __init__(self, output: Floats, truth: npt.NDArray[np.generic], weight: Floats, *, labels: bool) -> None:
        # A label is one of two classes with the outputs 0 and z; all labels of a row share its weight.
        if labels:
            self.z = np.stack([np.zeros(output.size), output.reshape(-1)], axis=1)
            self.y = truth.reshape(-1).astype(np.int64)
            self.weight = np.repeat(weight / output.shape[1], output.shape[1])
        else:
            self.z, self.y, self.weight = output, truth.astype(np.int64), weight
        self.own = np.take_along_axis(self.z, self.y[:, None], axis=1)[:, 0]

    def loss(self, b: float) -> float:
        scaled = b * self.z
        top = scaled.max(axis=1)
        normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(self.weight @ (normaliser - b * self.own))

    def slope(self, b: float) -> float:
        scaled = b * self.z
        share = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        return float(self.weight @ ((share * self.z).sum(axis=1) - self.own))

    def best(self) -> float:
        low, high = 1.0 / HIGHEST, 1.0 / LOWEST
        if self.slope(low) >= 0:
            return low
        if self.slope(high) <= 0:
            return high
        for _ in range(_HALVINGS):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if self.slope(middle) < 0 else (low, middle)
        return float(np.sqrt(low * high))


def _reason(temperature: float) -> str | None:
    if temperature >= HIGHEST * (1 - 1e-9):
        return f"at the largest temperature searched, {HIGHEST:g}: these outputs say less than none"
    if temperature <= LOWEST * (1 + 1e-9):
        return f"at the smallest temperature searched, {LOWEST:g}: no row is answered wrongly, which more rows may end"
    return None


def _violations(target: Target, part: Part, truth: npt.NDArray[np.generic]) -> list[str]:
    if target.kind == "number":
        return ["a temperature is for probabilities; the model answers numbers"]
    if len(truth) == 0:
        return [f'the part "{part}" has no rows to calibrate on: split off a validation part']
    found = []
    if len(truth) < FEWEST:
        found.append(f'a temperature needs {FEWEST} rows; the part "{part}" has {len(truth)}: split off a larger part')
    if (truth == truth[:1]).all():
        what = "the same labels" if target.kind == "labels" else "one class"
        found.append(
            f'all rows of the part "{part}" have {what}: the best temperature of them would be endlessly sure; take '
            "rows of all classes"
        )
    return found


def tempered(model: nn.Module, temperatures: tuple[float, ...] | None) -> nn.Module:
    """Return the model with its temperatures; the model itself where it has none.

    Examples
    --------
    >>> model = nn.Identity()
    >>> tempered(model, None) is model
    True
    """
    return model if temperatures is None else Tempered(model, temperatures)


def read_temperatures(values: list[float] | None, *, models: int | None) -> tuple[float, ...] | None:
    """Return the temperatures that a checkpoint holds.

    Raises
    ------
    ValueError
        If they are not one number above 0 per model.

    Examples
    --------
    >>> read_temperatures([1.5], models=None), read_temperatures(None, models=2)
    ((1.5,), None)
    """
    if values is None:
        return None
    temperatures = tuple(float(value) for value in values)
    if len(temperatures) != (models or 1) or not all(0 < value < np.inf for value in temperatures):
        raise InputError([f"temperatures must be one number above 0 per model; came {values}"])
    return temperatures
