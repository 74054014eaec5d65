"""The gap between closed data and the hold-out: formulas, coverage, false alarms, and the hidden loop that it finds."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import brier_score_loss, mean_absolute_error, r2_score

from audit.inference.multiplicity import e_benjamini_hochberg
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.agreement import FAMILY, agreement_rows, measure_agreement
from monitors.feedback.agreement_counts import quality_of, trend
from monitors.feedback.agreement_rounds import Round
from monitors.feedback.moment_estimates import Estimate, bounds, difference, estimate
from monitors.feedback.moment_sums import Moments, moments_of
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.simulators.hidden_loop_log import hidden_loop_log

Floats = npt.NDArray[np.float64]
SETTINGS = LoopSettings()
START = datetime(2026, 1, 5, tzinfo=UTC)


class Ridge(NamedTuple):
    centre: Floats
    mean: float
    slopes: Floats

    def __call__(self, x: Floats) -> Floats:
        return self.mean + (x - self.centre) @ self.slopes


def ridge(x: Floats, y: Floats) -> Ridge:
    centred = x - x.mean(axis=0)
    slopes = np.linalg.solve(centred.T @ centred + np.eye(x.shape[1]), centred.T @ (y - y.mean()))
    return Ridge(x.mean(axis=0), float(y.mean()), slopes)


def friedman(rng: np.random.Generator, n: int, noise: float = 2.0) -> tuple[Floats, Floats]:
    x = rng.uniform(size=(n, 10))
    signal = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, signal + noise * rng.normal(size=n)


def hidden_loop(seed: int, usage: float, *, n: int = 600, step: int = 20) -> tuple[float, float]:
    """Return R squared on the last window's own test rows and on untouched rows."""
    rng = np.random.default_rng(seed)
    x, y = friedman(rng, n)
    untouched = friedman(rng, 2000)
    window, closed, model = int(0.3 * n), 0.0, None
    for first in range(0, n - window - step + 1, step):
        order = first + rng.permutation(window)
        kept, tested = order[: int(0.75 * window)], order[int(0.75 * window) :]
        model = ridge(x[kept], y[kept])
        closed = r2_score(y[tested], model(x[tested]))
        new = np.arange(first + window, first + window + step)
        error = 0.2 * mean_absolute_error(y[tested], model(x[tested]))
        followed = rng.uniform(size=step) < usage
        y[new] = np.where(followed, model(x[new]) + error * rng.normal(size=step), y[new])
    assert model is not None
    return closed, r2_score(untouched[1], model(untouched[0]))


def test_the_hidden_loop_is_that_of_the_published_figures() -> None:
    """Closed R squared rises as published (.621, .751, .941 at usage .1, .5, .9) while the hold-out does not."""
    for usage, published in ((0.1, 0.621), (0.5, 0.751), (0.9, 0.941)):
        found = np.array([hidden_loop(seed, usage) for seed in range(10)])
        assert abs(found[:, 0].mean() - published) < 0.06
        assert 0.5 < found[:, 1].mean() < 0.7


def rollout(
    seed: int, usages: tuple[float, ...], *, closed: int = 800, held: int = 200, uneven: float = 0.0
) -> pd.DataFrame:
    """Return the decision log of a rollout: each round a model is refitted on what the last two rounds left.

    Uneven rounds are noisier or quieter by chance, some of it on one side only.
    """
    rng = np.random.default_rng(seed)
    x, y = friedman(rng, 2 * closed)
    frames = []
    for place, usage in enumerate(usages):
        model = ridge(x[-2 * closed :], y[-2 * closed :])
        shared = rng.normal()
        noises = 2.0 * np.exp(uneven * (shared + 0.3 * rng.normal(size=2)))
        new, truth = friedman(rng, closed, noises[0])
        said = model(new)
        error = 0.2 * mean_absolute_error(y[-closed:], model(x[-closed:]))
        followed = rng.uniform(size=closed) < usage
        label = np.where(followed, said + error * rng.normal(size=closed), truth)
        x, y = np.vstack([x, new]), np.concatenate([y, label])
        aside, real = friedman(rng, held, noises[1])
        week = (START + timedelta(days=7 * place)).isoformat()
        frames.append(
            pd.DataFrame(
                {
                    "y": np.concatenate([label, real]),
                    "said": np.concatenate([said, model(aside)]),
                    "arm": ["model"] * closed + ["holdout"] * held,
                    "seen": np.concatenate([followed, np.zeros(held)]).astype(int),
                    "round": place + 1,
                    "at": week,
                }
            )
        )
    return pd.concat(frames)


def numbers(frame: object, **roles: str) -> PredictionLog:
    named = {"y_true": "y", "y_pred": "said", "arm": "arm", "round": "round", "timestamp": "at"} | roles
    return PredictionLog.from_frame(frame, task="regression", **named)  # type: ignore[arg-type]


