"""Junk at the public doors of the monitors is one InputError that says what was expected, no raw error from within."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import evenhanded as eh
from monitors.alarms.outbox import send_unsent
from monitors.alarms.states import acknowledge, load_alarms, raise_alarms, snooze
from monitors.shift.retraining_advice import retraining_advice

JUNK = [None, 5, "r.csv", Path("r.csv"), {}, [], Ellipsis]
TIMES = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=hour) for hour in range(300)]
TABLE = pa.table({"p": [row % 2 for row in range(300)], "x": list(range(300)), "t": TIMES})
ROLES = {"prediction_id": "id", "timestamp": "at", "y_pred": "said"}


@pytest.fixture(scope="module")
def log():
    return eh.PredictionLog.from_frame(TABLE, task="watch", y_pred="p", timestamp="t", features=["x"])


@pytest.mark.parametrize("junk", [*JUNK, pd.DataFrame({"a": [1]})], ids=lambda junk: type(junk).__name__)
def test_what_is_no_log_is_named_with_the_door_that_makes_one(log, junk):
    for door in (eh.run_monitors, retraining_advice):
        with pytest.raises(eh.InputError, match=r"reference: expected a PredictionLog.* got .*from_file"):
            door(junk, log)
        with pytest.raises(eh.InputError, match=r"current: expected a PredictionLog; got .*from_file"):
            door(log, junk)


def test_both_sides_that_are_none_are_told_at_once():
    with pytest.raises(eh.InputError, match=r"2 problems(.|\n)*str 'r.csv'(.|\n)*str 's.csv'"):
        eh.run_monitors("r.csv", "s.csv")


@pytest.mark.parametrize(
    "name", ["window", "alpha", "tolerance", "effect", "as_of", "dispersion", "tell_apart", "within", "log"]
)
@pytest.mark.parametrize("junk", [b"x", -1.0, float("nan"), [], {}, Ellipsis], ids=repr)
def test_settings_of_another_kind_are_named(log, name, junk):
    with pytest.raises(eh.InputError, match=name):
        eh.run_monitors(log, log, settings=eh.MonitorSettings(**{name: junk}))


@pytest.mark.parametrize("junk", ["x", 5, [5], ["x"], [None]], ids=repr)
def test_earlier_runs_of_another_kind_are_named(log, junk):
    with pytest.raises(eh.InputError, match="previous: expected"):
        eh.run_monitors(log, log, previous=junk)


@pytest.mark.parametrize("junk", [5, "x", ["a"], Ellipsis, {"north": 5}, {"north": None}], ids=repr)
def test_places_of_another_kind_are_named(junk):
    with pytest.raises(eh.InputError, match="place"):
        eh.watch_actions(junk)


@pytest.mark.parametrize("starts", [None, 5, "x", {}, ["a"], [datetime(2026, 1, 5)]], ids=repr)
def test_weeks_of_another_kind_are_named(starts):
    with pytest.raises(eh.InputError, match="week_starts"):
        eh.watch_actions({"north": eh.WeeklyActions(baseline=[9] * 8, current=[1], week_starts=starts)})


@pytest.mark.parametrize("roles", [None, 5, "x", [], {"prediction_id": 5, "timestamp": "t"}], ids=repr)
def test_roles_of_another_kind_are_named(roles):
    with pytest.raises(eh.InputError, match="role"):
        eh.LogColumns(roles=roles)


@pytest.mark.parametrize("name", ["sensitive_features", "features", "numbers", "hashed", "left_out"])
@pytest.mark.parametrize("junk", [None, 5, "sex", [5], {}], ids=repr)
def test_lists_of_columns_of_another_kind_are_named(name, junk):
    with pytest.raises(eh.InputError, match=f"{name}: expected a list of names"):
        eh.LogColumns(roles=ROLES, **{name: junk})


def test_a_store_refuses_junk_in_words(tmp_path):
    pytest.importorskip("deltalake")
    for junk in JUNK:
        with pytest.raises(eh.InputError, match="columns: expected LogColumns"):
            eh.LogStore.create(tmp_path / "log", junk)
    assert not (tmp_path / "log").exists()
    store = eh.LogStore.create(tmp_path / "log", eh.LogColumns(roles=ROLES))
    for junk in (None, "x", [], {}, Ellipsis):
        with pytest.raises(eh.InputError, match="days: expected a number"):
            store.retain(junk)
    for junk in (5, None, {"a": 1}, Ellipsis, "a"):
        with pytest.raises(eh.InputError, match="expected a list of ids"):
            store.erase(junk)
    for junk in (5, "x", (1, 2), (datetime(2026, 1, 5), datetime(2026, 1, 6))):
        with pytest.raises(eh.InputError, match="between: expected two times with a zone"):
            store.read(between=junk)


@pytest.mark.parametrize("junk", [None, 5, Ellipsis], ids=repr)
def test_alarms_refuse_junk_in_words(tmp_path, junk):
    doors = [
        (lambda: load_alarms(junk), "runs: expected a path"),
        (lambda: acknowledge(junk, "abcd", by="Ada"), "runs: expected a path"),
        (lambda: raise_alarms(junk, tmp_path), "result: expected a Result"),
        (lambda: snooze(tmp_path, "abcd", by="Ada", until=junk), "until: expected a datetime with a zone"),
        (lambda: send_unsent(junk, tmp_path), "address: expected a text"),
    ]
    for door, text in doors:
        with pytest.raises(eh.InputError, match=text):
            door()
    assert load_alarms(str(tmp_path)) == ()
