"""Junk at the doors of feedback loops: each a sentence, all at once, before anything is read."""

from typing import Any

import pyarrow as pa
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.feedback.possible_loops import LoopAnswers, plan_loops
from monitors.feedback.run import run_loops
from monitors.feedback.settings import LoopSettings

ANSWERS = {"decides": "model", "fed_back": "all", "observed": "everything"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"alpha": "x"}, "alpha: expected a number; got str 'x'"),
        ({"level": None}, "level: expected a number"),
        ({"level": 1.0}, r"level must lie in \(0, 1\); got 1.0"),
        ({"alpha": float("nan")}, r"alpha must lie in \(0, 1\); got nan"),
        ({"window": 7}, "window: expected a text; got int 7; write '7d'"),
        ({"seed": "x"}, "seed: expected a whole number"),
        ({"limits": ["usage"]}, "limits: expected a mapping from metrics to limits"),
        ({"limits": {"usage": "a lot"}}, "limits, usage: expected a number; got str 'a lot'"),
        ({"limits": {"usage": float("nan")}}, "limits: usage must be finite; got nan"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        LoopSettings(**given)


def test_all_that_is_wrong_with_settings_is_told_at_once() -> None:
    with pytest.raises(InputError) as found:
        LoopSettings(level=2.0, alpha=0.0, limits={"usage": float("inf")})
    assert len(found.value.violations) == 3


def test_what_is_no_log_and_what_are_no_settings_are_told() -> None:
    table = pa.table({"seen": [1, 0]})
    log = PredictionLog.from_frame(table, task="watch", exposed="seen")
    with pytest.raises(InputError, match="log: expected a log of decisions; got Table; make one by"):
        run_loops(table)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="settings: expected LoopSettings; got dict"):
        run_loops(log, settings={"alpha": 0.1})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="limits names 'performative_sensitivity'; expected one of"):
        run_loops(log, settings=LoopSettings(limits={"performative_sensitivity": 0.5}))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"has": "y_pred"}, "has: expected a list of roles; got str 'y_pred'"),
        ({"has": 3}, "has: expected a list of roles; got int 3"),
        ({"places": "a"}, "places: expected a whole number; got str 'a'"),
        ({"places": 2.5}, "places: expected a whole number"),
        ({"weekly_count": None, "gap": "x"}, "weekly_count: expected a number"),
        ({"decides": ["model"]}, "decides must be one of model"),
    ],
)
def test_answers_of_the_wrong_kind_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        LoopAnswers(**{**ANSWERS, **given})


def test_a_plan_takes_answers() -> None:
    with pytest.raises(InputError, match="answers: expected LoopAnswers; got dict; name decides, fed_back"):
        plan_loops(ANSWERS)  # type: ignore[arg-type]