def rung(found: LoopRows, alpha: float = 0.05) -> list[str]:
    values = np.array([each.e_value for each in found.evidence])
    named = e_benjamini_hochberg(values, alpha=alpha).rejected
    return [each.key for each, rang in zip(found.evidence, named, strict=True) if rang]


def rows_of(found: LoopRows, metric: str) -> list[Measurement]:
    return [row for row in found.rows if row.metric == metric]


def counted(frame: pd.DataFrame) -> LoopRows:
    """Return what `measure_agreement` does, of moments that were summed here."""
    cells: dict[tuple[str, str], Moments] = {}
    for (name, arm), rows in frame.groupby(["round", "arm"]):
        y, error = rows["y"].to_numpy() - 14, (rows["y"] - rows["said"]).to_numpy()
        values = np.column_stack([np.ones_like(y), y, y * y, error * error, np.abs(error)])
        cells[str(name), "closed" if arm == "model" else "holdout"] = moments_of(values)
    rounds = [Round(str(name), None) for name in frame["round"].unique()]
    return agreement_rows(rounds, cells, "r2_score", SETTINGS)


RISING = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def test_the_alarm_rings_before_most_people_use_the_model_and_closed_quality_only_improves() -> None:
    rang = 0
    for seed in range(12):
        found = counted(rollout(seed, RISING, closed=2000, held=1000))
        rang += bool(rung(found))
        closed = [row.value or 0.0 for row in rows_of(found, "r2_score") if ("arm", "closed") in row.at]
        assert closed[-1] > closed[0] + 0.05
    assert rang >= 10


def test_it_rings_from_a_log_too() -> None:
    frame = rollout(1, RISING, closed=2000, held=1000)
    found, expected = measure_agreement(numbers(frame, exposed="seen"), SETTINGS), counted(frame)
    assert [row.value for row in found.rows] == pytest.approx([row.value for row in expected.rows])
    assert [row.low for row in found.rows] == pytest.approx([row.low for row in expected.rows])
    assert len(rung(found)) >= 1
    assert START <= found.evidence[0].since < START + timedelta(days=7 * len(RISING))


def quiet(worlds: int, *, uneven: float) -> int:
    return sum(bool(rung(counted(rollout(seed, (0.0,) * 5, uneven=uneven)))) for seed in range(worlds))


@pytest.mark.parametrize("uneven", [0.0, 0.2])
def test_a_model_that_nobody_follows_rings_rarely(uneven: float) -> None:
    assert quiet(20, uneven=uneven) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [0.0, 0.2])
def test_a_model_that_nobody_follows_rings_rarely_in_many_worlds(uneven: float) -> None:
    assert quiet(400, uneven=uneven) <= 20


def coverage(worlds: int, *, n: int, binary: bool) -> float:
    """Return how often the interval of a gap holds the truth, which a sample of half a million gives."""
    rng = np.random.default_rng(7)

    def side(noise: float, size: int) -> Estimate:
        score = rng.uniform(0.05, 0.95, size=size)
        if binary:
            chance = np.clip(score + noise * (rng.uniform(size=size) - 0.5), 0, 1)
            return quality_of((rng.uniform(size=size) < chance).astype(float), score)
        return quality_of(score + noise * rng.standard_normal(size), score)

    truth = difference(side(0.2, 500_000), side(0.4, 500_000)).value
    held = 0
    for _ in range(worlds):
        ends = bounds(difference(side(0.2, n), side(0.4, n)), level=0.95)
        assert ends is not None
        held += ends[0] <= truth <= ends[1]
    return held / worlds


@pytest.mark.parametrize("binary", [False, True])
def test_the_interval_covers_the_gap(binary: bool) -> None:
    assert coverage(600, n=300, binary=binary) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 200, 1000])
def test_the_interval_covers_the_gap_in_small_and_large_rounds(n: int) -> None:
    assert coverage(4000, n=n, binary=False) >= (0.92 if n < 100 else 0.935)


def test_values_are_those_of_scikit_learn() -> None:
    frame = rollout(1, (0.5,))
    found = measure_agreement(numbers(frame), SETTINGS)
    by_side = {
        "closed": frame[frame["arm"] == "model"],
        "holdout": frame[frame["arm"] == "holdout"],
    }
    expected = {side: r2_score(rows["y"], rows["said"]) for side, rows in by_side.items()}
    shown = {dict(row.at)["arm"]: row.value for row in rows_of(found, "r2_score")}
    assert shown == pytest.approx(expected)
    assert rows_of(found, "self_agreement_gap")[0].value == pytest.approx(expected["closed"] - expected["holdout"])
    absolute = {dict(row.at)["arm"]: row.value for row in rows_of(found, "mean_absolute_error")}
    assert absolute == pytest.approx({s: mean_absolute_error(rows["y"], rows["said"]) for s, rows in by_side.items()})


