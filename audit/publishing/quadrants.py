"""The counts behind published rates: which cells of the confusion matrix each one adds up, and how many they are."""

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from audit.measurement import Measurement, Slice
from audit.publishing.suppression_attack import finest

CELLS = ("tp", "fp", "fn", "tn", "up", "un", "dp", "dn", "du")
"""Rows by label and decision: unlabelled and predicted positive or negative; deferred with either label or without."""

MOST_MODELS = 3
"""Of so many models at most the decisions are one program; of more, each is held against the baseline alone."""

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

CHANGES = ("became_right", "became_wrong")
"""How many of the labelled rows one of two models gets right and the other does not."""

_MODEL = "model_version"
_OF_NO_MODEL = frozenset({"count", "prevalence"})
_RIGHT = frozenset({"tp", "tn"})
_Key = tuple[str, str, str]  # metric, model, and the model that it is held against


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


def count_programs(rows: Iterable[Measurement]) -> tuple[tuple[CountTable, ...], ...]:
    """Return every count that follows from the rates, in tables that one linear program holds together.

    One program where at most `MOST_MODELS` models judged the rows; of more, one per model with the baseline, which is
    the one that changes are measured against.

    Examples
    --------
    >>> rows = [Measurement(metric=metric, at=(("model_version", name),), value=0.5, n=20, method="count")
    ...         for name in "ABCD" for metric in ("accuracy", "selection_rate")]
    >>> [len(tables[0].cells) for tables in count_programs(rows[:4])], len(count_programs(rows))
    ([8], 3)
    """
    given = list(rows)
    models = _models(given)
    if len(models) <= MOST_MODELS:
        sets = [models]
    else:
        named = {str(row.against["model_version"]) for row in given if _is_change(row) and row.against is not None}
        base = next((model for model in models if model in named), models[-1])
        sets = [(model, base) for model in models if model != base]
    found = (count_tables([row for row in given if _is_of(row, chosen)]) for chosen in sets)
    return tuple(tables for tables in found if tables)


def count_tables(rows: Iterable[Measurement]) -> tuple[CountTable, ...]:
    """Return every count that follows from the rates of a confusion matrix, as tables over the same groups.

    ``round(value * n)`` is the numerator of a rate. Rates whose numerators are no whole numbers (weights), that do not
    add up over the groups, that not every group has a row of (n = 0 is one), or that are not of the confusion matrix
    give none. Fewer than two tables give nothing that
    the counts alone do not.

    Rates of several models (``at["model_version"]``) are of the same rows: a cell then says the label and the decision
    of every model, and "became_right" and "became_wrong" count cells, too.

    Examples
    --------
    >>> rows = [Measurement(metric=metric, value=value, n=n, method="count")
    ...         for metric, value, n in (("count", 20, 20), ("selection_rate", 0.25, 20), ("accuracy", 0.5, 18))]
    >>> [(table.counts[()], table.denominator) for table in count_tables(rows)]
    [(20, True), (5, False), (18, True), (9, False)]
    """
    given = [row for row in rows if row.metric in _PARTS or _is_change(row)]
    models = _models(given)
    by_metric: dict[_Key, dict[Slice, Measurement]] = {}
    for row in given:
        if {key for key, _ in row.at} <= {_MODEL}:
            by_metric.setdefault((row.metric, _model(row), _baseline(row)), {})[row.slice] = row
    slices = {one for found in by_metric.values() for one in found}
    used = _cells_in_use(by_metric, len(models))
    order = (*_PARTS, *CHANGES)
    tables: dict[tuple[float, ...], CountTable] = {}
    for key, found in sorted(by_metric.items(), key=lambda each: (order.index(each[0][0]), str(each[0]))):
        numerator, denominator = _vectors(key, models, used)
        whole_n = {one: row.n for one, row in found.items()}
        _add(tables, denominator, whole_n, slices, denominator=True)
        numbers = {one: _numerator(row) for one, row in found.items()}
        whole = {one: n for one, n in numbers.items() if n is not None}
        if len(whole) == len(numbers):
            _add(tables, numerator, whole, slices, denominator=False)
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


