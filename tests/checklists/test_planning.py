"""Planning is tested for what it promises: the power of the gaps that it names."""

from typing import Any

import numpy as np
import pytest

from audit.errors import InputError
from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import quantile
from audit.result import Result
from checklists.planning import decidable_gap, plan

DRAWS = 20_000
CRITICAL = quantile(0.95)


@pytest.mark.parametrize(
    ("sizes", "most"),
    [((400, 400), 0.83), ((1000, 100), 0.83), ((300, 300, 300), 0.87), ((2000, 800, 400, 200, 100), 0.9)],
)
def test_equal_groups_pass_the_decidable_gap_four_times_in_five(sizes: tuple[int, ...], most: float) -> None:
    """Exact for two groups; for more, Boole's inequality makes the gap a little larger than it need be."""
    p = 0.3
    errors = [float(np.sqrt(p * (1 - p) / n)) for n in sizes]
    limit = decidable_gap(errors, level=0.95)
    random = np.random.default_rng(4)
    drawn = [random.binomial(n, p, DRAWS) for n in sizes]
    highest = np.full(DRAWS, -1.0)
    for one in range(len(sizes)):
        for two in range(len(sizes)):
            if one != two:
                bounds = agresti_caffo(drawn[one], sizes[one], drawn[two], sizes[two], critical=CRITICAL)
                highest = np.maximum(highest, bounds.high)
    assert 0.79 <= np.mean(highest <= limit) <= most


def test_the_plan_counts_the_denominator_of_each_metric_and_leaves_small_groups_out(result_of: Any) -> None:
    result = result_of(
        {"a": (400, 50, 100, 450), "b": (200, 10, 50, 90), "c": (9, 500, 1, 500), None: (50, 50, 50, 50)}
    )
    found = plan(result)
    misses = found.find("race", "false_negative_rate")
    assert misses.sizes == ((None, 100), ("a", 500), ("b", 250), ("c", 10))
    assert misses.enough == ("a", "b")
    errors = [np.sqrt(0.2 * 0.8 / n) for n in (500, 250)]
    assert misses.decidable_gap == pytest.approx((1.959964 + 1.281552) * np.hypot(*errors), rel=0.02)
    assert found.find("race", "false_positive_rate").enough == ("a", "b", "c")
    assert plan(result, min_n=400).find("race", "false_negative_rate").decidable_gap is None
    with pytest.raises(KeyError, match="no 'accuracy' by 'sex'"):
        found.find("sex", "accuracy")


def test_planning_needs_the_counts() -> None:
    with pytest.raises(InputError, match="planning needs the tally"):
        plan(Result(measurements=()))
