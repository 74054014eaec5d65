"""The part of the report on rankings: who is shown above or below merit, and whose rankings are worse."""

from audit.measurement import Measurement, Slice
from audit.pairwise import is_over
from audit.result import Result
from dashboards.labels import features_label, group_label, reading_order
from dashboards.report.blocks import Picture
from dashboards.report.section import Section
from dashboards.report.svg import Forest, forest_svg
from dashboards.robustness import gap_sentence
from dashboards.tables import DEFAULT_MIN_CELL, cell_text, interval_text, value_text
from dashboards.words import metric_sentence, metric_title

MERIT = "exposure_to_relevance_ratio"
QUALITY = "ndcg"
_SHARES = ("exposure_share", "relevance_share", "item_share")


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return exposure by each feature of items, and the quality of rankings; none where nothing is ranked.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    features = dict.fromkeys(row.slice[0][0] for row in result.measurements if row.metric == "exposure_share")
    found = [_exposure(result, feature, number, min_cell) for number, feature in enumerate(features, start=1)]
    quality = [
        row for row in result.measurements if row.metric == QUALITY and row.against is None and len(row.slice) < 2
    ]
    return (*found, _quality(result, quality, min_cell)) if quality else tuple(found)


def _exposure(result: Result, feature: str, number: int, min_cell: int) -> Section:
    whom = features_label((feature,))
    merit = _rows(result, MERIT, feature, min_cell)
    texts = [_held_against_merit(merit)] if merit else ["Without relevance, exposure cannot be held against merit."]
    largest = next((row for row in result.measurements if row.metric == f"{MERIT}_ratio" and _of(row, feature)), None)
    if largest is not None:
        value = f"{value_text(largest)} {interval_text(largest)}".strip()
        texts.append(f"For the same relevance one group gets up to {value} times the exposure of another.")
    rows = [row for metric in _SHARES for row in _rows(result, metric, feature, min_cell)]
    pictures: tuple[Picture, ...] = ()
    drawn = merit or _rows(result, "exposure_share", feature, min_cell)
    if drawn:
        metric = drawn[0].metric
        title = f"{metric_title(metric)} by {whom}"
        svg = forest_svg(Forest(identifier=f"exposure-{number}", title=title, rows=tuple(drawn)))
        pictures = (Picture(svg=svg, title=title, sentence=metric_sentence(metric, None)),)
    return Section(
        title=f"Who is shown, by {whom} of the items", text="\n\n".join(texts), measurements=(*merit, *rows),
        pictures=pictures,
    )  # fmt: skip


def merit_sentences(result: Result, min_cell: int) -> tuple[str, ...]:
    """Return who is shown more or less than relevance warrants, a sentence per feature; empty where nothing is ranked.

    Examples
    --------
    >>> merit_sentences(Result(measurements=[]), 10)
    ()
    """
    features = dict.fromkeys(row.slice[0][0] for row in result.measurements if row.metric == MERIT and row.slice)
    return tuple(_held_against_merit(_rows(result, MERIT, feature, min_cell)) for feature in features)


def _held_against_merit(rows: list[Measurement]) -> str:
    below = [row for row in rows if row.high is not None and row.high < 1]
    above = [row for row in rows if row.low is not None and row.low > 1]
    parts = [
        f"Shown {side} than its relevance warrants: {'; '.join(map(_with_value, found))}."
        for side, found in (("less", below), ("more", above))
        if found
    ]
    return " ".join(parts) or "No group is shown to get more or less exposure than its share of relevance."


def _with_value(row: Measurement) -> str:
    return f"{group_label(row.slice, limit=30)} ({cell_text(row)})"


def _quality(result: Result, rows: list[Measurement], min_cell: int) -> Section:
    everyone = [row for row in rows if not row.slice]
    texts = [f"{metric_title(QUALITY)} of all queries: {cell_text(row)}." for row in everyone]
    for feature in dict.fromkeys(row.slice[0][0] for row in rows if row.slice):
        gap = next(
            (row for row in result.measurements if row.metric == f"{QUALITY}_difference" and _of(row, feature)), None
        )
        texts.append(f"By {features_label((feature,))} of who asks: {gap_sentence(gap)}")
    kept = [row for row in rows if row.n >= min_cell]
    return Section(title="How good the rankings are", text="\n\n".join(texts), measurements=tuple(kept))


def _rows(result: Result, metric: str, feature: str, min_cell: int) -> list[Measurement]:
    small = _small(result, feature, min_cell)
    found = [
        row for row in result.measurements
        if row.metric == metric and row.against is None and [name for name, _ in row.slice] == [feature]
        and row.slice not in small
    ]  # fmt: skip
    return sorted(found, key=lambda row: reading_order(row.slice))


def _small(result: Result, feature: str, min_cell: int) -> frozenset[Slice]:
    """Return the groups of which too few items are shown; shares add up to one, so one alone hides its neighbour."""
    sizes = {
        row.slice: row.n for row in result.measurements
        if row.metric == "exposure_share" and [name for name, _ in row.slice] == [feature]
    }  # fmt: skip
    few = [group for group, n in sizes.items() if n < min_cell]
    if len(few) == 1 and len(sizes) > 1:
        few.append(min((group for group in sizes if group not in few), key=lambda group: sizes[group]))
    return frozenset(few)


def _of(row: Measurement, feature: str) -> bool:
    return is_over(row, [feature])
