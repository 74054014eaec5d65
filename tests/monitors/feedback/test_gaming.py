"""Smooth scores are no bunching, pushed ones are; heaps are refused; a proxy that leaves its purpose is found."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

from audit.predictions import PredictionLog
from monitors.feedback.gaming import measure_bunching, measure_proxy
from monitors.feedback.gaming_density import threshold_bunching
from monitors.feedback.settings import LoopRows, LoopSettings

DAY = 86_400_000_000
START = 20_458 * DAY  # Monday 2026-01-05


def binned(scores: Any, threshold: float) -> Any:
    place = np.floor((scores - threshold) / 0.005 + 1e-6).astype(int)
    return np.bincount(place[(place >= -20) & (place < 20)] + 20, minlength=40)


def coverage(shape: tuple[float, float], threshold: float, n: int, runs: int) -> tuple[float, float]:
    found = [threshold_bunching(binned(np.random.default_rng(s).beta(*shape, n), threshold)) for s in range(runs)]
    return np.mean([each.low <= 1 <= each.high for each in found]), np.mean([each.low > 1 for each in found])  # type: ignore[return-value]


@pytest.mark.parametrize(("shape", "threshold"), [((2, 2), 0.5), ((2, 5), 0.3), ((0.5, 0.5), 0.4), ((8, 20), 0.4)])
def test_smooth_scores_are_covered(shape: tuple[float, float], threshold: float) -> None:
    covered, above = coverage(shape, threshold, 20_000, 120)
    assert covered >= 0.92
    assert above <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", [2_000, 20_000, 200_000])
def test_smooth_scores_are_covered_in_many(n: int) -> None:
    covered, above = coverage((2, 5), 0.3, n, 1_000)
    assert covered >= 0.94
    assert above <= 0.035


def test_users_with_many_like_scores_do_not_ring() -> None:
    above = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        scores = np.repeat(rng.beta(2, 2, 4_000), rng.poisson(5, 4_000))
        above += threshold_bunching(binned(scores + rng.normal(0, 0.0005, len(scores)), 0.5)).low > 1
    assert above <= 8  # 2.5 expected of intervals of 95 %


def test_curve_is_that_of_a_poisson_regression() -> None:
    counts = np.random.default_rng(0).poisson(80, 40).astype(float)
    place = (np.arange(40) - 19.5) / 20
    used = np.abs(np.arange(40) - 19.5) > 2
    fitted = sm.GLM(counts[used], np.vander(place[used], 3), family=sm.families.Poisson()).fit()
    expected = fitted.predict(np.vander(place, 3))
    ratio = counts[20:22].sum() / counts[18:20].sum() / (expected[20:22].sum() / expected[18:20].sum())
    assert float(np.exp(threshold_bunching(counts).log_ratio.value)) == pytest.approx(ratio)


def test_an_empty_side_is_unbounded_in_neither_direction() -> None:
    found = threshold_bunching([50.0] * 18 + [0, 0, 40, 40] + [50] * 18)
    assert found.low > 1.25
    assert np.isfinite(found.high)


def scored(scores: Any, **given: Any) -> PredictionLog:
    return PredictionLog.from_frame(pa.table({"s": scores}), task="watch", y_score="s", **({"threshold": 0.5} | given))


def measure(log: PredictionLog) -> LoopRows:
    return measure_bunching(log, LoopSettings())


def pushed(seed: int) -> Any:
    scores = np.random.default_rng(seed).beta(2, 2, 20_000)
    near = (scores > 0.47) & (scores < 0.5) & (np.random.default_rng(seed + 1).random(20_000) < 0.3)
    return np.where(near, 0.5 + (scores - 0.47) / 4, scores)


def test_pushed_scores_ring_and_smooth_ones_do_not() -> None:
    found = measure(scored(pushed(0)))
    assert found.rows[0].low > 1.25  # type: ignore[operator]
    assert found.rows[0].at == (("threshold", 0.5),)
    assert found.evidence[0].e_value > 100
    quiet = measure(scored(np.random.default_rng(3).beta(2, 2, 20_000)))
    assert quiet.evidence[0].e_value < 1


def test_the_threshold_is_found_where_predictions_show_it() -> None:
    scores = pushed(2)
    table = pa.table({"s": scores, "p": (scores >= 0.5).astype(int)})
    log = PredictionLog.from_frame(table, task="watch", y_score="s", y_pred="p")
    assert measure(log).rows[0].at == (("threshold", 0.5),)
    other = pa.table({"s": scores, "p": np.random.default_rng(0).integers(0, 2, len(scores))})
    log = PredictionLog.from_frame(other, task="watch", y_score="s", y_pred="p")
    assert "no threshold is known" in str(measure(log).rows[0].reason)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda x: np.ceil(x * 10) / 10, "steps of a tenth or a twentieth, as deciles do"),
        (
            lambda x: np.where(np.arange(len(x)) % 3 == 0, np.round(x, 1), x),
            "per cent of the scores near the threshold",
        ),
        (lambda x: np.where(np.arange(len(x)) % 2 == 0, np.round(x * 20) / 20, np.round(x, 2)), "round numbers"),
        (lambda x: x[:300], "are needed; wait for more"),
        (lambda x: np.full_like(x, 0.9), "0 scores lie within 0.1 of the threshold"),
    ],
)
def test_heaps_and_few_scores_are_refused(made: Any, said: str) -> None:
    row = measure(scored(made(np.random.default_rng(0).beta(2, 2, 20_000)))).rows[0]
    assert row.value is None
    assert said in str(row.reason)


def test_a_threshold_at_the_end_of_the_scale_is_refused() -> None:
    row = measure(scored(np.random.default_rng(0).random(5_000), threshold=0.98)).rows[0]
    assert "so near to the end of the scale" in str(row.reason)


def test_scores_in_hundredths_are_measured_in_hundredths() -> None:
    smooth = [measure(scored(np.random.default_rng(seed).binomial(100, 0.5, 50_000) / 100)) for seed in range(5)]
    assert all(found.rows[0].value is not None for found in smooth)
    assert max(found.evidence[0].e_value for found in smooth) < 5
    scores = np.round(np.random.default_rng(9).beta(2, 2, 20_000), 2)
    moved = np.where((scores == 0.49) & (np.arange(20_000) % 2 == 0), 0.5, scores)
    assert measure(scored(moved)).rows[0].value == pytest.approx(3.0, rel=0.25)


def proxies(seed: int, *, gamed: float, weeks: int = 16, n: int = 400) -> PredictionLog:
    """Satisfaction with a season and restless weeks; clicks follow it, and rise by `gamed` a week without it."""
    rng = np.random.default_rng(seed)
    week = np.repeat(np.arange(weeks), n)
    common = (0.3 * np.sin(np.arange(weeks)) + rng.normal(0, 0.1, weeks))[week]
    outcome = common + rng.normal(size=len(week))
    tie = np.maximum(1 - gamed * week / 2, 0.0)
    proxy = common + gamed * week + 0.7 * tie * (outcome - common) + rng.normal(0, 0.1, weeks)[week]
    proxy += rng.normal(size=len(week))
    time = START + week * 7 * DAY + rng.integers(0, 7 * DAY, len(week))
    outcomes = pa.array(outcome, mask=rng.random(len(week)) < 0.2)
    columns = {"c": proxy, "o": outcomes, "t": pa.array(time).cast(pa.timestamp("us", tz="UTC"))}
    return PredictionLog.from_frame(pa.table(columns), task="watch", proxy="c", outcome="o", timestamp="t")


def test_a_proxy_that_leaves_its_purpose_is_found() -> None:
    found = measure_proxy(proxies(0, gamed=0.12), LoopSettings())
    rows = {row.metric: row for row in found.rows}
    assert rows["proxy_divergence"].low > 0.01  # type: ignore[operator]
    assert "the proxy moves by +0." in str(rows["proxy_divergence"].reason)
    assert rows["proxy_correlation_trend"].high < -0.01  # type: ignore[operator]
    assert [each.e_value > 20 for each in found.evidence] == [True, True]


def false_alarms(runs: int) -> float:
    found = [measure_proxy(proxies(seed, gamed=0.0, n=150), LoopSettings()).evidence for seed in range(runs)]
    return float(np.mean([max(each.e_value for each in one) >= 20 for one in found]))


def test_a_season_of_both_is_quiet() -> None:
    assert false_alarms(12) <= 0.05


@pytest.mark.slow
def test_false_alarms_of_many() -> None:
    assert false_alarms(300) <= 0.05


def test_an_outcome_that_falls_under_a_flat_proxy_is_no_gaming() -> None:
    rng = np.random.default_rng(0)
    week = np.repeat(np.arange(16), 200)
    time = START + week * 7 * DAY
    columns = {"c": rng.normal(size=len(week)), "o": rng.normal(size=len(week)) - 0.1 * week}
    table = pa.table(columns | {"t": pa.array(time).cast(pa.timestamp("us", tz="UTC"))})
    log = PredictionLog.from_frame(table, task="watch", proxy="c", outcome="o", timestamp="t")
    assert measure_proxy(log, LoopSettings()).evidence[0].e_value < 20


def test_few_windows_and_a_constant_proxy_are_said() -> None:
    rows = measure_proxy(proxies(0, gamed=0.0, weeks=5), LoopSettings()).rows
    assert [row.metric for row in rows] == ["proxy_divergence", "proxy_correlation_trend"]
    assert "4 windows that are over have 30 rows" in str(rows[0].reason)
    time = START + np.repeat(np.arange(12), 50) * 7 * DAY
    columns = {"c": np.ones(600), "o": np.arange(600.0), "t": pa.array(time).cast(pa.timestamp("us", tz="UTC"))}
    log = PredictionLog.from_frame(pa.table(columns), task="watch", proxy="c", outcome="o", timestamp="t")
    assert "is the same in all rows" in str(measure_proxy(log, LoopSettings()).rows[0].reason)
