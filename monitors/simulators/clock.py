"""The times of simulated logs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday: the start of every simulated log."""


def times(random: np.random.Generator, count: int, *, step: int, weeks: int = 1) -> pa.Array:
    """Return sorted times, to the second, drawn evenly from one round.

    Parameters
    ----------
    random
        Random numbers.
    count
        How many.
    step, weeks
        Which round, from 0, and how many weeks a round lasts.

    Examples
    --------
    >>> times(np.random.default_rng(1), 2, step=1)[0].as_py() >= datetime(2026, 1, 12, tzinfo=UTC)
    True
    """
    seconds = np.sort(random.integers(0, weeks * 7 * 24 * 3600, count))
    begin = int((START + timedelta(weeks=weeks * step)).timestamp())
    return pa.array((begin + seconds) * 1_000_000, pa.timestamp("us", "UTC"))
