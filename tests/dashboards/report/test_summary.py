import re

import pytest

from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from dashboards.judgements import judged_gate, read_gate
from dashboards.report.summary import largest_gaps, summarise


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
    result = build([*["Large"] * 60, *["Medium"] * 38, "Tiny", "Second"], rows=500, seed=4)
    assert not any("Tiny" in text or "Second" in text for text in largest_gaps(result, min_cell=10))
    assert any("Tiny" in text or "Second" in text for text in largest_gaps(result, min_cell=0))
    sizes = [float(re.search(r"lies ([\d.]+) points", text).group(1)) for text in largest_gaps(result, min_cell=0)]
    assert sizes == sorted(sizes, reverse=True)


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
