"""All metrics of feedback loops, in the order of a reader's questions: is there a loop, how strong, for whom."""

from collections.abc import Mapping
from types import MappingProxyType

from monitors.feedback import (
    adherence,
    agreement,
    concentration,
    contraction,
    coverage,
    coverage_bounds,
    delayed_impact,
    entanglement,
    gain,
    gaming,
    heavy_users,
    homogenisation,
    newcomers,
    off_policy,
    performative,
    popularity_lift,
    retention,
    uplift,
)
from monitors.feedback.metric import LoopMetric

CATALOG: tuple[LoopMetric, ...] = (
    *gain.FAMILY,
    *agreement.FAMILY,
    *entanglement.FAMILY,
    *adherence.FAMILY,
    *coverage.FAMILY,
    *coverage_bounds.FAMILY,
    *concentration.FAMILY,
    *homogenisation.FAMILY,
    *popularity_lift.FAMILY,
    *heavy_users.FAMILY,
    *newcomers.FAMILY,
    *retention.FAMILY,
    *gaming.FAMILY,
    *delayed_impact.FAMILY,
    *uplift.FAMILY,
    *off_policy.FAMILY,
    *contraction.FAMILY,
    *performative.FAMILY,
)

FIRST = (
    "self_agreement_gap",
    "usage",
    "outcome_coverage",
    "gini_index",
    "heavy_user_share",
    "group_retention",
)
"""The six that a team without propensities or dither can nearly always measure; the first page shows these."""

BY_NAME: Mapping[str, LoopMetric] = MappingProxyType({metric.name: metric for metric in CATALOG})
