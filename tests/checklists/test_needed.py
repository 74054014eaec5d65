"""The rows that a decision needs are tested for what they promise: the power that they then have."""

from typing import Any

import numpy as np
import pytest

from audit.gaps import Bounded, End, comparisons, extreme
from audit.inference.gap_intervals import agresti_caffo
from audit.inference.intervals import quantile, rate
from audit.measurement import Measurement
from checklists.needed import Needed, rows_needed, rows_needed_between

DRAWS = 20_000
CRITICAL = quantile(0.95)


def row(value: float | None, low: float | None, high: float | None, n: int = 100) -> Measurement:
    return Measurement(metric="accuracy", value=value, low=low, high=high, n=n, level=0.95, method="m", reason="why")


def in_groups(result_of: Any, misses: dict[str, tuple[int, int]], end: End = "max") -> Measurement:
    """Measure the false negative rate of one group, or the largest gap of several, from (misses, positives)."""
    result = result_of({name: (n - missed, 0, missed, 0) for name, (missed, n) in misses.items()})
    features, compare = (["race"], "difference") if len(misses) > 1 else ([], "value")
    return extreme(result.tally, "false_negative_rate", features=features, compare=compare, end=end, level=0.95)


@pytest.mark.parametrize(
    ("missed", "limit", "end", "verdict"),
    [
        (0.2, 0.25, "max", "PASS"),
        (0.1, 0.13, "max", "PASS"),
        (0.5, 0.45, "min", "PASS"),
        (0.3, 0.25, "max", "FAIL"),
        (0.4, 0.5, "min", "FAIL"),
    ],
)
def test_a_rate_is_decided_four_times_in_five(
    result_of: Any, missed: float, limit: float, end: End, verdict: str
) -> None:
    pilot = 400
    needed = rows_needed(in_groups(result_of, {"a": (round(missed * pilot), pilot)}, end), limit=limit, end=end)
    assert needed is not None
    assert needed.verdict == verdict
    drawn = np.random.default_rng(1).binomial(needed.rows, missed, DRAWS)
    bounds = rate(drawn, needed.rows)
    below = (end == "max") == (verdict == "PASS")
    assert 0.78 <= np.mean(bounds.high <= limit if below else bounds.low >= limit) <= 0.88


@pytest.mark.parametrize(
    ("rates", "sizes", "limit", "verdict"),
    [
        ((0.3, 0.2), (300, 300), 0.15, "PASS"),
        ((0.3, 0.2), (300, 300), 0.05, "FAIL"),
        ((0.3, 0.2), (200, 600), 0.16, "PASS"),
        ((0.12, 0.1), (200, 2000), 0.08, "PASS"),
    ],
)
def test_a_gap_is_decided_four_times_in_five_when_both_groups_grow_alike(
    result_of: Any, rates: tuple[float, float], sizes: tuple[int, int], limit: float, verdict: str
) -> None:
    misses = {name: (round(p * n), n) for name, p, n in zip("ab", rates, sizes, strict=True)}
    needed = rows_needed(in_groups(result_of, misses), limit=limit, end="max")
    assert needed is not None
    assert needed.verdict == verdict
    grown = [round(n * needed.rows / min(sizes)) for n in sizes]
    random = np.random.default_rng(2)
    drawn = [random.binomial(n, p, DRAWS) for n, p in zip(grown, rates, strict=True)]
    bounds = agresti_caffo(drawn[0], grown[0], drawn[1], grown[1], critical=CRITICAL)
    shown = np.maximum(bounds.high, -bounds.low) <= limit if verdict == "PASS" else bounds.low > limit
    assert 0.78 <= np.mean(shown) <= 0.88


def pairs(result_of: Any, misses: dict[str, tuple[int, int]]) -> tuple[Bounded, ...]:
    result = result_of({name: (n - missed, 0, missed, 0) for name, (missed, n) in misses.items()})
    return comparisons(
        result.tally, "false_negative_rate", features=["race"], compare="difference", level=0.95, among=None
    )