def test_labels_are_judged_by_scores_where_there_are_some_and_else_by_accuracy() -> None:
    rng = np.random.default_rng(3)
    score = rng.uniform(size=400)
    frame = pd.DataFrame({"s": score, "p": (score > 0.5).astype(int), "y": (rng.uniform(size=400) < score).astype(int)})
    frame["arm"] = np.where(np.arange(400) < 200, "model", "holdout")
    scored = PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, arm="arm")
    gap = rows_of(measure_agreement(scored, SETTINGS), "self_agreement_gap")[0]
    sides = [frame[frame["arm"] == side] for side in ("model", "holdout")]
    skills = [1 - brier_score_loss(rows["y"], rows["s"]) / rows["y"].var(ddof=0) for rows in sides]
    assert gap.value == pytest.approx(skills[0] - skills[1])
    assert gap.method == "delta_method, brier_skill_score"
    labelled = PredictionLog.from_frame(frame, y_true="y", y_pred="p", arm="arm")
    gap = rows_of(measure_agreement(labelled, SETTINGS), "self_agreement_gap")[0]
    right = [(rows["y"] == rows["p"]).mean() for rows in sides]
    assert gap.value == pytest.approx(right[0] - right[1])
    assert gap.method == "delta_method, accuracy"


def test_numbers_far_from_zero_lose_no_digits() -> None:
    frame = rollout(2, (0.3,))
    far = frame.assign(y=frame["y"] + 1e7, said=frame["said"] + 1e7)
    near, moved = (
        rows_of(measure_agreement(numbers(rows), SETTINGS), "self_agreement_gap")[0] for rows in (frame, far)
    )
    assert (moved.value, moved.low) == pytest.approx((near.value, near.low), rel=1e-5)


def test_users_are_clusters() -> None:
    frame = rollout(4, (0.0,), closed=400, held=400)
    doubled = pd.concat([frame.assign(who=np.arange(800)), frame.assign(who=np.arange(800))])
    alone = rows_of(measure_agreement(numbers(frame), SETTINGS), "self_agreement_gap")[0]
    twice = rows_of(measure_agreement(numbers(doubled, user="who"), SETTINGS), "self_agreement_gap")[0]
    assert (twice.value, twice.low) == pytest.approx((alone.value, alone.low))
    assert twice.method.endswith("cluster_robust")


def test_people_who_come_again_every_round_count_once_in_the_mean_gap() -> None:
    once = rollout(4, (0.0,), closed=400, held=400).assign(who=[str(place) for place in range(800)])
    again = pd.concat([once.assign(round=place, at=f"2026-01-0{place}T00:00Z") for place in (5, 6, 7)])
    alone = rows_of(measure_agreement(numbers(once, user="who"), SETTINGS), "self_agreement_gap")[0]
    mean = rows_of(measure_agreement(numbers(again, user="who"), SETTINGS), "self_agreement_gap")[0]
    assert dict(mean.at) == {}
    assert (mean.value, mean.low) == pytest.approx((alone.value, alone.low), rel=1e-3)
    others = again.assign(who=[str(place) for place in range(2400)])
    mean = rows_of(measure_agreement(numbers(others, user="who"), SETTINGS), "self_agreement_gap")[0]
    apart = rows_of(measure_agreement(numbers(others), SETTINGS), "self_agreement_gap")[0]
    assert (mean.low or 0) > (alone.low or 0) + 0.01
    assert (mean.value, mean.low) == pytest.approx((apart.value, apart.low), rel=0.02)


def test_more_rounds_than_are_followed_up_are_taken_to_share_everybody() -> None:
    frame = pd.concat(
        [rollout(seed, (0.0,), closed=30, held=30).assign(round=seed, at=None, who=range(60)) for seed in range(30)]
    )
    log = PredictionLog.from_frame(
        frame, task="regression", y_true="y", y_pred="said", arm="arm", round="round", user="who"
    )
    gaps = rows_of(measure_agreement(log, SETTINGS), "self_agreement_gap")
    widths = [(row.high or 0) - (row.low or 0) for row in gaps]
    assert widths[0] > 0.7 * float(np.mean(widths[1:]))


@pytest.mark.parametrize(("usage", "rings"), [(0.0, False), (0.6, True)])
def test_the_simulated_log_of_a_hidden_loop_rings_before_seven_of_ten_follow(usage: float, rings: bool) -> None:
    for seed in range(2):
        table = hidden_loop_log(seed=seed, usage=usage, rows=1000, holdout=0.3, rounds=10)
        log = PredictionLog.from_frame(
            table, task="regression", y_true="y_true", y_pred="y_pred", arm="arm", exposed="exposed", action="action",
            round="round", timestamp="timestamp", user="user",
        )  # fmt: skip
        assert bool(rung(measure_agreement(log, SETTINGS))) == rings


