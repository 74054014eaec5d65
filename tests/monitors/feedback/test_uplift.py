"""Uplift and the Qini coefficient: hand-worked, covered, and refused where chance had no part in it."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from monitors.feedback.settings import LoopRows, LoopSettings
from monitors.feedback.uplift import measure_uplift
from monitors.feedback.uplift_counts import cuts, qini

Floats = npt.NDArray[np.float64]
SETTINGS = LoopSettings()
STRENGTH = 0.4


def shop(
    seed: int, n: int = 4000, *, turned: bool = False, users: int | None = None, uneven: bool = False
) -> pd.DataFrame:
    """Return people of whom .3 + .4 u buy if they see a recommendation and .3 if not, u even on [0, 1]."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(size=n)
    who = np.arange(n) if users is None else rng.integers(users, size=n)
    mood = np.zeros(n) if users is None else rng.choice([-0.2, 0.2], size=users)[who]
    chance = np.where(u > 0.5, 0.8, 0.3) if uneven else np.full(n, 0.5)
    seen = rng.uniform(size=n) < chance
    bought = rng.uniform(size=n) < 0.3 + mood + STRENGTH * u * seen
    return pd.DataFrame(
        {
            "said": 1,
            "score": 1 - u if turned else u,
            "seen": seen.astype(int),
            "p": np.where(seen, chance, 1 - chance),
            "bought": bought.astype(int),
            "arm": "explore",
            "who": who,
            "sex": np.where(rng.uniform(size=n) < 0.5, "F", "M"),
        }
    )


def read(frame: object, **more: object) -> PredictionLog:
    roles: dict[str, object] = {"y_pred": "said", "y_score": "score", "action": "seen", "outcome": "bought"}
    return PredictionLog.from_frame(frame, task="watch", **(roles | {"arm": "arm"} | more))  # type: ignore[arg-type]


def row_of(found: LoopRows, metric: str) -> Measurement:
    return next(row for row in found.rows if row.metric == metric and not row.slice and not row.at)


def covered(row: Measurement, truth: float) -> bool:
    assert row.low is not None
    assert row.high is not None
    return row.low <= truth <= row.high


@pytest.mark.parametrize("kind", ["plain", "users", "uneven"])
def test_intervals_cover_uplift_and_qini(kind: str) -> None:
    """Of a score u the gain curve is .4 (s - s^2 / 2): its area .4 / 3, less half of .2, makes .4 / 12."""
    held = np.zeros(2)
    more = {"plain": {}, "users": {"user": "who"}, "uneven": {"propensity": "p"}}[kind]
    for seed in range(30):
        frame = shop(seed, 1500, users=60 if kind == "users" else None, uneven=kind == "uneven")
        found = measure_uplift(read(pl.from_pandas(frame), **more), SETTINGS)
        held += (
            covered(row_of(found, "uplift"), STRENGTH / 2),
            covered(row_of(found, "qini_coefficient"), STRENGTH / 12),
        )
    assert (held >= 26).all()  # 28.5 are expected; fewer have a chance of .01


def test_uplift_of_unequal_chances_needs_their_weights() -> None:
    frame = shop(5, 40_000, uneven=True)
    weighted = row_of(measure_uplift(read(frame, propensity="p"), SETTINGS), "uplift")
    plain = row_of(measure_uplift(read(frame), SETTINGS), "uplift")
    assert covered(weighted, STRENGTH / 2)
    assert not covered(plain, STRENGTH / 2)
    assert "propensities are not logged" in str(plain.reason)


def test_values_are_those_of_pandas_by_group_and_by_score() -> None:
    frame = shop(1)
    found = measure_uplift(read(frame, sensitive_features=["sex"]), SETTINGS)
    rates = frame.groupby("seen")["bought"].mean()
    assert row_of(found, "uplift").value == pytest.approx(rates[1] - rates[0])
    assert row_of(found, "outcome_if_acted").value == pytest.approx(rates[1])
    assert row_of(found, "outcome_if_not_acted").value == pytest.approx(rates[0])
    assert row_of(found, "uplift").method == "agresti_caffo"
    women = frame[frame["sex"] == "F"].groupby("seen")["bought"].mean()
    told = {dict(row.slice).get("sex"): row.value for row in found.rows if row.metric == "uplift" and row.slice}
    assert told["F"] == pytest.approx(women[1] - women[0])
    bins = [row for row in found.rows if row.metric == "uplift" and row.at]
    assert len(bins) == 5
    assert (bins[-1].value or 0) > (bins[0].value or 0) + 0.1
    assert sum(row.n for row in bins) <= len(frame)


