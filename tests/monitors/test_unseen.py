"""The bound of what a sample does not hold: it holds at its level, and is of use where little is unseen."""

import numpy as np
import pytest

from monitors.unseen import unseen_share_bound


def shares_of(kind, k=400):
    if kind == "zipf":
        weights = np.arange(1, 20_001) ** -1.5
    elif kind == "equal":
        weights = np.ones(k)
    else:
        weights = np.array([0.6, 0.38, 0.015, 0.005])
    return weights / weights.sum()


@pytest.mark.parametrize("kind", ["zipf", "equal", "few"])
@pytest.mark.parametrize("rows", [50, 400, 2_000])
def test_the_bound_fails_no_more_often_than_it_says(kind, rows):
    rng, shares = np.random.default_rng(3), shares_of(kind)
    failed = 0
    for _ in range(200):
        counts = rng.multinomial(rows, shares)
        failed += shares[counts == 0].sum() > unseen_share_bound(counts, alpha=0.05)
    assert failed <= 10  # .05 of 200


def test_it_is_narrow_where_nothing_is_seen_once_and_1_for_identifiers():
    assert unseen_share_bound([3000, 1500, 500], alpha=1e-4) < 0.025
    assert unseen_share_bound([1] * 5000, alpha=1e-4) == 1.0
    assert unseen_share_bound([], alpha=1e-4) == 1.0


def test_rows_that_come_in_clusters_are_worth_less():
    counts = [300, 200, 5, 4, 2]
    bounds = [unseen_share_bound(counts, alpha=0.01, dispersion=worth) for worth in (1.0, 5.0)]
    assert bounds[0] < bounds[1]
