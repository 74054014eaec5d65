"""What a look at a trained network shows: does it fit, what does not learn, when did it stop getting better.

`health` is a method of `trainer.learner.Learner`, kept in a file of its own.
"""

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainer.data.resident import Batch
from trainer.data.target import Target
from trainer.device import deterministic_kernels
from trainer.evidence.embedding import one_of
from trainer.evidence.turn import HealthRow, turn_rows
from trainer.fitting.epoch import Evaluation, beside
from trainer.fitting.sampler import epoch_order
from trainer.history import EpochRow, rows_of_cycle
from trainer.seeds import derived_seed

if TYPE_CHECKING:
    from trainer.learner import Learner

MANY_DEAD = 0.5
"""Share of dead units of a layer above which the reading says so."""


def health(learner: "Learner", *, sample: int = 1024) -> tuple[HealthRow, ...]:
    """Look a trained model over; each finding with a sentence that says how to read it.

    The fit on train and validation rows beside what a constant answer reaches; the share of ReLU units that are 0 for
    all of a sample; the norm of the gradient by layer; skipped steps; the epoch after which the metric got no better.
    It looks at the validation part once, which is counted. Where the data name a cluster, rows are not independent: the
    metric of an epoch has no standard error here, and no turn is claimed.

    Parameters
    ----------
    sample
        Train rows on which units and gradients are looked at, drawn with the learner's seed.

    Returns
    -------
    tuple of HealthRow
        Of several models, units and gradients are means over them.

    Raises
    ------
    InputError
        If the learner holds no data.
    """
    train, valid = learner.validate("train"), learner.validate("valid")
    rows = learner.rows("train")
    seed = derived_seed(learner.seed, purpose="health")
    order = epoch_order(len(rows), seed=seed, epoch=0, device=learner.device)
    source, target = learner.training_data()[1], learner.spec.target
    batch = source.take(rows[order[:sample]])
    constant = constant_metric(source.take(rows).target, target)
    with deterministic_kernels(device=learner.device, enabled=learner.deterministic):
        models = [copy.deepcopy(one_of(learner, place)).eval() for place in range(learner.models or 1)]
        dead = _mean([dead_units(model, batch.inputs) for model in models])
        norms = _mean([gradient_norms(model, batch, target) for model in models])
    last = rows_of_cycle(learner.history, len(learner.cycles))
    return (
        *_fit_rows(train, valid, constant),
        *_dead_rows(dead, n=len(batch.target)),
        *_gradient_rows(norms),
        _skipped_row(learner.history),
        *turn_rows(last, n=valid.n, cluster=learner.spec.columns.cluster),
        HealthRow(
            "looks at validation",
            float(learner.looks),
            "The more often a choice is made by looking, the more the validation numbers flatter; only untouched test "
            "rows do not.",
        ),
    )


def constant_metric(truth: Tensor, target: Target) -> float:
    """Return the metric of the best constant answer: the most frequent class, its labels, or the median.

    Examples
    --------
    >>> constant_metric(torch.tensor([0, 1, 1, 1]), Target(kind="classes", classes=("no", "yes")))
    0.75
    >>> constant_metric(torch.tensor([0.0, 1.0, 5.0]), Target(kind="number"))  # |0-1|, 0, |5-1| from the median 1
    1.6666666666666667
    """
    if target.kind == "classes":
        return float(torch.bincount(truth).max()) / len(truth)
    if target.kind == "labels":
        share = truth.double().mean(dim=0)
        return float(torch.maximum(share, 1.0 - share).mean())
    values = truth.double()  # as they are learnt
    return float((values - values.median()).abs().mean()) * target.scale


