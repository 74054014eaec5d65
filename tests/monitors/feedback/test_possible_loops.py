"""Three answers name the loops that are possible, and nothing that is not; the plan says what is missing."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from audit.errors import InputError
from audit.reading import ROLES
from monitors.feedback.adherence import FAMILY as ADHERENCE
from monitors.feedback.coverage import FAMILY as COVERAGE
from monitors.feedback.loop_kinds import KINDS
from monitors.feedback.possible_loops import Decides, FedBack, LoopAnswers, Observed, plan_loops, possible_loops

ALL = [
    LoopAnswers(decides=decides, fed_back=fed_back, observed=observed)
    for decides, fed_back, observed in product(get_args(Decides), get_args(FedBack), get_args(Observed))
]


def names(decides: Decides, fed_back: FedBack, observed: Observed) -> set[str]:
    return {kind.name for kind in possible_loops(LoopAnswers(decides=decides, fed_back=fed_back, observed=observed))}


def test_the_examples_are_found() -> None:
    assert names("model", "acted_on", "acted_on") >= {"policing", "credit"}
    assert names("model", "all", "acted_on") >= {"policing", "credit"}
    assert names("model", "engagement", "everything") == {"recommender", "performative"}
    assert names("person_with_model", "all", "everything") == {"hidden_loop", "performative"}
    assert "policing" not in names("model", "all", "reported")


def test_what_cannot_loop_is_not_said_to() -> None:
    for answers in ALL:
        found = possible_loops(answers)
        if answers.decides == "person":
            assert not found
        if answers.fed_back == "nothing":
            assert not any(kind.retrains for kind in found)


@pytest.mark.parametrize("answers", ALL, ids=lambda each: f"{each.decides}-{each.fed_back}-{each.observed}")
def test_every_answer_has_a_plan(answers: LoopAnswers) -> None:
    plan = plan_loops(answers, metrics=(*COVERAGE, *ADHERENCE))
    roles = [each.role for each in plan.log]
    assert len(set(roles)) == len(roles)
    assert set(roles) <= set(ROLES)
    returns = any(kind.retrains for kind in plan.loops)
    assert bool(plan.gain) == returns == (plan.weeks is not None) == (plan.holdout_rows is not None)
    assert ("Expect a loop" in plan.verdict) == returns
    assert not any(each.today for each in plan.metrics)  # nothing is logged yet
    if answers.observed == "reported":
        assert "outcome_source" in roles


def test_what_is_logged_is_not_asked_for_again() -> None:
    answers = LoopAnswers(
        decides="person_with_model", fed_back="all", observed="everything", has=["y_true", "model_version", "exposed"]
    )
    plan = plan_loops(answers, metrics=(*COVERAGE, *ADHERENCE))
    today = {each.name: each.today for each in plan.metrics}
    assert today["outcome_coverage"]
    assert today["usage"]
    assert not today["adherence"]
    assert next(each for each in plan.metrics if each.name == "adherence").lacks == ("y_pred", "human_decision")
    assert "exposed" not in [each.role for each in plan.log]
    assert "human_decision" in [each.role for each in plan.log]


def test_more_dither_and_more_weeks_are_more_precise() -> None:
    plan = plan_loops(LoopAnswers(decides="model", fed_back="acted_on", observed="acted_on"))
    by = {(step.weeks, step.dither): step.half_width for step in plan.gain}
    assert by[13, 0.3] > by[26, 0.3] > by[52, 0.3]
    assert by[26, 0.1] > by[26, 0.3] > by[26, 0.5]
    assert by[26, 0.3] == pytest.approx(0.160, rel=0.1)
    assert plan.holdout_share == pytest.approx(197 / 4000)
    few = plan_loops(replace(ALL[0], places=5))
    assert few.gain == ()
    assert few.weeks is None


def test_sentences_are_plain() -> None:
    for kind in KINDS:
        for text in (kind.sentence, kind.example, kind.remedy):
            assert text.endswith(".")
            assert not {"propensity", "endogenous", "elasticity", "ATE"} & set(text.replace(",", "").split())
        assert kind.sentence.count(".") == 1


def test_answers_that_are_none_are_refused_at_once() -> None:
    with pytest.raises(InputError) as caught:
        LoopAnswers(
            decides="robot", fed_back="all", observed="some", has=["colour"], places=0, weekly_count=-1, gap=2  # type: ignore[arg-type,list-item]
        )  # fmt: skip
    said = str(caught.value)
    assert "decides must be one of model, person_with_model, person; got 'robot'" in said
    assert "observed must be one of everything, acted_on, reported; got 'some'" in said
    for part in ("'colour'", "places must be", "weekly_count must be", "gap must lie"):
        assert part in said
