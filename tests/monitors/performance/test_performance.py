"""Performance over time: the audit's rows per window, and alarms that ring for changes and not for chance."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.result import Alarm, Result
from audit.tally import Tally, collapse
from audit.tally_rows import measure
from monitors.performance.performance import performance, performance_evidence
from monitors.performance.settings import PerformanceSettings
from monitors.performance.window_tally import in_window, in_windows, windowed_tally, windows_of
from monitors.windows import parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)
World = Callable[..., Tally]


def _steady(week: int, group: str) -> float:
    return 0.12


def _alarms(reference: Tally, current: Tally, *, detectors: bool = False, **options: object) -> tuple[Alarm, ...]:
    found = performance_evidence(reference, current, settings=PerformanceSettings(**options)).alarms  # type: ignore[arg-type]
    return tuple(alarm for alarm in found if detectors or "_e_detector" not in alarm.key)


def test_each_window_has_the_rows_of_its_own_audit(world: World) -> None:
    rng = np.random.default_rng(1)
    reference, current = world(rng, 1, 2000, _steady, cut=False), world(rng, 3, 200, _steady)
    rows = performance(reference, current).rows
    for window in windows_of(current):
        baseline = Result(measurements=(), tally=reference)
        direct = measure(in_window(current, window), metrics=["accuracy", "false_positive_rate"], baseline=baseline)
        for row in direct:
            kind = (row.against or {}).get("kind")
            if kind in {None, "reference"}:
                own = next(
                    r
                    for r in rows
                    if r.window == window and (r.metric, r.slice, r.against) == (row.metric, row.slice, row.against)
                )
                assert (own.value, own.low, own.high, own.n) == (row.value, row.low, row.high, row.n)
    gap = [row for row in rows if row.metric == "accuracy_difference" and (row.against or {}).get("kind") == "groups"]
    assert len(gap) == 3
    assert len(rows) / 3 < 120
    Result(measurements=rows)


def test_one_group_that_collapses_rings_for_that_group(world: World) -> None:
    rng = np.random.default_rng(3)
    reference = world(rng, 1, 5000, _steady, cut=False)
    current = world(rng, 20, 100, lambda week, group: 0.4 if group == "c" and week >= 5 else 0.12)
    found = _alarms(reference, current)
    of_c = [alarm for alarm in found if alarm.key.startswith('["accuracy_e_value",{"g":"c"}')]
    assert of_c
    assert START + timedelta(weeks=5) <= of_c[0].since <= START + timedelta(weeks=9)
    assert any('accuracy_gap_e_value",{"g":"c"}' in alarm.key for alarm in found)
    assert not any('{"g":"a"}' in alarm.key or '{"g":"b"}' in alarm.key for alarm in found if "gap" not in alarm.key)


@pytest.mark.parametrize("seeds", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_more_windows_never_take_an_alarm_back(world: World, seeds: int) -> None:
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        reference = world(rng, 10, 400, _steady)
        current = world(rng, 24, 120, lambda week, group: 0.3 if group == "b" and 6 <= week < 14 else 0.12)
        seen: dict[str, Alarm] = {}
        for weeks in range(3, 25, 3):
            part = _first(current, weeks)
            now = {alarm.key: alarm for alarm in _alarms(reference, part, detectors=True)}
            assert {key: now.get(key) for key in seen} == seen
            seen = now
        assert seen


def _first(current: Tally, weeks: int) -> Tally:
    kept = [window[0] for window in windows_of(current)[:weeks]]
    held = pa.compute.is_in(current.cells["window_start"], value_set=pa.array(kept, current.cells["window_start"].type))
    return collapse(current.cells.filter(held), features=current.features, positive="1", bins=None, weights="none")


def test_windows_that_are_not_settled_are_shown_and_do_not_ring(world: World) -> None:
    rng = np.random.default_rng(4)
    reference = world(rng, 1, 5000, _steady, cut=False)
    current = world(rng, 10, 300, lambda week, _group: 0.5 if week >= 6 else 0.12)
    until = START + timedelta(weeks=6)
    found = performance(reference, current, settings=PerformanceSettings(settled=until))
    assert found.alarms == ()
    assert len({row.window for row in found.rows if row.metric == "accuracy"}) == 10
    marked = {row.window for row in found.rows if row.metric == "accuracy" and "not settled" in str(row.reason)}
    assert marked == set(windows_of(current)[6:])
    later = _alarms(reference, current, settled=until + timedelta(weeks=2))
    assert later
    assert all(alarm.since < until + timedelta(weeks=2) for alarm in later)


def test_an_alarm_belongs_to_a_row_and_holds_its_e_value(world: World) -> None:
    rng = np.random.default_rng(5)
    reference = world(rng, 1, 3000, _steady, cut=False)
    found = performance(reference, world(rng, 8, 300, lambda _week, _group: 0.4))
    rows = {row.key(): row for row in found.rows}
    assert len(rows) == len(found.rows)
    assert found.alarms
    for alarm in found.alarms:
        row = rows[alarm.key]
        assert row.value == alarm.e_value >= alarm.limit * (1 - 1e-9)
        assert row.window is not None
        assert row.window[0] == alarm.since
        assert row.against is not None
        assert row.against["kind"] == "reference"


def test_scores_that_no_longer_mean_the_same_ring_as_rectifiers() -> None:
    rng = np.random.default_rng(6)

    def tally(rows: int, shift: float) -> Tally:
        score = rng.random(rows)
        y = rng.random(rows) < np.clip(score + shift, 0, 1)
        time = [START + timedelta(days=float(day)) for day in rng.random(rows) * 70]
        table = pa.table({"y": y.astype(int), "s": score, "t": time})
        log = PredictionLog.from_frame(table, y_true="y", y_score="s", threshold=0.5, timestamp="t")
        return windowed_tally(log, resolve(parse_windows("7d"), log))

    reference = tally(40000, 0.0)
    assert not _alarms(reference, tally(10000, 0.0))
    found = [alarm.key for alarm in _alarms(reference, tally(10000, -0.15))]
    assert any(key.startswith('["outcome_rectifier_e_value"') for key in found)


def test_a_group_that_the_reference_does_not_know_is_measured_and_not_judged(world: World) -> None:
    rng = np.random.default_rng(7)
    reference = world(rng, 1, 2000, _steady, groups="ab", cut=False)
    rows = performance(reference, world(rng, 3, 200, lambda _week, _group: 0.5, groups="abz")).rows
    of_z = {row.metric for row in rows if row.slice == (("g", "z"),)}
    assert "accuracy" in of_z
    assert not any("_e_" in metric for metric in of_z)


def test_unlabelled_rows_count_for_nothing_but_what_rests_on_predictions(world: World) -> None:
    rng = np.random.default_rng(8)
    reference = world(rng, 1, 2000, _steady, cut=False)
    current = world(rng, 2, 100, _steady)
    gone = current.cells.set_column(1, "y_true", pa.nulls(current.cells.num_rows, pa.string()))
    bare = collapse(gone, features=("g",), positive="1", bins=None, weights="none")
    found = performance(reference, bare)
    assert found.alarms == ()
    accuracy = [row for row in found.rows if row.metric == "accuracy"]
    assert {row.value for row in accuracy} == {None}
    assert {row.value for row in found.rows if row.metric == "outcome_coverage"} == {0.0}
    assert not any(row.metric == "accuracy_e_value" for row in found.rows)
    assert any(row.metric == "selection_rate_e_value" for row in found.rows)


def test_empty_one_row_and_one_class_windows(world: World) -> None:
    rng = np.random.default_rng(9)
    reference = world(rng, 1, 2000, _steady, cut=False)
    week = timedelta(weeks=1)
    windows = tuple((START + place * week, START + (place + 1) * week) for place in range(4))
    cells = {
        "slice.g": ["a", "b"],
        "y_true": ["1", "1"],
        "y_pred": ["1", "0"],
        "n": [1, 40],
        "w": [1.0, 40.0],
        "w2": [1.0, 40.0],
    }
    ends = {"window_start": [windows[0][0], windows[2][0]], "window_end": [windows[0][1], windows[2][1]]}
    current = collapse(pa.table(cells | ends), features=("g",), positive="1", bins=None, weights="none")
    found = performance(reference, current, settings=PerformanceSettings(windows=windows))
    empty = [row for row in found.rows if row.window in (windows[1], windows[3])]
    assert {row.reason for row in empty} == {"no rows were predicted in this window"}
    assert {row.value for row in empty} == {None}
    one = next(row for row in found.rows if row.window == windows[0] and row.metric == "accuracy" and not row.slice)
    assert (one.value, one.n) == (1.0, 1)
    fpr = next(row for row in found.rows if row.window == windows[2] and row.metric == "false_positive_rate")
    assert (fpr.value, fpr.reason) == (None, "no negative labels in slice")
    assert any(alarm.key.startswith('["accuracy_e_value",{"g":"b"}') for alarm in found.alarms)


def test_a_reference_without_negatives_is_no_ground_for_alarms(world: World) -> None:
    table = pa.table({"slice.g": ["a"], "y_true": ["1"], "y_pred": ["1"], "n": [500], "w": [500.0], "w2": [500.0]})
    reference = collapse(table, features=("g",), positive="1", bins=None, weights="none")
    current = world(np.random.default_rng(10), 3, 300, lambda _week, _group: 0.5, groups="a")
    keys = {alarm.key.split('"')[1] for alarm in _alarms(reference, current)}
    assert "accuracy_e_value" in keys
    assert "false_positive_rate_e_value" not in keys


def test_bad_input_is_named_at_once(world: World) -> None:
    rng = np.random.default_rng(11)
    reference, current = world(rng, 1, 50, _steady, cut=False), world(rng, 2, 50, _steady)
    frame = pa.table({"y": [1, 0], "p": [1, 1]})
    other = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    with pytest.raises(InputError, match=r"(?s)features \(\), the current rows \('g',\).*not cut by time"):
        performance(other, reference)
    with pytest.raises(InputError, match="roc_auc cannot be watched"):
        performance(reference, current, settings=PerformanceSettings(watched=("roc_auc",)))
    with pytest.raises(InputError, match=r"(?s)tolerance must lie.*alpha must lie.*windows_per_false_alarm.*time zone"):
        PerformanceSettings(tolerance=2.0, alpha=0.0, windows_per_false_alarm=1, settled=datetime(2026, 1, 1))
    with pytest.raises(InputError, match="the reference has no rows"):
        performance(in_windows(current, []), current)


@pytest.mark.parametrize("task", ["multiclass", "deferral"])
def test_several_labels_and_deferral_are_watched_by_what_they_answer(task: str) -> None:
    rng = np.random.default_rng(12)

    def tally(rows: int, wrong: float) -> Tally:
        y = rng.choice(["cat", "dog", "owl"] if task == "multiclass" else ["cat", "dog"], rows)
        p = np.where(rng.random(rows) < wrong, rng.permutation(y), y)
        if task == "deferral":
            p = np.where(rng.random(rows) < 0.1, "ask", p)
        time = [START + timedelta(days=float(day)) for day in rng.random(rows) * 35]
        table = pa.table({"y": y.tolist(), "p": p.tolist(), "t": time, "g": rng.choice(["a", "b"], rows).tolist()})
        roles = {"y_true": "y", "y_pred": "p", "timestamp": "t", "sensitive_features": ["g"]}
        more = {"task": "multiclass"} if task == "multiclass" else {"positive": "cat", "abstain": "ask"}
        log = PredictionLog.from_frame(table, **roles, **more)
        return windowed_tally(log, resolve(parse_windows("7d"), log))

    reference = tally(20000, 0.1)
    assert not _alarms(reference, tally(3000, 0.1))
    keys = {alarm.key.split(",")[0] for alarm in _alarms(reference, tally(3000, 0.6))}
    assert '["accuracy_e_value"' in keys if task == "multiclass" else keys
    Result(measurements=performance(reference, tally(500, 0.1)).rows)


def test_a_reference_without_labels_leaves_only_what_rests_on_predictions(world: World) -> None:
    rng = np.random.default_rng(13)
    reference, current = world(rng, 1, 500, _steady, cut=False), world(rng, 2, 100, _steady)
    gone = reference.cells.set_column(1, "y_true", pa.nulls(reference.cells.num_rows, pa.string()))
    bare = collapse(gone, features=("g",), positive="1", bins=None, weights="none")
    found = performance_evidence(bare, current)
    assert {row.metric.partition("_e_")[0] for row in found.rows} == {"selection_rate", "selection_rate_gap"}
    only = performance_evidence(bare, current, settings=PerformanceSettings(watched=("accuracy",)))
    assert only == ((), ())


def test_windows_of_numbers_are_refused() -> None:
    table = pa.table({"y": [1.5, 2.0], "p": [1.0, 2.0], "t": ["2026-01-05T00:00Z", "2026-01-06T00:00Z"]})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", task="regression")
    with pytest.raises(InputError, match="this log is 'regression'"):
        windowed_tally(log, resolve(parse_windows("7d"), log))
