"""How unevenly exposures fall on items, and the same of two arms of very different size without the bias of size."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.feedback.blocks import without_each

Floats = npt.NDArray[np.float64]

TOP = 10
"""`top_share` is the share of so many items."""

_CELLS = 1_000_000
_MOST_DRAWS = 8


def gini_index(counts: npt.ArrayLike) -> Floats:
    r"""Return Gini's index of exposures over items: 0 where all get the same, near 1 where one gets all.

    Parameters
    ----------
    counts
        Exposures by item, at least 0, shape (..., n_items); an item that was never shown counts with 0.

    Returns
    -------
    ndarray of float64
        In [0, 1 - 1 / n_items], shape (...,); NaN where nothing was shown.

    Notes
    -----
    G = sum_i (2 i - n - 1) x_(i) / (n sum x), x_(1) <= ... <= x_(n). Source: C. Gini (1912); P. M. Dixon et al. (1987),
    Bootstrapping the Gini coefficient of inequality, doi:10.2307/1939238, also on its bias in small samples.

    Examples
    --------
    One of four items gets all: 3 / 4.

    >>> gini_index([[0, 0, 0, 8], [2, 2, 2, 2]]).tolist()
    [0.75, 0.0]
    """
    ordered = np.sort(np.asarray(counts, dtype=np.float64), axis=-1)
    items = ordered.shape[-1]
    weights = 2.0 * np.arange(1, items + 1) - items - 1
    return _over(ordered @ weights, items * ordered.sum(axis=-1))


def herfindahl_index(counts: npt.ArrayLike) -> Floats:
    r"""Return the Herfindahl-Hirschman index, the chance that two exposures are of one item: in [1 / n_items, 1].

    HHI = sum_i s_i^2, s_i = x_i / sum x. Source: O. C. Herfindahl (1950). NaN where nothing was shown.

    Examples
    --------
    >>> float(herfindahl_index([1, 1, 2]))
    0.375
    """
    x = np.asarray(counts, dtype=np.float64)
    return _over((x**2).sum(axis=-1), x.sum(axis=-1) ** 2)


def top_share(counts: npt.ArrayLike, *, k: int = TOP) -> Floats:
    """Return the share of exposures of the k items with the most: in [k / n_items, 1]; NaN where nothing was shown.

    Examples
    --------
    >>> float(top_share([5, 3, 1, 1], k=2))
    0.8
    """
    x = np.asarray(counts, dtype=np.float64)
    largest = min(k, x.shape[-1])
    return _over(np.partition(x, x.shape[-1] - largest, axis=-1)[..., -largest:].sum(axis=-1), x.sum(axis=-1))


def entropy(counts: npt.ArrayLike) -> Floats:
    r"""Return Shannon's entropy of exposures over that of an even spread: 1 where even, 0 where one item gets all.

    H = -sum_i s_i log s_i / log n_items. Source: C. E. Shannon (1948), doi:10.1002/j.1538-7305.1948.tb01338.x. NaN if
    nothing was shown, or if there is one item only.

    Examples
    --------
    Two of four items, alike: log 2 / log 4.

    >>> round(float(entropy([3, 3, 0, 0])), 12)
    0.5
    """
    x = np.asarray(counts, dtype=np.float64)
    share = _over(x, x.sum(axis=-1, keepdims=True))
    logs = np.log(np.where(share > 0, share, 1.0))
    return _over(-(share * logs).sum(axis=-1), np.full(x.shape[:-1], np.log(x.shape[-1])))


def aggregate_diversity(counts: npt.ArrayLike) -> Floats:
    """Return the share of the items that were shown at all: in [0, 1]; NaN where nothing was shown.

    Source: G. Adomavicius and Y. Kwon (2012), Improving aggregate recommendation diversity, doi:10.1109/TKDE.2011.15,
    who count the items; we divide by how many there are.

    Examples
    --------
    >>> float(aggregate_diversity([7, 1, 0, 0]))
    0.5
    """
    x = np.asarray(counts, dtype=np.float64)
    return np.where(x.sum(axis=-1) > 0, (x > 0).mean(axis=-1), np.nan)


INDICES: Mapping[str, Callable[[npt.ArrayLike], Floats]] = MappingProxyType(
    {
        "gini_index": gini_index,
        "herfindahl_index": herfindahl_index,
        "top_share": top_share,
        "entropy": entropy,
        "aggregate_diversity": aggregate_diversity,
    }
)


class Thinning(NamedTuple):
    """Which share of each arm's exposures is kept, so that chance makes both look equally uneven.

    Examples
    --------
    >>> Thinning(0.25, 1.0).first
    0.25
    """

    first: float
    second: float


def overdispersion(by_block: Floats) -> float:
    r"""Return how much more the counts of items vary between blocks than independent exposures would; at least 1.

    Parameters
    ----------
    by_block
        Exposures, shape (n_blocks, n_items).

    Notes
    -----
    sum_bi (x_bi - n_b p_i)^2 / ((1 - h) (n - sum_b n_b^2 / n)), p_i = x_i / n, h = sum_i x_i (x_i - 1) / (n (n - 1)):
    its expectation is 1 for multinomial counts of one p, and Kish's design effect for rows of users with tastes.

    Examples
    --------
    Two blocks that each know one item only, of 4 exposures each: 16 / ((1 - 3 / 7) (8 - 4)).

    >>> overdispersion(np.array([[4.0, 0.0], [0.0, 4.0]]))
    7.0
    """
    sizes = by_block.sum(axis=1)
    n = float(sizes.sum())
    share = by_block.sum(axis=0)
    alike = float((share * (share - 1.0)).sum() / max(n * (n - 1.0), 1.0))
    room = (1.0 - alike) * (n - float((sizes**2).sum()) / max(n, 1.0))
    if room <= 0:
        return 1.0
    squares = sum(float(((row - size * share / n) ** 2).sum()) for row, size in zip(by_block, sizes, strict=True))
    return max(1.0, squares / room)


def thinning(first: Floats, second: Floats) -> Thinning:
    r"""Return the shares to keep of two arms so that both show the same chance unevenness.

    An index of few exposures is uneven by chance alone. Its excess is ruled by d / n, with n exposures and the
    overdispersion d; of n exposures of which each is kept with probability q, it is 1 / (q n) + (d - 1) / n. The arm
    with less of it is thinned to that of the other.

    Parameters
    ----------
    first, second
        Exposures by block, shape (n_blocks, n_items), not all 0.

    Examples
    --------
    >>> thinning(np.array([[50.0, 50.0]]), np.array([[5.0, 5.0]]))
    Thinning(first=0.1, second=1.0)
    """
    sizes = (float(first.sum()), float(second.sum()))
    spread = (overdispersion(first), overdispersion(second))
    noise = (spread[0] / sizes[0], spread[1] / sizes[1])
    thinned = 0 if noise[0] <= noise[1] else 1
    kept = 1.0 / max(sizes[thinned] * noise[1 - thinned] - (spread[thinned] - 1.0), 1.0)
    return Thinning(kept, 1.0) if thinned == 0 else Thinning(1.0, kept)


def index_differences(first: Floats, second: Floats, *, rng: np.random.Generator) -> dict[str, Floats]:
    r"""Return each index of the first arm less that of the second, at equal chance unevenness.

    Parameters
    ----------
    first, second
        Exposures by block of users, shape (n_blocks, n_items): the same blocks and items in both.
    rng
        Of the thinning (`thinning`), which is repeated and averaged.

    Returns
    -------
    dict of str to ndarray
        By name of the index: the difference of all blocks, and behind it those without each block, shape
        (n_blocks + 1,), for `monitors.feedback.blocks.jackknife`; about 0 on average where both arms show alike,
        whatever their sizes.

    Examples
    --------
    >>> arms = np.full((6, 4), 50.0), np.full((6, 4), 1.0)
    >>> found = index_differences(*arms, rng=np.random.default_rng(0))
    >>> found["gini_index"].shape
    (7,)
    """
    found = {name: np.zeros(len(first) + 1) for name in INDICES}
    for sign, arm, kept in zip((1.0, -1.0), (first, second), thinning(first, second), strict=True):
        draws = int(np.clip(_CELLS // max(first.size, 1), 1, _MOST_DRAWS)) if kept < 1 else 1
        for _ in range(draws):
            sums = without_each(_thin(arm, kept, rng))
            for name, index in INDICES.items():
                found[name] += sign * index(sums) / draws
    return found


def _thin(counts: Floats, kept: float, rng: np.random.Generator) -> Floats:
    return counts if kept >= 1 else rng.binomial(counts.astype(np.int64), kept).astype(np.float64)


def _over(above: Floats, below: npt.ArrayLike) -> Floats:
    divisor = np.asarray(below, dtype=np.float64)
    return np.asarray(above / np.where(divisor > 0, divisor, np.nan), dtype=np.float64)
