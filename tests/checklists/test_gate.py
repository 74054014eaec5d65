"""The gate: each rule of the verdict, by counts that show it."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from audit.errors import InputError
from audit.provenance import Provenance
from audit.result import Result
from checklists.gate import GateError, judge
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement

TODAY = date(2026, 11, 21)
GAP: dict[str, Any] = {"metric": "false_negative_rate", "compare": "difference", "groups": ("race",), "max": 0.1}
EVEN = {"a": (800, 200, 200, 800), "b": (800, 200, 200, 800)}
"""Two groups of 1,000 positives, both missed in 20 %."""


def policy(*requirements: dict[str, Any], **fields: Any) -> Policy:
    needed = tuple(Requirement(**{"id": f"r{place}", **one}) for place, one in enumerate(requirements))
    return Policy(schema="evenhanded/policy/1", requirements=needed, **fields)


def verdict(result: Result, requirement: dict[str, Any], *, baseline: Result | None = None, **fields: Any) -> tuple:
    gate = judge(result, policy(requirement, **fields), today=TODAY, baseline=baseline)
    (judgement,) = gate.judgements
    return judgement.verdict, judgement.reason or ""


def signed(group: str, *, expires: date = TODAY) -> NotAuditable:
    return NotAuditable(slice={"race": group}, reason="12 positives", owner="R. Sato", expires=expires)


def test_a_gap_that_lies_within_the_limit_passes(result_of: Any) -> None:
    gate = judge(result_of(EVEN), policy(GAP))
    (judgement,) = gate.judgements
    assert (judgement.verdict, judgement.reason, judgement.rows_needed) == ("PASS", None, None)
    assert judgement.measurement is not None
    assert judgement.measurement.metric == "false_negative_rate_difference"
    assert judgement.measurement.high == pytest.approx(0.035, abs=0.001)
    assert (gate.verdict, gate.exit_code) == ("PASS", 0)
    gate.require()


def test_a_gap_that_lies_wholly_beyond_fails_and_names_the_groups(result_of: Any) -> None:
    found, reason = verdict(result_of({**EVEN, "c": (500, 0, 500, 0)}), GAP)
    assert found == "FAIL"
    assert "between c and" in reason


def test_an_interval_that_holds_the_limit_is_not_shown_and_says_what_would_show_it(result_of: Any) -> None:
    gate = judge(result_of({"a": (85, 0, 15, 0), "b": (80, 0, 20, 0)}), policy(GAP))
    (judgement,) = gate.judgements
    assert judgement.verdict == "INSUFFICIENT"
    assert judgement.rows_needed is not None
    more = f"n = {judgement.rows_needed:,} of b (between b and a) would show PASS with 80 % power"
    assert more in (judgement.reason or "")
    assert gate.exit_code == 3


def test_a_small_third_group_does_not_lend_its_width_to_the_others(result_of: Any) -> None:
    """The rows needed come from one pair's own value, interval and n."""
    large = {"a": (7000, 0, 3000, 0), "b": (6400, 0, 3600, 0)}
    needed = []
    for data in (large, {**large, "c": (30, 0, 15, 0)}):
        gate = judge(result_of(data), policy({**GAP, "max": 0.055}), today=TODAY)
        (judgement,) = gate.judgements
        assert "of b (between b and a) would show FAIL" in (judgement.reason or "")
        needed.append(judgement.rows_needed or 0)
    # The Bonferroni bound of three comparisons in place of one asks for some more rows.
    assert 1 < needed[1] / needed[0] < 1.5


@pytest.mark.parametrize("groups", [(), ("race",)])
def test_a_value_that_is_not_shown_names_its_own_rows(result_of: Any, groups: tuple[str, ...]) -> None:
    needed = {"metric": "false_negative_rate", "groups": groups, "max": 0.25}
    found, reason = verdict(result_of({"a": (80, 0, 20, 0)}), needed)
    whose = " of a" if groups else ""
    assert found == "INSUFFICIENT"
    assert re.search(rf"if the estimate were true, n = \d+{whose} would show PASS", reason)


