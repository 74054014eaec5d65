"""Newcomers are those of their first window, compared within it; who is passed over or misjudged is found."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.predictions import PredictionLog
from monitors.feedback.newcomers import FAMILY, Cells, measure_newcomers, newcomer_difference
from monitors.feedback.settings import LoopRows, LoopSettings

DAY = 86_400_000_000
START = 20_458 * DAY  # Monday 2026-01-05


def log_of(
    seed: int, *, passed_over: float = 0.0, misjudged: float = 0.0, weeks: int = 12, task: str = "watch", **drop: Any
) -> PredictionLog:
    """Forty new users a week among all earlier ones; a season in exposure and error that is common to all."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.1, 100 + 40 * weeks)
    parts = []
    for week in range(weeks):
        known = 100 + 40 * week
        who = np.concatenate([rng.integers(0, known, 400), np.repeat(np.arange(known, known + 40), 3)])
        new = who >= known
        season = 0.15 * np.sin(week)
        shown = rng.random(len(who)) < np.clip(0.5 + season + own[who] - passed_over * new, 0, 1)
        wrong = rng.random(len(who)) < np.clip(0.25 + season / 2 + own[who] + misjudged * new, 0, 1)
        parts.append((who, shown, wrong, START + week * 7 * DAY + rng.integers(0, 7 * DAY, len(who))))
    who, shown, wrong, time = (np.concatenate(each) for each in zip(*parts, strict=True))
    truth = rng.integers(0, 2, len(who))
    columns = {
        "u": [f"u{x:05d}" for x in who],
        "did": shown.astype(int),
        "y": truth,
        "p": np.where(wrong, 1 - truth, truth),
    }
    columns["t"] = pa.array(time).cast(pa.timestamp("us", tz="UTC"))
    roles = {"user": "u", "action": "did", "y_true": "y", "y_pred": "p", "timestamp": "t"}
    kept = {role: name for role, name in roles.items() if role not in drop}
    return PredictionLog.from_frame(pa.table(columns), task=task, **kept)  # type: ignore[arg-type]


def measure(log: PredictionLog) -> LoopRows:
    return measure_newcomers(log, LoopSettings())


def rows_of(found: LoopRows) -> dict[str, Any]:
    return {row.metric: row for row in found.rows}


def test_share_of_newcomers_by_hand() -> None:
    found = rows_of(measure(log_of(0)))["newcomer_exposure_share"]
    assert found.value == pytest.approx(120 / 520, abs=0.02)
    assert dict(found.at) == {"feature": "user"}


def test_difference_is_taken_within_windows() -> None:
    # Newcomers crowd into the window in which all are shown often: pooled they would look favoured.
    rows = np.array([[[90.0, 10.0], [10.0, 90.0]]])
    rates = np.array([[[0.2, 0.2], [0.8, 0.8]]])
    assert newcomer_difference(Cells(rows * rates, rows)).value == pytest.approx(0.0)


def test_swings_of_windows_widen_the_error() -> None:
    rng = np.random.default_rng(0)
    rows = np.full((40, 10, 2), 50.0)
    calm = rng.binomial(50, 0.5, rows.shape).astype(float)
    shock = rng.normal(0, 0.15, 10)[None, :, None] * np.array([0.0, 1.0])
    restless = rng.binomial(50, np.clip(0.5 + shock, 0, 1), rows.shape).astype(float)
    errors = [newcomer_difference(Cells(total, rows)).standard_error for total in (calm, restless)]
    assert errors[1] > 3 * errors[0]
    assert newcomer_difference(Cells(restless, rows)).df == 9


def quiet(runs: int) -> tuple[float, float]:
    found = [measure(log_of(seed)) for seed in range(runs)]
    gaps = [row for one in found for row in one.rows if row.metric.endswith("_difference")]
    covered = np.mean([row.low <= 0 <= row.high for row in gaps])  # type: ignore[operator]
    return float(covered), float(np.mean([max(each.e_value for each in one.evidence) >= 20 for one in found]))


def test_like_newcomers_are_quiet_and_covered() -> None:
    covered, rang = quiet(6)
    assert covered >= 0.85
    assert rang == 0


@pytest.mark.slow
def test_false_alarms_and_coverage_of_many() -> None:
    covered, rang = quiet(150)
    assert covered >= 0.93
    assert rang <= 0.05


def test_newcomers_passed_over_and_misjudged_are_found() -> None:
    found = measure(log_of(1, passed_over=0.25, misjudged=0.2))
    rows = rows_of(found)
    assert rows["newcomer_exposure_difference"].value == pytest.approx(-0.25, abs=0.05)
    assert rows["newcomer_error_difference"].value == pytest.approx(0.2, abs=0.05)
    assert {each.key for each in found.evidence if each.e_value > 100} == {
        rows[name].key() for name in ("newcomer_exposure_difference", "newcomer_error_difference")
    }


def test_items_are_newcomers_too() -> None:
    times = [f"2026-0{1 + week // 4}-{5 + 7 * (week % 4):02d}T00:00:00Z" for week in range(8)]
    items, when = [], []
    for week, time in enumerate(times):
        for number in range(10 * (week + 1)):
            items.append(f"i{number:03d}")
            when.append(time)
    log = PredictionLog.from_frame(pa.table({"i": items, "t": when}), task="watch", item="i", timestamp="t")
    row = rows_of(measure(log))["newcomer_exposure_share"]
    assert row.value == pytest.approx(60 / sum(10 * (week + 1) for week in range(2, 8)))
    assert dict(row.at) == {"feature": "item"}


def test_what_is_lacking_is_said() -> None:
    short = measure(log_of(0, weeks=3))
    assert {row.metric for row in short.rows} == {metric.name for metric in FAMILY}
    assert all("who is new shows after 4" in str(row.reason) for row in short.rows)
    nobody = measure(log_of(0, user=None))
    assert all("no user and no item" in str(row.reason) for row in nobody.rows)
    rows = rows_of(measure(log_of(0, action=None, y_true=None)))
    assert "every row was shown" in rows["newcomer_exposure_difference"].reason
    assert "log what turned out to be true" in rows["newcomer_error_difference"].reason


def test_errors_of_numbers_have_a_row_and_no_limit() -> None:
    found = measure(log_of(0, task="regression"))
    row = rows_of(found)["newcomer_error_difference"]
    assert row.value is not None
    assert row.key() not in {each.key for each in found.evidence}
