import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.fitting.optimizer import GuardedAdamW, fused_guard_works

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]
BOTH_GUARDS = pytest.mark.parametrize("guard", ["fused", "host"])
BOTH_DEVICES = pytest.mark.parametrize("device", DEVICES)


def rate(device, lr=0.01):
    return torch.tensor(lr, device=device)


def gradients(step, device):
    generator = torch.Generator().manual_seed(step)
    shapes = [(5, 4), (5,)]
    return [torch.randn(shape, generator=generator).mul_(10.0**step).to(device) for shape in shapes]


def parameters(device):
    generator = torch.Generator().manual_seed(99)
    return [nn.Parameter(torch.randn(shape, generator=generator).to(device)) for shape in [(5, 4), (5,)]]


@BOTH_DEVICES
@BOTH_GUARDS
def test_clipping_equals_clip_grad_norm(guard, device):
    ours, theirs = parameters(device), parameters(device)
    optimizer = GuardedAdamW([(ours, 1.0)], weight_decay=0.1, clip=1.0, guard=guard)
    reference = torch.optim.AdamW(
        [{"params": theirs[:1], "weight_decay": 0.1}, {"params": theirs[1:], "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.99),
        eps=1e-5,
    )
    for step in (-3, 0, 2, 1):
        for mine, other, gradient in zip(ours, theirs, gradients(step, device), strict=True):
            mine.grad, other.grad = gradient.clone(), gradient.clone()
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        reference.step()
        assert bool(optimizer.step(rate(device)))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


@BOTH_DEVICES
@BOTH_GUARDS
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_leaves_no_trace(guard, device, bad):
    clean, disturbed = parameters(device), parameters(device)
    optimizers = [GuardedAdamW([(own, 1.0)], weight_decay=0.1, clip=1.0, guard=guard) for own in (clean, disturbed)]
    for step in range(4):
        if step in (0, 2):
            for parameter, gradient in zip(disturbed, gradients(step, device), strict=True):
                parameter.grad = gradient
            disturbed[0].grad[1, 1] = bad
            assert not bool(optimizers[1].step(rate(device, 0.5)))
        for own, optimizer in zip((clean, disturbed), optimizers, strict=True):
            for parameter, gradient in zip(own, gradients(step, device), strict=True):
                parameter.grad = gradient
            assert bool(optimizer.step(rate(device)))
    for one, other in zip(clean, disturbed, strict=True):
        assert torch.equal(one, other)


@BOTH_DEVICES
def test_both_guards_end_at_the_same_weights(device):
    results = []
    for guard in ("fused", "host"):
        own = parameters(device)
        optimizer = GuardedAdamW([(own, 1.0)], weight_decay=0.1, clip=0.5, guard=guard)
        for step in range(3):
            for parameter, gradient in zip(own, gradients(step, device), strict=True):
                parameter.grad = gradient
            optimizer.step(rate(device))
        results.append(own)
    for fused, host in zip(*results, strict=True):
        torch.testing.assert_close(fused, host, rtol=1e-5, atol=1e-7)


@BOTH_DEVICES
def test_the_fused_guard_is_found_to_work_and_is_taken(device):
    assert fused_guard_works(torch.device(device))
    assert GuardedAdamW([(parameters(device), 1.0)], weight_decay=0.0, clip=None).guard == "fused"


def test_a_torch_without_the_protocol_falls_back_to_the_host(monkeypatch):
    kernel = torch._fused_adamw_

    def deaf(*args, **kwargs):
        return kernel(*args, **kwargs | {"grad_scale": None, "found_inf": None})

    monkeypatch.setattr(torch, "_fused_adamw_", deaf)
    assert not fused_guard_works(torch.device("cpu"))
    assert GuardedAdamW([(parameters("cpu"), 1.0)], weight_decay=0.0, clip=1.0).guard == "host"


def test_a_torch_without_the_kernel_falls_back_to_the_host(monkeypatch):
    monkeypatch.delattr(torch, "_fused_adamw_")
    assert not fused_guard_works(torch.device("cpu"))


def test_without_a_limit_the_gradient_is_used_as_it_is():
    ours, theirs = parameters("cpu"), parameters("cpu")
    optimizer = GuardedAdamW([(ours, 1.0)], weight_decay=0.0, clip=None)
    reference = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.0)
    for mine, other, gradient in zip(ours, theirs, gradients(3, "cpu"), strict=True):
        mine.grad, other.grad = gradient.clone(), gradient.clone()
    optimizer.step(rate("cpu"))
    reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)


