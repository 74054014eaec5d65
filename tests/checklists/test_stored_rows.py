"""Judging results without a tally, such as those of monitors, by the rows that they hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.measurement import Measurement
from audit.result import Result
from checklists.gate import GateResult, judge
from checklists.policy import Policy
from checklists.requirement import Requirement

START = datetime(2026, 1, 5, tzinfo=UTC)
PSI: dict[str, Any] = {"metric": "population_stability_index", "max": 0.2}


def week(number: int) -> tuple[datetime, datetime]:
    return START + timedelta(weeks=number), START + timedelta(weeks=number + 1)


def row(low: float | None, high: float | None, **fields: Any) -> Measurement:
    given: dict[str, Any] = {"metric": "population_stability_index", "n": 500, "level": 0.95, "method": "m"}
    given |= {"value": 0.1, "reason": "why"} | fields
    return Measurement(low=low, high=high, **given)


def gate(rows: list[Measurement], requirement: dict[str, Any], **fields: Any) -> GateResult:
    policy = Policy(schema="evenhanded/policy/1", requirements=(Requirement(id="r", **requirement),), **fields)
    return judge(Result(measurements=tuple(rows)), policy)


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ((0.05, 0.2), "PASS"),
        ((0.05, 0.21), "INSUFFICIENT"),
        ((0.2, 0.3), "INSUFFICIENT"),
        ((0.21, 0.3), "FAIL"),
        ((0.05, None), "INSUFFICIENT"),
        ((None, None), "INSUFFICIENT"),
        ((None, 0.15), "PASS"),
    ],
)
def test_the_stored_interval_decides(bounds: tuple[float | None, float | None], verdict: str) -> None:
    assert gate([row(*bounds)], PSI).verdict == verdict


def test_what_is_too_weak_is_not_shown_and_says_why() -> None:
    weak = {
        "n = 12, fewer than 30": row(0.3, 0.4, n=12),
        "stored at level 0.9, lower than the 0.95 asked for": row(0.3, 0.4, level=0.9),
        "claims no level of confidence": row(0.3, 0.4, level=None),
        "too few bins": row(None, None, value=None, reason="too few bins"),
    }
    for reason, one in weak.items():
        (judgement,) = gate([one], PSI).judgements
        assert judgement.verdict == "INSUFFICIENT"
        assert reason in (judgement.reason or "")


def test_a_higher_level_than_asked_for_is_enough() -> None:
    assert gate([row(0.05, 0.15, level=0.99)], PSI).verdict == "PASS"


def test_latest_looks_at_the_last_window_and_each_at_all() -> None:
    rows = [row(0.3, 0.4, window=week(0)), row(0.05, 0.1, window=week(1))]
    assert gate(rows, PSI).verdict == "PASS"
    each = gate(rows, {**PSI, "window": "each"})
    assert each.verdict == "FAIL"
    assert each.false_fail_level == pytest.approx(0.1)
    assert gate([row(0.05, 0.1, window=week(0)), row(0.1, 0.3, window=week(1))], PSI).verdict == "INSUFFICIENT"


def test_the_point_must_be_the_one_that_is_named() -> None:
    rows = [row(0.3, 0.4, at=(("feature", "age"),)), row(0.01, 0.02, at=(("feature", "income"),))]
    assert gate(rows, {**PSI, "at": {"feature": "age"}}).verdict == "FAIL"
    assert gate(rows, {**PSI, "at": {"feature": "income"}}).verdict == "PASS"
    absent = gate(rows, PSI)
    assert absent.verdict == "INVALID"
    assert "but not for this slice, comparison, point and window" in (absent.judgements[0].reason or "")


def test_a_metric_that_is_nowhere_is_invalid_and_suggests_one() -> None:
    found = gate([row(0.1, 0.15)], {**PSI, "metric": "population_stabilty_index"})
    assert found.exit_code == 4
    assert "did you mean 'population_stability_index'?" in (found.judgements[0].reason or "")


def test_every_group_counts_and_expected_ones_must_be_there() -> None:
    rows = [row(0.05, 0.15, slice=(("race", group),)) for group in "ab"]
    grouped = {**PSI, "groups": ("race",)}
    assert gate(rows, grouped, expect={"race": ("a", "b")}).verdict == "PASS"
    gone = gate(rows, grouped, expect={"race": ("a", "b", "c")})
    assert (gone.verdict, gone.judgements[0].reason) == ("INVALID", "expected, and absent from the result: race=c")
    assert gate([*rows, row(0.3, 0.4, slice=(("race", "c"),))], grouped).verdict == "FAIL"


def test_rows_of_gaps_and_of_comparisons_with_a_group_or_an_earlier_run() -> None:
    over = row(0.3, 0.4, metric="psi_difference", against={"kind": "groups", "features": ["race"]})
    assert gate([over], {"metric": "psi", "compare": "difference", "groups": ("race",), "max": 0.2}).verdict == "FAIL"
    pair = {"slice": (("race", "a"),), "against": {"kind": "slice", "slice": {"race": "b"}}}
    one = row(0.3, 0.4, metric="psi_difference", **pair)
    against = {"metric": "psi", "compare": "difference", "against": {"race": "b"}, "max": 0.2}
    assert gate([one], {**against, "groups": ("race",)}).verdict == "FAIL"
    assert gate([one], {**against, "slice": {"race": "a"}}).verdict == "FAIL"
    assert gate([one], {**against, "slice": {"race": "c"}}).verdict == "INVALID"
    earlier = row(0.3, 0.4, metric="psi_difference", against={"kind": "reference", "digest": "ab12"})
    assert gate([earlier], {"metric": "psi", "compare": "baseline", "max": 0.2}).verdict == "FAIL"


def test_a_count_is_exact() -> None:
    rows = [Measurement(metric="count", value=20, n=20, method="count")]
    assert gate(rows, {"metric": "count", "min": 20}).verdict == "PASS"
    assert gate(rows, {"metric": "count", "min": 21}).verdict == "FAIL"
