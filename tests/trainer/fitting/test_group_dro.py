import numpy as np
import pytest
import torch

from trainer.data.resident import Batch
from trainer.fitting.group_dro import GroupDRO


def batch_of(losses, groups, *, target=None, weights=None):
    groups = torch.tensor(groups)
    target = torch.zeros(groups.shape, dtype=torch.int64) if target is None else torch.tensor(target)
    return torch.tensor(losses), Batch(inputs=(), target=target, weights=weights, groups=groups)


def test_group_dro_follows_algorithm_1_step_by_step():
    rng = np.random.default_rng(0)
    objective, q = GroupDRO(np.ones(4), names="abcd", eta=0.3), np.full(4, 0.25)
    for _ in range(20):
        groups = rng.integers(0, rng.integers(1, 5), 12)
        losses, batch = batch_of(rng.exponential(size=12).astype(np.float32), groups)
        found = objective(losses, torch.zeros(12, 2), batch).item()
        means = {g: losses.numpy()[groups == g].mean() for g in set(groups)}
        for g, mean in means.items():
            q[g] *= np.exp(0.3 * mean)
        q /= q.sum()
        assert objective.q.numpy() == pytest.approx(q, rel=1e-4)
        assert found == pytest.approx(sum(q[g] * mean for g, mean in means.items()), rel=1e-4)


def test_a_group_that_is_absent_moves_nothing_and_costs_nothing():
    objective = GroupDRO(np.array([1.0, 1.0, 1.0, 0.0]), names="abcd", eta=1.0)
    losses, batch = batch_of([1.0, 1.0], [0, 0])
    losses.requires_grad_()
    objective(losses, torch.zeros(2, 2), batch).backward()
    q = objective.q
    assert q[1] == q[2] < q[0]
    assert q[3] == 0
    assert losses.grad.tolist() == pytest.approx([q[0].item() / 2] * 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_leaves_the_weights_of_groups_where_they_were(bad):
    objective = GroupDRO(np.ones(2), names="ab", eta=1.0)
    objective(*two_groups([1.0, 3.0]))
    before = objective.q.clone()
    objective(*two_groups([1.0, bad]))
    assert torch.equal(objective.q, before)
    objective(*two_groups([1.0, 3.0]))
    assert objective.q.isfinite().all()
    assert not torch.equal(objective.q, before)


def two_groups(losses):
    found, batch = batch_of(losses, [0, 1])
    return found, torch.zeros(2, 2), batch


def test_of_stacked_models_one_that_is_not_finite_does_not_stop_the_others():
    objective = GroupDRO(np.ones(2), names="ab", eta=1.0, models=2)
    losses, batch = batch_of([[1.0, float("nan")], [1.0, 3.0]], [[0, 1], [0, 1]])
    objective(losses, torch.zeros(2, 2, 2), batch)
    assert objective.q[0].tolist() == [0.5, 0.5]
    assert objective.q[1, 1] > 0.5


def test_evaluation_does_not_move_the_weights_of_groups():
    objective = GroupDRO(np.ones(2), names="ab", eta=1.0).eval()
    objective(*two_groups([1.0, 3.0]))
    assert objective.q.tolist() == [0.5, 0.5]


def swapped(eta, losses, *, steps):
    """Train with one group far behind, then as long with the other; return q after either."""
    objective, found = GroupDRO(np.ones(2), names="ab", eta=eta), []
    for order in (losses, losses[::-1]):
        for _ in range(steps):
            total = objective(*two_groups(order))
        found.append(objective.q.tolist())
    return found, total.item()


@pytest.mark.parametrize(("eta", "losses", "steps"), [(5.0, [3.0, 0.0], 60), (0.05, [0.8, 0.1], 3100)])
def test_a_group_that_was_far_ahead_is_found_again_when_it_falls_behind(eta, losses, steps):
    (first, back), _ = swapped(eta, losses, steps=steps)
    assert first == pytest.approx([1.0, 0.0], abs=1e-12)
    assert back == pytest.approx([0.5, 0.5], rel=1e-4), "as much loss on either side: where it began"


@pytest.mark.parametrize("loss", [20.0, 1e4, 3e38])
def test_large_losses_move_the_weights_to_where_algorithm_1_has_them(loss):
    objective = GroupDRO(np.array([1.0, 1.0, 0.0]), names="abc", eta=50.0)
    for _ in range(3):
        losses, batch = batch_of([0.0, loss], [0, 1])
        found = objective(losses, torch.zeros(2, 2), batch)
    assert objective.q.tolist() == [0.0, 1.0, 0.0]
    assert found.item() == pytest.approx(loss)
    assert objective.group_weights()["c"] == 0.0
