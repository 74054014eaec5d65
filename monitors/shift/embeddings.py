"""Embeddings of images and texts as features that every monitor of columns can watch: fixed random projections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.seeds import seed_violations

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CENTRE_DISTANCE = "distance from the centre"
"""Name of the feature that sees a change of spread or of kind where no single direction does."""

_FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Projections:
    """Directions in which embeddings are looked at, frozen with the reference.

    Parameters
    ----------
    centre, scale
        Mean and standard deviation of each dimension over the rows in `fitted`, shape (n_dimensions,).
    directions
        Unit vectors, shape (n_dimensions, n_directions).
    fitted
        Which rows of the reference `centre` and `scale` were taken from, shape (n_reference,). They are no part of a
        reference to compare with: they lie nearer to their own mean than new rows do.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(100, 3))
    >>> found = fit_projections(rows, directions=2)
    >>> found.directions.shape, int(found.fitted.sum())
    ((3, 2), 20)
    """

    centre: Floats
    scale: Floats
    directions: Floats
    fitted: Flags

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features: the directions, then the distance from the centre."""
        return (*(f"direction {place + 1}" for place in range(self.directions.shape[1])), CENTRE_DISTANCE)


def fit_projections(
    embeddings: npt.ArrayLike, *, directions: int = 8, fitted: float = 0.2, random_state: int = 0
) -> Projections:
    """Draw random directions, and measure the centre and scale of the reference on a part of its rows.

    Parameters
    ----------
    embeddings
        Reference rows, finite, shape (n_rows, n_dimensions).
    directions
        How many directions; more see more kinds of shift, and share one bound on false alarms.
    fitted
        Share of the rows that centre and scale are taken from, in (0, 1); the others make the reference counts, which
        are then exchangeable with new rows where nothing changed.
    random_state
        Seed of the directions and of the rows drawn.

    Returns
    -------
    Projections
        To be kept with the reference.

    Raises
    ------
    InputError
        If the embeddings are no table of finite numbers with at least 20 rows to fit on, or a setting is out of range.

    Notes
    -----
    A shift of length s in a random one of d dimensions moves one direction by about s / sqrt(d): what hides in few of
    many dimensions is seen better by the domain classifier (`monitors.shift.then_now`). Source of the idea: Johnson and
    Lindenstrauss 1984, Extensions of Lipschitz mappings into a Hilbert space, doi:10.1090/conm/026/737400.

    Examples
    --------
    >>> found = fit_projections(np.random.default_rng(0).normal(size=(200, 5)))
    >>> bool(np.allclose((found.directions ** 2).sum(axis=0), 1)), len(found.names)
    (True, 9)
    """
    rows = table_of(embeddings)
    raise_violations(
        [
            *_setting_violations(directions, fitted),
            *seed_violations(random_state),
            *finite_violations(rows),
        ]
    )
    rng = np.random.default_rng(random_state)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[rng.permutation(len(rows))[: round(fitted * len(rows))]] = True
    if chosen.sum() < _FEWEST:
        raise_violations(
            [f"expected at least {_FEWEST} rows to fit on; {int(chosen.sum())} of {len(rows)} are; add rows"]
        )
    spread = rows[chosen].std(axis=0)
    drawn = rng.normal(size=(rows.shape[1], directions))
    return Projections(
        centre=rows[chosen].mean(axis=0),
        scale=np.where(spread > 0, spread, 1.0),
        directions=drawn / np.sqrt((drawn**2).sum(axis=0)),
        fitted=chosen,
    )


