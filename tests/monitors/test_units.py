"""Changes of unit: named where quartiles show one, silent where values only drift."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.counts.binning import Binning
from monitors.counts.counting import count_profile
from monitors.units import CHANGES, changes_of_unit, reference_quartiles, units
from monitors.windows import parse_windows, resolve

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
NAME = "=weight <kg>\u202e"


def logs(values, *, weeks, groups=None):
    """Make a log of 200 values a week, and its reference of 2,000."""
    times = [MONDAY + timedelta(weeks=week, minutes=minute) for week in range(weeks) for minute in range(200)]
    return pa.table({"y": [1] * len(times), "p": [1] * len(times), NAME: values, "g": groups or ["a"] * len(times),
                      "t": pa.array(times, pa.timestamp("us", "UTC"))})  # fmt: skip


def log_of(data):
    return PredictionLog.from_frame(
        data, y_true="y", y_pred="p", timestamp="t", features=[NAME], sensitive_features=["g"]
    )


def watched(table, reference, data=None):
    edges = tuple(np.quantile(reference, np.arange(1, 12) / 12))
    binnings = {NAME: Binning(feature=NAME, kind="numeric", edges=edges)}
    times = pa.array([MONDAY] * len(reference), pa.timestamp("us", "UTC"))
    groups = np.resize(["a", "b"], len(reference))
    before = pa.table({"y": [1] * len(reference), "p": [1] * len(reference), NAME: reference, "g": groups, "t": times})
    log = log_of(table if data is None else data)
    windows = resolve(parse_windows("7d"), log, as_of=MONDAY + timedelta(weeks=len(table) // 200))
    return units(count_profile(log_of(before), binnings), count_profile(log, binnings, windows), log, windows)


@pytest.fixture
def weights():
    rng = np.random.default_rng(1)
    return rng.normal(70, 12, 2000), rng.normal(70, 12, 1000)


@pytest.mark.parametrize("factor", [1000, 0.001, 2.2046226, 0.01])
@pytest.mark.parametrize("engine", ["arrow", "polars", "duckdb"])
def test_a_change_of_unit_is_named_from_its_week_on(weights, factor, engine):
    reference, values = weights
    table = logs(np.where(np.arange(1000) < 600, values, values * factor), weeks=5)
    made = {"arrow": table, "polars": pl.from_arrow(table), "duckdb": duckdb.connect().from_arrow(table)}
    found = watched(table, reference, made[engine])
    rows = [row for row in found.rows if not row.slice]
    assert [row.window[0] for row in rows] == [MONDAY + timedelta(weeks=week) for week in (3, 4)]
    assert rows[0].value == pytest.approx(factor, rel=0.1)
    assert f"multiplied by about {factor:.4g}" in rows[0].reason
    assert (rows[0].low, rows[0].high, rows[0].level, rows[0].n) == (None, None, None, 200)
    assert {alarm.since for alarm in found.alarms} == {MONDAY + timedelta(weeks=3)}
    assert rows[0].key() in {alarm.key for alarm in found.alarms}


def test_one_site_that_changes_its_unit_is_found_among_the_others(weights):
    reference, values = weights
    groups = np.resize(["a"] * 9 + ["b"], 1000)
    mixed = np.where((np.arange(1000) >= 400) & (groups == "b"), values * 2.2046226, values)
    rng = np.random.default_rng(2)
    more = np.where(groups == "b", mixed, values) + rng.normal(0, 0.01, 1000)
    found = watched(logs(more, weeks=5, groups=groups.tolist()), reference)
    assert {row.slice for row in found.rows} == {(("g", "b"),)}
    assert "pounds and kilograms" in found.rows[0].reason


def test_drift_that_is_no_change_of_unit_gets_no_name(weights):
    reference, values = weights
    drifted = np.where(np.arange(1000) < 600, values, values + 26)
    assert watched(logs(drifted, weeks=5), reference).rows == ()


def test_nothing_is_computed_where_nothing_moved(weights):
    reference, values = weights
    assert watched(logs(values, weeks=5), reference) == ((), ())


def test_missing_values_and_windows_that_are_not_over_do_not_matter(weights):
    reference, values = weights
    with_gaps = [None if place % 3 == 0 else value * 1000 for place, value in enumerate(values.tolist())]
    found = watched(logs(with_gaps, weeks=5), reference)
    assert {row.n for row in found.rows} <= {133, 134}
    assert len(found.rows) > 0


def test_temperatures_and_every_known_change_in_both_directions():
    then = (12.0, 17.0, 21.0)
    for change in CHANGES:
        now = tuple(change.factor * value + change.offset for value in then)
        best, *_ = changes_of_unit(then, now)
        assert np.allclose(best.factor, change.factor), (best, change)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ((1, 2, 3), (1, 2, 3)),
        ((1, 2, 3), (1.2, 2.3, 3.1)),
        ((0, 0, 0), (5, 5, 5)),
        ((1, 2, 3), (float("nan"), 1, 1)),
        ((1, 2, 3), (-1000, -2000, -3000)),
        ((10, 20, 30), (10, 10_000, 30_000)),
    ],
)
def test_no_name_where_none_fits(then, now):
    assert changes_of_unit(then, now) == ()


def test_a_constant_reference_still_shows_a_factor():
    assert changes_of_unit((70, 70, 70), (70_000, 70_000, 70_000))[0].factor == 1000


def test_quartiles_in_open_tails_are_unknown():
    bins = Binning(feature="x", kind="numeric", edges=(1.0, 2.0))
    assert reference_quartiles(bins, np.array([50, 30, 20, 0])) is None
    assert reference_quartiles(bins, np.array([20, 30, 50, 0])) is None
    assert reference_quartiles(bins, np.array([0, 0, 0, 9])) is None
    assert reference_quartiles(Binning(feature="x", kind="numeric"), np.array([5, 0])) is None
    found = reference_quartiles(bins, np.array([20, 60, 20, 0]))
    assert found == pytest.approx((1 + 5 / 60, 1.5, 1 + 55 / 60))
