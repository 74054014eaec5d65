"""What stands in a report below its summary: groups, gaps, intersections, method, provenance, as records of text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from audit.measurement import Measurement, Slice, canonical_json
from audit.result import Result
from dashboards.labels import features_label, group_label, safe_label
from dashboards.report.section import Section
from dashboards.report.svg import Forest, forest_svg
from dashboards.tables import (
    DisplayRow,
    comparison_text,
    display_row,
    hidden_text,
    is_plain,
    plain_rows,
    suppressed,
    value_text,
)
from dashboards.words import base_metric, direction_sentence, metric_sentence, metric_title

HEADLINES = ("selection_rate", "false_positive_rate", "false_negative_rate", "precision", "accuracy")
"""What a stakeholder's page shows of a classifier; every other number stands in the JSON."""

LONGEST_TABLE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of a table: its heading and its cells."""

    head: str
    cells: tuple[DisplayRow | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as text: caption, headings of columns, rows, and a note below."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with what it says and what its metric means."""

    svg: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSection:
    """The groups of one combination of features: pictures (single features only) and tables."""

    title: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraSection:
    """A `Section` as text."""

    title: str
    paragraphs: tuple[str, ...]
    table: Table | None


def headline_metrics(result: Result) -> tuple[str, ...]:
    """Return the metrics that the pictures show: the headlines that the result holds, else its first five.

    Examples
    --------
    >>> rows = [Measurement(metric=name, value=0.5, n=9, method="x") for name in ("accuracy", "f1", "selection_rate")]
    >>> headline_metrics(Result(measurements=rows))
    ('selection_rate', 'accuracy')
    """
    present = dict.fromkeys(row.metric for row in result.measurements if is_plain(row) and row.metric != "count")
    return tuple(name for name in HEADLINES if name in present) or tuple(present)[:5]