@pytest.mark.parametrize(("compare", "limit"), [("max", {"max": 0.2}), ("min", {"min": 0.2})])
def test_limits_are_inclusive(result_of: Any, compare: str, limit: dict[str, float]) -> None:
    """A bound equal to the limit holds: the limit is set to the bound that the gate itself reports."""
    plain = {"metric": "false_negative_rate"}
    first = judge(result_of({"a": (800, 0, 200, 0)}), policy({**plain, **limit})).judgements[0].measurement
    assert first is not None
    bound = first.high if compare == "max" else first.low
    assert verdict(result_of({"a": (800, 0, 200, 0)}), {**plain, compare: bound})[0] == "PASS"
    beyond = first.low if compare == "max" else first.high
    assert verdict(result_of({"a": (800, 0, 200, 0)}), {**plain, compare: beyond})[0] == "INSUFFICIENT"


def test_equivalence_needs_both_limits(result_of: Any) -> None:
    both = {"metric": "selection_rate", "min": 0.4, "max": 0.6}
    assert verdict(result_of({"a": (500, 0, 500, 0)}), both)[0] == "PASS"
    assert verdict(result_of({"a": (300, 0, 700, 0)}), both)[0] == "FAIL"
    assert verdict(result_of({"a": (700, 0, 300, 0)}), both)[0] == "FAIL"
    assert verdict(result_of({"a": (590, 0, 410, 0)}), both)[0] == "INSUFFICIENT"
    assert verdict(result_of({"a": (410, 0, 590, 0)}), both)[0] == "INSUFFICIENT"


def test_the_worst_group_decides_a_value(result_of: Any) -> None:
    every = {"metric": "false_negative_rate", "groups": ("race",), "max": 0.3}
    assert verdict(result_of(EVEN), every)[0] == "PASS"
    found, reason = verdict(result_of({**EVEN, "c": (500, 0, 500, 0)}), every)
    assert (found, reason) == ("FAIL", "c")


def test_a_small_group_keeps_the_others_from_passing_and_not_from_failing(result_of: Any) -> None:
    small = {**EVEN, "c": (10, 300, 2, 300)}
    found, reason = verdict(result_of(small), GAP)
    assert found == "INSUFFICIENT"
    assert reason == "c: n = 12, fewer than 30"
    assert verdict(result_of({**small, "d": (500, 0, 500, 0)}), GAP)[0] == "FAIL"
    terrible = {**EVEN, "c": (0, 300, 12, 300)}
    assert verdict(result_of(terrible), GAP)[0] == "INSUFFICIENT"
    assert verdict(result_of(terrible), {**GAP, "min_n": 12})[0] == "FAIL"


@pytest.mark.parametrize(
    ("confusion", "reason"),
    [
        ((1, 0, 0, 0), "c: n = 1, fewer than 30"),
        ((0, 30, 0, 300), "c: n = 0, fewer than 30 (no positive labels in slice)"),
    ],
    ids=["one row", "one class"],
)
def test_groups_of_one_row_or_one_class_are_not_shown(result_of: Any, confusion: Any, reason: str) -> None:
    assert verdict(result_of({**EVEN, "c": confusion}), GAP) == ("INSUFFICIENT", reason)


def test_min_n_counts_the_denominator_of_the_metric(result_of: Any) -> None:
    """20 positives and 2,000 negatives: enough for the false positive rate, too few for the false negative rate."""
    few = {"a": (20, 0, 0, 2000), "b": (20, 0, 0, 2000)}
    assert verdict(result_of(few), GAP)[0] == "INSUFFICIENT"
    assert verdict(result_of(few), {**GAP, "metric": "false_positive_rate"})[0] == "PASS"
    odds = {"metric": "equalized_odds_difference", "groups": ("race",), "max": 0.2}
    assert verdict(result_of(few), odds)[0] == "INSUFFICIENT"


def test_an_expected_group_that_is_gone_is_broken_evidence(result_of: Any) -> None:
    found, reason = verdict(result_of(EVEN), GAP, expect={"race": ("a", "b", "c")})
    assert (found, reason) == ("INVALID", "expected, and absent from the data: race=c")
    excused = verdict(result_of(EVEN), GAP, expect={"race": ("a", "b", "c")}, not_auditable=(signed("c"),))
    assert excused[0] == "INVALID"


