"""Boundaries and confidence sequences against published figures and by simulation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from monitors.sequential.mixtures import (
    bernoulli_sequence,
    beta_mixture_sequence,
    log_normal_mixture,
    normal_mixture_bound,
    normal_mixture_rho,
)

RHO = normal_mixture_rho(100.0)


def test_normal_mixture_has_the_published_figures() -> None:
    assert pytest.approx(12.60056, abs=5e-6) == RHO
    assert float(log_normal_mixture(10.0, 100.0, rho=RHO)) == pytest.approx(-0.6510052, abs=5e-8)
    assert float(normal_mixture_bound(100.0, rho=RHO)) == pytest.approx(30.35209, abs=5e-6)


def test_normal_mixture_is_the_mixture_of_likelihood_ratios() -> None:
    total, v = 7.0, 50.0
    found = quad(lambda slope: np.exp(slope * total - slope**2 * v / 2) * norm.pdf(slope, 0, RHO**-0.5), -20, 20)[0]
    assert float(log_normal_mixture(total, v, rho=RHO)) == pytest.approx(np.log(found), abs=1e-9)


def test_bound_is_where_the_mixture_reaches_its_limit() -> None:
    bound = normal_mixture_bound([1.0, 100.0, 1e6], rho=RHO, alpha=0.01)
    reached = log_normal_mixture(bound, [1.0, 100.0, 1e6], rho=RHO)
    assert reached == pytest.approx(np.log(100.0), abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "trials", "narrow_at", "low", "high"),
    [(700, 1000, 100, 0.651629, 0.745949), (15, 50, 50, 0.129556, 0.511896), (5, 50, 50, 0.013021, 0.269264)],
)
def test_bernoulli_sequence_has_the_published_figures(
    successes: int, trials: int, narrow_at: float, low: float, high: float
) -> None:
    found = bernoulli_sequence(successes, trials, narrow_at=narrow_at)
    assert (float(found.low), float(found.high)) == (pytest.approx(low, abs=1.1e-6), pytest.approx(high, abs=1.1e-6))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(100, 1000, 0.06878, 0.13837), (1000, 10000, 0.08851, 0.11233)]
)
def test_beta_mixture_sequence_has_the_published_figures(successes: int, trials: int, low: float, high: float) -> None:
    found = beta_mixture_sequence(successes, trials)
    assert (float(found.low), float(found.high)) == (pytest.approx(low, abs=5.1e-6), pytest.approx(high, abs=5.1e-6))


@pytest.mark.parametrize("sequence", [bernoulli_sequence, beta_mixture_sequence])
def test_sequences_hold_at_all_looks_together(sequence) -> None:
    rng, p = np.random.default_rng(7), 0.1
    looks = np.unique(np.geomspace(5, 5000, 30).astype(int))
    steps = rng.binomial(np.diff(looks, prepend=0), p, (400, len(looks)))
    found = sequence(steps.cumsum(axis=1), looks, alpha=0.1)
    missed = ((found.low > p) | (found.high < p)).any(axis=1).mean()
    assert missed <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)
    assert (
        missed
        < 0.1
        < np.mean(np.abs(steps.cumsum(axis=1) / looks - p) > 1.645 * np.sqrt(p * (1 - p) / looks), axis=0).sum()
    )


def test_nothing_seen_says_nothing() -> None:
    for sequence in (bernoulli_sequence, beta_mixture_sequence):
        found = sequence([0, 0, 20], [0, 20, 20])
        assert found.low.tolist()[:2] == [0.0, 0.0]
        assert found.high[0] == 1.0
        assert found.high[1] < 0.8
        assert found.low[2] > 0.2
        assert found.high[2] == 1.0


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and trials"):
        beta_mixture_sequence(3, 2)
