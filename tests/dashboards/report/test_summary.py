import re

from dashboards.judgements import judged_gate, read_gate
from dashboards.report.summary import largest_gaps, summarise


def test_a_gate_is_told_in_sentences(result, gate):
    told = summarise(result, judged_gate(read_gate(gate.to_json()), min_cell=12), min_cell=12)
    assert told.asked == "4 requirements were judged, by the interval at confidence 95 % and not by the estimate alone."
    assert told.found.startswith("The evidence is broken")
    assert re.fullmatch(
        r"Difference in false positive rate between groups of race \(between \w+ and \w+\): [\d.]+ points \[.*\], "
        r"where the policy asks for at most 1 point\.",
        told.failing[0],
    )
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
