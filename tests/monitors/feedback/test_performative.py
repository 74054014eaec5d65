"""The slope of the next model on this one: published slopes, coverage at and beyond 1, and scores that follow."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import wasserstein_distance

from audit.errors import InputError
from monitors.feedback.performative import FAMILY, performative_sensitivity, score_shift_per_threshold
from monitors.simulators.performative import Performative, performative_runs

Floats = npt.NDArray[np.float64]


def retrainings(rng: np.random.Generator, slope: float, *, rounds: int = 20, n: int = 1000) -> Floats:
    """Return the means that are learnt in turn where a model theta moves the world to N(2 + slope theta, 1)."""
    theta = np.zeros(rounds)
    for step in range(1, rounds):
        theta[step] = rng.normal(2 + slope * theta[step - 1], 1 / np.sqrt(n))
    return theta


@pytest.mark.parametrize("slope", [0.3, 0.6, 0.9, 1.1])
def test_the_published_slopes_are_found(slope: float) -> None:
    row = performative_sensitivity(retrainings(np.random.default_rng(0), slope), draws=299)
    assert row.value == pytest.approx(slope, abs=0.05)
    assert row.low is not None
    assert row.high is not None
    assert row.low <= slope <= row.high


@pytest.mark.parametrize("slope", [0.6, 1.1])
def test_the_simulator_s_runs_have_its_slope(slope: float) -> None:
    runs = performative_runs(Performative(sensitivity=slope), runs=3, rounds=20, seed=1)
    for path in runs.parameters:
        row = performative_sensitivity(path, draws=299)
        assert row.value == pytest.approx(slope, abs=0.15)


def coverage(slope: float, *, start: float, worlds: int, rounds: int = 16) -> float:
    held = 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        theta = np.full(rounds, start)
        for step in range(1, rounds):
            theta[step] = slope * theta[step - 1] + rng.normal()
        row = performative_sensitivity(theta, draws=199)
        assert row.low is not None
        assert row.high is not None
        held += row.low <= slope <= row.high
    return held / worlds


@pytest.mark.parametrize(("slope", "start"), [(0.0, 0.0), (0.9, 0.0), (1.0, 5.0)])
def test_the_interval_covers_the_slope(slope: float, start: float) -> None:
    assert coverage(slope, start=start, worlds=40) >= 0.85  # 38 are expected; fewer than 34 have a chance of .01


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 0.5, 0.9, 1.0, 1.1])
@pytest.mark.parametrize("start", [0.0, 5.0])
def test_the_interval_covers_the_slope_in_many_worlds(slope: float, start: float) -> None:
    assert coverage(slope, start=start, worlds=400) >= 0.925


def test_several_parameters_share_a_slope() -> None:
    rng = np.random.default_rng(3)
    paths = np.column_stack([retrainings(rng, 0.5) for _ in range(4)])
    row = performative_sensitivity(paths, draws=199)
    alone = performative_sensitivity(paths[:, 0], draws=199)
    assert row.value == pytest.approx(0.5, abs=0.02)
    assert None not in (row.low, row.high, alone.low, alone.high)
    assert row.high - row.low < alone.high - alone.low  # type: ignore[operator]


@pytest.mark.parametrize(
    ("theta", "said"),
    [
        ([1.0, 2.0, 3.0], "3 models are fewer than 4"),
        ([2.0] * 8, "the parameters do not move"),
    ],
)
def test_what_cannot_be_measured_says_why(theta: list[float], said: str) -> None:
    row = performative_sensitivity(theta)
    assert row.value is None
    assert str(row.reason).startswith("cannot be measured, because")
    assert said in str(row.reason)


def test_few_models_have_a_slope_and_no_interval() -> None:
    row = performative_sensitivity([0.0, 2.1, 2.9, 3.6])
    assert row.value is not None
    assert row.low is None
    assert row.reason == "no interval: 4 models are fewer than 6"


def test_bad_input_is_told_at_once() -> None:
    with pytest.raises(InputError, match="theta must be finite numbers") as error:
        performative_sensitivity([1.0, float("nan"), 2.0, 3.0], level=1.0, draws=5)
    assert "level must lie in" in str(error.value)
    assert "draws must be at least 99" in str(error.value)


def test_scores_that_follow_the_threshold_are_measured_by_their_distance() -> None:
    rng = np.random.default_rng(4)
    bins, n = 50, 4000
    rounds = [np.clip(rng.normal(mean, 0.1, size=n), 0, 0.999) for mean in (0.4, 0.48, 0.48)]
    counts = np.array([np.bincount((scores * bins).astype(int), minlength=bins) for scores in rounds])
    moved, still = score_shift_per_threshold(counts, [0.5, 0.6, 0.7])
    centres = np.arange(bins) / bins
    expected = wasserstein_distance(centres, centres, counts[0], counts[1])
    assert moved.value == pytest.approx(expected / 0.1)
    assert moved.low is not None
    assert moved.low > 0
    assert moved.low <= 0.8 <= (moved.high or 0)
    assert still.low == 0
    assert dict(still.at) == {"round": 2}


def test_the_band_holds_the_distance() -> None:
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(200, np.full(20, 0.05), size=2)
        row = score_shift_per_threshold(counts, [0.4, 0.5])[0]
        held += row.low == 0
    assert held >= 285


def test_a_threshold_that_stays_and_empty_rounds_say_so() -> None:
    counts = np.array([[5, 5], [5, 5], [0, 0]])
    rows = score_shift_per_threshold(counts, [0.5, 0.5, 0.6])
    assert [row.value for row in rows] == [None, None]
    assert "the threshold did not change" in str(rows[0].reason)
    assert "a round has no rows" in str(rows[1].reason)
    with pytest.raises(InputError, match="counts must be at least 0") as error:
        score_shift_per_threshold(-counts, [0.5, 2.0, 0.1])
    assert "thresholds must lie in" in str(error.value)


def test_the_family_is_not_of_a_log() -> None:
    assert all(not metric.of_a_log and metric.measure is None for metric in FAMILY)
