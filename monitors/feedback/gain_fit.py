"""How strongly counts follow a shift of attention: a Poisson fit with period effects, errors clustered by place."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_STEPS = 100
_SETTLED = 1e-9
_LARGEST_LEVERAGE = 0.9
_PRIOR = 2.0
"""A place's past counts as if it had been average for so many periods before."""

_COLLINEAR = 1e-10


class ElasticityFit(NamedTuple):
    """An elasticity with its standard error, clustered by place.

    Attributes
    ----------
    estimate
        By how many per cent the count changes where the regressor's exponential changes by one.
    standard_error
        Of the estimate; NaN where it could not be made.
    places
        Number of places that were compared: the clusters.
    largest_part
        Share of all information that the place with most of it holds, in [0, 1].

    Examples
    --------
    >>> ElasticityFit(0.5, 0.1, 10, 0.2).places
    10
    """

    estimate: float
    standard_error: float
    places: int
    largest_part: float


def fit_elasticity(
    counts: Array, regressor: Array, *, controls: Sequence[Array] = (), place_effects: bool = False
) -> ElasticityFit:
    r"""Return the elasticity of counts in a regressor: Poisson quasi-likelihood with effects of periods.

    Parameters
    ----------
    counts : array, shape (n_places, n_periods)
        What came back, at least 0; not whole where it is weighted. NaN = no such cell.
    regressor : array, shape (n_places, n_periods)
        On the logarithmic scale: the dither, or the logarithm of attention.
    controls
        Further columns of the same shape, known before the period began: the plan, the past.
    place_effects
        Whether each place has an effect of its own. Not where controls depend on what came back earlier: place effects
        are means over the future, too, and bias the estimate towards 0 by about one part in n_periods.

    Returns
    -------
    ElasticityFit
        NaN where the regressor does not vary within periods, or the fit does not settle.

    Notes
    -----
    :math:`\log E[s_{it}] = \lambda_t (+ \mu_i) + G x_{it} + \sum_k \gamma_k c_{kit}`, solved by iteratively reweighted
    least squares, with the effects projected out at each step (Frisch, Waugh & Lovell; S. Guimaraes & P. Portugal
    (2010), Stata Journal 10, 628-649, doi:10.1177/1536867X1101000406). The quasi-likelihood is consistent whatever the
    distribution of the counts (C. Gourieroux, A. Monfort & A. Trognon (1984), doi:10.2307/1913471). The standard error
    is clustered by place with the jackknife's correction for few clusters (CR3; J. G. MacKinnon, M. O. Nielsen & M. D.
    Webb (2023), doi:10.1016/j.jeconom.2022.04.001), in one Newton step per place left out.

    Examples
    --------
    Twice the attention, twice the count, in each of two periods: the elasticity is 1.

    >>> counts = np.array([[2.0, 8.0], [4.0, 4.0], [2.0, 4.0]])
    >>> round(fit_elasticity(counts, np.log(counts)).estimate, 6)
    1.0
    """
    keep = np.nansum(counts, axis=0) > 0
    present = ~np.isnan(counts[:, keep])
    some = present.any(axis=1) & ((np.nansum(counts[:, keep], axis=1) > 0) | (not place_effects))
    present, values = present[some], np.nan_to_num(counts[:, keep][some])
    columns = np.stack([np.nan_to_num(each[:, keep][some]) for each in (regressor, *controls)])
    nothing = ElasticityFit(np.nan, np.nan, int(some.sum()), np.nan)
    if values.size == 0 or not _varies(values, columns[0], present, place_effects=place_effects):
        return nothing
    fitted = _fitted(values, columns, present, place_effects=place_effects)
    if fitted is None:
        return nothing
    estimate, means = fitted
    return _clustered(values, columns, means, float(estimate[0]), place_effects=place_effects)


def log_past(counts: Array) -> Array:
    """Return the logarithm of each place's part of all earlier counts, beside an average place's; 0 at the beginning.

    It is known before a period begins, so that controlling for it cannot bias a random shift's effect.

    Parameters
    ----------
    counts : array, shape (n_places, n_periods)
        In the order of the periods; NaN = no such cell.

    Examples
    --------
    After one period with 3 and 1: 1.5 and .5 of an average place, drawn towards 1 by two periods' worth of it.

    >>> np.exp(log_past(np.array([[3.0, 9.0], [1.0, 9.0]]))).round(3).tolist()
    [[1.0, 1.167], [1.0, 0.833]]
    """
    present = ~np.isnan(counts)
    values = np.nan_to_num(counts)
    here = np.maximum(present.sum(axis=0), 1)
    mean = values.sum(axis=0) / here
    relative = np.where(present & (mean > 0), values / np.where(mean > 0, mean, 1.0), 0.0)
    before = np.cumsum(relative, axis=1) - relative
    seen = np.cumsum(present & (mean > 0), axis=1) - (present & (mean > 0))
    return np.asarray(np.log((before + _PRIOR) / (seen + _PRIOR)), dtype=np.float64)


