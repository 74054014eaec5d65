"""The parts that a report is laid out from: tables and pictures as text, and the two forms of table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.measurement import Measurement, Slice, as_slice
from dashboards.labels import group_label, safe_label
from dashboards.tables import DisplayRow, display_row, withheld_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of a table: its heading and its cells.

    Examples
    --------
    >>> TableRow(head="F", cells=("90", "70.0 %")).cells[1]
    '70.0 %'
    """

    head: str
    cells: tuple[DisplayRow | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as text: caption, headings of columns, rows, and a note below.

    Examples
    --------
    >>> table = Table(caption="Groups of sex", head=("Sex", "Rows"), rows=(TableRow(head="F", cells=("90",)),))
    >>> len(table.head) == 1 + len(table.rows[0].cells), table.note
    (True, '')
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[TableRow, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with what it says and what its metric means.

    Examples
    --------
    >>> Picture(svg="<svg></svg>", title="Accuracy by sex", sentence="Higher is better.").title
    'Accuracy by sex'
    """

    svg: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSection:
    """The groups of one combination of features: pictures (single features only) and tables.

    Examples
    --------
    >>> table = Table(caption="Groups of sex", head=("Sex", "Rows"), rows=())
    >>> GroupSection(title="Sex", pictures=(), tables=(table,)).tables[0].caption
    'Groups of sex'
    """

    title: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraSection:
    """A `Section` as text; among its paragraphs a tuple is a list.

    Examples
    --------
    >>> ExtraSection(title="Baselines", paragraphs=("One.", "Two."), table=None).paragraphs[1]
    'Two.'
    """

    title: str
    paragraphs: tuple[str | tuple[str, ...], ...]
    table: Table | None
    pictures: tuple[Picture, ...] = ()


def matrix(
    rows: Sequence[Measurement],
    groups: Sequence[Slice],
    metrics: Sequence[str],
    hidden: frozenset[Slice],
    min_cell: int,
) -> tuple[TableRow, ...]:
    """Return one row per group and one cell per metric.

    Parameters
    ----------
    rows
        Measurements of the groups.
    groups
        Which groups are shown, in this order.
    metrics
        The columns, in this order.
    hidden
        Groups whose numbers are not shown.
    min_cell
        The smallest n that may be published.

    Examples
    --------
    >>> women, men = (("sex", "F"),), (("sex", "M"),)
    >>> rows = [Measurement(metric="count", slice=group, value=n, n=n, method="count")
    ...         for group, n in ((women, 90), (men, 3))]
    >>> [(row.head, row.cells) for row in matrix(rows, [women, men], ["count"], frozenset({men}), 10)]
    [('F', ('90',)), ('M', ('hidden (n < 10, or protects such a group)',))]
    """
    by_key = {(row.slice, row.metric): row for row in rows}
    body = []
    for group in groups:
        cells: list[DisplayRow | str] = []
        for metric in metrics:
            row = by_key.get((group, metric))
            if group in hidden:
                cells.append("hidden" if cells else withheld_text(min_cell))  # said once per row
            elif row is None:
                cells.append("not measured")
            else:
                cells.append(f"{row.n:,}" if metric == "count" else display_row(row, min_cell=min_cell))
        body.append(TableRow(head=group_label(group), cells=tuple(cells)))
    return tuple(body)


def other_slice(row: Measurement) -> Slice | None:
    """Return the group that a row is compared with: what is shown beside a hidden one gives that one away.

    Examples
    --------
    >>> against = {"kind": "slice", "slice": {"sex": "F"}}
    >>> other_slice(Measurement(metric="accuracy_difference", against=against, value=0.1, n=9, method="x"))
    (('sex', 'F'),)
    """
    other = (row.against or {}).get("slice")
    return None if other is None else as_slice(other)


def numbers_table(
    caption: str, rows: Iterable[Measurement], min_cell: int, *, hidden: frozenset[Slice] = frozenset()
) -> Table:
    """Return one row per measurement: what, value, interval, n, note; no numbers of `hidden` groups.

    Examples
    --------
    >>> row = Measurement(metric="accuracy", value=0.5, n=90, method="wilson")
    >>> numbers_table("Sizes", [row], 10).rows[0].cells
    ('50.0 %', '', '90', '')
    """
    body = []
    for row in rows:
        shown = display_row(row, min_cell=min_cell)
        cells = (shown.value, shown.interval, shown.n, shown.note)
        away = row.slice in hidden or other_slice(row) in hidden
        body.append(TableRow(head=shown.name, cells=(withheld_text(min_cell), "", "", "") if away else cells))
    return Table(
        caption=safe_label(caption, target="text", limit=160),
        head=("What", "Value", "Interval", "n", "Note"),
        rows=tuple(body),
    )
