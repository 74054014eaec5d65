"""A row from a clock that jumped is named, not stretched over a century of empty windows."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.run import run_monitors

ROLES = {"y_pred": "p", "timestamp": "t", "features": ["x"], "task": "watch"}


def frame_of(rows, start):
    rng = np.random.default_rng(0)
    time = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(np.arange(rows) * 60, unit="min")
    return pd.DataFrame({"p": rng.integers(0, 2, rows), "x": rng.normal(size=rows), "t": time})


@pytest.mark.parametrize("jumped", ["2099-03-01", "1975-03-01", "2029-01-01"])
def test_rows_years_away_are_refused_and_named(jumped):
    before, since = frame_of(900, "2026-01-05"), frame_of(900, "2026-03-02")
    since.loc[7, "t"] = pd.Timestamp(jumped, tz="UTC")
    logs = (PredictionLog.from_frame(frame, **ROLES) for frame in (before, since))
    with pytest.raises(InputError, match=r"timestamp: 1 rows from .* did a clock jump\?"):
        run_monitors(*logs)


def test_a_log_that_fell_silent_for_weeks_is_none_with_a_jump():
    before, since = frame_of(900, "2026-01-05"), frame_of(900, "2026-03-02")
    since.loc[800:, "t"] += pd.Timedelta(weeks=10)
    logs = (PredictionLog.from_frame(frame, **ROLES) for frame in (before, since))
    assert run_monitors(*logs).find  # no error
