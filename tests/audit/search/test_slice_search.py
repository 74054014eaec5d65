"""Which slices go to confirmation: few, different from each other, on the worse side, in an order that is stated."""

import numpy as np
import pandas as pd
import pytest

from audit.counting import count
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of, without_scores
from audit.search.slice_search import MIN_T, candidates, explored, inside

FPR = METRICS["false_positive_rate"]


def cells_from(frame, names):
    return without_scores(
        cells_of(count(PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=names)))
    )


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({f"f{place}": rng.integers(0, 3, 9000) for place in range(5)}).assign(y=0)
    frame["copy"] = frame["f0"]
    wrong = 0.1 + 0.2 * (frame["f0"] == 1) * (frame["f1"] == 2)
    frame["p"] = (rng.random(9000) < wrong).astype(int)
    names = [*(f"f{place}" for place in range(5)), "copy"]
    cells = cells_from(frame, names)
    return frame, cells, explored(FPR, cells, names, min_support=0.01, max_depth=3)


def test_the_planted_slice_leads_and_the_limit_holds(world):
    _, cells, found = world
    chosen = candidates(found, cells, better="lower", limit=7)
    assert len(chosen) == 7
    assert found.slice_of(chosen[0].place) in {(("f0", "1"), ("f1", "2")), (("copy", "1"), ("f1", "2"))}
    t = [found.divergence.t[each.place] for each in chosen]
    assert t == sorted(t, reverse=True)
    assert min(t) >= MIN_T
    assert all(found.divergence.difference[each.place] > 0 for each in chosen)
    assert candidates(found, cells, better="lower", limit=7) == chosen


def test_no_candidate_lies_inside_an_earlier_one_with_the_same_rate(world):
    _, cells, found = world
    chosen = candidates(found, cells, better="lower")
    mean, variance = found.divergence.mean, found.divergence.variance
    for place, each in enumerate(chosen):
        for earlier in chosen[:place]:
            if set(found.slice_of(earlier.place)) <= set(found.slice_of(each.place)):
                away = abs(mean[each.place] - mean[earlier.place])
                assert away >= 2 * np.sqrt(variance[each.place] + variance[earlier.place])


def test_a_copied_feature_makes_overlapping_slices_that_name_each_other(world):
    frame, cells, found = world
    chosen = candidates(found, cells, better="lower")
    slices = {each.place: found.slice_of(each.place) for each in chosen}
    twins = [each for each in chosen if each.overlap is not None and each.overlap[1] == 1.0]
    assert twins
    for each in twins:
        sides = [
            np.all([frame[name].astype(str) == value for name, value in slices[place]], axis=0)
            for place in (each.place, each.overlap[0])
        ]
        assert np.array_equal(*sides)


def test_folded_slices_are_counted_and_lie_inside(world):
    _, cells, found = world
    for each in candidates(found, cells, better="lower"):
        assert len(each.inside) == min(each.folded, 5)
        for place in each.inside:
            assert set(found.slice_of(each.place)) < set(found.slice_of(place))


def test_the_other_direction_finds_the_other_side(world):
    _, cells, found = world
    assert all(
        found.divergence.difference[each.place] < 0 for each in candidates(found, cells, better="higher", limit=50)
    )
    both = candidates(found, cells, better="neither", limit=50)
    assert len({np.sign(found.divergence.difference[each.place]) for each in both}) == 2


def test_rows_of_a_slice_are_those_with_its_values(world):
    frame, cells, found = world
    for place in (1, 40, len(found.patterns.items) - 1):
        pairs = found.slice_of(place)
        rows = np.all([frame[name].astype(str) == value for name, value in pairs], axis=0).sum()
        assert cells.n[inside(cells, pairs)].sum() == rows == found.patterns.sums[0, place]
    assert cells.n[inside(cells, ())].sum() == len(frame)


def test_weights_change_rates_and_leave_the_support_alone():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": rng.integers(0, 2, 4000), "y": 0, "p": rng.integers(0, 2, 4000)})
    frame["w"] = np.where(frame["p"] == 1, 3.0, 1.0)
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"], sample_weight="w")
    weighted, plain = (
        explored(FPR, cells, ["g"], min_support=0.1, max_depth=None)
        for cells in (cells_of(count(log)), cells_from(frame, ["g"]))
    )
    assert np.array_equal(weighted.patterns.sums[0], plain.patterns.sums[0])
    expected = frame["w"][frame["p"] == 1].sum() / frame["w"].sum()
    assert weighted.divergence.rate[0] == pytest.approx(expected)
    assert weighted.trials[0] == pytest.approx(frame["w"].sum() ** 2 / (frame["w"] ** 2).sum())  # Kish's effective size


def test_other_metrics_are_refused(world):
    _, cells, _ = world
    with pytest.raises(ValueError, match="searched by a rate; f1 is 'smooth'"):
        explored(METRICS["f1"], cells, ["f0"], min_support=0.1, max_depth=None)
