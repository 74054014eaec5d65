"""Coverage of adjusted gaps: Simpson's world, rare outcomes in few rows, weights, few clusters on one side."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import statsmodels.api as sm
from coverage import Row

from audit.causes.adjusted import adjusted_gaps
from audit.counting import count
from audit.predictions import PredictionLog
from audit.tally import Tally, collapse


def adjusted_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of the gap within strata, in every setting."""
    yield from simpson_rows(full=full)
    runs = 1000 if full else 300
    for sizes, chance in (((300, 30), 0.03), ((300, 30), 0.3), ((40, 40), 0.05), ((1000, 50), 0.02)):
        for text, roles in (("", {}), (", weights .5-1.5", {"sample_weight": "w"})):
            rng = np.random.default_rng([25, *sizes])
            frames = (_rare(sizes, chance, rng) for _ in range(runs))
            yield from _beside(f"{sizes[0]:,} beside {sizes[1]} rows at .{f'{chance:g}'[2:]}{text}", frames, roles)
    for clusters in (6, 10, 20):
        rng = np.random.default_rng([26, clusters])
        frames = (_clustered(clusters, rng) for _ in range(runs))
        yield from _beside(f"800 clusters beside {clusters} of unequal rates", frames, {"cluster": "c"})


def _beside(text: str, frames: Iterator[pd.DataFrame], roles: dict[str, str]) -> Iterator[Row]:
    """Yield the coverage of a gap of 0 by each way, beside the sandwich of least squares as it is usually taken."""
    found: dict[str, list[bool]] = {}
    usual = []
    for frame in frames:
        log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g", "s"], **roles)
        for by, held in _held(count(log), 0.0).items():
            found.setdefault(by, []).append(held)
        usual.append(_sandwich(frame, roles))
    for by, name in (("nothing", "raw gap"), ("strata", "by strata"), ("regression", "by regression")):
        yield Row(f"{name}, {text}", "sandwich (HC1)" if "cluster" not in roles else "cluster sandwich",
                  float(np.mean(usual)), float(np.mean(found[by])))  # fmt: skip


def _held(tally: Tally, effect: float) -> dict[str, bool]:
    rows = adjusted_gaps(tally, control=["s"], reference={"g": "a"}, metrics=["selection_rate"])
    return {
        str((row.against or {}).get("by")): row.low <= effect + 1e-12 and effect - 1e-12 <= row.high
        for row in rows
        if row.metric == "selection_rate_difference" and row.low is not None and row.high is not None
    }


def _sandwich(frame: pd.DataFrame, roles: dict[str, str]) -> bool:
    x = np.stack([frame["g"] == "b", frame["s"] == "y", np.ones(len(frame))], axis=1).astype(float)
    weights = frame["w"] if "sample_weight" in roles else np.ones(len(frame))
    how: dict[str, Any] = {"cov_type": "HC1"}
    if "cluster" in roles:
        how = {"cov_type": "cluster", "cov_kwds": {"groups": frame["c"]}, "use_t": True}
    low, high = np.asarray(sm.WLS(frame["p"].to_numpy(float), x, weights=weights).fit(**how).conf_int())[0]
    return bool(low - 1e-12 <= 0 <= high + 1e-12)


def _rare(sizes: tuple[int, int], chance: float, rng: np.random.Generator) -> pd.DataFrame:
    size = sum(sizes)
    return pd.DataFrame({"g": np.repeat(["a", "b"], sizes), "s": rng.choice(["x", "y"], size), "y": 1,
                         "p": (rng.random(size) < chance) * 1, "w": rng.uniform(0.5, 1.5, size)})  # fmt: skip


def _clustered(clusters: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw 800 rows of a, a cluster each, and 400 of b in few clusters whose rates differ by .15 around .5."""
    of = np.arange(1200)
    few = of >= 800
    chance = np.where(few, np.clip(0.5 + rng.normal(0, 0.15, clusters)[of % clusters], 0, 1), 0.5)
    columns = {
        "g": np.where(few, "b", "a"),
        "s": rng.choice(["x", "y"], 1200),
        "c": np.where(few, 10_000 + of % clusters, of),
        "p": (rng.random(1200) < chance) * 1,
    }
    return pd.DataFrame(columns).assign(y=1)


def simpson_rows(*, full: bool) -> Iterator[Row]:
    """Yield coverage of the gap with the stratum held fixed, in Simpson's world, where strata differ most."""
    runs, rng = (2000 if full else 300), np.random.default_rng(23)
    for size, effect in ((400, 0.0), (400, 0.1), (4000, 0.0)):
        found: dict[str, list[bool]] = {}
        for _ in range(runs):
            for by, held in _held(_simpson(size, effect, rng), effect).items():
                found.setdefault(by, []).append(held)
        for by in ("strata", "regression"):
            text = f"adjusted by {by}, {size:,} rows, effect {effect:g} within 3 strata"
            yield Row(text, "raw gap", float(np.mean(found["nothing"])), float(np.mean(found[by])))


def _simpson(size: int, effect: float, rng: np.random.Generator) -> Tally:
    shares = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]) / 2  # groups a and b over the strata
    chance = np.array([0.7, 0.4, 0.2]) + np.array([[0.0], [effect]])
    each = rng.multinomial(size, shares.ravel()).reshape(2, 3)
    hit = rng.binomial(each, chance)
    n = pa.array(np.stack([hit, each - hit], axis=-1).ravel().astype(np.int64))
    w = n.cast(pa.float64())
    keys = {"slice.g": np.repeat(["a", "b"], 6), "slice.s": np.tile(np.repeat(["0", "1", "2"], 2), 2),
            "y_true": np.full(12, "1"), "y_pred": np.tile(["1", "0"], 6)}  # fmt: skip
    table = pa.table({**{name: pa.array(column.tolist()) for name, column in keys.items()}, "n": n, "w": w, "w2": w})
    return collapse(table.filter(pc.greater(n, 0)), features=["g", "s"], positive="1", bins=None, weights="none")
