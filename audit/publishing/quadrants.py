"""The counts behind published rates: which cells of the confusion matrix each one adds up, and how many they are."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from audit.measurement import Measurement, Slice
from audit.publishing.suppression_attack import finest

CELLS = ("tp", "fp", "fn", "tn", "up", "un", "dp", "dn", "du")
"""Rows by label and decision: unlabelled and predicted positive or negative; deferred with either label or without."""

_ALL, _LABELLED, _POSITIVE, _NEGATIVE = " ".join(CELLS), "tp fp fn tn dp dn", "tp fn dp", "fp tn dn"
_PARTS = {
    "count": (_ALL, _ALL),
    "selection_rate": ("tp fp up", _ALL),
    "deferral_rate": ("dp dn du", _ALL),
    "prevalence": (_POSITIVE, _LABELLED),
    "accuracy": ("tp tn", _LABELLED),
    "true_positive_rate": ("tp", _POSITIVE),
    "false_negative_rate": ("fn dp", _POSITIVE),
    "false_positive_rate": ("fp dn", _NEGATIVE),
    "true_negative_rate": ("tn", _NEGATIVE),
    "precision": ("tp", "tp fp"),
    "false_discovery_rate": ("fp", "tp fp"),
    "false_omission_rate": ("fn", "fn tn"),
    "negative_predictive_value": ("tn", "fn tn"),
}
"""Numerator and denominator of each rate; a deferred row is never right (`audit.tasks.deferral`)."""


class CountTable(NamedTuple):
    """One count of every group: `cells` says how often each cell of the confusion matrix enters it.

    `denominator` is True where a rate rests on the count, so that small ones must not be told.

    Examples
    --------
    >>> CountTable((1.0, 1.0), {(): 12}, denominator=True).counts[()]
    12
    """

    cells: tuple[float, ...]
    counts: dict[Slice, int]
    denominator: bool


def with_margins(sizes: dict[Slice, int]) -> dict[Slice, int] | None:
    """Return counts with every margin of their finest slices; None where they do not add up.

    Examples
    --------
    >>> with_margins({(("g", "a"),): 3, (("g", "b"),): 20})[()]
    23
    >>> with_margins({(): 24, (("g", "a"),): 3, (("g", "b"),): 20}) is None
    True
    """
    whole = dict(sizes)
    for block in finest(sizes):
        sums: dict[Slice, int] = {}
        for cell, n in sizes.items():
            if tuple(name for name, _ in cell) == block:
                for size in range(len(cell)):
                    for margin in combinations(cell, size):
                        sums[margin] = sums.get(margin, 0) + n
        if any(whole.setdefault(margin, n) != n for margin, n in sums.items()):
            return None
    return whole


def count_tables(rows: Iterable[Measurement]) -> tuple[CountTable, ...]:
    """Return every count that follows from the rates of a confusion matrix, as tables over the same groups.

    ``round(value * n)`` is the numerator of a rate. Rates whose numerators are no whole numbers (weights), that do not
    add up over the groups, that not every group has a row of (n = 0 is one), or that are not of the confusion matrix
    give none. Fewer than two tables give nothing that
    the counts alone do not.

    Examples
    --------
    >>> rows = [Measurement(metric=metric, value=value, n=n, method="count")
    ...         for metric, value, n in (("count", 20, 20), ("selection_rate", 0.25, 20), ("accuracy", 0.5, 18))]
    >>> [(table.counts[()], table.denominator) for table in count_tables(rows)]
    [(20, True), (5, False), (18, True), (9, False)]
    """
    by_metric: dict[str, dict[Slice, Measurement]] = {}
    for row in rows:
        if row.metric in _PARTS and not row.at:
            by_metric.setdefault(row.metric, {})[row.slice] = row
    slices = {one for found in by_metric.values() for one in found}
    used = _cells_in_use(by_metric)
    tables: dict[tuple[float, ...], CountTable] = {}
    for metric, found in sorted(by_metric.items(), key=lambda each: tuple(_PARTS).index(each[0])):
        numerator, denominator = _PARTS[metric]
        _add(tables, _vector(denominator, used), {one: row.n for one, row in found.items()}, slices, denominator=True)
        numbers = {one: row.n if metric == "count" else _numerator(row) for one, row in found.items()}
        whole = {one: n for one, n in numbers.items() if n is not None}
        if len(whole) == len(numbers):
            _add(tables, _vector(numerator, used), whole, slices, denominator=False)
    return tuple(tables.values()) if len(tables) > 1 else ()


def basis(tables: Sequence[CountTable]) -> tuple[CountTable, ...]:
    """Return tables from which all others follow by adding and subtracting.

    Examples
    --------
    >>> tables = [CountTable(cells, {(): 9}, denominator=True) for cells in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))]
    >>> [table.cells for table in basis(tables)]
    [(1.0, 1.0), (1.0, 0.0)]
    """
    chosen: list[CountTable] = []
    for table in sorted(tables, key=lambda each: not each.denominator):
        rank = np.linalg.matrix_rank(np.array([each.cells for each in [*chosen, table]]))
        if rank > len(chosen):
            chosen.append(table)
    return tuple(chosen)


def _cells_in_use(by_metric: dict[str, dict[Slice, Measurement]]) -> tuple[str, ...]:
    """Return the cells that can hold rows: none is deferred without a rate of it, nor lacks a label where n says so."""
    deferred = "deferral_rate" in by_metric
    everyone = by_metric.get("count", by_metric.get("selection_rate", {}))
    labelled = by_metric.get("accuracy", by_metric.get("prevalence", {}))
    complete = bool(labelled) and all(one in everyone and everyone[one].n == row.n for one, row in labelled.items())
    return tuple(
        cell for cell in CELLS if (deferred or cell[0] != "d") and not (complete and (cell[0] == "u" or cell == "du"))
    )


def _vector(text: str, used: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(float(cell in text.split()) for cell in used)


def _numerator(row: Measurement) -> int | None:
    if row.n == 0:
        return 0
    if row.value is None:
        return None
    product = row.value * row.n
    return round(product) if abs(product - round(product)) < 1e-6 * max(1.0, row.n) else None


def _add(
    tables: dict[tuple[float, ...], CountTable],
    cells: tuple[float, ...],
    counts: dict[Slice, int],
    slices: set[Slice],
    *,
    denominator: bool,
) -> None:
    """Add a table where every group has a number and all add up."""
    whole = with_margins(counts) if counts.keys() == slices else None
    if whole is not None and any(cells):
        known = tables.get(cells)
        denominator = denominator or (known is not None and known.denominator)
        tables[cells] = CountTable(cells, whole if known is None else known.counts, denominator)