def test_layers_learn_at_their_own_rates():
    ours, theirs = parameters("cpu"), parameters("cpu")
    optimizer = GuardedAdamW([(ours[:1], 0.1), (ours[1:], 1.0)], weight_decay=0.0, clip=None)
    groups = [{"params": theirs[:1], "lr": 0.001}, {"params": theirs[1:], "lr": 0.01}]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.0)
    for mine, other, gradient in zip(ours, theirs, gradients(0, "cpu"), strict=True):
        mine.grad, other.grad = gradient.clone(), gradient.clone()
    optimizer.step(rate("cpu"))
    reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8)


def test_stacked_models_are_clipped_each_by_its_own_norm():
    singles = [[nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))] for _ in range(2)]
    stacked = [nn.Parameter(torch.stack([one[place] for one in singles]).detach()) for place in range(2)]
    both = GuardedAdamW([(stacked, 1.0)], weight_decay=0.1, clip=1.0, models=2)
    apart = [GuardedAdamW([(one, 1.0)], weight_decay=0.1, clip=1.0) for one in singles]
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        for place, parameter in enumerate(stacked):
            parameter.grad = torch.randn(parameter.shape, generator=generator) * torch.tensor([0.01, 50.0]).view(
                2, *[1] * (parameter.ndim - 1)
            )
            for number, single in enumerate(singles):
                single[place].grad = parameter.grad[number].clone()
        assert both.step(rate("cpu")).tolist() == [True, True]
        for optimizer in apart:
            optimizer.step(rate("cpu"))
    for place, parameter in enumerate(stacked):
        for number, single in enumerate(singles):
            torch.testing.assert_close(parameter[number], single[place], rtol=1e-5, atol=1e-7)


def test_what_was_kept_of_an_optimizer_goes_on_in_another():
    whole, cut = parameters("cpu"), parameters("cpu")
    optimizers = [GuardedAdamW([(own, 1.0)], weight_decay=0.1, clip=1.0) for own in (whole, cut)]
    for step in range(4):
        if step == 2:
            kept = {name: value.clone() for name, value in optimizers[1].state().items()}
            optimizers[1] = GuardedAdamW([(cut, 1.0)], weight_decay=0.1, clip=1.0)
            optimizers[1].restore(kept)
        for own, optimizer in zip((whole, cut), optimizers, strict=True):
            for parameter, gradient in zip(own, gradients(step, "cpu"), strict=True):
                parameter.grad = gradient
            optimizer.step(rate("cpu"))
    for one, other in zip(whole, cut, strict=True):
        assert torch.equal(one, other)


@BOTH_GUARDS
def test_a_stacked_model_without_a_finite_gradient_takes_a_gradient_of_zero(guard):
    stacked = [nn.Parameter(torch.ones(3, 2, 2))]
    alone = [[nn.Parameter(torch.ones(2, 2))] for _ in range(3)]
    both = GuardedAdamW([(stacked, 1.0)], weight_decay=0.1, clip=1.0, models=3, guard=guard)
    apart = [GuardedAdamW([(one, 1.0)], weight_decay=0.1, clip=1.0, guard=guard) for one in alone]
    for step in range(3):
        gradient = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(step))
        for number, one in enumerate(alone):
            one[0].grad = gradient[number].clone() if (step, number) != (1, 1) else torch.zeros(2, 2)
        stacked[0].grad = gradient.clone()
        if step == 1:
            stacked[0].grad[1, 0, 1] = float("nan")
        assert both.step(rate("cpu")).tolist() == [True, step != 1, True]
        for optimizer in apart:
            optimizer.step(rate("cpu"))
    for number, one in enumerate(alone):
        torch.testing.assert_close(stacked[0][number], one[0], rtol=1e-5, atol=1e-7)
    assert both.taken.tolist() == [3, 2, 3]


@BOTH_GUARDS
def test_where_no_stacked_model_has_a_finite_gradient_nothing_moves(guard):
    stacked = [nn.Parameter(torch.ones(2, 3))]
    both = GuardedAdamW([(stacked, 1.0)], weight_decay=0.1, clip=1.0, models=2, guard=guard)
    stacked[0].grad = torch.full((2, 3), float("inf"))
    assert both.step(rate("cpu")).tolist() == [False, False]
    assert torch.equal(stacked[0], torch.ones(2, 3))


def test_what_was_kept_of_other_parameters_is_refused():
    one, other = ({item: name for item, name in zip(parameters("cpu"), names, strict=True)} for names in ("ab", "ac"))
    kept = GuardedAdamW([(list(one), 1.0)], weight_decay=0.0, clip=None, names=one).state()
    assert sorted(kept) == [f"{name}.{key}" for name in "ab" for key in ("exp_avg", "exp_avg_sq", "step")]
    with pytest.raises(InputError) as caught:
        GuardedAdamW([(list(other), 1.0)], weight_decay=0.0, clip=None, names=other).restore(kept)
    assert len(caught.value.violations) == 6
    assert "'c.exp_avg' is missing" in caught.value.violations
    assert "'b.exp_avg' is not known here" in caught.value.violations
