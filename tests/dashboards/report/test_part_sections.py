"""The parts of the report on numbers, rankings, mitigations and flips: what they say, what they hide."""

import numpy as np
import pandas as pd
import pytest

from audit.predictions import PredictionLog
from audit.result import Result
from audit.stress.before_after import Decisions, LabelledRows, before_and_after
from audit.stress.flips import counterfactual_flips
from audit.tasks.exposure import run_ranking
from audit.tasks.regression import run_regression
from dashboards.report import flips_part, mitigation_part, ranking_part, regression_part
from dashboards.report.render import render_report

PARTS = (flips_part, mitigation_part, ranking_part, regression_part)
HOSTILE = ("<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", "=cmd()", "$\\frac{1}{2}$")


def regression(names=("A", "B", "C"), tiny=()):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"y": random.normal(size=900), "g": np.resize([*names], 900)})
    frame["p"] = frame["y"] + np.where(frame["g"] == names[0], 1.0, 0.0) - np.where(frame["g"] == names[1], 0.8, 0)
    frame["p"] += random.normal(0, 0.3, 900)
    frame.loc[: len(tiny) - 1, "g"] = [*tiny]
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], task="regression")
    return run_regression(log)


def ranking(names=("A", "B"), push=1.0):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"q": np.repeat(np.arange(150), 6), "g": random.choice([*names], 900)})
    frame["user"] = np.where(frame["q"] < 75, "old", "young")
    merit = random.normal(size=900)
    frame["y"], frame["s"] = (merit > 0.4) * 1.0, merit + push * (frame["g"] == names[0])
    log = PredictionLog.from_frame(
        frame, y_true="y", y_score="s", cluster="q", sensitive_features=["g", "user"], task="ranking"
    )
    return run_ranking(log, query_features=["user"])


def flips(names=("F", "M")):
    frame = pd.DataFrame({"sex": np.resize([*names], 600), "x": np.linspace(-2, 2, 600)})
    change = {"sex": {old: names[(place + 1) % len(names)] for place, old in enumerate(names)}}
    return counterfactual_flips(lambda f: (f["x"] + (f["sex"] == names[0]) > 0).astype(int), frame, change=change)


def mitigated():
    random = np.random.default_rng(0)
    y, sex = random.integers(0, 2, 800), np.resize(["F", "M"], 800)
    score = np.clip(0.3 * y + 0.2 * (sex == "M") + random.random(800) / 2, 0, 1)
    before = Decisions((score > 0.5).astype(int), score)
    after = Decisions((score > np.where(sex == "M", 0.55, 0.4)).astype(int), None, 0.25)
    given = {"mitigation": "group_thresholds", "constraint": "demographic_parity"}
    return before_and_after(LabelledRows(None, y, {"sex": sex}), before, after, name="group_thresholds", given=given)


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_said_of_other_results(part, result):
    assert part.sections(Result(measurements=())) == ()
    assert part.sections(result) == ()


def test_regression_leads_with_who_is_predicted_wrongly():
    (section,) = regression_part.sections(regression())
    high, low, unknown, size = section.text.split("\n\n")
    assert high.startswith("Predicted too high on average, for sure: A by ")
    assert low.startswith("Predicted too low on average, for sure: B by −")
    assert unknown == "Not shown to be off in either direction: C."
    assert "The groups are shown to differ: largest gap" in size
    assert {row.metric for row in section.measurements} == {
        "mean_error", "mean_absolute_error", "mean_absolute_error_difference",
    }  # fmt: skip


def test_small_groups_are_hidden_with_another():
    (section,) = regression_part.sections(regression(tiny=["Z"] * 4))
    groups = {dict(row.slice)["g"] for row in section.measurements if row.slice}
    assert "Z" not in groups
    assert len(groups) == 2
    assert "Z" not in section.text


def test_rankings_name_who_is_shown_less_than_merit_warrants():
    exposure, quality = ranking_part.sections(ranking())
    assert exposure.text.startswith("Shown less than its relevance warrants: B (0.")
    assert "Shown more than its relevance warrants: A (1." in exposure.text
    assert "times the exposure of another" in exposure.text
    assert len(exposure.pictures) == 1
    assert quality.text.startswith("NDCG of all queries: 0.")
    assert "By user of who asks: The groups are not shown to differ" in quality.text
    even, _ = ranking_part.sections(ranking(push=0.0))
    assert even.text.startswith("No group is shown to get more or less exposure")


def test_flips_lead_with_the_worst_group_and_their_limits():
    (section,) = flips_part.sections(flips())
    first, second, last = section.text.split("\n\n")
    assert first.startswith("Share of decisions that flip of all: ")
    assert second.startswith("Share of decisions that flip is highest for ")
    assert last.startswith("What this does not show")
    assert len(section.pictures) == 1


def test_mitigation_tells_the_gap_and_the_price():
    (section,) = mitigation_part.sections(mitigated())
    assert section.text.startswith("Each group got thresholds of its own")
    assert "before, " in section.text
    assert "Accuracy " in section.text
    assert "Brier score: not changed (group_thresholds changes decisions only" in section.text
    assert "Drawn at random: 25.0 %" in section.text
    assert "is not fairness" in section.text
    metrics = [row.metric for row in section.measurements]
    assert metrics.count("demographic_parity_difference") == 2


@pytest.mark.parametrize("make", [regression, ranking, flips])
def test_hostile_names_are_text_on_the_page(make):
    page = render_report(make(HOSTILE), title="Parts")
    for name in HOSTILE[:2]:
        assert name not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert page == render_report(make(HOSTILE), title="Parts")
