"""What a report opens with when a run was made for one question."""

import pytest

from audit.measurement import Measurement
from dashboards.report.background import LONGEST, extra_section
from dashboards.report.leads import leads
from dashboards.report.section import Section
from dashboards.report.summary import summarise


@pytest.mark.parametrize(
    ("kind", "opening"),
    [
        ("data", " train "),
        ("errors", "combination"),
        ("compare", "With new"),
        ("sources", "The error of"),
        ("loops", "Is there a loop? Yes"),
    ],
)
def test_a_run_for_one_question_opens_with_its_answer(nasty, kind, opening):
    said = leads(nasty[kind], min_cell=10)
    assert opening in said[0]
    summary = summarise(nasty[kind], None, min_cell=10)
    assert summary.found == said[0]
    assert summary.leading == said[1:]


def test_an_audit_opens_with_its_largest_differences(result):
    assert leads(result, min_cell=10) == ()
    assert summarise(result, None, min_cell=10).found.startswith("For each attribute, the group that")


def test_bullets_become_one_list_and_long_tables_are_cut():
    rows = tuple(
        Measurement(metric="accuracy", slice=(("g", f"{place:03}"),), value=0.5, n=90, method="x")
        for place in range(LONGEST + 3)
    )
    shown = extra_section(Section(title="t", text="One.\n\n• a\n\n• b\n\nTwo.", measurements=rows), min_cell=10)
    assert shown.paragraphs == ("One.", ("a", "b"), "Two.")
    assert len(shown.table.rows) == LONGEST
    assert shown.table.note == "3 more numbers stand in the JSON."
    assert shown.table.head == ("What", "Value", "n")
