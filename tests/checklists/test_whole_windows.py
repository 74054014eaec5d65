"""Windows that are cut off: one that is not over is not judged, a first one may fail but need not hold."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from audit.measurement import Measurement, utc_text
from audit.provenance import Provenance
from audit.result import Result
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement
from checklists.stored_rows import judge_rows
from checklists.whole_windows import whole

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = date(2027, 3, 1)


def week(number):
    return START + timedelta(weeks=number), START + timedelta(weeks=number + 1)


def row(number, value, half, *, n=500, group=None):
    of = () if group is None else (("g", group),)
    return Measurement(metric="accuracy", slice=of, window=week(number), value=value, low=value - half,
                       high=min(value + half, 1.0), n=n, level=0.95, method="wilson")  # fmt: skip


def result(*rows, first=0, over=3):
    facts = {"number": 4, "over": over, "whole_from": utc_text(week(first)[0]), "over_until": utc_text(week(over)[0])}
    return Result(measurements=rows, provenance=Provenance(given={"windows": facts}))


def asked(window, **more):
    needed = Requirement(id="right", metric="accuracy", min=0.7, window=window, **more)
    return needed, Policy(schema="evenhanded/policy/1", requirements=(needed,))


GOOD = [row(number, 0.9, 0.05) for number in range(3)]
TINY = row(0, 0.9, 0.35, n=40)
GROWING = row(3, 0.9, 0.35, n=35)


def test_tiny_windows_at_the_edges_leave_each_window_decided():
    held = result(TINY, *GOOD[1:], GROWING, first=1)
    found = judge_rows(*asked("each"), held, today=DAY)
    assert found.verdict == "PASS"
    assert "not judged: the window from 2026-01-26, which is not over" in found.reason
    assert "not asked to show it: the window from 2026-01-05, as the log begins within it" in found.reason
    assert judge_rows(*asked("each"), replace(held, provenance=Provenance()), today=DAY).verdict == "INSUFFICIENT"


def test_latest_is_the_latest_that_is_over():
    assert judge_rows(*asked("latest"), result(*GOOD, GROWING), today=DAY).verdict == "PASS"
    bad = row(3, 0.2, 0.05)
    assert judge_rows(*asked("latest"), result(*GOOD, bad), today=DAY).verdict == "PASS"
    over = judge_rows(*asked("latest"), result(*GOOD, bad, over=4), today=DAY)
    assert over.verdict == "FAIL"


def test_a_first_window_that_is_cut_off_may_fail_but_one_that_grows_may_not():
    failing = result(row(0, 0.2, 0.05), *GOOD[1:], first=1)
    assert judge_rows(*asked("each"), failing, today=DAY).verdict == "FAIL"
    growing = result(*GOOD, row(3, 0.2, 0.05))
    assert judge_rows(*asked("each"), growing, today=DAY).verdict == "PASS"


def test_a_window_in_the_middle_still_has_to_show_it():
    tiny = row(1, 0.9, 0.35, n=40)
    found = judge_rows(*asked("each"), result(GOOD[0], tiny, GOOD[2]), today=DAY)
    assert found.verdict == "INSUFFICIENT"


def test_the_only_window_that_is_over_is_judged_though_it_is_cut_off():
    found = judge_rows(*asked("latest"), result(GOOD[0], GROWING, first=1, over=1), today=DAY)
    assert found.verdict == "PASS"
    weak = judge_rows(*asked("latest"), result(TINY, GROWING, first=1, over=1), today=DAY)
    assert weak.verdict == "INSUFFICIENT"


@pytest.mark.parametrize("window", ["latest", "each"])
def test_where_no_window_is_over_nothing_is_shown_yet(window):
    held = result(GROWING, over=0)
    found = judge_rows(*asked(window), held, today=DAY)
    assert found.verdict == "INSUFFICIENT"
    assert found.reason.startswith("no window is over yet; not judged: the window from 2026-01-26")
    gate = judge(held, asked(window)[1], today=DAY)
    assert gate.exit_code == 3


def test_a_group_that_comes_only_in_a_window_that_grows_is_not_asked_for_yet():
    groups = [row(number, 0.9, 0.05, group="a") for number in range(3)]
    new = row(3, 0.9, 0.35, n=35, group="b")
    needed, policy = asked("each", groups=("g",))
    assert judge_rows(needed, policy, result(*groups, new), today=DAY).verdict == "PASS"
    expected = replace(policy, expect={"g": ("a", "b")})
    assert judge_rows(needed, expected, result(*groups, new), today=DAY).verdict == "INSUFFICIENT"


@pytest.mark.parametrize("facts", [None, "x", {}, {"whole_from": "2026-01-05T00:00:00Z"}])
def test_results_that_say_nothing_of_their_windows_are_judged_as_they_stand(facts):
    rows = (TINY, *GOOD[1:])
    held = Result(measurements=rows, provenance=Provenance(given={} if facts is None else {"windows": facts}))
    assert whole(rows, held) == (rows, rows, "")


def test_rows_that_span_windows_are_kept():
    spanning = replace(GOOD[0], window=(week(0)[0], week(3)[0]))
    found = whole((spanning, *GOOD), result(first=1))
    assert spanning in found.asked
    assert GOOD[0] not in found.asked
