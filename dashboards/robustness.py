"""What a result says about flips, perturbations and prediction sets: which checks it holds, and their rows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from audit.measurement import Measurement
from audit.pairwise import is_over
from audit.result import Result
from dashboards.labels import group_label, reading_order, safe_label
from dashboards.tables import interval_text, value_text
from dashboards.words import metric_title

Kind = Literal["flips", "pairs", "perturbation", "sets"]

METRICS_OF: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "flips": (
            "counterfactual_flip_rate",
            "flip_to_positive_rate",
            "flip_to_negative_rate",
            "counterfactual_score_change",
        ),
        "pairs": ("matched_pair_flip_rate", "matched_pair_first_only_rate", "matched_pair_second_only_rate"),
        "perturbation": ("perturbation_error_increase", "perturbation_flip_rate", "perturbation_score_change"),
        "sets": ("prediction_set_coverage", "prediction_set_size", "empty_set_rate"),
    }
)
"""The metrics of each kind of check; the first is what it is about."""


class Check(NamedTuple):
    """One thing that was tried: a changed attribute, matched pairs, a perturbation; or prediction sets.

    Examples
    --------
    >>> Check("perturbation", "blur").title
    'Disturbed inputs: blur'
    """

    kind: Kind
    name: str

    @property
    def title(self) -> str:
        """What was tried, in words."""
        name = safe_label(self.name, target="text", limit=60)
        return {
            "flips": f"The same rows with another {name}",
            "pairs": f"Matched pairs that differ in {name}",
            "perturbation": f"Disturbed inputs: {name}",
            "sets": "Prediction sets",
        }[self.kind]


def checks(result: Result) -> tuple[Check, ...]:
    """Return the checks that a result holds, in its order.

    Examples
    --------
    >>> row = Measurement(metric="counterfactual_flip_rate", at=(("feature", "sex"),), value=0.1, n=9, method="x")
    >>> checks(Result(measurements=[row]))
    (Check(kind='flips', name='sex'),)
    """
    kinds = {metric: kind for kind, metrics in METRICS_OF.items() for metric in metrics}
    found = {
        Check(kinds[row.metric], str(dict(row.at).get("feature", ""))): None
        for row in result.measurements
        if row.metric in kinds and row.against is None
    }
    return tuple(found)


def check_rows(result: Result, check: Check, metric: str, features: Sequence[str]) -> tuple[Measurement, ...]:
    """Return the plain values of a metric of a check in the groups of some features, in reading order.

    Examples
    --------
    >>> row = Measurement(metric="counterfactual_flip_rate", at=(("feature", "sex"),), value=0.1, n=9, method="x")
    >>> [row.value for row in check_rows(Result(measurements=[row]), Check("flips", "sex"), row.metric, [])]
    [0.1]
    """
    names = tuple(sorted(features))
    found = [
        row
        for row in result.measurements
        if row.metric == metric
        and row.against is None
        and str(dict(row.at).get("feature", "")) == check.name
        and tuple(name for name, _ in row.slice) == names
    ]
    return tuple(sorted(found, key=lambda row: reading_order(row.slice)))


def check_features(result: Result, check: Check) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of features that a check has groups of: single features first.

    Examples
    --------
    >>> at = (("feature", "sex"),)
    >>> row = Measurement(metric="counterfactual_flip_rate", slice=(("sex", "F"),), at=at, value=0.1, n=9, method="x")
    >>> check_features(Result(measurements=[row]), Check("flips", "sex"))
    (('sex',),)
    """
    found = {
        tuple(name for name, _ in row.slice): None
        for row in result.measurements
        if row.metric in METRICS_OF[check.kind]
        and row.slice
        and row.against is None
        and str(dict(row.at).get("feature", "")) == check.name
    }
    return tuple(sorted(found, key=len))


def largest_gap(result: Result, check: Check, metric: str, features: Sequence[str]) -> Measurement | None:
    """Return the largest gap of a metric of a check between the groups of a feature; None where there is none.

    Examples
    --------
    >>> largest_gap(Result(measurements=[]), Check("flips", "sex"), "counterfactual_flip_rate", ["sex"]) is None
    True
    """
    for row in result.measurements:
        named = str(dict(row.at).get("feature", "")) == check.name
        if row.metric == f"{metric}_difference" and named and is_over(row, features):
            return row
    return None


def gap_sentence(row: Measurement | None) -> str:
    """Return what the largest gap says, in one sentence: shown, or not shown; "" where there is none.

    Examples
    --------
    >>> against = {"kind": "groups", "features": ["sex"]}
    >>> gap_sentence(Measurement(metric="perturbation_flip_rate_difference", against=against, value=0.2, low=0.1,
    ...                          high=0.3, n=90, level=0.95, method="x", reason="between F and M"))
    'The groups are shown to differ: largest gap 20.0 points [10.0, 30.0], between F and M.'
    """
    if row is None:
        return ""
    if row.value is None:
        return f"Whether the groups differ is not known: {safe_label(row.reason, target='text', limit=160)}."
    sure = row.low is not None and row.low > 0
    opening = "The groups are shown to differ" if sure else "The groups are not shown to differ"
    who = f", {safe_label(row.reason, target='text', limit=160)}" if row.reason else ""
    return f"{opening}: largest gap {value_text(row)} {interval_text(row)}{who}.".replace("  ", " ")


def lead_sentence(check: Check, rows: Sequence[Measurement]) -> str:
    """Return what stands first: the group that the check is worst for, with its interval.

    Examples
    --------
    >>> rows = [Measurement(metric="prediction_set_coverage", slice=(("sex", name),), value=value, low=value - 0.1,
    ...                     high=value + 0.05, n=90, level=0.95, method="x")
    ...         for name, value in (("F", 0.7), ("M", 0.9))]
    >>> lead_sentence(Check("sets", ""), rows)
    'Coverage of prediction sets is lowest for F: 70.0 % [60.0, 75.0], n = 90.'
    """
    known = [row for row in rows if row.value is not None]
    if not known:
        return "No group has enough data to say anything."
    sign = -1.0 if check.kind == "sets" else 1.0
    worst = max(known, key=lambda row: sign * (row.value or 0.0))
    side = "lowest" if check.kind == "sets" else "highest"
    title = metric_title(worst.metric)
    whom = group_label(worst.slice, limit=40)
    return f"{title} is {side} for {whom}: {value_text(worst)} {interval_text(worst)}, n = {worst.n:,}."
