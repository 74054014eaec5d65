"""The exploratory half of the search: score every slice with enough rows, choose those that are worth confirming."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from audit.measurement import Slice, as_slice
from audit.metrics.metric import Counts, Fraction, Metric
from audit.rollup import Cells
from audit.search.patterns import ANY, Coded, Codes, Patterns, falls_into, frequent_patterns
from audit.search.slice_line import slice_line_score
from audit.search.slice_scores import Divergence, divergence, folded, shapley

EPSILON = 0.01
"""A slice whose rate is this close to that of one of its parts says nothing new."""

CANDIDATES = 20
"""Most slices that go to confirmation: each one more widens the interval of all."""

MIN_T = 1.0
_SAME = 2.0  # standard errors within which a slice inside a chosen one is taken for the same finding
_OVERLAP = 0.5
_FOLDED_SHOWN = 5
Floats = npt.NDArray[np.float64]


class Explored(NamedTuple):
    """Every pattern of some cells with its scores; `values` names what the codes of each feature stand for.

    `score` is SliceLine's, of the errors that the metric counts among the rows that it rests on: for a metric of which
    more is better, its complement. `rows` is the number of rows of the cells.

    Examples
    --------
    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([3.0, 1.0, 4.0]), (np.array([0, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2, 0]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> found = explored(METRICS["false_negative_rate"], cells, ["sex"], min_support=0.1, max_depth=None)
    >>> [(found.slice_of(place), found.divergence.rate[place].item()) for place in range(3)]
    [((), 0.125), ((('sex', 'F'),), 0.25), ((('sex', 'M'),), 0.0)]
    """

    features: tuple[str, ...]
    values: tuple[Sequence[str | None], ...]
    patterns: Patterns
    divergence: Divergence
    score: Floats
    trials: Floats
    rows: float

    def slice_of(self, place: int) -> Slice:
        """Return the slice at a place."""
        items = self.patterns.items[place]
        named = np.flatnonzero(items != ANY).tolist()
        return as_slice({self.features[f]: self.values[f][items[f]] for f in named})

    def shapley(self, place: int) -> dict[str, float]:
        """Return how much each item of the pattern at a place adds to its divergence, by the name of the feature."""
        parts = shapley(self.patterns, self.divergence.difference, place)
        return {self.features[f]: part for f, part in parts.items()}


class Candidate(NamedTuple):
    """A slice that goes to confirmation: its place, what is folded under it, and which earlier one it overlaps.

    `folded` counts the slices within it that say the same, `inside` are the places of the first of them; `overlap` is
    the place of the earlier candidate that shares most rows with it and the share, None where none shares half.

    Examples
    --------
    >>> Candidate(place=4, folded=0, inside=(), overlap=None).overlap is None
    True
    """

    place: int
    folded: int
    inside: tuple[int, ...]
    overlap: tuple[int, float] | None


def explored(
    metric: Metric, cells: Cells, features: Sequence[str], *, min_support: float, max_depth: int | None
) -> Explored:
    """Return every slice with enough rows and how far its rate lies from everyone's.

    Parameters
    ----------
    metric
        A metric that is a rate.
    cells
        Cells without scores.
    features
        The features that are combined.
    min_support
        Smallest share of the rows that a slice must hold, in (0, 1].
    max_depth
        Most features of one slice; None = all.

    Raises
    ------
    InputError
        If there are too many slices (`audit.search.patterns.MAX_PATTERNS`).
    ValueError
        If the metric is no rate.

    Examples
    --------
    See `Explored`.
    """
    if metric.kind != "rate":
        msg = f"slices are searched by a rate; {metric.name} is {metric.kind!r}"
        raise ValueError(msg)
    units: Fraction = cast("Any", metric.function)(Counts(*np.eye(6)))
    # Weights count as rows of the effective size that they leave: scores order by them, nothing rests on them.
    scale = float(cells.w.sum() / cells.w2.sum()) if cells.weighted and cells.w2.sum() else 1.0
    sides = (units.numerator[cells.quadrant] * cells.w * scale, units.denominator[cells.quadrant] * cells.w * scale)
    codes = [cells.features[name][0] for name in features]
    grid = np.stack(codes, axis=1) if codes else np.zeros((len(cells.n), 0), dtype=np.int64)
    sizes = tuple(len(cells.features[name][1]) for name in features)
    rows = float(cells.n.sum())
    coded = Coded(grid, sizes, np.stack([cells.n.astype(np.float64), *sides]))
    patterns = frequent_patterns(coded, min_rows=min_support * rows, max_depth=max_depth)
    _, x, trials = patterns.sums
    errors = trials - x if metric.better == "higher" else x
    score = slice_line_score(errors, trials, everyone=float(errors[0]), rows=float(trials[0]))
    values = tuple(cells.features[name][1] for name in features)
    return Explored(tuple(features), values, patterns, divergence(x, trials), score, trials, rows)


def candidates(
    found: Explored, cells: Cells, *, better: str, limit: int = CANDIDATES, epsilon: float = EPSILON
) -> list[Candidate]:
    """Return the slices that go to confirmation, the most striking first.

    Of the slices that no smaller set of their items explains (`audit.search.slice_scores.folded`), and that lie at
    least `MIN_T` standard errors on the worse side of everyone (on either side where neither is worse), the one with
    the largest t is taken; slices within it whose rate is within two standard errors of its own are folded under it;
    and so on, at most `limit` times.

    Parameters
    ----------
    found
        What was explored.
    cells
        The cells that it was explored on.
    better
        Which direction is better: "higher", "lower", "neither".
    limit
        Most candidates.
    epsilon
        As in `audit.search.slice_scores.folded`.

    Examples
    --------
    Of 40 women 20 are missed, of 40 men none.

    >>> from audit.metrics.catalog import METRICS
    >>> n, sex = np.array([20.0, 20.0, 40.0]), (np.array([0, 0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2, 0]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> found = explored(METRICS["false_negative_rate"], cells, ["sex"], min_support=0.1, max_depth=None)
    >>> [found.slice_of(each.place) for each in candidates(found, cells, better="lower")]
    [(('sex', 'F'),)]
    """
    leader = folded(found.patterns, found.divergence.difference, epsilon=epsilon)
    t = _worse(found, better)
    order = np.lexsort((np.arange(len(t)), -t))
    order = order[(leader[order] == order) & (t[order] >= MIN_T) & (found.patterns.lengths[order] > 0)]
    chosen: list[int] = []
    for place in order.tolist():
        if len(chosen) == limit:
            break
        if leader[place] == place:
            free = ~np.isin(leader, chosen)
            leader[_says_the_same(found, place) & free] = place
            chosen.append(place)
    return [
        Candidate(place, *_folded_under(found, leader, place), overlap)
        for place, overlap in zip(chosen, _overlaps(found, cells, chosen), strict=True)
    ]


def inside(cells: Cells, pairs: Slice) -> npt.NDArray[np.bool_]:
    """Return which cells fall into a slice; none where a value is not among theirs.

    Examples
    --------
    >>> n, sex = np.array([3.0, 1.0]), (np.array([0, 1]), ["F", "M"])
    >>> cells = Cells(np.array([0, 2]), n, n, n, None, 0, False, {"sex": sex}, False, None)
    >>> inside(cells, (("sex", "M"),)).tolist(), inside(cells, (("sex", "X"),)).tolist()
    ([False, True], [False, False])
    """
    kept = np.ones(len(cells.n), dtype=np.bool_)
    for name, value in pairs:
        codes, values = cells.features[name]
        kept &= codes == (values.index(value) if value in values else ANY)
    return kept


def _worse(found: Explored, better: str) -> Floats:
    """Return t with the sign of harm: negative on the better side; -inf where undefined."""
    side = {"lower": 1.0, "higher": -1.0}.get(better)
    signs = np.ones(len(found.score)) if side is None else side * np.sign(found.divergence.difference)
    return np.where(np.isnan(found.divergence.t), -np.inf, found.divergence.t * signs)


def _says_the_same(found: Explored, place: int) -> npt.NDArray[np.bool_]:
    mean, variance = found.divergence.mean, found.divergence.variance
    near = np.abs(mean - mean[place]) < _SAME * np.sqrt(variance + variance[place])
    return np.asarray(falls_into(found.patterns.items, found.patterns.items[place]) & near, dtype=np.bool_)


def _folded_under(found: Explored, leader: Codes, place: int) -> tuple[int, tuple[int, ...]]:
    under = np.flatnonzero(leader == place)
    under = under[under != place]
    t = np.nan_to_num(found.divergence.t[under], nan=-1.0)
    return len(under), tuple(under[np.lexsort((under, -t))][:_FOLDED_SHOWN].tolist())


def _overlaps(found: Explored, cells: Cells, chosen: Sequence[int]) -> list[tuple[int, float] | None]:
    """Return, for each chosen slice, the earlier one that it shares the largest part of their common rows with."""
    members = [inside(cells, found.slice_of(place)) for place in chosen]
    overlaps: list[tuple[int, float] | None] = []
    for here, mask in enumerate(members):
        shares = [float(cells.n[mask & other].sum() / cells.n[mask | other].sum()) for other in members[:here]]
        best = int(np.argmax(shares)) if shares else 0
        overlaps.append((chosen[best], shares[best]) if shares and shares[best] >= _OVERLAP else None)
    return overlaps
