"""Validation goes through a part of the data by slices: what it takes at once, and that nothing else changes."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from trainer.data.resident import Resident
from trainer.data.target import Target
from trainer.fitting import epoch
from trainer.fitting.epoch import evaluate, outputs_of
from trainer.fitting.stacked import Shared, StackedModels

CLASSES = Target(kind="classes", classes=(0, 1))


class Watched(Resident):
    """Remembers how many rows were asked for at once."""

    asked: ClassVar[list[int]] = []

    def take(self, rows):
        self.asked.append(len(rows))
        return super().take(rows)


def data(n=1000):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n, 3, generator=generator)
    return Watched(
        inputs=(inputs,),
        target=(inputs[:, 0] > 0).long(),
        weights=torch.rand(n, generator=generator),
    )


@pytest.mark.parametrize("models", [None, 3])
def test_no_more_rows_at_once_than_predicted_at_once(models, monkeypatch):
    monkeypatch.setattr(epoch, "PREDICT_ROWS", 128)
    monkeypatch.setattr(Watched, "asked", [])
    torch.manual_seed(1)
    singles = [nn.Linear(3, 2) for _ in range(models or 1)]
    model = singles[0] if models is None else Shared(StackedModels(singles))
    source, rows = data(), torch.arange(999, -1, -1)
    found = evaluate(model, source, rows, target=CLASSES)
    assert Watched.asked == [128] * 7 + [104]
    batch = Resident.take(source, rows)
    losses, right = [], []
    for single in singles:
        output = outputs_of(single, batch.inputs)
        each = CLASSES.losses(output, batch.target).double() * batch.weights
        losses.append((each.sum() / batch.weights.double().sum()).item())
        right.append((output.argmax(1) == batch.target).double().mean().item())
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    assert found.accuracy == pytest.approx(sum(right) / len(right), rel=1e-12)
    assert found.n == 1000


def test_nothing_is_made_up_of_no_rows():
    found = evaluate(nn.Linear(3, 2), data(), torch.arange(0), target=CLASSES)
    assert (found.loss, found.value, found.n) == (None, None, 0)


@pytest.mark.parametrize("factor", [1.0, 3.0, 1e-30])
def test_the_loss_is_a_weighted_mean_so_the_unit_of_weights_does_not_matter(factor):
    torch.manual_seed(1)
    model, plain = nn.Linear(3, 2), data()
    weighted = Resident(inputs=plain.inputs, target=plain.target, weights=plain.weights * factor)
    alike = Resident(inputs=plain.inputs, target=plain.target, weights=torch.full((1000,), factor))
    rows = torch.arange(1000)
    losses = CLASSES.losses(outputs_of(model, plain.inputs), plain.target).double().numpy()
    found = evaluate(model, weighted, rows, target=CLASSES)
    assert found.loss == pytest.approx(np.average(losses, weights=plain.weights.double().numpy()), rel=1e-6)
    assert evaluate(model, alike, rows, target=CLASSES).loss == pytest.approx(losses.mean(), rel=1e-6)


def test_without_weight_or_a_finite_number_there_is_no_loss_but_a_reason():
    plain, rows = data(), torch.arange(1000)
    found = evaluate(
        nn.Linear(3, 2), Resident(inputs=plain.inputs, target=plain.target, weights=torch.zeros(1000)), rows,
        target=CLASSES,
    )  # fmt: skip
    assert (found.loss, found.reason) == (None, "the weights of these rows add up to 0: no weighted loss")
    assert found.value is not None
    number, far = Target(kind="number"), torch.zeros(1000)
    far[7] = 1e25
    found = evaluate(nn.Linear(3, 1), Resident(inputs=plain.inputs, target=far), rows, target=number)
    assert (found.loss, found.value) == (None, pytest.approx(1e22))
    assert "beyond float32: look for extreme labels" in found.reason
    lost = nn.Linear(3, 2)
    nn.init.constant_(lost.bias, float("nan"))
    found = evaluate(lost, plain, rows, target=CLASSES)
    assert (found.loss, found.value) == (None, None)
    assert "the model answers rows with what is no finite number" in found.reason


def test_a_row_without_weight_does_not_count_whatever_its_loss():
    plain, weights, target = data(), torch.ones(1000), torch.zeros(1000)
    weights[7], target[7] = 0.0, 1e25
    found = evaluate(
        nn.Linear(3, 1), Resident(inputs=plain.inputs, target=target, weights=weights), torch.arange(1000),
        target=Target(kind="number"),
    )  # fmt: skip
    assert 0 < found.loss < 10
