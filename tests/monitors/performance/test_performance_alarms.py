"""How often performance over time rings without cause, and how soon with one: simulations of what is promised."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from audit.predictions import PredictionLog
from audit.result import Alarm
from audit.tally import Tally, collapse
from monitors.performance.evidence import rang
from monitors.performance.performance import performance, performance_evidence
from monitors.performance.settings import PerformanceSettings
from monitors.performance.window_tally import windowed_tally, without_windows
from monitors.windows import parse_windows, resolve

START = datetime(2026, 1, 5, tzinfo=UTC)
World = Callable[..., Tally]


def _steady(week: int, group: str) -> float:
    return 0.12


def _alarms(reference: Tally, current: Tally, *, detectors: bool = False, **options: object) -> tuple[Alarm, ...]:
    found = performance_evidence(reference, current, settings=PerformanceSettings(**options)).alarms  # type: ignore[arg-type]
    return tuple(alarm for alarm in found if detectors or "_e_detector" not in alarm.key)


def _exact(groups: str = "abc", risk: float = 0.12) -> Tally:
    """Return a reference so large that its risk is known: the boundary of what is tolerated is the truth."""
    shares = {
        ("1", "1"): 0.4 * (1 - risk),
        ("1", "0"): 0.4 * risk,
        ("0", "1"): 0.6 * risk,
        ("0", "0"): 0.6 * (1 - risk),
    }
    cells = [(g, y, p, round(share * 1e9)) for g in groups for (y, p), share in shares.items()]
    group, true, predicted, n = zip(*cells, strict=True)
    table = pa.table({"slice.g": group, "y_true": true, "y_pred": predicted, "n": n, "w": n, "w2": n})
    return collapse(table, features=("g",), positive="1", bins=None, weights="none")


@pytest.mark.parametrize("worlds", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_false_alarms_of_the_whole_family_over_forty_weeks_at_the_boundary(world: World, worlds: int) -> None:
    reference = _exact()
    rung = sum(
        bool(_alarms(reference, world(np.random.default_rng(seed), 40, 200, _steady), tolerance=0.0))
        for seed in range(worlds)
    )
    assert binom.sf(rung - 1, worlds, 0.05) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("weeks", [8, 26])
def test_false_alarms_in_two_hundred_worlds_whose_weeks_scatter(world: World, weeks: int) -> None:
    rung = 0
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        reference = world(rng, weeks, 400, _steady, scatter=0.01)
        rung += bool(_alarms(reference, world(rng, 40, 400, _steady, scatter=0.01), tolerance=0.0))
    assert rung / 200 <= 0.05


@pytest.mark.slow
def test_false_alarms_of_the_whole_family_with_detectors_in_two_hundred_worlds(world: World) -> None:
    reference = _exact()
    found = [
        _alarms(reference, world(np.random.default_rng(seed), 40, 200, _steady), tolerance=0.0, detectors=True)
        for seed in range(200)
    ]
    assert sum(map(bool, found)) / 200 <= 0.05


@pytest.mark.parametrize("weeks", [8, 26])
def test_weeks_that_scatter_are_held_against_the_scatter_of_the_reference(world: World, weeks: int) -> None:
    rung = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        reference = world(rng, weeks, 400, _steady, scatter=0.01)  # a variance five times that of independent rows
        rung += bool(_alarms(reference, world(rng, 40, 400, _steady, scatter=0.01), tolerance=0.0))
    assert binom.sf(rung - 1, 6, 0.05) > 0.01


def test_scatter_that_the_reference_does_not_show_rings_too_often_and_the_rows_say_what_is_assumed(
    world: World,
) -> None:
    rung = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference = world(rng, 26, 400, _steady, scatter=0.03)
        current = world(rng, 40, 400, _steady, scatter=0.03)
        rung += bool(_alarms(without_windows(reference), current, tolerance=0.0))
    assert rung >= 2
    row = next(r for r in performance(without_windows(reference), current).rows if r.metric == "accuracy_e_value")
    assert "assumed: rows are independent" in str(row.reason)
    row = next(r for r in performance(reference, current).rows if r.metric == "accuracy_e_value")
    assert "windows scatter as those of the reference did" in str(row.reason)


def test_clustered_rows_are_counted_as_what_they_are_worth() -> None:
    rung = {"cluster": 0, "rows": 0}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        logs = [_clustered(rng, weeks) for weeks in (10, 20)]
        for name, clustered in (("cluster", True), ("rows", False)):
            reference, current = (_windowed(table, clustered=clustered) for table in logs)
            rung[name] += bool(_alarms(without_windows(reference), current, tolerance=0.0))
    assert rung["cluster"] <= 1
    assert rung["rows"] > rung["cluster"]


def _clustered(rng: np.random.Generator, weeks: int) -> pa.Table:
    """Return weeks of fifty people with twenty rows each, of whom each errs at a rate of her own."""
    people = weeks * 50
    risk = np.repeat(rng.beta(0.3, 2.2, people), 20)
    y = rng.random(len(risk)) < 0.4
    wrong = rng.random(len(risk)) < risk
    time = [START + timedelta(weeks=int(week), hours=1) for week in np.repeat(np.arange(weeks), 1000)]
    who = np.repeat(np.arange(people), 20)
    return pa.table({"y": y.astype(int), "p": (y ^ wrong).astype(int), "t": time, "who": who})


def _windowed(table: pa.Table, *, clustered: bool) -> Tally:
    roles = {"cluster": "who"} if clustered else {}
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", timestamp="t", **roles)
    return windowed_tally(log, resolve(parse_windows("7d"), log))


@pytest.mark.parametrize(("risk", "weeks"), [(0.16, 25), (0.2, 8), (0.3, 3)])
def test_the_larger_the_harm_the_sooner_it_rings(world: World, risk: float, weeks: int) -> None:
    delays = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        reference = world(rng, 1, 5000, _steady, cut=False)
        current = world(rng, 40, 100, lambda _week, _group: risk)
        found = _alarms(reference, current, tolerance=0.01)
        delays.append(min(((alarm.since - START).days // 7 for alarm in found), default=99))
    assert np.median(delays) <= weeks


def test_what_gets_better_does_not_ring(world: World) -> None:
    rng = np.random.default_rng(2)
    reference = world(rng, 1, 5000, lambda _week, _group: 0.2, cut=False)
    current = world(rng, 30, 300, lambda _week, _group: 0.05)
    assert not [alarm for alarm in _alarms(reference, current, gaps=False) if "selection_rate" not in alarm.key]


def test_after_a_long_good_time_the_detector_is_the_first(world: World) -> None:
    first = {"_e_value": [], "_e_detector": []}
    for seed in range(2):
        rng = np.random.default_rng(seed)
        reference = world(rng, 1, 20000, _steady, cut=False)
        current = world(rng, 130, 150, lambda week, _group: 0.2 if week >= 100 else 0.11)
        found = _alarms(reference, current, detectors=True, windows_per_false_alarm=500, gaps=False)
        for name, weeks in first.items():
            own = [alarm.since for alarm in found if alarm.key.startswith(f'["accuracy{name}",{{}}')]
            weeks.append(min((own[0] - START).days // 7 if own else 999, 999))
    assert min(first["_e_detector"]) >= 100
    assert np.median(first["_e_detector"]) < np.median(first["_e_value"])


def test_e_benjamini_hochberg_sees_evidence_as_it_stands_and_not_its_maximum() -> None:
    log_e = np.log([[30.0, 30.0], [1.0, 60.0], [45.0, 1.0]])
    found = rang(log_e, alpha=0.05, settled=np.ones(3, dtype=bool))
    assert found.window.tolist() == [0, 0]  # two of two at 2 / (.05 x 2) = 20
    found = rang(log_e[1:], alpha=0.05, settled=np.ones(2, dtype=bool))
    assert found.window.tolist() == [1, 0]
    assert found.limit.tolist() == [40.0, 40.0]
