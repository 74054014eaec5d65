"""How many rows are worth one: clusters, scatter of the reference's windows, and what is said of it."""

import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import EvidenceError, InputError
from audit.predictions import PredictionLog
from monitors.counts.binning import Binning
from monitors.counts.profile import Profile
from monitors.counts.reference import Reference, make_reference
from monitors.run import run_monitors
from monitors.scatter import design_effect, shown_dispersion, with_scatter
from monitors.settings import MonitorSettings
from monitors.watching import with_groups

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


def test_of_ten_independent_features_none_is_divided_in_19_of_20_references():
    rng = np.random.default_rng(4)
    shares = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9)
    found = [shown_dispersion(blocks_of(**{f"a{share}": weekly(rng, share) for share in shares})) for _ in range(200)]
    assert np.mean([max(each.values()) > 1.0 for each in found]) <= 0.05


def numbers_of(rng, wander, weeks=20, rows=400):
    """Return a profile of weeks of a number in 60 bins, whose mean wanders from week to week."""
    edges = tuple(np.linspace(-2.5, 2.5, 59).tolist())
    binning = Binning(feature="x", kind="numeric", edges=edges)
    values = rng.normal(size=(weeks, rows)) + wander * rng.normal(size=(weeks, 1))
    counts = np.stack([np.bincount(np.searchsorted(edges, each), minlength=61) for each in values])[:, None]
    windows = blocks_of(a=np.ones((20, 2), dtype=np.int64)).windows
    return Profile(
        windows=windows, slices=((),), binnings={"x": binning}, counts={"x": counts}, rows=counts.sum(axis=-1)
    )


def test_many_bins_of_a_number_are_rarely_taken_to_scatter_and_a_mean_that_wanders_is_seen():
    rng = np.random.default_rng(5)
    quiet = [shown_dispersion(numbers_of(rng, 0.0))["x"] for _ in range(100)]
    assert np.mean(np.array(quiet) > 1.0) <= 0.09
    wild = [shown_dispersion(numbers_of(rng, 0.15))["x"] for _ in range(20)]  # 1 + 400 .15^2 .64 = 6.8 at the median
    assert np.mean(np.array(wild) > 4.0) >= 0.9


def test_a_saved_reference_says_what_its_log_says_where_windows_scatter(tmp_path):
    before, since = visits(3, 10, 20), visits(4, 3, 20, SINCE)
    logs = [log_of(frame, cluster=None) for frame in (before, since)]
    kept = with_scatter(make_reference(with_groups(logs[0])), logs[0], "7d").save(tmp_path / "kept")
    back = Reference.load(kept)
    assert back.windows.whole == 9  # the last cluster of the tenth week comes half a day before it ends
    assert max(back.windows.features.values()) > 3
    results = [run_monitors(each, logs[1]) for each in (logs[0], back)]
    assert results[0].measurements == results[1].measurements
    assert results[0].alarms == results[1].alarms
    assert results[0].provenance.given["scatter"] == results[1].provenance.given["scatter"]
    other = run_monitors(back, logs[1], settings=MonitorSettings(window="1d"))
    assert "how windows of the reference scatter is not known" in other.provenance.given["scatter"]


def test_kept_windows_that_were_changed_are_told(tmp_path):
    before = log_of(visits(3, 10, 20), cluster=None)
    reference = make_reference(before)
    kept = with_scatter(reference, before, "7d").save(tmp_path / "kept")
    assert with_scatter(reference, before, "7d").save(kept) == kept
    with pytest.raises(InputError, match="cut into other windows"):
        with_scatter(reference, before, "14d").save(kept)
    facts = kept / "reference.json"
    facts.write_text(facts.read_text().replace('"whole":9', '"whole":99'))
    with pytest.raises(EvidenceError, match="is no longer the reference"):
        Reference.load(kept)
    shutil.copy(kept / "tally.parquet", kept / "tally_by_window.parquet")
    facts.write_text(facts.read_text().replace('"whole":99', '"whole":9'))
    with pytest.raises(EvidenceError, match=r"tally_by_window.parquet is not the tally that was saved"):
        Reference.load(kept)


def test_the_last_week_of_a_log_of_few_rows_counts_though_its_last_row_came_half_a_day_before_the_end():
    before = visits(3, 8, 1).sort_values("t").iloc[::15]  # 40 a week, one in four hours
    before = before[before["t"] < START + timedelta(weeks=8, hours=-12)]
    kept = with_scatter(make_reference(log_of(before)), log_of(before), "7d").windows
    assert kept.whole == 8
    early = before[before["t"] < START + timedelta(weeks=7, days=5)]
    assert with_scatter(make_reference(log_of(early)), log_of(early), "7d").windows.whole == 7
