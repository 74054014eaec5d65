"""The part of the report on flips, perturbations and prediction sets: for whom the model is worst, what is unknown."""

from collections.abc import Mapping
from types import MappingProxyType

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import features_label
from dashboards.report.blocks import Picture
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.report.svg import Forest, forest_svg
from dashboards.robustness import (
    METRICS_OF,
    Check,
    Kind,
    check_features,
    check_rows,
    checks,
    gap_sentence,
    largest_gap,
    lead_sentence,
)
from dashboards.tables import DEFAULT_MIN_CELL, cell_text
from dashboards.words import metric_sentence, metric_title

_LIMITS: Mapping[Kind, str] = MappingProxyType(
    {
        "flips": "What this does not show: the influence of anything that was not changed with the attribute. No flip "
        "is no proof that the attribute plays no part.",
        "pairs": "What this does not show: differences between the members of a pair that were not matched.",
        "perturbation": "What this does not show: disturbances that were not tried.",
        "sets": "A set may hold the truth only because it is large: coverage and size are to be read together.",
    }
)


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return one section per check; none where the result holds none.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    return tuple(_section(result, check, number, min_cell) for number, check in enumerate(checks(result), start=1))


def _section(result: Result, check: Check, number: int, min_cell: int) -> Section:
    metric = METRICS_OF[check.kind][0]
    single = [features for features in check_features(result, check) if len(features) == 1]
    everyone = next(iter(check_rows(result, check, metric, ())), None)
    texts = [] if everyone is None else [f"{metric_title(metric)} of all: {cell_text(everyone)}."]
    pictures: list[Picture] = []
    rows: list[Measurement] = []
    for place, features in enumerate(single):
        hidden = hidden_groups(result, features, min_cell=min_cell)
        shown = [row for row in check_rows(result, check, metric, features) if row.slice not in hidden]
        if not shown:
            continue
        gap = largest_gap(result, check, metric, features)
        texts.append(f"{lead_sentence(check, shown)} {gap_sentence(gap)}".strip())
        title = f"{metric_title(metric)} by {features_label(features)}"
        forest = Forest(identifier=f"check-{number}-{place}", title=title, rows=tuple(shown), everyone=everyone)
        sentence = metric_sentence(metric, None)
        pictures.append(Picture(svg=forest_svg(forest), title=title, sentence=sentence))
        for name in METRICS_OF[check.kind] if not place else (metric,):
            rows += [row for row in check_rows(result, check, name, features) if row.slice not in hidden]
    rows = rows or [row for name in METRICS_OF[check.kind] for row in check_rows(result, check, name, ())]
    texts.append(_LIMITS[check.kind])
    return Section(title=check.title, text="\n\n".join(texts), measurements=tuple(rows), pictures=tuple(pictures))