def test_a_group_outside_expect_may_fail_the_gate_and_need_not_be_shown(result_of: Any) -> None:
    expect = {"race": ("a", "b")}
    found, reason = verdict(result_of({**EVEN, "c": (500, 0, 500, 0)}), GAP, expect=expect)
    assert (found, "between c and" in reason) == ("FAIL", True)
    left_out = ("PASS", "not shown for: c (not in expect)")
    assert verdict(result_of({**EVEN, "c": (20, 0, 9, 0)}), GAP, expect=expect) == left_out
    undecided = result_of({**EVEN, "c": (78, 0, 22, 0)})
    assert verdict(undecided, GAP)[0] == "INSUFFICIENT"
    assert verdict(undecided, GAP, expect=expect) == left_out
    worst = {"metric": "false_negative_rate", "groups": ("race",), "max": 0.3}
    assert verdict(result_of({**EVEN, "c": (500, 0, 500, 0)}), worst, expect=expect)[0] == "FAIL"


def test_the_comparisons_that_may_fail_are_all_counted(result_of: Any) -> None:
    """Whether a group is expected or not, it takes part in the Bonferroni bound of a FAIL."""
    data = result_of({**EVEN, **{name: (160, 0, 40, 0) for name in "cdefg"}, "z": (730, 0, 270, 0)})
    bounds = []
    for expect in ({}, {"race": ("a", "b")}):
        gate = judge(data, policy({**GAP, "max": 0.001}, expect=expect), today=TODAY)
        bounds.append(gate.judgements[0].measurement.low)  # type: ignore[union-attr]
    assert bounds[0] == bounds[1]
    assert bounds[0] > 0.001


def test_what_fails_only_while_the_other_groups_are_not_counted_is_not_shown(result_of: Any) -> None:
    data = result_of({"a": (800, 0, 200, 0), "b": (660, 0, 340, 0), **{name: (730, 0, 270, 0) for name in "cdefg"}})
    assert verdict(result_of({"a": (800, 0, 200, 0), "b": (660, 0, 340, 0)}), GAP)[0] == "FAIL"
    found, reason = verdict(data, GAP, expect={"race": ("a", "b")})
    assert found == "INSUFFICIENT"
    assert reason.startswith("between b and a: beyond the limit alone, but not among all comparisons")
    assert "would show FAIL" in reason


def test_the_missing_value_is_a_group_only_if_it_is_expected(result_of: Any) -> None:
    missing = result_of({**EVEN, None: (500, 0, 500, 0)})
    assert verdict(missing, GAP) == ("PASS", "not shown for: (missing) (not in expect)")
    assert verdict(missing, GAP, expect={"race": ("a", "b", None)})[0] == "FAIL"


def test_a_group_that_someone_answers_for_is_left_out_until_the_entry_expires(result_of: Any) -> None:
    small = result_of({**EVEN, "c": (10, 0, 2, 0)})
    expect = {"race": ("a", "b", "c")}
    found, reason = verdict(small, GAP, expect=expect, not_auditable=(signed("c"),))
    assert (found, reason) == ("PASS", "not shown for: c (excused: 12 positives)")
    found, reason = verdict(small, GAP, expect=expect, not_auditable=(signed("c", expires=date(2026, 11, 20)),))
    assert found == "INSUFFICIENT"
    assert "the entry that excused c expired on 2026-11-20" in reason


def test_an_excuse_hides_no_failure_and_leaves_no_pass_without_groups(result_of: Any) -> None:
    bad = result_of({**EVEN, "c": (500, 0, 500, 0)})
    assert verdict(bad, GAP, not_auditable=(signed("c"),))[0] == "FAIL"
    found, reason = verdict(result_of(EVEN), GAP, not_auditable=(signed("a"), signed("b")))
    assert found == "INSUFFICIENT"
    assert "every group is excused" in reason
    assert verdict(result_of(EVEN), GAP, not_auditable=(signed("a"),))[0] == "INSUFFICIENT"


def test_one_group_alone_shows_no_gap(result_of: Any) -> None:
    found, reason = verdict(result_of({"a": EVEN["a"]}), GAP)
    assert (found, reason) == ("INSUFFICIENT", "a gap needs two groups; fewer can be judged")


def test_against_a_named_reference_the_difference_has_a_sign(result_of: Any) -> None:
    better = result_of({"a": (800, 0, 200, 0), "b": (950, 0, 50, 0), "c": (810, 0, 190, 0)})
    assert verdict(better, GAP)[0] == "FAIL"
    assert verdict(better, {**GAP, "against": {"race": "a"}})[0] == "PASS"
    assert verdict(better, {**GAP, "against": {"race": "b"}})[0] == "FAIL"
    assert verdict(better, {**GAP, "against": {"race": "z"}})[0] == "INVALID"
    small = result_of({**EVEN, "r": (10, 0, 2, 0)})
    found, reason = verdict(small, {**GAP, "against": {"race": "r"}}, expect={"race": ("a", "b")})
    assert (found, reason) == ("INSUFFICIENT", "r: n = 12, fewer than 30")


