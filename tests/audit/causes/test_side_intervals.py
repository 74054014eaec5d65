"""No gap, raw or adjusted, claims certainty, and each covers what it is about: rare outcomes, weights, few clusters."""

import numpy as np
import pandas as pd
import pytest

from audit.causes.adjusted import adjusted_gap_rows
from audit.inference.gap_intervals import gap_of_rates
from audit.predictions import PredictionLog
from audit.run import run_audit

WAYS = ("nothing", "strata", "regression")


def log_of(frame, **roles):
    return PredictionLog.from_frame(frame.assign(y=1), y_true="y", y_pred="p", sensitive_features=["g", "k"], **roles)


def gaps_of(log, **asked):
    rows = adjusted_gap_rows(log, control=["k"], reference={"g": "a"}, metrics=["selection_rate"], **asked)
    return {row.against["by"]: row for row in rows if row.metric == "selection_rate_difference"}


def both_sides(selected, per=40, **columns):
    """Return `per` rows of each side, half of them in each stratum; `selected` of (side, stratum)."""
    cells = [(g, k) for g in "ab" for k in "xy"]
    frame = pd.DataFrame([cell for cell in cells for _ in range(per // 2)], columns=["g", "k"])
    return frame.assign(p=[int(selected(g, k)) for g, k in zip(frame["g"], frame["k"], strict=True)], **columns)


def test_nobody_selected_is_no_certainty():
    """With nothing to adjust for, every way is Agresti and Caffo's 0 of 40 and 0 of 40."""
    gaps = gaps_of(log_of(both_sides(lambda g, k: False)))  # noqa: ARG005
    ends = gap_of_rates(0, 40, 0, 40, level=0.95)
    for by in WAYS:
        assert (gaps[by].value, gaps[by].reason) == (0.0, None)
        assert (gaps[by].low, gaps[by].high) == pytest.approx((float(ends.low), float(ends.high)))


def test_all_of_one_side_and_none_of_the_other_is_no_certainty():
    gaps = gaps_of(log_of(both_sides(lambda g, k: g == "b", per=4)))  # noqa: ARG005
    ends = gap_of_rates(4, 4, 0, 4, level=0.95)
    for by in WAYS:
        assert gaps[by].value == pytest.approx(1.0)
        assert gaps[by].low <= float(ends.low) + 1e-9  # .245; Klingenberg's reaches further
        assert gaps[by].high == 1.0


def test_strata_that_decide_everything_leave_the_gap_as_uncertain_as_one_of_rare_outcomes():
    """Nobody deviates from the stratum; how many could have is what nobody selected tells."""
    gaps = gaps_of(log_of(both_sides(lambda g, k: k == "x")))  # noqa: ARG005
    ends = gap_of_rates(0, 40, 0, 40, level=0.95)
    for by in ("strata", "regression"):
        assert gaps[by].value == pytest.approx(0.0, abs=1e-12)
        assert (gaps[by].low, gaps[by].high) == pytest.approx((float(ends.low), float(ends.high)))
    assert gaps["nothing"].high > 0.2


@pytest.mark.parametrize(("selected", "value"), [(lambda g, k: False, 0.0), (lambda g, k: g == "b", 1.0)])  # noqa: ARG005
def test_weights_claim_no_more_certainty(selected, value):
    frame = both_sides(selected)
    plain = gaps_of(log_of(frame))
    weighted = gaps_of(log_of(frame.assign(w=np.tile([1.0, 2.0, 3.0, 4.0], 20)), sample_weight="w"))
    for by in WAYS:
        assert weighted[by].value == pytest.approx(value)
        assert weighted[by].high - weighted[by].low > plain[by].high - plain[by].low


@pytest.mark.parametrize("roles", [{}, {"sample_weight": "w"}, {"cluster": "c"}])
def test_the_raw_gap_is_that_of_an_audit(roles):
    rng = np.random.default_rng(1)
    size = 600
    c = rng.integers(0, 60, size)
    frame = pd.DataFrame({"g": np.where(c % 3 == 0, "b", "a"), "k": rng.choice(["x", "y"], size), "c": c,
                          "p": rng.integers(0, 2, size), "w": rng.uniform(0.5, 1.5, size)})  # fmt: skip
    log = log_of(frame, **roles)
    theirs = next(
        row
        for row in run_audit(log, reference={"g": "a"}, metrics=["selection_rate"], intersections=1).measurements
        if row.metric == "selection_rate_difference"
        and row.slice == (("g", "b"),)
        and row.against == {"kind": "slice", "slice": {"g": "a"}}
    )
    ours = gaps_of(log)["nothing"]
    assert (ours.value, ours.low, ours.high, ours.method) == (theirs.value, theirs.low, theirs.high, theirs.method)


def rare(rng, n_a, n_b, chance):
    size = n_a + n_b
    return pd.DataFrame({"g": ["a"] * n_a + ["b"] * n_b, "k": rng.choice(["x", "y"], size),
                         "p": (rng.random(size) < chance) * 1, "w": rng.uniform(0.5, 1.5, size)})  # fmt: skip


def clustered(rng, clusters):
    """Return 800 rows of a, each a cluster, and 400 of b in few clusters whose rates differ; the true gap is 0."""
    of = np.arange(1200)
    who = np.where(of < 800, of, 10_000 + of % clusters)
    shift = rng.normal(0, 0.15, clusters)
    chance = np.where(of < 800, 0.5, np.clip(0.5 + shift[of % clusters], 0, 1))
    return pd.DataFrame({"g": np.where(of < 800, "a", "b"), "k": rng.choice(["x", "y"], 1200), "c": who,
                         "p": (rng.random(1200) < chance) * 1})  # fmt: skip


def coverage(draw, runs, **roles):
    """Return how often each way covers a gap of 0, and how often it gives no interval."""
    held, none = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0)
    for _ in range(runs):
        for by, row in gaps_of(log_of(draw(), **roles)).items():
            if row.low is None:
                none[by] += 1
            else:
                held[by] += row.low <= 0 <= row.high
    return {by: held[by] / max(runs - none[by], 1) for by in WAYS}, none


RARE = [(300, 30, 0.03), (300, 30, 0.3), (40, 40, 0.05)]


@pytest.mark.parametrize("roles", [{}, {"sample_weight": "w"}], ids=["plain", "weights"])
def test_rare_outcomes_of_few_rows_are_covered(roles):
    """The sandwich of residuals alone covers .6 here."""
    rng = np.random.default_rng(5)
    covered, none = coverage(lambda: rare(rng, 300, 30, 0.03), 40, **roles)
    assert min(covered.values()) >= 0.88  # of 40 runs; the slow test is sharper
    assert set(none.values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("setting", [*RARE, (20, 20, 0.4), (1000, 50, 0.02)])
@pytest.mark.parametrize("roles", [{}, {"sample_weight": "w"}], ids=["plain", "weights"])
def test_rare_outcomes_of_few_rows_are_covered_at_length(setting, roles):
    rng = np.random.default_rng(6)
    covered, none = coverage(lambda: rare(rng, *setting), 600, **roles)
    assert min(covered.values()) >= 0.93
    assert set(none.values()) == {0}


@pytest.mark.parametrize("clusters", [6, 20])
def test_few_clusters_on_one_side_are_not_hidden_by_many_on_the_other(clusters):
    rng = np.random.default_rng(7)
    covered, none = coverage(lambda: clustered(rng, clusters), 40, cluster="c")
    assert min(covered.values()) >= 0.85
    assert set(none.values()) == {0}


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [6, 10, 20])
def test_few_clusters_on_one_side_are_covered_at_length(clusters):
    rng = np.random.default_rng(8)
    covered, _ = coverage(lambda: clustered(rng, clusters), 400, cluster="c")
    assert min(covered.values()) >= 0.93


@pytest.mark.parametrize(("clusters", "said"), [
    (1, "no interval: all rows of a side are of one cluster"),
    (2, "no interval: a side spreads as 2.0 equal clusters would, too few for the level"),
    (5, "no interval: a side spreads as 5.0 equal clusters would, too few for the level"),
])  # fmt: skip
def test_so_few_clusters_give_a_gap_without_an_interval(clusters, said):
    gaps = gaps_of(log_of(clustered(np.random.default_rng(9), clusters), cluster="c"))
    for by in WAYS:
        assert gaps[by].value is not None
        assert (gaps[by].low, gaps[by].high, gaps[by].reason) == (None, None, said)


def test_one_heavy_row_gives_no_interval():
    frame = both_sides(lambda g, k: k == "x", per=10, w=1.0)  # noqa: ARG005
    frame.loc[19, "w"] = 1e6
    gaps = gaps_of(log_of(frame, sample_weight="w"))
    assert gaps["nothing"].low is None
    assert gaps["nothing"].reason == (
        "no interval: a side weighs as much as 1.0 rows that count alike, too few for the level"
    )


def test_two_rows_are_no_crash():
    """As many parameters as rows: the regression has a value and no interval, the others the interval of 1 and 1."""
    frame = pd.DataFrame({"p": [0, 1], "g": ["a", "b"], "k": ["x", "x"]})
    gaps = gaps_of(log_of(frame))
    ends = gap_of_rates(1, 1, 0, 1, level=0.95)
    assert (gaps["nothing"].low, gaps["nothing"].high) == pytest.approx((float(ends.low), float(ends.high)))
    assert gaps["strata"].low <= float(ends.low) + 1e-9
    assert (gaps["regression"].value, gaps["regression"].low) == (pytest.approx(1.0), None)
    assert gaps["regression"].reason == "no interval: some rows are fitted exactly, which leaves no spread to see"


def test_several_gaps_at_once_are_no_narrower_than_alone():
    rng = np.random.default_rng(10)
    alone = rare(rng, 300, 30, 0.03)
    third = alone.tail(30).assign(g="c")
    one = gaps_of(log_of(alone))
    rows = adjusted_gap_rows(log_of(pd.concat([alone, third], ignore_index=True)), control=["k"],
                             reference={"g": "a"}, metrics=["selection_rate"])  # fmt: skip
    for row in rows:
        if row.metric == "selection_rate_difference" and row.slice == (("g", "b"),):
            before = one[row.against["by"]]
            assert row.method.endswith("simultaneous over 2")
            assert row.low < before.low
            assert row.high > before.high
