import numpy as np
import pytest

from audit.result import Result
from dashboards.report.calibration_part import MOST, reliability_svg, sections
from dashboards.report.render import render_report


def test_the_worst_calibrated_group_comes_first(scored):
    race, sex = sections(scored)
    assert [part.title for part in (race, sex)] == [
        "Do the scores keep their promise? By race",
        "Do the scores keep their promise? By sex",
    ]
    paragraphs = race.text.split("\n\n")
    assert paragraphs[0].startswith("A score of 0.3 promises")
    assert paragraphs[1].startswith("• Blue: All in all the scores promise too little, by ")
    assert not sex.text.startswith("A score of 0.3")
    errors = [row for row in race.measurements if row.metric == "expected_calibration_error"]
    assert [row.low for row in errors] == sorted((row.low for row in errors), reverse=True)
    assert errors[0].slice == (("race", "Blue"),)


def test_the_page_holds_picture_and_numbers(scored):
    page = render_report(scored, title="Scores")
    assert page.count('aria-label="Promised and come true by') == 2
    assert "Do the scores keep their promise? By race" in page
    assert page == render_report(scored, title="Scores")


def test_small_groups_and_bins_are_not_drawn(scored_log):
    result = scored_log(["Blue", "Green", "Red", "tiny"], sizes=[900, 800, 700, 6])
    (section, *_) = sections(result)
    assert "tiny" not in section.text
    assert "tiny" not in section.pictures[0].svg
    assert not any(dict(row.slice).get("race") == "tiny" for row in section.measurements)


def test_more_groups_than_fit_are_counted(scored_log):
    names = [f"group {place}" for place in range(MOST + 3)]
    (section, *_) = sections(scored_log(names, sizes=[300] * len(names)))
    assert "3 more groups, none with a larger error that is shown, stand in the JSON." in section.text
    assert sum(name in section.pictures[0].svg for name in names) == MOST


def test_results_without_scores_have_no_part(result):
    assert sections(result) == ()
    assert sections(Result(measurements=[])) == ()


def test_a_part_of_the_metrics_is_enough_or_silent(scored):
    some = [row for row in scored.measurements if row.metric != "expected_calibration_error"]
    assert sections(Result(measurements=some, tally=scored.tally)) == ()


def test_hostile_names_are_escaped(scored_log, hostile_names):
    result = scored_log([*hostile_names], sizes=[400] * len(hostile_names))
    page = render_report(result, title="Scores")
    for mark in ("<script>alert", "<svg onload", "\u202e", "\x00"):
        assert mark not in page
    with pytest.raises(ValueError, match="at least one group"):
        reliability_svg({}, sizes={}, identifier="c", title="t")
    assert np.array_equal(sections(result), sections(result))


def test_letters_that_the_font_lacks_warn_of_nothing(scored_log):
    result = scored_log(["\U0001f600 smile", "\u4e2d\u6587"], sizes=[900, 800])  # warnings are errors here
    assert "\U0001f600" in sections(result)[0].pictures[0].svg
    assert "\U0001f600" in render_report(result, title="Scores")
