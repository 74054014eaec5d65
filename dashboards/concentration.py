"""Concentration of harms and benefits as points of a curve: what pages and reports draw."""

from collections.abc import Iterable

from audit.measurement import Measurement
from dashboards.theme import EMPHASIS, POINT

KINDS = {"harm": ("harms", EMPHASIS, "solid", "diamond"), "benefit": ("benefits", POINT, "dash", "circle")}
"""Curve, its name, colour, dash and mark."""


def points_of(rows: Iterable[Measurement], name: str, feature: str) -> list[Measurement]:
    """Return the points of a curve in order: cumulative shares of the first 1, 2, ... groups.

    Examples
    --------
    >>> row = Measurement(metric="harm_cumulative_share", at=(("feature", "i"), ("k", 1)), value=0.4, n=9, method="x")
    >>> points_of([row], "harm", "i") == [row], points_of([row], "benefit", "i")
    (True, [])
    """
    found = [row for row in rows if row.metric == f"{name}_cumulative_share" and dict(row.at).get("feature") == feature]
    return sorted(found, key=lambda row: dict(row.at)["k"])


def ordered_features(rows: Iterable[Measurement]) -> tuple[str, ...]:
    """Return the features that concentration was measured over.

    Examples
    --------
    >>> ordered_features([Measurement(metric="harm_concentration_index", at=(("feature", "i"),), value=0.4, n=9,
    ...                               method="x")])
    ('i',)
    """
    return tuple(
        dict.fromkeys(str(dict(row.at)["feature"]) for row in rows if row.metric == "harm_concentration_index")
    )