@torch.no_grad()
def dead_units(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, float]:
    """Return for each `nn.ReLU` the share of its outputs that are 0 for every row.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
    >>> _ = network[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]]))
    >>> dead_units(network, (torch.ones(3, 1),))
    {'1': 0.5}
    """
    found: dict[str, float] = {}

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def seen(_: nn.Module, __: object, output: Tensor) -> None:
            found[name] = float((output.flatten(1) == 0).all(dim=0).double().mean())

        return module.register_forward_hook(seen)

    hooks = [watch(name, module) for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    try:
        model(*beside(model, inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def gradient_norms(model: nn.Module, batch: Batch, target: Target) -> dict[str, float]:
    """Return the Euclidean norm of the mean loss's gradient, by the layer that owns the parameters.

    Parameters
    ----------
    model
        Its gradients are overwritten: pass a copy.
    batch, target
        Rows, and what they should answer.

    Examples
    --------
    A squared error (w x - y)^2 with w = 0, x = 3, y = 1 has the derivative 2 (w x - y) x = -6.

    >>> model = nn.Sequential(nn.Linear(1, 1, bias=False))
    >>> _ = nn.init.zeros_(model[0].weight)
    >>> batch = Batch(inputs=(torch.tensor([[3.0]]),), target=torch.tensor([1.0]), weights=None, groups=None)
    >>> gradient_norms(model, batch, Target(kind="number"))
    {'0': 6.0}
    """
    losses = target.losses(model(*beside(model, batch.inputs)), batch.target)
    weighted = losses if batch.weights is None else losses * batch.weights
    owned = {name: item for name, item in model.named_parameters() if item.requires_grad}
    gradients = torch.autograd.grad(weighted.mean(), list(owned.values()), allow_unused=True)
    squares: dict[str, float] = {}
    for name, gradient in zip(owned, gradients, strict=True):
        layer = name.rpartition(".")[0] or name
        square = 0.0 if gradient is None else float(gradient.double().square().sum())
        squares[layer] = squares.get(layer, 0.0) + square
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def _fit_rows(train: Evaluation, valid: Evaluation, constant: float) -> tuple[HealthRow, ...]:
    if train.value is None:
        return (HealthRow(f"{train.metric} on train", None, f"There is none: {train.reason}."),)
    smaller = train.metric == "mean_absolute_error"
    better = train.value < constant if smaller else train.value > constant
    fits = (
        f"It is better than a constant answer ({constant:.4g}) on the rows it learnt from."
        if better
        else f"It is no better than a constant answer ({constant:.4g}) even on the rows it learnt from: train longer, "
        "try another learning rate (lr_find), or look at the inputs (card)."
    )
    rows = [HealthRow(f"{train.metric} on train", train.value, fits)]
    if valid.value is None:
        reason = "There are no validation rows." if not valid.n else f"There is none: {valid.reason}."
        return (*rows, HealthRow(f"{valid.metric} on validation", None, reason))
    gap = (valid.value - train.value) if smaller else (train.value - valid.value)
    reading = f"On n = {valid.n:,} rows; {abs(gap):.4g} {'worse' if gap > 0 else 'better'} than on train."
    return (*rows, HealthRow(f"{valid.metric} on validation", valid.value, reading))


def _dead_rows(dead: dict[str, float], *, n: int) -> tuple[HealthRow, ...]:
    if not dead:
        reason = "The network has no nn.ReLU module, so dead units cannot be counted."
        return (HealthRow("dead units", None, reason),)
    return tuple(
        HealthRow(
            f"dead units of {name}",
            share,
            f"{share:.0%} of its outputs are 0 for all of {n:,} train rows"
            + (": most of the layer is idle; a lower learning rate kills fewer." if share > MANY_DEAD else "."),
        )
        for name, share in dead.items()
    )


def _gradient_rows(norms: dict[str, float]) -> tuple[HealthRow, ...]:
    largest = max((norm for norm in norms.values() if math.isfinite(norm)), default=0.0)
    rows = []
    for name, norm in norms.items():
        if not math.isfinite(norm):
            rows.append(HealthRow(f"gradient of {name}", None, "It is not finite: lower the learning rate."))
        elif norm == 0:
            rows.append(HealthRow(f"gradient of {name}", norm, "It is 0: nothing reaches this layer."))
        else:
            rows.append(
                HealthRow(f"gradient of {name}", norm, f"{norm / largest:.2g} of the largest among the layers.")
            )
    return tuple(rows)


def _skipped_row(history: Sequence[EpochRow]) -> HealthRow:
    skipped = sum(row.skipped_steps for row in history)
    reading = (
        "Every step had a finite gradient."
        if skipped == 0
        else "Steps with a NaN or infinite gradient were left out: lower the learning rate, or look for extreme inputs."
    )
    return HealthRow("skipped steps", float(skipped), reading)


def _mean(each: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: math.fsum(one[name] for one in each) / len(each) for name in each[0]}
