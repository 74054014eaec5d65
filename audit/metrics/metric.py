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

    `value` is NaN where undefined; `denominators` are the counts that it rests on.

    Examples
    --------
    >>> counts = Counts(tp=3, fp=1, fn=1, tn=4, up=0, un=0)
    >>> positives, negatives = counts.tp + counts.fn, counts.fp + counts.tn
    >>> Smooth((counts.tp / positives + counts.tn / negatives) / 2, (positives, negatives))
    Smooth(value=0.775, denominators=(4, 5))
    """

    value: Array
    denominators: tuple[Array, ...]


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


Kind = Literal["rate", "smooth", "ranked"]
MetricFunction = Callable[[Counts], Fraction] | Callable[[Counts], Smooth] | Callable[[ScoreCounts], Ranked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric as a row of the catalog.

    Parameters
    ----------
    name
        The field's own name, in full.
    function
        From counts to a `Fraction`, a `Smooth` value, or a `Ranked` statistic of scores.
    needs
        What a slice must hold for the metric to be defined, as in "no <needs> in slice".
    range
        Smallest and largest value possible.
    better
        Which direction is better for the people concerned; "neither" for facts such as a selection rate.
    source
        Where the formula stands.

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

    @property
    def kind(self) -> Kind:
        """What the function returns: "rate" (a `Fraction`), "smooth" or "ranked"."""
        return _kind(self.function)


@cache
def _kind(function: MetricFunction) -> Kind:
    returned = get_type_hints(function).get("return")
    kinds: dict[object, Kind] = {Fraction: "rate", Smooth: "smooth", Ranked: "ranked"}
    if returned not in kinds:
        msg = f"{function!r} must be annotated to return Fraction, Smooth or Ranked; it says {returned!r}"
        raise TypeError(msg)
    return kinds[returned]
