"""The value of the model's own decisions: hand-worked, covered, refused where the log cannot tell it."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.moment_estimates import bounds
from monitors.feedback.off_policy import FAMILY, NAMES, measure_off_policy
from monitors.feedback.off_policy_counts import off_policy
from monitors.feedback.settings import LoopRows, LoopSettings

Floats = npt.NDArray[np.float64]
SETTINGS = LoopSettings()


def world(seed: int, n: int, *, good: float = 0.3, users: int | None = None) -> pd.DataFrame:
    """Return decisions by chance; the model's would bring .5 + good / 4 on average where chance brings .5 nearly."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=n)
    moods = np.zeros(n)
    who = np.arange(n)
    if users is not None:
        who = rng.integers(users, size=n)
        moods = 0.3 * rng.standard_normal(users)[who]
    chance = 0.2 + 0.6 * x  # of acting
    action = (rng.uniform(size=n) < chance).astype(int)
    outcome = 0.5 + good * (x - 0.5) * (2 * action - 1) + moods + 0.2 * rng.standard_normal(n)
    return pd.DataFrame(
        {
            "model": (x > 0.5).astype(int),
            "acted": action,
            "p": np.where(action == 1, chance, 1 - chance),
            "y": outcome,
            "who": who,
        }
    )


def read(frame: object, **more: object) -> PredictionLog:
    roles: dict[str, object] = {"y_pred": "model", "action": "acted", "propensity": "p", "outcome": "y"}
    return PredictionLog.from_frame(frame, task="watch", **(roles | more))  # type: ignore[arg-type]


def row_of(found: LoopRows, name: str) -> Measurement:
    return next(row for row in found.rows if row.metric == name and not row.slice)


TRUTH = 0.5 + 0.3 * 0.25  # E|x - .5| = .25


@pytest.mark.parametrize("users", [None, 40])
def test_intervals_cover_the_value(users: int | None) -> None:
    held = np.zeros(2)
    for seed in range(400):
        frame = world(seed, 400, users=users)
        columns = [frame[name].to_numpy() for name in ("model", "acted", "p", "y")]
        found = off_policy(*columns, unit=None if users is None else frame["who"].to_numpy())
        for place, each in enumerate((found.value, found.inverse)):
            ends = bounds(each, level=0.95)
            assert ends is not None
            held[place] += ends[0] <= TRUTH <= ends[1]
    assert (held / 400 >= 0.93).all()


def test_without_clusters_the_interval_of_dependent_rows_fails() -> None:
    held = 0
    for seed in range(200):
        frame = world(seed, 400, users=40)
        ends = bounds(off_policy(*[frame[name] for name in ("model", "acted", "p", "y")]).value, level=0.95)
        assert ends is not None
        held += ends[0] <= TRUTH <= ends[1]
    assert held / 200 < 0.85


def test_a_log_says_what_arrays_say() -> None:
    frame = world(1, 500, users=30).assign(sex=["F", "M"] * 250)
    found = measure_off_policy(read(frame, user="who", sensitive_features=["sex"]), SETTINGS)
    expected = off_policy(frame["model"], frame["acted"], frame["p"], frame["y"], unit=frame["who"])
    ends = bounds(expected.value, level=0.95)
    assert ends is not None
    value = row_of(found, "off_policy_value")
    assert (value.value, value.low, value.high) == pytest.approx((expected.value.value, *ends))
    assert value.method == "linearised, cluster_robust"
    assert row_of(found, "off_policy_value_ips").value == pytest.approx(expected.inverse.value)
    assert row_of(found, "effective_sample_share").value == pytest.approx(expected.share)
    women = frame[frame["sex"] == "F"]
    of_women = off_policy(women["model"], women["acted"], women["p"], women["y"], unit=women["who"])
    told = {dict(row.slice).get("sex"): row.value for row in found.rows if row.metric == "off_policy_value"}
    assert told["F"] == pytest.approx(of_women.value.value)
    assert set(told) == {None, "F", "M"}


