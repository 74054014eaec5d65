"""The part of the report on who is in the data, against a reference population, and on impact ratios."""

from collections.abc import Sequence

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import features_label, group_label, safe_label
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, number_text

_FOUR_FIFTHS = 0.8


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return who is over- and underrepresented by feature, and impact ratios; nothing where neither was measured.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    represented = [row for row in result.measurements if row.metric == "representation_ratio"]
    features = dict.fromkeys(row.slice[0][0] for row in represented)
    found = [_representation(result, name, min_cell) for name in features]
    crossed = dict.fromkeys(
        tuple(name for name, _ in row.slice) for row in result.measurements if row.metric == "impact_ratio"
    )
    return (*found, *(_impact(result, names, min_cell) for names in crossed))


def _representation(result: Result, feature: str, min_cell: int) -> Section:
    hidden = hidden_groups(result, [feature], min_cell=min_cell)
    rows = [row for row in result.measurements
            if row.metric.startswith("representation_") and [name for name, _ in row.slice] == [feature]
            and row.slice not in hidden]  # fmt: skip
    ratios = [row for row in rows if row.metric == "representation_ratio"]
    whom = features_label((feature,))
    sure = [row for row in ratios if row.low is not None and row.high is not None and not row.low <= 1 <= row.high]
    sure.sort(key=lambda row: row.value if row.value is not None else 1.0)
    texts = [_ratio_sentence(row) for row in sure] or ["No group is shown to be over- or underrepresented."]
    texts += [
        f"Not in the reference population: {group_label(row.slice, limit=40)}."
        for row in rows
        if row.metric == "representation_share" and "not in the reference" in (row.reason or "")
    ]
    shares = [row for row in rows if row.metric in {"representation_share", "representation_ratio"}]
    return Section(
        title=f"Who is in these rows, by {whom}, against the reference population",
        text="\n\n".join(texts),
        measurements=tuple(shares),
    )


def _ratio_sentence(row: Measurement) -> str:
    side = "underrepresented" if (row.value or 0.0) < 1 else "overrepresented"
    number = number_text(row.value or 0.0, unit="ratio")
    why = safe_label(row.reason, target="text", limit=120)
    return f"• {group_label(row.slice, limit=40)} is {side}: {number} times its share {interval_text(row)} ({why})."


def _impact(result: Result, features: Sequence[str], min_cell: int) -> Section:
    hidden = hidden_groups(result, features, min_cell=min_cell)
    rows = [row for row in result.measurements
            if row.metric == "impact_ratio" and tuple(name for name, _ in row.slice) == tuple(features)
            and row.slice not in hidden]  # fmt: skip
    low = [row for row in rows if row.high is not None and row.high < _FOUR_FIFTHS]
    texts = [
        "The impact ratio is a group's selection rate over the highest. Below four fifths it is commonly looked into; "
        "that is no verdict."
    ]
    texts += (
        [f"Shown to lie below four fifths: {'; '.join(group_label(row.slice, limit=40) for row in low)}."]
        if low
        else []
    )
    return Section(title=f"Impact ratios by {features_label(tuple(features))}", text="\n\n".join(texts),
                   measurements=tuple(rows))  # fmt: skip