def test_a_hold_out_that_was_acted_on_is_refused() -> None:
    frame = rollout(5, (0.0, 0.5))
    frame = frame.reset_index(drop=True)
    frame.loc[frame.index[frame["arm"] == "holdout"][:3], "seen"] = 1
    found = measure_agreement(numbers(frame, exposed="seen"), SETTINGS)
    assert [row.value for row in found.rows] == [None, None]
    assert found.evidence == ()
    assert str(found.rows[0].reason).startswith(
        "cannot be measured, because 3 of 400 hold-out rows were acted on or saw the model"
    )


def test_one_round_has_a_gap_and_no_trend() -> None:
    found = measure_agreement(numbers(rollout(6, (0.5,))), SETTINGS)
    assert rows_of(found, "self_agreement_gap")[0].value is not None
    assert "the log has one retraining round" in str(rows_of(found, "self_agreement_trend")[0].reason)
    assert "the log does not say whether anyone acted on the hold-out" in str(found.rows[0].reason)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arm": "model"}, "no row has the arm 'holdout'"),
        ({"arm": "holdout"}, "no row of the arm 'model' has a label"),
        ({"y": 1.0}, "all labels of one side are alike"),
    ],
)
def test_what_cannot_be_measured_says_why(change: dict[str, object], said: str) -> None:
    found = measure_agreement(numbers(rollout(7, (0.0,)).assign(**change)), SETTINGS)
    assert found.rows[0].value is None
    assert str(found.rows[0].reason).startswith("cannot be measured, because")
    assert said in str(found.rows[0].reason)
    assert all(each.e_value == 0 for each in found.evidence)


def test_few_rows_of_a_side_say_so() -> None:
    found = measure_agreement(numbers(rollout(8, (0.0, 0.0), held=5)), SETTINGS)
    assert "this round has 5 hold-out rows with label and prediction, fewer than 20" in str(found.rows[0].reason)


def test_a_clock_that_goes_backwards_is_refused() -> None:
    frame = rollout(9, (0.0, 0.0, 0.0))
    frame["round"] = 4 - frame["round"]
    found = measure_agreement(numbers(frame), SETTINGS)
    assert "round 3 begins before round 2 by its timestamps" in str(found.rows[0].reason)


def test_versions_stand_in_for_rounds_in_the_order_of_time() -> None:
    frame = rollout(10, (0.0, 0.2, 0.4))
    frame["round"] = frame["round"].map({1: "zeta", 2: "<script>", 3: "=1+1"})
    log = PredictionLog.from_frame(
        frame, task="regression", y_true="y", y_pred="said", arm="arm", model_version="round", timestamp="at"
    )
    gaps = rows_of(measure_agreement(log, SETTINGS), "self_agreement_gap")
    assert [dict(row.at).get("round") for row in gaps] == [None, "zeta", "<script>", "=1+1"]


def test_engines_agree() -> None:
    frame = rollout(11, (0.0, 0.3, 0.6))
    pandas, arrow = (measure_agreement(numbers(data), SETTINGS) for data in (frame, pa.Table.from_pandas(frame)))
    assert [row.value for row in pandas.rows] == pytest.approx([row.value for row in arrow.rows])


def test_a_trend_of_noise_covers_no_rise() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        found = trend([Estimate(float(gap), 0.05, 900, 899.0, clustered=False) for gap in rng.normal(0, 0.05, size=5)])
        assert found is not None
        ends = bounds(found, level=0.95)
        assert ends is not None
        held += ends[0] <= 0 <= ends[1]
    assert held / 2000 >= 0.94


def test_the_delta_method_is_the_spread_of_resampled_rows() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=500)
    said = y + 0.7 * rng.standard_normal(500)
    found = quality_of(y, said)
    places = rng.integers(0, 500, size=(2000, 500))
    values = [r2_score(y[rows], said[rows]) for rows in places]
    assert found.error == pytest.approx(float(np.std(values)), rel=0.1)


def test_an_estimate_without_spread_has_no_interval() -> None:
    found = estimate(moments_of([[1.0, 2.0]] * 10), lambda total: total[1] / total[0])
    assert (found.value, found.error, bounds(found, level=0.95)) == (2.0, 0.0, None)


def test_the_family_says_what_a_reader_needs() -> None:
    for metric in FAMILY:
        assert all((metric.title, metric.meaning, metric.why, metric.not_when, metric.obtain, metric.source))
