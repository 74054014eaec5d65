"""One cycle of training, epoch by epoch, that can stop after any batch and go on as if it had not."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from audit.errors import raise_violations
from trainer.data.resident import Source
from trainer.data.streamed import tensors_of
from trainer.data.target import Target
from trainer.device import deterministic_kernels, seeded
from trainer.fitting.augment import augmentations
from trainer.fitting.ema import Average
from trainer.fitting.epoch import EpochTotals, Steps, read_totals, run_epoch
from trainer.fitting.graph import fastest
from trainer.fitting.kept import Standing, generator_violations, rows_digest, standing_of, unlike
from trainer.fitting.layers import held, learning_groups
from trainer.fitting.lone_row import lone_row_violations
from trainer.fitting.objectives import MeanLoss
from trainer.fitting.optimizer import GuardedAdamW
from trainer.fitting.sampler import epoch_order
from trainer.fitting.schedule import one_cycle
from trainer.fitting.stacked import StackedModels
from trainer.fitting.step import Augment, Course, Stepper
from trainer.history import Cycle
from trainer.seeds import derived_seed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What a cycle trains on and how.

    Parameters
    ----------
    source
        The data on the device.
    train
        Shape (n,), int64, on the device: the train rows.
    target
        What the model answers.
    cycle
        Settings of the cycle.
    seeds
        One per model.
    first_epoch
        Epochs of earlier cycles: orders go on from there.
    deterministic
        Use only kernels that repeat bit by bit.
    objective, augment
        What is minimised, and what changes the batches; None for the mean loss and for what the recipe names.
    captured
        On CUDA, capture the step as a graph and replay it.

    Examples
    --------
    >>> from trainer.data.resident import Resident
    >>> data = Resident(inputs=(torch.zeros(4, 1),), target=torch.tensor([0, 1, 0, 1]))
    >>> cycle = Cycle(epochs=2, lr=0.1, batch_size=2)
    >>> plan = Plan(source=data, train=torch.arange(4), target=Target(kind="classes", classes=(0, 1)), cycle=cycle,
    ...             seeds=(7,), first_epoch=0, deterministic=True)
    >>> plan.cycle.n_steps(len(plan.train))
    4
    """

    source: Source
    train: Tensor
    target: Target
    cycle: Cycle
    seeds: Sequence[int]
    first_epoch: int
    deterministic: bool
    objective: nn.Module | None = None
    augment: Augment | None = None
    captured: bool = True