def _models(rows: Iterable[Measurement]) -> tuple[str, ...]:
    """Return the models that decided, "" for the one without a name; counts and prevalences tell of none."""
    deciding = (row for row in rows if row.metric in _PARTS and row.metric not in _OF_NO_MODEL)
    return tuple(sorted({_model(row) for row in deciding})) or ("",)


def _model(row: Measurement) -> str:
    return str(dict(row.at).get(_MODEL, ""))


def _baseline(row: Measurement) -> str:
    return str((row.against or {}).get(_MODEL, ""))


def _is_change(row: Measurement) -> bool:
    return row.metric in CHANGES and row.against is not None and row.against["kind"] == "model"


def _is_of(row: Measurement, models: Sequence[str]) -> bool:
    unnamed = _is_change(row) or row.metric in _OF_NO_MODEL
    return _model(row) in models or (unnamed and not row.at)


def _cells_in_use(by_metric: dict[_Key, dict[Slice, Measurement]], models: int) -> tuple[tuple[str, ...], ...]:
    """Return the cells that can hold rows, by what each model's confusion matrix calls them.

    None is deferred without a rate of it, nor lacks a label where n says so.
    """
    deferred = any(metric == "deferral_rate" for metric, _, _ in by_metric)
    everyone = _sizes(by_metric, ("count", "selection_rate"))
    labelled = _sizes(by_metric, ("accuracy", "prevalence"))
    complete = bool(labelled) and all(everyone.get(one) == n for one, n in labelled.items())
    names = {label: [name for name in CELLS if _label(name) == label] for label in "pnu"}
    cells = [
        cell
        for label in "pnu"
        for cell in product(names[label], repeat=models)
        if (deferred or not any(name[0] == "d" for name in cell)) and not (complete and label == "u")
    ]
    return tuple(sorted(cells, key=lambda cell: [CELLS.index(name) for name in cell]))


def _sizes(by_metric: dict[_Key, dict[Slice, Measurement]], metrics: Sequence[str]) -> dict[Slice, int]:
    rows = (row for (metric, _, _), found in by_metric.items() if metric in metrics for row in found.values())
    return {row.slice: row.n for row in rows}


def _label(name: str) -> str:
    """Return the true label of the rows of a cell: "p" or "n", "u" where they have none."""
    if "u" in name:
        return "u"
    return "p" if name in _POSITIVE.split() else "n"


def _vectors(
    key: _Key, models: Sequence[str], used: Sequence[tuple[str, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return which cells enter the numerator and the denominator of a metric of a model."""
    metric, model, base = key
    if metric in _PARTS:
        place = models.index(model) if model in models else 0
        return _where([cell[place] in _PARTS[metric][0].split() for cell in used]), _where(
            [cell[place] in _PARTS[metric][1].split() for cell in used]
        )
    candidates = [name for name in models if name != base]
    name = model or (candidates[0] if len(candidates) == 1 else "")
    if name not in models or base not in models:
        return (), ()
    sides = (models.index(name), models.index(base)) if metric == "became_right" else (
        models.index(base), models.index(name)
    )  # fmt: skip
    right = [(cell[sides[0]] in _RIGHT, cell[sides[1]] in _RIGHT) for cell in used]
    return _where([one and not two for one, two in right]), _where([_label(cell[0]) != "u" for cell in used])


def _where(inside: Iterable[bool]) -> tuple[float, ...]:
    return tuple(float(one) for one in inside)


def _numerator(row: Measurement) -> int | None:
    if row.n == 0 or row.metric == "count":
        return row.n
    if row.value is None:
        return None
    number = row.value if row.metric in CHANGES else row.value * row.n
    return round(number) if abs(number - round(number)) < 1e-6 * max(1.0, row.n) else None


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
