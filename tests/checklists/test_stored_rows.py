"""Judging results without a tally, such as those of monitors, by the rows that they hold."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from audit.measurement import Measurement
from audit.result import Result
from checklists.gate import GateResult, judge
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement
from checklists.stored_rows import judge_rows

TODAY = date(2026, 11, 21)
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
    return judge(Result(measurements=tuple(rows)), policy, today=TODAY)


def signed(**slice_: str) -> NotAuditable:
    return NotAuditable(slice=slice_, reason="few", owner="R. Sato", expires=TODAY)


def said(gate: GateResult) -> tuple[str, str]:
    (judgement,) = gate.judgements
    return judgement.verdict, judgement.reason or ""


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
    assert (gone.verdict, gone.judgements[0].reason) == ("INVALID", "expected, and absent from the data: race=c")
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


def test_every_intersection_of_expected_values_must_have_a_row() -> None:
    cells = [("a", "F"), ("a", "M"), ("b", "F")]
    rows = [row(0.05, 0.15, slice=(("race", race), ("sex", sex))) for race, sex in cells]
    both = {**PSI, "groups": ("race", "sex")}
    expect = {"race": ("a", "b"), "sex": ("F", "M")}
    assert gate(rows, both).verdict == "PASS"
    assert said(gate(rows, both, expect=expect)) == ("INSUFFICIENT", "b & M: no rows")
    assert gate(rows, both, expect={"sex": ("F", "M")}).verdict == "PASS"
    assert gate(rows, both, expect=expect, not_auditable=(signed(sex="M"),)).verdict == "PASS"
    bad = row(0.3, 0.4, slice=(("race", "c"), ("sex", "M")))
    assert gate([*rows, bad], both, expect=expect).verdict == "FAIL"


def test_a_group_that_someone_answers_for_need_not_be_shown_and_hides_no_failure() -> None:
    rows = [row(0.05, 0.15, slice=(("race", "a"),)), row(0.05, 0.3, slice=(("race", "b"),))]
    grouped = {**PSI, "groups": ("race",)}
    assert gate(rows, grouped).verdict == "INSUFFICIENT"
    found = gate(rows, grouped, not_auditable=(signed(race="b"),))
    assert said(found) == ("PASS", "not shown for: b (excused: few); why")
    assert gate(rows[1:], grouped, not_auditable=(signed(race="b"),)).verdict == "INSUFFICIENT"
    bad = row(0.3, 0.4, slice=(("race", "b"),))
    assert gate([rows[0], bad], grouped, not_auditable=(signed(race="b"),)).verdict == "FAIL"


@pytest.mark.parametrize(
    ("against", "reason", "verdict"),
    [
        ({}, None, "INSUFFICIENT"),
        ({"among": [["a"]]}, None, "INSUFFICIENT"),
        ({"among": [["a"], ["b"]]}, None, "PASS"),
        ({"among": [["a"]], "undefined": [["b"]]}, None, "INSUFFICIENT"),
        ({"among": [["a"], ["b"]], "undefined": [["c"]]}, "between a and b; 1 group undefined", "PASS"),
    ],
)
def test_a_largest_gap_must_show_which_groups_took_part(
    against: dict[str, Any], reason: str | None, verdict: str
) -> None:
    over = {"kind": "groups", "features": ["race"], **against}
    rows = [row(0.05, 0.15, metric="psi_difference", against=over, reason=reason)]
    rows += [row(0.0, 0.1, metric="psi", slice=(("race", group),)) for group in "ab"]
    gap = {"metric": "psi", "compare": "difference", "groups": ("race",), "max": 0.2}
    assert gate(rows, gap, expect={"race": ("a", "b")}).verdict == verdict


def test_without_expect_the_rows_of_the_groups_say_who_took_part() -> None:
    gap = {"metric": "psi", "compare": "difference", "groups": ("race",), "max": 0.2}
    over = row(0.05, 0.15, metric="psi_difference", against={"kind": "groups", "features": ["race"]})
    assert "does not say which groups took part" in said(gate([over], gap))[1]
    rows = [row(0.0, 0.1, metric="psi", slice=(("race", group),)) for group in "ab"]
    assert gate([over, *rows], gap).verdict == "PASS"
    small = row(0.0, 0.1, metric="psi", slice=(("race", "c"),), n=12)
    assert said(gate([over, *rows, small], gap)) == ("INSUFFICIENT", "c: n = 12, fewer than 30")
    gone = row(None, None, metric="psi", slice=(("race", "c"),), value=None, reason="no bins")
    assert said(gate([over, *rows, gone], gap)) == ("INSUFFICIENT", "c: no bins")
    only_counted = Measurement(metric="count", slice=(("race", "c"),), value=90, n=90, method="count")
    assert said(gate([over, *rows, only_counted], gap)) == ("INSUFFICIENT", "took no part in psi_difference: c")


def test_a_group_without_a_row_in_the_latest_window_is_not_shown() -> None:
    rows = [
        row(0.05, 0.15, slice=(("race", "a"),), window=week(1)),
        row(0.4, 0.5, slice=(("race", "b"),), window=week(0)),
    ]
    grouped = {**PSI, "groups": ("race",)}
    expected = ("INSUFFICIENT", "b: no row in the latest window")
    assert said(gate(rows, grouped)) == expected
    assert said(gate(rows, grouped, expect={"race": ("a", "b")})) == expected
    assert gate([*rows, row(0.05, 0.1, slice=(("race", "b"),), window=week(1))], grouped).verdict == "PASS"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"value": 7.0, "low": 6.0, "high": 8.0}, "accuracy 7 lies outside [0, 1]"),
        ({"value": 0.5, "low": 0.4, "high": 1.5}, "accuracy 1.5 lies outside [0, 1]"),
        ({"metric": "accuracy_difference", "value": -1.5, "low": -1.6, "high": 0.0}, "lies outside [-1, 1]"),
        ({"metric": "selection_rate_ratio", "value": -1.5, "low": -1.6, "high": 0.0}, "lies outside [0, inf]"),
        ({"level": None, "low": None, "high": None, "method": "count", "n": 1}, "claims no level of confidence"),
    ],
)
def test_a_row_that_the_catalog_rules_out_is_broken_evidence(fields: dict[str, Any], says: str) -> None:
    given = {"metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, **fields}
    over = {} if given["metric"] == "accuracy" else {"against": {"kind": "slice", "slice": {"g": "b"}}}
    over |= {"slice": (("g", "a"),)} if over else {}
    name = given["metric"].removesuffix("_difference").removesuffix("_ratio")
    needed: dict[str, Any] = {"metric": name, "min": 0.3}
    if over:
        how = given["metric"].removeprefix(name + "_")
        needed = {"metric": name, "compare": how, "slice": {"g": "a"}, "against": {"g": "b"}, "max": 0.3}
    verdict, reason = said(gate([row(given.pop("low"), given.pop("high"), **given, **over)], needed))
    assert verdict == "INVALID"
    assert says in reason


def test_a_ratio_without_an_upper_limit_fails_where_its_low_end_lies_beyond() -> None:
    pair = {"slice": (("g", "a"),), "against": {"kind": "slice", "slice": {"g": "b"}}}
    over = row(3.0, None, metric="selection_rate_ratio", value=None, reason="no upper limit: divided by 0", **pair)
    needed = {"metric": "selection_rate", "compare": "ratio", "groups": ("g",), "against": {"g": "b"}}
    assert gate([over], {**needed, "max": 1.25}).verdict == "FAIL"
    assert said(gate([over], {**needed, "max": 4.0})) == ("INSUFFICIENT", "no upper limit: divided by 0")
    assert gate([over], {**needed, "min": 0.8}).verdict == "INSUFFICIENT"


def test_a_metric_of_features_alone_says_how_to_name_one():
    rows = [
        Measurement(metric="kolmogorov_smirnov_statistic", at=(("feature", name),), value=0.1, low=0.0, high=0.2, n=90,
                    level=0.95, method="x")
        for name in ("height", "age")
    ]  # fmt: skip
    asked = Requirement(id="drift", metric="kolmogorov_smirnov_statistic", compare="value", max=0.1)
    policy = Policy(schema="evenhanded/policy/1", requirements=(asked,))
    found = judge_rows(asked, policy, Result(measurements=rows), today=date(2027, 3, 1))
    assert found.verdict == "INVALID"
    assert "write at: {feature: height} (it has height, age)" in (found.reason or "")
