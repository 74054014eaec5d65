"""Which groups of published tables must be hidden: small ones, and others from which they could be found.

Primary suppression hides small counts; complementary suppression hides more, so that no small one can be had from the
margins by subtraction. Source: A. Hundepool et al. (2012), Statistical Disclosure Control, ch. 4,
doi:10.1002/9781118348239. The choice of what to hide beside is greedy: safe, and not always the least.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from audit.measurement import EVERYONE, At, Measurement, Slice
from audit.publishing.quadrants import CountTable, basis, count_programs, with_margins
from audit.publishing.suppression_attack import Counted, Known, attack, attack_together, finest

Sizes = dict[Slice, int]
_Table = tuple[tuple[float, ...], tuple[tuple[Slice, int], ...], bool]


class Published(NamedTuple):
    """The tables of one report: the counts that their numbers rest on, by metric and slice.

    `sizes` holds one mapping per kind of denominator, each adding up over the groups; `least` and `most` the smallest
    and the largest n of each slice; `fixed` are margins that the rows do not hold but a reader can know; `tables` are
    all counts that follow from the rates of a confusion matrix (`audit.publishing.quadrants.count_tables`).

    Examples
    --------
    >>> one = {(("g", "a"),): 3}
    >>> Published((one,), one, one, frozenset({()})).least
    {(('g', 'a'),): 3}
    """

    sizes: tuple[Sizes, ...]
    least: Sizes
    most: Sizes
    fixed: frozenset[Slice]
    programs: tuple[tuple[CountTable, ...], ...] = ()


def suppressed(rows: Iterable[Measurement], *, min_cell: int) -> frozenset[Slice]:
    """Return the groups whose rows must be hidden, in all tables of one report together.

    A group is hidden where one of its numbers rests on fewer than `min_cell` rows (everyone only where there are fewer
    in all). Others are then hidden with it, whole rows in all tables, until no n of a hidden group can be told more
    closely than `min_cell` - 1 apart by a reader who solves the linear program over all shown rows and their margins:

    - each kind of n alone (`audit.publishing.suppression_attack.attack`), of whatever metric;
    - n and every denominator of a hidden group from the shown counts of the confusion matrix together, where n and
      ``round(value * n)`` of every shown row are equations and true and false positives and negatives (unlabelled and
      deferred rows too) are unknown in every hidden group (`audit.publishing.suppression_attack.attack_together`). The
      metrics are those of `audit.publishing.quadrants.count_tables`. Rows of several models
      (``at["model_version"]``) are of the same people: label and all decisions together are then the unknowns. A
      weighted rate is no count; the n that it rests on are equations all the same.

    Not promised: protection against a reader who knows more, such as what is published elsewhere, rates at other
    thresholds or in bins of scores, the weight of a row; of more than three models, what the candidates tell of each
    other; nor against whole-number reasoning beyond the linear program. Numerators of hidden groups are hidden, but how
    closely they can be told is not bounded.

    Margins that the rows do not hold are taken to be known to the reader. Where they alone leave less than
    `min_cell` - 1 open (a row of the table that holds fewer in all), all of its groups are hidden, and no more can be
    done: pass the margins' rows too, so that they can be hidden with them.

    Parameters
    ----------
    rows
        Every plain value that the report would show, of all combinations of features together.
    min_cell
        The smallest n that may be published; 0 and 1 hide nothing.

    Examples
    --------
    >>> rows = [Measurement(metric="count", slice=(("race", name),), value=n, n=n, method="count")
    ...         for name, n in (("A", 500), ("B", 40), ("C", 3))]
    >>> sorted(value for ((_, value),) in suppressed(rows, min_cell=10))
    ['B', 'C']
    """
    given = list(rows)
    by_metric: dict[tuple[str, At], Sizes] = {}
    for row in given:
        by_metric.setdefault((row.metric, row.at), {})[row.slice] = row.n
    kinds = dict.fromkeys(tuple(sorted(sizes.items(), key=str)) for sizes in by_metric.values())
    programs = tuple(
        tuple((table.cells, tuple(table.counts.items()), table.denominator) for table in tables)
        for tables in count_programs(given)
    )
    return _suppressed(tuple(kinds), programs, min_cell)


def published_of(kinds: Iterable[Mapping[Slice, int]], programs: Iterable[tuple[CountTable, ...]] = ()) -> Published:
    """Return what a report with counts of several kinds publishes, and the margins that follow from it.

    Kinds of n that do not add up over the groups (the smaller of two denominators) say what is small; they are no
    equations.

    Examples
    --------
    >>> found = published_of([{(("g", "a"),): 3, (("g", "b"),): 20}])
    >>> found.sizes[0][()], found.fixed
    (23, frozenset({()}))
    """
    least: Sizes = {}
    most: Sizes = {}
    summing = []
    fixed: set[Slice] = set()
    for sizes in kinds:
        for one, n in sizes.items():
            least[one], most[one] = min(n, least.get(one, n)), max(n, most.get(one, n))
        whole = with_margins(dict(sizes))
        if whole is not None:
            summing.append(whole)
            fixed |= whole.keys() - sizes.keys()
    return Published(tuple(summing), least, most, frozenset(fixed - most.keys()), tuple(programs))


def exposed(
    published: Published, hidden: Iterable[Slice], *, min_cell: int, among: Iterable[Slice] | None = None
) -> dict[Slice, Known]:
    """Return the hidden slices of which a reader can tell a count more closely than `min_cell` - 1 apart.

    Only those `among` some are looked for, where these are given.

    Examples
    --------
    >>> published = published_of([{(("g", "a"),): 3, (("g", "b"),): 20}])
    >>> found = exposed(published, [(("g", "a"),)], min_cell=10)
    >>> found[(("g", "a"),)][:2]
    (3.0, 3.0)
    """
    away = frozenset(hidden)
    wanted = away if among is None else away.intersection(among)
    found: dict[Slice, Known] = {}
    for sizes in published.sizes:
        shown = {one: float(n) for one, n in sizes.items() if one not in away and (one or n >= min_cell)}
        unseen = sorted((one for one in away if one in sizes), key=str)
        sought = [one for one in unseen if one in wanted and one not in found]
        known = attack(shown, unseen, among=sought, enough=min_cell - 1) if sought else {}
        found |= _too_close(known, min_cell)
    for tables in published.programs:
        found |= _exposed_together(tables, away, wanted - found.keys(), min_cell)
    return found


def _too_close(known: Mapping[Slice, Known], min_cell: int) -> dict[Slice, Known]:
    return {one: each for one, each in known.items() if each.high - each.low < min_cell - 1 - 1e-6}


def _exposed_together(
    tables: Sequence[CountTable], away: frozenset[Slice], wanted: frozenset[Slice], min_cell: int
) -> dict[Slice, Known]:
    """Return the slices that the counts of the confusion matrix expose together.

    Where the counts contradict each other (weighted rates that happen to give whole numbers), the n alone are facts;
    none are exposed where these contradict each other, too: rows that were not counted in the same people.
    """
    if not tables or not tables[0].counts.get(EVERYONE, 0) >= min_cell:
        return {}
    unseen = sorted((one for one in away if one in tables[0].counts), key=str)
    sought = [one for one in unseen if one in wanted]
    if not sought:
        return {}

    def counted(table: CountTable) -> Counted:
        return Counted(table.cells, {one: float(n) for one, n in table.counts.items() if one not in away})

    asked = [counted(table) for table in tables if table.denominator]
    for believed in (tables, [table for table in tables if table.denominator]):
        facts = [counted(table) for table in basis(believed)]
        try:
            return _too_close(attack_together(facts, asked, unseen, among=sought, enough=min_cell - 1), min_cell)
        except ValueError:
            continue
    return {}


@lru_cache(maxsize=16)
def _suppressed(
    kinds: tuple[tuple[tuple[Slice, int], ...], ...],
    programs: tuple[tuple[_Table, ...], ...],
    min_cell: int,
) -> frozenset[Slice]:
    counted = [
        tuple(CountTable(cells, dict(counts), denominator) for cells, counts, denominator in tables)
        for tables in programs
    ]
    published = published_of([dict(kind) for kind in kinds], counted)
    hidden = {one for one, n in published.least.items() if n < min_cell and one}
    if published.most.get(EVERYONE, min_cell) < min_cell:
        return frozenset(published.least)
    _join_lines(hidden, published.most, min_cell)
    _hide_beside(hidden, published, min_cell)
    return frozenset(hidden)


def _hide_beside(hidden: set[Slice], published: Published, min_cell: int) -> None:
    """Hide more until no hidden count is exposed; who is safe stays so, as hiding more tells a reader less."""
    unsure = set(hidden)
    while unsure:
        found = exposed(published, hidden, min_cell=min_cell, among=unsure)
        more = {one for target, known in found.items() for one in _beside(target, known, hidden, published)}
        if not more:
            return
        hidden |= more
        unsure = found.keys() | more


def _beside(found: Slice, known: Known, hidden: set[Slice], published: Published) -> list[Slice]:
    """Return the smallest shown group that, once hidden, lets a found one hide; none where there is no other.

    Groups of one feature, which readers look for first, are hidden only where nothing else is left.
    """
    size = published.most
    margins = [*known.by, found]
    inside = {one for one in size if one not in hidden and any(set(margin) < set(one) for margin in margins)}
    lines = {one for one in known.by if one in size and one and one not in hidden}
    blocks = {frozenset(block) for block in finest(size)}
    cells = {one for one in inside if frozenset(name for name, _ in one) in blocks}
    for candidates in (cells | {one for one in lines if len(one) > 1}, lines, inside):
        if candidates:
            return [min(candidates, key=lambda one: (size[one], str(one)))]
    return []


def _join_lines(hidden: set[Slice], size: Sizes, min_cell: int) -> None:
    """Hide more until, along every feature, hidden groups are at least two and hold at least `min_cell` together."""
    lines = _lines(size)
    while more := [group for line in lines for group in _complement(line, hidden, size, min_cell)]:
        hidden.update(more)


def _lines(size: Sizes) -> list[list[Slice]]:
    lines: dict[tuple[int, tuple[str, ...], Slice], list[Slice]] = {}
    for group in size:
        names = tuple(name for name, _ in group)
        for place in range(len(group)):
            lines.setdefault((place, names, group[:place] + group[place + 1 :]), []).append(group)
    return [sorted(line, key=lambda group: (size[group], str(group))) for line in lines.values()]


def _complement(line: list[Slice], hidden: set[Slice], size: Sizes, min_cell: int) -> list[Slice]:
    kept_back = [group for group in line if group in hidden]
    if not kept_back or (len(kept_back) > 1 and sum(size[group] for group in kept_back) >= min_cell):
        return []
    return [group for group in line if group not in hidden][:1]
