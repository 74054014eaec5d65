"""Coverage of metrics of scores and of means, and what a search for slices confirms."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from coverage import Row, Z
from scipy.special import ndtr

from audit.counting import count
from audit.estimates import Estimates, estimate, interval
from audit.inference.intervals import Interval
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of, partition
from audit.search.slices import is_confirmed, run_slices
from audit.tasks.means import Scale, mean_interval


def slice_rows(*, full: bool) -> Iterator[Row]:
    """Yield how often a search confirms a slice of pure noise, and how often it confirms a planted one."""
    runs = 200 if full else 40
    for planted in (False, True):
        found = naive = 0
        for seed in range(runs):
            log = _searched(seed, planted=planted)
            result = run_slices(log, metric="accuracy", seed=seed, max_depth=2, min_support=0.02)
            confirmed = [row for row in result.measurements if is_confirmed(row)]
            strongest = [abs(row.value or 0.0) for row in result.measurements if row.metric == "exploratory_t"]
            naive += max(strongest, default=0.0) > 1.96
            found += any(not planted or ("a", "v0") in row.slice for row in confirmed)
        text = "a planted slice of 4 % is confirmed" if planted else "pure noise: any slice confirmed"
        yield Row(f"{text} ({runs} runs)", "largest t > 1.96", naive / runs, found / runs)
    small = 100 if full else 10
    found = sum(_found_small(seed) for seed in range(small))
    yield Row(f"a planted slice of 2 % of 20,000 rows is confirmed ({small} runs)", "", np.nan, found / small)


def _found_small(seed: int) -> bool:
    """Return whether a slice of two values and 2 % of the rows, three times as often wrong, is confirmed."""
    rng = np.random.default_rng([31, seed])
    rows = 20_000
    a, b = rng.choice(5, rows, p=[0.1, 0.2, 0.2, 0.2, 0.3]), rng.choice(4, rows, p=[0.2, 0.3, 0.3, 0.2])
    wrong = rng.random(rows) < 0.1 + 0.2 * ((a == 0) & (b == 0))
    features = {"a": a, "b": b, "c": rng.integers(0, 4, rows), "d": rng.integers(0, 3, rows)}
    y = rng.integers(0, 2, rows)
    texts = {name: [f"v{value}" for value in values] for name, values in features.items()}
    table = pa.table({"y": y, "p": np.where(wrong, 1 - y, y), **texts})
    log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=[*features])
    rows_found = run_slices(log, metric="accuracy", seed=seed).measurements
    return any(is_confirmed(row) and {*row.slice} == {("a", "v0"), ("b", "v0")} for row in rows_found)


def _searched(seed: int, *, planted: bool) -> PredictionLog:
    rng = np.random.default_rng(seed)
    rows = 4000
    features = {name: rng.integers(0, 5, rows) for name in "abc"}
    wrong = rng.random(rows) < 0.2 + (0.25 if planted else 0.0) * ((features["a"] == 0) & (features["b"] == 0))
    y = rng.integers(0, 2, rows)
    texts = {name: [f"v{value}" for value in values] for name, values in features.items()}
    table = pa.table({"y": y, "p": np.where(wrong, 1 - y, y), **texts})
    return PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=list("abc"))


def score_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of metrics of scores, beside the Wald interval with the same standard error."""
    reps = 1500 if full else 400
    for size, shift in ((100, 1.0), (100, 2.5), (400, 1.0)):
        columns, big = _scored(reps, size, shift, 7), _scored(1, 400_000, shift, 8)
        for metric in ("roc_auc", "average_precision", "brier_score"):
            true = (
                float(ndtr(shift / np.sqrt(2))) if metric == "roc_auc" else float(_estimated(big, metric)[0].value[0])
            )
            found, ours = _estimated(columns, metric)
            error = np.asarray(found.error)
            wald = Interval(low=found.value - 1.96 * error, high=found.value + 1.96 * error)
            setting = f"{metric}, {size} rows, AUC {ndtr(shift / np.sqrt(2)):.2f}"
            yield Row(setting, "Wald", _covered(wald, true), _covered(ours, true))
    for size in (100, 400):
        columns = _calibrated(reps, size)
        for metric, true in (
            ("calibration_in_the_large", 0.0),
            ("calibration_slope", 1.0),
            ("calibration_intercept", 0.0),
        ):
            _, ours = _estimated(columns, metric)
            yield Row(f"{metric}, {size} rows, calibrated", "", np.nan, _covered(ours, true))
    for size in (200, 1000):
        columns = _calibrated(60, size)
        bootstrap = _bootstrapped(columns, 60, size)
        for metric in ("expected_calibration_error", "maximum_calibration_error"):
            _, ours = _estimated(columns, metric)
            wrong = bootstrap if metric.startswith("expected") else np.nan
            usual = "percentile bootstrap" if metric.startswith("expected") else ""
            yield Row(f"{metric} of a calibrated model, {size:,} rows", usual, wrong, _covered(ours, 0.0))


