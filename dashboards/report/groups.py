"""The groups in a report: a picture per metric and feature, values, differences, largest gaps, intersections."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count

from audit.measurement import Measurement, Slice
from audit.publishing.redaction import hidden_slices, speaking_of
from audit.result import Result
from dashboards.changes import HEADLINES as COMPARED
from dashboards.labels import features_label, group_label, reading_order
from dashboards.loops import is_loops
from dashboards.report.blocks import GroupSection, Picture, Table, matrix, numbers_table, other_slice
from dashboards.report.svg import Forest, forest_svg
from dashboards.robustness import METRICS_OF
from dashboards.subjects import comparison_text
from dashboards.tables import is_plain, plain_rows, value_text
from dashboards.words import base_metric, direction_sentence, metric_sentence, metric_title
from monitors.feedback.catalog import BY_NAME

HEADLINES = ("selection_rate", "false_positive_rate", "false_negative_rate", "precision", "accuracy", "deferral_rate")
"""What a stakeholder's page shows of a classifier; every other number stands in the JSON."""

_CHECKS = frozenset(metric for metrics in METRICS_OF.values() for metric in metrics)
_TOLD_ELSEWHERE = frozenset({"count", "retraining_best_share"})
"""Plain numbers of groups that are no rates: sizes, and advice that stands in a section of its own."""
LONGEST_TABLE = 60
LONGEST_CROSSED = 12
"""Most groups in the table of a combination of features, the lowest first."""


def headline_metrics(result: Result) -> tuple[str, ...]:
    """Return the metrics that the pictures show: the headlines that the result holds, else its first five.

    Examples
    --------
    >>> rows = [Measurement(metric=name, value=0.5, n=9, method="x") for name in ("accuracy", "f1", "selection_rate")]
    >>> headline_metrics(Result(measurements=rows))
    ('selection_rate', 'accuracy')
    """
    present = dict.fromkeys(
        row.metric
        for row in result.measurements
        if is_plain(row) and row.metric not in _TOLD_ELSEWHERE and not _is_of_loops(result, row)
    )
    return tuple(name for name in HEADLINES if name in present) or tuple(present)[:5]


