"""``evenhanded loop-plan``: what it says to three answers, as text and as JSON, and what it asks and refuses."""

import json
import sys
from functools import partial
from typing import get_args

import click
import pytest

from evenhanded.commands import loop_plan
from monitors.feedback.loop_plan import GainPlan, effective_share, holdout_rows
from monitors.feedback.possible_loops import Decides, FedBack, Observed

CREDIT = ("--decides", "model", "--fed-back", "acted-on", "--observed", "acted-on")


@pytest.fixture
def plan(call, tmp_path):
    return partial(call, "loop-plan", cwd=tmp_path)


def flat(done):
    return " ".join(done.stdout.split())


def test_three_answers_say_which_loops_what_to_log_and_how_precise_by_when(plan):
    text = flat(plan(*CREDIT, "--places", "20", "--weekly-count", "60", "--half-width", "0.15", code=0))
    assert text.startswith("Expect a loop: we find where we look")
    assert "The model grades its own words." in text
    for role in ("arm", "dither", "propensity", "outcome_observed", "exposed"):
        assert f" {role} " in text
    assert "How often we learn how it turned out log outcome_observed" in text
    weeks = GainPlan(places=20, weekly_count=60.0).weeks_for(0.15, dither=0.3)
    assert f"the gain is known to ± 0.15 after {weeks} weeks" in text
    assert f"keep {holdout_rows(0.1)} rows of each retraining round untouched" in text
    assert "evenhanded monitor --loops --current LOG" in text


def test_what_is_logged_today_is_not_asked_for_again(plan):
    text = flat(plan(*CREDIT, "--has", "exposed,outcome,outcome_observed", code=0))
    assert "How much of the world the model touches can be measured today" in text
    assert "whether the model's output was used for this row" not in text


def test_the_json_is_the_same_plan_in_plain_values(plan):
    found = json.loads(plan(*CREDIT, "--weekly-rows", "100", "--json", code=0).stdout)
    assert [loop["name"] for loop in found["loops"]] == ["policing", "credit", "hidden_loop", "performative"]
    assert found["weeks"] == GainPlan(places=20, weekly_count=5.0).weeks_for(0.15, dither=0.3)
    step = next(step for step in found["gain"] if (step["weeks"], step["dither"]) == (26, 0.3))
    assert step["half_width"] == pytest.approx(GainPlan(places=20, weekly_count=5.0).half_width(dither=0.3, weeks=26))
    assert found["holdout_share"] == pytest.approx(holdout_rows(0.1) / 400)
    assert effective_share(found["exploration"], actions=2, disagreement=0.1) == pytest.approx(0.3)
    assert {each["name"]: each["today"] for each in found["metrics"]}["gini_index"] is False


@pytest.mark.parametrize(
    ("answers", "told", "not_told"),
    [
        (("person", "all", "everything"), "No loop through the model", "Hold-out"),
        (("model", "nothing", "everything"), "No loop through training", "Dither:"),
        (("model", "engagement", "everything"), "What is shown gets clicked", "We find where we look"),
        (("person-with-model", "all", "reported"), "outcome_source", "No loop"),
    ],
)
def test_other_answers_say_other_things(plan, answers, told, not_told):
    text = flat(plan("--decides", answers[0], "--fed-back", answers[1], "--observed", answers[2], code=0))
    assert told in text
    assert not_told not in text


def test_too_few_places_and_too_much_asked_are_said(plan):
    text = flat(plan(*CREDIT, "--places", "4", "--worth", "0.9", "--actions", "10", "--disagreement", "0.5", code=0))
    assert "4 places are too few for an interval of the loop gain; it takes six" in text
    assert "no share makes a logged row worth 0.9 of a row" in text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), "--decides is not named (Who decides what is seen, shown, granted or visited?)"),
        (("--decides", "model"), "--fed-back is not named"),
        ((*CREDIT, "--has", "arms"), "has names 'arms', which is no role of a log"),
        ((*CREDIT, "--places", "0", "--gap", "2"), "gap must lie in (0, 1); got 2"),
        ((*CREDIT, "--half-width", "-1"), "half_width must be a positive number"),
        ((*CREDIT, "--half-width", "nan"), "half_width must be a positive number"),
        ((*CREDIT, "--actions", "1"), "actions must be at least 2; got 1"),
        ((*CREDIT, "--worth", "2"), "a share must lie in (0, 1]; got 2.0"),
        (("--decides", "nobody"), "Invalid value for '--decides'"),
    ],
)
def test_wrong_use_is_told(plan, asked, told):
    done = plan(*asked, code=2)
    assert told in " ".join(done.stderr.split())
    assert not done.stdout


def test_at_a_terminal_the_three_questions_are_asked(plan, monkeypatch):
    given = iter(["model", "engagement", "everything"])
    asked = []

    def answer(text, *, type):
        asked.append(tuple(type.choices))
        return next(given)

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", answer)
    text = flat(plan(code=0))
    assert len(asked) == 3
    assert asked[0] == ("model", "person-with-model", "person")
    assert "What is the next model trained on?" in text
    assert "What is shown gets clicked" in text
    plan("--decides", "model", code=2)
    assert len(asked) == 3, "who gave an option is not asked"


@pytest.mark.parametrize(("name", "kind"), [("decides", Decides), ("fed_back", FedBack), ("observed", Observed)])
def test_every_answer_of_the_python_api_can_be_given_and_no_other(name, kind):
    option = next(option for option in loop_plan.command.params if option.name == name)
    assert [choice.replace("-", "_") for choice in option.type.choices] == list(get_args(kind))
