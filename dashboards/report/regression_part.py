"""The part of the report on predicted numbers: for whom they are too high or too low, and whose errors are larger."""

from audit.measurement import Measurement
from audit.pairwise import is_over
from audit.result import Result
from dashboards.labels import features_label, group_label
from dashboards.report.groups import combinations_of, hidden_groups
from dashboards.report.section import Section
from dashboards.robustness import gap_sentence
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, plain_rows, value_text

BIAS, SIZE = "mean_error", "mean_absolute_error"
MOST = 6
"""Most groups that a sentence names; the table holds all."""


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return one section per sensitive feature; none where the result holds no errors of numbers.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not any(row.metric == BIAS for row in result.measurements):
        return ()
    features = [names for names in combinations_of(result) if len(names) == 1]
    return tuple(_section(result, names, min_cell) for names in features)


def _section(result: Result, features: tuple[str, ...], min_cell: int) -> Section:
    hidden = hidden_groups(result, features, min_cell=min_cell)
    rows = [row for row in plain_rows(result, features=features, metrics=(BIAS,)) if row.slice not in hidden]
    texts = [
        _side("Predicted too high", [row for row in rows if row.low is not None and row.low > 0]),
        _side("Predicted too low", [row for row in rows if row.high is not None and row.high < 0]),
    ]
    unknown = [row for row in rows if row.low is None or row.high is None or row.low <= 0 <= row.high]
    if unknown:
        names = ", ".join(group_label(row.slice, limit=30) for row in unknown[:MOST])
        more = f" and {len(unknown) - MOST} more" if len(unknown) > MOST else ""
        texts.append(f"Not shown to be off in either direction: {names}{more}.")
    gap = _largest(result, features)
    if gap is not None:
        texts.append(f"How large the errors are (mean absolute error): {gap_sentence(gap)}")
    sizes = [row for row in plain_rows(result, features=features, metrics=(SIZE,)) if row.slice not in hidden]
    return Section(
        title=f"Errors of the predicted numbers, by {features_label(features)}",
        text="\n\n".join(text for text in texts if text),
        measurements=(*rows, *sizes, *([] if gap is None else [gap])),
    )


def _side(opening: str, rows: list[Measurement]) -> str:
    if not rows:
        return ""
    rows = sorted(rows, key=lambda row: -abs(row.value or 0.0))
    named = [f"{group_label(row.slice, limit=30)} by {value_text(row)} {interval_text(row)}" for row in rows[:MOST]]
    more = f"; and {len(rows) - MOST} more groups" if len(rows) > MOST else ""
    return f"{opening} on average, for sure: {'; '.join(named)}{more}."


def _largest(result: Result, features: tuple[str, ...]) -> Measurement | None:
    found = (row for row in result.measurements if row.metric == f"{SIZE}_difference" and is_over(row, features))
    return next(found, None)