def test_a_reference_with_too_few_rows_decides_nothing_even_if_it_is_excused(result_of: Any) -> None:
    small = result_of({"a": (200, 0, 800, 0), "b": (200, 0, 800, 0), "r": (12, 0, 0, 0)})
    failing = {**GAP, "against": {"race": "r"}, "max": 0.01}
    passing = {**failing, "max": 0.9}
    for needed in (failing, passing):
        assert verdict(small, needed)[0] == "INSUFFICIENT"
        assert verdict(small, needed, not_auditable=(signed("r"),))[0] == "INSUFFICIENT"
        assert verdict(small, needed, not_auditable=(signed("r"), signed("a")))[0] == "INSUFFICIENT"
    large = result_of({"a": (200, 0, 800, 0), "b": (200, 0, 800, 0), "r": (1200, 0, 0, 0)})
    assert [verdict(large, needed)[0] for needed in (failing, passing)] == ["FAIL", "PASS"]


def test_one_slice_against_another_and_one_slice_alone(result_of: Any) -> None:
    data = result_of({**EVEN, "c": (500, 0, 500, 0)})
    pair = {"metric": "false_negative_rate", "compare": "difference", "max": 0.1}
    assert verdict(data, {**pair, "slice": {"race": "a"}, "against": {"race": "b"}})[0] == "PASS"
    assert verdict(data, {**pair, "slice": {"race": "c"}, "against": {"race": "b"}})[0] == "FAIL"
    alone = {"metric": "false_negative_rate", "max": 0.3}
    assert verdict(data, {**alone, "slice": {"race": "a"}})[0] == "PASS"
    assert verdict(data, {**alone, "slice": {"race": "c"}})[0] == "FAIL"
    assert verdict(data, {**alone, "slice": {"race": "z"}})[0] == "INVALID"


def test_ratios(result_of: Any) -> None:
    ratio = {"metric": "selection_rate", "compare": "ratio", "groups": ("race",), "min": 0.8}
    assert verdict(result_of(EVEN), ratio)[0] == "PASS"
    half = result_of({"a": (500, 0, 500, 0), "b": (250, 0, 750, 0)})
    assert verdict(half, ratio)[0] == "FAIL"
    assert verdict(half, {"metric": "demographic_parity_ratio", "groups": ("race",), "min": 0.8})[0] == "FAIL"
    nobody = result_of({"a": (0, 0, 500, 0), "b": (0, 0, 500, 0)})
    assert verdict(nobody, ratio)[0] == "INSUFFICIENT"
    largest = {"metric": "selection_rate", "compare": "ratio", "groups": ("race",), "max": 1.25}
    none_of_a = result_of({"a": (0, 0, 500, 0), "b": (250, 0, 250, 0)})
    assert verdict(none_of_a, largest) == ("FAIL", "between b and a; no upper limit: divided by 0")
    assert verdict(none_of_a, {**largest, "against": {"race": "a"}})[0] == "FAIL"
    assert verdict(result_of({"a": (0, 0, 500, 0), "b": (1, 0, 499, 0)}), largest)[0] == "INSUFFICIENT"


@pytest.mark.parametrize("name", ["false_negative_rate_difference", "equal_opportunity_difference"])
def test_a_gap_may_be_called_by_its_name(result_of: Any, name: str) -> None:
    named = {"metric": name, "groups": ("race",), "max": 0.1}
    assert verdict(result_of(EVEN), named)[0] == "PASS"
    assert verdict(result_of({**EVEN, "c": (500, 0, 500, 0)}), named)[0] == "FAIL"


def test_intersections_without_rows_are_not_shown_and_their_parts_must_be_there(result_of: Any) -> None:
    cells = {("a", "F"): EVEN["a"], ("a", "M"): EVEN["a"], ("b", "F"): EVEN["a"]}
    data = result_of(cells, features=("race", "sex"))
    both = {**GAP, "groups": ("race", "sex")}
    expect = {"race": ("a", "b"), "sex": ("F", "M")}
    assert verdict(data, both)[0] == "PASS"
    assert verdict(data, both, expect={"race": ("a", "b")})[0] == "PASS"
    assert verdict(data, both, expect=expect) == ("INSUFFICIENT", "b & M: no rows")
    assert verdict(data, both, expect={**expect, "sex": ("F", "M", "X")})[0] == "INVALID"
    entry = NotAuditable(slice={"sex": "M"}, reason="few", owner="R. Sato", expires=TODAY)
    assert verdict(data, both, expect=expect, not_auditable=(entry,))[0] == "PASS"


