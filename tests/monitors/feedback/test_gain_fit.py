"""The Poisson fit agrees with statsmodels, its error with the jackknife by refits, and bad grids have no number."""

import numpy as np
import pytest
import statsmodels.api as sm

from monitors.feedback.gain_fit import fit_elasticity, log_past, within


def grid(seed: int, *, places: int = 9, periods: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, control = rng.normal(0, 0.5, (2, places, periods))
    level = rng.normal(1.5, 0.5, (places, 1)) + rng.normal(0, 0.5, periods)
    return rng.poisson(np.exp(level + 0.6 * x - 0.3 * control)).astype(float), x, control


def reference(counts: np.ndarray, x: np.ndarray, control: np.ndarray, *, place_effects: bool) -> float:
    places, periods = counts.shape
    place, period = np.indices(counts.shape).reshape(2, -1)
    columns = [x.ravel()[:, None], control.ravel()[:, None], np.eye(periods)[period]]
    if place_effects:
        columns.append(np.eye(places)[place][:, 1:])
    known = np.isfinite(counts.ravel())
    fit = sm.GLM(counts.ravel()[known], np.hstack(columns)[known], family=sm.families.Poisson()).fit(tol=1e-12)
    return float(fit.params[0])


@pytest.mark.parametrize("place_effects", [False, True])
@pytest.mark.parametrize("shape", [(9, 7), (6, 14)])
def test_it_agrees_with_statsmodels(place_effects: bool, shape: tuple[int, int]) -> None:
    counts, x, control = grid(3, places=shape[0], periods=shape[1])
    counts[0, 1] = counts[3, 4] = np.nan
    found = fit_elasticity(counts, x, controls=[control], place_effects=place_effects)
    assert found.estimate == pytest.approx(reference(counts, x, control, place_effects=place_effects), abs=1e-6)
    assert found.places == shape[0]


def test_the_error_is_that_of_refits_without_one_place() -> None:
    ratios = []
    for seed in range(8):
        counts, x, control = grid(seed, places=12, periods=8)
        found = fit_elasticity(counts, x, controls=[control])
        kept = [np.arange(12) != place for place in range(12)]
        refits = np.array([fit_elasticity(counts[at], x[at], controls=[control[at]]).estimate for at in kept])
        exact = np.sqrt(11 / 12 * ((refits - found.estimate) ** 2).sum())
        ratios.append(found.standard_error / exact)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    assert max(np.abs(np.log(ratios))) < 0.25


def test_a_regressor_without_variation_within_periods_has_no_number() -> None:
    counts, _, _ = grid(1)
    assert np.isnan(fit_elasticity(counts, np.ones_like(counts)).estimate)
    by_period = np.broadcast_to(np.arange(7.0), counts.shape)
    assert np.isnan(fit_elasticity(counts, by_period).estimate)
    by_place = np.broadcast_to(np.arange(9.0)[:, None], counts.shape)
    assert np.isfinite(fit_elasticity(counts, by_place).estimate)
    assert np.isnan(fit_elasticity(counts, by_place, place_effects=True).estimate)


def test_periods_and_places_without_counts_say_nothing() -> None:
    counts, x, control = grid(2)
    empty = np.hstack([counts, np.zeros((9, 1))])
    more = np.hstack([x, np.ones((9, 1))])
    same = np.hstack([control, np.ones((9, 1))])
    assert fit_elasticity(empty, more, controls=[same]).estimate == pytest.approx(
        fit_elasticity(counts, x, controls=[control]).estimate, abs=1e-9
    )
    assert np.isnan(fit_elasticity(np.zeros((9, 7)), x).estimate)


def test_projection_leaves_what_effects_cannot_explain() -> None:
    rng = np.random.default_rng(1)
    weights, column = rng.uniform(0.5, 2, (5, 8)), rng.normal(size=(1, 5, 8))
    left = within(column + rng.normal(size=(5, 1)) + rng.normal(size=8), weights, place_effects=True)
    assert np.abs((left[0] * weights).sum(axis=0)).max() < 1e-9
    assert np.abs((left[0] * weights).sum(axis=1)).max() < 1e-9
    assert left[0] == pytest.approx(within(column, weights, place_effects=True)[0], abs=1e-9)


def test_the_past_of_a_place_knows_nothing_of_the_present() -> None:
    counts, _, _ = grid(4)
    changed = counts.copy()
    changed[:, 5] *= 3
    assert (log_past(changed)[:, :6] == log_past(counts)[:, :6]).all()
    assert (log_past(counts)[:, 0] == 0).all()
