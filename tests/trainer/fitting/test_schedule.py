import pytest
import torch

from trainer.fitting.schedule import one_cycle


@pytest.mark.parametrize(("n_steps", "pct_start"), [(816, 0.25), (40, 0.3), (100, 0.1), (8, 0.25)])
def test_it_equals_torch(n_steps, pct_start):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0, betas=(0.9, 0.99))
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=3e-3,
        total_steps=n_steps,
        pct_start=pct_start,
        div_factor=25,
        final_div_factor=1e5 / 25,
        cycle_momentum=False,
    )
    rates = []
    for step in range(n_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < n_steps:
            reference.step()
    assert one_cycle(n_steps, lr=3e-3, pct_start=pct_start) == pytest.approx(rates, rel=1e-9)


def test_it_starts_peaks_and_ends_where_it_says():
    rates = one_cycle(100, lr=0.01)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert max(rates) == rates[24] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.01 / 1e5)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 5])
def test_short_cycles_stay_within_their_limits(n_steps):
    rates = one_cycle(n_steps, lr=0.01)
    assert len(rates) == n_steps
    assert ((rates > 0) & (rates <= 0.01)).all()
    assert max(rates) >= 0.009


@pytest.mark.parametrize(("n_steps", "pct_start"), [(0, 0.25), (10, 1.0), (10, -0.1)])
def test_impossible_cycles_are_refused(n_steps, pct_start):
    with pytest.raises(ValueError, match="n_steps must be at least 1"):
        one_cycle(n_steps, lr=0.01, pct_start=pct_start)