def test_no_worse_than_an_earlier_run(result_of: Any) -> None:
    no_worse = {**GAP, "compare": "baseline"}
    earlier = result_of(EVEN)
    assert verdict(result_of(EVEN), no_worse, baseline=earlier)[0] == "PASS"
    worse = result_of({"a": (800, 0, 200, 0), "b": (600, 0, 400, 0)})
    assert verdict(worse, no_worse, baseline=earlier)[0] == "FAIL"
    found, reason = verdict(result_of(EVEN), no_worse)
    assert found == "INSUFFICIENT"
    assert "--baseline RUN" in reason
    fresh = result_of({**EVEN, "c": EVEN["a"]})
    assert verdict(fresh, no_worse, baseline=earlier) == ("INSUFFICIENT", "c: in the earlier run no rows")
    everyone = {"metric": "false_negative_rate", "compare": "baseline", "max": 0.05}
    assert verdict(worse, everyone, baseline=earlier)[0] == "FAIL"
    assert verdict(earlier, everyone, baseline=earlier)[0] == "PASS"


def test_evidence_that_was_changed_or_lacks_what_is_asked_for_is_invalid(result_of: Any) -> None:
    whole = result_of(EVEN)
    changed = replace(whole, provenance=Provenance(tally="0" * 64))
    found, reason = verdict(changed, GAP)
    assert found == "INVALID"
    assert "digests differ" in reason
    assert verdict(whole, {**GAP, "compare": "baseline"}, baseline=changed)[0] == "INVALID"
    found, reason = verdict(whole, {**GAP, "groups": ("sex",)})
    assert (found, "no sensitive feature sex; it has race" in reason) == ("INVALID", True)
    found, reason = verdict(whole, {"metric": "false_negatve_rate", "max": 0.1})
    assert (found, "did you mean 'false_negative_rate'?" in reason) == ("INVALID", True)
    found, reason = verdict(whole, {"metric": "roc_auc", "min": 0.6})
    assert (found, reason.startswith("error while judging: ")) == ("INVALID", True)
    bare = replace(whole, tally=None)
    assert verdict(bare, GAP)[0] == "INVALID"
    assert judge([], policy(GAP)).exit_code == 4


def test_a_ratio_that_is_not_defined_for_a_metric_is_invalid_and_not_an_exception(result_of: Any) -> None:
    found, reason = verdict(result_of(EVEN), {**GAP, "metric": "f1", "compare": "ratio", "max": 1.5})
    assert found == "INVALID"
    assert "ratios are defined for rates only" in reason


def test_stages(result_of: Any) -> None:
    asked = policy({**GAP, "stages": ("expand", "general")}, {"metric": "accuracy", "min": 0.6})
    data = result_of(EVEN)
    assert [one.requirement.id for one in judge(data, asked).judgements] == ["r0", "r1"]
    assert [one.requirement.id for one in judge(data, asked, stage="expand").judgements] == ["r0", "r1"]
    assert [one.requirement.id for one in judge(data, asked, stage="shadow").judgements] == ["r1"]
    nothing = judge(data, policy({**GAP, "stages": ("expand",)}), stage="shadow")
    assert (nothing.judgements, nothing.verdict, nothing.exit_code) == ((), "INVALID", 4)
    with pytest.raises(GateError, match="no requirement applies to stage 'shadow'"):
        nothing.require()
    with pytest.raises(InputError, match="unknown stage 'expnd'; expected one of ready, shadow"):
        judge(data, asked, stage="expnd")


def test_several_results_answer_each_for_its_features_and_the_worst_counts(result_of: Any) -> None:
    by_race = result_of(EVEN)
    by_sex = result_of({"F": (500, 0, 500, 0), "M": (900, 0, 100, 0)}, features=("sex",))
    gate = judge([by_race, by_sex], policy(GAP, {**GAP, "groups": ("sex",)}, {"metric": "accuracy", "min": 0.75}))
    assert [one.verdict for one in gate.judgements] == ["PASS", "FAIL", "FAIL"]
