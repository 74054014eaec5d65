"""What the numbers of feedback loops are called and say: from their catalog, and for the rows that stand beside it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.metrics.catalog import METRICS
from monitors.feedback.catalog import BY_NAME

_BESIDE_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "r2_score": "explained share of differences (R²)",
        "brier_skill_score": "skill of the scores (Brier skill score)",
        "outcome_if_acted": "outcome of those acted on",
        "outcome_if_not_acted": "outcome of those not acted on",
    }
)
_BESIDE_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "r2_score": "How much of the differences between outcomes the predictions explain: 1 is all, 0 is no more than "
        "one number for everybody.",
        "brier_skill_score": "How much better the scores forecast than one number for everybody would: 1 is perfect, "
        "0 is no better, below 0 is worse.",
        "outcome_if_acted": "The average outcome of those whom chance had acted on.",
        "outcome_if_not_acted": "The average outcome of those whom chance had not acted on.",
    }
)


def _of_loops(name: str) -> bool:
    """Whether the words of a metric are those of the catalog of loops: bounds of a rate are an audit's already."""
    inner = name.removesuffix("_lower_bound").removesuffix("_upper_bound")
    return inner == name or inner not in METRICS


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


TITLES: Mapping[str, str] = MappingProxyType(
    {**{name: _lowered(each.title) for name, each in BY_NAME.items() if _of_loops(name)}, **_BESIDE_TITLES}
)
SENTENCES: Mapping[str, str] = MappingProxyType(
    {**{name: each.meaning for name, each in BY_NAME.items() if _of_loops(name)}, **_BESIDE_SENTENCES}
)

SHARES = frozenset(
    {
        "adherence", "aggregate_diversity", "base_rate_lower_bound", "base_rate_upper_bound",
        "contraction_failure_rate", "effective_sample_share", "group_retention", "heavy_user_share",
        "newcomer_exposure_share", "outcome_coverage", "popularity_lift", "top_share", "usage",
    }
)  # fmt: skip
_POINTS = (
    "adherence_difference", "aggregate_diversity_difference", "base_rate_bounds_width",
    "contraction_failure_rate_difference", "group_retention_difference", "group_retention_trend",
    "newcomer_exposure_difference", "outcome_coverage_change", "outcome_coverage_difference",
    "popularity_lift_difference", "top_share_difference",
)  # fmt: skip
UNITS: Mapping[str, Literal["points", "ratio", "share"]] = MappingProxyType(
    {**dict.fromkeys(SHARES, "share"), **dict.fromkeys(_POINTS, "points"), "threshold_bunching": "ratio"}
)
"""Units of what is no plain number."""

ARMS: Mapping[str, str] = MappingProxyType(
    {
        "closed": "data that the model influenced",
        "explore": "where chance decides",
        "holdout": "hold-out that the model never touched",
        "manual": "where it is decided without the model",
        "model": "where the model decides",
    }
)
"""Arms of a decision log in words."""
