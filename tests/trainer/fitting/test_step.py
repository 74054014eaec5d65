import numpy as np
import pytest
import torch

from trainer.data.resident import Resident
from trainer.data.target import Target
from trainer.fitting.objectives import MeanLoss
from trainer.fitting.optimizer import GuardedAdamW
from trainer.fitting.stacked import StackedModels
from trainer.fitting.step import Course, Stepper
from trainer.networks.tabular import MLPSettings, TabularMLP

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]
WAITS = {
    "item": lambda batch: batch.weights.sum().item(),
    "if": lambda batch: 1 if batch.weights.sum() > 3 else 0,
    "float": lambda batch: float(batch.weights[0]),
    "int": lambda batch: int(batch.target[0]),
    "range": lambda batch: range(batch.target[0]),
    "format": lambda batch: f"{batch.weights[0]:.3f}",
    "cpu": lambda batch: batch.target.cpu(),
    "to the host": lambda batch: batch.target.to("cpu"),
    "to the device": lambda batch: batch.weights + torch.tensor([1.0]).to(batch.weights.device),
    "new on the device": lambda batch: batch.weights + torch.tensor([1.0], device=batch.weights.device),
    "tolist": lambda batch: batch.target.tolist(),
    "numpy": lambda batch: batch.target.numpy(),
    "asarray": lambda batch: np.asarray(batch.target),
    "from numpy": lambda batch: batch.weights + torch.from_numpy(np.ones(1)),
    "mask": lambda batch: batch.target[batch.target > 0],
    "mask written": lambda batch: batch.weights.clone().index_put_((batch.target >= 0,), torch.ones(8)),
    "nonzero": lambda batch: batch.target.nonzero(),
    "masked_select": lambda batch: batch.target.masked_select(batch.target > 0),
    "unique": lambda batch: batch.target.unique(),
    "equal": lambda batch: torch.equal(batch.target, batch.target),
    "allclose": lambda batch: torch.allclose(batch.weights, batch.weights),
    "bincount": lambda batch: batch.target.bincount(),
}


def stepper(*, models=None, accumulate=1, clip=1.0, device="cpu"):
    torch.manual_seed(0)
    settings = MLPSettings(hidden=(8,), frequencies=4)
    singles = [TabularMLP(n_codes=(3, 4), n_numeric=2, n_classes=2, settings=settings) for _ in range(models or 1)]
    model = (singles[0] if models is None else StackedModels(singles)).to(device)
    return Stepper(
        model=model,
        target=Target(kind="classes", classes=(0, 1)),
        objective=MeanLoss(),
        optimizer=GuardedAdamW([(list(model.parameters()), 1.0)], weight_decay=0.1, clip=clip, models=models),
        course=Course.begin(torch.full((20,), 0.01, device=device)),
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


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_never_waits_for_the_host(models, accumulate, device, never_waiting):
    data, step = resident().to(torch.device(device)), stepper(models=models, accumulate=accumulate, device=device)
    order = torch.arange(40) if models is None else torch.arange(40).expand(models, 40).contiguous()
    order = order.to(device)
    step.take(data, order, size=8)  # makes what is made once
    with never_waiting() as watch:
        step.take(data, order, size=8)
    assert watch.operations > 20
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            step.take(data, order, size=8)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("waits", [pytest.param(wait, id=name) for name, wait in WAITS.items()])
def test_whatever_waits_within_a_step_is_seen(waits, never_waiting, waited):
    data, step = resident(), stepper()

    def augment(batch):
        waits(batch)
        return batch

    step.take(data, torch.arange(40), size=8)
    step.augment = augment
    step.take(data, torch.arange(40), size=8)  # by itself it is legal
    with never_waiting(), pytest.raises(waited):
        step.take(data, torch.arange(40), size=8)


def test_what_does_not_wait_is_no_alarm(never_waiting):
    values = torch.arange(4.0)
    with never_waiting():
        torch.where(values > 1, values, torch.zeros_like(values))[torch.arange(2)].to(torch.float64)
        values.masked_fill(values > 1, 0.0).index_put((values > 1,), values.sum())
    assert values.tolist() == [0.0, 1.0, 2.0, 3.0]  # all is as before


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
