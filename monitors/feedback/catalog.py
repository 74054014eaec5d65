"""All metrics of feedback loops, in the order of a reader's questions: is there a loop, how strong, for whom."""

from collections.abc import Mapping
from types import MappingProxyType

from monitors.feedback.metric import LoopMetric

CATALOG: tuple[LoopMetric, ...] = ()

FIRST = (
    "outcome_coverage",
    "self_agreement_gap",
    "usage",
    "gini_index",
    "heavy_user_share",
    "group_retention",
)
"""The six that a team without propensities or dither can nearly always measure; the first page shows these."""

BY_NAME: Mapping[str, LoopMetric] = MappingProxyType({metric.name: metric for metric in CATALOG})
