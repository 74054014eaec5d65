"""Drift within the values of a known context: what the context explains rings nothing, what it does not rings."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.measurement import EVERYONE
from audit.predictions import PredictionLog
from audit.result import Result
from monitors.counts.binning import Binning
from monitors.counts.counting import count_profile
from monitors.counts.profile import Profile
from monitors.counts.reference import frozen, make_reference
from monitors.drift.run import drift
from monitors.drift.settings import DriftSettings
from monitors.shift.context import within_context
from monitors.windows import Windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
KIND = Binning(feature="kind", kind="categorical", categories=("a", "b", "c"))
DAY, NIGHT = (("when", "day"),), (("when", "night"),)
BY_DAY, BY_NIGHT = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.3, 0.6])
ANY_CHANGE = DriftSettings(tv_limit=0.0, ks_limit=0.0)


def profile(rng, nights, rows, *, by_night=BY_NIGHT, cut=True):
    """Weeks of so many rows, of which a share is by night."""
    counts = np.zeros((len(nights), 3, 5), dtype=np.int64)
    for week, share in enumerate(nights):
        dark = rng.binomial(rows, share)
        counts[week, 1, :3] = rng.multinomial(rows - dark, BY_DAY)
        counts[week, 2, :3] = rng.multinomial(dark, by_night)
        counts[week, 0] = counts[week, 1:].sum(axis=0)
    starts = [MONDAY + timedelta(weeks=week) for week in range(len(nights) + 1)]
    windows = tuple(pairwise(starts)) if cut else (None,)
    return Profile(
        windows=windows, slices=(EVERYONE, DAY, NIGHT), binnings={"kind": KIND}, counts={"kind": counts},
        rows=counts.sum(axis=2),
    )  # fmt: skip


def reference(rng, rows=2000, share=0.2):
    return frozen(profile(rng, [share], rows, cut=False), sensitive_features=("when",))


@pytest.mark.parametrize("repeats", [30, pytest.param(400, marks=pytest.mark.slow)])
def test_drift_that_the_context_explains_rings_nothing(repeats):
    """Nights go from a fifth to two thirds of the rows: the feature drifts, and within day and night nothing does."""
    rng, within, overall = np.random.default_rng(0), 0, 0
    for _ in range(repeats):
        before, since = reference(rng), profile(rng, np.linspace(0.2, 0.67, 12), 300)
        within += bool(within_context(before, since, context="when", settings=ANY_CHANGE).alarms)
        if overall < 10:
            rang = [json.loads(alarm.key)[1] for alarm in drift(before, since).alarms]
            overall += {} in rang
    assert within / repeats <= 0.05
    assert overall == 10


def test_drift_within_one_context_rings_although_its_rows_are_few():
    rng, rang = np.random.default_rng(1), 0
    for _ in range(20):
        before = reference(rng)
        since = profile(rng, [0.2] * 8, 300, by_night=np.array([0.5, 0.3, 0.2]))
        found = within_context(before, since, context="when")
        rang += bool(found.alarms)
    assert rang >= 19


def test_an_alarm_belongs_to_its_row_and_stays_where_it_was_whatever_follows():
    rng = np.random.default_rng(2)
    before = reference(rng)
    quiet, moved = profile(rng, [0.2] * 3, 400), profile(rng, [0.2] * 5, 400, by_night=np.array([0.6, 0.3, 0.1]))
    counts = np.concatenate([quiet.counts["kind"], moved.counts["kind"]])
    starts = [MONDAY + timedelta(weeks=week) for week in range(9)]

    def weeks(n):
        return Profile(
            windows=tuple(pairwise(starts[: n + 1])), slices=(EVERYONE, DAY, NIGHT),
            binnings={"kind": KIND}, counts={"kind": counts[:n]}, rows=counts[:n].sum(axis=2),
        )  # fmt: skip

    short, long = (within_context(before, weeks(n), context="when") for n in (5, 8))
    assert short.alarms == long.alarms
    (alarm,) = long.alarms
    assert alarm.since >= starts[3]
    row = next(row for row in long.rows if row.key() == alarm.key)
    assert (row.metric, row.slice, dict(row.at)) == ("drift_e_value_within_context", EVERYONE, {"feature": "kind"})
    assert row.value >= alarm.limit
    assert row.reason == "within 2 values of when"
    assert Result(measurements=long.rows, alarms=long.alarms).to_json()


def test_the_value_is_the_mean_of_the_e_values_of_the_contexts():
    rng = np.random.default_rng(3)
    before, since = reference(rng), profile(rng, [0.3, 0.4], 300)
    each = {(row.slice, row.window): row.value for row in drift(before, since).rows if row.metric == "drift_e_value"}
    for row in within_context(before, since, context="when").rows:
        assert row.value == pytest.approx((each[DAY, row.window] + each[NIGHT, row.window]) / 2)


def test_contexts_that_the_reference_has_not_are_counted_and_compared_with_nothing():
    rng = np.random.default_rng(4)
    before, now = reference(rng), profile(rng, [0.2], 300)
    new = np.concatenate([now.counts["kind"], [[[0, 0, 0, 40, 0]]]], axis=1)
    new[:, 0] += new[:, 3]
    since = Profile(
        windows=now.windows, slices=(*now.slices, (("when", "<eclipse>"),)), binnings=now.binnings,
        counts={"kind": new}, rows=new.sum(axis=2),
    )  # fmt: skip
    (row,) = within_context(before, since, context="when").rows
    assert "40 rows have a value of when of which the reference has too few: not compared" in row.reason
    assert row.n == 300
    assert row.value == pytest.approx(within_context(before, now, context="when").rows[0].value)
    only_new = Profile(
        windows=now.windows, slices=(EVERYONE, NIGHT, (("when", "<eclipse>"),)), binnings=now.binnings,
        counts={"kind": new[:, [3, 2, 3]] * np.array([1, 0, 1])[None, :, None]}, rows=np.array([[40, 0, 40]]),
    )  # fmt: skip
    (row,) = within_context(before, only_new, context="when").rows
    assert (row.value, row.n) == (None, 0)
    assert row.reason.startswith("no rows in the window with a value of when that the reference has")


def test_a_log_counted_with_groups_is_compared_by_group_within_context():
    rng = np.random.default_rng(5)

    def log(n, women_by_night):
        when, sex = rng.choice(["day", "night"], n), rng.choice(["F", "M"], n)
        moved = women_by_night * ((when == "night") & (sex == "F"))
        frame = pd.DataFrame({
            "y": rng.integers(0, 2, n), "p": rng.integers(0, 2, n), "x": rng.normal(size=n) + moved, "when": when,
            "sex": sex, "t": [MONDAY.isoformat()] * n,
        })  # fmt: skip
        return PredictionLog.from_frame(
            frame, y_true="y", y_pred="p", timestamp="t", features=["x"], sensitive_features=["when", "sex"]
        )

    before = log(4000, 0.0)
    week = Windows(edges=(MONDAY, MONDAY + timedelta(weeks=1)), regular=True, complete=1)
    binnings = make_reference(before).binnings
    frozen_counts = frozen(count_profile(before, binnings, depth=2), sensitive_features=("when", "sex"))
    found = within_context(frozen_counts, count_profile(log(4000, 1.0), binnings, week, depth=2), context="when")
    rang = {
        (row.slice, dict(row.at)["feature"]) for row in found.rows if row.key() in {alarm.key for alarm in found.alarms}
    }
    assert rang == {(EVERYONE, "x"), ((("sex", "F"),), "x")}


def test_bad_input_is_named():
    rng = np.random.default_rng(6)
    before, since = reference(rng), profile(rng, [0.2], 300)
    with pytest.raises(InputError, match=r"the reference was not counted by 'season', only by \['when'\]"):
        within_context(before, since, context="season")
    other = Binning(feature="kind", kind="categorical", categories=("a", "b", "d"))
    changed = Profile(
        windows=since.windows, slices=since.slices, binnings={"kind": other}, counts=since.counts, rows=since.rows
    )
    with pytest.raises(InputError, match="have other bins than in the reference"):
        within_context(before, changed, context="when")
