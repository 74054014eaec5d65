"""Images through all monitors of shifts: digits as scanned before, and with a lens that lets in light."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from audit.predictions import PredictionLog
from monitors.counts.counting import count_profile
from monitors.counts.reference import make_reference
from monitors.drift.run import drift
from monitors.shift.embeddings import fit_projections, projected
from monitors.shift.out_of_domain import fit_domain
from monitors.shift.out_of_domain_share import out_of_domain
from monitors.shift.then_now import ThenNowSettings, then_now
from monitors.windows import Windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS = Windows(edges=tuple(MONDAY + timedelta(weeks=week) for week in range(4)), regular=True, complete=3)
WEEK = np.repeat([0, 1, 2], 270)


@pytest.fixture(scope="module")
def scans():
    """Reference images, and three weeks of others; in the last one light falls on the lower half."""
    rng = np.random.default_rng(0)
    images = load_digits().data[rng.permutation(1797)]
    before, since = images[:987], images[987:].copy()
    since[WEEK == 2, 32:] += 5.0
    return before, since


def log(projections, rows, week):
    times = [(MONDAY + timedelta(weeks=int(place))).isoformat() for place in week]
    frame = pd.DataFrame(projected(projections, rows)).assign(
        y=np.arange(len(rows)) % 2, p=np.arange(len(rows)) % 3 % 2, t=times
    )
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", features=projections.names)


def test_drift_of_the_projections_rings_in_the_week_of_the_bad_lens(scans):
    before, since = scans
    projections = fit_projections(before)
    rest = before[~projections.fitted]
    reference = make_reference(log(projections, rest, np.zeros(len(rest))))
    current = log(projections, since, WEEK)
    found = drift(reference, count_profile(current, reference.binnings, WEEKS))
    assert {alarm.since for alarm in found.alarms} == {MONDAY + timedelta(weeks=2)}


def test_the_classifier_tells_that_week_from_the_reference_and_no_other(scans):
    before, since = scans
    projections = fit_projections(before)
    rest = before[~projections.fitted]
    found = then_now(
        log(projections, rest, np.zeros(len(rest))), log(projections, since, WEEK), windows=WEEKS, digest="ab",
        settings=ThenNowSettings(rows=150),
    )  # fmt: skip
    assert [alarm.since for alarm in found.alarms] == [MONDAY + timedelta(weeks=2)]


def test_rows_of_that_week_lie_out_of_domain_more_often(scans):
    before, since = scans
    found = out_of_domain(fit_domain(before), since, window=WEEK, windows=WEEKS, digest="ab")
    quiet, again, bright = (row.value for row in found.rows)
    assert max(quiet, again) < 0.04
    assert bright > 3 * max(quiet, again)
    assert {alarm.since for alarm in found.alarms} == {MONDAY + timedelta(weeks=2)}
