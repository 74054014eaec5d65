"""The e-value of rows beyond a cutoff: its expectation is 1 exactly, and more rows beyond are more evidence."""

import numpy as np
import pytest
from scipy.special import comb
from scipy.stats import betabinom

from monitors.shift.evidence import log_e_beyond


@pytest.mark.parametrize(("rank", "held_back", "rows"), [(1, 99, 40), (5, 499, 200), (1, 5, 30), (10, 999, 300)])
def test_the_expectation_under_exchangeability_is_one(rank, held_back, rows):
    """The null is the beta-binomial of scipy, an independent derivation of the Polya urn."""
    counts = np.arange(rows + 1)
    null = betabinom.pmf(counts, rows, rank, held_back + 1 - rank)
    e_values = np.exp([log_e_beyond(int(k), rows, rank=rank, held_back=held_back) for k in counts])
    assert np.sum(null * e_values) == pytest.approx(1.0, abs=1e-9)


def test_the_null_is_that_of_counting_orders():
    """The chance that k of n new rows lie above the r-th from the top of m is a share of all orders."""
    m, n, r = 6, 3, 2
    for k in range(n + 1):
        by_counting = comb(k + r - 1, k) * comb(n - k + m - r, n - k) / comb(m + n, n)
        assert betabinom.pmf(k, n, r, m + 1 - r) == pytest.approx(by_counting)


def test_more_rows_beyond_are_more_evidence():
    found = [log_e_beyond(k, 100, rank=5, held_back=499) for k in range(101)]
    assert np.all(np.diff(found) > 0)
    assert found[1] < 0 < found[10]


def test_no_rows_are_no_evidence():
    assert log_e_beyond(0, 0, rank=3, held_back=299) == pytest.approx(0.0)
