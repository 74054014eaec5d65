"""The same numbers over time, and alarms that may be looked at as often as one likes.

Modules: `actions` (has a place doubled or halved its actions since a rollout), `weekly_actions` (their counts),
`rate_ratio` (e-values and intervals of the ratio of two rates), `dispersion` (of weekly counts), `equivalence` (whether
two rates were shown to be alike).
"""

from monitors.actions import watch_actions
from monitors.equivalence import equivalence_interval
from monitors.rate_ratio import RatioInterval, log_e_outside, log_e_value, ratio_interval
from monitors.weekly_actions import WeeklyActions

__all__ = [
    "RatioInterval",
    "WeeklyActions",
    "equivalence_interval",
    "log_e_outside",
    "log_e_value",
    "ratio_interval",
    "watch_actions",
]
