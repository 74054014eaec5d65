"""From numbers to bins: a table says where each stretch of the line lies, and one comparison settles the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitors.counts.profile import IntArray

Numbers = npt.NDArray[Any]
"""Whole numbers, float32 or float64, shape (n,)."""

_STRETCHES = (2048, 16384, 65536)
_MOST_COMPARISONS = 3
_AT_ONCE = 32768  # rows whose intermediate arrays stay in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Equal stretches between two numbers, the first and the last reaching on without end.

    A number lies on stretch floor((x - start) * scale), cut at both ends. Rounding keeps that in order: of two numbers
    the larger never lies on an earlier stretch. So the place of an edge is certain for all stretches but its own.

    Parameters
    ----------
    start
        Where the first inner stretch begins, of the type of the numbers.
    scale
        One over the width of a stretch.
    size
        Number of stretches.

    Examples
    --------
    >>> Grid(start=np.float64(0.0), scale=np.float64(2.0), size=4).place(np.array([-9.0, 0.6, 1.0, np.inf])).tolist()
    [0, 1, 2, 3]
    """

    start: np.floating[Any]
    scale: np.floating[Any]
    size: int

    def place(self, numbers: Numbers) -> IntArray:
        """Return the stretch of each number, NaN on the first; call it where NumPy's warnings are off."""
        along = np.subtract(numbers, self.start)
        np.multiply(along, self.scale, out=along)
        np.fmax(along, 0, out=along)
        np.fmin(along, self.size - 1, out=along)
        return along.astype(np.int64)


def grid_between(low: np.floating[Any], high: np.floating[Any], size: int) -> Grid | None:
    """Return equal stretches between two numbers of one type; None where they are too close or too far apart.

    Examples
    --------
    >>> grid_between(np.float64(0.0), np.float64(8.0), 16).scale
    np.float64(2.0)
    >>> grid_between(np.float64(1.0), np.float64(1.0), 16) is None
    True
    """
    with np.errstate(all="ignore"):
        scale = type(low)(size) / (high - low)
    if not (np.isfinite(scale) and scale > 0 and np.isfinite(low) and np.isfinite(high - low)):
        return None
    return Grid(start=low, scale=scale, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """How many edges lie at or below a number, for numbers of one type.

    Parameters
    ----------
    edges
        Increasing; the smallest numbers of that type that reach the edges of the bins.
    grid
        Stretches with few edges on each; None where edges crowd, and halves are searched instead.
    before
        Edges on earlier stretches, by stretch.
    near
        The edges on each stretch, shape (most on one, size); NaN, which nothing reaches, where there are fewer.

    Examples
    --------
    >>> lookup_of((0.0, 1.0), np.dtype("float64")).bins(np.array([-1.0, 0.0, 0.5, 1.0, np.inf, np.nan])).tolist()
    [0, 1, 1, 2, 2, 0]
    """

    edges: Numbers
    grid: Grid | None = None
    before: IntArray | None = None
    near: Numbers | None = None

    def bins(self, numbers: Numbers) -> IntArray:
        """Return for each number how many edges it reaches, shape (n,); 0 for NaN."""
        if self.edges.dtype == np.float64 and numbers.dtype != np.float64:
            numbers = numbers.astype(np.float64)
        with np.errstate(all="ignore"):
            if self.grid is None or self.before is None or self.near is None:
                found = np.searchsorted(self.edges, numbers, side="right")
                found[np.isnan(numbers)] = 0
                return found
            bins = np.empty(len(numbers), dtype=np.int64)
            for start in range(0, len(numbers), _AT_ONCE):
                part, here = numbers[start : start + _AT_ONCE], bins[start : start + _AT_ONCE]
                stretch = self.grid.place(part)
                np.take(self.before, stretch, out=here, mode="clip")
                for edge in self.near:
                    here += part >= edge.take(stretch, mode="clip")
            return bins


def lookup_of(edges: Sequence[float], kind: np.dtype[Any]) -> Lookup:
    """Return the look-up of edges for numbers of a type.

    A float32 stands for the decimal that it is printed as, as everywhere in the audit: 0.7, not 0.699999988.

    Parameters
    ----------
    edges
        Increasing, finite.
    kind
        Type of the numbers; all but float32 are compared as float64.

    Examples
    --------
    >>> lookup_of((0.7,), np.dtype("float32")).bins(np.array([0.7], dtype=np.float32)).tolist()
    [1]
    """
    reached = _float32_edges(edges) if kind == np.float32 else np.array(edges, dtype=np.float64)
    if len(reached) < 2 or not np.isfinite(reached).all():
        return Lookup(edges=reached)
    for size in _STRETCHES:
        grid = grid_between(reached[0], reached[-1], size)
        if grid is None:
            break
        with np.errstate(all="ignore"):
            stretch = grid.place(reached)
        on_each = np.bincount(stretch, minlength=size)
        if on_each.max() <= _MOST_COMPARISONS:
            return _on_grid(reached, grid, stretch, on_each)
    return Lookup(edges=reached)


def _on_grid(edges: Numbers, grid: Grid, stretch: IntArray, on_each: IntArray) -> Lookup:
    before = np.cumsum(on_each) - on_each
    near = np.full((on_each.max(), grid.size), np.nan, dtype=edges.dtype)
    near[np.arange(len(edges)) - before[stretch], stretch] = edges
    return Lookup(edges=edges, grid=grid, before=before.astype(np.int64), near=near)


def _float32_edges(edges: Sequence[float]) -> Numbers:
    """Return for each edge the smallest float32 whose shortest decimal reaches it."""
    found = []
    for edge in edges:
        with np.errstate(over="ignore"):
            number = np.float32(edge)
        while float(str(number)) >= edge:
            number = np.nextafter(number, np.float32(-np.inf))
        while float(str(number)) < edge:
            number = np.nextafter(number, np.float32(np.inf))
        found.append(number)
    return np.array(found, dtype=np.float32)