def test_qini_of_exact_bins_is_the_area_of_the_curve() -> None:
    frame = shop(2, 3000)
    found = row_of(measure_uplift(read(frame), SETTINGS), "qini_coefficient")
    ordered = frame.sort_values("score", ascending=False)
    seen, bought = ordered["seen"].to_numpy(), ordered["bought"].to_numpy()
    acted, spared = np.cumsum(seen), np.cumsum(1 - seen)
    both = (acted > 0) & (spared > 0)
    share = np.arange(1, len(ordered) + 1) / len(ordered)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = share * (np.cumsum(bought * seen) / acted - np.cumsum(bought * (1 - seen)) / spared)
    gain = np.where(both, gain, 0.0)
    area = np.trapezoid(np.append(0.0, gain), np.append(0.0, share)) - gain[-1] / 2
    assert found.value == pytest.approx(area, abs=0.004)  # twenty bins against every row


def test_an_order_that_puts_the_wrong_ones_first_rings_and_one_by_chance_rarely() -> None:
    turned = measure_uplift(read(shop(3, 20_000, turned=True)), SETTINGS)
    right = measure_uplift(read(shop(3, 20_000)), SETTINGS)
    assert turned.evidence[0].e_value > 100
    assert right.evidence[0].e_value < 1
    rang = 0
    for seed in range(15):
        frame = shop(seed, 600)
        frame["score"] = np.random.default_rng(seed).uniform(size=600)
        rang += measure_uplift(read(pl.from_pandas(frame)), SETTINGS).evidence[0].e_value >= 20
    assert rang == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arm": "model"}, "chance decided about no row"),
        ({"seen": 1}, "0 were not acted on, fewer than 20"),
        ({"seen": 0}, "0 were acted on, fewer than 20"),
        ({"bought": None}, "0 were acted on and 0 were not acted on"),
    ],
)
def test_what_cannot_be_measured_says_why(change: dict[str, object], said: str) -> None:
    found = measure_uplift(read(shop(4, 200).assign(**change)), SETTINGS)
    assert {row.value for row in found.rows} == {None}
    assert {row.metric for row in found.rows} == {"uplift", "qini_coefficient"}
    assert str(found.rows[0].reason).startswith("cannot be measured, because")
    assert said in str(found.rows[0].reason)
    assert found.evidence == ()


def test_missing_propensities_are_refused() -> None:
    frame = shop(5, 400)
    frame.loc[:6, "p"] = np.nan
    assert "7 of 400 rows that chance decided about have no propensity" in str(
        measure_uplift(read(frame, propensity="p"), SETTINGS).rows[0].reason
    )


def test_without_an_explore_arm_rows_whose_action_was_drawn_are_used() -> None:
    frame = shop(6, 2000).assign(arm="model")
    frame.loc[:499, "p"] = 1.0
    found = row_of(measure_uplift(read(frame, propensity="p"), SETTINGS), "uplift")
    rates = frame.loc[500:].groupby("seen")["bought"].mean()
    assert found.value == pytest.approx(rates[1] - rates[0])


def test_scores_that_are_all_alike_have_no_qini() -> None:
    found = row_of(measure_uplift(read(shop(7, 400).assign(score=0.5)), SETTINGS), "qini_coefficient")
    assert found.value is None
    assert "all scores are alike" in str(found.reason)


def test_small_groups_say_so() -> None:
    frame = shop(8, 400)
    frame["sex"] = np.where(np.arange(400) < 12, "<script>", "M")
    found = measure_uplift(read(frame, sensitive_features=["sex"]), SETTINGS)
    small = next(row for row in found.rows if row.slice == (("sex", "<script>"),))
    assert small.value is None
    assert "are too few; 20 of each are needed" in str(small.reason)


def test_cuts_leave_about_equal_parts() -> None:
    counts = np.random.default_rng(0).integers(0, 50, size=1000)
    parts = np.split(counts, cuts(counts, 20))
    assert len(parts) == 20
    assert max(part.sum() for part in parts) < 1.1 * counts.sum() / 20
    assert cuts([0, 0], 5) == []
    assert cuts([7], 5) == []


def test_qini_is_the_same_for_any_scale_of_weights() -> None:
    total = np.random.default_rng(1).uniform(1, 5, size=(8, 4))
    assert qini(3 * total) == pytest.approx(qini(total))
