"""What an earlier score says of new labels: the loop it finds, and the false alarms that a hold-out prevents."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.entanglement import FAMILY, measure_entanglement
from monitors.feedback.entanglement_counts import fisher_bounds, partial_correlation
from monitors.feedback.moment_estimates import Estimate, bounds, difference, evidence_of
from monitors.feedback.settings import LoopRows, LoopSettings

Floats = npt.NDArray[np.float64]
SETTINGS = LoopSettings()


def people(rng: np.random.Generator, n: int, echo: float, *, users: int | None = None) -> pd.DataFrame:
    """Return labels that the world makes of features, and that echo an earlier model's score by so much.

    Both models know the features better than straight lines do; each saw other data.
    """
    x = rng.uniform(-1, 1, size=(n, 2))
    who = np.arange(n) if users is None else rng.integers(users, size=n)
    mood = np.zeros(n) if users is None else rng.standard_normal(users)[who]
    world = np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1])
    knowledge = mood + 0.5 * rng.standard_normal(n)  # of a column that is not logged
    earlier = world + 0.5 * knowledge
    now = np.sin(3.3 * x[:, 0]) * np.cos(1.7 * x[:, 1]) + 0.1 * rng.standard_normal(n)
    label = world + knowledge + echo * earlier + rng.standard_normal(n)
    return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "earlier": earlier, "now": now, "y": label, "who": who})


def decided(
    seed: int, echo: float, *, rounds: int = 3, n: int = 800, held: int = 400, users: int | None = None
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frames = []
    for place in range(rounds):
        closed, aside = people(rng, n, echo, users=users), people(rng, held, 0.0, users=users)
        frame = pd.concat([closed.assign(arm="model"), aside.assign(arm="holdout")])
        if place == 0:
            frame["earlier"] = np.nan
        frames.append(frame.assign(round=place + 1, acted=(frame["arm"] == "model").astype(int)))
    return pd.concat(frames, ignore_index=True)


def read(frame: object, *, arm: bool = True, features: tuple[str, ...] = ("x1", "x2"), **more: str) -> PredictionLog:
    roles = {"y_true": "y", "y_pred": "now", "earlier_score": "earlier", "round": "round", "action": "acted"} | more
    if arm:
        roles["arm"] = "arm"
    return PredictionLog.from_frame(frame, task="regression", features=features, **roles)  # type: ignore[arg-type]


def known(found: LoopRows) -> list[Measurement]:
    return [row for row in found.rows if row.value is not None]


def given(frame: pd.DataFrame) -> Floats:
    columns = frame[["x1", "x2", "now"]].to_numpy()
    return np.column_stack([columns, columns**2])


def side(frame: pd.DataFrame, *, clustered: bool = False) -> Estimate:
    unit = frame["who"].to_numpy() if clustered else None
    return partial_correlation(frame["earlier"], frame["y"], given(frame), unit=unit)


def test_a_partial_correlation_is_that_of_residuals() -> None:
    frame = people(np.random.default_rng(1), 300, 0.5)
    design = np.column_stack([np.ones(300), given(frame)])
    left = [
        frame[name] - design @ np.linalg.lstsq(design, frame[name].to_numpy(), rcond=None)[0]
        for name in ("earlier", "y")
    ]
    assert side(frame).value == pytest.approx(np.corrcoef(left[0], left[1])[0, 1])


def test_the_error_of_normal_columns_is_fisher_s() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20_000, 3))
    found = partial_correlation(x[:, 0], 0.5 * x[:, 0] + x[:, 1], x[:, 2:])
    assert found.error == pytest.approx((1 - found.value**2) / np.sqrt(20_000), rel=0.05)


@pytest.mark.parametrize("users", [None, 60])
def test_the_interval_covers_no_correlation_where_spread_is_uneven_and_rows_depend(users: int | None) -> None:
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n = 600
        who = rng.integers(users, size=n) if users else np.arange(n)
        mood = rng.standard_normal((users or 1, 2))[who % (users or 1)] if users else np.zeros((n, 2))
        x = rng.standard_normal(n)
        size = np.abs(x) + 0.2
        first = x + size * rng.standard_normal(n) + mood[:, 0]
        second = (x + size * rng.standard_normal(n) + mood[:, 1] > 0).astype(float)
        found = partial_correlation(first, second, x[:, None], unit=who if users else None)
        ends = fisher_bounds(found, level=0.95)
        assert ends is not None
        held += ends[0] <= 0 <= ends[1]
    assert held / 300 >= 0.92


def test_labels_that_echo_the_earlier_model_ring() -> None:
    found = measure_entanglement(read(decided(3, 1.0)), SETTINGS)
    rows = known(found)
    assert [dict(row.at)["round"] for row in rows] == ["2", "3"]
    assert all((row.low or 0) > 0.05 for row in rows)
    assert max(each.e_value for each in found.evidence) > 40


def test_a_log_says_what_arrays_say() -> None:
    frame = decided(4, 0.5, users=80)
    row = known(measure_entanglement(read(frame, user="who"), SETTINGS))[0]
    second = frame[frame["round"] == 2]
    sides = [side(second[second["arm"] == arm], clustered=True) for arm in ("model", "holdout")]
    expected = difference(*sides)
    ends = bounds(expected, level=0.95)
    assert ends is not None
    assert (row.value, row.low, row.high) == pytest.approx((expected.value, *ends), rel=1e-4)
    assert row.method == "fisher_z, sandwich, against_holdout, cluster_robust"


def test_knowledge_that_is_not_in_the_features_misleads_without_a_hold_out_and_not_with_one() -> None:
    """No label echoes anything: the earlier model knows of a column that is not logged, and of curved relations."""
    frame = decided(5, 0.0)
    alone = measure_entanglement(read(frame[frame["arm"] == "model"], arm=False), SETTINGS)
    rows = known(alone)
    assert all((row.low or 0) > 0.1 for row in rows)
    assert all("without a hold-out" in str(row.reason) for row in rows)
    assert alone.evidence == ()
    compared = measure_entanglement(read(frame), SETTINGS)
    assert all((row.low or 0) < 0 < (row.high or 0) for row in known(compared))


def quiet(worlds: int) -> tuple[float, float]:
    """Return how often the difference covers 0, and how often it rings at .05, in worlds without an echo."""
    held = rang = 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        found = difference(side(people(rng, 800, 0.0)), side(people(rng, 400, 0.0)))
        ends = bounds(found, level=0.95)
        assert ends is not None
        held += ends[0] <= 0 <= ends[1]
        rang += evidence_of(found, limit=0.05) >= 20
    return held / worlds, rang / worlds


def test_the_difference_covers_no_echo_and_rings_rarely() -> None:
    held, rang = quiet(300)
    assert held >= 0.92
    assert rang <= 0.02


@pytest.mark.slow
def test_the_difference_covers_no_echo_and_rings_rarely_in_many_worlds() -> None:
    held, rang = quiet(3000)
    assert held >= 0.935
    assert rang <= 0.01


def test_of_a_straight_relation_the_features_tell_all() -> None:
    rng = np.random.default_rng(6)
    frame = decided(6, 0.0)
    frame["earlier"] = frame["x1"] + 2 * frame["x2"]
    found = measure_entanglement(read(frame), SETTINGS)
    assert {row.value for row in found.rows} == {None}
    assert "nothing of its own is left of it" in str(found.rows[0].reason)
    frame["earlier"] = frame["earlier"] + rng.standard_normal(len(frame))
    alone = known(measure_entanglement(read(frame[frame["arm"] == "model"], arm=False), SETTINGS))
    assert all((row.low or 0) < 0 < (row.high or 0) for row in alone)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"round": 1}, "the log has one retraining round"),
        ({"earlier": None}, "no row has both an earlier score and a label"),
        ({"acted": 1}, "hold-out rows were acted on or saw the model"),
        ({"y": 1.0}, "nothing of its own is left of it"),
    ],
)
def test_what_cannot_be_measured_says_why(change: dict[str, object], said: str) -> None:
    frame = decided(7, 0.0, rounds=2, n=200, held=100).assign(**change)
    if "earlier" in change:
        frame = frame.astype({"earlier": "float64"})
    found = measure_entanglement(read(frame), SETTINGS)
    assert {row.value for row in found.rows} == {None}
    assert str(found.rows[0].reason).startswith("cannot be measured, because")
    assert said in str(found.rows[0].reason)
    assert found.evidence == ()


def test_few_rows_say_so() -> None:
    found = measure_entanglement(read(decided(8, 0.0, rounds=2, held=30)), SETTINGS)
    assert "30 hold-out rows with earlier score and label are fewer than 50" in str(found.rows[-1].reason)


def test_features_that_are_no_numbers_are_not_conditioned_on() -> None:
    frame = decided(9, 0.0, rounds=2).assign(town="=1+1")
    found = known(measure_entanglement(read(pl.from_pandas(frame), features=("x1", "x2", "town")), SETTINGS))
    assert "1 of 3 features hold no numbers or are too many: not conditioned on" in str(found[0].reason)
    plain = known(measure_entanglement(read(pl.from_pandas(frame)), SETTINGS))
    assert found[0].value == pytest.approx(plain[0].value)


def test_a_log_without_features_or_current_score_is_conditioned_on_nothing() -> None:
    frame = decided(10, 1.0, rounds=2)
    log = PredictionLog.from_frame(
        frame, task="regression", y_true="y", y_pred="who", earlier_score="earlier", round="round", arm="arm"
    )
    found = known(measure_entanglement(log, SETTINGS))[0]
    assert found.value is not None
    bare = measure_entanglement(read(frame.assign(now=1.0), features=()), SETTINGS)
    second = frame[frame["round"] == 2]
    sides = [rows[["earlier", "y"]].corr().iloc[0, 1] for _, rows in second.groupby("arm")]
    assert known(bare)[0].value == pytest.approx(sides[1] - sides[0])


def test_the_family_asks_for_the_earlier_score() -> None:
    assert FAMILY[0].needs == ("earlier_score", "outcome")