def combinations_of(result: Result) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of features that the result has groups of: single features first.

    Examples
    --------
    >>> rows = [Measurement(metric="count", slice=pairs, value=9, n=9, method="count")
    ...         for pairs in ((), (("race", "A"), ("sex", "F")), (("sex", "F"),))]
    >>> combinations_of(Result(measurements=rows))
    (('sex',), ('race', 'sex'))
    """
    found = dict.fromkeys(
        tuple(name for name, _ in row.slice)
        for row in result.measurements
        if is_plain(row) and row.slice and not _is_of_loops(result, row)
    )
    return tuple(sorted(found, key=len))


def _is_of_loops(result: Result, row: Measurement) -> bool:
    """Whether a row is told in the part on feedback loops, not among the rates of groups."""
    return is_loops(result) and row.metric in BY_NAME


def positive_label(result: Result) -> str | None:
    """Return the label that counts as positive, where the result knows it.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> positive_label(Result(measurements=[], provenance=Provenance(tally=None, given={"positive": ">50K"})))
    '>50K'
    """
    if result.tally is not None:
        return result.tally.positive
    given = result.provenance.given.get("positive")
    return given if isinstance(given, str) else None


def hidden_groups(result: Result, features: Sequence[str] | None = None, *, min_cell: int) -> frozenset[Slice]:
    """Return the groups of a combination of features (None = of all) whose numbers the report does not show.

    All tables of the report are looked at together: a group that is safe in one may give a small one away in another.

    Examples
    --------
    B is hidden too: C could be found by subtraction otherwise (`audit.publishing.suppression.suppressed`).

    >>> rows = [Measurement(metric="count", slice=(("race", name),), value=n, n=n, method="count")
    ...         for name, n in (("A", 500), ("B", 40), ("C", 3))]
    >>> sorted(value for ((_, value),) in hidden_groups(Result(measurements=rows), ["race"], min_cell=10))
    ['B', 'C']
    """
    hidden = _hidden(_Same(result), min_cell)
    if features is None:
        return hidden
    names = tuple(sorted(features))
    return frozenset(group for group in hidden if tuple(name for name, _ in group) == names)


class _Same:
    """A result that is equal to itself alone: what was found for it is not looked for again by every part."""

    __slots__ = ("result",)

    def __init__(self, result: Result) -> None:
        self.result = result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.result is self.result

    def __hash__(self) -> int:
        return id(self.result)


@lru_cache(maxsize=4)
def _hidden(same: _Same, min_cell: int) -> frozenset[Slice]:
    metrics = {"count", *headline_metrics(same.result)}
    return hidden_slices(same.result, metrics=metrics, compared=COMPARED, checks=_CHECKS, min_cell=min_cell)


def group_sections(result: Result, *, min_cell: int) -> tuple[GroupSection, ...]:
    """Return one section per sensitive feature: a picture per metric, a table of values, a table of gaps.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", slice=(("sex", name),), value=0.7, low=0.6, high=0.8, n=90, level=0.95,
    ...                     method="wilson") for name in ("F", "M")]
    >>> section, = group_sections(Result(measurements=rows), min_cell=10)
    >>> section.title, len(section.pictures), [row.head for row in section.tables[0].rows]
    ('Sex', 1, ['F', 'M'])
    """
    numbers = count(1)
    return tuple(
        _feature_section(result, features[0], min_cell, [f"f{next(numbers)}" for _ in headline_metrics(result)])
        for features in combinations_of(result)
        if len(features) == 1 and headline_metrics(result)
    )


def intersection_sections(result: Result, *, min_cell: int) -> tuple[GroupSection, ...]:
    """Return one section per combination of two and more features: a table, lowest accuracy first.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", slice=(("race", "A"), ("sex", name)), value=value, n=90, method="count")
    ...         for name, value in (("F", 0.7), ("M", 0.6))]
    >>> section, = intersection_sections(Result(measurements=rows), min_cell=10)
    >>> section.title, [row.head for row in section.tables[0].rows]
    ('Race and sex', ['A, M', 'A, F'])
    """
    sections = []
    for features in combinations_of(result):
        if len(features) > 1:
            metrics = headline_metrics(result)
            rows = plain_rows(result, features=features, metrics=("count", *metrics))
            hidden = hidden_groups(result, features, min_cell=min_cell)
            table = _values_table(rows, features, metrics, hidden, min_cell)
            sections.append(GroupSection(title=_capital(features_label(features)), pictures=(), tables=(table,)))
    return tuple(sections)


def gap_table(result: Result, *, min_cell: int) -> Table | None:
    """Return the largest gap between groups per metric and combination of features; None where there is none.

    Differences, and the ratio of selection rates. A gap that rests on a group whose numbers are hidden is left out, and
    the note says so.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.7, n=90, method="count")
    >>> gap = Measurement(metric="accuracy_difference", against={"kind": "groups", "features": ["sex"]}, value=0.1,
    ...                   n=40, method="count", reason="between F and M")
    >>> gap_table(Result(measurements=[row, gap]), min_cell=10).rows[0].cells
    ('10.0 points', '', '40', 'between F and M')
    >>> gap_table(Result(measurements=[row]), min_cell=10) is None
    True
    """
    wanted = {*(f"{name}_difference" for name in headline_metrics(result)), "selection_rate_ratio"}
    rows = [row for row in result.measurements if _kind(row) == "groups" and not (row.slice or row.at)]
    rows = [row for row in rows if row.metric in wanted]
    rows.sort(key=lambda row: len((row.against or {})["features"]))
    if not rows:
        return None
    speaks = speaking_of(result.measurements, hidden_groups(result, min_cell=min_cell))
    shown = [row for row in rows if row.n >= min_cell and not speaks(row)]
    table = numbers_table("Largest gap between any two groups", shown, min_cell)
    left_out = [row for row in rows if row not in shown]
    if not left_out:
        return table
    whom = "; ".join(dict.fromkeys(map(comparison_text, left_out)))
    why = f"as one of the two groups is hidden (n < {min_cell}, or protecting such a group)"
    return replace(table, note=f"Not shown: {_counted(len(left_out), 'gap')} between {whom}, {why}.")


def _feature_section(result: Result, feature: str, min_cell: int, identifiers: Sequence[str]) -> GroupSection:
    metrics = headline_metrics(result)
    rows = plain_rows(result, features=(feature,), metrics=("count", *metrics))
    hidden = hidden_groups(result, (feature,), min_cell=min_cell)
    everyone = {row.metric: row for row in plain_rows(result, features=(), metrics=metrics)}
    pictures = []
    for identifier, metric in zip(identifiers, metrics, strict=True):
        shown = tuple(row for row in rows if row.metric == metric)
        if shown:
            title = f"{metric_title(metric)} by {features_label((feature,))}"
            forest = Forest(
                identifier=identifier, title=title, rows=shown, everyone=everyone.get(metric), hidden=hidden
            )
            pictures.append(_picture(forest, positive_label(result)))
    tables = [
        _values_table(rows, (feature,), metrics, hidden, min_cell),
        *_comparisons(result, feature, hidden, min_cell),
    ]
    return GroupSection(title=_capital(features_label((feature,))), pictures=tuple(pictures), tables=tuple(tables))


def _picture(forest: Forest, positive: str | None) -> Picture:
    metric = forest.rows[0].metric
    sentence = f"{metric_sentence(metric, positive)} {direction_sentence(metric)}".strip()
    if forest.everyone is not None and forest.everyone.value is not None:
        sentence += f" Dashed line: everyone, {value_text(forest.everyone)}."
    return Picture(svg=forest_svg(forest), title=forest.title, sentence=sentence.strip())


def _values_table(
    rows: Sequence[Measurement],
    features: tuple[str, ...],
    metrics: Sequence[str],
    hidden: frozenset[Slice],
    min_cell: int,
) -> Table:
    single = len(features) == 1
    groups = list(dict.fromkeys(row.slice for row in rows))
    if not single:
        groups = _least_first([row for row in rows if row.slice not in hidden], metrics)
    longest = LONGEST_TABLE if single else LONGEST_CROSSED
    body = matrix(rows, groups[:longest], ("count", *metrics), hidden, min_cell)
    notes = []
    if not single and hidden:
        names = "; ".join(sorted(group_label(group, limit=40) for group in hidden)[:LONGEST_CROSSED])
        names += " …" if len(hidden) > LONGEST_CROSSED else ""
        notes.append(
            f"{_counted(len(hidden), 'group')} hidden, small (n < {min_cell}) or protecting a small one: {names}."
        )
    if len(groups) > longest:
        notes.append(f"{len(groups) - longest} more groups stand in the JSON.")
    whom = features_label(features)
    order = "" if single or not metrics else f", lowest {metric_title(_order_metric(metrics)).lower()} first"
    head = (_capital(whom), "Rows", *map(metric_title, metrics))
    return Table(caption=f"Groups of {whom}{order}", head=head, rows=body, note=" ".join(notes))


def _comparisons(result: Result, feature: str, hidden: frozenset[Slice], min_cell: int) -> list[Table]:
    """Return a table of differences per group that is compared with: the rest, a reference group, a baseline run."""
    metrics = headline_metrics(result)
    found: dict[str, list[Measurement]] = {}
    for row in result.measurements:
        if [name for name, _ in row.slice] == [feature] and _kind(row) in {"rest", "slice", "reference"} and not row.at:
            name, comparison = base_metric(row.metric)
            if comparison == "difference" and name in metrics and other_slice(row) not in hidden:
                found.setdefault(comparison_text(row), []).append(row)
    tables = []
    for other, rows in found.items():
        present = {row.metric for row in rows}
        names = [f"{name}_difference" for name in metrics if f"{name}_difference" in present]
        groups = sorted(dict.fromkeys(row.slice for row in rows), key=reading_order)
        body = matrix(rows, groups, names, hidden, min_cell)
        head = (_capital(features_label((feature,))), *(metric_title(base_metric(name)[0]) for name in names))
        caption = f"Differences: each group of {features_label((feature,))} minus {other}, shares in points"
        tables.append(Table(caption=caption, head=head, rows=body))
    return tables


def _order_metric(metrics: Sequence[str]) -> str:
    return "accuracy" if "accuracy" in metrics else metrics[0]


def _least_first(rows: Sequence[Measurement], metrics: Sequence[str]) -> list[Slice]:
    if not metrics:
        return list(dict.fromkeys(row.slice for row in rows))
    chosen = [row for row in rows if row.metric == _order_metric(metrics)]
    chosen.sort(key=lambda row: (row.value is None, row.value or 0.0))
    return [row.slice for row in chosen]


def _kind(row: Measurement) -> str | None:
    return None if row.against is None else str(row.against["kind"])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
