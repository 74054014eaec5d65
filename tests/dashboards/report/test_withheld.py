"""A published report of each kind tells nothing of a small group: it reads the same whatever that group's rows say."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.causes.bias_sources import bias_sources
from audit.causes.fits import logistic_fit
from audit.causes.worlds import planted_world
from audit.counting import count
from audit.measurement import Measurement
from audit.paired.comparison import run_compare
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.scores.concentration import concentration_rows
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from audit.search.slices import run_slices
from audit.stress.flips import counterfactual_flips
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from dashboards.report import slices_part, sources_part
from dashboards.report.leads import leads
from dashboards.report.render import render_report
from dashboards.report.section import Section

FEATURES = ["team", "s"]


def frame(tiny="Tiny", second="Second"):
    """Return rows of which two groups are hidden at 10: one of 7, whom the model gets wrong, and one of 57."""
    rng = np.random.default_rng(0)
    team = np.repeat(np.array(["Large", "Medium", second, tiny], dtype=object), [900, 600, 57, 7])
    found = pd.DataFrame({"team": team, "s": rng.choice(["F", "M"], len(team)), "y": rng.integers(0, 2, len(team))})
    found["score"] = np.clip(0.4 * found["y"] + 0.6 * rng.random(len(team)), 0, 1).round(3)
    small = found["team"] == tiny
    found.loc[small, "score"] = (0.9 - 0.8 * found["y"][small]).round(3)
    found["old"] = (found["score"] > 0.5).astype(int)
    found["new"] = np.where(rng.random(len(team)) < 0.15, 1 - found["old"], found["old"])
    found.loc[small, "new"] = 1 - found.loc[small, "y"]
    return found


def audited(data):
    return run_audit(PredictionLog.from_frame(data, y_true="y", y_pred="new", sensitive_features=FEATURES))


def scored(data):
    return PredictionLog.from_frame(data, y_true="y", y_score="score", threshold=0.5, sensitive_features=FEATURES)


def flipped(data):
    return counterfactual_flips(
        lambda rows: (rows["score"] + 0.2 * (rows["s"] == "F") > 0.5).astype(int), data,
        change={"s": {"F": "M", "M": "F"}}, sensitive_features=FEATURES,
    )  # fmt: skip


KINDS = {
    "audit": audited,
    "calibration": lambda data: run_audit(scored(data)),
    "compare": lambda data: run_compare(data, y_true="y", candidate="new", baseline="old", sensitive_features=FEATURES),
    "thresholds": lambda data: run_thresholds(scored(data), Payoff(tp=5, fp=-1, fn=-5, tn=0)),
    "flips": flipped,
}


@pytest.fixture(scope="module", params=KINDS)
def pages(request):
    """Return by min_cell the page of a result, and that of it with the names of the two hidden groups exchanged."""
    both = KINDS[request.param](frame()), KINDS[request.param](frame("Second", "Tiny"))
    return {min_cell: tuple(told(result, min_cell=min_cell) for result in both) for min_cell in (None, 0, 60)}


def told(result, **options):
    """Return the page without the digests of what it was made from."""
    return re.sub(r"[0-9a-f]{64}", "digest", render_report(result, title="t", **options))


def test_which_hidden_group_is_the_small_one_is_told_nowhere(pages):
    for min_cell, (one, two) in pages.items():
        assert (one == two) == (min_cell != 0)


def test_the_page_says_how_many_groups_are_hidden_and_why(pages):
    for min_cell, smallest in ((None, 10), (60, 60)):
        page = pages[min_cell][0]
        most = 2 if smallest == 10 else 4  # 57 and 7 rows hold fewer than 60 of either label
        assert re.search(rf"\d groups are hidden \(.*team: [2-{most}]", page)
        assert f"rests on fewer than {smallest} rows, or they keep such a group from being found by subtraction" in page
        assert f"(n &lt; {70 - smallest}" not in page
    assert "are hidden (" not in pages[0][0]


def test_no_list_of_groups_with_few_rows_names_a_hidden_one():
    result = audited(frame())
    assert re.search(r"Too few rows to say much .*: .*Tiny", render_report(result, title="t", min_cell=0))
    for sentence in re.findall(r"Too few rows to say much[^<]*", render_report(result, title="t")):
        assert not {"Tiny", "Second"} & set(re.findall(r"\w+", sentence))


@pytest.mark.parametrize("stored", [False, True])
def test_verdicts_stand_without_the_numbers_and_reasons_of_hidden_groups(stored):
    requirements = (
        Requirement(id="of-the-small", metric="accuracy", slice={"team": "Tiny"}, min=0.5),
        Requirement(id="of-the-other", metric="accuracy", slice={"team": "Second"}, min=0.2),
        Requirement(id="gap", metric="accuracy", compare="difference", groups=("team",), max=0.05),
        Requirement(id="all", metric="accuracy", min=0.5),
    )
    result = audited(frame())
    policy = Policy(schema="evenhanded/policy/1", requirements=requirements, min_cell=10, min_n=30)
    gate = judge(result, policy)
    page = render_report(result, gate=gate, title="t", min_cell=10)
    rows = {row[0]: row[1] for row in re.findall(r'<th scope="row">([\w-]+) <span.*?<td>(.*?)</td>', page, re.DOTALL)}
    assert set(rows) == {one.id for one in requirements}
    for name in ("of-the-small", "of-the-other", "gap"):
        assert not re.search(r"n = \d", rows[name]), rows[name]
        assert not re.search(r"\d\.\d (%|points)", rows[name].partition("limit")[0]), rows[name]
    assert re.search(r"n = 1,564", rows["all"])
    assert page.count("this rests on groups whose numbers are hidden") >= 1


def test_the_steps_of_a_concentration_curve_are_not_drawn():
    data = frame()
    log = scored(data)
    found = run_thresholds(log, Payoff(tp=5, fp=-1, fn=-5, tn=0))
    order = ["Tiny", "Second", "Medium", "Large"]
    ones = {name: 1.0 for name in ("false_positive", "false_negative")}
    rows = concentration_rows(count(log), "team", order, harms=ones, benefits={"true_positive": 1.0})
    result = replace(found, measurements=(*found.measurements, *rows))
    assert "Harms and benefits over team" in render_report(result, title="t", min_cell=0)
    page = render_report(result, title="t")
    assert "Harms and benefits over team" not in page
    assert "The picture is not shown: it would tell how large a hidden group is." in page


def test_a_search_names_no_slice_that_is_small_by_the_min_cell_of_the_call():
    log = PredictionLog.from_frame(frame(), y_true="y", y_pred="new", sensitive_features=FEATURES)
    explored = run_slices(log, metric="accuracy", confirm=False, min_support=0.001)
    for result in (explored, run_slices(log, metric="accuracy", min_support=0.001)):
        assert "Tiny" not in render_report(result, title="t")
    assert "Tiny" in render_report(explored, title="t", min_cell=0)
    (section,) = slices_part.sections(explored, 60)
    assert re.search(r"to protect groups of fewer than 60 rows: \d+ slices", section.text)
    sizes = [int(n.replace(",", "")) for n in re.findall(r"n = ([\d,]+)", section.text)]
    assert sizes
    assert min(sizes) >= 60


def test_leads_of_a_search_give_no_slice_away_by_subtraction():
    facts = {"metric": "accuracy_difference", "against": {"kind": "rest"}, "level": 0.95, "high": -0.02,
             "method": "exact_square_and_add, found on one half, confirmed on the other"}  # fmt: skip
    rows = [Measurement(metric="slices_searched", value=9, n=300, method="count")]
    rows += [
        Measurement(slice=pairs, value=-0.2, low=low, n=n, **facts)
        for pairs, low, n in (((("g", "a"),), -0.3, 100), ((("g", "a"), ("s", "F")), -0.31, 96))
    ]
    result = Result(measurements=rows)
    assert sum("n = " in text for text in leads(result, min_cell=10)) == 1
    assert sum("n = " in text for text in leads(result, min_cell=4)) == 2
    text = slices_part.sections(result, 10)[0].text
    assert "fewer than 10 rows: 1 slice." in text
    assert "n = 96" not in text


def test_sources_of_the_gap_of_a_hidden_group_are_not_told():
    world = planted_world("measurement", n=900)
    result = bias_sources(world.data, logistic_fit, feature="team", group="B", population=world.population)
    size = next(row.n for row in result.measurements if row.metric == "count" and row.slice == (("team", "B"),))
    assert "Where the gap of B comes from" in render_report(result, title="t")
    page = render_report(result, title="t", min_cell=size + 1)
    assert "Where the gap of B comes from" not in page
    assert "supported" not in page
    assert re.search(r"groups are hidden \(team: 2\)", page)
    assert f"{size:,} " not in re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL).partition("Where this comes")[0]


def test_evidence_on_few_rows_is_hidden_and_the_verdict_stands():
    row = Measurement(metric="bias_source", slice=(("team", "B"),), at=(("class", "measurement"),), value=1.0, n=7,
                      method="evidence", reason="5 of 7 labels are wrong")  # fmt: skip
    text = sources_part.sections(Result(measurements=[row]), 10)[0].text
    assert "supported: measurement" in text
    assert "Here: hidden (n < 10)." in text
    assert "5 of 7" not in text
    assert "5 of 7" in sources_part.sections(Result(measurements=[row]), 7)[0].text


def test_extra_sections_hide_gaps_that_rest_on_hidden_groups():
    result = audited(frame())
    against = {"kind": "groups", "features": ["team"]}
    gap = Measurement(metric="brier_score_difference", against=against, value=0.1234, n=57, method="count",
                      reason="between Large and Medium")  # fmt: skip
    small = Measurement(metric="brier_score", slice=(("team", "Tiny"),), value=0.4321, n=57, method="count")
    extra = (Section(title="More", text="x", measurements=(gap, small)),)
    page = render_report(result, title="t", sections=extra)
    assert "12.3" not in page
    assert "0.432" not in page
    shown = render_report(result, title="t", sections=extra, min_cell=0)
    assert "0.432" in shown
