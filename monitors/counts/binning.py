"""How one feature is cut into bins: by quantiles of the reference, with open tails and bins for what is missing."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["numeric", "categorical"]

NEW = "new"
MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binning:
    """The bins of one feature, frozen with the reference.

    A numeric feature has ``len(edges) + 1`` left-closed bins with open tails (-inf, e1), [e1, e2), ..., [eK, inf), then
    "missing" (null and NaN). A categorical one has a bin for each category of the reference, then "new" for any other
    value, then "missing".

    Parameters
    ----------
    feature
        Name of the column, or of the role: "y_score", "y_pred", "y_true".
    kind
        "numeric" or "categorical".
    edges
        Increasing, finite, values of the reference (order statistics); numeric only.
    categories
        Values of the reference as text (`audit.values.canonical`), sorted; categorical only.
    tied
        Whether several rows of the reference share a value at an edge, so that bins are no exact spacings.

    Examples
    --------
    >>> Binning(feature="age", kind="numeric", edges=(25.0, 45.0)).size
    4
    >>> Binning(feature="sex", kind="categorical", categories=("F", "M")).size
    4
    """

    feature: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    tied: bool = False

    @property
    def size(self) -> int:
        """Number of bins, those of missing (and of new) values among them."""
        return len(self.edges) + 2 if self.kind == "numeric" else len(self.categories) + 2
