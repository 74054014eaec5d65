"""How one feature is cut into bins: by quantiles of the reference, with open tails and bins for what is missing."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Kind = Literal["numeric", "categorical"]

NEW = "new"
MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binning:
    """The bins of one feature, frozen with the reference.

    A numeric feature has ``len(edges) + 1`` left-closed bins with open tails (-inf, e1), [e1, e2), ..., [eK, inf), then
    "missing" (null, NaN, text that spells no number). A categorical one has a bin for each category of the reference,
    then "new" for any other value, then "missing".

    Parameters
    ----------
    feature
        Name of the column, or of the role: "y_score", "y_pred", "y_true".
    kind
        "numeric" or "categorical".
    edges
        Increasing, finite, values of the reference (order statistics); numeric only. A value that stands at two or more
        of the equal ranks has a bin to itself: the next larger float is an edge, too.
    categories
        Values of the reference as text (`audit.values.canonical`), sorted; categorical only.
    tied
        Whether several rows of the reference share a value at an edge, so that bins are no exact spacings.
    note
        What a reader must know about the bins, such as that further categories count as new; None where nothing.

    Examples
    --------
    >>> Binning(feature="age", kind="numeric", edges=(25.0, 45.0)).size
    4
    >>> Binning(feature="sex", kind="categorical", categories=("F", "M")).labels()
    ('F', 'M', 'new', 'missing')
    """

    feature: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    tied: bool = False
    note: str | None = None

    @property
    def size(self) -> int:
        """Number of bins, those of missing (and of new) values among them."""
        return len(self.edges) + 2 if self.kind == "numeric" else len(self.categories) + 2

    def labels(self) -> tuple[str, ...]:
        """Return what each bin holds, in words, shape (size,): to be shown, not to be parsed.

        Examples
        --------
        >>> Binning(feature="age", kind="numeric", edges=(0.0, math.nextafter(0.0, math.inf), 45.0)).labels()
        ('< 0', '0', '> 0 and < 45', '>= 45', 'missing')
        """
        if self.kind == "categorical":
            return (*self.categories, NEW, MISSING)
        if not self.edges:
            return ("any number", MISSING)
        starts = [f">= {_text(edge)}" for edge in self.edges]
        for place, (edge, following) in enumerate(pairwise(self.edges)):
            if following == math.nextafter(edge, math.inf):  # a bin of one value
                starts[place : place + 2] = [_text(edge), f"> {_text(edge)}"]
        ends = [
            f" and < {_text(edge)}" if start[0] in "<>" else ""
            for start, edge in zip(starts, self.edges[1:], strict=False)
        ]
        return (f"< {_text(self.edges[0])}", *map("".join, zip(starts, [*ends, ""], strict=True)), MISSING)


def _text(edge: float) -> str:
    return f"{edge:.6g}"
