"""Evidence that cannot be trusted, or is not the evidence that the policy speaks of, breaks the whole gate."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from checklists.gate import judge
from checklists.policy import NotAuditable, Policy
from checklists.requirement import Requirement

TODAY = date(2026, 11, 21)
EVEN = {"a": (800, 200, 200, 800), "b": (800, 200, 200, 800)}
GAP: dict[str, Any] = {"metric": "false_negative_rate", "compare": "difference", "groups": ("race",), "max": 0.1}
ACCURACY: dict[str, Any] = {"metric": "accuracy", "min": 0.3}
NO_WORSE: dict[str, Any] = {"metric": "false_negative_rate", "compare": "baseline", "max": 0.1}


def judged(result: Any, *requirements: dict[str, Any], baseline: Result | None = None, **fields: Any) -> list[tuple]:
    needed = tuple(Requirement(**{"id": f"r{place}", **one}) for place, one in enumerate(requirements))
    gate = judge(
        result, Policy(schema="evenhanded/policy/1", requirements=needed, **fields), today=TODAY, baseline=baseline
    )
    return [(row.verdict, row.reason or "") for row in gate.judgements]


def entry(**slice_: str) -> NotAuditable:
    return NotAuditable(slice=slice_, reason="few", owner="R. Sato", expires=TODAY)


def test_a_result_whose_counts_are_not_at_hand_is_broken_evidence(result_of: Any) -> None:
    bare = Result.from_json(result_of(EVEN).to_json())
    for verdict, reason in judged(bare, GAP, ACCURACY):
        assert verdict == "INVALID"
        assert reason == "this result was made from a tally that is not at hand; name the folder of the run"


def test_a_misspelt_feature_in_expect_is_named_with_the_right_one(result_of: Any) -> None:
    ((verdict, reason),) = judged(result_of(EVEN), GAP, expect={"Race": ("a", "b")})
    assert verdict == "INVALID"
    assert reason == "expect names the feature 'Race', which no result has; did you mean 'race'? There is race"
    assert judged(result_of(EVEN), GAP, expect={"race": ("a", "b")})[0][0] == "PASS"


def test_a_misspelt_feature_of_an_excuse_is_named_with_the_right_one(result_of: Any) -> None:
    ((verdict, reason),) = judged(result_of(EVEN), GAP, not_auditable=(entry(raze="a"),))
    assert verdict == "INVALID"
    assert reason.startswith("not_auditable names the feature 'raze', which no result has; did you mean 'race'?")


def test_an_expected_value_that_is_absent_breaks_a_gate_that_looks_at_no_group(result_of: Any) -> None:
    found = judged(result_of(EVEN), ACCURACY, expect={"race": ("a", "c")})
    assert found == [("INVALID", "expected, and absent from the data: race=c")]
    assert judged(result_of(EVEN), ACCURACY, expect={"race": ("a", "b")})[0][0] == "PASS"


def test_a_feature_that_one_of_several_results_holds_is_known(result_of: Any) -> None:
    by_sex = result_of({"F": EVEN["a"], "M": EVEN["a"]}, features=("sex",))
    expect = {"race": ("a", "b"), "sex": ("F", "M")}
    assert [verdict for verdict, _ in judged([result_of(EVEN), by_sex], GAP, ACCURACY, expect=expect)] == ["PASS"] * 2


def test_stored_rows_name_their_features_and_groups() -> None:
    rows = [
        Measurement(
            metric="psi", slice=(("race", group),), value=0.1, low=0.05, high=0.15, n=500, level=0.95, method="m"
        )
        for group in "ab"
    ]
    needed = {"metric": "psi", "groups": ("race",), "max": 0.2}
    result = Result(measurements=tuple(rows))
    assert judged(result, needed, expect={"race": ("a", "b")})[0][0] == "PASS"
    assert judged(result, needed, expect={"sex": ("F",)})[0][0] == "INVALID"
    assert judged(result, {**needed, "groups": (), "slice": {"race": "a"}}, expect={"race": ("z",)})[0][0] == "INVALID"


@pytest.mark.parametrize(
    ("change", "named"),
    [({"positive": "0"}, "positive label '0' then, '1' now"), ({"weights": "sampling"}, "weights 'sampling' then")],
)
def test_an_earlier_run_that_counted_otherwise_is_no_baseline(
    result_of: Any, change: dict[str, str], named: str
) -> None:
    now = result_of(EVEN)
    tally = replace(now.tally, **change)
    earlier = replace(now, tally=tally, provenance=Provenance(tally=tally.digest()))
    (against, alone) = judged(now, NO_WORSE, ACCURACY, baseline=earlier)
    assert against[0] == "INVALID"
    assert against[1].startswith("the earlier run was made otherwise: ")
    assert named in against[1]
    assert alone[0] == "PASS"


@pytest.mark.parametrize(
    ("name", "then", "now"),
    [("threshold", 0.3, 0.5), ("score_max", 10.0, 1.0), ("bins", {"age": [25]}, {}), ("missing", "drop", "group")],
)
def test_an_earlier_run_with_other_settings_is_no_baseline(result_of: Any, name: str, then: Any, now: Any) -> None:
    result = result_of(EVEN)
    tally = result.provenance.tally
    current = replace(result, provenance=Provenance(tally=tally, defaulted={name: now}))
    earlier = replace(result, provenance=Provenance(tally=tally, given={name: then}))
    ((verdict, reason),) = judged(current, NO_WORSE, baseline=earlier)
    assert (verdict, f"{name} {then!r} then, {now!r} now" in reason) == ("INVALID", True)
    same = replace(earlier, provenance=Provenance(tally=tally, given={name: now}))
    assert judged(current, NO_WORSE, baseline=same)[0][0] == "PASS"
