"""Clocks that jumped: a few rows years away from all others, which would stretch a log over windows without rows."""

import numpy as np

from audit.measurement import utc_text
from monitors.counts.profile import Profile

FEWEST_WINDOWS = 50
EMPTY = 0.8
"""A log of at least so many windows of which this share, or more, holds no row is taken for one with a jump."""


def jump_violations(profile: Profile) -> list[str]:
    """Return which windows stand alone in a log that is mostly empty, one sentence; none where it is not.

    Examples
    --------
    >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
    >>> jump_violations(profile)
    []
    """
    rows = profile.rows[:, 0]
    held = np.flatnonzero(rows > 0)
    if len(rows) < FEWEST_WINDOWS or len(held) >= (1.0 - EMPTY) * len(rows):
        return []
    cut = int(np.argmax(np.diff(held)))
    sides = (held[: cut + 1], held[cut + 1 :])
    alone = min(sides, key=lambda side: int(rows[side].sum()))
    first, last = profile.windows[int(alone[0])], profile.windows[int(alone[-1])]
    if first is None or last is None:
        return []
    few, empty = int(rows[alone].sum()), len(rows) - len(held)
    return [
        f"timestamp: {few:,} rows from {utc_text(first[0])} to {utc_text(last[1])} lie apart from the other "
        f"{int(rows.sum()) - few:,}; {empty:,} of {len(rows):,} windows hold no row; did a clock jump? mend these rows "
        f"or leave them out, or take longer windows"
    ]