class CycleRun:
    """A cycle in progress: the model, the optimiser and where the course stands.

    Parameters
    ----------
    model
        The network, or `StackedModels` of them, on the device; it is trained in place. With ``recipe.ema`` a copy is
        trained, and this is kept at the moving average of its weights.
    plan
        What to train on and how.

    Attributes
    ----------
    broken
        Whether the last stretch of training was broken off halfway, between two weights or before the row of its epoch
        was written: there is no place from which to go on as if nothing had happened.

    Examples
    --------
    Stopped after one batch and gone on with: the same as in one go.

    >>> from trainer.data.resident import Resident
    >>> data = Resident(inputs=(torch.arange(4.0)[:, None],), target=torch.tensor([0, 0, 1, 1]))
    >>> cycle = Cycle(epochs=1, lr=0.1, batch_size=2)
    >>> plan = Plan(source=data, train=torch.arange(4), target=Target(kind="classes", classes=(0, 1)), cycle=cycle,
    ...             seeds=(7,), first_epoch=0, deterministic=True)
    >>> weights = []
    >>> for stops in ((1, None), (None,)):
    ...     model = nn.Linear(1, 2)
    ...     _ = nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    ...     run = CycleRun(model, plan)
    ...     for stop in stops:
    ...         totals = run.advance(n_batches=stop)
    ...     weights.append(model.weight.detach().clone())
    >>> torch.equal(*weights), totals.skipped_steps
    (True, 0)
    """

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        raise_violations(lone_row_violations(model, plan))
        cycle, device = plan.cycle, plan.train.device
        stacked = isinstance(model, StackedModels)
        average, decay = model, cycle.recipe.ema
        model = model if decay is None else copy.deepcopy(model)
        rates = one_cycle(cycle.n_steps(len(plan.train)), lr=cycle.lr)
        self._model, self._plan, self._device = model, plan, device
        optimizer = GuardedAdamW(
            learning_groups(model, cycle.recipe.layers),
            weight_decay=cycle.recipe.weight_decay,
            clip=cycle.recipe.clip,
            models=len(plan.seeds) if stacked else None,
            names={parameter: name for name, parameter in model.named_parameters()},
        )
        self.stepper = Stepper(
            model=model,
            target=plan.target,
            objective=(plan.objective or MeanLoss()).to(device),
            optimizer=optimizer,
            course=Course.begin(torch.from_numpy(rates.astype(np.float32)).to(device)),
            smoothing=cycle.recipe.smoothing,
            accumulate=cycle.recipe.accumulate,
            augment=plan.augment,
            average=None if decay is None else Average(model, into=average, decay=decay),
        )
        self._augments = augmentations(cycle.recipe.augment, epochs=cycle.epochs)
        self._steps: Steps = fastest(self.stepper, allowed=plan.captured)
        self.epoch, self.batch = 0, 0
        self.broken = False
        self._generators: dict[str, Tensor] = {}

    @property
    def over(self) -> bool:
        """Whether all epochs of the cycle are done."""
        return self.epoch >= self._plan.cycle.epochs

    def advance(self, *, n_batches: int | None = None) -> EpochTotals | None:
        """Train to the end of the epoch, or for so many batches if that is earlier.

        Returns
        -------
        EpochTotals or None
            At the end of an epoch; None where it stopped within one.
        """
        plan, epoch = self._plan, self._plan.first_epoch + self.epoch
        end = -1 if n_batches is None else min(self.batch + n_batches, self._batches)
        # Where models differ in more than their weights, each has its own order; dropout is drawn for all at once.
        seed = derived_seed(plan.seeds[0], purpose="dropout", epoch=epoch)
        self._change_augment(plan.augment or self._augments[self.epoch])
        self.broken = True
        with (
            seeded(seed, device=self._device),
            deterministic_kernels(device=self._device, enabled=plan.deterministic),
            held(self._model, plan.cycle.recipe.layers),
        ):
            self._set_generators()
            self.batch = run_epoch(
                self._steps,
                plan.source,
                self.order(epoch),
                batch_size=plan.cycle.batch_size,
                begin=self.batch,
                end=end,
            )
            self._keep_generators()
        self.broken = False
        if self.batch < self._batches:
            return None
        self.epoch, self.batch, self._generators = self.epoch + 1, 0, {}
        return read_totals(self.stepper)

    def _change_augment(self, augment: Augment | None) -> None:
        if augment is not self.stepper.augment:
            self.stepper.augment = augment
            # What was captured would go on as it was, with images of another size.
            self._steps = fastest(self.stepper, allowed=self._plan.captured)

    def state(self) -> dict[str, Tensor]:
        """Return all that must be kept, beside the model's weights, to go on from here: copies, on the host."""
        course = self.stepper.course
        kept = {f"optimizer.{name}": value for name, value in self.stepper.optimizer.state().items()}
        kept |= {f"objective.{name}": value for name, value in self.stepper.objective.state_dict().items()}
        kept |= {f"generator.{name}": value for name, value in self._generators.items()}
        if self.stepper.average is not None:
            kept |= {f"average.{name}": value for name, value in self.stepper.average.state().items()}
            kept |= {f"trained.{name}": value for name, value in self._model.state_dict().items()}
        kept |= {"course.step": course.step, "course.totals": course.totals, "course.taken": self._taken}
        kept["place"] = torch.tensor(Standing(self.epoch, self.batch, self._plan.first_epoch))
        kept |= self.groups()
        return {name: value.detach().cpu().clone() for name, value in kept.items()}

    def groups(self) -> dict[str, Tensor]:
        """Return the SHA-256 of the groups of the train rows, by the name "groups"; nothing where there are none."""
        groups = None if self._plan.objective is None else tensors_of(self._plan.source).groups
        return {} if groups is None else {"groups": rows_digest(groups, self._plan.train)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken; nothing is taken over of a state that does not fit.

        Raises
        ------
        ValueError
            If the state is not that of such a cycle: another name, shape or type of number, NaN, or a place out of its
            range; all of them are listed.
        """
        standing = standing_of(state)
        raise_violations(self._violations(state, standing))
        self.stepper.optimizer.restore(_under(state, "optimizer."))
        self.stepper.objective.load_state_dict(_under(state, "objective."))
        if self.stepper.average is not None:
            self.stepper.average.restore(_under(state, "average."))
            self._model.load_state_dict(_under(state, "trained."))
        self._generators = _under(state, "generator.")
        self.stepper.course.step.copy_(state["course.step"])
        self.stepper.course.totals.copy_(state["course.totals"])
        self._taken.copy_(state["course.taken"])
        self.epoch, self.batch = standing.epoch, standing.batch

    def _violations(self, state: Mapping[str, Tensor], standing: Standing) -> list[str]:
        generators = _under(state, "generator.")
        rest = {name: value for name, value in state.items() if not name.startswith("generator.")}
        wanted = {name: value for name, value in self.state().items() if not name.startswith("generator.")}
        if "groups" not in state:  # not kept by earlier versions
            wanted.pop("groups", None)
        violations = unlike(rest, wanted)
        violations += generator_violations(generators, device=self._device, within=standing.batch > 0)
        if not violations:
            epochs, step = self._plan.cycle.epochs, int(state["course.step"].item())
            violations = standing.violations(epochs=epochs, batches=self._batches, step=step)
        return violations

    @property
    def _taken(self) -> Tensor:
        return self.stepper.optimizer.taken

    @property
    def _batches(self) -> int:
        return -(-len(self._plan.train) // self._plan.cycle.batch_size)

    def order(self, epoch: int) -> Tensor:
        """Return the order in which an epoch visits the rows, counted over all cycles."""
        train = self._plan.train
        orders = [
            train[epoch_order(len(train), seed=seed, epoch=epoch, device=self._device)] for seed in self._plan.seeds
        ]
        return torch.stack(orders) if isinstance(self._model, StackedModels) else orders[0]

    def _keep_generators(self) -> None:
        self._generators = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            self._generators["cuda"] = torch.cuda.get_rng_state(self._device)

    def _set_generators(self) -> None:
        if "cpu" in self._generators:
            torch.set_rng_state(self._generators["cpu"])
        if "cuda" in self._generators:
            torch.cuda.set_rng_state(self._generators["cuda"], self._device)


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
