import numpy as np
import pytest
import torch

from trainer.data.resident import Batch
from trainer.data.target import Target
from trainer.fitting.penalty import GapPenalty


def batch_of(losses, groups, *, target=None, weights=None):
    groups = torch.tensor(groups)
    target = torch.zeros(groups.shape, dtype=torch.int64) if target is None else torch.tensor(target)
    return torch.tensor(losses), Batch(inputs=(), target=target, weights=weights, groups=groups)


def logits(probabilities):
    share = torch.tensor(probabilities)
    return torch.stack([torch.zeros_like(share), torch.logit(share)], dim=-1)


def brute_penalty(scores, groups):
    means = [scores[groups == g].mean(axis=0) for g in sorted(set(groups))]
    pairs = [((a - b) ** 2) for i, a in enumerate(means) for b in means[i + 1 :]]
    return float(np.mean(pairs)) if pairs else 0.0


def test_the_penalties_are_those_of_plain_loops():
    rng, target = np.random.default_rng(1), Target(kind="classes", classes=(0, 1))
    for _ in range(10):
        scores, groups, labels = rng.uniform(0.05, 0.95, 30), rng.integers(0, 3, 30), rng.integers(0, 2, 30)
        losses, batch = batch_of(np.zeros(30, dtype=np.float32), groups, target=labels)
        output = logits(scores)
        parity = GapPenalty(target, n_groups=4, strength=2.0, within_classes=False)
        odds = GapPenalty(target, n_groups=4, strength=1.0, within_classes=True)
        assert parity(losses, output, batch).item() == pytest.approx(2.0 * brute_penalty(scores, groups), rel=1e-4)
        by_class = [brute_penalty(scores[labels == y], groups[labels == y]) for y in (0, 1)]
        assert odds(losses, output, batch).item() == pytest.approx(np.mean(by_class), rel=1e-4)


def test_a_batch_of_one_group_has_no_gap():
    target = Target(kind="classes", classes=(0, 1))
    for within in (False, True):
        losses, batch = batch_of([0.0, 0.0], [1, 1])
        output = logits([0.2, 0.9]).requires_grad_()
        found = GapPenalty(target, n_groups=3, strength=1.0, within_classes=within)(losses, output, batch)
        found.backward()
        assert found.item() == 0.0
        assert output.grad.isfinite().all()


def test_numbers_and_labels_have_mean_scores_too():
    losses, batch = batch_of([0.0, 0.0], [0, 1])
    number = GapPenalty(Target(kind="number", scale=2.0), n_groups=2, strength=1.0, within_classes=False)
    assert number(losses, torch.tensor([[1.0], [4.0]]), batch).item() == pytest.approx(9.0)
    labels = GapPenalty(Target(kind="labels", classes=("a", "b")), n_groups=2, strength=1.0, within_classes=False)
    found = labels(losses, torch.logit(torch.tensor([[0.2, 0.5], [0.6, 0.5]])), batch)
    assert found.item() == pytest.approx(0.4**2 / 2, rel=1e-5)
