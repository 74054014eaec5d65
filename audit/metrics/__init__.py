"""Metrics: functions of the counts of a slice, one catalog of them."""

from audit.metrics.catalog import METRICS
from audit.metrics.metric import Counts, Fraction, Metric, Ranked, ScoreCounts, Smooth

__all__ = ["METRICS", "Counts", "Fraction", "Metric", "Ranked", "ScoreCounts", "Smooth"]
