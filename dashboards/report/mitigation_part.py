"""The part of the report on a mitigation: what it did to the gap, for whom, and what it cost."""

from collections.abc import Mapping
from types import MappingProxyType

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import features_label, safe_label
from dashboards.report.section import Section
from dashboards.tables import cell_text, interval_text, value_text
from dashboards.words import metric_title

_DID: Mapping[str, str] = MappingProxyType(
    {
        "reweighed": "The training rows were reweighed, so that label and group were independent in them.",
        "group_thresholds": "Each group got thresholds of its own; decisions then depend on the group of a person, "
        "which law may forbid.",
        "constrained_mixture": "A randomised mixture of classifiers was trained under a constraint.",
    }
)
_AIMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "demographic_parity": ("demographic_parity_difference",),
        "equalized_odds": ("true_positive_rate_difference", "false_positive_rate_difference"),
        "true_positive_rate_parity": ("equal_opportunity_difference",),
    }
)


def sections(result: Result) -> tuple[Section, ...]:
    """Return one section on the mitigation; none where the result holds none.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    name = result.provenance.given.get("mitigation")
    if not isinstance(name, str):
        return ()
    constraint = str(result.provenance.given.get("constraint", "demographic_parity"))
    aims = _AIMS.get(constraint, _AIMS["demographic_parity"])
    did = _DID.get(name, f"Mitigation: {safe_label(name, target='text', limit=60)}.")
    pairs = [pair for aim in aims for pair in _pairs(result, aim, name)]
    price = [row for metric in ("accuracy", "brier_score") for row in _changes(result, metric)]
    drawn = [row for row in result.measurements if row.metric == "randomised_share"]
    texts = [f"{did} Both models were held against the same rows, which neither was trained on."]
    texts += [_gap_sentence(before, after) for before, after in pairs]
    texts += [_price_sentence(row) for row in price]
    texts += [f"Drawn at random: {cell_text(row)}; the seed is recorded." for row in drawn if row.value]
    texts.append("A smaller gap in these rates is not fairness: what else changed for whom stands in the comparison.")
    rows = (*(row for pair in pairs for row in pair), *price, *drawn)
    return (Section(title="What the mitigation did, and what it cost", text="\n\n".join(texts), measurements=rows),)


def _pairs(result: Result, metric: str, name: str) -> list[tuple[Measurement, Measurement]]:
    found: dict[str, dict[str, Measurement]] = {}
    for row in result.measurements:
        if row.metric == metric and row.against is not None and row.against["kind"] == "groups":
            side = str(dict(row.at).get("model_version", ""))
            found.setdefault(features_label(tuple(row.against["features"])), {})[side] = row
    return [(sides["before"], sides[name]) for sides in found.values() if {"before", name} <= sides.keys()]


def _changes(result: Result, metric: str) -> list[Measurement]:
    return [
        row for row in result.measurements
        if row.metric == f"{metric}_difference" and not row.slice and row.against is not None
        and row.against["kind"] == "model"
    ]  # fmt: skip


def _gap_sentence(before: Measurement, after: Measurement) -> str:
    groups = features_label(tuple((before.against or {})["features"]))
    title = metric_title(before.metric)
    return f"{title} between groups of {groups}: {cell_text(before)} before, {cell_text(after)} after."


def _price_sentence(row: Measurement) -> str:
    what = metric_title(row.metric.removesuffix("_difference"))
    if row.value is None:
        return f"{what}: not changed ({safe_label(row.reason, target='text', limit=120)})."
    sure = None not in (row.low, row.high) and not (row.low or 0.0) <= 0 <= (row.high or 0.0)
    verb = "changed by" if sure else "is not shown to change:"
    return f"{what} {verb} {value_text(row)} {interval_text(row)} on the same rows."