def within(columns: Array, weights: Array, *, place_effects: bool) -> Array:
    """Return columns less their weighted effects of period (and place).

    Parameters
    ----------
    columns : array, shape (n_columns, n_places, n_periods)
        What is projected.
    weights : array, shape (n_places, n_periods)
        At least 0; 0 where there is no such cell.
    place_effects
        Whether effects of places are projected out, too.

    Examples
    --------
    >>> within(np.array([[[1.0, 5.0], [3.0, 7.0]]]), np.ones((2, 2)), place_effects=False).tolist()
    [[[-1.0, -1.0], [1.0, 1.0]]]
    >>> np.abs(within(np.array([[[1.0, 5.0], [3.0, 7.0]]]), np.ones((2, 2)), place_effects=True)).max().item()
    0.0
    """
    by_period = weights.sum(axis=0)
    sums = np.einsum("kit,it->kt", columns, weights)
    if not place_effects:
        effects = sums / np.where(by_period > 0, by_period, 1.0)
        return np.asarray(columns - effects[:, None, :])
    if weights.shape[0] < weights.shape[1]:  # the smaller side makes the smaller system
        turned = within(np.swapaxes(columns, 1, 2), weights.T, place_effects=True)
        return np.swapaxes(turned, 1, 2)
    by_place = np.where(weights.sum(axis=1) > 0, weights.sum(axis=1), 1.0)
    of_place = np.einsum("kit,it->ki", columns, weights)
    # Places are eliminated first; what is left is a system of the size of the periods, of which one is the reference.
    system = np.diag(by_period) - weights.T @ (weights / by_place[:, None])
    right = sums - (of_place / by_place) @ weights
    periods = np.zeros_like(sums)
    periods[:, 1:] = np.linalg.lstsq(system[1:, 1:], right[:, 1:].T, rcond=None)[0].T
    places = (of_place - periods @ weights.T) / by_place
    return np.asarray(columns - places[:, :, None] - periods[:, None, :])


def _varies(counts: Array, regressor: Array, present: npt.NDArray[np.bool_], *, place_effects: bool) -> bool:
    """Return whether the regressor has variation of its own within periods (and places)."""
    weights = np.where(present, counts.mean() + counts, 0.0)
    left = within(regressor[None], weights, place_effects=place_effects)[0]
    scale = float((weights * (1.0 + regressor**2)).sum())
    return bool((weights * left**2).sum() > _COLLINEAR * scale)


def _fitted(
    counts: Array, columns: Array, present: npt.NDArray[np.bool_], *, place_effects: bool
) -> tuple[Array, Array] | None:
    """Return coefficients and fitted means, or None where they do not settle."""
    means = np.where(present, (counts + counts[present].mean()) / 2.0, 0.0)
    linear = np.log(np.where(present, means, 1.0))
    before = np.full(len(columns), np.inf)
    for _ in range(_STEPS):
        working = linear + np.where(present, (counts - means) / np.where(present, means, 1.0), 0.0)
        left = within(np.concatenate([columns, working[None]]), means, place_effects=place_effects)
        residual, answer = left[:-1], left[-1]
        squares = np.einsum("kit,lit,it->kl", residual, residual, means, optimize=True)
        now = np.linalg.lstsq(squares, np.einsum("kit,it,it->k", residual, means, answer, optimize=True), rcond=None)[0]
        linear = np.clip(working - (answer - np.tensordot(now, residual, axes=1)), -50.0, 50.0)
        means = np.where(present, np.exp(linear), 0.0)
        if np.abs(now - before).max() < _SETTLED:
            return now, means
        before = now
    return None


def _clustered(counts: Array, columns: Array, means: Array, estimate: float, *, place_effects: bool) -> ElasticityFit:
    """Return the estimate with its standard error by the jackknife over places, one Newton step each."""
    residual = within(columns, means, place_effects=place_effects)
    by_place = np.einsum("kit,lit,it->ikl", residual, residual, means, optimize=True)
    squares = by_place.sum(axis=0)
    # A place moves the effects of its periods towards itself, the more, the larger its part of them.
    leverage = np.minimum(means / np.maximum(means.sum(axis=0), 1e-300), _LARGEST_LEVERAGE)
    scores = np.einsum("kit,it->ik", residual, (counts - means) / (1.0 - leverage), optimize=True)
    places = len(counts)
    moved = np.array([np.linalg.lstsq(squares - by_place[i], scores[i], rcond=None)[0][0] for i in range(places)])
    error = float(np.sqrt((moved**2).sum() * (places - 1) / places))
    own = by_place[:, 0, 0]
    return ElasticityFit(estimate, error, places, float(own.max() / own.sum()))
