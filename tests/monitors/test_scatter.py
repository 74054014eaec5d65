"""How many rows are worth one: clusters, scatter of the reference's windows, and what is said of it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.counts.reference import make_reference
from monitors.run import run_monitors
from monitors.scatter import design_effect, shown_dispersion
from monitors.settings import MonitorSettings

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


def blocks_of(**columns):
    """Return a profile of weeks from the counts of 0 and 1 of each column, shape (n_weeks, 2)."""
    weeks = tuple((START + timedelta(weeks=week), START + timedelta(weeks=week + 1)) for week in range(20))
    binnings = {name: Binning(feature=name, kind="categorical", categories=("0", "1")) for name in columns}
    counts = {name: np.pad(found, ((0, 0), (0, 2)))[:, None] for name, found in columns.items()}
    rows = next(iter(counts.values())).sum(axis=-1)
    return Profile(windows=weeks, slices=((),), binnings=binnings, counts=counts, rows=rows)


def weekly(rng, share, wander=0.0, rows=100):
    """Return the counts of a flag whose share wanders from week to week."""
    shares = np.clip(share * (1 + wander * rng.normal(size=20)), 0.001, 0.999)
    ones = rng.binomial(rows, shares)
    return np.stack([rows - ones, ones], axis=-1)


def test_independent_rows_are_rarely_taken_to_scatter_be_they_scarce():
    rng = np.random.default_rng(0)
    for share in (0.01, 0.05, 0.4):
        found = [shown_dispersion(blocks_of(a=weekly(rng, share)))["a"] for _ in range(200)]
        assert np.mean(np.array(found) > 1.0) <= 0.05


def test_scarce_flags_that_come_in_bursts_are_seen_to():
    rng = np.random.default_rng(1)
    bursts = np.where(rng.random(20) < 0.15, 12, 0)
    found = shown_dispersion(blocks_of(a=np.stack([100 - bursts, bursts], axis=-1)))
    assert found["a"] > 5


def test_what_is_too_scarce_to_tell_scatters_as_the_others_do_where_two_of_them_are_seen_to():
    rng = np.random.default_rng(2)
    wild, steady, scarce = weekly(rng, 0.4, 0.5), weekly(rng, 0.4), weekly(rng, 0.005)
    found = shown_dispersion(blocks_of(a=wild, b=weekly(rng, 0.3, 0.5), c=steady, d=scarce))
    assert found["a"] > 2
    assert found["c"] == 1.0
    assert found["d"] == pytest.approx((found["a"] + found["b"]) / 2)
    assert shown_dispersion(blocks_of(a=wild, c=steady, d=scarce))["d"] == 1.0


def test_a_reference_of_eight_weeks_has_eight_though_no_row_comes_after_them():
    before, since = log_of(visits(3, 8, 1)), log_of(visits(4, 2, 1, START + timedelta(weeks=8)))
    assert "estimated from 8 windows" in run_monitors(before, since).provenance.given["scatter"]
