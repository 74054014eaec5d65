"""What a metric is: a function of counts, and the facts about it that everything else reads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, get_type_hints

import numpy.typing as npt

Array = npt.NDArray[Any]
"""Shape (n_slices,); float64, or complex128 where a derivative is taken."""


class Counts(NamedTuple):
    """Weighted rows of each slice by true and predicted label; `up` and `un` have no true label (yet).

    Each field has the shape (n_slices,). The order of the fields is the order of `audit.rollup.Cells.quadrant`.

    Examples
    --------
    >>> counts = Counts(tp=3, fp=1, fn=1, tn=5, up=0, un=0)
    >>> counts.tp / (counts.tp + counts.fn), sum(counts)
    (0.75, 10)
    """

    tp: Array
    fp: Array
    fn: Array
    tn: Array
    up: Array
    un: Array


class ScoreCounts(NamedTuple):
    """Weighted labelled rows of each slice by score bin, shape (n_slices, n_bins), bins in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> scores = ScoreCounts(positive=np.array([[0, 1, 3]]), negative=np.array([[2, 1, 0]]))
    >>> scores.positive.sum(axis=1).tolist(), scores.negative.sum(axis=1).tolist()
    ([4], [3])
    """

    positive: Array
    negative: Array


class Fraction(NamedTuple):
    """A rate: numerator and denominator, both linear in the counts.

    The rate is undefined where the denominator is 0.

    Examples
    --------
    >>> rate = Fraction(numerator=3, denominator=4)
    >>> rate.numerator / rate.denominator
    0.75
    """

    numerator: Array
    denominator: Array


class Smooth(NamedTuple):
    """A smooth function of the counts that does not change when all counts are doubled.

    `value` is NaN where undefined; `denominators` are the counts that it rests on. `rates`: uncorrelated rates that the
    value is a function of, and `compose` that function, from rates of the shape (n_rates, n_slices): its interval is
    made from theirs (`audit.components`). Without them it is made from the linearised variance.

    Examples
    --------
    >>> counts = Counts(tp=3, fp=1, fn=1, tn=4, up=0, un=0)
    >>> positives, negatives = counts.tp + counts.fn, counts.fp + counts.tn
    >>> Smooth((counts.tp / positives + counts.tn / negatives) / 2, (positives, negatives))
    Smooth(value=0.775, denominators=(4, 5), rates=(), compose=None)
    """

    value: Array
    denominators: tuple[Array, ...]
    rates: tuple[Fraction, ...] = ()
    compose: Callable[[Array], Array] | None = None


class Ranked(NamedTuple):
    """A statistic of two samples of scores with its placements (DeLong's structural components).

    `value` has the shape (n_slices,); `above` and `below`, shape (n_slices, n_bins), say for a positive (a negative)
    row in that bin which share of the other class it is ranked rightly against.

    Source: DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595. A tie counts one half.

    Examples
    --------
    Two score bins with one positive each; the only negative stands in the lower.

    >>> import numpy as np
    >>> ranked = Ranked(np.array([0.75]), above=np.array([[0.5, 1.0]]), below=np.array([[0.75, 0.25]]))
    >>> ranked.above.mean(axis=1).tolist() == ranked.value.tolist()
    True
    """

    value: Array
    above: Array
    below: Array


class ScoreMoments(NamedTuple):
    """Labelled rows by true label, slice and score bin, with the scores that they have there.

    Each field has the shape (2, n_slices, n_bins); on the first axis, 0 are the negatives and 1 the positives. `weight`
    is the sum of their weights, `mean` and `variance` those of their scores within the bin (0 where there is no row).

    Examples
    --------
    One slice, two bins: a negative at 0.2, and positives at 0.6 and 0.8.

    >>> import numpy as np
    >>> weight, mean = np.array([[[1.0, 0.0]], [[0.0, 2.0]]]), np.array([[[0.2, 0.0]], [[0.0, 0.7]]])
    >>> scores = ScoreMoments(weight, mean, variance=np.array([[[0.0, 0.0]], [[0.0, 0.01]]]))
    >>> ((scores.weight * scores.mean).sum(axis=(0, 2)) / scores.weight.sum(axis=(0, 2))).round(4).tolist()
    [0.5333]
    """

    weight: Array
    mean: Array
    variance: Array


class Scored(NamedTuple):
    """A statistic of labelled scores with what each row contributes to its error.

    `value` has the shape (n_slices,) and is NaN where undefined. `influence`, shape (2, n_slices, n_bins), is the
    first-order change of the value per unit of weight of a negative (first) or positive (second) row in that bin;
    `within`, of the same shape, the standard deviation of that change among the rows of one bin. `slack`, shape
    (n_slices,): by how much other orders of the scores within their bins could change the value. `rests_on`: whose
    rows count as its n, "both" being the rarer label. `losses`, of means of a loss, shape (2, n_slices, n_bins): what
    a row in that bin would lose as a negative (first) or positive (second), whichever it is (`audit.rare_labels`).

    Examples
    --------
    The mean score 0.5 of the scores 0.2 and 0.8: each row's weight moves it by (score - 0.5) / 2.

    >>> import numpy as np
    >>> influence = np.array([[[-0.15, 0.0]], [[0.0, 0.15]]])
    >>> Scored(np.array([0.5]), influence).rests_on, float((influence**2).sum())
    ('labels', 0.045)
    """

    value: Array
    influence: Array
    within: Array | None = None
    slack: Array | None = None
    rests_on: Literal["labels", "positives", "both"] = "labels"
    losses: Array | None = None


class BinErrors(NamedTuple):
    """How far off the scores are in each group of score bins of each slice.

    Both fields have the shape (n_slices, n_groups): `error` is the absolute difference of the observed rate of
    positives and the mean score, NaN where there is no labelled row; `share` the share of the slice's labelled rows.

    Examples
    --------
    >>> import numpy as np
    >>> errors = BinErrors(error=np.array([[0.1, 0.3]]), share=np.array([[0.75, 0.25]]))
    >>> float((errors.error * errors.share).sum().round(3))
    0.15
    """

    error: Array
    share: Array


class Distance(NamedTuple):
    """A distance of at least 0 that grows with each of the errors that it is made of; NaN where undefined.

    `n_of`: whether it rests on all labelled rows or on those of the emptiest group of bins that holds any. `by_row`,
    shape (n_slices, n_groups), of means over rows: what a row of each group adds; None where shares do not count.

    Examples
    --------
    >>> import numpy as np
    >>> Distance(np.array([0.15])).n_of
    'all'
    """

    value: Array
    n_of: Literal["all", "emptiest"] = "all"
    by_row: Array | None = None


Kind = Literal["rate", "smooth", "ranked", "scored", "distance"]
MetricFunction = (
    Callable[[Counts], Fraction]
    | Callable[[Counts], Smooth]
    | Callable[[ScoreCounts], Ranked]
    | Callable[[ScoreMoments], Scored]
    | Callable[[BinErrors], Distance]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric as a row of the catalog.

    Parameters
    ----------
    name
        The field's own name, in full.
    function
        From counts to a `Fraction`, a `Smooth` value, a `Ranked` or `Scored` statistic of scores, or a `Distance`.
    needs
        What a slice must hold for the metric to be defined, as in "no <needs> in slice".
    range
        Smallest and largest value possible.
    better
        Which direction is better for the people concerned; "neither" for facts such as a selection rate.
    source
        Where the formula stands.
    unclear
        Why it is undefined in a slice that holds what it needs, where that can be.

    Examples
    --------
    >>> def recall(counts: Counts) -> Fraction:
    ...     return Fraction(counts.tp, counts.tp + counts.fn)
    >>> metric = Metric(name="recall", function=recall, needs="positive labels", range=(0.0, 1.0), better="higher",
    ...                 source="Powers 2011, arXiv:2010.16061")
    >>> metric.kind, metric.function(Counts(3, 1, 1, 5, 0, 0))
    ('rate', Fraction(numerator=3, denominator=4))
    """

    name: str
    function: MetricFunction
    needs: str
    range: tuple[float, float]
    better: Literal["higher", "lower", "neither"]
    source: str
    unclear: str | None = None

    @property
    def kind(self) -> Kind:
        """What the function returns: "rate" (a `Fraction`), "smooth", "ranked", "scored" or "distance"."""
        return _kind(self.function)

    @property
    def needs_scores(self) -> bool:
        """Whether the tally must hold scores."""
        return self.kind in {"ranked", "scored", "distance"}


@cache
def _kind(function: MetricFunction) -> Kind:
    returned = get_type_hints(function).get("return")
    kinds: dict[object, Kind] = {
        Fraction: "rate",
        Smooth: "smooth",
        Ranked: "ranked",
        Scored: "scored",
        Distance: "distance",
    }
    if returned not in kinds:
        expected = ", ".join(str(kind.__name__) for kind in kinds if isinstance(kind, type))
        msg = f"{function!r} must be annotated to return one of {expected}; it says {returned!r}"
        raise TypeError(msg)
    return kinds[returned]
