"""Delayed impact: covered, harm that rings, logs that cannot tell it; the outcome curve of the FICO data."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.delayed_impact import measure_delayed_impact
from monitors.feedback.delayed_impact_curve import outcome_curve
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.simulators.credit import Terms, expected_change
from monitors.simulators.fico import read_fico

SETTINGS = LoopSettings()


def loans(seed: int, n: int = 2000, *, repaid: float = 0.6, users: int | None = None) -> pd.DataFrame:
    """Return loans that add 75 points when repaid and cost 150 when not: 225 repaid - 150 on average."""
    rng = np.random.default_rng(seed)
    who = rng.integers(users, size=n) if users else np.arange(n)
    moods = rng.beta(4 * repaid, 4 * (1 - repaid), size=users or n)[who] if users else np.full(n, repaid)
    accepted = rng.uniform(size=n) < 0.5
    change = np.where(rng.uniform(size=n) < moods, 75.0, -150.0)
    return pd.DataFrame(
        {
            "said": accepted.astype(int),
            "accepted": accepted.astype(int),
            "change": np.where(accepted, change, np.nan),
            "group": np.where(rng.uniform(size=n) < 0.3, "<b>", "a"),
            "who": who,
        }
    )


def read(frame: object, **more: object) -> PredictionLog:
    roles: dict[str, object] = {"y_pred": "said", "action": "accepted", "outcome": "change"}
    return PredictionLog.from_frame(frame, task="watch", **(roles | more))  # type: ignore[arg-type]


def row_of(found: LoopRows, metric: str, group: str | None = None) -> Measurement:
    wanted = (("group", group),) if group else ()
    return next(row for row in found.rows if row.metric == metric and row.slice == wanted)


@pytest.mark.parametrize("users", [None, 50])
def test_the_interval_covers_the_change(users: int | None) -> None:
    more = {} if users is None else {"user": "who"}
    held = 0
    for seed in range(60):
        found = measure_delayed_impact(read(pl.from_pandas(loans(seed, 800, users=users)), **more), SETTINGS).rows[0]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 225 * 0.6 - 150 <= found.high
    assert held >= 53  # 57 are expected; fewer have a chance of .005


def test_active_harm_rings_and_improvement_does_not() -> None:
    harmed = measure_delayed_impact(read(loans(0, repaid=0.5)), SETTINGS)
    helped = measure_delayed_impact(read(loans(0, repaid=0.8)), SETTINGS)
    assert harmed.rows[0].high is not None
    assert harmed.rows[0].high < 0
    assert harmed.evidence[0].e_value > 1000
    assert helped.evidence[0].e_value < 1


def test_every_group_is_told() -> None:
    frame = loans(1)
    frame.loc[(frame["group"] == "<b>") & (frame["accepted"] == 1), "change"] = (
        -20.0 + np.arange(((frame["group"] == "<b>") & (frame["accepted"] == 1)).sum()) / 100
    )
    found = measure_delayed_impact(read(frame, sensitive_features=["group"]), SETTINGS)
    mean = frame.groupby("group")["change"].mean()
    assert row_of(found, "delayed_impact", "<b>").value == pytest.approx(mean["<b>"])
    assert row_of(found, "delayed_impact", "a").value == pytest.approx(mean["a"])
    assert len(found.evidence) == 3


def test_the_model_is_held_against_the_manual_process_per_member() -> None:
    model, manual = loans(2, 1000, repaid=0.5).assign(arm="model"), loans(3, 500, repaid=0.8).assign(arm="manual")
    found = measure_delayed_impact(read(pd.concat([model, manual]), arm="arm"), SETTINGS)
    expected = model["change"].fillna(0).mean() - manual["change"].fillna(0).mean()
    row = row_of(found, "relative_impact")
    assert row.value == pytest.approx(expected)
    assert row.high is not None
    assert row.high < 0
    impacts = {dict(each.at)["arm"]: each.value for each in found.rows if each.metric == "delayed_impact"}
    assert impacts == pytest.approx({"model": model["change"].mean(), "manual": manual["change"].mean()})
    assert len(found.evidence) == 2


def reason(frame: pd.DataFrame, **more: object) -> str:
    found = measure_delayed_impact(read(frame, **more), SETTINGS)
    assert found.rows[0].value is None
    assert all(each.e_value == 0 for each in found.evidence)
    return str(found.rows[0].reason)


def test_what_cannot_be_measured_says_why() -> None:
    frame = loans(4, 200)
    events = frame.assign(change=(frame["change"] > 0).astype(float))
    assert "all outcomes are 0 or 1: they are events" in reason(events)
    assert "none has an outcome" in reason(frame.assign(change=np.nan))
    assert "of 0 rows with action = 1 none has an outcome" in reason(frame.assign(accepted=0))
    assert "are fewer than 20" in reason(frame.head(20))


def test_one_arm_only_has_no_relative_impact() -> None:
    found = measure_delayed_impact(read(loans(5, 300).assign(arm="model"), arm="arm"), SETTINGS)
    assert "300 rows of the arm 'model' and 0 of the arm 'manual'" not in str(row_of(found, "delayed_impact").reason)
    assert "0 of the arm 'manual' are too few" in str(row_of(found, "relative_impact").reason)


def test_people_lost_to_follow_up_are_said() -> None:
    frame = loans(6, 400)
    lost = frame.index[frame["accepted"] == 1][:30]
    frame.loc[lost, "change"] = np.nan
    assert "accepted have no change logged" in str(measure_delayed_impact(read(frame), SETTINGS).rows[0].reason)


def test_the_outcome_curve_of_the_fico_data(data_folder: Path) -> None:
    """The published figures of the Black group: best +9.484 at a rate of .238, harm beyond .432."""
    tables = read_fico(data_folder / "fico")
    group = tables.groups["Black"]
    curve = outcome_curve(group.shares, expected_change(tables, group, Terms()))
    assert curve.best_impact == pytest.approx(9.484, abs=0.001)
    assert curve.best_rate == pytest.approx(0.238, abs=0.001)
    assert curve.harm_rate == pytest.approx(0.432, abs=0.001)
    assert curve.impact[-1] == pytest.approx(-55.0, abs=0.1)


def test_a_curve_that_never_harms_has_no_harmful_rate() -> None:
    assert np.isnan(outcome_curve([1, 1], [0.0, 1.0]).harm_rate)
    with pytest.raises(ValueError, match="expected counts >= 0, not all 0"):
        outcome_curve([0, 0], [1.0, 1.0])
