import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.data.resident import Resident
from trainer.data.target import Target
from trainer.fitting.objectives import MeanLoss
from trainer.fitting.optimizer import GuardedAdamW
from trainer.fitting.stacked import StackedModels
from trainer.fitting.step import Course, Stepper
from trainer.networks.tabular import MLPSettings, TabularMLP

# What makes the host wait for the device, or depends on values: none of it can be captured.
WAITING = {"_local_scalar_dense", "nonzero", "item", "is_nonzero", "masked_select", "unique2", "_unique2", "equal"}


class Watched(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func.overloadpacket._qualified_op_name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def stepper(*, models=None, accumulate=1, clip=1.0):
    torch.manual_seed(0)
    settings = MLPSettings(hidden=(8,), frequencies=4)
    singles = [TabularMLP(n_codes=(3, 4), n_numeric=2, n_classes=2, settings=settings) for _ in range(models or 1)]
    model = singles[0] if models is None else StackedModels(singles)
    return Stepper(
        model=model,
        target=Target(kind="classes", classes=(0, 1)),
        objective=MeanLoss(),
        optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.1, clip=clip, models=models),
        course=Course.begin(torch.full((20,), 0.01)),
        accumulate=accumulate,
    )


def resident(n=40):
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 3, (n, 2), generator=generator).to(torch.uint8)
    return Resident(
        inputs=(codes, torch.randn(n, 2, generator=generator)),
        target=torch.randint(0, 2, (n,), generator=generator),
        weights=torch.rand(n, generator=generator),
    )


@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_never_waits_for_the_host(models, accumulate):
    data, step = resident(), stepper(models=models, accumulate=accumulate)
    order = torch.arange(40) if models is None else torch.arange(40).expand(models, 40).contiguous()
    step.take(data, order, size=8)  # makes what is made once
    with Watched() as watched:
        step.take(data, order, size=8)
    assert len(watched.seen) > 20
    assert not WAITING & set(watched.seen)


def test_the_watch_sees_what_waits():
    with Watched() as watched:
        float(torch.ones(1).sum())
        torch.ones(2)[torch.ones(2) > 0]
    assert WAITING & set(watched.seen) >= {"_local_scalar_dense"}


def test_the_course_moves_on_by_itself():
    data, step = resident(), stepper()
    for size in (8, 8, 5):
        step.take(data, torch.arange(40), size=size)
    assert step.course.step.item() == 3
    assert step.course.row.item() == 21
    assert step.course.totals[1:].tolist() == [21.0, 0.0]


def test_weights_are_no_ratio_within_the_batch():
    light = Resident(inputs=resident().inputs, target=resident().target, weights=torch.full((40,), 0.5))
    plain = Resident(inputs=light.inputs, target=light.target)
    rows = torch.arange(8)
    step = stepper()
    step.model.eval()
    assert step.loss(light.take(rows)).item() == pytest.approx(0.5 * step.loss(plain.take(rows)).item())


def test_mixed_rows_cost_their_shares():
    step = stepper()
    step.model.eval()
    batch = resident().take(torch.arange(6))._replace(weights=None)
    other = 1 - batch.target
    mixed = step.loss(batch._replace(mixed=(other, torch.tensor(0.3))))
    both = 0.3 * step.loss(batch) + 0.7 * step.loss(batch._replace(target=other))
    assert mixed.item() == pytest.approx(both.item(), rel=1e-5)
