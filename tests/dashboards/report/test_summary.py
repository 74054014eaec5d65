import json
import re

import numpy as np
import pandas as pd
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from dashboards.judgements import JudgedGate, JudgedRow, judged_gate, read_gate
from dashboards.report.render import render_report
from dashboards.report.summary import largest_gaps, summarise
from dashboards.report.withheld import gate_without
from dashboards.tables import display_row


def test_a_gate_is_told_in_sentences(result, gate):
    told = summarise(result, judged_gate(read_gate(gate.to_json()), min_cell=12), min_cell=12)
    assert told.asked == "4 requirements were judged, by the interval at confidence 95 % and not by the estimate alone."
    assert told.found.startswith("The evidence is broken")
    assert re.fullmatch(
        r"Difference in false positive rate between groups of race \(between \w+ and \w+\): [\d.]+ points \[.*\], "
        r"where the policy asks for at most 1 point\. That is [\d.]+ % against [\d.]+ %\.",
        told.failing[0],
    )
    gap, higher, lower = (float(text) for text in re.findall(r"([\d.]+) (?:points \[|%)", told.failing[0]))
    assert higher - lower == pytest.approx(gap, abs=0.11)
    assert any(text.startswith("calibration: ") for text in told.unknown)


def test_what_is_missing_and_few_is_said(build):
    result = build(["A"] * 40 + ["B"] * 40 + [None] * 5, rows=900)
    unknown = " ".join(summarise(result, None, min_cell=10).unknown)
    n = next(row.n for row in result.measurements if row.metric == "count" and row.slice == (("race", None),))
    assert f"race is missing in {n} rows" in unknown
    assert "Too few rows to say much" in unknown
    hidden = " ".join(summarise(result, None, min_cell=n + 1).unknown)
    assert "race is missing in some (hidden) rows" in hidden


def test_the_largest_gaps_are_the_largest_of_groups_that_may_be_shown(build):
    result = build([*["Large"] * 3, *["Medium"] * 3, "Tiny"], rows=20_000, seed=4)
    (first,) = (text for text in largest_gaps(result, min_cell=0) if "race" in text)
    whom = re.search(r"race = (\w+)", first)[1]
    n = next(row.n for row in result.measurements if row.metric == "count" and row.slice == (("race", whom),))
    assert not any(f"race = {whom} " in text for text in largest_gaps(result, min_cell=n + 1))


def test_what_is_not_shown_to_differ_is_no_headline(build):
    result = build(["A", "B"], rows=200, seed=2)
    found = summarise(result, None, min_cell=0)
    assert all(_sure(result, text) for text in found.leading)
    assert any("no group is shown to differ from all others" in text for text in found.unknown)
    assert "near end" not in found.found


def _sure(result, text):
    low, high = (float(end.replace("−", "-")) for end in text.partition("[")[2].partition("]")[0].split(", "))
    return low > 0 or high < 0


def test_groups_that_may_be_one_are_named_as_not_known(build):
    result = build(["F", "F ", "M"], feature="group")
    unknown = summarise(result, None, min_cell=0).unknown
    assert any("“F” and “F␣”" in text and "counted apart" in text for text in unknown)
    page = render_report(result, title="t")
    assert "F␣" in page
    assert not any("counted apart" in text for text in summarise(build(["F", "M"]), None, min_cell=0).unknown)


def test_a_weighted_result_says_so_first_and_in_every_caption():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": rng.integers(0, 2, 400), "p": rng.integers(0, 2, 400), "g": rng.choice(["a", "b"], 400)})
    frame["w & w"] = rng.uniform(1, 3, 400)
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sample_weight="w & w", sensitive_features=["g"])
    result = run_audit(log)
    assert "weighted by “w & w”; n counts rows" in summarise(result, None, min_cell=0).rows
    page = render_report(result, title="t")
    captions = re.findall(r"<caption>(.*?)</caption>", page)
    assert sum("weighted by “w &amp; w”; n counts rows" in text for text in captions) >= 3
    plain = run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"]))
    assert "weighted by" not in summarise(plain, None, min_cell=0).rows


def test_a_limit_is_in_points_and_nothing_measured_says_why(result):
    needed = Requirement(id="no-worse", metric="accuracy", compare="baseline", min=-0.05)
    gate = judge(result, Policy(schema="evenhanded/policy/1", requirements=(needed,)))
    row = judged_gate(json.loads(gate.to_json()), min_cell=10).rows[0]
    assert row.limit == "at least -5 points"
    assert row.unmeasured == "Nothing could be measured: there is no earlier run to compare with."
    page = render_report(result, gate=gate, title="t")
    assert "there is no earlier run to compare with. Limit: at least -5 points" in page


def test_a_hidden_judged_number_says_that_some_group_is_too_small_and_not_which():
    found = Measurement(metric="accuracy", slice=(("race", "Tiny"),), value=0.5, n=3, method="count")
    row = JudgedRow(id="acc", verdict="INSUFFICIENT", limit="", measured=display_row(found), reason="", rows_needed="",
                    judged=found)  # fmt: skip
    gate = JudgedGate(verdict="INSUFFICIENT", rows=(row,), not_auditable=(), policy=(), stage="", level=0.95,
                      false_fail_level=0.05, result="")  # fmt: skip
    shown = gate_without(gate, Result(measurements=[found]), [found.slice], min_cell=10).rows[0].measured
    assert shown.value == "hidden, to protect some group too small to publish (n < 10)"
    assert "Tiny" not in shown.value


def judged_of(result, **named):
    asked = Requirement(id="gap", compare="difference", groups=("race",), max=0.5, **named)
    gate = judge(result, Policy(schema="evenhanded/policy/1", requirements=(asked,)))
    return judged_gate(read_gate(gate.to_json()), min_cell=10)


@pytest.mark.parametrize(
    ("metric", "spoken"),
    [
        ("false_positive_rate", {"False positive rate"}),
        ("true_positive_rate", {"False negative rate"}),
        ("equalized_odds", {"False positive rate", "False negative rate"}),
    ],
)
def test_large_gaps_that_no_requirement_limits_are_named(result, metric, spoken):
    """All headlines are limited but one by one: what is limited is not among the rest, what is left is."""
    told = summarise(result, judged_of(result, metric=metric), min_cell=10)
    races = [text for text in told.unjudged if "race = " in text]
    assert not [text for text in races if text.partition(":")[0] in spoken]
    assert all("for sure" not in text for text in told.unjudged)
    everything = summarise(result, None, min_cell=10).leading
    assert [text for text in everything if "race = " in text]


def test_counts_that_a_page_hides_stand_in_no_reason(build):
    result = build([*["Large"] * 60, *["Medium"] * 38, "Tiny", "Second"], rows=500, seed=4)
    gate = judged_of(result, metric="false_negative_rate")
    told = " ".join(summarise(result, gate, min_cell=10).unknown)
    assert re.search(r"Tiny: n < 10, fewer than 30", told)
    counts = [int(found) for found in re.findall(r"n = (\d+)", told)]
    assert all(count >= 10 for count in counts)
