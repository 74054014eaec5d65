"""Credit scores by group: their distribution, and how many repay at each score, read from published tables."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from audit.errors import InputError, raise_violations

Array = NDArray[np.float64]

CDF, PERFORMANCE, TOTALS = (
    "transrisk_cdf_by_race_ssa.csv",
    "transrisk_performance_by_race_ssa.csv",
    "totals.csv",
)
LOWEST, HIGHEST = 300.0, 850.0

_BANDS = (2.1, 4.2, 5.4, 6.5, 7.9, 9.6, 12.0, 13.8, 17.0, 15.8, 5.7)
_NAMES = {"Non- Hispanic white": "White"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGroup:
    """One group of borrowers.

    Parameters
    ----------
    size
        Number of people.
    shares
        Share of the group at each score, shape (scores,), adding up to 1.
    repay
        Chance of repaying at each score, shape (scores,).

    Examples
    --------
    >>> CreditGroup(size=2.0, shares=np.array([0.5, 0.5]), repay=np.array([0.2, 1.0])).repaid
    0.6
    """

    size: float
    shares: Array
    repay: Array

    @property
    def repaid(self) -> float:
        """Share of the group who would repay."""
        return float(self.shares @ self.repay)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTables:
    """Scores from the lowest to the highest, shape (scores,), and the groups by name.

    Examples
    --------
    >>> tables = example_tables()
    >>> sorted(tables.groups), tables.scores.size
    (['A', 'B'], 56)
    """

    scores: Array
    groups: Mapping[str, CreditGroup]


def read_fico(folder: str | Path) -> CreditTables:
    """Return the score tables of the Federal Reserve's report of 2007, from a folder with its three CSV files.

    The files give TransRisk scores as percentiles of all borrowers; they become scores on the scale from 300 to 850 by
    the published share of borrowers in each band of 50 points, evenly within a band.

    Source: Board of Governors of the Federal Reserve System, Report to the Congress on credit scoring and its effects,
    2007; tables as used by Hardt, Price and Srebro (arXiv 1610.02413) and Liu et al. (arXiv 1803.04383).

    Parameters
    ----------
    folder
        Where ``transrisk_cdf_by_race_ssa.csv``, ``transrisk_performance_by_race_ssa.csv`` and ``totals.csv`` are.

    Returns
    -------
    CreditTables
        Groups "White", "Black", "Hispanic", "Asian"; 198 scores.

    Raises
    ------
    InputError
        If files are missing, or do not hold the same scores and groups.

    Examples
    --------
    >>> read_fico("nowhere")
    Traceback (most recent call last):
        ...
    audit.errors.InputError: nowhere holds no transrisk_cdf_by_race_ssa.csv; give the folder with the three FICO tables
    """
    paths = [Path(folder) / name for name in (CDF, PERFORMANCE, TOTALS)]
    raise_violations(
        [
            f"{path.parent} holds no {path.name}; give the folder with the three FICO tables"
            for path in paths
            if not path.is_file()
        ][:1]
    )
    names, percentiles, below = _table(paths[0])
    others, also, failing = _table(paths[1])
    sizes = _sizes(paths[2])
    if names != others or not np.array_equal(percentiles, also) or set(names) - set(sizes):
        message = (
            f"the tables in {folder} do not go together: expected the same scores and groups in all; got {names} and "
            f"{others}; get all three files from one source"
        )
        raise InputError([message])
    groups = {
        name: CreditGroup(
            size=sizes[name],
            shares=np.diff(below[:, place] / 100, prepend=0.0) / (below[-1, place] / 100),
            repay=1 - failing[:, place] / 100,
        )
        for place, name in enumerate(names)
    }
    return CreditTables(scores=_on_scale(percentiles), groups=MappingProxyType(groups))


def example_tables() -> CreditTables:
    """Return made-up tables of two groups, of which the smaller one, A, has lower scores; for worlds without data.

    Repayment rises with the score in the same way for both.

    Examples
    --------
    >>> {name: round(group.repaid, 2) for name, group in example_tables().groups.items()}
    {'A': 0.49, 'B': 0.76}
    """
    scores = np.arange(LOWEST, HIGHEST + 1, 10.0)
    repay = 1 / (1 + np.exp(-(scores - 560) / 60))
    groups = {}
    for name, size, centre in (("A", 20_000.0, 555.0), ("B", 80_000.0, 660.0)):
        heights = np.exp(-0.5 * ((scores - centre) / 90) ** 2)
        groups[name] = CreditGroup(size=size, shares=heights / heights.sum(), repay=repay)
    return CreditTables(scores=scores, groups=MappingProxyType(groups))


def _table(path: Path) -> tuple[list[str], Array, Array]:
    """Return names of the groups, the scores, and the values of shape (scores, groups)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    try:
        values = np.array(rows[1:], dtype=np.float64)
    except ValueError as error:
        message = f"{path} must hold numbers below its first line; {error}; get the file anew"
        raise InputError([message]) from None
    if values.ndim != 2 or len(values) < 2:
        message = f"{path} must hold one line for each score; found {len(values)}; get the file anew"
        raise InputError([message])
    return [_NAMES.get(name, name) for name in rows[0][1:]], values[:, 0], values[:, 1:]


def _sizes(path: Path) -> dict[str, float]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    try:
        return {_NAMES.get(name, name): float(size) for name, size in zip(rows[0][1:], rows[1][1:], strict=True)}
    except (ValueError, IndexError):
        message = f"{path} must hold one line with the size of each group; get the file anew"
        raise InputError([message]) from None


def _on_scale(percentiles: Array) -> Array:
    edges = np.concatenate([[0.0], np.cumsum(_BANDS)])
    return np.interp(percentiles, edges, np.linspace(LOWEST, HIGHEST, len(edges)))
