"""The interval of a confirmed slice, computed exactly: it errs less often than it may where Agresti-Caffo errs more."""

import numpy as np
import pytest
from scipy.stats import binom

from audit.inference.gap_intervals import agresti_caffo, square_and_add
from audit.inference.intervals import clopper_pearson, quantile
from audit.metrics.catalog import METRICS
from audit.pairs import compared
from audit.rollup import FN, TP, Cells, Partition
from audit.search.confirmation import exact_difference

RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


def cells_of_two(x, n, y, m):
    amounts = np.array([x, n - x, y, m - y], dtype=float)
    quadrant = np.array([TP, FN, TP, FN])
    cells = Cells(quadrant, amounts.astype(int), amounts, amounts, None, 0, False, {}, False, None)
    return cells, Partition((), ((), ()), np.array([0, 0, 1, 1]))


def worst_share(rows, others, comparisons):
    """Return how often a slice that is no different is confirmed, as a share of the error that is allowed."""
    x, y = np.arange(rows + 1)[:, None], np.arange(others + 1)[None, :]
    sides = [clopper_pearson(*side, alpha=0.05 / comparisons) for side in ((x, rows), (y, others))]
    ours = square_and_add(x / rows, sides[0], y / others, sides[1]).low > 0
    theirs = agresti_caffo(x, rows, y, others, critical=quantile(0.95, comparisons=comparisons)).low > 0
    shares = []
    for rate in RATES:
        chance = binom.pmf(x, rows, rate) * binom.pmf(y, others, rate)
        shares.append([chance[found].sum() / (0.025 / comparisons) for found in (ours, theirs)])
    return np.max(shares, axis=0)


@pytest.mark.parametrize("rows", [3, 8, 20, 50, 100])
@pytest.mark.parametrize("comparisons", [1, 5, 20])
def test_no_difference_is_confirmed_more_often_than_allowed(rows, comparisons):
    assert worst_share(rows, 300, comparisons)[0] <= 1.0


def test_agresti_caffo_would_confirm_several_times_as_often_as_allowed():
    assert worst_share(8, 2000, 20)[1] > 10
    assert worst_share(30, 2000, 20)[1] > 4


@pytest.mark.parametrize(("x", "n", "y", "m"), [(3, 8, 20, 300), (0, 5, 0, 9), (30, 30, 1, 200)])
def test_the_interval_is_square_and_add_of_clopper_and_pearson(x, n, y, m):
    base = compared(METRICS["true_positive_rate"], *cells_of_two(x, n, y, m))
    bounds = exact_difference(base, level=0.95, comparisons=7)
    sides = [clopper_pearson(*side, alpha=0.05 / 7) for side in ((x, n), (y, m))]
    low, high = square_and_add(x / n, sides[0], y / m, sides[1])
    assert float(bounds.low) == pytest.approx(max(float(low), -1))
    assert float(bounds.high) == pytest.approx(min(float(high), 1))


def test_more_comparisons_widen_and_an_empty_side_is_undefined():
    base = compared(METRICS["true_positive_rate"], *cells_of_two(3, 8, 20, 300))
    one, twenty = (exact_difference(base, level=0.95, comparisons=m) for m in (1, 20))
    assert twenty.low < one.low < one.high < twenty.high
    nothing = compared(METRICS["true_positive_rate"], *cells_of_two(0, 0, 20, 300))
    assert np.isnan(exact_difference(nothing, level=0.95, comparisons=1)).all()


def test_other_metrics_are_refused():
    base = compared(METRICS["f1"], *cells_of_two(3, 8, 20, 300))
    with pytest.raises(ValueError, match="confirmed by a rate; f1 is 'smooth'"):
        exact_difference(base, level=0.95, comparisons=1)