def test_a_model_that_would_do_harm_rings_and_a_harmless_one_rarely() -> None:
    frames = [world(seed, 1000, good=good) for good in (-0.3, 0.0) for seed in range(3)]
    found = [measure_off_policy(read(pl.from_pandas(frame)), SETTINGS).evidence[0].e_value for frame in frames]
    assert min(found[:3]) > 1000
    quiet = 0
    for seed in range(300):
        frame = world(seed, 300, good=0.0)
        gain = off_policy(*[frame[name].to_numpy() for name in ("model", "acted", "p", "y")]).gain
        quiet += gain.value / gain.error < -1.96
    assert quiet / 300 < 0.05


def refusal(frame: pd.DataFrame, **more: object) -> str:
    found = measure_off_policy(read(frame, **more), SETTINGS)
    assert {row.metric for row in found.rows if row.value is None} >= set(NAMES[:3])
    assert found.evidence == ()
    return str(row_of(found, "off_policy_value").reason)


def test_missing_propensities_are_refused() -> None:
    frame = world(2, 100)
    frame.loc[:3, "p"] = np.nan
    assert refusal(frame).startswith("cannot be measured, because 4 of 100 rows have no propensity.")


def test_rows_of_other_arms_need_none() -> None:
    frame = world(2, 400).assign(arm=["model"] * 300 + ["manual"] * 100)
    frame.loc[frame["arm"] == "manual", "p"] = np.nan
    found = row_of(measure_off_policy(read(frame, arm="arm"), SETTINGS), "off_policy_value")
    assert found.value is not None
    assert found.n == 300


def test_actions_that_were_certain_are_refused() -> None:
    frame = world(3, 100)
    opposite = frame.index[frame["acted"] != frame["model"]][:5]
    frame.loc[opposite, "p"] = 1.0
    assert "in 5 of 100 rows the opposite of what the model would do was certain" in refusal(frame)


def test_too_few_effective_rows_are_refused() -> None:
    frame = world(4, 1000)
    rare = np.random.default_rng(0).uniform(size=1000) < 0.03
    frame["acted"] = np.where(rare, frame["model"], 1 - frame["model"])
    frame["p"] = np.where(rare, 0.03, 0.97)
    said = refusal(frame)
    assert "effectively speak for it, fewer than 10%" in said


def test_wrong_propensities_are_found_out() -> None:
    assert "weights average" in refusal(world(5, 2000).assign(p=0.25))


def test_numbers_are_no_decisions() -> None:
    frame = world(6, 100)
    log = PredictionLog.from_frame(
        frame, task="regression", y_true="y", y_pred="model", action="acted", propensity="p", outcome="y"
    )
    assert "y_pred holds numbers, not decisions" in str(measure_off_policy(log, SETTINGS).rows[0].reason)


def test_an_empty_trial_is_refused() -> None:
    frame = world(6, 50)
    assert "none of 50 rows has prediction, action and outcome" in refusal(frame.assign(y=np.nan))
    assert "20 rows with an outcome are fewer than 30" in refusal(frame.head(20))


def test_rows_without_an_outcome_are_said_to_be_left_out() -> None:
    frame = world(7, 200)
    frame.loc[:9, "y"] = np.nan
    found = row_of(measure_off_policy(read(frame), SETTINGS), "off_policy_value")
    assert found.reason == "10 of 200 rows have no prediction, action or outcome: left out"


def test_the_family_says_what_a_reader_needs() -> None:
    assert [metric.name for metric in FAMILY] == list(NAMES)


def test_outcomes_that_are_known_of_one_action_only_tell_no_value() -> None:
    frame = world(3, 600)
    lost = (frame["acted"] == 0) & (np.arange(600) % 2 == 0)
    found = measure_off_policy(read(frame.assign(y=frame["y"].mask(lost))), SETTINGS)
    reason = row_of(found, "off_policy_value").reason or ""
    assert reason.startswith("cannot be measured, because the outcome is known of 100% of the cases that were acted on")
    alike = measure_off_policy(read(frame.assign(y=frame["y"].mask(np.arange(600) % 10 == 0))), SETTINGS)
    assert row_of(alike, "off_policy_value").value is not None
