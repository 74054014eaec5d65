"""Rows that lie outside what the reference held: a score per row, an exact p-value, and the share per window."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.seeds import seed_violations
from monitors.shift.embeddings import finite_violations, table_of

Floats = npt.NDArray[np.float64]
Distance = Literal["mahalanobis", "nearest"]

FITTED = 5_000
"""Distances are measured to at most so many reference rows, drawn at random."""

_FEWEST = 20
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """What the reference held, and the scores of reference rows that were held back from it.

    Parameters
    ----------
    distance
        "mahalanobis" from the mean, or to the "nearest" fitted row.
    centre
        Mean of the fitted rows, shape (n_dimensions,).
    whitening
        From centred rows to rows with covariance 1, shape (n_dimensions, n_dimensions).
    points
        Fitted rows, centred and whitened, shape (n_fitted, n_dimensions); empty for "mahalanobis".
    held_back
        Scores of the held-back rows, ascending, shape (n_held_back,).

    Examples
    --------
    >>> domain = fit_domain(np.random.default_rng(0).normal(size=(100, 2)))
    >>> len(domain.held_back)
    50
    """

    distance: Distance
    centre: Floats
    whitening: Floats
    points: Floats
    held_back: Floats


def fit_domain(
    embeddings: npt.ArrayLike, *, distance: Distance = "mahalanobis", held_back: float = 0.5, random_state: int = 0
) -> Domain:
    """Measure what the reference holds on a part of its rows, and score the rest.

    Parameters
    ----------
    embeddings
        Reference rows, finite, shape (n_rows, n_dimensions); rows of one person or place are not exchangeable: pass
        one of each.
    distance
        "mahalanobis": from the mean, in standard deviations along the axes of the covariance. "nearest": to the
        nearest fitted row, in the same units; sees holes between clusters too.
    held_back
        Share of the rows whose scores new rows are compared with, in (0, 1).
    random_state
        Seed of the rows drawn.

    Raises
    ------
    InputError
        If the embeddings are no table of finite numbers, fewer than 20 rows fall to a part, or a setting is unknown.

    Notes
    -----
    The covariance is drawn towards a multiple of the identity by Ledoit and Wolf 2004, A well-conditioned estimator for
    large-dimensional covariance matrices, doi:10.1016/S0047-259X(03)00096-4, so that it can be inverted with fewer rows
    than dimensions. The promise of `domain_p_values` does not rest on it.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(400, 3))
    >>> round(float(domain_scores(fit_domain(rows), [[0.0, 0.0, 9.0]])[0]))
    9
    """
    rows = table_of(embeddings)
    violations = [*finite_violations(rows), *seed_violations(random_state)]
    if distance not in {"mahalanobis", "nearest"}:
        violations.append(f"distance must be 'mahalanobis' or 'nearest'; got {distance!r}")
    if not 0 < held_back < 1:
        violations.append(f"held_back must lie in (0, 1); got {held_back}")
    elif min(round(held_back * len(rows)), len(rows) - round(held_back * len(rows))) < _FEWEST:
        violations.append(f"expected {_FEWEST} rows or more to fit on and to hold back; got {len(rows)} rows: add some")
    raise_violations(violations)
    order = np.random.default_rng(random_state).permutation(len(rows))
    back, rest = np.split(order, [round(held_back * len(rows))])
    fitted = rows[rest[:FITTED]]
    centre, whitening = fitted.mean(axis=0), _whitening(fitted)
    points = (fitted - centre) @ whitening if distance == "nearest" else np.empty((0, rows.shape[1]))
    domain = Domain(distance=distance, centre=centre, whitening=whitening, points=points, held_back=np.empty(0))
    scores = np.sort(domain_scores(domain, rows[back]))
    return Domain(distance=distance, centre=centre, whitening=whitening, points=points, held_back=scores)


def domain_scores(domain: Domain, embeddings: npt.ArrayLike) -> Floats:
    """Return how far each row lies from what the reference held, at least 0; larger is further out.

    Parameters
    ----------
    domain
        From `fit_domain`.
    embeddings
        Rows, shape (n_rows, n_dimensions).

    Returns
    -------
    ndarray
        Shape (n_rows,); NaN for rows with a value that is not finite.

    Raises
    ------
    InputError
        If the number of dimensions is another than the reference's.

    Examples
    --------
    >>> still = Domain(distance="mahalanobis", centre=np.zeros(2), whitening=np.eye(2), points=np.empty((0, 2)),
    ...                held_back=np.array([1.0]))
    >>> domain_scores(still, [[3.0, 4.0], [np.nan, 0.0]]).tolist()
    [5.0, nan]
    """
    rows = table_of(embeddings)
    if rows.shape[1] != len(domain.centre):
        raise_violations([f"expected {len(domain.centre)} dimensions, as in the reference; got {rows.shape[1]}"])
    known = np.asarray(np.isfinite(rows).all(axis=1))
    white = (np.where(known.reshape(-1, 1), rows, 0.0) - domain.centre) @ domain.whitening
    if domain.distance == "mahalanobis":
        scores = np.sqrt((white**2).sum(axis=1))
    else:
        chunks = [white[start : start + _AT_ONCE] for start in range(0, len(white), _AT_ONCE)]
        scores = np.concatenate([_nearest(chunk, domain.points) for chunk in chunks] or [np.empty(0)])
    return np.where(known, scores, np.nan)


def domain_p_values(domain: Domain, embeddings: npt.ArrayLike) -> Floats:
    """Return the conformal p-value of each row: (1 + held-back rows at least as far out) / (1 + held-back rows).

    Where a row is exchangeable with the held-back ones, P(p <= t) <= t for every t: exact, whatever the distance, the
    dimension and the distribution. The rows of a window share the held-back rows, so that their p-values depend on each
    other; `monitors.shift.out_of_domain_share.out_of_domain` counts with that.

    Parameters
    ----------
    domain, embeddings
        As in `domain_scores`.

    Returns
    -------
    ndarray
        In (0, 1], shape (n_rows,); NaN where there is no score.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world; Bates, Candes, Lei, Romano and Sesia 2023,
    Testing for outliers with conformal p-values, arXiv:2104.08279.

    Examples
    --------
    One of three held-back rows is as far out: (1 + 1) / (1 + 3).

    >>> still = Domain(distance="mahalanobis", centre=np.zeros(1), whitening=np.eye(1), points=np.empty((0, 1)),
    ...                held_back=np.array([0.5, 1.0, 2.0]))
    >>> domain_p_values(still, [[1.5], [3.0]]).tolist()
    [0.5, 0.25]
    """
    scores, count = domain_scores(domain, embeddings), len(domain.held_back)
    as_far = count - np.searchsorted(domain.held_back, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1 + as_far) / (1 + count))


def _whitening(rows: Floats) -> Floats:
    """Return the inverse root of the shrunken covariance."""
    count, dimensions = rows.shape
    centred = rows - rows.mean(axis=0)
    sample = centred.T @ centred / count
    size = np.trace(sample) / dimensions
    if size == 0:
        return np.eye(dimensions)
    off = float(((sample - size * np.eye(dimensions)) ** 2).sum())
    # The sum over rows of |x x' - S|^2, without a matrix per row.
    noise = float(((centred**2).sum(axis=1) ** 2).sum() / count - (sample**2).sum()) / count
    weight = min(noise / off, 1.0) if off > 0 else 1.0
    values, axes = np.linalg.eigh((1 - weight) * sample + weight * size * np.eye(dimensions))
    # Dimensions that never vary in the reference: a new value there is far out, but not infinitely.
    return np.asarray(axes / np.sqrt(np.maximum(values, 1e-12 * size)) @ axes.T)


def _nearest(rows: Floats, points: Floats) -> Floats:
    squares = (rows**2).sum(axis=1)[:, None] - 2.0 * rows @ points.T + (points**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0.0)))
