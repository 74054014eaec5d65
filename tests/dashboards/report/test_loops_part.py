"""The part of the report on feedback loops: three answers, a short table, the rounds in a picture."""

from datetime import UTC, datetime

from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Alarm, Result
from dashboards.report.loops_part import first_rows, sections
from dashboards.report.render import render_report


def test_three_questions_in_three_sections_with_one_picture(nasty):
    there, strong, do = sections(nasty["loops"])
    assert [there.title, strong.title, do.title] == ["Is there a loop?", "How strong is it?", "What do we do?"]
    assert there.text.startswith("Yes: what the model did comes back to it")
    (picture,) = strong.pictures
    assert picture.svg.startswith("<svg")
    assert "self_agreement_gap" in {row.metric for row in strong.measurements}
    assert "metrics of feedback loops could not be measured" in do.text


def test_the_report_has_no_empty_groups_and_opens_with_the_answer(nasty):
    page = render_report(nasty["loops"], title="t")
    assert "Is there a loop? Yes" in page
    assert "Group by group" not in page
    assert "Missing labels" not in page
    assert page.count('id="loops-') == len(set(page.split('id="loops-'))) - 1


def test_small_groups_stay_out_of_every_part():
    rows = [Measurement(metric=metric, slice=(("g", name),), value=value, n=n, method="count")
            for metric in ("group_retention", "outcome_coverage")
            for name, value, n in (("tiny", 0.123, 4), ("large", 0.456, 900))]  # fmt: skip
    alarm = Alarm(key=rows[2].key(), e_value=90.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC))
    given = Provenance(given={"loops": ["group_retention"]})
    result = Result(measurements=tuple(rows), alarms=[alarm], provenance=given)
    assert [row.value for row in first_rows(result, "group_retention")] == [0.123, 0.456]
    page = render_report(result, title="t")
    assert "tiny" not in page
    assert "12.3 %" not in page
    assert "1 alarm of groups too small to be named" in page
    assert "1 more are of groups too small to be named" in page


def test_silent_without_loops():
    assert sections(Result(measurements=())) == ()