def _bootstrapped(columns: dict[str, Any], reps: int, size: int) -> float:
    """Return how often a percentile bootstrap of the calibration error reaches down to its true value, 0."""
    rng = np.random.default_rng(12)
    y, score = (np.asarray(columns[name], dtype=np.float64).reshape(reps, size) for name in ("y", "s"))
    covered = 0
    for labels, scores in zip(y, score, strict=True):
        place = rng.integers(0, size, (100, size))
        group = (scores[place] * 10).astype(int) + 10 * np.arange(100)[:, None]
        off = np.bincount(group.ravel(), (labels - scores)[place].ravel(), minlength=1000)
        covered += float(np.quantile(np.abs(off).reshape(100, 10).sum(axis=1) / size, 0.025)) <= 0
    return covered / reps


def _scored(reps: int, size: int, shift: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = rng.random(reps * size) < 0.3
    score = ndtr(rng.normal(size=reps * size) + shift * y - shift)
    return {"y": y, "s": score, "rep": _names(reps, size)}


def _calibrated(reps: int, size: int) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    score = rng.random(reps * size)
    return {"y": rng.random(reps * size) < score, "s": score, "rep": _names(reps, size)}


def _names(reps: int, size: int) -> pa.Array:
    names = pa.array([f"r{place}" for place in range(reps)])
    return names.take(pa.array(np.repeat(np.arange(reps), size)))


def _estimated(columns: dict[str, Any], metric: str) -> tuple[Any, Interval]:
    log = PredictionLog.from_frame(
        pa.table(columns), y_true="y", y_score="s", threshold=0.5, sensitive_features=["rep"]
    )
    cells = cells_of(count(log))
    found = estimate(METRICS[metric], cells, partition(cells, ["rep"]))
    return found, interval(METRICS[metric], found, level=0.95)


def mean_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of the mean of a loss per row (t interval), beside the normal interval."""
    runs = 20_000 if full else 5000
    rng = np.random.default_rng(10)
    for n, name, draws, true in (
        (10, "normal errors", rng.normal(size=(runs, 10)), 0.0),
        (30, "squared normal errors", rng.normal(size=(runs, 30)) ** 2, 1.0),
        (30, "absolute normal errors", np.abs(rng.normal(size=(runs, 30))), float(np.sqrt(2 / np.pi))),
        (100, "exponential losses", rng.exponential(size=(runs, 100)), 1.0),
        (300, "squared normal errors", rng.normal(size=(runs, 300)) ** 2, 1.0),
    ):
        mean, error = draws.mean(axis=1), draws.std(axis=1, ddof=1) / np.sqrt(n)
        normal = _covered(Interval(low=mean - float(Z) * error, high=mean + float(Z) * error), true)
        found = Estimates(mean, np.full(runs, n), np.full(runs, n - 1.0), error=error)
        scales: tuple[Scale, ...] = ("identity",) if true == 0 else ("identity", "log")
        for scale in scales:
            ours = _covered(mean_interval(found, scale, level=0.95), true)
            yield Row(
                f"mean of {name}, {n} rows, t{' on the log scale' if scale == 'log' else ''}", "normal", normal, ours
            )


def _covered(bounds: Interval, value: float) -> float:
    """Return how often the interval holds the value; a missing bound is unbounded, both missing are left out."""
    known = np.isfinite(bounds.low) | np.isfinite(bounds.high)
    low, high = np.nan_to_num(bounds.low, nan=-np.inf), np.nan_to_num(bounds.high, nan=np.inf)
    return float(((low <= value) & (value <= high))[known].mean())