def combinations_of(result: Result) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of features that the result has groups of: single features first."""
    found = dict.fromkeys(tuple(name for name, _ in row.slice) for row in result.measurements if is_plain(row) and row.slice)
    return tuple(sorted(found, key=len))


def positive_label(result: Result) -> str | None:
    """Return the label that counts as positive, where the result knows it."""
    if result.tally is not None:
        return result.tally.positive
    given = result.provenance.given.get("positive")
    return given if isinstance(given, str) else None


def hidden_groups(result: Result, features: Sequence[str], *, min_cell: int) -> frozenset[Slice]:
    """Return the groups of a combination of features whose numbers the report does not show."""
    rows = plain_rows(result, features=features, metrics=("count", *headline_metrics(result)))
    return suppressed(rows, min_cell=min_cell)


def group_sections(result: Result, *, min_cell: int) -> tuple[GroupSection, ...]:
    """Return one section per sensitive feature: a picture per metric, a table of values, a table of gaps."""
    numbers = count(1)
    return tuple(
        _feature_section(result, features[0], min_cell, [f"f{next(numbers)}" for _ in headline_metrics(result)])
        for features in combinations_of(result)
        if len(features) == 1
    )


def intersection_sections(result: Result, *, min_cell: int) -> tuple[GroupSection, ...]:
    """Return one section per combination of two and more features: a table, lowest accuracy first."""
    sections = []
    for features in combinations_of(result):
        if len(features) > 1:
            metrics = headline_metrics(result)
            rows = plain_rows(result, features=features, metrics=("count", *metrics))
            hidden = suppressed(rows, min_cell=min_cell)
            table = _values_table(rows, features, metrics, hidden, min_cell)
            sections.append(GroupSection(title=_capital(features_label(features)), pictures=(), tables=(table,)))
    return tuple(sections)


def gap_table(result: Result, *, min_cell: int) -> Table | None:
    """Return the largest gap between groups per metric and combination of features; None where there is none."""
    metrics = headline_metrics(result)
    rows = [
        row
        for row in result.measurements
        if _kind(row) == "groups" and not row.slice and base_metric(row.metric)[0] in metrics
    ]
    rows.sort(key=lambda row: len((row.against or {})["features"]))
    if not rows:
        return None
    return _numbers_table("Largest gap between any two groups", rows, min_cell)


def extra_section(section: Section, *, min_cell: int) -> ExtraSection:
    """Return a section as text, its measurements as a table."""
    table = _numbers_table(section.title, section.measurements, min_cell) if section.measurements else None
    paragraphs = tuple(
        safe_label(part, target="text", limit=4000) for part in section.text.split("\n\n") if part.strip()
    )
    return ExtraSection(title=safe_label(section.title, target="text", limit=160), paragraphs=paragraphs, table=table)


def alarm_table(result: Result) -> Table | None:
    """Return the alarms that are raised; None where there are none."""
    if not result.alarms:
        return None
    by_key = {row.key(): row for row in result.measurements}
    rows = []
    for alarm in result.alarms:
        found = by_key.get(alarm.key)
        name = safe_label(alarm.key, target="text", limit=160) if found is None else display_row(found).name
        rows.append(TableRow(head=name, cells=(f"{alarm.e_value:.4g}", f"{alarm.limit:.4g}", f"{alarm.since:%Y-%m-%d}")))
    return Table(caption="Alarms that are raised", head=("Alarm", "Evidence e", "Rings at", "Since"), rows=tuple(rows))


def provenance_table(result: Result) -> Table:
    """Return digests, versions and settings, as recorded."""
    source = result.provenance
    facts: dict[str, Any] = {"result, SHA-256": result.digest(), "tally, SHA-256": source.tally, "seed": source.seed}
    facts |= {f"file {name}, SHA-256": digest for name, digest in sorted(source.data.items())}
    facts |= {f"{name}, version": version for name, version in sorted(source.versions.items())}
    facts |= {f"{name} (given)": value for name, value in sorted(source.given.items())}
    facts |= {f"{name} (default)": value for name, value in sorted(source.defaulted.items())}
    rows = [
        TableRow(head=safe_label(name, target="text", limit=120), cells=(_fact(value),))
        for name, value in facts.items()
        if value is not None or name.endswith(("(given)", "(default)"))
    ]
    return Table(caption="Where these numbers come from", head=("What", "Recorded"), rows=tuple(rows))


def _feature_section(result: Result, feature: str, min_cell: int, identifiers: Sequence[str]) -> GroupSection:
    metrics = headline_metrics(result)
    rows = plain_rows(result, features=(feature,), metrics=("count", *metrics))
    hidden = suppressed(rows, min_cell=min_cell)
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
    tables = [_values_table(rows, (feature,), metrics, hidden, min_cell), *_comparisons(result, feature, hidden, min_cell)]
    return GroupSection(title=_capital(features_label((feature,))), pictures=tuple(pictures), tables=tuple(tables))


def _picture(forest: Forest, positive: str | None) -> Picture:
    metric = forest.rows[0].metric
    sentence = f"{metric_sentence(metric, positive)} {direction_sentence(metric)}".strip()
    if forest.everyone is not None and forest.everyone.value is not None:
        sentence += f" Dashed line: everyone, {value_text(forest.everyone)}."
    return Picture(svg=forest_svg(forest), title=forest.title, sentence=sentence.strip())


def _values_table(
    rows: Sequence[Measurement], features: tuple[str, ...], metrics: Sequence[str], hidden: frozenset[Slice], min_cell: int
) -> Table:
    single = len(features) == 1
    groups = list(dict.fromkeys(row.slice for row in rows))
    if not single:
        groups = _least_first([row for row in rows if row.slice not in hidden], metrics)
    body = _matrix(rows, groups[:LONGEST_TABLE], ("count", *metrics), hidden, min_cell)
    notes = []
    if not single and hidden:
        names = "; ".join(sorted(group_label(group, limit=40) for group in hidden)[:LONGEST_TABLE])
        notes.append(f"{_counted(len(hidden), 'group')} hidden, small (n < {min_cell}) or protecting a small one: {names}.")
    if len(groups) > LONGEST_TABLE:
        notes.append(f"{len(groups) - LONGEST_TABLE} more groups stand in the JSON.")
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
            if comparison == "difference" and name in metrics:
                found.setdefault(comparison_text(row), []).append(row)
    tables = []
    for other, rows in found.items():
        names = list(dict.fromkeys(row.metric for row in rows))
        groups = list(dict.fromkeys(row.slice for row in rows))
        body = _matrix(rows, groups, names, hidden, min_cell)
        head = (_capital(features_label((feature,))), *(metric_title(base_metric(name)[0]) for name in names))
        caption = f"Differences: each group of {features_label((feature,))} minus {other}, in points where shares are compared"
        tables.append(Table(caption=caption, head=head, rows=body))
    return tables


def _matrix(
    rows: Sequence[Measurement],
    groups: Sequence[Slice],
    metrics: Sequence[str],
    hidden: frozenset[Slice],
    min_cell: int,
) -> tuple[TableRow, ...]:
    by_key = {(row.slice, row.metric): row for row in rows}
    small = {row.slice for row in rows if row.n < min_cell}
    body = []
    for group in groups:
        cells: list[DisplayRow | str] = []
        for metric in metrics:
            row = by_key.get((group, metric))
            if group in hidden:
                cells.append(hidden_text(min_cell, small=group in small))
            elif row is None:
                cells.append("not measured")
            else:
                cells.append(f"{row.n:,}" if metric == "count" else display_row(row, min_cell=min_cell))
        body.append(TableRow(head=group_label(group), cells=tuple(cells)))
    return tuple(body)


def _numbers_table(caption: str, rows: Iterable[Measurement], min_cell: int) -> Table:
    body = []
    for row in rows:
        shown = display_row(row, min_cell=min_cell)
        body.append(TableRow(head=shown.name, cells=(shown.value, shown.interval, shown.n, shown.note)))
    return Table(
        caption=safe_label(caption, target="text", limit=160),
        head=("What", "Value", "Interval", "n", "Note"),
        rows=tuple(body),
    )


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


def _fact(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return safe_label(text, target="text", limit=1200)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
