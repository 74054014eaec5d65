"""Scores and conformal p-values of single rows: exact by exchangeability, and small for rows from elsewhere."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.covariance import LedoitWolf

from audit.errors import InputError
from monitors.shift.out_of_domain import Domain, domain_p_values, domain_scores, fit_domain


def test_mahalanobis_is_that_of_scipy_on_the_covariance_of_scikit_learn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5))
    domain = fit_domain(rows, random_state=1)
    fitted = rows[np.random.default_rng(1).permutation(300)[150:]]
    precision = np.linalg.inv(LedoitWolf().fit(fitted).covariance_)
    new = rng.normal(size=(10, 5))
    expected = [mahalanobis(row, fitted.mean(axis=0), precision) for row in new]
    assert domain_scores(domain, new) == pytest.approx(expected)


def test_nearest_is_the_smallest_of_all_distances():
    rng = np.random.default_rng(2)
    rows, new = rng.normal(size=(200, 4)), rng.normal(size=(2_500, 4))
    domain = fit_domain(rows, distance="nearest")
    white = (new - domain.centre) @ domain.whitening
    assert domain_scores(domain, new) == pytest.approx(cdist(white, domain.points).min(axis=1))


@pytest.mark.parametrize("distance", ["mahalanobis", "nearest"])
@pytest.mark.parametrize("draw", [
    lambda rng, n: rng.normal(size=(n, 30)),
    lambda rng, n: rng.standard_cauchy(size=(n, 3)),
    lambda rng, n: rng.integers(0, 2, size=(n, 4)).astype(float),
], ids=["more dimensions than rows held", "no moments", "ties"])  # fmt: skip
def test_p_values_are_at_most_t_with_probability_at_most_t(distance, draw):
    rng, below = np.random.default_rng(3), np.zeros(3)
    levels = np.array([0.05, 0.1, 0.5])
    repeats = 400
    for seed in range(repeats):
        domain = fit_domain(draw(rng, 60), distance=distance, random_state=seed)
        below += domain_p_values(domain, draw(rng, 1))[0] <= levels
    # One row each, so that the repeats are independent: three standard errors.
    assert np.all(below / repeats <= levels + 3 * np.sqrt(levels * (1 - levels) / repeats))


def test_nearest_sees_a_hole_between_clusters_and_the_distance_from_the_mean_does_not():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(1000, 2)) + np.where(rng.random(1000) < 0.5, 8.0, -8.0)[:, None]
    hole = np.zeros((20, 2))
    p_values = {name: domain_p_values(fit_domain(rows, distance=name), hole) for name in ("mahalanobis", "nearest")}
    assert p_values["mahalanobis"].min() > 0.9
    assert p_values["nearest"].max() < 0.01


def test_rows_from_elsewhere_have_the_smallest_p_value_there_is():
    rng = np.random.default_rng(5)
    domain = fit_domain(rng.normal(size=(400, 8)))
    assert domain_p_values(domain, rng.normal(size=(50, 8)) + 5).max() == pytest.approx(1 / 201)


def test_a_constant_reference_and_fewer_rows_than_dimensions_are_no_error():
    constant = fit_domain(np.ones((50, 3)))
    assert domain_p_values(constant, np.ones((2, 3))).tolist() == [1.0, 1.0]
    assert domain_p_values(constant, np.full((1, 3), 2.0)) == pytest.approx([1 / 26])
    flat = np.random.default_rng(6).normal(size=(50, 3))
    flat[:, 1] = 0.0
    assert np.isfinite(domain_scores(fit_domain(flat), [[0.0, 1.0, 0.0]])).all()
    assert np.isfinite(
        domain_scores(fit_domain(np.random.default_rng(7).normal(size=(50, 200))), np.zeros((1, 200)))
    ).all()


def test_missing_values_have_no_score():
    domain = Domain(
        distance="nearest", centre=np.zeros(1), whitening=np.eye(1), points=np.zeros((1, 1)), held_back=np.ones(1)
    )
    assert np.isnan(domain_p_values(domain, [[np.nan], [np.inf]])).all()
    assert domain_scores(domain, np.empty((0, 1))).shape == (0,)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="'mahalanobis' or 'nearest'; got 'cosine'") as error:
        fit_domain(np.zeros((100, 2)), distance="cosine", held_back=0.0, random_state=-1)
    assert len(error.value.violations) == 3
    with pytest.raises(InputError, match="20 rows or more to fit on and to hold back; got 30"):
        fit_domain(np.zeros((30, 2)))
    with pytest.raises(InputError, match="must be finite; 1 of 100"):
        fit_domain(np.where(np.arange(200).reshape(100, 2) == 7, np.inf, 0.0))
    with pytest.raises(InputError, match="expected 2 dimensions"):
        domain_scores(fit_domain(np.random.default_rng(8).normal(size=(100, 2))), np.zeros((1, 3)))
