"""How many rows are worth one: clusters, scatter of the reference's windows, and what is said of it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.counts.reference import make_reference
from monitors.run import MonitorSettings, run_monitors
from monitors.scatter import design_effect

START = datetime(2026, 1, 5, tzinfo=UTC)
SINCE = START + timedelta(weeks=10)


def visits(seed, weeks, size, start=START):
    """Rows of clusters that are all but equal within."""
    rng = np.random.default_rng(seed)
    clusters = weeks * 600 // size
    time = np.repeat(np.sort(rng.integers(0, weeks * 604_800 - 1, clusters)), size)
    score = np.repeat(rng.beta(2, 2, clusters), size)
    return pd.DataFrame({
        "t": pd.to_datetime(start) + pd.to_timedelta(time, unit="s"),
        "who": np.repeat([f"{start:%j}-{place}" for place in range(clusters)], size),
        "x": np.repeat(rng.normal(size=clusters), size) + 0.3 * rng.normal(size=clusters * size),
        "c": np.repeat(rng.choice(["u", "v", "w"], clusters), size),
        "p": (score > 0.5).astype(int),
        "s": score,
        "y": (rng.random(clusters * size) < score).astype(int),
        "g": np.repeat(rng.choice(["a", "b"], clusters), size),
    })  # fmt: skip


def log_of(frame, **changed):
    roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", "cluster": "who", "features": ["x", "c"]} | changed
    roles |= {"sensitive_features": ["g"]}
    return PredictionLog.from_frame(frame, **{name: value for name, value in roles.items() if value is not None})


def test_the_design_effect_is_that_of_clusters_whose_rows_are_all_alike():
    frame = visits(0, 2, 20)
    assert design_effect(log_of(frame)) == 20.0
    assert design_effect(log_of(frame, cluster=None)) == 1.0


@pytest.mark.parametrize("frozen", [False, True])
def test_quiet_logs_of_clusters_of_twenty_ring_nothing(frozen):
    for seed in range(2):
        before, since = log_of(visits(seed, 10, 20)), log_of(visits(seed + 50, 12, 20, SINCE))
        result = run_monitors(make_reference(before) if frozen else before, since)
        kinds = {alarm.key.split('"')[1] for alarm in result.alarms}
        assert not {kind for kind in kinds if not kind.endswith("_e_detector")}
        assert "the largest design effect of clusters, 20" in result.provenance.given["scatter"]


def test_a_large_change_of_clustered_rows_still_rings():
    since = visits(9, 8, 5, SINCE)
    since["x"] += 2.0
    result = run_monitors(log_of(visits(8, 10, 5)), log_of(since))
    assert "drift_e_value" in {alarm.key.split('"')[1] for alarm in result.alarms}


def test_what_was_declared_is_said_and_estimates_are_not_made():
    result = run_monitors(
        log_of(visits(1, 10, 1)), log_of(visits(2, 2, 1, SINCE)), settings=MonitorSettings(dispersion=3)
    )
    assert result.provenance.given["scatter"] == "declared, 3; rows are divided by up to 3"
    few = run_monitors(log_of(visits(1, 4, 1)), log_of(visits(2, 2, 1, SINCE)))
    assert "8 are needed" in few.provenance.given["scatter"]


def test_frequency_weights_are_refused_and_of_sampling_weights_it_is_said_that_rows_are_counted():
    frame, since = (visits(seed, 2, 1, start).assign(w=2) for seed, start in ((1, START), (2, SINCE)))
    with pytest.raises(InputError, match="repeat each row as often as it counts"):
        run_monitors(*(log_of(part, sample_weight="w", weights="frequency") for part in (frame, since)))
    result = run_monitors(*(log_of(part, sample_weight="w", weights="sampling") for part in (frame, since)))
    assert result.provenance.given["weights"] == "rows are counted, whatever their weights"
