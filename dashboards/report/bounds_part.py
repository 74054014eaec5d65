"""The part of the report on missing labels and missing groups: what is known of how many, and the worst cases."""

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.labels import MISSING, features_label, group_label, safe_label
from dashboards.loops import is_loops
from dashboards.report.groups import hidden_groups
from dashboards.report.section import Section
from dashboards.tables import DEFAULT_MIN_CELL, interval_text, value_text
from dashboards.words import metric_title

_SHOWN = ("true_positive_rate", "false_positive_rate", "accuracy")
_LABELS = (
    "An error rate of the labelled rows is not the error rate of all: outcomes are often seen only where the decision "
    "let them happen. The table gives the lowest and the highest rate that the missing labels could make true."
)


def sections(result: Result, min_cell: int = DEFAULT_MIN_CELL) -> tuple[Section, ...]:
    """Return what missing labels and missing groups leave open; nothing where neither was measured.

    Examples
    --------
    >>> row = Measurement(metric="outcome_coverage", value=0.5, low=0.4, high=0.6, n=90, level=0.95, method="wilson")
    >>> sections(Result(measurements=[row]))[0].title
    'Missing labels'
    """
    if is_loops(result):
        return ()  # told in the part on feedback loops
    hidden = hidden_groups(result, min_cell=min_cell)
    shown = [row for row in result.measurements if row.n >= min_cell and row.slice not in hidden]
    return tuple(each for each in (_labels(shown), _groups(shown, hidden)) if each is not None)


def _labels(shown: list[Measurement]) -> Section | None:
    # Those of a decider stand with its rates, those of a retraining round or of a score bin with the feedback loops.
    coverage = [row for row in shown if row.metric == "outcome_coverage" and set(dict(row.at)) <= {"class"}]
    whole = {row.slice for row in coverage if row.value == 1 and not row.at}
    bounds = [row for row in shown if _is_bound(row) and row.slice not in whole]
    if not bounds and all(row.value == 1 for row in coverage):
        return None
    texts = [_coverage_text(coverage), _LABELS if bounds else ""]
    rows = [row for row in coverage if not row.at]
    return Section(title="Missing labels", text="\n\n".join(filter(None, texts)), measurements=(*rows, *bounds))


def _coverage_text(coverage: list[Measurement]) -> str:
    everyone = next((row for row in coverage if not row.slice and not row.at), None)
    if everyone is None:
        return ""
    text = f"{value_text(everyone)} {interval_text(everyone)} of {everyone.n:,} rows have a true label"
    apart = {dict(row.at)["class"]: row for row in coverage if row.at and not row.slice}
    if len(apart) == 2:
        each = [f"“{safe_label(str(name), target='text')}” {value_text(row)}" for name, row in sorted(apart.items())]
        text += f"; by prediction: {', '.join(each)}"
    groups = [row for row in coverage if row.slice and not row.at and row.value is not None]
    if groups:
        least = min(groups, key=lambda row: row.value or 0.0)
        text += f"; fewest in {group_label(least.slice, limit=40)} ({value_text(least)})"
    return text + "."


def _groups(shown: list[Measurement], hidden: frozenset[Slice]) -> Section | None:
    coverage = [row for row in shown if row.metric == "attribute_coverage" and row.value != 1]
    gaps = [row for row in shown if row.metric.endswith("_difference_upper_bound") and row.at]
    gaps = [row for row in gaps if not _names_one(row.reason, hidden)]
    if not gaps:
        return None
    texts = []
    for row in coverage:
        feature = features_label((str(dict(row.at)["feature"]),))
        texts.append(f"{feature} is known of {value_text(row)} of the rows; the others may belong to any group.")
    texts += [
        f"{metric_title(row.metric.removesuffix('_difference_upper_bound'))}: the largest gap between groups may be "
        f"up to {value_text(row)} {interval_text(row)} ({safe_label(row.reason, target='text', limit=80)})."
        for row in gaps
        if row.value is not None
    ]
    return Section(title="People whose group is not known", text="\n\n".join(texts), measurements=tuple(gaps))


def _names_one(reason: str | None, hidden: frozenset[Slice]) -> bool:
    """Whether a reason names a hidden group: at worst too often, where one name is a part of another."""
    names = {MISSING if value is None else value for group in hidden for _, value in group}
    return any(name in (reason or "") for name in names)


def _is_bound(row: Measurement) -> bool:
    name, _, ending = row.metric.rpartition("_bound")
    if ending or not name or "class" not in dict(row.at):
        return False
    return name.rpartition("_")[0] in _SHOWN