def projected(projections: Projections, embeddings: npt.ArrayLike) -> Mapping[str, Floats]:
    """Return the embeddings as features: a number per direction, and the distance from the centre.

    Put beside the other columns of a log and named among its `features` they are counted, and watched for drift, like
    any column: ``PredictionLog.from_frame(frame.assign(**projected(found, rows)), features=found.names, ...)``. For the
    reference leave out the rows in `Projections.fitted`.

    Parameters
    ----------
    projections
        From `fit_projections`.
    embeddings
        Rows, shape (n_rows, n_dimensions): what a trained network's ``embed`` returns of images, or `token_counts` of
        texts. A row with a value that is not finite is missing in every feature.

    Returns
    -------
    mapping
        Feature -> values, shape (n_rows,), in standard deviations of the reference; NaN where missing.

    Examples
    --------
    >>> still = Projections(centre=np.zeros(2), scale=np.ones(2), directions=np.array([[0.6], [0.8]]),
    ...                     fitted=np.array([True]))
    >>> {name: values.round(3).tolist() for name, values in projected(still, [[3.0, 4.0]]).items()}
    {'direction 1': [5.0], 'distance from the centre': [5.0]}
    """
    rows = table_of(embeddings)
    if rows.shape[1] != len(projections.centre):
        raise_violations([f"expected {len(projections.centre)} dimensions, as in the reference; got {rows.shape[1]}"])
    known = np.asarray(np.isfinite(rows).all(axis=1))
    scaled = (np.where(known.reshape(-1, 1), rows, np.nan) - projections.centre) / projections.scale
    columns = [*(scaled @ projections.directions).T, np.sqrt((scaled**2).sum(axis=1))]
    return dict(zip(projections.names, columns, strict=True))


def token_counts(texts: Sequence[str | None], *, size: int = 256) -> Floats:
    """Return texts as embeddings: how often their words fall into each of `size` hashed places, as log(1 + count).

    Words are what white space parts, in lower case; the place of a word is its CRC-32 modulo `size`, the same in every
    run and on every machine. Embeddings of a language model see more; pass those where there is one.

    Parameters
    ----------
    texts
        Shape (n_rows,); None is a missing text, NaN in every place.
    size
        Number of places, at least 1.

    Returns
    -------
    ndarray
        Shape (n_rows, size).

    References
    ----------
    Weinberger et al. 2009, Feature hashing for large scale multitask learning, arXiv:0902.2206 (without their signs).

    Examples
    --------
    Two of three words are the same: log 3 and log 2.

    >>> counts = token_counts(["tax tax return", None], size=64)
    >>> sorted(np.unique(counts[0]).round(3).tolist()), bool(np.isnan(counts[1]).all())
    ([0.0, 0.693, 1.099], True)
    """
    if size < 1:
        raise_violations([f"size must be at least 1; got {size}"])
    counts = np.zeros((len(texts), size))
    for place, text in enumerate(texts):
        if text is None:
            counts[place] = np.nan
            continue
        for word in text.lower().split():
            counts[place, crc32(word.encode("utf-8", "surrogatepass")) % size] += 1
    return np.log1p(counts)


def table_of(embeddings: npt.ArrayLike) -> Floats:
    """Return embeddings as an array of shape (n_rows, n_dimensions).

    Raises
    ------
    InputError
        If they have another shape or hold no numbers.

    Examples
    --------
    >>> table_of([[1, 2]]).shape
    (1, 2)
    """
    found = np.asarray(embeddings)
    if found.ndim != 2 or found.shape[1] == 0 or found.dtype.kind not in "biuf":
        came = f"{found.dtype} of shape {found.shape}"
        raise_violations([f"embeddings must be numbers of shape (n_rows, n_dimensions); got {came}"])
    return found.astype(np.float64)


def finite_violations(rows: Floats) -> list[str]:
    """Return which reference rows cannot be used.

    Examples
    --------
    >>> finite_violations(np.array([[1.0], [np.nan]]))
    ['embeddings of a reference must be finite; 1 of 2 rows are not (row 2 first): leave them out']
    """
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if not len(bad):
        return []
    where = f"{len(bad):,} of {len(rows):,} rows are not (row {bad[0] + 1} first)"
    return [f"embeddings of a reference must be finite; {where}: leave them out"]


def _setting_violations(directions: int, fitted: float) -> list[str]:
    violations = [] if directions >= 1 else [f"directions must be at least 1; got {directions}"]
    return violations if 0 < fitted < 1 else [*violations, f"fitted must lie in (0, 1); got {fitted}"]
