"""Divergence, t and Shapley values of COMPAS as DivExplorer publishes them; folding that hides no large step."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from audit.counting import count
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of
from audit.search.patterns import Coded, frequent_patterns
from audit.search.slice_scores import divergence, folded, shapley
from audit.search.slice_search import explored

FEATURES = ["age", "charge", "race", "sex", "#prior", "stay"]


@pytest.fixture(scope="module")
def compas(data_folder):
    frame = pd.read_csv(data_folder / "compas" / "compas_discretized.csv")
    log = PredictionLog.from_frame(frame, y_true="class", y_pred="predicted", sensitive_features=FEATURES)
    return cells_of(count(log))


def of_compas(cells, metric="false_positive_rate", min_support=0.1):
    return explored(METRICS[metric], cells, FEATURES, min_support=min_support, max_depth=None)


def test_compas_has_the_published_number_of_patterns(compas):
    assert len(of_compas(compas).patterns.items) == 155
    assert len(of_compas(compas, min_support=0.05).patterns.items) == 316


@pytest.mark.parametrize(
    ("metric", "rate"), [("false_positive_rate", 0.088314), ("false_negative_rate", 0.698469), ("accuracy", 0.633992)]
)
def test_compas_rates_of_everyone(compas, metric, rate):
    assert round(of_compas(compas, metric).divergence.rate[0].item(), 6) == rate


def test_compas_largest_divergences_and_t_to_six_digits(compas):
    found = of_compas(compas)
    best = np.argsort(-found.divergence.difference)[:3]
    common = {"age": "25-45", "#prior": ">3", "race": "Afr-Am"}
    expected = [
        (common | {"sex": "Male"}, 0.128645, 0.219722, 7.116857),
        (common, 0.145010, 0.210928, 7.448260),
        (common | {"charge": "F"}, 0.109527, 0.201841, 6.201585),
    ]
    for place, (items, support, difference, t) in zip(best, expected, strict=True):
        assert dict(found.slice_of(place)) == items
        assert round(found.patterns.sums[0, place] / 6172, 6) == support
        assert round(found.divergence.difference[place].item(), 6) == difference
        assert round(found.divergence.t[place].item(), 6) == t


def test_compas_has_the_published_number_of_patterns_without_redundant_ones(compas):
    found = of_compas(compas)
    difference = found.divergence.difference
    redundant = np.zeros(155, dtype=bool)
    for places, above in found.patterns.parents():
        redundant[places] |= np.abs(difference[places] - difference[above]) <= 0.01
    assert int((~redundant).sum()) == 55


def test_compas_shapley_values_add_up_and_equal_the_mean_over_all_orders(compas):
    found = of_compas(compas)
    by_slice = {found.slice_of(place): found.divergence.difference[place] for place in range(155)}
    for place in np.argsort(-found.divergence.difference)[:10]:
        items = found.slice_of(place)
        parts = found.shapley(place)
        assert sum(parts.values()) == pytest.approx(by_slice[items])
        orders = list(permutations(items))
        for item in items:
            gains = []
            for order in orders:
                before = order[: order.index(item)]
                gains.append(by_slice[tuple(sorted((*before, item)))] - by_slice[tuple(sorted(before))])
            assert parts[item[0]] == pytest.approx(np.mean(gains))


def test_divergence_uses_the_moments_of_the_beta_distribution():
    x, n = np.array([50.0, 0.0, 7.0]), np.array([90.0, 5.0, 7.0])
    found = divergence(x, n)
    law = beta(x + 1, n - x + 1)
    assert np.allclose(found.mean, law.mean())
    assert np.allclose(found.variance, law.var())
    assert np.allclose(found.t, np.abs(law.mean() - law.mean()[0]) / np.sqrt(law.var() + law.var()[0]))


def test_a_rate_without_rows_is_undefined_not_zero():
    found = divergence([5, 0], [10, 0])
    assert np.isnan([found.rate[1], found.difference[1], found.t[1]]).all()


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), epsilon=st.floats(0.0, 0.3))
def test_every_folded_slice_is_close_to_the_shorter_one_that_it_is_folded_under(seed, epsilon):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2, (60, 4))
    wrong = (random.random(60) < 0.5).astype(float)
    found = frequent_patterns(Coded(codes, (2,) * 4, np.stack([np.ones(60), wrong])), min_rows=3)
    difference = divergence(found.sums[1], found.sums[0]).difference
    leader = folded(found, difference, epsilon=epsilon)
    assert np.array_equal(leader[leader], leader)  # no chains
    for place, under in enumerate(leader.tolist()):
        if place != under:
            assert abs(difference[place] - difference[under]) <= epsilon + 1e-9
            named = found.items[under] != -1
            assert np.array_equal(found.items[place][named], found.items[under][named])
            assert found.lengths[under] < found.lengths[place]
    # what stands alone is close to none of the standing slices right above it
    for places, above in found.parents():
        alone = leader[places] == places
        tops = leader[above[alone]]
        assert np.all(np.abs(difference[places[alone]] - difference[tops]) > epsilon)


def test_shapley_of_everyone_is_empty():
    found = frequent_patterns(Coded(np.array([[0]]), (1,), np.ones((2, 1))), min_rows=1)
    assert shapley(found, np.zeros(2), 0) == {}
