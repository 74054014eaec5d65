"""The largest gap among comparisons whose intervals were made elsewhere, with the groups that it speaks of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.gaps import NAMED
from audit.inference.intervals import Interval
from audit.largest import MAX_COMPARED, Bounded, group_label, most_extreme, too_many
from audit.measurement import Measurement, Slice
from audit.pairs import Places
from audit.rollup import Floats, GroupValues
from audit.rows import Row


class Pairwise(NamedTuple):
    """Comparisons of groups with each other, each pair both ways.

    `groups` are all that should take part, with their rows in `sizes`; `first` and `second` are places among them.
    `plain` holds the unadjusted, `adjusted` the simultaneous intervals.

    Examples
    --------
    >>> side = Interval(np.array([0.1, -0.3]), np.array([0.3, -0.1]))
    >>> sizes, one = np.array([90, 80]), np.array([0, 1])
    >>> Pairwise((("a",), ("b",)), sizes, one, 1 - one, np.array([0.2, -0.2]), side, side).second.tolist()
    [1, 0]
    """

    groups: Sequence[GroupValues]
    sizes: npt.NDArray[np.int64]
    first: Places
    second: Places
    value: Floats
    plain: Interval
    adjusted: Interval


def largest_of_pairs(row: Row, pairs: Pairwise, *, method: str) -> Measurement:
    """Return the largest of comparisons of groups as one row that says which groups took part, and which could not.

    Parameters
    ----------
    row
        What the row is called, and at which level. Its `against` names the features; ``among`` gets the groups that
        were compared with any other, ``undefined`` the rest.
    pairs
        The comparisons, both ways. Those whose value is NaN are left out; an infinite one, a ratio divided by 0, has no
        upper limit.
    method
        How the intervals were made.

    Examples
    --------
    The third group has no value: the largest of the other differences says nothing about it.

    >>> groups, sizes, one = (("a",), ("b",), ("c",)), np.array([90, 80, 0]), np.array([0, 1, 0, 2])
    >>> sides = [Interval(np.array([0.1, -0.3, np.nan, np.nan]), np.array([0.3, -0.1, np.nan, np.nan]))] * 2
    >>> found = Pairwise(groups, sizes, one, one[[1, 0, 3, 2]], np.array([0.2, -0.2, np.nan, np.nan]), *sides)
    >>> largest = largest_of_pairs(Row("x_difference", against=over(["g"])), found, method="m")
    >>> largest.value, largest.n, largest.against["among"], largest.against["undefined"], largest.reason
    (0.2, 80, [['a'], ['b']], [['c']], 'between a and b; 1 group undefined')
    """
    groups, count = pairs.groups, len(pairs.groups)
    defined = np.flatnonzero(~np.isnan(pairs.value))
    first, second = pairs.first[defined], pairs.second[defined]
    plain, adjusted = (Interval(side.low[defined], side.high[defined]) for side in (pairs.plain, pairs.adjusted))
    took_part = set(first.tolist())
    absent = [list(group) for place, group in enumerate(groups) if place not in took_part]
    among = [list(groups[place]) for place in sorted(took_part)]
    against = {**(row.against or {}), "among": among} | ({"undefined": absent} if absent else {})
    n = np.minimum(pairs.sizes[first], pairs.sizes[second]) if len(first) else pairs.sizes

    def label(place: int) -> str:
        return f"between {group_label(groups[int(first[place])])} and {group_label(groups[int(second[place])])}"

    reason = too_many(count) if count > MAX_COMPARED and not len(first) else None
    bounded = Bounded(
        pairs.value[defined], n, plain, adjusted, label, lambda _: method, label, len(absent), reason=reason
    )
    return most_extreme([bounded], row._replace(against=against), "max")


def over(features: Sequence[str]) -> dict[str, object]:
    """Return what the largest gap between the groups of some features is against.

    Examples
    --------
    >>> over(["sex"])
    {'kind': 'groups', 'features': ['sex']}
    """
    return {"kind": "groups", "features": list(features)}


def is_over(row: Measurement, features: Sequence[str]) -> bool:
    """Return whether a row is the largest gap between the groups of exactly these features, without a reference.

    Examples
    --------
    >>> row = Measurement(metric="x_difference", against={**over(["sex"]), "among": [["F"], ["M"]]}, value=0.1, n=9,
    ...                   method="m")
    >>> is_over(row, ["sex"]), is_over(row, ["race"])
    (True, False)
    """
    against = row.against or {}
    plain = {key: value for key, value in against.items() if key not in {"among", "undefined"}}
    return plain == over(features)


def with_groups(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return rows whose largest gaps say which groups took part: those that have a value of what is compared.

    Examples
    --------
    >>> values = [Measurement(metric="x", slice=(("g", name),), value=value, n=9, method="m", reason="none")
    ...           for name, value in (("a", 0.1), ("b", 0.2), ("c", None))]
    >>> gap = Measurement(metric="x_difference", against=over(["g"]), value=0.1, n=9, method="m")
    >>> against = with_groups([*values, gap])[-1].against
    >>> against["among"], against["undefined"]
    ([['a'], ['b']], [['c']])
    """
    known: dict[tuple[object, ...], dict[Slice, bool]] = {}
    for row in rows:
        if row.against is None and row.slice and all(value is not None for _, value in row.slice):
            features = frozenset(name for name, _ in row.slice)
            known.setdefault((row.metric, row.at, features), {})[row.slice] = row.value is not None
    return [_with_groups(row, known) for row in rows]


def _with_groups(row: Measurement, known: Mapping[tuple[object, ...], Mapping[Slice, bool]]) -> Measurement:
    features = list((row.against or {}).get("features") or ())
    if not is_over(row, features) or "among" in (row.against or {}):
        return row
    base = row.metric.removesuffix("_difference").removesuffix("_ratio")
    names = NAMED[row.metric][0] if row.metric in NAMED else (base,)
    found = [known.get((name, row.at, frozenset(features)), {}) for name in names]
    groups = dict.fromkeys(slice_ for of_metric in found for slice_ in of_metric)
    if not groups:
        return row
    sides: dict[str, list[list[str | None]]] = {"among": [], "undefined": []}
    for slice_ in groups:
        defined = all(of_metric.get(slice_, False) for of_metric in found)
        sides["among" if defined else "undefined"].append([dict(slice_)[name] for name in features])
    absent = {"undefined": sides["undefined"]} if sides["undefined"] else {}
    return replace(row, against={**over(features), "among": sides["among"], **absent})