@pytest.mark.parametrize(
    ("misses", "limit", "expected"),
    [
        ({"a": (600, 2000), "b": (720, 2000), "c": (30, 90)}, 0.055, ("FAIL", "b", "between b and a")),
        ({"a": (600, 2000), "b": (420, 1400), "c": (24, 60), "d": (100, 300)}, 0.07, ("FAIL", "c", "between c and a")),
        ({"a": (500, 2000), "b": (280, 1000), "c": (24, 100)}, 0.14, ("PASS", "c", "between b and c")),
        ({"a": (90, 300), "b": (330, 1000), "c": (60, 200), "d": (190, 600)}, 0.09, ("PASS", "c", "between b and c")),
    ],
)
def test_the_largest_of_unequal_gaps_is_decided_four_times_in_five(
    result_of: Any, misses: dict[str, tuple[int, int]], limit: float, expected: tuple[str, str, str]
) -> None:
    found = pairs(result_of, misses)
    needed = rows_needed_between(found, found, limit=limit, end="max", level=0.95)
    assert needed is not None
    assert (needed.verdict, needed.group, needed.between) == expected
    growth = needed.rows / misses[needed.group][1]
    random = np.random.default_rng(5)
    sizes = [round(growth * n) for _, n in misses.values()]
    drawn = [random.binomial(n, missed / of, DRAWS) for n, (missed, of) in zip(sizes, misses.values(), strict=True)]
    count = len(sizes) * (len(sizes) - 1) // 2
    low, high = np.full(DRAWS, -1.0), np.full(DRAWS, -1.0)
    for one in range(len(sizes)):
        for two in range(len(sizes)):
            if one == two:
                continue
            sides = drawn[one], sizes[one], drawn[two], sizes[two]
            high = np.maximum(high, agresti_caffo(*sides, critical=CRITICAL).high)
            low = np.maximum(low, agresti_caffo(*sides, critical=quantile(0.95, comparisons=count)).low)
    assert 0.72 <= np.mean(high <= limit if needed.verdict == "PASS" else low > limit) <= 0.9


def test_the_rows_of_one_pair_are_those_of_its_own_interval(result_of: Any) -> None:
    """With one comparison the bounds that a PASS and a FAIL need are the same, and so is the answer."""
    misses = {"a": (60, 300), "b": (90, 300)}
    found = pairs(result_of, misses)
    for limit in (0.15, 0.05):
        alone = rows_needed(in_groups(result_of, misses), limit=limit, end="max")
        assert alone is not None
        assert rows_needed_between(found, found, limit=limit, end="max", level=0.95) == Needed(
            alone.rows, alone.verdict, "b", "between b and a"
        )


def test_a_pair_at_the_limit_leaves_no_number_of_rows(result_of: Any) -> None:
    found = pairs(result_of, {"a": (50, 200), "b": (100, 200), "c": (75, 200)})
    assert rows_needed_between(found, found, limit=0.25, end="max", level=0.95) is None


def test_only_a_group_that_may_fail_makes_a_failure_the_likely_verdict(result_of: Any) -> None:
    must = pairs(result_of, {"a": (60, 300), "b": (70, 300)})
    may = pairs(result_of, {"a": (60, 300), "b": (70, 300), "z": (110, 300)})
    verdicts = [
        rows_needed_between(must, fail, limit=0.08, end="max", level=0.95).verdict  # type: ignore[union-attr]
        for fail in (must, may)
    ]
    assert verdicts == ["PASS", "FAIL"]


def test_half_as_many_rows_decide_every_second_time(result_of: Any) -> None:
    """The plug-in n, without the factor 2.04 for power, decides in about half of all cases."""
    pilot = in_groups(result_of, {"a": (80, 400)})
    needed = rows_needed(pilot, limit=0.25, end="max")
    touching = rows_needed(pilot, limit=0.25, end="max", power=0.5)
    assert needed is not None
    assert touching is not None
    assert needed.rows / touching.rows == pytest.approx(((1.959964 + 0.841621) / 1.959964) ** 2, rel=0.01)
    drawn = np.random.default_rng(3).binomial(touching.rows, 0.2, DRAWS)
    assert 0.45 <= np.mean(rate(drawn, touching.rows).high <= 0.25) <= 0.56


@pytest.mark.parametrize(
    "undecidable",
    [row(0.5, 0.4, 0.6), row(None, None, None), row(0.4, 0.3, None)],
    ids=["at the limit", "undefined", "unbounded"],
)
def test_no_number_of_rows_is_named_where_none_would_do(undecidable: Measurement) -> None:
    assert rows_needed(undecidable, limit=0.5, end="max") is None


def test_rows_needed_by_hand() -> None:
    factor = ((1.959964 + 0.841621) / 1.959964) ** 2
    passing = rows_needed(row(0.4, 0.3, 0.55), limit=0.5, end="max")
    assert passing == (int(np.ceil(100 * factor * 1.5**2)), "PASS")
    failing = rows_needed(row(0.4, 0.3, 0.55), limit=0.5, end="min")
    assert failing == (int(np.ceil(100 * factor * 1.5**2)), "FAIL")
    assert rows_needed(row(0.4, 0.3, 0.55), limit=0.35, end="max") == (int(np.ceil(100 * factor * 2.0**2)), "FAIL")
    assert rows_needed(row(0.4, 0.3, 0.55), limit=0.35, end="min") == (int(np.ceil(100 * factor * 2.0**2)), "PASS")
