"""The part of the report on gaps with other features held fixed: raw beside adjusted."""

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import group_label, safe_label
from dashboards.report.blocks import other_slice
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.subjects import comparison_text
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, value_text
from dashboards.words import metric_title

_HOW = {"nothing": "raw", "strata": "within strata", "regression": "by regression"}
_CARE = (
    "A gap that becomes smaller when something is held fixed is explained by it only if that something is not itself "
    "an effect of unequal treatment: a degree that was refused explains the refused job."
)


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return raw gaps beside adjusted ones; nothing where none was adjusted.

    Examples
    --------
    >>> against = {"kind": "slice", "slice": {"sex": "M"}, "by": "nothing"}
    >>> rows = [Measurement(metric="selection_rate_difference", slice=(("sex", "F"),), at=(("feature", "dept"),),
    ...                     against=against | {"by": by}, value=value, low=value - 0.02, high=value + 0.02, n=900,
    ...                     level=0.95, method="agresti_caffo") for by, value in (("nothing", -0.1), ("strata", 0.01))]
    >>> print(sections(Result(measurements=rows))[0].text.splitlines()[0])
    Selection rate, F against sex = M: raw −10.0 points [−12.0, −8.0]; within strata +1.0 points [−1.0, +3.0].
    """
    hidden = hidden_groups(result, min_cell=min_cell)
    shown = [
        row
        for row in result.measurements
        if row.n >= min_cell and row.slice not in hidden and (row.against is None or other_slice(row) not in hidden)
    ]
    rows = [row for row in shown if "by" in (row.against or {})]
    controls = dict.fromkeys(str(dict(row.at)["feature"]) for row in rows)
    return tuple(_section(shown, [row for row in rows if dict(row.at)["feature"] == name], name) for name in controls)


def _section(shown: list[Measurement], rows: list[Measurement], control: str) -> Section:
    groups: dict[tuple[object, ...], list[Measurement]] = {}
    for row in rows:
        groups.setdefault((row.metric, row.slice, comparison_text(row)), []).append(row)
    order = sorted(groups.values(), key=lambda each: -abs(each[0].value or 0.0))
    texts = [_sentence(each) for each in order[:6]]
    lacking = [
        row
        for row in shown
        if row.metric.endswith("_adjustment_support") and dict(row.at).get("feature") == control and row.reason
    ]
    if lacking:
        worst = min(lacking, key=lambda row: row.value if row.value is not None else 0.0)
        texts.append(
            f"Not everyone can be compared: {safe_label(worst.reason, target='text', limit=160)} "
            f"({group_label(worst.slice, limit=40)})."
        )
    title = f"Gaps with {safe_label(control, target='text', limit=60)} held fixed"
    named = tuple(_named(row) for each in order for row in each)
    return Section(title=title, text="\n\n".join([*texts, _CARE]), measurements=named)


def _sentence(rows: list[Measurement]) -> str:
    first = rows[0]
    subject = metric_title(first.metric.removesuffix("_difference"))
    parts = [
        f"{_HOW[(row.against or {})['by']]} {value_text(row)} {interval_text(row) or '(no interval)'}"
        if row.value is not None
        else f"{_HOW[(row.against or {})['by']]} unknown ({safe_label(row.reason, target='text', limit=80)})"
        for row in rows
    ]
    return f"{subject}, {group_label(first.slice, limit=40)} against {comparison_text(first)}: {'; '.join(parts)}."


def _named(row: Measurement) -> Measurement:
    """Return a row whose note says how it was adjusted: the table has no column for that."""
    how = _HOW[(row.against or {})["by"]]
    fields = {name: getattr(row, name) for name in Measurement.__slots__}
    return Measurement(**(fields | {"reason": f"{how}; {row.reason}" if row.reason else how}))
