"""Validation goes through a part of the data by slices: what it takes at once, and that nothing else changes."""

from typing import ClassVar

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
        losses.append((CLASSES.losses(output, batch.target) * batch.weights).double().mean().item())
        right.append((output.argmax(1) == batch.target).double().mean().item())
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    assert found.accuracy == pytest.approx(sum(right) / len(right), rel=1e-12)
    assert found.n == 1000


def test_nothing_is_made_up_of_no_rows():
    found = evaluate(nn.Linear(3, 2), data(), torch.arange(0), target=CLASSES)
    assert (found.loss, found.value, found.n) == (None, None, 0)
