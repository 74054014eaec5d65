"""Feedback loops in words: three answers from the rows, what is not measured, the page with its plan."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.kinds import kind_of
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Alarm, Result
from audit.store import save_run
from dashboards import launch
from dashboards.commands import run_command
from dashboards.figures.loop_concentration import concentration_figure, concentration_text
from dashboards.loop_columns import columns_to_log, lacking_roles, log_sentences, unmeasured, what_columns_hold
from dashboards.loop_sentences import answers
from dashboards.loops import headline, limit_words, loop_alarms, published, rounds_of, shows_a_loop
from dashboards.pages import pages_of
from dashboards.report.background import interval_methods
from dashboards.subjects import subject_text
from monitors.feedback.catalog import BY_NAME, CATALOG

APP = str(Path(launch.__file__).with_name("app.py"))
DAY = datetime(2026, 1, 5, tzinfo=UTC)
CANNOT = "cannot be measured, because the log names no exposed. Log it."


def row(metric, value, low=None, high=None, n=500, method="wilson", reason=None, **more):
    level = None if low is None else 0.95
    return Measurement(metric=metric, value=value, low=low, high=high, n=n, level=level, method=method, reason=reason,
                       **more)  # fmt: skip


def run(*rows, rang=(), since=DAY, **given):
    alarms = [Alarm(key=each.key(), e_value=90.0, limit=20.0, since=since) for each in rang]
    provenance = Provenance(given={"loops": [each.metric for each in rows], "columns": {}, **given})
    return Result(measurements=(*rows, *(each for each in rang if each not in rows)), alarms=alarms,
                  provenance=provenance)  # fmt: skip


GAIN = row("loop_gain", 0.98, 0.87, 1.09)
GROUPS = [row("outcome_coverage", value, value - 0.1, value + 0.1, n=n, slice=(("g", name),))
          for name, value, n in (("a", 0.3, 400), ("b", 0.8, 90), ("c", 0.7, 3))]  # fmt: skip


def said(result, min_cell=10):
    return answers(result, min_cell=min_cell)


def test_an_alarm_of_a_loop_is_a_yes_with_its_number_limit_and_day():
    found = said(run(GAIN, rang=[GAIN]))
    assert found.is_there == (
        "Yes: what the model did comes back to it. 1 alarm rings.",
        "How much of its own attention the model gets back: 0.980 [0.870, 1.090], n = 500; it rings above 0.7, since "
        "2026-01-05.",
    )
    assert found.how_strong[0].startswith(
        "Of every extra bit of attention, about 98 % comes back in what the model is trained on (87 % to 109 %, "
        "n = 500). 100 %,"
    )
    assert found.what_to_do[0] == f"{BY_NAME['loop_gain'].title}: {BY_NAME['loop_gain'].why}"


def test_a_log_without_times_has_no_day():
    assert "since" not in said(run(GAIN, rang=[GAIN], since=datetime(1970, 1, 1, tzinfo=UTC))).is_there[1]


@pytest.mark.parametrize(
    ("value", "low", "high", "end"),
    [
        (1.2, 1.1, 1.3, "At 100 % or more a first advantage grows without end."),
        (0.5, 0.4, 0.6, "If it stays so, a first advantage ends up 2.0 times as large."),
        (-0.1, -0.2, 0.1, "(−20 % to 10 %, n = 500)."),
    ],
)
def test_the_gain_says_what_becomes_of_a_first_advantage(value, low, high, end):
    assert said(run(row("loop_gain", value, low, high))).how_strong[0].endswith(end)


def test_quiet_is_no_proof_and_beyond_the_limit_is_a_perhaps():
    quiet = said(run(row("loop_gain", 0.1, -0.1, 0.3)))
    assert quiet.is_there[0].startswith("No alarm of a loop rings")
    assert quiet.is_there[-1].startswith("That is no proof")
    assert quiet.what_to_do[0].startswith("Nothing has to be mended")
    perhaps = said(run(row("loop_gain", 0.9, 0.8, 1.0), row("gini_index_growth", 0.02, 0.0, 0.04)))
    assert perhaps.is_there[0].startswith("Perhaps. No alarm rings")
    assert [text[:11] for text in perhaps.is_there[1:3]] == ["How much of", "Not shown t"]
    assert perhaps.what_to_do[0].startswith("No alarm yet, but look: How much of its own attention")
    lower = said(run(row("loop_gain", 0.9, 0.8, 1.0), limits={"loop_gain": 0.95}))
    assert "it rings above 0.95" in lower.is_there[1]
    assert lower.is_there[0].startswith("No alarm")


def test_what_shows_no_loop_is_no_answer():
    heavy = row("heavy_user_share", 0.6, 0.5, 0.7)
    missing = row("loop_gain", None, method="none", reason="cannot be measured, because the log names no dither. Log.")
    found = said(run(heavy, missing))
    assert found.is_there == (
        "It cannot be said: nothing that would show a loop could be measured.",
        "How much of its own attention the model gets back: not measured, because the log names no dither.",
    )
    rung = said(run(heavy, missing, rang=[heavy]))
    assert rung.is_there[0].startswith("Whether there is a loop cannot be said, but 1 alarm rings")
    assert said(run(heavy, row("loop_gain", 0.1, 0.0, 0.2), rang=[heavy])).is_there[0].startswith("No loop is shown")
    assert not shows_a_loop(BY_NAME["usage"])


def test_small_groups_and_those_that_protect_them_are_counted_and_not_named():
    result = run(*GROUPS, rang=GROUPS)
    told = " ".join(text for part in said(result) for text in part)
    assert "g = a" in told
    assert "g = b" not in told  # it would give c away by subtraction
    assert "g = c" not in told
    assert "2 alarms of groups too small to be named, or that protect one." in told
    assert [each.is_named for each in loop_alarms(published(result, min_cell=10))] == [True, False, False]
    small = run(row("loop_gain", 0.98, 0.8, 1.1, n=4), rang=[row("loop_gain", 0.98, 0.8, 1.1, n=4)])
    assert "hidden (n < 10)" in said(small).is_there[1]
    assert "98" not in " ".join(text for part in said(small) for text in part)


def test_columns_are_asked_for_by_what_they_tell():
    names = ("self_agreement_gap", "loop_gain", "usage", "gini_index")
    result = run(*(row(name, None, method="none", reason=CANNOT) for name in names))
    columns = {column.role: column for column in columns_to_log(result)}
    assert next(iter(columns)) in {"arm", "outcome"}
    assert columns["exposed"].alone == ("How much of the world the model touches",)
    assert columns["dither"].together == ("How much of its own attention the model gets back",)
    have = run(*result.measurements, columns={"outcome": "o", "place": "p", "y_pred": "q"})
    assert lacking_roles(have)["loop_gain"] == ("dither",)
    assert log_sentences(have, most=1)[0].startswith("From tomorrow, log “")
    assert [each.metric for each in unmeasured(have)] == [each.name for each in CATALOG if each.name in names]
    needed = {role for metric in CATALOG for role in metric.needs}
    assert needed <= set(what_columns_hold())


def test_rounds_take_both_sides_and_leave_small_ones_out():
    at = [(("arm", arm), ("round", k)) for k in "12" for arm in ("closed", "holdout")]
    rows = [row("accuracy", 0.7, n=n, at=each) for each, n in zip(at, (90, 90, 90, 5), strict=True)]
    gap = row("self_agreement_gap", 0.2, 0.1, 0.3, at=(("round", "1"),), method="delta_method")
    found = rounds_of(run(*rows, gap, rang=[gap]), min_cell=10)
    assert (len(found.closed), len(found.held_out), found.rang) == (2, 1, {"1"})
    assert found.drawable
    assert not rounds_of(run(gap)).drawable


def test_the_row_that_speaks_is_that_of_everyone_where_the_model_decides():
    arms = [row("gini_index", value, at=(("arm", arm),)) for arm, value in (("explore", 0.1), ("model", 0.4))]
    assert headline(run(*arms), "gini_index").value == 0.4
    assert headline(run(*GROUPS), "outcome_coverage") is None
    assert limit_words(run(), BY_NAME["group_retention_difference"]) == "rings below −5 points"
    against = {"kind": "slice", "slice": {"arm": "explore"}}
    assert subject_text(row("gini_index_difference", 0.1, at=(("arm", "model"),), against=against)).endswith(
        "where the model decides against where chance decides"
    )


def test_the_kind_the_command_and_the_methods():
    result = run(GAIN, columns={"timestamp": "when", "dither": "shift it", "place": "place"}, window="1d")
    assert kind_of(result) == "loops"
    assert kind_of(run(GAIN, monitors=["drift"])) == "monitoring"
    command = "evenhanded monitor --loops --current LOG --timestamp when --role 'dither=shift it' --window 1d"
    assert run_command(result) == command
    both = run(GAIN, monitors=["drift"], columns={"y_pred": "p"}, loop_settings={"columns": {"arm": "a"}})
    assert [page.name for page in pages_of(both)] == ["monitoring", "loops"]
    methods = interval_methods(run(row("loop_gain", 0.5, 0.4, 0.6, method="place_jackknife, cluster_robust")))
    assert methods[0] == "intervals from leaving out one place after the other"
    assert methods[1].startswith("variances that let rows of one user")


def test_groups_of_loops_are_no_rates_of_an_audit():
    assert [page.name for page in pages_of(run(*GROUPS))] == ["loops"]


def test_the_picture_of_concentration_holds_its_numbers():
    rows = [row("gini_index_difference", 0.1, 0.0, 0.2), row("homogenisation", 0.03)]
    figure = concentration_figure(rows, title="x")
    assert figure.data[1].x == (0.1, 0.03)
    assert figure.data[0].x == (0.0, 0.2, None)
    assert "How alike people's lists have become 0.030, n = 500" in concentration_text(rows)


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))

    def opened(*results):
        for result in results:
            save_run(result, tmp_path)
        app = AppTest.from_file(APP, default_timeout=60).run()
        app.switch_page("views/loops.py").run()
        assert not app.exception, app.exception
        return app

    return opened


def texts(app):
    return re.sub(r"\\(.)", r"\1", " ".join(element.value for element in app.markdown))


def test_the_page_answers_first_then_shows_the_six_and_what_to_log(page, nasty):
    app = page(nasty["loops"])
    heads = [element.value for element in app.header]
    assert heads[:4] == ["Is there a loop?", "How strong is it?", "What do we do?", "Six numbers that nearly every log "
                         "allows"]  # fmt: skip
    assert "By retraining round" in heads
    assert "Does the model repeat itself?" in heads
    assert "**Yes: what the model did comes back to it" in texts(app)
    first = app.dataframe[0].value
    assert list(first.columns)[:6] == ["What", "Value", "Interval", "n", "Limit", "What it means"]
    assert first["What"].iloc[0] == BY_NAME["self_agreement_gap"].title
    assert len(app.get("plotly_chart")) == 3
    assert app.code[0].value.startswith("evenhanded monitor --loops")


def test_the_page_hides_small_groups(page):
    app = page(run(*GROUPS, GAIN, rang=[GROUPS[2]]))
    shown = " ".join(str(element.value.to_dict()) for element in app.dataframe) + texts(app)
    assert "g = a" in shown
    assert "g = b" not in shown
    assert "g = c" not in shown


def test_the_plan_is_shown_once_three_questions_are_answered(page, nasty):
    app = page(nasty["training"])
    assert not app.dataframe
    for key, answer in (("decides", "model"), ("fed_back", "acted_on"), ("observed", "acted_on")):
        app.selectbox(key=key).select(answer).run()
    assert not app.exception
    assert "Expect a loop" in texts(app)
    assert "A hold-out of 197 rows" in texts(app)
    assert "We find where we look" in {element.value for element in app.subheader}
    assert "Weeks" in app.dataframe[0].value.columns
    app.number_input(key="places").set_value(3).run()
    assert "needs at least six places" in texts(app)
    app.selectbox(key="decides").select("person").run()
    assert "No loop through the model" in texts(app)


def test_without_a_run_the_plan_is_still_there(page):
    app = page()
    assert "Will this loop?" in {element.value for element in app.header}


def test_a_run_whose_alarm_has_no_row_names_nobody():
    result = run(GROUPS[0], rang=[GROUPS[0]])
    bare = replace(result, measurements=())
    assert said(bare).is_there[1] == "1 alarm of groups too small to be named, or that protect one."
