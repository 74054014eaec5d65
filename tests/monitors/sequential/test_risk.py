"""The risk e-process: its value, its promise at all looks, how soon it rings."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from monitors.sequential.risk import log_e_risk, risk_interval, risk_lower_bound, risk_upper_bound

TOLERATED = 0.12


@pytest.mark.parametrize(("losses", "n"), [(3, 50), (30, 50), (0, 400), (20, 1000), (150, 1000)])
def test_value_is_the_truncated_mixture_of_likelihood_ratios(losses: int, n: int) -> None:
    m, (a, b) = TOLERATED, (10 * TOLERATED, 10 * (1 - TOLERATED))

    def ratio(p: float) -> float:
        log_ratio = losses * np.log(p / m) + (n - losses) * np.log((1 - p) / (1 - m))
        return float(np.exp(log_ratio) * beta.pdf(p, a, b) / beta.sf(m, a, b))

    points = sorted({m + 1e-3, m + 0.01, m + 0.05, max(losses / n, m + 0.02)})
    expected = np.log(quad(ratio, m, 1, points=points, limit=500)[0])
    assert float(log_e_risk(losses, n, tolerated=m)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("losses", "n"), [(40, 6000), (400, 6000)])
def test_a_value_far_below_the_tolerated_risk_agrees_with_integration(losses: int, n: int) -> None:
    m = 0.3
    a, b = 10 * m, 10 * (1 - m)

    def ratio(p: float) -> float:
        log_ratio = losses * np.log(p / m) + (n - losses) * np.log1p((m - p) / (1 - m))
        return float(np.exp(log_ratio) * beta.pdf(p, a, b) / beta.sf(m, a, b))

    expected = quad(ratio, m, m + 0.002)[0] + quad(ratio, m + 0.002, m + 0.02)[0]
    assert beta.sf(m, a + losses, b + n - losses) < 1e-280 or losses == 400
    assert float(log_e_risk(losses, n, tolerated=m)) == pytest.approx(np.log(expected), abs=1e-7)


def test_large_counts_are_stable() -> None:
    n = 1e9
    steps = np.arange(-400, 400) * 100.0  # around the tolerated risk, to both sides of where the tail is tiny
    values = log_e_risk(TOLERATED * n + np.concatenate([steps - 4e5, steps]), n, tolerated=TOLERATED)
    assert np.isfinite(values).all()
    assert (np.diff(values[:800]) > -1e-6).all()
    assert (np.diff(values[800:]) > 0).all()
    assert float(log_e_risk(1.3e8, n, tolerated=TOLERATED)) == pytest.approx(
        n * (0.13 * np.log(0.13 / 0.12) + 0.87 * np.log(0.87 / 0.88)), rel=1e-4
    )


def test_expectation_under_the_null_is_at_most_one() -> None:
    n = 40
    losses = np.arange(n + 1)
    e_values = np.exp(log_e_risk(losses, n, tolerated=TOLERATED))
    for risk in (0.01, 0.05, 0.1, TOLERATED):
        assert (binom.pmf(losses, n, risk) * e_values).sum() <= 1.0 + 1e-9
    assert (binom.pmf(losses, n, 0.2) * e_values).sum() > 2.0


def looks_of(risk: float, repeats: int, rows: int = 100_000, every: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    looks = np.arange(every, rows + 1, every)
    keep = np.unique(np.geomspace(1, len(looks), 200).astype(int)) - 1
    steps = rng.binomial(every, risk, (repeats, len(looks))).cumsum(axis=1)
    return steps[:, keep], looks[keep]


def first_alarm(losses: np.ndarray, n: np.ndarray) -> np.ndarray:
    rang = log_e_risk(losses, n, tolerated=TOLERATED) >= np.log(20.0)
    return np.where(rang.any(axis=1), n[rang.argmax(axis=1)], np.inf)


def test_false_alarms_on_the_boundary_stay_below_alpha() -> None:
    losses, n = looks_of(TOLERATED, 200)
    assert np.isfinite(first_alarm(losses, n)).mean() <= 0.05
    naive = (losses / n - TOLERATED) / np.sqrt(TOLERATED * (1 - TOLERATED) / n) > 1.645
    assert naive.any(axis=1).mean() > 0.3


@pytest.mark.parametrize(("risk", "median"), [(0.13, 13_348), (0.15, 1_183), (0.20, 152)])
def test_alarms_come_at_least_as_soon_as_measured_before(risk: float, median: float) -> None:
    found = first_alarm(*looks_of(risk, 100, rows=60_000))
    assert np.median(found) <= 1.15 * median


@pytest.mark.slow
def test_false_alarms_on_the_boundary_looked_at_every_ten_rows() -> None:
    rng = np.random.default_rng(5)
    n = np.arange(10, 100_001, 10)
    rang = 0
    for _ in range(1000):
        losses = rng.binomial(10, TOLERATED, len(n)).cumsum()
        rang += bool((log_e_risk(losses, n, tolerated=TOLERATED) >= np.log(20.0)).any())
    assert rang / 1000 <= 0.05


def test_lower_bound_is_where_the_e_value_reaches_its_limit() -> None:
    losses, n = np.array([1.0, 30, 300, 1.2e8, 10]), np.array([1000.0, 100, 1000, 1e9, 10])
    bound = risk_lower_bound(losses, n, alpha=0.05)
    assert log_e_risk(losses, n, tolerated=bound) == pytest.approx(np.log(20.0), abs=1e-3)
    assert (bound < losses / n).all()


def test_bounds_hold_at_all_looks_together() -> None:
    rng = np.random.default_rng(2)
    n = np.unique(np.geomspace(10, 20_000, 10).astype(int))
    losses = rng.binomial(np.diff(n, prepend=0), 0.2, (150, len(n))).cumsum(axis=1)
    found = risk_interval(losses, n, alpha=0.1)
    assert ((found.low > 0.2) | (found.high < 0.2)).any(axis=1).mean() <= 0.1
    assert (found.high[:, -1] - found.low[:, -1] < 0.03).all()


def test_losses_between_0_and_1_keep_the_promise() -> None:
    rng = np.random.default_rng(3)
    losses = rng.beta(0.3, 0.3 * 0.88 / 0.12, (150, 4000)).cumsum(axis=1)[:, 49::50]
    n = np.arange(50, 4001, 50)
    assert (log_e_risk(losses, n, tolerated=TOLERATED) >= np.log(20.0)).any(axis=1).mean() <= 0.05


def test_edges() -> None:
    assert log_e_risk(0, 0, tolerated=0.1) == 0.0
    assert log_e_risk([0, 1], 5, tolerated=0.0).tolist() == [0.0, np.inf]
    assert log_e_risk(5, 5, tolerated=1.0) == 0.0
    assert risk_lower_bound([0, 0], [0, 7]).tolist() == [0.0, 0.0]
    assert risk_upper_bound([0, 7], [0, 7]).tolist() == [1.0, 1.0]
    assert log_e_risk(30, 100, tolerated=0.2, dispersion=2.0) == log_e_risk(15, 50, tolerated=0.2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"losses": 6}, "between 0 and n"),
        ({"losses": -1}, "between 0 and n"),
        ({"dispersion": 0.5}, "at least 1; got 0.5"),
    ],
)
def test_faulty_counts_are_refused(change: dict[str, float], text: str) -> None:
    given = {"losses": 2.0, "n": 5.0, "dispersion": 1.0} | change
    with pytest.raises(ValueError, match=text):
        log_e_risk(given["losses"], given["n"], tolerated=0.1, dispersion=given["dispersion"])
