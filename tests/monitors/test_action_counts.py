"""Actions of each place by week: which weeks are whole, what doubles, and how rarely quiet places ring."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.action_counts import action_counts

START = datetime(2026, 1, 5, tzinfo=UTC)


def log_of(counts, *, first=0, begin=timedelta(), acted=1, not_acted=0, **changed):
    """Return a log with so many actions of each place in each week, and as many rows without one."""
    rows = []
    for place, weekly in counts.items():
        for week, number in enumerate(weekly):
            for turn in range(2 * number):
                at = START + timedelta(weeks=first + week) + timedelta(days=7) * turn / (2 * number + 1)
                rows.append((place, at, acted if turn % 2 else not_acted))
    rows = [row for row in rows if row[1] >= START + timedelta(weeks=first) + begin]
    columns = dict(zip(("place", "t", "acted"), map(list, zip(*rows, strict=True)), strict=True))
    options = {"task": "watch", "timestamp": "t", "place": "place", "action": "acted"} | changed
    return PredictionLog.from_frame(pa.table(columns), **options)


def ratios_of(found):
    return {dict(row.at)["place"]: row.value for row in found.rows if row.metric == "action_ratio"}


def end_of(week):
    return START + timedelta(weeks=week)


def test_the_ratio_is_that_of_the_weekly_means_of_the_same_place():
    before = log_of({"north": [10, 14] * 4, "south": [30] * 8})
    since = log_of({"north": [24] * 4, "south": [30] * 4}, first=8)
    found = action_counts(before, since, as_of=end_of(12))
    ratios = ratios_of(found)
    assert ratios["north"] == pytest.approx(24 / 12)
    assert ratios["south"] == pytest.approx(1.0)
    assert all(row.low <= row.value <= row.high for row in found.rows if row.metric == "action_ratio")


def test_a_place_that_triples_rings_in_its_first_week_and_the_others_do_not():
    before = log_of({"north": [20] * 10, "south": [20] * 10})
    since = log_of({"north": [60] * 3, "south": [21] * 3}, first=10)
    (alarm,) = action_counts(before, since, as_of=end_of(13)).alarms
    assert "north" in alarm.key
    assert START + timedelta(weeks=10) <= alarm.since <= START + timedelta(weeks=12)


def test_a_word_for_an_action_needs_the_positive_label():
    words = {"acted": "flag<script>", "not_acted": "none"}
    before, since = log_of({"north": [20] * 10}, **words), log_of({"north": [60] * 3}, first=10, **words)
    with pytest.raises(InputError, match=r"action: expected 1 or 0.*'flag<script>', 'none'.*positive label"):
        action_counts(before, since, as_of=end_of(13))
    told = [replace(log, reading=replace(log.reading, positive="flag<script>")) for log in (before, since)]
    found = action_counts(*told, as_of=end_of(13))
    assert found.rows[0].value == pytest.approx(3)
    assert len(found.alarms) == 1


@pytest.mark.parametrize("words", [(True, False), ("True", "false"), (1.0, 0.0)])
def test_true_and_false_are_actions_in_any_spelling(words):
    acted = dict(zip(("acted", "not_acted"), words, strict=True))
    found = action_counts(log_of({"n": [20] * 10}, **acted), log_of({"n": [60] * 3}, first=10), as_of=end_of(13))
    assert found.rows[0].value == pytest.approx(3)


def with_exposure(log, each):
    return replace(
        log,
        table=log.table.with_columns(exposure=nw.lit(each).cast(nw.Float64)),
        columns={**log.columns, "exposure": "hours"},
    )


def test_actions_accrue_over_exposure_where_both_logs_have_it():
    before, since = log_of({"north": [20] * 10}), log_of({"north": [60] * 4}, first=10)  # three times the rows
    assert action_counts(before, since, as_of=end_of(14)).alarms
    quiet = action_counts(with_exposure(before, 2.0), with_exposure(since, 2.0), as_of=end_of(14))
    assert quiet.rows[0].value == pytest.approx(1.0)
    assert not quiet.alarms
    fewer = action_counts(with_exposure(before, 2.0), with_exposure(since, 0.5), as_of=end_of(14))
    assert fewer.rows[0].value == pytest.approx(4.0)
    one = action_counts(with_exposure(before, 2.0), since, as_of=end_of(14))
    assert one.rows[0].value == pytest.approx(3.0)


def test_a_week_that_is_not_over_is_left_out():
    before = log_of({"north": [20] * 8})
    since = log_of({"north": [20, 20, 200]}, first=8)
    over = action_counts(before, since, as_of=end_of(11))
    running = action_counts(before, since, as_of=end_of(11) - timedelta(minutes=10))
    assert over.rows[0].value > 3
    assert running.rows[0].value == pytest.approx(1.0)


def test_a_week_in_the_midst_of_which_the_log_began_is_left_out():
    late = log_of({"north": [20] * 8}, begin=timedelta(days=4))
    since = log_of({"north": [20] * 2}, first=8)
    assert action_counts(late, since, as_of=end_of(10)).rows[0].value == pytest.approx(1.0)


def test_places_in_one_log_only_are_left_to_the_monitor_of_traffic():
    before = log_of({"north": [20] * 8, "gone": [5] * 8})
    since = log_of({"north": [20] * 2, "<script>": [5] * 2}, first=8)
    assert list(ratios_of(action_counts(before, since, as_of=end_of(10)))) == ["north"]
    alone = log_of({"<script>": [5] * 2}, first=8)
    assert action_counts(before, alone, as_of=end_of(10)).rows == ()


def test_weeks_without_an_action_count_as_none_and_not_as_missing():
    before = log_of({"north": [12] * 8, "south": [12] * 8})
    since = log_of({"north": [12, 0, 0, 12], "south": [12] * 4}, first=8)
    ratios = ratios_of(action_counts(before, since, as_of=end_of(12)))
    assert ratios["north"] == pytest.approx(0.5)


@pytest.mark.parametrize(("acted", "not_acted"), [(True, False), ("1", "0"), ("true", "false")])
def test_actions_may_be_booleans_or_texts(acted, not_acted):
    kind = {"acted": acted, "not_acted": not_acted}
    found = action_counts(log_of({"n": [10] * 8}, **kind), log_of({"n": [20] * 3}, first=8, **kind), as_of=end_of(11))
    assert found.rows[0].value == pytest.approx(2.0)


def test_an_action_that_is_missing_is_refused_with_how_many():
    before, since = log_of({"n": [10] * 8}), log_of({"n": [20] * 3}, first=8, not_acted=None)
    with pytest.raises(InputError, match="action: 60 rows have none"):
        action_counts(before, since, as_of=end_of(11))


def test_every_role_that_is_missing_is_named_at_once():
    bare = log_of({"n": [10] * 8}, place=None, timestamp=None)
    with pytest.raises(InputError) as caught:
        action_counts(bare, bare)
    assert len(caught.value.violations) == 4
    assert "the log before names no timestamp" in str(caught.value)


def rings(runs, *, first, dispersion=1.0):
    """Return in how many runs of 5 places and 20 weeks anything rang; gamma rates make weeks scatter more."""
    found = 0
    for seed in range(first, first + runs):
        rng = np.random.default_rng(seed)

        def weekly(weeks, rng=rng):
            mean = 12 * (rng.gamma(12 / (dispersion - 1), (dispersion - 1) / 12, weeks) if dispersion > 1 else 1)
            return rng.poisson(mean, weeks).tolist()

        places = [f"place {number}" for number in range(5)]
        before = log_of({place: weekly(16) for place in places})
        since = log_of({place: weekly(20) for place in places}, first=16)
        found += bool(action_counts(before, since, as_of=end_of(36)).alarms)
    return found


@pytest.mark.parametrize("dispersion", [1.0, 2.0])
def test_quiet_places_ring_in_at_most_alpha_of_runs_also_where_weeks_scatter(dispersion):
    assert rings(8, first=0, dispersion=dispersion) <= 2  # P(X > 2) of Binomial(8, .05) is 0.6 %


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 2.0])
def test_quiet_places_ring_in_at_most_alpha_of_many_runs(dispersion):
    assert rings(200, first=100, dispersion=dispersion) <= 18  # P(X > 18) of Binomial(200, .05) is 1 %
